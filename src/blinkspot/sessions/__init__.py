"""What was done in a window: as command lines that repeat it, and as a folder that holds it.

The names below are loaded when they are first used: tables take a second to import, and a window should not
wait for them.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blinkspot.sessions.commands import command_lines
    from blinkspot.sessions.contents import SessionContents, SessionTable
    from blinkspot.sessions.folder import read_session, write_session
    from blinkspot.sessions.record import (
        DenoisedMovie,
        Model,
        Movie,
        Picture,
        Report,
        SessionRecord,
        Table,
    )

_HOMES = {
    "DenoisedMovie": "record",
    "Model": "record",
    "Movie": "record",
    "Picture": "record",
    "Report": "record",
    "SessionContents": "contents",
    "SessionRecord": "record",
    "SessionTable": "contents",
    "Table": "record",
    "command_lines": "commands",
    "read_session": "folder",
    "write_session": "folder",
}

__all__ = [
    "DenoisedMovie",
    "Model",
    "Movie",
    "Picture",
    "Report",
    "SessionContents",
    "SessionRecord",
    "SessionTable",
    "Table",
    "command_lines",
    "read_session",
    "write_session",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
