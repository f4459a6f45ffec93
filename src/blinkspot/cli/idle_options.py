"""Options that were typed, and that others put out of use: they are refused rather than ignored."""

from __future__ import annotations

import typer

from blinkspot.errors import BlinkspotError


def refuse_idle(context: typer.Context, why: str, *names: str) -> None:
    """Refuse options that have no effect.

    Parameters
    ----------
    context : Context
        Of the command.
    why : str
        What puts them out of use: ``"with --load"``.
    *names : str
        Of the command's parameters that have no effect then.

    Raises
    ------
    BlinkspotError
        If one of them was typed; what has its default value was not.
    """
    typed = ["--" + name.replace("_", "-") for name in names if _was_typed(context, name)]
    if typed:
        have, them = ("has", "it") if len(typed) == 1 else ("have", "them")
        raise BlinkspotError(f"{' and '.join(typed)} {have} no effect {why}: leave {them} out.")


def _was_typed(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"
