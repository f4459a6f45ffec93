"""The part of a movie's frames that a denoiser learns from: what is in view, or a rectangle drawn."""

from __future__ import annotations

import math

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Shapes
from numpy.typing import ArrayLike, NDArray

from blinkspot.errors import BlinkspotError
from blinkspot.movies.checks import SMALLEST_SIDE_PX
from blinkspot.plugin.layers.world import data_at, world_of

Region = tuple[int, int, int, int]
"""First row, first column, height and width, pixels."""


def region_in_view(layer: Image) -> Region:
    """Return the part of a movie's frames that the canvas shows.

    Raises
    ------
    BlinkspotError
        If that is too small to learn from.
    """
    return _region(layer, layer.corner_pixels[:, -2:], "What is in view: zoom out.")


def region_drawn(viewer: ViewerModel, layer: Image) -> Region:
    """Return the part of a movie's frames within a rectangle: the one selected, else the one drawn last.

    Raises
    ------
    BlinkspotError
        If there is no rectangle, or it is too small to learn from.
    """
    for shapes in reversed([one for one in viewer.layers if isinstance(one, Shapes) and one.visible]):
        rectangles = [number for number, kind in enumerate(shapes.shape_type) if kind == "rectangle"]
        chosen = [number for number in rectangles if number in shapes.selected_data] or rectangles
        if chosen:
            corners = [_to_movie(viewer, layer, shapes, corner) for corner in shapes.data[chosen[-1]]]
            return _region(layer, corners, f"The rectangle in {shapes.name!r}: draw a larger one.")
    raise BlinkspotError("There is no rectangle to learn from: add a Shapes layer and draw one in it.")


def _to_movie(viewer: ViewerModel, layer: Image, shapes: Shapes, corner: ArrayLike) -> NDArray[np.float64]:
    """Return row and column of the movie at a point of a Shapes layer."""
    world = np.array(viewer.dims.point, dtype=float)
    world[-2:] = world_of(viewer, shapes, corner)[-2:]
    return data_at(viewer, layer, world)[-2:]


def _region(layer: Image, corners: ArrayLike, what: str) -> Region:
    """Return the pixels between corners, of which a pixel's centre has whole coordinates."""
    size = layer.data.shape[-2:]
    low = np.floor(np.min(corners, axis=0) + 0.5)
    high = np.ceil(np.max(corners, axis=0) + 0.5)
    first = [math.floor(min(max(value, 0), length)) for value, length in zip(low, size, strict=True)]
    stop = [math.floor(min(max(value, 0), length)) for value, length in zip(high, size, strict=True)]
    height, width = stop[0] - first[0], stop[1] - first[1]
    if min(height, width) < SMALLEST_SIDE_PX:
        name, _, remedy = what.partition(": ")
        raise BlinkspotError(
            f"{name} has {max(height, 0)} x {max(width, 0)} pixels of the movie, and training needs "
            f"{SMALLEST_SIDE_PX} x {SMALLEST_SIDE_PX} or more: {remedy}"
        )
    return first[0], first[1], height, width
