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

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        self._widget = widget
        self._docked = False
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Follow the widget into its dock and out of it."""
        if watched is self._widget and event is not None and event.type() == QEvent.Type.ParentChange:
            was_docked, self._docked = self._docked, self._widget.parent() is not None
            if was_docked and not self._docked:
                self.closed.emit()
        return False
