"""Whether the dock that a widget was put into is closed for good."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QWidget


class ClosingWatch(QObject):
    """Watches a widget that is put into a dock of napari's.

    napari takes it out of the dock when that is closed for good, but not when it is only hidden.

    Signals
    -------
    closed : None
        The widget was taken out.
    """

    closed = Signal()

    # Of the class, too: PySide6 may send an event after Python has taken an object's own attributes away.
    _widget: QWidget | None = None
    _docked = False

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        self._widget = widget
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Follow the widget into its dock and out of it."""
        widget = self._widget
        if widget is None or event is None:
            return False
        if watched is widget and event.type() == QEvent.Type.ParentChange:
            was_docked, self._docked = self._docked, widget.parent() is not None
            if was_docked and not self._docked:
                self.closed.emit()
        return False
