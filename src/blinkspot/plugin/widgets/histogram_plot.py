"""The histogram of a column, with a range that the user drags."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyqtgraph
from napari.components import ViewerModel
from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QWidget

from blinkspot.plugin.widgets.themed_plot import BLUE, ORANGE, ThemedPlot

if TYPE_CHECKING:  # importing it takes seconds
    from blinkspot.localization.histogram import Histogram

_HEIGHT_PX = 68


class HistogramPlot(ThemedPlot):
    """Shows a histogram and a range in it.

    Signals
    -------
    dragged : (float, float)
        The user has moved an end of the range, or all of it: its new ends.
    """

    dragged = Signal(float, float)

    def __init__(self, viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(viewer, _HEIGHT_PX, parent)
        self.histogram: Histogram | None = None
        self._bars = self.plot.plot([0, 1], [0], stepMode="center", fillLevel=0, brush=BLUE, pen=None)
        self.region = pyqtgraph.LinearRegionItem(
            brush=f"{ORANGE}32", pen=pyqtgraph.mkPen(ORANGE, width=2), swapMode="push"
        )
        self.plot.addItem(self.region)
        self.plot.hideAxis("left")
        self.clear()
        self.region.sigRegionChanged.connect(self._on_dragged)
        self.setToolTip(
            "How many molecules have which value. Drag an end of the range, or all of it: only what lies "
            "within stays. At an end of the plot the range is open."
        )

    def show_histogram(self, histogram: Histogram, region: tuple[float, float] | None) -> None:
        """Show a histogram, and a range in it; None for all of it."""
        self.histogram = histogram
        self._bars.setData(histogram.edges, histogram.counts)
        first, last = histogram.ends
        self.plot.setRange(xRange=(first, last), padding=0.02)
        self.plot.setYRange(0, max(1, int(histogram.counts.max())), padding=0.02)
        self.region.blockSignals(True)
        self.region.setBounds((first, last))
        self.region.blockSignals(False)
        self.set_region(region)
        self.region.show()
        self.plot.showAxis("bottom")

    def clear(self) -> None:
        """Show nothing."""
        self.histogram = None
        self._bars.setData([0, 1], [0])
        self.region.hide()
        self.plot.hideAxis("bottom")

    def set_region(self, region: tuple[float, float] | None) -> None:
        """Show a range, None for all; nobody is told."""
        if self.histogram is None:
            return
        self.region.blockSignals(True)
        self.region.setRegion(self.histogram.ends if region is None else region)
        self.region.blockSignals(False)

    def _on_dragged(self, *_: object) -> None:
        if self.histogram is not None:
            low, high = self.region.getRegion()
            self.dragged.emit(float(low), float(high))
