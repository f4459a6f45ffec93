"""A window that outlives the removal of several layers at once.

napari 0.9.2 has OpenGL delete the textures and programs of a layer as soon as it is removed, in whatever
context is current then: mostly not the canvas's own, but that of the window around it. Mesa's software
renderer goes on using them in the canvas, and Python ends with a segmentation fault when it draws the rest.
"""

from __future__ import annotations

import weakref
from typing import Any

from napari.components import ViewerModel

from blinkspot.errors import BlinkspotError
from blinkspot.plugin.layers.napari_canvas import canvas_widget


def remove_layers_safely(viewer: ViewerModel) -> None:
    """Have layers removed in the canvas's own context, for as long as the viewer lives."""
    reference = weakref.ref(viewer)

    def make_current(_: Any) -> None:
        viewer = reference()
        if viewer is None:
            return
        try:
            canvas_widget(viewer).makeCurrent()  # type: ignore[attr-defined]
        except (BlinkspotError, AttributeError):
            return  # without a canvas that draws by OpenGL there is nothing to be safe from

    viewer.layers.events.removing.connect(make_current)
