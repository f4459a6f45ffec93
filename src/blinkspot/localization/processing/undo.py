"""A table that goes through steps one after another, each of which can be taken back."""

from __future__ import annotations

from collections.abc import Sequence

from blinkspot.localization.processing.description import described_steps
from blinkspot.localization.processing.drift import Drift, drift_in
from blinkspot.localization.processing.step import RECORD
from blinkspot.localization.table import LocalizationTable


class StepHistory:
    """A table and what it has become, step by step.

    Every table on the way is kept, so that taking a step back gives the very table before it.

    Parameters
    ----------
    source : LocalizationTable
        Before the first step.
    """

    def __init__(self, source: LocalizationTable) -> None:
        self._tables = [source]

    def copy(self) -> StepHistory:
        """Return one that goes its own way from here."""
        copied = StepHistory(self.source)
        copied.add(self._tables[1:])
        return copied

    @property
    def source(self) -> LocalizationTable:
        """The table before the first step."""
        return self._tables[0]

    @property
    def table(self) -> LocalizationTable:
        """The table after the last step."""
        return self._tables[-1]

    @property
    def n_steps(self) -> int:
        """Steps that can be taken back."""
        return len(self._tables) - 1

    @property
    def descriptions(self) -> list[str]:
        """A line for each step, those that the source had gone through before first."""
        return described_steps(self.table)

    @property
    def n_before(self) -> int:
        """Steps that the source had gone through before, which cannot be taken back."""
        return len(described_steps(self.source))

    @property
    def drift(self) -> Drift | None:
        """The drift that was taken off last; None where none was."""
        return drift_in(self.table)

    @property
    def warnings(self) -> list[str]:
        """What the last step warns of, a sentence each."""
        if not self.n_steps:
            return []
        return list(self.table.provenance[RECORD][-1].get("warnings", ()))

    def add(self, tables: Sequence[LocalizationTable]) -> None:
        """Add the tables after one step, the next, and so on."""
        self._tables.extend(tables)

    def undo(self) -> None:
        """Go back to the table before the last step; without a step nothing happens."""
        if self.n_steps:
            self._tables.pop()

    def clear(self) -> None:
        """Go back to the source."""
        del self._tables[1:]
