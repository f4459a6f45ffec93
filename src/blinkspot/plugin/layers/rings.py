"""Open circles around molecules."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Layer, Points
from numpy.typing import NDArray

from blinkspot.plugin.layers.layer_list import selection_kept
from blinkspot.plugin.layers.movies import ROLE, Place

NO_PLACES = np.empty((0, 3), np.float32)
"""Of no molecule."""


def add_rings(
    viewer: ViewerModel,
    source: Layer,
    places: NDArray[np.float32],
    *,
    name: str,
    role: str,
    colour: str,
    diameter_px: float,
    **more: Any,
) -> Points:
    """Add a layer of rings that lies where another layer lies; the selection stays.

    Parameters
    ----------
    source : Layer
        Of the axes time, y, x.
    places : (n, 3) float32
        Frame, y, x in pixels of ``source``.
    role : str
        The layer's :data:`~blinkspot.plugin.layers.movies.ROLE`.
    diameter_px : float
        In pixels of ``source``.
    **more
        Further arguments of the layer.
    """
    with selection_kept(viewer):
        return viewer.add_points(
            places,
            name=name,
            size=diameter_px,
            face_color="transparent",
            border_color=colour,
            border_width=0.1,
            metadata={ROLE: role},
            **Place.of(source).of_frames(0),
            **more,
        )
