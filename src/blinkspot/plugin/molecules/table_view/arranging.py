"""Which rows of a table are shown in which order. Nothing here knows Qt."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from blinkspot.localization import LocalizationTable


@dataclass(frozen=True, eq=False)
class Arranged:
    """Rows of a table in an order.

    Attributes
    ----------
    table : LocalizationTable
        Not copied.
    columns, headings, formats : tuple of str
        The columns of which something is known, what stands over them, and how their numbers are written.
    order : (n,) int64 or None
        Numbers of the table's rows, in the order in which they are shown; None for all of them in their own.
    """

    table: LocalizationTable
    columns: tuple[str, ...]
    headings: tuple[str, ...]
    formats: tuple[str, ...]
    order: NDArray[np.int64] | None

    def __len__(self) -> int:
        return len(self.table) if self.order is None else len(self.order)

    def table_row(self, row: int) -> int:
        """Return the number in the table of a row that is shown."""
        return row if self.order is None else int(self.order[row])

    def text(self, row: int, column: int) -> str:
        """Write the number in a cell; nothing where it is not known."""
        value = float(self.table.column(self.columns[column])[self.table_row(row)])
        return "" if math.isnan(value) else format(value, self.formats[column])

    def shown_row(self, table_row: int) -> int | None:
        """Return where a row of the table is shown, None where it is not."""
        if self.order is None:
            return table_row if 0 <= table_row < len(self.table) else None
        at = np.flatnonzero(self.order == table_row)
        return int(at[0]) if len(at) else None


def arranged(
    table: LocalizationTable, rows: NDArray[np.int64] | None, sort_by: str | None, descending: bool
) -> Arranged:
    """Put rows of a table in an order; equal values stay in the table's, those not known come last.

    Parameters
    ----------
    rows : (n,) int64 or None
        Ascending; None for all.
    sort_by : str or None
        A column; None for the order of the table.
    """
    # Importing the backend takes seconds: here, in another thread.
    from blinkspot.localization.histogram import known_columns
    from blinkspot.plugin.molecules.table_view.columns import heading, number_format

    columns = known_columns(table)
    headings = tuple(heading(name, table) for name in columns)
    formats = tuple(number_format(name) for name in columns)
    order = rows
    if sort_by in columns:
        values = table.column(sort_by) if rows is None else table.column(sort_by)[rows]
        # NaN comes last either way.
        order = np.argsort(-values if descending else values, kind="stable")
        order = order if rows is None else rows[order]
    return Arranged(table, columns, headings, formats, order)
