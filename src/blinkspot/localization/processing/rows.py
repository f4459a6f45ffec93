"""Some rows or columns of a table of millions as a table of their own."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blinkspot.localization.table import COLUMNS, OPTIONAL_COLUMNS, LocalizationTable
from blinkspot.paced import gathered
from blinkspot.progress import Progress, Stopwatch


def rows_where(
    table: LocalizationTable, wanted: NDArray[np.bool_], clock: Stopwatch, done: float = 1.0
) -> Generator[Progress, None, LocalizationTable]:
    """Return the rows where ``wanted``, of shape (n,), is True; as ``table.chosen``, column by column."""
    if wanted.all():
        return table
    rows = np.flatnonzero(wanted)
    kept = {}
    for name in table.data.columns:
        kept[name] = yield from gathered(table.column(name), rows, clock, done)
    return table_of(kept, table)


def table_of(columns: dict[str, NDArray[np.generic]], like: LocalizationTable) -> LocalizationTable:
    """Return a table of these columns, not copied, with what else ``like`` knows.

    Parameters
    ----------
    columns : dict of ndarray
        All of ``COLUMNS`` and some of ``OPTIONAL_COLUMNS``: int64 for ``frame``, float64 for the others.
    like : LocalizationTable
    """
    ordered = {name: columns[name] for name in (*COLUMNS, *OPTIONAL_COLUMNS) if name in columns}
    return LocalizationTable(pd.DataFrame(ordered, copy=False), like.uncertainty_is_valid, like.provenance)
