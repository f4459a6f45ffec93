"""Pairs of localizations in successive frames: how many lie how far apart."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray

from blinkspot.localization._compiling import compiled
from blinkspot.localization.table import LocalizationTable
from blinkspot.paced import in_parts, waited_for
from blinkspot.progress import Progress, Stopwatch

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def successor_distances(
    table: LocalizationTable, largest_nm: float, bins: int
) -> Generator[Progress, None, IntArray]:
    """Count the pairs of one localization and another in the frame after, by their distance.

    Parameters
    ----------
    table : LocalizationTable
    largest_nm : float
        Pairs farther apart are left out.
    bins : int
        From 0 to ``largest_nm``, of equal width.

    Yields
    ------
    Progress

    Returns
    -------
    ndarray of int64, shape (bins,)
    """
    clock = Stopwatch("measuring distances in successive frames", 1.0)
    yield clock.at(0.0)
    frame, x, y = (table.column(name) for name in ("frame", "x_nm", "y_nm"))
    order = yield from waited_for(lambda: np.lexsort((x, frame)), clock)
    frame, x, y = frame[order], x[order], y[order]
    counts = np.zeros(bins, dtype=np.int64)
    yield from in_parts(
        lambda part: _count(frame, x, y, part.start, part.stop, largest_nm, counts),
        len(frame),
        clock,
        (0.3, 1.0),
    )
    return counts


@compiled
def _count(
    frame: IntArray, x: FloatArray, y: FloatArray, start: int, stop: int, largest: float, counts: IntArray
) -> None:
    """Add the pairs whose first is a row from ``start`` to ``stop``; rows are in order of frame and x."""
    per_nm = counts.size / largest
    for i in range(start, stop):
        # The first row of the next frame whose x is within reach, by halving.
        low, high = i + 1, frame.size
        while low < high:
            middle = (low + high) // 2
            before = frame[middle] == frame[i] + 1 and x[middle] < x[i] - largest
            if frame[middle] <= frame[i] or before:
                low = middle + 1
            else:
                high = middle
        for j in range(low, frame.size):
            if frame[j] != frame[i] + 1 or x[j] > x[i] + largest:
                break
            distance = np.hypot(x[j] - x[i], y[j] - y[i])
            if distance < largest:
                # Just below the largest, rounding may end in the bin after the last.
                counts[min(int(distance * per_nm), counts.size - 1)] += 1
