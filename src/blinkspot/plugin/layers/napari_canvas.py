"""What napari draws on. Neither nodes nor widget of its canvas are public: they are asked for here only."""

from __future__ import annotations

from typing import Any

from napari.components import ViewerModel
from napari.layers import Layer
from qtpy.compat import isalive
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


def has_canvas(viewer: ViewerModel) -> bool:
    """Whether a viewer has a window to draw in; that may be closed while the viewer and its layers stay."""
    try:
        return bool(isalive(canvas_widget(viewer)))  # type: ignore[no-untyped-call]
    except BlinkspotError:
        return False


def node_of(viewer: ViewerModel, layer: Layer) -> Any:
    """Return the vispy node that shows a layer now; another one may do so after its data has changed.

    Raises
    ------
    BlinkspotError
        As above.
    """
    return _canvas(viewer).layer_to_visual[layer].node


def forget_old_grids(viewer: ViewerModel) -> None:
    """Have the canvas let go of the grids that it does not show any more.

    napari 0.9 makes a new grid whenever the number of cells changes, and takes the one before out of the
    scene, but not out of the list of its parent: some 6,000 objects each time.

    Raises
    ------
    BlinkspotError
        As above.
    """
    canvas = _canvas(viewer)
    try:
        parent = canvas.central_widget
        for widget in [widget for widget in parent._widgets if widget.parent is None]:
            parent.remove_widget(widget)
    except AttributeError:
        raise BlinkspotError(
            "This needs the list of grids of napari's canvas, and there is none where napari 0.9 has it."
        ) from None
