"""Widths and uncertainties along x and y, and their means over both axes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Columns = dict[str, NDArray[Any]]

_AXES = {
    "uncertainty_nm": ("uncertainty_x_nm", "uncertainty_y_nm"),
    "sigma_nm": ("sigma_x_nm", "sigma_y_nm"),
}


def mean_over_axes(mean: str, x: NDArray[Any], y: NDArray[Any]) -> NDArray[Any]:
    """Return the mean of both axes: root mean square of uncertainties, geometric mean of widths.

    A circular Gaussian of the geometric mean has the area of the elliptical one; an isotropic error of the
    root mean square has the mean squared distance of the anisotropic one.
    """
    if mean == "uncertainty_nm":
        return np.asarray(np.hypot(x, y) / np.sqrt(2.0))
    return np.asarray(np.sqrt(x) * np.sqrt(y))


def with_means(columns: Columns) -> Columns:
    """Add the mean over both axes where only the axes are given."""
    complete = dict(columns)
    for mean, (x, y) in _AXES.items():
        if mean not in columns and x in columns and y in columns:
            complete[mean] = mean_over_axes(mean, columns[x], columns[y])
    return complete


def joined(columns: Columns) -> Columns:
    """Take axes together that say no more than their mean; the reverse of :func:`apart`.

    That is where they are equal in all rows, or only one is given, and no mean stands beside them.
    """
    complete = dict(columns)
    for mean, (x, y) in _AXES.items():
        given = [name for name in (x, y) if name in columns]
        if not given or mean in columns:
            continue
        if _equal(columns[given[0]], columns[given[-1]]):
            complete[mean] = columns[given[0]]
            for name in given:
                del complete[name]
    return with_means(complete)


def apart(columns: Columns) -> Columns:
    """Give both axes the mean where only the mean is given, for formats that know the axes alone.

    Where the axes are given, too, the mean goes unless it says something else: another program may change
    the axes later.
    """
    complete = dict(columns)
    for mean, (x, y) in _AXES.items():
        if mean not in columns:
            continue
        if x not in columns and y not in columns:
            complete[x] = complete[y] = complete.pop(mean)
        elif x in columns and y in columns and not _equal(columns[x], columns[y]):
            implied = mean_over_axes(mean, columns[x], columns[y])
            if np.allclose(columns[mean], implied, rtol=1e-6, atol=0.0, equal_nan=True):
                del complete[mean]
    return complete


def _equal(x: NDArray[Any], y: NDArray[Any]) -> bool:
    return np.array_equal(x, y, equal_nan=True)
