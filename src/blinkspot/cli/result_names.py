"""Names of the results of one command."""

from __future__ import annotations

import os
from pathlib import Path

from blinkspot.errors import BlinkspotError


def check_different(*results: Path | None) -> None:
    """Check, before any work, that no two results would be one file.

    Parameters
    ----------
    *results : Path or None
        None where there is no such result.

    Raises
    ------
    BlinkspotError
        If two are the same, however they are spelled.
    """
    seen = set()
    for path in results:
        if path is None:
            continue
        place = os.path.join(os.path.realpath(path.parent), path.name)
        if place in seen:
            raise BlinkspotError(f"Two results would be written as {path}: give them different names.")
        seen.add(place)
