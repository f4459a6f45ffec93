"""Noisy and denoised compared in one viewer, in one of several ways, and back to what was before."""

from __future__ import annotations

import contextlib
import weakref

from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from psygnal import Signal

from blinkspot.errors import BlinkspotError
from blinkspot.plugin.comparing.arrangement import Arrangement, Pair
from blinkspot.plugin.comparing.curtain import Curtain
from blinkspot.plugin.comparing.flip import Flip
from blinkspot.plugin.comparing.of_viewer import OfViewer
from blinkspot.plugin.comparing.side_by_side import SideBySide
from blinkspot.plugin.comparing.viewer_state import ViewerState, shows_everything

SIDE_BY_SIDE, CURTAIN, FLIP = "Side by side", "Curtain", "Flip"
WAYS = (SIDE_BY_SIDE, CURTAIN, FLIP)
"""Names of the ways to show two layers."""


class ComparisonView:
    """Shows two layers in a way that compares them, and undoes that.

    Signals
    -------
    changed : bool
        A comparison was entered (or became another one), or left.
    """

    changed = Signal(bool)

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = OfViewer(viewer)
        self._before: ViewerState | None = None
        self._pair: Pair | None = None
        self._overlays: Pair | None = None
        self._last: tuple[weakref.ref[Layer], weakref.ref[Layer]] | None = None
        self.curtain, self.flip = Curtain(viewer), Flip(viewer)
        self._arrangements: dict[str, Arrangement] = {
            SIDE_BY_SIDE: SideBySide(viewer),
            CURTAIN: self.curtain,
            FLIP: self.flip,
        }
        self._way = SIDE_BY_SIDE
        for arrangement in (self.curtain, self.flip):
            arrangement.left.connect(self.restore)
        viewer.layers.events.removed.connect(self._on_removed)

    @property
    def active(self) -> bool:
        """Whether two layers are compared."""
        return self._pair is not None

    @property
    def pair(self) -> Pair | None:
        """The two layers that are compared, noisy (left) and denoised (right)."""
        return self._pair

    @property
    def way(self) -> str:
        """The way in which layers are compared now, or were last: one of :data:`WAYS`."""
        return self._way

    @property
    def last_pair(self) -> Pair | None:
        """The two layers that are compared now, or were last, where both are still there."""
        found = [reference() for reference in self._last or ()]
        layers = [layer for layer in found if layer is not None and layer in self._viewer().layers]
        return (layers[0], layers[1]) if len(layers) == 2 else None

    def is_visible_apart(self, layer: Layer) -> bool:
        """Whether a layer is visible where nothing is compared: before, and once that has ended."""
        if self._before is None:
            return bool(layer.visible)
        before = next((state for state in self._before.layers if state.layer() is layer), None)
        if before is not None:
            return before.visible
        return bool(layer.visible) or layer in (self._pair or ())

    def show(self, left: Layer, right: Layer, way: str = SIDE_BY_SIDE) -> None:
        """Compare two layers, both in the viewer. Nothing lies over them yet.

        Raises
        ------
        BlinkspotError
            If napari lets nothing be done in this way; the viewer is then as it was before.
        """
        viewer, arrangement = self._viewer(), self._arrangements[way]
        whole, was_in_grid = shows_everything(viewer), viewer.canvas.grid.enabled
        if self._before is None:
            self._before = ViewerState.of(viewer)
        else:
            self._go_back(self._before, camera_too=False)
        self._way = way
        self._pair, self._overlays = (left, right), None
        self._last = weakref.ref(left), weakref.ref(right)
        viewer.canvas.grid.enabled = False
        for layer in viewer.layers:
            if layer in self._pair:
                layer.visible = True
            elif arrangement.in_grid or isinstance(layer, Image | Labels):
                layer.visible = False
        try:
            arrangement.enter(self._pair, None)
        except Exception:
            self.restore()
            raise
        if whole and was_in_grid != arrangement.in_grid:
            viewer.fit_to_view()
        self.changed.emit(True)

    def lay_over(self, overlays: Pair | None) -> None:
        """Lay a layer over the left one and another over the right one; None for nothing."""
        self._overlays = overlays
        for layer in overlays or ():
            layer.visible = True
        if self._pair is not None:
            self._arrangements[self._way].enter(self._pair, overlays)

    def take_in(self, noisy: Layer, denoised: Layer) -> None:
        """Have a layer that is new take the denoised one's place, where its movie is compared.

        Where something else is compared, that ends: the new layer would hide it, or take a cell of its own.
        """
        if self._pair is None:
            return
        if self._pair[0] is noisy:
            with contextlib.suppress(BlinkspotError):  # all is shown as it was before, the new layer too
                self.show(noisy, denoised, self._way)
        else:
            self.restore()

    def leave_grid(self) -> None:
        """End a comparison in cells, where what is to lie over a layer would get a cell of its own."""
        if self._pair is not None and self._arrangements[self._way].in_grid:
            self.restore()

    def restore(self) -> None:
        """Show the viewer as it was before, with what has been added or removed since."""
        before, self._before = self._before, None
        if before is None:
            return
        self._go_back(before, camera_too=True)
        self._pair = self._overlays = None
        self.changed.emit(False)

    def _go_back(self, before: ViewerState, camera_too: bool) -> None:
        self._arrangements[self._way].leave()
        # One that has come since may be hidden behind the other.
        for layer in self._pair or ():
            layer.visible = True
        before.restore(self._viewer(), camera_too)

    def _on_removed(self, event: object = None) -> None:
        remaining = self._viewer().layers
        if self._pair is not None and any(layer not in remaining for layer in self._pair):
            self.restore()
        elif self._overlays is not None and any(layer not in remaining for layer in self._overlays):
            self.lay_over(None)
