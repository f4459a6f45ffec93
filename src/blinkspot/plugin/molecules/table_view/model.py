"""The rows and columns of a table as Qt asks for them."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt

from blinkspot.plugin.molecules.table_view.arranging import Arranged

_NUMBERS = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
_NOWHERE = QModelIndex()


class MoleculesModel(QAbstractTableModel):
    """Shows rows of a localization table; of a million rows it copies none.

    Attributes
    ----------
    shown : Arranged or None
        What is shown.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.shown: Arranged | None = None

    def show(self, shown: Arranged | None) -> None:
        """Show other rows."""
        self.beginResetModel()
        self.shown = shown
        self.endResetModel()

    def rowCount(self, parent: QModelIndex = _NOWHERE) -> int:
        """Return how many rows there are."""
        return 0 if self.shown is None or parent.isValid() else len(self.shown)

    def columnCount(self, parent: QModelIndex = _NOWHERE) -> int:
        """Return how many columns there are."""
        return 0 if self.shown is None or parent.isValid() else len(self.shown.columns)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell shows, and how."""
        if role == Qt.ItemDataRole.DisplayRole and self.shown is not None:
            return self.shown.text(index.row(), index.column())
        return _NUMBERS if role == Qt.ItemDataRole.TextAlignmentRole else None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Return what stands over a column."""
        if orientation != Qt.Orientation.Horizontal or self.shown is None:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self.shown.headings[section]
        if role == Qt.ItemDataRole.ToolTipRole:
            name = self.shown.columns[section]
            return (
                f"Called {name} in a filter. Click, or press S in a cell, to sort by it; again to turn round."
            )
        return None
