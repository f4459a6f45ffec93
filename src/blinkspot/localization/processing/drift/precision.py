"""How precisely molecules are known, also where the table does not say."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from blinkspot.localization.processing.drift.curve import Drift
from blinkspot.localization.table import LocalizationTable

FloatArray = NDArray[np.float64]

_CANDIDATES_NM = (5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 40.0)
_SAMPLED = 2000
_ASTRAY = 0.05


def precisions_nm(table: LocalizationTable, drift: Drift) -> FloatArray:
    """Return the standard deviation of each molecule's position along an axis, shape (n,).

    The table's own where it has them and they are valid. Elsewhere one for all: the width of a Gaussian
    kernel under which a sample of the molecules is most likely, each left out of its own density (Duin
    1976, IEEE Transactions on Computers C-25:1175), divided by the square root of two.

    Parameters
    ----------
    table : LocalizationTable
        Not empty.
    drift : Drift
        That is taken off before.
    """
    given = table.column("uncertainty_nm")
    known = np.isfinite(given) & (given > 0) & table.uncertainty_is_valid
    if known.all():
        return np.asarray(given, dtype=np.float64)
    if known.any():
        return np.where(known, given, np.median(given[known]))
    still = drift.apply(table)
    places = np.stack([still.column("x_nm"), still.column("y_nm")], axis=1)
    return np.full(len(table), _likeliest_kernel_nm(places, table.column("frame")) / np.sqrt(2.0))


def _likeliest_kernel_nm(places: FloatArray, frame: NDArray[np.int64]) -> float:
    rng = np.random.default_rng(0)
    sample = rng.permutation(len(places))[:_SAMPLED]
    area = max(float(np.ptp(places[:, 0]) * np.ptp(places[:, 1])), 1.0)
    tree = cKDTree(places)
    kernels = np.array(_CANDIDATES_NM) * np.sqrt(2.0)
    total = np.zeros(len(kernels))
    for index in sample.tolist():
        near = np.array(tree.query_ball_point(places[index], 3.0 * kernels[-1]))
        near = near[frame[near] != frame[index]]
        squares = np.sum((places[near] - places[index]) ** 2, axis=1)
        density = np.exp(-0.5 * squares / kernels[:, None] ** 2).sum(axis=1) / (2 * np.pi * kernels**2)
        total += np.log((1 - _ASTRAY) * density / len(places) + _ASTRAY / area)
    return float(kernels[np.argmax(total)])
