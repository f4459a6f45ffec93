"""Between napari's layers and the movies that the backend works on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import dask.array
import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Layer
from numpy.typing import NDArray

from blinkspot.errors import BlinkspotError
from blinkspot.movies.checks import SMALLEST_SIDE_PX
from blinkspot.movies.stack import Stack, as_stack
from blinkspot.movies.tiff_reading import check_pixel_type
from blinkspot.plugin.layers.world import data_at

STACK = "blinkspot_stack"
"""Key of a layer's metadata: the :class:`Stack` behind it."""
STACK_DATA = "blinkspot_stack_data"
"""Key of a layer's metadata: the array of that stack that the layer was given."""
ROLE = "blinkspot_role"
"""Key of a layer's metadata, for a layer that we made: ``"denoised"``, ``"photons"``, ``"variance"``,
``"preview"``, ``"markers"``, ``"localizations"``, ``"processed"``, ``"picture"`` or ``"truth"``."""
PROVENANCE = "blinkspot_provenance"
"""Key of a layer's metadata: what made it."""
TABLE = "blinkspot_table"
"""Key of a points layer's metadata: the table behind it, of which the points may be only a part."""
UNIT = "blinkspot_unit"
"""Key of a layer's metadata, for denoised frames: unit of the values, ``"ADU"``, ``"photons"`` or
``"ADU^2"``."""
DONE = "blinkspot_done"
"""Key of a layer's metadata, while its frames are denoised: how many there are so far."""

FloatArray = NDArray[np.float64]

_FRAMES_FOR_CONTRAST = 8


def why_not_a_movie(layer: Layer) -> str | None:
    """Say in one sentence why a layer cannot be used as a movie; None where it can."""
    name = f"The layer {layer.name!r}"
    if not isinstance(layer, Image):
        return f"{name} is not an image: choose a movie with the axes time, y and x."
    if layer.rgb:
        return f"{name} is a colour (RGB) picture: split its channels and choose a grey movie."
    if layer.multiscale:
        return f"{name} is an image pyramid: choose a movie of one resolution."
    if layer.ndim == 2:
        return f"{name} is a single picture: choose a movie with the axes time, y and x."
    if layer.ndim != 3:
        return f"{name} has {layer.ndim} axes: choose a movie with just time, y and x."
    frames, height, width = layer.data.shape
    if frames < 2:
        return f"{name} has one frame only: choose a movie of at least 2 frames."
    if min(height, width) < SMALLEST_SIDE_PX:
        least = f"{SMALLEST_SIDE_PX} x {SMALLEST_SIDE_PX}"
        return f"{name} has frames of {height} x {width} pixels: at least {least} are needed."
    if isinstance(layer.data, np.ma.MaskedArray) and np.ma.is_masked(layer.data):
        return f"{name} has pixels that are masked: fill them first, by their neighbours."
    try:
        check_pixel_type(np.dtype(layer.data.dtype), name)
    except BlinkspotError as error:
        return str(error)
    return None


def stack_of(layer: Image) -> Stack:
    """Return the movie behind a layer.

    Raises
    ------
    BlinkspotError
        If the layer's data is no movie.
    """
    stack = stack_behind(layer.data, layer.metadata)
    return as_stack(layer.data) if stack is None else stack


def whole_stack_of(layer: Image) -> Stack:
    """Return the denoised movie behind a layer.

    Raises
    ------
    BlinkspotError
        If the layer's data is no movie, or frames of it are still to come.
    """
    check_whole(layer.name, layer.metadata)
    return stack_of(layer)


def check_whole(name: str, metadata: Mapping[str, Any]) -> None:
    """Check that no frames of a layer are still to come: until then they are black.

    Raises
    ------
    BlinkspotError
        If some are.
    """
    if DONE in metadata:
        raise BlinkspotError(
            f"{name!r} is denoised just now, and has its first {metadata[DONE]} frames only: wait for the "
            "rest, or cancel that in the Denoise dock."
        )


def has_frame(layer: Image, index: int) -> bool:
    """Whether a frame of a denoised movie is there, and not still to come."""
    return index < int(layer.metadata.get(DONE, layer.data.shape[0]))


def stack_behind(data: Any, metadata: Mapping[str, Any]) -> Stack | None:
    """Return the movie that a layer was opened with; None where the user has put other data into it since."""
    stack, opened = metadata.get(STACK), metadata.get(STACK_DATA)
    is_its = data is opened
    if isinstance(data, dask.array.Array) and isinstance(opened, dask.array.Array):
        # napari's copy of a layer has a copy of the array, which reads the same pixels.
        is_its = data.name == opened.name
    return stack if isinstance(stack, Stack) and is_its else None


def movie_layer(stack: Stack, name: str, **more: Any) -> tuple[Any, dict[str, Any], str]:
    """Describe the napari layer that shows a movie without reading it into memory.

    Parameters
    ----------
    stack : Stack
        The movie.
    name : str
        Name of the layer.
    **more
        Further metadata.
    """
    data = stack.as_dask()
    pixel_size_nm = stack.camera_hints.get("pixel_size_nm")
    metadata: dict[str, Any] = {
        STACK: stack,
        STACK_DATA: data,
        "path": None if stack.path is None else str(stack.path),
    }
    made_by = stack.metadata.get("provenance", {})
    if made_by.get("step") == "denoise":
        metadata[ROLE] = denoised_role(made_by)
    state: dict[str, Any] = {
        "name": name,
        "axis_labels": ("t", "y", "x"),
        "contrast_limits": contrast_limits(stack),
        "metadata": {**metadata, **more},
    }
    if pixel_size_nm is not None:
        state["scale"] = (1.0, pixel_size_nm / 1000.0, pixel_size_nm / 1000.0)
        state["units"] = ("pixel", "um", "um")
    return data, state, "image"


def denoised_role(made_by: dict[str, Any]) -> str:
    """Return the role of a movie that was denoised: one in photons must not be taken for ADU.

    Parameters
    ----------
    made_by : dict
        Its provenance; from a file that may hold anything.
    """
    settings = made_by.get("settings")
    if not isinstance(settings, dict):
        return "denoised"
    if settings.get("estimate") == "posterior-variance":
        return "variance"
    return "photons" if settings.get("units") == "photons" else "denoised"


def contrast_limits(stack: Stack) -> tuple[float, float]:
    """Return display limits, from the dimmest background to all but the brightest spots of a few frames."""
    indices = np.unique(np.linspace(0, stack.n_frames - 1, _FRAMES_FOR_CONTRAST).astype(int))
    pixels = np.asarray(stack.selected(indices), dtype=np.float32)
    pixels = pixels[np.isfinite(pixels)]
    if pixels.size == 0:
        return 0.0, 1.0
    low, high = np.quantile(pixels, (0.005, 0.998))
    return float(low), float(high if high > low else low + 1.0)


def frame_index(viewer: ViewerModel, layer: Layer) -> int | None:
    """Return the index of the layer's frame that the viewer shows; None where it shows none of them."""
    index = round(float(data_at(viewer, layer, viewer.dims.point)[0]))
    return index if 0 <= index < layer.data.shape[0] else None


def frame_shown(viewer: ViewerModel, layer: Layer) -> int:
    """Return the index of the layer's frame that the viewer shows, or of the one nearest to that."""
    index = round(float(data_at(viewer, layer, viewer.dims.point)[0]))
    return min(max(index, 0), int(layer.data.shape[0]) - 1)


@dataclass(frozen=True)
class Place:
    """Where a movie lies in the world: what a result made from it must copy.

    Attributes
    ----------
    scale, translate : (3,) float64
        Of the movie's layer, axes t, y, x.
    to_world : (4, 4) float64
        From its pixels to the world, with whatever rotation, shear or affine map the layer has besides.
    units, axis_labels : tuple
        Of the three axes.
    """

    scale: FloatArray
    translate: FloatArray
    to_world: FloatArray
    units: tuple[Any, ...]
    axis_labels: tuple[str, ...]

    @classmethod
    def of(cls, layer: Layer) -> Place:
        """Return the place of a layer with the axes time, y, x."""
        origin = np.asarray(layer.data_to_world(np.zeros(3)))
        columns = [np.asarray(layer.data_to_world(unit)) - origin for unit in np.eye(3)]
        to_world = _homogeneous(np.column_stack(columns), origin)
        return cls(np.array(layer.scale), np.array(layer.translate), to_world, layer.units, layer.axis_labels)

    def of_frames(self, start: int) -> dict[str, Any]:
        """Return layer arguments for frames of the movie from index ``start`` on."""
        return self._arguments([0, 1, 2], offset=np.array([start, 0.0, 0.0]), pixels=1.0)

    def put(self, layer: Layer, start: int) -> None:
        """Have a layer of frames of the movie lie there, the first of which has the index ``start``."""
        where = self.of_frames(start)
        layer.units = where["units"]
        for name in ("scale", "translate", "affine"):
            # Each has the layer drawn anew.
            if not np.array_equal(np.asarray(getattr(layer, name)), where[name]):
                setattr(layer, name, where[name])

    def of_picture(self, pixels: float) -> dict[str, Any]:
        """Return layer arguments for a picture (Y, X) of the whole field.

        Parameters
        ----------
        pixels : float
            Size of the picture's pixels, in pixels of the movie.
        """
        # The corners of the first pixels coincide, so the centres differ by half the difference in size.
        return self._arguments([1, 2], offset=np.full(2, 0.5 * pixels - 0.5), pixels=pixels)

    def _arguments(self, axes: list[int], offset: FloatArray, pixels: float) -> dict[str, Any]:
        linear, origin = self.to_world[np.ix_(axes, axes)], self.to_world[axes, 3]
        to_world = _homogeneous(linear * pixels, origin + linear @ offset)
        scale = self.scale[axes] * pixels
        translate = self.translate[axes] + self.scale[axes] * offset
        return {
            "scale": scale,
            "translate": translate,
            # What scale and translation leave to be done; nothing, for most layers.
            "affine": to_world @ np.linalg.inv(_homogeneous(np.diag(scale), translate)),
            "units": tuple(self.units[axis] for axis in axes),
            "axis_labels": tuple(self.axis_labels[axis] for axis in axes),
        }


def _homogeneous(linear: FloatArray, translation: FloatArray) -> FloatArray:
    axes = len(translation)
    matrix = np.eye(axes + 1)
    matrix[:axes, :axes], matrix[:axes, axes] = linear, translation
    return matrix
