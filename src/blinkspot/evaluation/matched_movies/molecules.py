"""Which localizations are of which molecule."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from blinkspot.localization import LocalizationTable
from blinkspot.localization.processing import NumberMolecules
from blinkspot.progress import Progress

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# A molecule that is found again lies within this many widths of itself.
_RADIUS_SIGMAS = 0.65
# Farther than any two places of a frame.
_FRAMES_APART_NM = 1e9


def numbered(table: LocalizationTable, sigma_nm: float) -> Generator[Progress, None, IntArray]:
    """Return which molecule, from 0, each localization of a table is.

    Parameters
    ----------
    table : LocalizationTable
    sigma_nm : float
        Width of the molecules.
    """
    step = NumberMolecules(radius_nm=_RADIUS_SIGMAS * sigma_nm, dark_frames=1)
    with_numbers = yield from step.apply(table)
    numbers: IntArray = with_numbers.column("molecule").astype(np.int64) - 1
    return numbers


def _places(rows: pd.DataFrame) -> FloatArray:
    """Return places in space and time, in which frames are far apart."""
    return np.column_stack([rows["x_nm"], rows["y_nm"], rows["frame"] * _FRAMES_APART_NM])


def far_from(found: pd.DataFrame, there: pd.DataFrame, reach_nm: float) -> NDArray[np.bool_]:
    """Tell which localizations have no molecule within reach in their frame, shape (n,).

    Parameters
    ----------
    found, there : DataFrame
        ``frame``, ``x_nm`` and ``y_nm`` of each localization, and of each molecule in each frame.
    reach_nm : float
    """
    if not len(found) or not len(there):
        return np.ones(len(found), dtype=bool)
    distance_nm, _ = cKDTree(_places(there)).query(_places(found))
    far: NDArray[np.bool_] = distance_nm > reach_nm
    return far


def pairs_of(found: pd.DataFrame, there: pd.DataFrame, reach_nm: float) -> tuple[IntArray, IntArray]:
    """Return the rows of localizations and molecules that are each other's nearest in their frame.

    Parameters
    ----------
    found, there : DataFrame
        ``frame``, ``x_nm`` and ``y_nm`` of each localization, and of each molecule in each frame.
    reach_nm : float
        Farther apart they are no pair.
    """
    if not len(found) or not len(there):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    places_found, places_there = _places(found), _places(there)
    distance_nm, nearest = cKDTree(places_there).query(places_found)
    _, back = cKDTree(places_found).query(places_there)
    rows = np.flatnonzero((distance_nm < reach_nm) & (back[nearest] == np.arange(len(found))))
    return rows, nearest[rows]
