"""Spots in a residual: molecules that the denoiser lost, and such as it invented.

The residual is filtered as movies are (:mod:`blinkspot.localization.detection`), and the maxima of what comes
out are compared with those of simulated white residuals, whose pixels have the same means and variances. What
is found above a threshold, less what white noise has there, is an estimate of the molecules lost; of the
residual's negative, of those invented. Molecules too faint for the threshold are not in it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from blinkspot.localization.detection import local_maxima, wavelet_filter

FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]

# Lower maxima are no spots, in standard deviations of the response to white noise.
_BEGIN = 2.5
# Around a spot the filter's response dips below 0: no more than so deep, as a part of its height, and so far.
_LOBE_HEIGHT = 0.5
_LOBE_PX = 8.0
_STRONG = 5.0
# Standard deviation of the response in white noise of variance 1: the root of the filter's sum of squares.
RESPONSE_STD = 0.200664


@dataclass(frozen=True)
class SpotExcess:
    """Spots of a residual beyond those of white noise.

    Attributes
    ----------
    threshold : float
        Response of the filter that they reach, in its standard deviations in white noise.
    found : int
        Spots that reach it.
    expected : float
        Of white noise.
    error : float
        Standard error of the excess: of what was found, and of the simulation.
    frames : int
    """

    threshold: float
    found: int
    expected: float
    error: float
    frames: int

    @property
    def excess(self) -> float:
        """Found less expected."""
        return self.found - self.expected

    @property
    def per_frame(self) -> float:
        """The excess, per frame."""
        return self.excess / self.frames

    @property
    def is_sure(self) -> bool:
        """Whether the excess is above 0 by four standard errors."""
        return self.excess > 4.0 * self.error

    def as_dict(self) -> dict[str, Any]:
        """Return the figures, JSON-ready."""
        return {
            "per_frame": self.per_frame,
            "per_frame_error": self.error / self.frames,
            "found": self.found,
            "expected": self.expected,
            "threshold": self.threshold,
        }


@dataclass
class Maxima:
    """Strong maxima of filtered frames, upwards and downwards; ``unit`` is what their values are given in."""

    pixels: int = 0
    frames: int = 0
    unit: float = RESPONSE_STD
    _upwards: list[Float32Array] = field(default_factory=list)
    _downwards: list[Float32Array] = field(default_factory=list)

    def add(self, frame: Float32Array) -> Iterator[None]:
        """Add a residual frame, and give a turn to others now and then."""
        response, _, _ = wavelet_filter(frame)
        yield
        both = []
        for signed in (response, -response):
            rows, columns = local_maxima(signed, _BEGIN * RESPONSE_STD)
            both.append((np.column_stack((rows, columns)), signed[rows, columns]))
            yield
        upwards, downwards = both
        self._upwards.append(_without_lobes(upwards, downwards))
        self._downwards.append(_without_lobes(downwards, upwards))
        self.pixels += frame.size
        self.frames += 1

    def values(self, *, upwards: bool) -> FloatArray:
        """Return the responses, ascending, in standard deviations of white noise."""
        parts = self._upwards if upwards else self._downwards
        values: FloatArray = np.sort(np.concatenate([*parts, np.empty(0, np.float32)])).astype(np.float64)
        return values / self.unit

    def scaled(self, factor: float) -> Maxima:
        """Return the maxima of frames ``factor`` times as high."""
        return replace(self, unit=self.unit / factor)


def _without_lobes(
    maxima: tuple[NDArray[np.int64], Float32Array], opposite: tuple[NDArray[np.int64], Float32Array]
) -> Float32Array:
    """Return the values of the maxima that are not the lobes that the filter leaves around opposite ones."""
    (places, values), (others, heights) = maxima, opposite
    strong = heights >= _STRONG * RESPONSE_STD
    if not len(places) or not strong.any():
        return values
    distance, nearest = cKDTree(others[strong]).query(places, k=1)
    is_lobe = (distance <= _LOBE_PX) & (values < _LOBE_HEIGHT * heights[strong][nearest])
    kept: Float32Array = values[~is_lobe]
    return kept


def spot_excess(found: Maxima, white: Maxima, false_per_megapixel: float, *, upwards: bool) -> SpotExcess:
    """Count the spots of a residual beyond those of white noise.

    Parameters
    ----------
    found, white : Maxima
        Of the residual, and of simulated white ones.
    false_per_megapixel : float
        Spots of white noise in a million pixels at the threshold.
    upwards : bool
        Molecules lost; else, invented.
    """
    of_white = white.values(upwards=upwards)
    allowed = max(1, round(false_per_megapixel * white.pixels / 1e6))
    threshold = float(of_white[-allowed]) if allowed <= len(of_white) else _BEGIN
    per_pixel = found.pixels / white.pixels
    expected = float(np.sum(of_white >= threshold)) * per_pixel
    values = found.values(upwards=upwards)
    reached = int(np.sum(values >= threshold))
    # The scatter of what white noise would have is that of its expectation, known from a simulation.
    error = math.sqrt(max(reached, expected) + expected * per_pixel)
    return SpotExcess(threshold, reached, expected, error, found.frames)
