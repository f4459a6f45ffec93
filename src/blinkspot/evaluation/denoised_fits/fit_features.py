"""What of a fit on a denoised movie tells how large its error is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from blinkspot.localization import LocalizationTable

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_LEAST_PHOTONS = 1e-3


def photons_nearby(
    frame: IntArray, molecule: IntArray, photons: FloatArray, context_frames: int
) -> FloatArray:
    """Return the photons of the same molecule in the frames that a denoised frame was made from.

    Parameters
    ----------
    frame, molecule : ndarray of int64, shape (n,)
        Of each localization; a molecule has at most one a frame.
    photons : ndarray of float64, shape (n,)
    context_frames : int
        Frames on each side that the denoiser sees.

    Returns
    -------
    ndarray of float64, shape (n,)
        The own ones too.
    """
    order = np.lexsort((frame, molecule))
    frame, molecule, total = frame[order], molecule[order], photons[order].copy()
    for steps in range(1, context_frames + 1):
        # Rows of one molecule stand together, one a frame: what is within reach is at most so many rows away.
        near = (molecule[steps:] == molecule[:-steps]) & (frame[steps:] - frame[:-steps] <= context_frames)
        total[steps:][near] += photons[order][:-steps][near]
        total[:-steps][near] += photons[order][steps:][near]
    result = np.empty_like(total)
    result[order] = total
    return result


def feature_names(context_frames: int) -> tuple[str, ...]:
    """Return what the columns of :func:`features_of` are."""
    names = ("log uncertainty_nm", "log photons")
    return (*names, "log photons_nearby") if context_frames else names


def features_of(table: LocalizationTable, molecule: IntArray, context_frames: int) -> FloatArray:
    """Return the features of an :class:`.error_law.ErrorLaw`, shape (n, k)."""
    photons = np.maximum(table.column("photons"), _LEAST_PHOTONS)
    columns = [np.log(table.column("uncertainty_nm")), np.log(photons)]
    if context_frames:
        nearby = photons_nearby(table.column("frame"), molecule, photons, context_frames)
        columns.append(np.log(nearby))
    return np.column_stack(columns)


def scaled(table: LocalizationTable, factor: FloatArray) -> LocalizationTable:
    """Return a table with uncertainties along x and y that are ``factor``, shape (n,), times as large."""
    names = ("uncertainty_nm", "uncertainty_x_nm", "uncertainty_y_nm")
    columns = {name: table.column(name) * factor for name in names if name in table.data.columns}
    return replace(table, data=table.data.assign(**columns), uncertainty_is_valid=True)
