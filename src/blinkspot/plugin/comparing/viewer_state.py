"""How a viewer shows its layers, to come back to it."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from napari.components import ViewerModel
from napari.layers import Layer


@dataclass(frozen=True)
class _LayerState:
    """How a layer is shown. It is held weakly: it may be removed meanwhile."""

    layer: weakref.ref[Layer]
    visible: bool
    name_overlay: dict[str, Any]

    @classmethod
    def of(cls, layer: Layer) -> Self:
        overlay = layer.name_overlay
        shown = {name: getattr(overlay, name) for name in ("visible", "font_size", "position")}
        return cls(weakref.ref(layer), layer.visible, shown)


@dataclass(frozen=True)
class ViewerState:
    """The order and visibility of the layers of a viewer, its grid and its camera."""

    layers: tuple[_LayerState, ...]
    grid: dict[str, Any]
    zoom: float
    centre: tuple[float, ...]

    @classmethod
    def of(cls, viewer: ViewerModel) -> Self:
        """Return the state of a viewer."""
        grid, camera = viewer.canvas.grid, viewer.scene.camera
        return cls(
            tuple(_LayerState.of(layer) for layer in viewer.layers),
            {name: getattr(grid, name) for name in ("enabled", "stride", "shape", "spacing")},
            camera.zoom,
            tuple(camera.center),
        )

    def restore(self, viewer: ViewerModel, camera_too: bool = True) -> None:
        """Show a viewer in this state, with what has been added or removed since."""
        for name, value in self.grid.items():
            setattr(viewer.canvas.grid, name, value)
        were: list[Layer] = []
        for state in self.layers:
            layer = state.layer()
            if layer is None or layer not in viewer.layers:
                continue
            were.append(layer)
            layer.visible = state.visible
            for name, value in state.name_overlay.items():
                setattr(layer.name_overlay, name, value)
        put_in_order(viewer, [*were, *(layer for layer in viewer.layers if layer not in were)])
        if camera_too:
            viewer.scene.camera.zoom = self.zoom
            viewer.scene.camera.center = self.centre


def put_in_order(viewer: ViewerModel, order: Sequence[Layer]) -> None:
    """Move all layers of a viewer into an order."""
    for place, layer in enumerate(order):
        index = viewer.layers.index(layer)
        if index != place:
            viewer.layers.move(index, place)


def shows_everything(viewer: ViewerModel, tolerance: float = 1.05) -> bool:
    """Whether a viewer shows all that is in it: its zoom is at most ``tolerance`` times the one that does."""
    camera = viewer.scene.camera
    zoom, centre = camera.zoom, camera.center
    viewer.fit_to_view()
    fits = zoom <= camera.zoom * tolerance
    camera.zoom, camera.center = zoom, centre
    return bool(fits)
