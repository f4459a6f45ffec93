"""Which movies are as recorded, and which are denoised."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from blinkspot.errors import BlinkspotError
from blinkspot.movies.stack import Stack, open_stack


def open_recorded(path: Path) -> Stack:
    """Open a movie that must be as recorded.

    Raises
    ------
    BlinkspotError
        If it is denoised: what follows from the noise of its pixels would be false.
    """
    movie = open_stack(path)
    if is_denoised(movie):
        raise BlinkspotError(f"{path} is a denoised movie: give the movie as it was recorded.")
    return movie


def is_denoised(movie: Stack) -> bool:
    """Tell whether a movie's file says that it was denoised by this software."""
    return _made_by(movie).get("step") == "denoise"


def open_denoised(path: Path) -> Stack:
    """Open a denoised movie that must be in ADU.

    Raises
    ------
    BlinkspotError
        If it is in photons.
    """
    denoised = open_stack(path)
    if in_photons(denoised):
        raise BlinkspotError(
            f"{path} is in photons: denoise with --units adu to localize in it beside the noisy movie."
        )
    return denoised


def in_photons(movie: Stack) -> bool:
    """Tell whether a movie's file says that it is in photons."""
    settings = _made_by(movie).get("settings")
    return isinstance(settings, dict) and settings.get("units") == "photons"


def _made_by(movie: Stack) -> dict[str, Any]:
    made_by: dict[str, Any] = movie.metadata.get("provenance", {})
    return made_by
