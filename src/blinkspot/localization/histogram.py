"""The histogram of a column, and the condition that a range chosen in it means."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blinkspot.errors import BlinkspotError
from blinkspot.localization.table import LocalizationTable
from blinkspot.paced import in_parts
from blinkspot.progress import Progress, Stopwatch

BINS = 100
WHOLE_COLUMNS = frozenset({"frame", "detections", "molecule"})

# A long tail would press all the rest into a few bins: so much of the column at either end may lie outside,
# where showing all would make the range longer than this by the factor.
_TAIL_PERCENT = 0.2
_LONGER = 1.5
_ROWS_FOR_RANGE = 2**18
# A range is written with so many steps over the width of the histogram.
_STEPS = 500


@dataclass(frozen=True, eq=False)
class Histogram:
    """How often a column has which values.

    Attributes
    ----------
    column : str
    edges : ndarray of float64, shape (bins + 1,)
        Ascending, at equal distances. Columns of whole numbers have them half way between two.
    counts : ndarray of int64, shape (bins,)
        Rows from an edge up to, but not with, the next; the last bin has its upper edge too.
    outside : int
        Rows whose value lies beyond the first or last edge.
    """

    column: str
    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    outside: int = 0

    @property
    def ends(self) -> tuple[float, float]:
        """The first and the last edge."""
        return float(self.edges[0]), float(self.edges[-1])

    def condition(self, low: float, high: float) -> str:
        """Return the condition that a range means, as a filter takes it; empty where it is open.

        An end of the range at an end of the histogram, or beyond, is open, so that the tails stay. The
        numbers are rounded to a 500th of the histogram's width, or to whole numbers of whole columns.

        Parameters
        ----------
        low, high : float
            Of the same unit as the column; ``low <= high``.
        """
        first, last = self.ends
        low_text = "" if low <= first else self._written(low, upwards=True)
        high_text = "" if high >= last else self._written(high, upwards=False)
        if low_text and high_text:
            return f"{low_text} <= {self.column} <= {high_text}"
        if low_text:
            return f"{self.column} >= {low_text}"
        return f"{self.column} <= {high_text}" if high_text else ""

    def _written(self, value: float, upwards: bool) -> str:
        if self.column in WHOLE_COLUMNS:
            return str(math.ceil(value) if upwards else math.floor(value))
        first, last = self.ends
        decimals = max(0, math.ceil(-math.log10((last - first) / _STEPS)))
        return f"{value:.{decimals}f}"


def known_columns(table: LocalizationTable) -> tuple[str, ...]:
    """Return the columns of which a table has at least one value, in its order."""
    return tuple(name for name in table.data.columns if table.knows(name))


def histogram(table: LocalizationTable, column: str) -> Generator[Progress, None, Histogram]:
    """Count how often a column has which values, in 100 bins or fewer.

    The bins go from the smallest to the largest value, unless a long tail would make that more than 1.5
    times as long as what holds all but 0.2 % at either end: then over the latter alone.

    Parameters
    ----------
    table : LocalizationTable
    column : str

    Yields
    ------
    Progress

    Raises
    ------
    BlinkspotError
        If the table has no finite value in such a column.
    """
    clock = Stopwatch("counting", 1.0)
    yield clock.at(0.0)
    values = table.column(column) if column in table.data.columns else np.empty(0)
    low, high = math.inf, -math.inf

    def widen(part: slice) -> None:
        nonlocal low, high
        finite = values[part][np.isfinite(values[part])]
        if len(finite):
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))

    yield from in_parts(widen, len(values), clock, (0.0, 0.4))
    if low > high:
        raise BlinkspotError(f"This table holds no values of {column}: choose another column.")
    edges = _edges(values, low, high, column in WHOLE_COLUMNS)
    counts = np.zeros(len(edges) - 1, np.int64)
    seen = 0

    def count(part: slice) -> None:
        nonlocal seen
        finite = values[part][np.isfinite(values[part])]
        seen += len(finite)
        counts[:] += np.histogram(finite, len(counts), (edges[0], edges[-1]))[0]

    yield from in_parts(count, len(values), clock, (0.4, 1.0))
    return Histogram(column, edges, counts, seen - int(counts.sum()))


def _edges(values: NDArray[np.generic], low: float, high: float, whole: bool) -> NDArray[np.float64]:
    some = values[:: max(1, len(values) // _ROWS_FOR_RANGE)].astype(np.float64)
    some = some[np.isfinite(some)]
    if len(some):
        start, stop = np.percentile(some, (_TAIL_PERCENT, 100.0 - _TAIL_PERCENT))
        if stop > start and high - low > _LONGER * (stop - start):
            low, high = float(start), float(stop)
    if whole:
        first, last = math.floor(low), math.ceil(high)
        width = max(1, math.ceil((last - first + 1) / BINS))
        bins = math.ceil((last - first + 1) / width)
        return first - 0.5 + width * np.arange(bins + 1.0)
    if high <= low:
        half = 0.5 * max(abs(low), 1.0)
        low, high = low - half, low + half
    return np.linspace(low, high, BINS + 1)
