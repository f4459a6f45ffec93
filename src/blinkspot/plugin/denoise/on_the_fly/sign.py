"""A sign on the canvas that a frame takes its time."""

from __future__ import annotations

import weakref

from napari.components import ViewerModel
from qtpy.QtCore import QObject, QTimer

from blinkspot.plugin.layers.napari_canvas import has_canvas

_PATIENCE_MS = 300


class WaitingSign(QObject):
    """Says on the canvas what is waited for, where that takes longer than a moment.

    A text that the user shows there himself is left alone.
    """

    def __init__(self, viewer: ViewerModel, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = weakref.ref(viewer)
        self._text = ""
        self._shown = ""
        self._before = ""
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.setInterval(_PATIENCE_MS)
        self._patience.timeout.connect(self._show)

    def begin(self, text: str) -> None:
        """Wait for something."""
        self._text = text
        if self._shown:
            self._show()
        elif not self._patience.isActive():
            self._patience.start()

    def end(self) -> None:
        """Wait no more."""
        self._patience.stop()
        viewer = self._viewer()
        shown, self._shown = self._shown, ""
        if viewer is not None and shown and viewer.canvas.overlays.text.text == shown:
            viewer.canvas.overlays.text.visible = False
            viewer.canvas.overlays.text.text = self._before

    def _show(self) -> None:
        viewer = self._viewer()
        if viewer is None or not has_canvas(viewer):
            return
        overlay = viewer.canvas.overlays.text
        if overlay.visible and overlay.text != self._shown:
            # It may be another layer's sign, which ends.
            self._patience.start()
            return
        if not self._shown:
            self._before = overlay.text
        overlay.text = self._shown = self._text
        overlay.visible = True
