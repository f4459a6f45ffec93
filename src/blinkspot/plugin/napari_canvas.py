"""What napari draws on. Neither nodes nor widget of its canvas are public: they are asked for here only."""

from __future__ import annotations

from typing import Any

from napari.components import ViewerModel
from napari.layers import Layer
from qtpy.QtWidgets import QWidget

from blinkspot.errors import BlinkspotError


def _canvas(viewer: ViewerModel) -> Any:
    try:
        return viewer.window._qt_viewer.canvas
    except AttributeError:
        raise BlinkspotError(
            "This needs the canvas of a napari window, and there is none where napari 0.9 has it."
        ) from None


def canvas_widget(viewer: ViewerModel) -> QWidget:
    """Return the widget that a viewer draws its layers in.

    Raises
    ------
    BlinkspotError
        If there is none, or napari keeps it to itself.
    """
    return _canvas(viewer).native  # type: ignore[no-any-return]


def node_of(viewer: ViewerModel, layer: Layer) -> Any:
    """Return the vispy node that shows a layer now; another one may do so after its data has changed.

    Raises
    ------
    BlinkspotError
        As above.
    """
    return _canvas(viewer).layer_to_visual[layer].node
