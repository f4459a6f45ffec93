"""Two fits of one molecule."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from blinkspot.localization._compiling import compiled, read_only

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Closer maxima of the filter are not resolved: two fits there have found one molecule.
DUPLICATE_DISTANCE_PX = 1.0


def without_duplicates(
    positions: FloatArray, strength: FloatArray, distance: float, frames: NDArray[np.generic] | None = None
) -> IntArray:
    """Choose the localizations that have no stronger one nearby in their frame.

    From the strongest down, each is kept unless one that is kept lies closer than ``distance``. So the fate
    of each depends on stronger ones only, and to filter the result by strength is to filter first.

    Parameters
    ----------
    positions : ndarray of float64, shape (n, 2)
    strength : ndarray of float64, shape (n,)
        Of equal ones the first counts as the stronger.
    distance : float
        In the unit of the positions.
    frames : ndarray, shape (n,), optional
        The frame of each, ascending; all are of one frame unless given.

    Returns
    -------
    ndarray of int64
        Indices of those kept, ascending.
    """
    n = len(positions)
    frame = np.zeros(n, dtype=np.int64) if frames is None else frames
    starts = np.concatenate([[0], np.flatnonzero(np.diff(frame)) + 1, [n]])
    kept = np.ones(n, dtype=np.bool_)
    x, y = (read_only(np.ascontiguousarray(each, np.float64)) for each in positions.T)
    _strike_duplicates(x, y, -np.asarray(strength, np.float64), distance, starts, kept)
    return np.flatnonzero(kept)


@compiled
def _strike_duplicates(
    x: FloatArray,
    y: FloatArray,
    weakness: FloatArray,
    distance: float,
    starts: IntArray,
    kept: NDArray[np.bool_],
) -> None:
    for frame in range(starts.size - 1):
        first, last = starts[frame], starts[frame + 1]
        if last - first < 2:
            continue
        # Neighbours are sought up and down from each, in order of y. A copy can be written to, as weakness
        # can: numba compiles one sorting for both.
        down = first + np.argsort(y[first:last].copy(), kind="mergesort")
        place = np.empty(last - first, dtype=np.int64)
        for i in range(down.size):
            place[down[i] - first] = i
        for index in first + np.argsort(weakness[first:last], kind="mergesort"):
            if not kept[index]:
                continue
            for step in (-1, 1):
                i = place[index - first] + step
                while 0 <= i < down.size and abs(y[down[i]] - y[index]) < distance:
                    other = down[i]
                    off_x, off_y = x[other] - x[index], y[other] - y[index]
                    if off_x * off_x + off_y * off_y < distance * distance:
                        kept[other] = False
                    i += step
