"""A filter as the user makes it: ranges dragged in histograms, or a condition typed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from napari.components import ViewerModel
from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from blinkspot.plugin.jobs.latest_only import LatestOnly
from blinkspot.plugin.jobs.notify import tell_error
from blinkspot.plugin.molecules import molecules_steps
from blinkspot.plugin.widgets.forms import combo, row
from blinkspot.plugin.widgets.histogram_plot import HistogramPlot

if TYPE_CHECKING:  # importing it takes seconds
    from blinkspot.localization import LocalizationTable

_JOINED = " & "


class RangeFilter(QWidget):
    """Lets the user choose which molecules stay.

    The ranges of all columns together are the condition; one that is typed takes their place.

    Signals
    -------
    changed : str
        The condition, with each change; empty where all molecules stay.
    applied
        The user wants the condition as a step.
    """

    changed = Signal(str)
    applied = Signal()

    def __init__(self, viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._table: LocalizationTable | None = None
        self._ranges: dict[str, tuple[float, float]] = {}
        self._conditions: dict[str, str] = {}
        self._is_writing = False
        self.column = combo({}, "Column whose values are counted below. Units are in its name.")
        self.plot = HistogramPlot(viewer)
        self.text = QLineEdit()
        self.text.setPlaceholderText("e.g. photons > 200 & uncertainty_nm < 25")
        self.text.setToolTip(
            "Condition that a molecule must meet to stay; the ranges dragged above are written here. "
            "Columns, numbers, < <= > >= == !=, & | ~, + - * / and abs, sqrt, log, exp, min, max. "
            "Frames count from 0. Enter makes it a step."
        )
        self.text.setClearButtonEnabled(True)
        self.button = QPushButton("Filter")
        self.button.setToolTip("Make this condition a step, which Undo takes back.")
        self.error = QLabel()
        self.error.setWordWrap(True)
        self.error.setObjectName("filter_error")
        self.error.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.column)
        layout.addWidget(self.plot, stretch=1)
        layout.addLayout(row(self.text, self.button))
        layout.addWidget(self.error)
        self._inspecting = LatestOnly(self)
        self._inspecting.answered.connect(self._on_inspected)
        self._inspecting.failed.connect(self._on_inspecting_failed)
        self.column.currentIndexChanged.connect(lambda _: self._inspect())
        self.plot.dragged.connect(self._on_dragged)
        self.text.textChanged.connect(self._on_text_changed)
        self.text.returnPressed.connect(self.button.click)
        self.button.clicked.connect(lambda: self.applied.emit())

    @property
    def condition(self) -> str:
        """The condition; empty where all molecules stay."""
        return self.text.text().strip()

    def set_table(self, table: LocalizationTable | None) -> None:
        """Count the values of another table; the condition stays."""
        self._table = table
        if table is None:
            self._inspecting.forget()
            self._show_columns({})
            self.plot.clear()
        else:
            self._inspect()

    def clear(self) -> None:
        """Let all molecules stay; nobody is told."""
        self._forget_ranges()
        self._write("")
        self.say("")

    def say(self, text: str) -> None:
        """Show what is wrong with the condition; nothing where the text is empty."""
        self.error.setText(text)
        self.error.setVisible(bool(text))

    def _inspect(self) -> None:
        if self._table is not None:
            wanted = str(self.column.currentData() or "")
            self._inspecting.ask_job(partial(molecules_steps.inspect, self._table, wanted))

    def _on_inspected(self, found: molecules_steps.Inspected) -> None:
        self._show_columns(found.columns)
        if found.histogram is None:
            self.plot.clear()
            return
        column = found.histogram.column
        self.column.blockSignals(True)
        self.column.setCurrentIndex(self.column.findData(column))
        self.column.blockSignals(False)
        self.plot.show_histogram(found.histogram, self._ranges.get(column))

    def _on_inspecting_failed(self, error: Exception) -> None:
        # A range dragged in the histogram of before would be one of another column.
        self.plot.clear()
        tell_error(error, "Counting the values")

    def _show_columns(self, columns: Mapping[str, str]) -> None:
        if [self.column.itemText(index) for index in range(self.column.count())] == list(columns.values()):
            return
        self.column.blockSignals(True)
        self.column.clear()
        for name, text in columns.items():
            self.column.addItem(text, name)
        self.column.blockSignals(False)

    def _on_dragged(self, low: float, high: float) -> None:
        histogram = self.plot.histogram
        if histogram is None:
            return
        if self.condition and not self._conditions:
            # What was typed is a filter of its own: it is not lost.
            self._conditions[""] = f"({self.condition})"
        column = histogram.column
        self._ranges[column] = (low, high)
        self._conditions[column] = histogram.condition(low, high)
        self._write(_JOINED.join(filter(None, self._conditions.values())))
        self.changed.emit(self.condition)

    def _on_text_changed(self, text: str) -> None:
        if not self._is_writing:
            self._forget_ranges()
            self.changed.emit(self.condition)

    def _forget_ranges(self) -> None:
        self._ranges.clear()
        self._conditions.clear()
        self.plot.set_region(None)

    def _write(self, text: str) -> None:
        # With its signals blocked, the field's own clear button would not come and go.
        self._is_writing = True
        self.text.setText(text)
        self._is_writing = False
