"""The movie's pixel size, which formats in pixels, or with their origin in a pixel's centre, need."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from blinkspot.camera.camera import PIXEL_SIZES_NM
from blinkspot.errors import BlinkspotError, in_brief


def checked_pixel_size_nm(value: Any) -> float:
    """Return a pixel size.

    Raises
    ------
    BlinkspotError
        If it is not a number from 1 to 100,000.
    """
    try:
        pixel_size_nm = math.nan if isinstance(value, bool) else float(value)
    except (OverflowError, TypeError, ValueError):
        pixel_size_nm = math.nan
    if not (math.isfinite(pixel_size_nm) and pixel_size_nm > 0):
        raise BlinkspotError(f"The pixel size must be a number above 0 nm, not {in_brief(value, 60)}.")
    smallest, largest = PIXEL_SIZES_NM
    if not smallest <= pixel_size_nm <= largest:
        raise BlinkspotError(
            f"The pixel size must be from {smallest:g} to {largest:,.0f} nm, not {pixel_size_nm:g}: "
            "give that of the movie, in nm."
        )
    return pixel_size_nm


def known_pixel_size_nm(provenance: dict[str, Any]) -> float | None:
    """Return the pixel size that a table's provenance states; None where it does not."""
    try:
        return checked_pixel_size_nm(provenance["camera"]["pixel_size_nm"])
    except (BlinkspotError, KeyError, TypeError):
        return None


def with_pixel_size(provenance: dict[str, Any], pixel_size_nm: float) -> dict[str, Any]:
    """Return a provenance that states the pixel size."""
    camera = provenance.get("camera")
    known = camera if isinstance(camera, dict) else {}
    return {**provenance, "camera": {**known, "pixel_size_nm": pixel_size_nm}}


def pixel_size_to_write(provenance: dict[str, Any], given_nm: float | None, path: Path, format: str) -> float:
    """Return the pixel size with which a table is written.

    Raises
    ------
    BlinkspotError
        If neither the table nor the caller knows it, or they differ.
    """
    known_nm = known_pixel_size_nm(provenance)
    if given_nm is None and known_nm is None:
        raise BlinkspotError(
            f"{path} needs the movie's pixel size, as every table of {format}, and this table does not know "
            "it: give it (pixel_size_nm; --pixel-size-nm of blinkspot convert)."
        )
    if given_nm is not None and known_nm is not None and not math.isclose(given_nm, known_nm):
        raise BlinkspotError(
            f"The table is of a movie with pixels of {known_nm:g} nm, not of {given_nm:g} nm: "
            f"leave the pixel size out to write {path}."
        )
    return known_nm if given_nm is None else given_nm  # type: ignore[return-value]
