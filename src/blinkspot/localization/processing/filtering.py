"""Keep the localizations that meet a condition over their columns."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from blinkspot.errors import BlinkspotError
from blinkspot.localization.processing.expression import Expression, parse_expression
from blinkspot.localization.processing.rows import rows_where
from blinkspot.localization.processing.settings import setting
from blinkspot.localization.processing.step import recorded
from blinkspot.localization.table import LocalizationTable
from blinkspot.paced import in_parts
from blinkspot.progress import Progress, Stopwatch


@dataclass(frozen=True)
class Filter:
    """Keep the rows for which a condition holds.

    Attributes
    ----------
    expression : str
        See :func:`blinkspot.localization.processing.expression.parse_expression`. Columns have the table's
        names or ThunderSTORM's; frames count from 0.

    Raises
    ------
    BlinkspotError
        If it is not a condition; when applied, if it names a column of which the table knows nothing.
    """

    name: ClassVar[str] = "filter"

    expression: str = setting(
        "", "condition over columns, such as photons > 200 & uncertainty_nm < 25", takes_rest=True
    )

    def __post_init__(self) -> None:
        assert self._parsed is not None

    @cached_property
    def _parsed(self) -> Expression:
        return parse_expression(self.expression)

    def apply(self, table: LocalizationTable) -> Generator[Progress, None, LocalizationTable]:
        """Return the rows for which the condition holds; see :class:`.step.Step`."""
        clock = Stopwatch("filtering", 1.0)
        holds = yield from self.holds(table)
        kept = yield from rows_where(table, holds, clock)
        return recorded(self, table, kept)

    def holds(self, table: LocalizationTable) -> Generator[Progress, None, NDArray[np.bool_]]:
        """Tell for each row whether the condition holds, shape (n,).

        Raises
        ------
        BlinkspotError
            If the condition names a column of which the table knows nothing.
        """
        columns = {name: table.column(name) for name in self._known_columns(table)}
        clock = Stopwatch("filtering", 1.0)
        holds = np.empty(len(table), dtype=np.bool_)

        def judge(part: slice) -> None:
            holds[part] = self._parsed.holds({name: column[part] for name, column in columns.items()})

        yield clock.at(0.0)
        yield from in_parts(judge, len(table), clock)
        return holds

    def _known_columns(self, table: LocalizationTable) -> tuple[str, ...]:
        """Return the columns that are needed, of which the table must know something; one at least."""
        for name in self._parsed.columns:
            if name not in table.data.columns or (len(table) and not table.knows(name)):
                there = ", ".join(each for each in table.data.columns if table.knows(each))
                raise BlinkspotError(
                    f"The filter {self.expression!r} needs the column {name}, of which this table knows "
                    f"nothing; it has {there or 'no rows'}."
                )
        return self._parsed.columns or ("frame",)
