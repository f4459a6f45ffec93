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
    down, strongest_first = np.lexsort((y, frame)), np.lexsort((-strength, frame))
    _strike_duplicates(x, y, down, strongest_first, distance, starts, kept)
    return np.flatnonzero(kept)


@compiled
def _strike_duplicates(
    x: FloatArray,
    y: FloatArray,
    down: IntArray,
    strongest_first: IntArray,
    distance: float,
    starts: IntArray,
    kept: NDArray[np.bool_],
) -> None:
    """Strike who is near a stronger one of its frame; frames begin at ``starts`` in all orders."""
    place = np.empty(down.size, dtype=np.int64)
    for i in range(down.size):
        place[down[i]] = i
    for frame in range(starts.size - 1):
        first, last = starts[frame], starts[frame + 1]
        for index in strongest_first[first:last]:
            if not kept[index]:
                continue
            # Neighbours are sought up and down from each, in order of y.
            for step in (-1, 1):
                i = place[index] + step
                while first <= i < last and abs(y[down[i]] - y[index]) < distance:
                    other = down[i]
                    off_x, off_y = x[other] - x[index], y[other] - y[index]
                    if off_x * off_x + off_y * off_y < distance * distance:
                        kept[other] = False
                    i += step
