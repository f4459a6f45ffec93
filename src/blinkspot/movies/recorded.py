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
        If it is in photons, or a movie of variances.
    """
    denoised = open_stack(path)
    check_holds_light(denoised, path)
    if in_photons(denoised):
        raise BlinkspotError(
            f"{path} is in photons: denoise with --units adu to localize in it beside the noisy movie."
        )
    return denoised


def in_photons(movie: Stack) -> bool:
    """Tell whether a movie's file says that it is in photons."""
    return _settings(movie).get("units") == "photons"


def check_holds_light(movie: Stack, path: Path) -> None:
    """Check that a movie's file does not say that it holds variances, in the square of a movie's unit.

    Raises
    ------
    BlinkspotError
        If it does: they would be taken for light.
    """
    if _settings(movie).get("estimate") == "posterior-variance":
        raise BlinkspotError(
            f"{path} holds the posterior variance of each pixel, not its light: give a movie denoised with "
            "--estimate posterior-mean."
        )


def _settings(movie: Stack) -> dict[str, Any]:
    settings = _made_by(movie).get("settings")
    return settings if isinstance(settings, dict) else {}


def _made_by(movie: Stack) -> dict[str, Any]:
    made_by: dict[str, Any] = movie.metadata.get("provenance", {})
    return made_by
