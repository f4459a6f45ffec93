"""The table itself: sorted at its header, its rows copied by Ctrl+C."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QItemSelectionModel, Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QGuiApplication, QKeyEvent, QKeySequence
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from blinkspot.plugin.jobs.notify import tell
from blinkspot.plugin.molecules.table_view.arranging import Arranged
from blinkspot.plugin.molecules.table_view.model import MoleculesModel

MOST_COPIED = 20_000
"""Rows that go to the clipboard at most: more belong into a file."""

_ROW_PX, _LEAST_COLUMN_PX, _BESIDE_HEADING_PX = 20, 76, 28


class MoleculesTable(QTableView):
    """Shows a million rows, whole rows of which are chosen.

    Signals
    -------
    row_chosen : (LocalizationTable, int)
        The user has moved to another row, by mouse or key: the table that is shown, and its number in that.
    sort_wanted : int
        The user wants the rows sorted by this column.
    """

    row_chosen = Signal(object, int)
    sort_wanted = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.molecules = MoleculesModel(self)
        self.setModel(self.molecules)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setAlternatingRowColors(False)
        self.setWordWrap(False)
        rows, columns = self.verticalHeader(), self.horizontalHeader()
        assert rows is not None
        assert columns is not None
        rows.hide()
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        rows.setMinimumSectionSize(_ROW_PX)
        rows.setDefaultSectionSize(_ROW_PX)
        columns.setSectionsClickable(True)
        columns.setSortIndicatorShown(True)
        columns.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        columns.sectionClicked.connect(self.sort_wanted.emit)
        # Else the header asks of all rows, when some are selected, whether they are: seconds for a million.
        columns.setSelectionModel(QItemSelectionModel(self.molecules, self))
        self._is_choosing = False
        chosen = self.selectionModel()
        assert chosen is not None
        chosen.currentRowChanged.connect(self._on_current_changed)
        self.clicked.connect(lambda index: self._tell(index.row()))
        self.setToolTip(
            "The molecules that are left. Click a row to see the molecule in its frame; S sorts by the "
            "column of the cell, Ctrl+C copies the rows that are selected."
        )

    def show_rows(self, shown: Arranged | None) -> None:
        """Show other rows; where the columns are others, they become as wide as their headings."""
        before = self.molecules.shown
        self.molecules.show(shown)
        if shown is None or (before is not None and before.headings == shown.headings):
            return
        for column, text in enumerate(shown.headings):
            width = self.fontMetrics().horizontalAdvance(text) + _BESIDE_HEADING_PX
            self.setColumnWidth(column, max(_LEAST_COLUMN_PX, width))

    def choose(self, table_row: int) -> None:
        """Select a row of the localization table, where it is shown; nobody is told."""
        shown = self.molecules.shown
        row = None if shown is None else shown.shown_row(table_row)
        self._is_choosing = True
        if row is None:
            self.clearSelection()
        else:
            self.selectRow(row)
            self.scrollTo(self.molecules.index(row, 0), QAbstractItemView.ScrollHint.PositionAtCenter)
        self._is_choosing = False

    def copy(self) -> None:
        """Copy the rows that are selected, with their headings, as text with tabs."""
        chosen = self.selectionModel()
        assert chosen is not None
        # By ranges, for an object for each of a million rows would take seconds.
        selection: Any = chosen.selection()
        ranges = {(each.top(), each.bottom()) for each in selection}
        count = sum(bottom - top + 1 for top, bottom in ranges)
        if count > MOST_COPIED:
            tell(f"{count:,} rows are too many to copy, {MOST_COPIED:,} the most: export them to a file.")
        if not 0 < count <= MOST_COPIED:
            return
        rows = sorted({row for top, bottom in ranges for row in range(top, bottom + 1)})
        shown = self.molecules.shown
        assert shown is not None
        lines = [list(shown.headings)]
        lines += [[shown.text(row, column) for column in range(len(shown.columns))] for row in rows]
        clipboard = QGuiApplication.clipboard()
        assert clipboard is not None
        clipboard.setText("\n".join("\t".join(line) for line in lines))

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Copy, or sort by the column of the current cell."""
        if event is None:
            return
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy()
        elif event.key() == Qt.Key.Key_S and not event.modifiers() and self.currentIndex().isValid():
            self.sort_wanted.emit(self.currentIndex().column())
        else:
            super().keyPressEvent(event)

    def _on_current_changed(self, current: object, before: object) -> None:
        index = self.currentIndex()
        # A click is told by itself, also on the row that is current.
        if index.isValid() and not QGuiApplication.mouseButtons():
            self._tell(index.row())

    def _tell(self, row: int) -> None:
        shown = self.molecules.shown
        if not self._is_choosing and shown is not None:
            self.row_chosen.emit(shown.table, shown.table_row(row))
