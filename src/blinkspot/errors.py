"""The one exception that carries a sentence for the user."""


class BlinkspotError(Exception):
    """What the user gave cannot be used.

    ``str(error)`` is one plain sentence that says what is wrong, where, and what to do. The command line
    prints it and exits with status 2; a dock shows it as a notification. Anything else that is raised is a
    defect of ours.
    """
