"""Two layers in two cells of napari's grid, with one camera."""

from __future__ import annotations

import contextlib

from napari.components import ViewerModel

from blinkspot.errors import BlinkspotError
from blinkspot.plugin.comparing.arrangement import Pair, name_layer
from blinkspot.plugin.comparing.of_viewer import OfViewer
from blinkspot.plugin.comparing.viewer_state import put_in_order
from blinkspot.plugin.layers.napari_canvas import forget_old_grids

_GAP_PX = 4


class SideBySide:
    """Puts two layers into cells of napari's grid that show the same place.

    napari fills its grid with every so many layers of the list, so the two layers, each with what lies over
    it, are moved together at the list's start.
    """

    in_grid = True

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = OfViewer(viewer)

    def enter(self, pair: Pair, overlays: Pair | None) -> None:
        """Give each layer, and what lies over it, a cell."""
        viewer = self._viewer()
        groups = [[layer] for layer in pair]
        for group, overlay in zip(groups, overlays or (), strict=False):
            group.append(overlay)
        members = [layer for group in groups for layer in group]
        for layer in pair:
            name_layer(layer)
        put_in_order(viewer, [*members, *(layer for layer in viewer.layers if layer not in members)])
        grid = viewer.canvas.grid
        grid.stride = len(groups[0])
        grid.shape = (1, -1)
        grid.spacing = _GAP_PX
        grid.enabled = True
        with contextlib.suppress(BlinkspotError):  # another napari, which may keep none
            forget_old_grids(viewer)

    def leave(self) -> None:
        """Nothing is left."""
