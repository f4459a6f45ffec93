"""Which array of a zarr store is the movie, and which of its axes are time, y and x.

The small JSON files are read as they are, so that a store can be looked at without loading zarr.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from blinkspot.errors import BlinkspotError, in_brief
from blinkspot.movies.metadata import NM_PER_UNIT, square_pixel_nm
from blinkspot.movies.zarr_writing import OURS

# By these files a folder is known for a zarr store, of version 3 and of version 2.
_V3, _V2_ARRAY, _V2_GROUP, _V2_ATTRIBUTES = "zarr.json", ".zarray", ".zgroup", ".zattrs"
_MOST_JSON_BYTES = 64 << 20
_TIME_NAMES = {"t", "time", "frame", "frames"}


@dataclass(frozen=True)
class MovieArray:
    """The array of a store that is to be read.

    Attributes
    ----------
    folder : Path
        Where it lies.
    names : tuple of str, or None
        Of its axes, where they are described beside it.
    pixel_size_nm : float or None
        Where that is stated.
    """

    folder: Path
    names: tuple[str, ...] | None = None
    pixel_size_nm: float | None = None


@dataclass(frozen=True)
class Axes:
    """Which axes of an array are time, y and x; all others have the length 1.

    Attributes
    ----------
    time, y, x : int
        Their numbers.
    time_name : str
        ``"T"`` where the store says that it is time; else what it says, in capitals.
    """

    time: int
    y: int
    x: int
    time_name: str


def is_zarr(folder: Path) -> bool:
    """Tell whether a folder is a zarr store, or was meant for one."""
    return folder.suffix.lower() == ".zarr" or any(
        (folder / name).is_file() for name in (_V3, _V2_ARRAY, _V2_GROUP)
    )


def is_own_zarr(folder: Path) -> bool:
    """Tell whether a folder is a movie that we wrote."""
    try:
        return OURS in attributes_of(folder)
    except BlinkspotError:
        return False


def is_array(folder: Path) -> bool:
    """Tell whether a folder is a zarr array."""
    if (folder / _V3).is_file():
        return _json(folder / _V3).get("node_type") == "array"
    return (folder / _V2_ARRAY).is_file()


def attributes_of(folder: Path) -> dict[str, Any]:
    """Return the attributes of a group or array; none where it has none.

    Raises
    ------
    BlinkspotError
        If they cannot be read.
    """
    if (folder / _V3).is_file():
        found = _json(folder / _V3).get("attributes", {})
    else:
        found = _json(folder / _V2_ATTRIBUTES)
    return found if isinstance(found, dict) else {}


def described(folder: Path) -> dict[str, Any]:
    """Return the description of an array, of either version.

    Raises
    ------
    BlinkspotError
        If it cannot be read.
    """
    return _json(folder / (_V3 if (folder / _V3).is_file() else _V2_ARRAY))


def find_array(store: Path) -> MovieArray:
    """Find the array to read: the store itself, or the full resolution of an OME-Zarr image.

    Raises
    ------
    BlinkspotError
        If the folder is no zarr store, or does not say which of its arrays is a movie.
    """
    if not any((store / name).is_file() for name in (_V3, _V2_ARRAY, _V2_GROUP)):
        raise BlinkspotError(
            f"{store} is not a zarr store (it holds no {_V3}, {_V2_ARRAY} or {_V2_GROUP}): "
            "choose another folder."
        )
    if is_array(store):
        return MovieArray(store)
    images = _images(store)
    if not images:
        raise BlinkspotError(
            f"{store} is a zarr group that does not say which of its arrays is a movie: {_advice(store)}."
        )
    if len(images) > 1:
        raise BlinkspotError(
            f"{store} describes {len(images)} images where a movie is one: give the folder of its array."
        )
    try:
        found = _described_array(store, images[0])
        is_there = is_array(found.folder)
    except (AttributeError, IndexError, KeyError, OSError, TypeError, ValueError) as error:
        raise damaged(store, "its description of the image is not OME-Zarr") from error
    if not is_there:
        raise damaged(store, f"the array {in_brief(found.folder.name, 60)} is missing")
    return found


def find_axes(names: tuple[str, ...] | None, shape: tuple[int, ...], store: Path) -> Axes:
    """Find time, y and x: by name, else the last two axes are y and x.

    A single axis besides them that is longer than 1 is taken for time whatever it is called.

    Raises
    ------
    BlinkspotError
        If there is none, or more than one.
    """
    if names is not None and len(names) != len(shape):
        raise damaged(store, f"it names {len(names)} axes of an array that has {len(shape)}")
    if len(shape) < 2 or 0 in shape:
        raise BlinkspotError(
            f"{store} holds an array of the shape {shape}, where a movie has the axes T, Y and X."
        )
    if not all(isinstance(name, str) for name in names or ()):
        raise damaged(store, "it names an axis by something that is no word")
    lower = [name.lower() for name in names or [""] * len(shape)]
    if lower.count("y") == lower.count("x") == 1:
        y, x = lower.index("y"), lower.index("x")
    else:
        y, x = len(shape) - 2, len(shape) - 1
    others = [axis for axis in range(len(shape)) if axis not in (y, x) and shape[axis] > 1]
    if not others:
        raise BlinkspotError(
            f"{store} holds a single picture of {shape[y]} x {shape[x]} pixels: "
            "a movie has at least two frames."
        )
    if len(others) > 1:
        named = ", ".join(f"{lower[axis].upper() or f'axis {axis + 1}'} = {shape[axis]}" for axis in others)
        raise BlinkspotError(
            f"{store} has {len(others)} axes besides Y and X ({named}) where a movie has one, time: "
            "save one channel and one plane of it."
        )
    time = others[0]
    return Axes(time, y, x, "T" if lower[time] in _TIME_NAMES else lower[time].upper())


def damaged(path: Path, reason: str) -> BlinkspotError:
    """Return the error that a store is damaged."""
    return BlinkspotError(f"{path} is a damaged zarr store ({reason}): copy it again from its source.")


def _json(path: Path) -> dict[str, Any]:
    """Read a file of a store's metadata; empty where there is no such file."""
    try:
        if path.stat().st_size > _MOST_JSON_BYTES:
            raise damaged(path.parent, f"{path.name} is larger than any description")
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise BlinkspotError(f"{path} cannot be read ({error.strerror or error}).") from error
    except (ValueError, RecursionError) as error:
        raise damaged(path.parent, f"{path.name} is not JSON") from error
    if not isinstance(found, dict):
        raise damaged(path.parent, f"{path.name} holds no JSON object")
    return found


def _images(group: Path) -> list[Any]:
    """Return OME-Zarr's descriptions of the images in a group."""
    attributes = attributes_of(group)
    ome = attributes.get("ome")  # since version 0.5
    images = (ome if isinstance(ome, dict) else attributes).get("multiscales")
    return images if isinstance(images, list) else []


def _advice(group: Path) -> str:
    """Say which folder within a group may be meant."""
    inside = sorted(entry for entry in group.iterdir() if entry.is_dir())
    for is_meant, kind in ((is_array, "that array"), (_images, "one of its images")):
        found = next((entry for entry in inside if is_meant(entry)), None)
        if found is not None:
            return f"give {kind}, for example {found}"
    return "give the folder of an array, or of an OME-Zarr image"


def _described_array(store: Path, image: dict[str, Any]) -> MovieArray:
    """Read OME-Zarr's description of an image, of any version (https://ngff.openmicroscopy.org).

    Up to 0.2 it did not name the axes, in 0.3 it gave plain names, since 0.4 names, types, units and scale.
    """
    first = image["datasets"][0]
    folder = store / first["path"]
    if ".." in PurePath(first["path"]).parts or not folder.is_relative_to(store):
        raise ValueError("an array that is not within the store")
    axes = image.get("axes", [])
    if not axes or isinstance(axes[0], str):
        return MovieArray(folder, tuple(axes) or None)
    names = tuple("t" if axis.get("type") == "time" else str(axis["name"]) for axis in axes)
    scale = np.ones(len(axes))
    for part in (first, image):
        for transformation in part.get("coordinateTransformations", []):
            if "scale" in transformation:
                scale = scale * np.array(transformation["scale"], float).reshape(len(axes))
    sizes_nm = [
        float(size) * NM_PER_UNIT[axis["unit"]]
        for axis, size in zip(axes, scale, strict=True)
        if str(axis["name"]).lower() in ("y", "x") and axis.get("unit") in NM_PER_UNIT
    ]
    return MovieArray(folder, names, square_pixel_nm(*sizes_nm) if len(sizes_nm) == 2 else None)
