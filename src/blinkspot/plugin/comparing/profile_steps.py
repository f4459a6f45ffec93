"""What is computed for a line profile in another thread. Nothing here knows Qt or a layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blinkspot.camera import Camera
from blinkspot.movies.line_profile import Line, line_profile
from blinkspot.movies.stack import Stack

_HALF_LENGTH_PX = 6.0
_NM_PER_UM = 1000.0
_LONGEST_NM = 5000.0

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class ProfileQuestion:
    """What to draw.

    Attributes
    ----------
    line : Line
    noisy, denoised : (Stack, int) or None
        A movie and the frame in it; None where it does not have the frame shown.
    camera : Camera or None
        None where it is not known: the values are then in ADU.
    pixel_size_nm : float or None
        None where it is not known: distances are then in pixels.
    """

    line: Line
    noisy: tuple[Stack, int] | None
    denoised: tuple[Stack, int] | None
    camera: Camera | None
    pixel_size_nm: float | None


@dataclass(frozen=True)
class Profiles:
    """Both movies along a line.

    Attributes
    ----------
    distances : ndarray of float64, shape (n,)
        From the line's start, in ``distance_unit``: nm, of a long line µm, or pixels.
    noisy, denoised : ndarray of float64, shape (n,), or None
        In ``unit``: photoelectrons or ADU.
    """

    distances: FloatArray
    distance_unit: str
    noisy: FloatArray | None
    denoised: FloatArray | None
    unit: str


def profiles(question: ProfileQuestion) -> Profiles:
    """Measure both movies along a line."""
    distances, unit = question.line.points()[0], "pixels"
    if question.pixel_size_nm is not None:
        distances, unit = distances * question.pixel_size_nm, "nm"
        if distances[-1] > _LONGEST_NM:
            distances, unit = distances / _NM_PER_UM, "µm"
    return Profiles(
        distances,
        unit,
        _along(question.line, question.noisy, question.camera),
        _along(question.line, question.denoised, question.camera),
        "ADU" if question.camera is None else "photoelectrons",
    )


def _along(line: Line, movie: tuple[Stack, int] | None, camera: Camera | None) -> FloatArray | None:
    if movie is None:
        return None
    stack, index = movie
    frame = stack.frame(index)
    return line_profile(frame if camera is None else camera.photoelectrons(frame), line)[1]


def line_across_brightest(movie: Stack, index: int, corners: NDArray[np.float64]) -> Line:
    """Return a line along x across the brightest pixel in the middle of what is seen of a frame.

    The middle half of its height and of its width: from there, a line reaches over no border, and it stays
    in view when the plot takes its share of the window.

    Parameters
    ----------
    corners : ndarray of float64, shape (2, 2)
        Two opposite corners, y and x in pixels, of the part that is seen; all of the frame where that has
        none of its pixels.
    """
    frame = movie.frame(index)
    low = np.clip(np.floor(corners.min(axis=0)), 0, frame.shape).astype(int)
    high = np.clip(np.ceil(corners.max(axis=0)) + 1, 0, frame.shape).astype(int)
    if np.any(high <= low):
        low, high = np.zeros(2, int), np.array(frame.shape)
    quarter = (high - low) // 4
    low, high = low + quarter, high - quarter
    part = frame[low[0] : high[0], low[1] : high[1]]
    y, x = np.unravel_index(np.argmax(np.where(np.isfinite(part), part, -np.inf)), part.shape) + low
    return Line((float(y), x - _HALF_LENGTH_PX), (float(y), x + _HALF_LENGTH_PX))
