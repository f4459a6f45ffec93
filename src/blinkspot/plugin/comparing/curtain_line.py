"""The line of the curtain: dragged with the mouse, or moved with the arrow keys."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, QPointF, Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from qtpy.QtWidgets import QWidget

_WIDTH_PX = 15
_HANDLE_RADIUS_PX = 6.5
_STEP = 0.01
_PAGE = 0.1


class CurtainLine(QWidget):
    """A vertical line over a widget, from its top to its bottom.

    Parameters
    ----------
    canvas : QWidget
        What it lies over; it follows the size of that.

    Signals
    -------
    moved : float
        The user has moved it to this fraction of the width.
    left : None
        The user has asked to leave.
    """

    moved = Signal(float)
    left = Signal()

    def __init__(self, canvas: QWidget) -> None:
        super().__init__(canvas)
        self._fraction = 0.5
        self.setCursor(Qt.CursorShape.SplitHCursor)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Curtain between the noisy and the denoised movie")
        self.setToolTip(
            "Left of the line noisy, right of it denoised. Drag it, or move it with the arrow keys (1 % of "
            "the width; 10 % with Page Up and Page Down). Esc: back."
        )
        canvas.installEventFilter(self)
        self._place()
        self.show()
        self.raise_()

    @property
    def fraction(self) -> float:
        """Where it is, as a fraction of the canvas's width."""
        return self._fraction

    def move_to(self, fraction: float) -> None:
        """Move it, as if the user had."""
        fraction = min(max(fraction, 0.0), 1.0)
        if fraction != self._fraction:
            self._fraction = fraction
            self._place()
            self.moved.emit(fraction)

    def _canvas(self) -> QWidget:
        canvas = self.parentWidget()
        assert canvas is not None
        return canvas

    def _place(self) -> None:
        canvas = self._canvas()
        left = round(self._fraction * canvas.width() - 0.5 * _WIDTH_PX)
        self.setGeometry(left, 0, _WIDTH_PX, canvas.height())

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Follow the size of the canvas."""
        if event is not None and event.type() == QEvent.Type.Resize:
            self._place()
        return bool(super().eventFilter(watched, event))

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw the line, to be seen on every picture; its handle is full while it has the focus."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        x, middle = 0.5 * self.width(), QPointF(0.5 * self.width(), 0.5 * self.height())
        ends = QPointF(x, 0.0), QPointF(x, float(self.height()))
        dark, light = QColor(0, 0, 0, 160), QColor("white")
        for colour, width in ((dark, 3.0), (light, 1.0)):
            painter.setPen(QPen(colour, width))
            painter.drawLine(*ends)
        painter.setPen(QPen(dark, 3.0))
        painter.setBrush(light if self.hasFocus() else dark)
        painter.drawEllipse(middle, _HANDLE_RADIUS_PX, _HANDLE_RADIUS_PX)
        painter.setPen(QPen(light, 1.5))
        painter.drawEllipse(middle, _HANDLE_RADIUS_PX - 1.0, _HANDLE_RADIUS_PX - 1.0)

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Take hold of the line."""
        if event is not None:
            event.accept()

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Drag the line."""
        if event is not None and event.buttons() & Qt.MouseButton.LeftButton:
            canvas = self._canvas()
            x = canvas.mapFromGlobal(event.globalPosition()).x()
            self.move_to(x / max(1, canvas.width()))
            event.accept()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Move the line, or leave."""
        if event is None:
            return
        goals = {
            Qt.Key.Key_Left: self._fraction - _STEP,
            Qt.Key.Key_Right: self._fraction + _STEP,
            Qt.Key.Key_PageUp: self._fraction - _PAGE,
            Qt.Key.Key_PageDown: self._fraction + _PAGE,
            Qt.Key.Key_Home: 0.0,
            Qt.Key.Key_End: 1.0,
        }
        key = Qt.Key(event.key())
        if key == Qt.Key.Key_Escape:
            self.left.emit()
        elif key in goals:
            self.move_to(goals[key])
        else:
            # napari's own keys work as on the canvas.
            super().keyPressEvent(event)
