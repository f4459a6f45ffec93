"""Commands that go on where an earlier run of the same command was ended."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Annotated, Protocol

import typer

from blinkspot.cli.console import say
from blinkspot.cli.interruption import INTERRUPTED

Restart = Annotated[
    bool, typer.Option("--restart", help="Remove what is kept of an earlier run, and begin anew.")
]


class KeptFile(Protocol):
    """A file on its way, of which something is kept where that ends early."""

    @property
    def kept(self) -> str:
        """How much is kept, in a sentence; empty where nothing is."""


@contextlib.contextmanager
def going_on_later(file: KeptFile) -> Iterator[None]:
    """Say what is kept of a file where a ``with`` block, which makes it, ends early."""
    try:
        yield
    except (KeyboardInterrupt, Exception) as error:
        if file.kept:
            say(file.kept)
            if isinstance(error, KeyboardInterrupt):
                sys.exit(INTERRUPTED)  # all is said
        raise
