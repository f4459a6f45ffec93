"""The plot of a line profile, and the keys that move the line."""

from __future__ import annotations

import pyqtgraph
from napari.components import ViewerModel
from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QKeyEvent

from blinkspot.plugin.comparing.profile_steps import Profiles
from blinkspot.plugin.widgets.closing_watch import ClosingWatch
from blinkspot.plugin.widgets.themed_plot import BLUE, ORANGE, ThemedPlot

_HEIGHT_PX = 140
_STEPS = {
    Qt.Key.Key_Left: (0.0, -1.0),
    Qt.Key.Key_Right: (0.0, 1.0),
    Qt.Key.Key_Up: (-1.0, 0.0),
    Qt.Key.Key_Down: (1.0, 0.0),
}


class ProfilePanel(ThemedPlot):
    """Plots both movies along a line.

    Signals
    -------
    moved : (float, float, bool)
        The user has asked by key to move the line by so many pixels, y and x; or, if true, its end only.
    closed : None
        Its dock was closed.
    """

    moved = Signal(float, float, bool)
    closed = Signal()

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__(viewer, _HEIGHT_PX)
        ClosingWatch(self).closed.connect(self.closed)
        self.noisy = self.plot.plot(pen=pyqtgraph.mkPen(BLUE, width=2))
        self.denoised = self.plot.plot(pen=pyqtgraph.mkPen(ORANGE, width=2))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Line profile")
        self.setToolTip(
            "The light along the line in the picture. Drag the ends of the line there; or, here, move the "
            "line with the arrow keys, and with Shift its end only."
        )

    def show_profiles(self, shown: Profiles) -> None:
        """Show both movies along a line."""
        self.plot.setLabel("bottom", f"distance along the line ({shown.distance_unit})")
        self.plot.setLabel("left", shown.unit)
        for curve, values in ((self.noisy, shown.noisy), (self.denoised, shown.denoised)):
            if values is None:
                curve.setData([], [])
            else:
                curve.setData(shown.distances, values, connect="finite")
        missing = "" if shown.denoised is not None else " (not this frame)"
        self.name_curves({BLUE: "noisy", ORANGE: f"denoised{missing}"})

    def clear(self) -> None:
        """Show nothing."""
        for curve in (self.noisy, self.denoised):
            curve.setData([], [])

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Move the line."""
        if event is None:
            return
        step = _STEPS.get(Qt.Key(event.key()))
        if step is None:
            super().keyPressEvent(event)
        else:
            self.moved.emit(*step, bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier))
