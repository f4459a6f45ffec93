"""The steps that a table has gone through, and the buttons that take them back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QListWidget, QListWidgetItem, QPushButton, QVBoxLayout, QWidget

from blinkspot.plugin.widgets.forms import row

if TYPE_CHECKING:  # importing it takes seconds
    from blinkspot.localization.processing.undo import StepHistory

_LIST_PX = 48


class StepList(QWidget):
    """Lists the steps of a table."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._can_undo = False
        self.list = QListWidget()
        self.list.setFixedHeight(_LIST_PX)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.list.setToolTip("The steps that the table has gone through, in their order.")
        self.undo_button = QPushButton("Undo")
        self.undo_button.setToolTip("Take the last step back: the table is again what it was before.")
        self.clear_button = QPushButton("Clear")
        self.clear_button.setToolTip("Take all steps back.")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.list)
        layout.addLayout(row(self.undo_button, self.clear_button, stretch_all=True))

    def show_steps(self, history: StepHistory | None) -> None:
        """List the steps of a table, those that it came with first; None for no table."""
        self.list.clear()
        self._can_undo = history is not None and history.n_steps > 0
        if history is None:
            return
        for number, line in enumerate(history.descriptions):
            item = QListWidgetItem(f"{line} (before)" if number < history.n_before else line)
            item.setToolTip(line)
            self.list.addItem(item)
        self.list.scrollToBottom()

    def allow(self, allowed: bool) -> None:
        """Let the user take steps back, where there are any."""
        for button in (self.undo_button, self.clear_button):
            button.setEnabled(allowed and self._can_undo)
