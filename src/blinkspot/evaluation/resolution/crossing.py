"""Where a ring correlation falls below its threshold."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

THRESHOLD = 1.0 / 7.0
# Rings smoothed together, as a part of all, and the fewest. Where the curve falls early it is smoothed less:
# over this part of the rings up to there.
_SMOOTHED_PART = 1 / 20
_SMOOTHED_BEFORE = 0.3
_FEWEST_RINGS = 5
# Standard errors by which the correlation up to the crossing must differ from none.
_SURE = 4.0


@dataclass(frozen=True)
class Crossing:
    """Where a curve falls below 1/7.

    Attributes
    ----------
    ring : float or None
        Number of the ring, between two of them.
    stays_above : bool
        Whether the curve never falls below.
    smoothed : ndarray of float64, shape (rings,)
        The curve as it was looked at.
    """

    ring: float | None
    stays_above: bool
    smoothed: FloatArray


def first_crossing(curve: FloatArray, n: FloatArray) -> Crossing:
    """Find where a curve first falls below 1/7.

    Parameters
    ----------
    curve : ndarray of float64, shape (rings,)
    n : ndarray of float64, shape (rings,)
        Frequencies on each ring, those included that mirror others.
    """
    span = max(math.ceil(len(curve) * _SMOOTHED_PART), _FEWEST_RINGS)
    while True:
        smooth = smoothed(curve, n, span)
        falls = np.flatnonzero((smooth[:-1] >= THRESHOLD) & (smooth[1:] < THRESHOLD))
        ring = None
        if len(falls):
            before = int(falls[0])
            ring = before + float((smooth[before] - THRESHOLD) / (smooth[before] - smooth[before + 1]))
        elif smooth[-1] >= THRESHOLD:
            return Crossing(None, True, smooth)
        if span == _FEWEST_RINGS or (ring is not None and span <= _SMOOTHED_BEFORE * ring):
            break
        span = max(span // 2, _FEWEST_RINGS)
    if ring is not None and not _is_sure(curve, n, ring):
        ring = None
    return Crossing(ring, False, smooth)


def _is_sure(curve: FloatArray, n: FloatArray, ring: float) -> bool:
    """Tell whether the correlation up to a ring can be no chance; of n frequencies half are independent."""
    up_to = slice(1, int(ring) + 1)
    independent = n[up_to] / 2.0
    total = float(independent.sum())
    return total > 0 and float(independent @ curve[up_to]) > _SURE * math.sqrt(total)


def smoothed(curve: FloatArray, n: FloatArray, span: int) -> FloatArray:
    """Smooth a curve by local lines (LOESS: Cleveland 1979, J. Am. Stat. Assoc. 74:829), without robustness.

    Each point is the value there of a line through the nearest ``span`` points, weighted by (1 - |distance /
    largest|^3)^3 and by how many frequencies each is the mean of.
    """
    rings = len(curve)
    span = min(span | 1, rings)
    begin = np.clip(np.arange(rings) - span // 2, 0, rings - span)
    values = sliding_window_view(curve, span)[begin]
    offset = begin[:, None] + np.arange(span) - np.arange(rings)[:, None]
    farthest = np.abs(offset).max(axis=1, keepdims=True)
    weight = (1.0 - (np.abs(offset) / (farthest + 1.0)) ** 3) ** 3 * sliding_window_view(n, span)[begin]
    weight /= weight.sum(axis=1, keepdims=True)
    middle = (weight * offset).sum(axis=1, keepdims=True)
    centred = offset - middle
    slope = (weight * centred * values).sum(axis=1) / (weight * centred**2).sum(axis=1)
    result: FloatArray = (weight * values).sum(axis=1) - slope * middle[:, 0]
    return result
