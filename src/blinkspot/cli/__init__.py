"""The command line: one command per step, a thin skin over the library."""

from __future__ import annotations

import atexit
import gc
import sys


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit.

    The status is 0 when the job was done, 2 for bad input (with one sentence on standard error), 130 when
    it was interrupted.
    """
    # Else Python looks through all that torch has loaded before it ends, which takes most of a second.
    atexit.register(gc.freeze)
    try:
        # What the commands need takes a second or two to import: Ctrl-C must reach that, too.
        from blinkspot.cli import app

        app.main(arguments)
    except KeyboardInterrupt:
        print("blinkspot: Stopped; nothing half-done was left behind.", file=sys.stderr)
        sys.exit(130)
