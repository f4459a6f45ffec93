"""Checks of what stands in a table's file, and what of a table is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from blinkspot.errors import BlinkspotError
from blinkspot.localization.table import LAST_FRAME, REQUIRED_COLUMNS, LocalizationTable
from blinkspot.localization.table_files.axes import Columns

# A kilometre; what lies beyond is a slip, and would overflow where distances are squared.
_LARGEST_NUMBER = 1e12


def checked_numbers(
    path: Path, heading: str, values: NDArray[np.float64], required: bool
) -> NDArray[np.float64]:
    """Return the values of a column; infinite ones, which say nothing, as not known.

    Raises
    ------
    BlinkspotError
        If a required value is missing or makes no sense.
    """
    if not required:
        return np.where(np.isinf(values), np.nan, values)
    bad = np.flatnonzero(~(np.abs(values) < _LARGEST_NUMBER))
    if len(bad):
        raise BlinkspotError(
            f"The table {path} has {values[bad[0]]:g} for {heading!r} in data row {bad[0] + 1}"
            f"{_of_how_many(bad)}: a number that makes sense is needed there, so leave such rows out."
        )
    return values


def checked_frames(path: Path, values: NDArray[np.float64], first: int) -> NDArray[np.float64]:
    """Return frames counted from 0, of frames counted from ``first``.

    Raises
    ------
    BlinkspotError
        If they are not whole numbers from ``first`` on, or the last is beyond what a table holds.
    """
    last = LAST_FRAME + first
    wrong = np.flatnonzero((values < first) | (values != np.floor(values)) | (values > last))
    if len(wrong):
        raise BlinkspotError(
            f"The table {path} has the frame {values[wrong[0]]:g} in data row {wrong[0] + 1}: "
            f"frames must be whole numbers from {first} to {last:,}."
        )
    return values - first


def known_columns(table: LocalizationTable) -> Columns:
    """Return a table's columns without those of which nothing is known; of an empty table all."""
    columns: Columns = {name: table.column(name) for name in table.data.columns}
    return {
        name: values
        for name, values in columns.items()
        if name in REQUIRED_COLUMNS or not len(table) or not np.isnan(values).all()
    }


def _of_how_many(rows: NDArray[np.intp]) -> str:
    return "" if len(rows) == 1 else f" and in {len(rows) - 1} others"
