"""Lets napari save movies and super-resolved pictures with their provenance and the size of their pixels."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pint

from blinkspot.errors import BlinkspotError
from blinkspot.movies.writing import write_stack
from blinkspot.plugin.denoise.on_the_fly.window_frames import WindowFrames
from blinkspot.plugin.layers.movies import PROVENANCE, ROLE, check_whole, stack_behind


def write_image(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write an image layer as a new file: a movie as TIFF or zarr store, a picture as TIFF.

    Parameters
    ----------
    path : str
        The file to make: ``.tif``, ``.tiff`` or ``.zarr``.
    data : array, (T, Y, X), (Y, X) or, of colours, (Y, X, 3)
        A movie is written frame by frame, in its own pixel type where that is uint8, uint16 or float32, else
        as float32; a picture as float32, or its colours.
    attributes : dict
        Attributes of the layer, as napari gives them to writers.

    Returns
    -------
    list of str
        The path written.

    Raises
    ------
    BlinkspotError
        If the layer is neither, or has frames still to come, or the file exists or cannot be written.
    """
    name, is_rgb = attributes.get("name", ""), bool(attributes.get("rgb"))
    shape = getattr(data, "shape", ())
    metadata = attributes.get("metadata", {})
    check_whole(name, metadata)
    made_by = _provenance(data, metadata)
    is_picture = len(shape) == 2 or (is_rgb and len(shape) == 3)
    if not is_picture and (is_rgb or len(shape) != 3):
        raise BlinkspotError(
            f"The layer {name!r} is neither a movie (time, y, x) nor a picture: use napari's own writer."
        )
    pixel_size_nm = _of_scale(attributes)
    if is_picture:
        _write_picture(path, np.asarray(data), pixel_size_nm, made_by, attributes.get("contrast_limits"))
    else:
        if isinstance(data, WindowFrames):
            data.check_whole()
        known = pixel_size_nm if metadata.get(ROLE) == "picture" else _of_camera(data, metadata, made_by)
        write_stack(path, data, pixel_size_nm=known or pixel_size_nm, provenance=made_by)
    return [path]


def _write_picture(
    path: str,
    data: Any,
    pixel_size_nm: float | None,
    made_by: dict[str, Any] | None,
    limits: tuple[float, float] | None,
) -> None:
    if Path(path).suffix.lower() not in (".tif", ".tiff"):
        raise BlinkspotError(f"A single picture is written as TIFF: choose another name than {path}.")
    from blinkspot.localization.rendering.picture_files import save_pixels  # importing it takes a second

    save_pixels(data[..., :3] if data.ndim == 3 else data, path, pixel_size_nm, made_by, limits)


def _provenance(data: Any, metadata: Mapping[str, Any]) -> dict[str, Any] | None:
    made_by = metadata.get(PROVENANCE)
    stack = stack_behind(data, metadata)
    if made_by is None and stack is not None:
        made_by = stack.metadata.get("provenance")
    return dict(made_by) if isinstance(made_by, Mapping) else None


def _of_camera(data: Any, metadata: Mapping[str, Any], made_by: dict[str, Any] | None) -> float | None:
    """Return the size of a movie's pixels as its file, or what made it, tells it."""
    stack = stack_behind(data, metadata)
    hints = {} if stack is None else stack.camera_hints
    camera = (made_by or {}).get("camera")
    told = camera.get("pixel_size_nm") if isinstance(camera, Mapping) else hints.get("pixel_size_nm")
    return float(told) if told else None


def _of_scale(attributes: Mapping[str, Any]) -> float | None:
    """Return the size of a layer's pixels by its scale, where that is a length."""
    scale, units = attributes.get("scale"), attributes.get("units")
    if scale is None or units is None:
        return None
    with contextlib.suppress(pint.DimensionalityError, pint.UndefinedUnitError, TypeError, ValueError):
        registry = pint.get_application_registry()  # type: ignore[no-untyped-call]
        size = float(scale[-1]) * float(registry.Quantity(1.0, str(units[-1])).to("nm").magnitude)
        return size if np.isfinite(size) and size > 0 else None
    return None
