"""Clicks in the picture, as against drags."""

from __future__ import annotations

import weakref
from collections.abc import Generator
from typing import Any

import numpy as np
from napari.components import ViewerModel
from psygnal import Signal

from blinkspot.plugin.comparing.of_viewer import OfViewer

_STILL_PX = 3.0
_LEFT_BUTTON = 1


class CanvasClicks:
    """Tells where the user clicks while the picture can be moved: not while something is drawn or selected.

    Signals
    -------
    clicked : tuple of float
        Where, in the world.
    """

    clicked = Signal(object)

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = OfViewer(viewer)
        reference = weakref.ref(self)

        def on_press(viewer: ViewerModel, event: Any) -> Generator[None, None, None]:
            if event.modifiers or event.button != _LEFT_BUTTON:
                return
            start, moved = np.asarray(event.pos, float), 0.0
            yield
            while event.type == "mouse_move":
                moved = max(moved, float(np.abs(np.asarray(event.pos, float) - start).max()))
                yield
            clicks = reference()
            if clicks is not None and moved <= _STILL_PX:
                clicks._on_click(event)

        self._callback = on_press

    def begin(self) -> None:
        """Tell from now on."""
        callbacks = self._viewer().mouse_drag_callbacks
        if self._callback not in callbacks:
            callbacks.append(self._callback)

    def end(self) -> None:
        """Tell no longer."""
        callbacks = self._viewer().mouse_drag_callbacks
        if self._callback in callbacks:
            callbacks.remove(self._callback)

    def _on_click(self, event: Any) -> None:
        viewer = self._viewer()
        active = viewer.layers.selection.active
        if viewer.dims.ndisplay == 2 and (active is None or str(active.mode) == "pan_zoom"):
            self.clicked.emit(tuple(event.position))
