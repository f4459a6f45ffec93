"""Noisy and denoised side by side with one camera, and back to what was before."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass

from napari.components import ViewerModel
from napari.layers import Layer
from psygnal import Signal

_FITS = 1.05
"""A zoom up to this many times the one that shows everything counts as showing everything."""
_GAP_PX = 4
_NAME_POINTS = 8.0


@dataclass(frozen=True)
class _Before:
    """The viewer as it was before the comparison. Layers are held weakly: they may be removed meanwhile."""

    enabled: bool
    stride: int
    shape: tuple[int, int]
    spacing: float
    zoom: float
    centre: tuple[float, ...]
    order: tuple[weakref.ref[Layer], ...]
    visible: tuple[bool, ...]


class ComparisonView:
    """Puts two layers into cells of napari's grid that show the same place, and takes them out again.

    napari fills its grid with every so many layers of the list, so the two layers, each with what lies over
    it, are moved together at the list's start and all others are hidden; :meth:`restore` undoes both.

    Signals
    -------
    changed : bool
        The comparison was entered or left.
    """

    changed = Signal(bool)

    def __init__(self, viewer: ViewerModel) -> None:
        # The session that holds this object lives for as long as the viewer: it must not keep it alive.
        self._viewer_reference = weakref.ref(viewer)
        self._before: _Before | None = None
        self._pair: tuple[Layer, Layer] | None = None
        self._overlays: tuple[Layer, Layer] | None = None
        viewer.layers.events.removed.connect(self._on_removed)

    @property
    def active(self) -> bool:
        """Whether two layers are side by side."""
        return self._pair is not None

    @property
    def pair(self) -> tuple[Layer, Layer] | None:
        """The two layers that are side by side, left and right."""
        return self._pair

    @property
    def _viewer(self) -> ViewerModel:
        viewer = self._viewer_reference()
        assert viewer is not None
        return viewer

    def show(self, left: Layer, right: Layer) -> None:
        """Put two layers side by side; both must be in the viewer. Nothing lies over them yet."""
        entering = self._before is None
        whole = entering and self._shows_everything()
        if self._before is None:
            self._before = self._state()
        self._name_pair(False)
        self._pair, self._overlays = (left, right), None
        self._name_pair(True)
        for layer in self._viewer.layers:
            layer.visible = layer in self._pair
        self._arrange()
        if whole:
            self._viewer.reset_view()
        if entering:
            self.changed.emit(True)

    def lay_over(self, overlays: tuple[Layer, Layer] | None) -> None:
        """Lay a layer over the left one and another over the right one; None for nothing."""
        self._overlays = overlays
        for layer in overlays or ():
            layer.visible = True
        if self.active:
            self._arrange()

    def _name_pair(self, visible: bool) -> None:
        """Write (or no longer) each layer's name into its cell."""
        for layer in self._pair or ():
            layer.name_overlay.font_size = _NAME_POINTS
            layer.name_overlay.visible = visible

    def _arrange(self) -> None:
        assert self._pair is not None
        groups = [[layer] for layer in self._pair]
        for group, overlay in zip(groups, self._overlays or (), strict=False):
            group.append(overlay)
        members = [layer for group in groups for layer in group]
        others = [layer for layer in self._viewer.layers if layer not in members]
        self._put_in_order([*members, *others])
        grid = self._viewer.canvas.grid
        grid.stride = len(groups[0])
        grid.shape = (1, -1)
        grid.spacing = _GAP_PX
        grid.enabled = True

    def restore(self) -> None:
        """Show the viewer as it was before, with what has been added or removed since."""
        before, self._before = self._before, None
        if before is None:
            return
        self._name_pair(False)
        self._pair = None
        grid = self._viewer.canvas.grid
        grid.enabled = before.enabled
        grid.stride, grid.shape, grid.spacing = before.stride, before.shape, before.spacing
        was_visible = {
            layer: visible
            for reference, visible in zip(before.order, before.visible, strict=True)
            if (layer := reference()) is not None and layer in self._viewer.layers
        }
        for layer, visible in was_visible.items():
            layer.visible = visible
        added = [layer for layer in self._viewer.layers if layer not in was_visible]
        self._put_in_order([*was_visible, *added])
        self._viewer.scene.camera.zoom = before.zoom
        self._viewer.scene.camera.center = before.centre
        self.changed.emit(False)

    def _state(self) -> _Before:
        viewer = self._viewer
        grid, camera = viewer.canvas.grid, viewer.scene.camera
        return _Before(
            enabled=grid.enabled,
            stride=grid.stride,
            shape=grid.shape,
            spacing=grid.spacing,
            zoom=camera.zoom,
            centre=tuple(camera.center),
            order=tuple(weakref.ref(layer) for layer in viewer.layers),
            visible=tuple(layer.visible for layer in viewer.layers),
        )

    def _shows_everything(self) -> bool:
        camera = self._viewer.scene.camera
        zoom, centre = camera.zoom, camera.center
        self._viewer.reset_view()
        fits = zoom <= camera.zoom * _FITS
        camera.zoom, camera.center = zoom, centre
        return bool(fits)

    def _put_in_order(self, order: Sequence[Layer]) -> None:
        layers = self._viewer.layers
        for place, layer in enumerate(order):
            index = layers.index(layer)
            if index != place:
                layers.move(index, place)

    def _on_removed(self, event: object = None) -> None:
        remaining = self._viewer.layers
        if self._overlays is not None and any(layer not in remaining for layer in self._overlays):
            self.lay_over(None)
        if self._pair is not None and any(layer not in remaining for layer in self._pair):
            self.restore()
