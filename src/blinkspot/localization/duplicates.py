"""Two fits of one molecule."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

FloatArray = NDArray[np.float64]

# Closer maxima of the filter are not resolved: two fits there have found one molecule.
DUPLICATE_DISTANCE_PX = 1.0


def without_duplicates(positions: FloatArray, strength: FloatArray, distance: float) -> NDArray[np.int64]:
    """Choose the localizations of one frame that have no stronger one nearby.

    From the strongest down, each is kept unless one that is kept lies closer than ``distance``. So the fate
    of each depends on stronger ones only, and to filter the result by strength is to filter first.

    Parameters
    ----------
    positions : ndarray of float64, shape (n, 2)
    strength : ndarray of float64, shape (n,)
        Of equal ones the first counts as the stronger.
    distance : float
        In the unit of the positions.

    Returns
    -------
    ndarray of int64
        Indices of those kept, ascending.
    """
    n = len(positions)
    if n < 2:
        return np.arange(n)
    pairs = cKDTree(positions).query_pairs(np.nextafter(distance, 0.0), output_type="ndarray")
    neighbours: dict[int, list[int]] = {}
    for one, other in pairs.tolist():
        neighbours.setdefault(one, []).append(other)
        neighbours.setdefault(other, []).append(one)
    kept = np.ones(n, dtype=np.bool_)
    for index in np.argsort(-strength, kind="stable").tolist():
        if kept[index]:
            kept[neighbours.get(index, [])] = False
    return np.flatnonzero(kept)
