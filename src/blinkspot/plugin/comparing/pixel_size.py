"""The pixel size of a movie's layer, from its camera or from the layer itself."""

from __future__ import annotations

from napari.layers import Layer

from blinkspot.plugin.camera.keeper import CameraKeeper
from blinkspot.plugin.camera.record import Origin


def is_length(unit: object) -> bool:
    """Whether a unit of a layer's axis is one of length."""
    return bool(unit.dimensionality == {"[length]": 1})  # type: ignore[attr-defined]


def measured_in_lengths(layer: Layer) -> bool:
    """Whether a layer says how large it is: its y and x axes have units of length."""
    return all(is_length(unit) for unit in layer.units[-2:])


def pixel_size_nm(cameras: CameraKeeper, layer: Layer) -> float | None:
    """Return the pixel size of a movie, None where nobody and nothing tells it."""
    record = cameras.record(layer)
    if record is not None and record.source("pixel_size_nm").origin is not Origin.DEFAULT:
        return record.camera.pixel_size_nm
    if measured_in_lengths(layer):
        return float((float(layer.scale[-1]) * layer.units[-1]).to("nm").magnitude)
    return None
