"""The drift of a movie, x and y against the frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph
from napari.components import ViewerModel
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from blinkspot.plugin.widgets.themed_plot import BLUE, ORANGE, ThemedPlot

if TYPE_CHECKING:  # importing it takes seconds
    from blinkspot.localization.processing.drift import Drift

_HEIGHT_PX = 68


class DriftPlot(ThemedPlot):
    """Shows a drift."""

    def __init__(self, viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(viewer, _HEIGHT_PX, parent)
        self.plot.setLabel("bottom", "frame")
        self.plot.setLabel("left", "drift (nm)")
        self.x_curve = self.plot.plot(pen=pyqtgraph.mkPen(BLUE, width=2))
        self.y_curve = self.plot.plot(pen=pyqtgraph.mkPen(ORANGE, width=2))
        for curve in (self.x_curve, self.y_curve):
            # A curve of a hundred thousand frames is drawn as fast as one of a thousand.
            curve.setDownsampling(auto=True, method="peak")
            curve.setClipToView(True)
        self.setToolTip("The drift that was taken off last: how far the sample has moved, in nm.")

    def show_drift(self, drift: Drift | None) -> None:
        """Show a drift, None for none."""
        for side in ("bottom", "left"):
            self.plot.showAxis(side, drift is not None)
        if drift is None:
            self.plot.setTitle("no drift was taken off yet", size="9pt")
        else:
            self.name_curves({BLUE: "x", ORANGE: "y"})
        for curve, values in (
            (self.x_curve, None if drift is None else drift.x_nm),
            (self.y_curve, None if drift is None else drift.y_nm),
        ):
            if values is None:
                curve.setData([], [])
            else:
                curve.setData(np.arange(len(values)), values)


class DriftPanel(QWidget):
    """The drift that was taken off a table last, and the button that saves it."""

    def __init__(self, viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.plot = DriftPlot(viewer)
        self.save_button = QPushButton("Save drift...")
        self.save_button.setToolTip(
            "Write the drift that was taken off last: CSV in nm, or Picasso's text (.txt) in camera pixels."
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.plot, stretch=1)
        layout.addWidget(self.save_button)
        self.show_drift(None)

    def show_drift(self, drift: Drift | None) -> None:
        """Show a drift, None for none."""
        self.plot.show_drift(drift)
        self.save_button.setEnabled(drift is not None)
