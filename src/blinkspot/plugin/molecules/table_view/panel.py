"""The panel of the table: what is left, sorted in another thread."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QSize, Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from blinkspot.plugin.jobs.latest_only import LatestOnly
from blinkspot.plugin.jobs.notify import tell_error
from blinkspot.plugin.molecules.molecules_steps import Left
from blinkspot.plugin.molecules.table_view.arranging import Arranged, arranged
from blinkspot.plugin.molecules.table_view.table import MoleculesTable
from blinkspot.plugin.widgets.closing_watch import ClosingWatch

if TYPE_CHECKING:  # importing it takes seconds
    from blinkspot.localization import LocalizationTable

_LEAST_PX, _SIZE_PX = 110, QSize(700, 190)


class TablePanel(QWidget):
    """Shows what is left of a table, and keeps it sorted as that changes.

    Signals
    -------
    row_chosen : (LocalizationTable, int)
        The user has moved to another row: the table that is shown, and its number in that. While the next
        table is being sorted, the one before is shown.
    closed : None
        Its dock was closed.
    """

    row_chosen = Signal(object, int)
    closed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        ClosingWatch(self).closed.connect(self.closed)
        self._left: Left | None = None
        self._chosen: tuple[LocalizationTable, int] | None = None
        self._sort_by: str | None = None
        self._descending = False
        self.table = MoleculesTable()
        self.table.row_chosen.connect(self._on_row_chosen)
        self.table.sort_wanted.connect(self._on_sort_wanted)
        self.counts = QLabel()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 0, 4, 2)
        layout.setSpacing(1)
        layout.addWidget(self.table)
        layout.addWidget(self.counts)
        self.setMinimumHeight(_LEAST_PX)
        self._arranging = LatestOnly(self)
        self._arranging.answered.connect(self._on_arranged)
        self._arranging.failed.connect(lambda error: tell_error(error, "Sorting the table"))

    def sizeHint(self) -> QSize:
        """Return a size that leaves most of the window to the picture."""
        return _SIZE_PX

    def show_left(self, left: Left | None) -> None:
        """Show what is left of a table; nothing where there is none."""
        self._left = left
        if left is None:
            self._arranging.forget()
            self._chosen = None
            self.table.show_rows(None)
            self.counts.setText("No table")
        else:
            self._arranging.ask(partial(arranged, left.table, left.rows, self._sort_by, self._descending))

    def choose(self, table: LocalizationTable, row: int) -> None:
        """Select a row of a localization table, at once or when that is shown; nobody is told."""
        self._chosen = (table, row)
        self._select()

    def _select(self) -> None:
        shown = self.table.molecules.shown
        if self._chosen is not None and shown is not None and shown.table is self._chosen[0]:
            self.table.choose(self._chosen[1])

    def _on_row_chosen(self, table: LocalizationTable, row: int) -> None:
        self._chosen = (table, row)
        self.row_chosen.emit(table, row)

    def _on_sort_wanted(self, column: int) -> None:
        shown = self.table.molecules.shown
        if shown is None:
            return
        name = shown.columns[column]
        self._descending = name == self._sort_by and not self._descending
        self._sort_by = name
        self.show_left(self._left)

    def _on_arranged(self, shown: Arranged) -> None:
        before, current = self.table.molecules.shown, self.table.currentIndex().row()
        if before is not None and current >= 0 and (self._chosen is None or self._chosen[0] is before.table):
            # Rows that were dragged over are not told of.
            self._chosen = (before.table, before.table_row(current))
        self.table.show_rows(shown)
        header = self.table.horizontalHeader()
        assert header is not None
        column = shown.columns.index(self._sort_by) if self._sort_by in shown.columns else -1
        order = Qt.SortOrder.DescendingOrder if self._descending else Qt.SortOrder.AscendingOrder
        header.setSortIndicator(column, order)
        self.counts.setText(f"Left: {len(shown):,}. Click a molecule here or in the picture.")
        self._select()
