"""A small plot in a dock, in the colours of napari's theme."""

from __future__ import annotations

from collections.abc import Mapping

import pyqtgraph
from napari.components import ViewerModel
from napari.utils.theme import get_theme
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from blinkspot.plugin.widgets.following import follow

# Told apart by colour-blind eyes, and legible on napari's dark and on its light background.
BLUE = "#3585c8"
ORANGE = "#c76b00"


class ThemedPlot(QWidget):
    """A plot without menus, which neither the wheel nor the mouse moves.

    Parameters
    ----------
    viewer : ViewerModel
        Whose theme it follows.
    height_px : int
        Where a small screen leaves no more; else it takes the room that is left.
    """

    def __init__(self, viewer: ViewerModel, height_px: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self.plot = pyqtgraph.PlotWidget()
        self.plot.setMenuEnabled(False)
        self.plot.setMouseEnabled(False, False)
        self.plot.hideButtons()
        # No key does anything in it; a plot that knows some takes the focus itself.
        self.plot.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        for side in ("bottom", "left"):
            self.plot.getAxis(side).enableAutoSIPrefix(False)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(0)
        self._layout.addWidget(self.plot, stretch=1)
        # pyqtgraph asks for 640 x 480.
        self.plot.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored)
        self.plot.setMinimumHeight(height_px)
        self.follow_theme()
        follow(self, viewer.events.theme, self.follow_theme)

    def add_below(self, widget: QWidget) -> None:
        """Put a widget below the plot."""
        self._layout.addWidget(widget)

    def name_curves(self, names: Mapping[str, str]) -> None:
        """Tell, by colour, what the curves are: above the plot, for a legend in it would lie over them."""
        marks = (f"<span style='color: {colour}'>━ {name}</span>" for colour, name in names.items())
        self.plot.setTitle("&nbsp;&nbsp;".join(marks), size="9pt")

    def follow_theme(self, event: object = None) -> None:
        """Take on the colours of the theme."""
        theme = get_theme(self._viewer.theme)
        text = theme.text.as_hex()
        self.plot.setBackground(theme.background.as_hex())
        for side in ("bottom", "left"):
            axis = self.plot.getAxis(side)
            axis.setPen(text)
            axis.setTextPen(text)
