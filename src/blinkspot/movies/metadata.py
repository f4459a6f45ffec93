"""What a movie's metadata says of the camera and of how the file was made; how a TIFF keeps it.

Metadata is a hint and never more: what is absent, a default (72 dpi, 1 x 1) or out of all reason is left out.
"""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any
from xml.etree import ElementTree

import tifffile

from blinkspot.camera import Camera
from blinkspot.camera.names import MICRO_MANAGER_TAG, camera_name

# Beyond these it is a printer's resolution, a default of 1 um, or a mistake.
SMALLEST_PIXEL_NM, LARGEST_PIXEL_NM = 10.0, 999.0

NM_PER_UNIT = {
    "nm": 1.0,
    "nanometer": 1.0,
    "um": 1e3,
    "µm": 1e3,  # micro sign
    "μm": 1e3,  # Greek mu
    "\\u00b5m": 1e3,  # as ImageJ escapes it
    "micron": 1e3,
    "microns": 1e3,
    "micrometer": 1e3,
    "mm": 1e6,
    "millimeter": 1e6,
    "cm": 1e7,
    "inch": 2.54e7,
    "m": 1e9,
    "meter": 1e9,
}
_RESOLUTION_UNITS = {2: "inch", 3: "cm"}  # TIFF 6.0, tag 296


def read_metadata(tif: tifffile.TiffFile) -> tuple[dict[str, float], dict[str, Any]]:
    """Read what the file says of the camera and of its making.

    Parameters
    ----------
    tif : tifffile.TiffFile
        An open file.

    Returns
    -------
    camera_hints : dict
        Some of the settings of :class:`~blinkspot.camera.Camera` by name: only those that the file states.
    metadata : dict
        ``"provenance"``: what :func:`~blinkspot.provenance.provenance` gave when we wrote
        the file, if we did. ``"camera_name"``: what the file calls its camera, if it does.
    """
    made_by = _tiff_provenance(tif)
    hints = provenance_hints(made_by) | _micro_manager_hints(tif)
    # The file's own scale is the surer one: ImageJ updates it when a movie is binned.
    for pixel_size_nm in (_resolution_pixel_size(tif), _ome_pixel_size(tif)):
        if pixel_size_nm is not None:
            hints["pixel_size_nm"] = pixel_size_nm
    stated = {"provenance": made_by, "camera_name": camera_name(tif)}
    return hints, {name: value for name, value in stated.items() if value}


def _believable(pixel_size_nm: float) -> bool:
    return SMALLEST_PIXEL_NM <= pixel_size_nm <= LARGEST_PIXEL_NM


def square_pixel_nm(x_nm: float, y_nm: float) -> float | None:
    """Return the size of a pixel, nm, where it is square and believable."""
    if not (_believable(x_nm) and math.isclose(x_nm, y_nm, rel_tol=0.01)):
        return None
    return float(f"{x_nm:.6g}")  # a resolution is a ratio of integers: 100.00001 means 100


def _resolution_pixel_size(tif: tifffile.TiffFile) -> float | None:
    """Pixel size by the resolution tags, in ImageJ's unit or else in TIFF's."""
    tags = tif.pages.first.tags
    imagej = tif.imagej_metadata or {}
    unit = str(imagej.get("unit") or _RESOLUTION_UNITS.get(int(tags.valueof("ResolutionUnit", 2)), ""))
    nm_per_unit = NM_PER_UNIT.get(unit.strip().lower())
    if nm_per_unit is None:
        return None
    sizes = []
    for name in ("XResolution", "YResolution"):
        numerator, denominator = tags.valueof(name, (0, 1))
        if numerator <= 0 or denominator <= 0:
            return None
        sizes.append(nm_per_unit * denominator / numerator)
    return square_pixel_nm(*sizes)


def _ome_pixel_size(tif: tifffile.TiffFile) -> float | None:
    """Pixel size by OME-XML's PhysicalSizeX, in um unless a unit is given (OME schema 2016-06)."""
    if not tif.is_ome:
        return None
    try:
        root = ElementTree.fromstring(tif.ome_metadata or "")
        pixels = next(element for element in root.iter() if element.tag.endswith("}Pixels"))
        sizes = [
            float(pixels.attrib[f"PhysicalSize{axis}"])
            * NM_PER_UNIT[pixels.attrib.get(f"PhysicalSize{axis}Unit", "um").lower()]
            for axis in "XY"
        ]
    except (ElementTree.ParseError, StopIteration, KeyError, ValueError):
        return None
    return square_pixel_nm(*sizes)


def _micro_manager_hints(tif: tifffile.TiffFile) -> dict[str, float]:
    """Pixel size, and the EM gain of an Andor camera, from Micro-Manager's metadata of the first frame.

    Other cameras' gain properties are in units of their own, so they are not taken.
    """
    values = tif.pages.first.tags.valueof(MICRO_MANAGER_TAG)
    if not isinstance(values, dict):
        return {}
    hints = {}
    pixel_size_um = _number(values.get("PixelSizeUm"))
    if pixel_size_um is not None and _believable(pixel_size_um * 1e3):
        hints["pixel_size_nm"] = pixel_size_um * 1e3
    em_gain = _number(values.get("Andor-Gain"))
    if _property(values.get("Andor-EMSwitch")) == "On" and em_gain is not None and em_gain > 1:
        hints["em_gain"] = em_gain
    return hints


def _property(value: Any) -> Any:
    """Return a Micro-Manager property's value; some versions wrap it."""
    return value.get("PropVal") if isinstance(value, dict) else value


def _number(value: Any) -> float | None:
    try:
        number = float(_property(value))
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _tiff_provenance(tif: tifffile.TiffFile) -> dict[str, Any]:
    """Return the provenance that we wrote into the file, or nothing."""
    if tif.is_imagej:
        found = _json_object(str((tif.imagej_metadata or {}).get("Info", "")))
    else:
        found = _json_object(tif.pages.first.description).get("provenance", {})
    return own_provenance(found)


def own_provenance(found: Any) -> dict[str, Any]:
    """Return what a file says of its making, where it is one of ours; else nothing."""
    return found if isinstance(found, dict) and found.get("software") == "napari-blinkspot" else {}


def _json_object(text: str) -> dict[str, Any]:
    """Return the JSON object that a text begins with (ImageJ may add lines after it), or nothing."""
    try:
        found, _ = json.JSONDecoder().raw_decode(text.lstrip())
    except json.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def provenance_hints(made_by: dict[str, Any]) -> dict[str, float]:
    """Return the settings of the camera that a file of ours was made with."""
    camera = made_by.get("camera")
    if not isinstance(camera, dict):
        return {}
    numbers = {field.name: _number(camera.get(field.name)) for field in dataclasses.fields(Camera)}
    return {name: number for name, number in numbers.items() if number is not None}
