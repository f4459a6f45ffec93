"""The command line: one command per step, a thin skin over the library."""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import sys

from blinkspot.cli.interruption import one_interruption


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit.

    The status is 0 when the job was done, 2 for bad input (with one sentence on standard error), 130 when
    it was interrupted.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever has started this
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
    # Else Python looks through all that torch has loaded before it ends, which takes most of a second.
    atexit.register(gc.freeze)
    try:
        with one_interruption() as request:
            # What the commands need takes a second or two to import: Ctrl-C must reach that, too.
            from blinkspot.cli import app

            request.obey()
            app.main(arguments)
    except KeyboardInterrupt:
        with contextlib.suppress(OSError):
            print("blinkspot: Stopped; nothing half-done was left behind.", file=sys.stderr)
        sys.exit(130)
