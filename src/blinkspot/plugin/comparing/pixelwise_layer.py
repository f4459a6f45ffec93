"""Adding a layer of differences to the viewer: diverging colours around 0, lying where its movie lies."""

from __future__ import annotations

from typing import Any

from napari.components import ViewerModel
from napari.layers import Image

from blinkspot.plugin.layers.layer_list import put_above, selection_kept
from blinkspot.plugin.layers.movies import ROLE, UNIT, Place

_COLOURS = "RdBu_r"
"""White at 0; red above and blue below are told apart by colour-blind eyes."""


def add_pixelwise(
    viewer: ViewerModel,
    source: Image,
    data: Any,
    *,
    name: str,
    role: str,
    unit: str,
    first: int,
    limit: float,
) -> Image:
    """Add a layer of values around 0.

    Parameters
    ----------
    source : Image
        The noisy movie.
    data : array-like, (n, Y, X)
    role : str
        Its :data:`~blinkspot.plugin.layers.movies.ROLE`.
    unit : str
        Of the values.
    first : int
        Which of the movie's frames the first one is.
    limit : float
        Values from ``-limit`` to ``limit`` have colours of their own.
    """
    with selection_kept(viewer):
        layer: Image = viewer.add_image(
            data,
            name=name,
            colormap=_COLOURS,
            contrast_limits=(-limit, limit),
            metadata={ROLE: role, UNIT: unit},
            **Place.of(source).of_frames(first),
        )
        put_above(viewer, layer, topmost_of(viewer, source))
    return layer


def topmost_of(viewer: ViewerModel, source: Image) -> Image:
    """Return the topmost visible image, else the source."""
    images = [layer for layer in viewer.layers if isinstance(layer, Image) and layer.visible]
    return images[-1] if images else source
