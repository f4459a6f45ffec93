"""The one exception that carries a sentence for the user."""


class BlinkspotError(Exception):
    """What the user gave cannot be used.

    ``str(error)`` is one plain sentence that says what is wrong, where, and what to do. The command line
    prints it and exits with status 2; a dock shows it as a notification. Anything else that is raised is a
    defect of ours.
    """


def in_brief(words: object, most: int = 160) -> str:
    """Return what a library says of a file, or what stands in it, as a part of a sentence of one line.

    Parameters
    ----------
    words : object
        An exception or a value.
    most : int
        Characters that are kept.
    """
    try:
        line = " ".join(str(words)[: 4 * most].split())
    except (ValueError, RecursionError):  # a number of thousands of digits, or lists within lists
        line = ""
    line = "".join(letter if letter.isprintable() else "?" for letter in line)
    if len(line) > most:
        line = f"{line[: most - 3]}..."
    return line or type(words).__name__
