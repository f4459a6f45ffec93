"""The light along a line across a frame."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

FloatArray = NDArray[np.float64]

_LARGEST_STEP_PX = 0.5


@dataclass(frozen=True)
class Line:
    """A straight line in a frame.

    Attributes
    ----------
    start, end : (float, float)
        y and x in pixels; (0, 0) is the centre of the first pixel.
    """

    start: tuple[float, float]
    end: tuple[float, float]

    @property
    def length_px(self) -> float:
        """Its length, pixels."""
        return math.dist(self.start, self.end)

    def points(self) -> tuple[FloatArray, FloatArray]:
        """Return points on it, from end to end, at most half a pixel apart.

        Returns
        -------
        distances_px : ndarray of float64, shape (n,)
            From the start, pixels.
        places_px : ndarray of float64, shape (2, n)
            y and x.
        """
        n = max(2, math.ceil(self.length_px / _LARGEST_STEP_PX) + 1)
        places = np.linspace(self.start, self.end, n).T
        return np.linspace(0.0, self.length_px, n), places


def line_profile(frame: NDArray[Any], line: Line) -> tuple[FloatArray, FloatArray]:
    """Return the values of a frame along a line, linear between the centres of the pixels.

    Parameters
    ----------
    frame : ndarray, shape (Y, X)
    line : Line

    Returns
    -------
    distances_px, values : ndarray of float64, shape (n,)
        Distance from the line's start, pixels, and the frame's value there; NaN where the line is outside
        the frame. Up to half a pixel beyond the centres of the outermost pixels, these pixels go on.
    """
    distances, places = line.points()
    values = map_coordinates(np.asarray(frame, np.float64), places, order=1, mode="nearest")
    ends = np.array(frame.shape, float)[:, None] - 0.5
    values[((places < -0.5) | (places > ends)).any(axis=0)] = np.nan
    return distances, values
