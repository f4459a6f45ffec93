"""The loss curves of a training, and what they say."""

from __future__ import annotations

import pyqtgraph
from napari.components import ViewerModel
from qtpy.QtWidgets import QLabel, QWidget

from blinkspot.plugin.train.training_steps import LossPoint
from blinkspot.plugin.widgets.themed_plot import BLUE, ORANGE, ThemedPlot

_TRAINING_COLOUR = BLUE
_VALIDATION_COLOUR = ORANGE
_HEIGHT_PX = 84


class LossPlot(ThemedPlot):
    """Training and validation loss over the epochs, and below them in words how the training goes."""

    def __init__(self, viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(viewer, _HEIGHT_PX, parent)
        self._points: list[LossPoint] = []
        self.plot.setLimits(xMin=0.0)
        self.plot.setLabel("bottom", "epoch")
        self.plot.setLabel("left", "loss (nat per pixel)")
        self._training = self.plot.plot(pen=pyqtgraph.mkPen(_TRAINING_COLOUR, width=2))
        self._validation = self.plot.plot(pen=pyqtgraph.mkPen(_VALIDATION_COLOUR, width=2))
        self._best = self.plot.plot(
            pen=None, symbol="o", symbolSize=8, symbolPen=None, symbolBrush=_VALIDATION_COLOUR
        )
        self.words = QLabel()
        self.words.setToolTip(
            "What the validation loss says. It is that of frames that the network does not learn from: where "
            "it rises while the training loss falls, the network learns those frames' noise by heart."
        )
        self.words.hide()
        self.add_below(self.words)
        self.name_curves({_TRAINING_COLOUR: "training", _VALIDATION_COLOUR: "validation, ● best"})

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
        course = self._points[-1].course if self._points else ""
        self.words.setText(f"{course[:1].upper()}{course[1:]}." if course else "")
        self.words.setVisible(bool(course))
        self._best.setData([point.epoch for point in best], [point.validation for point in best])
