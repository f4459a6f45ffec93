"""The button on the canvas that flips between two layers."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QPushButton, QWidget

FLIP_KEY = "N"
"""Flips; napari gives it to none of its own actions, of the viewer or of a layer."""

_MARGIN_PX = 6


class FlipButton(QPushButton):
    """Lies at the top of a widget, in the middle.

    Parameters
    ----------
    canvas : QWidget
        What it lies over; it follows the size of that.

    Signals
    -------
    left : None
        The user has asked to leave.
    """

    left = Signal()

    def __init__(self, canvas: QWidget) -> None:
        super().__init__(canvas)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setToolTip(
            f"Show the other movie at the same place and contrast: press {FLIP_KEY}, click here, or press "
            "the space bar here. Esc: back."
        )
        canvas.installEventFilter(self)
        self.say("noisy")
        self.show()
        self.raise_()

    def say(self, shown: str) -> None:
        """Say which of the two is shown."""
        self.setText(f"{shown}: flip ({FLIP_KEY})")
        self._place()

    def _place(self) -> None:
        canvas = self.parentWidget()
        assert canvas is not None
        self.adjustSize()
        self.move((canvas.width() - self.width()) // 2, _MARGIN_PX)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Follow the size of the canvas."""
        if event is not None and event.type() == QEvent.Type.Resize:
            self._place()
        return bool(super().eventFilter(watched, event))

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Leave with Esc; the space bar flips, as it presses every button."""
        if event is not None and event.key() == Qt.Key.Key_Escape:
            self.left.emit()
        else:
            super().keyPressEvent(event)
