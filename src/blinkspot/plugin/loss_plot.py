"""The loss curves of a training."""

from __future__ import annotations

import pyqtgraph
from napari.components import ViewerModel
from napari.utils.theme import get_theme
from qtpy.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from blinkspot.plugin.layer_choice import follow
from blinkspot.plugin.training_steps import LossPoint

# Told apart by colour-blind eyes, and legible on napari's dark and on its light background.
_TRAINING_COLOUR = "#4a90d9"
_VALIDATION_COLOUR = "#e07b00"
_HEIGHT_PX = 84  # where a small screen leaves no more; else it takes the room that is left


class LossPlot(QWidget):
    """Training and validation loss over the epochs, in the colours of napari's theme."""

    def __init__(self, viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._points: list[LossPoint] = []
        self.plot = pyqtgraph.PlotWidget()
        self.plot.setMenuEnabled(False)
        self.plot.setMouseEnabled(False, False)
        self.plot.hideButtons()
        for side in ("bottom", "left"):
            self.plot.getAxis(side).enableAutoSIPrefix(False)
        self.plot.setLimits(xMin=0.0)
        self.plot.setLabel("bottom", "epoch")
        self.plot.setLabel("left", "loss (nat per pixel)")
        self._training = self.plot.plot(pen=pyqtgraph.mkPen(_TRAINING_COLOUR, width=2))
        self._validation = self.plot.plot(pen=pyqtgraph.mkPen(_VALIDATION_COLOUR, width=2))
        self._best = self.plot.plot(
            pen=None, symbol="o", symbolSize=8, symbolPen=None, symbolBrush=_VALIDATION_COLOUR
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.plot)
        # pyqtgraph asks for 640 x 480.
        self.plot.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored)
        self.setMinimumHeight(_HEIGHT_PX)
        follow(self, viewer.events.theme, self._follow_theme)
        self._follow_theme()

    @property
    def points(self) -> tuple[LossPoint, ...]:
        """The points shown."""
        return tuple(self._points)

    def clear(self) -> None:
        """Begin anew."""
        self._points.clear()
        self._draw()

    def add(self, point: LossPoint) -> None:
        """Show one more point."""
        self._points.append(point)
        self._draw()

    def _draw(self) -> None:
        epochs = [point.epoch for point in self._points]
        self._training.setData(epochs, [point.training for point in self._points])
        self._validation.setData(epochs, [point.validation for point in self._points])
        best = [point for point in self._points if point.improved][-1:]
        self._best.setData([point.epoch for point in best], [point.validation for point in best])

    def _follow_theme(self, event: object = None) -> None:
        theme = get_theme(self._viewer.theme)
        text = theme.text.as_hex()
        self.plot.setBackground(theme.background.as_hex())
        for side in ("bottom", "left"):
            axis = self.plot.getAxis(side)
            axis.setPen(text)
            axis.setTextPen(text)
        # A legend would lie over the curves.
        self.plot.setTitle(
            f"<span style='color: {_TRAINING_COLOUR}'>━ training</span>&nbsp;&nbsp;"
            f"<span style='color: {_VALIDATION_COLOUR}'>━ validation, ● best</span>",
            size="9pt",
        )
