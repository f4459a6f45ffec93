"""What was done in a window: as command lines that repeat it, and as a folder that holds it."""

from __future__ import annotations

from blinkspot.sessions.commands import command_lines
from blinkspot.sessions.folder import (
    COMMANDS_FILE,
    SESSION_FILE,
    SessionContents,
    SessionTable,
    read_session,
    write_session,
)
from blinkspot.sessions.record import (
    DenoisedMovie,
    Model,
    Movie,
    Picture,
    Report,
    SessionRecord,
    Table,
)

__all__ = [
    "COMMANDS_FILE",
    "SESSION_FILE",
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
