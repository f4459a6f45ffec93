"""Between the world of a viewer and a layer's pixels.

Where layers have different units of one kind (seconds and milliseconds, µm and nm), napari 0.9 shows all of
them in one of these units. Its own ``world_to_data`` and ``data_to_world`` keep to those of the layer.
"""

from __future__ import annotations

import numpy as np
import pint
from napari.components import ViewerModel
from napari.layers import Layer
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


def data_at(viewer: ViewerModel, layer: Layer, point: ArrayLike) -> FloatArray:
    """Return where a point of the world, of as many axes as the viewer has, lies in a layer's pixels."""
    within = np.asarray(point, float)[-layer.ndim :]
    # A layer that is in the viewer no more may have more axes than that.
    return np.asarray(layer.world_to_data(within / units_in_world(viewer, layer)[-len(within) :]), float)


def world_of(viewer: ViewerModel, layer: Layer, place: ArrayLike) -> FloatArray:
    """Return where a place in a layer's pixels lies in the world: on the last axes of the viewer."""
    return np.asarray(layer.data_to_world(place), float) * units_in_world(viewer, layer)


def units_in_world(viewer: ViewerModel, layer: Layer) -> FloatArray:
    """Return how many of the viewer's units each unit of a layer is; 1 where they are of different kinds."""
    factors = np.ones(layer.ndim)
    shared = viewer.dims.units
    if shared is None or len(shared) < layer.ndim:
        return factors
    for axis, (own, other) in enumerate(zip(layer.units, shared[-layer.ndim :], strict=True)):
        if own != other and own.dimensionality == other.dimensionality:
            factors[axis] = pint.Quantity(1.0, str(own)).to(str(other)).magnitude
    return factors
