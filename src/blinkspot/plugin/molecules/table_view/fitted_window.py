"""A square around a molecule, as wide as the window of pixels that its fit saw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Layer, Points
from numpy.typing import NDArray

from blinkspot.plugin.comparing.of_viewer import OfViewer
from blinkspot.plugin.layers.rings import add_rings
from blinkspot.plugin.session import session_of

_SETTING = "fit_window_px"
_USUAL_PX = 7
_COLOUR = "#ff5ad2"
_LINE = 0.05


class FittedWindow:
    """Shows one square, in its frame only.

    Attributes
    ----------
    layer : Points or None
        The layer of the square, once there was one.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = OfViewer(viewer)
        self._source: Layer | None = None
        self.layer: Points | None = None

    def show(self, source: Layer, place: NDArray[np.float32], side_px: int) -> None:
        """Show the square around a molecule.

        Parameters
        ----------
        source : Layer
            Whose pixels are meant.
        place : (3,) float32
            Frame, y, x in pixels. The window is of whole pixels, with this one in its middle.
        """
        viewer = self._viewer()
        middle = np.round(place)[None]
        if self.layer is None or self.layer not in viewer.layers or self._source is not source:
            self.remove()
            self._source = source
            session_of(viewer).comparison.leave_grid()
            self.layer = add_rings(
                viewer,
                source,
                middle,
                name="fitted window",
                role="markers",
                colour=_COLOUR,
                diameter_px=side_px,
                symbol="square",
            )
            self.layer.border_width = _LINE
        else:
            self.layer.data = middle
            if self.layer.size[0] != side_px:
                self.layer.size = side_px

    def remove(self) -> None:
        """Take the square away."""
        layer, self.layer, self._source = self.layer, None, None
        if layer is not None and layer in self._viewer().layers:
            self._viewer().layers.remove(layer)


def window_px(provenance: Mapping[str, Any]) -> int:
    """Return the side of the window that a table's molecules were fitted in, the usual one if not told."""
    for key, value in provenance.items():
        if key == _SETTING and isinstance(value, int):
            return value
        if isinstance(value, Mapping) and _SETTING in value:
            return window_px(value)
    return _USUAL_PX
