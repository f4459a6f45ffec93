"""What a TIFF file calls the camera that recorded it."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import tifffile

MICRO_MANAGER_TAG = 51123
# Properties of a Micro-Manager camera that tell it from others of its kind, the surer ones first.
_MICRO_MANAGER_PROPERTIES = ("Serial Number", "SerialNumber", "CameraID", "CameraName", "Camera")
_LONGEST = 120


def camera_name(tif: tifffile.TiffFile) -> str | None:
    """Return what the file calls its camera, by OME's detector or Micro-Manager's device; else None.

    Serial numbers are part of it where they are given: two cameras of one model have noise of their own.

    Parameters
    ----------
    tif : tifffile.TiffFile
        An open file.
    """
    name = _ome_detector(tif) or _micro_manager_camera(tif)
    return name[:_LONGEST] if name else None


def _ome_detector(tif: tifffile.TiffFile) -> str | None:
    """Name the detector of the first image's first channel, or the only one (OME schema 2016-06)."""
    if not tif.is_ome:
        return None
    try:
        root = ElementTree.fromstring(tif.ome_metadata or "")
    except ElementTree.ParseError:
        return None
    detectors = {each.get("ID"): each for each in root.iter() if each.tag.endswith("}Detector")}
    used = next((each.get("ID") for each in root.iter() if each.tag.endswith("}DetectorSettings")), None)
    if used not in detectors and len(detectors) != 1:
        return None
    detector = detectors.get(used, next(iter(detectors.values())))
    return _joined(detector.get(part) for part in ("Manufacturer", "Model", "SerialNumber"))


def _micro_manager_camera(tif: tifffile.TiffFile) -> str | None:
    """Name the camera by its label and what its properties say of it."""
    values = tif.pages.first.tags.valueof(MICRO_MANAGER_TAG)
    if not isinstance(values, dict):
        return None
    label = _text(values.get("Core-Camera")) or _text(values.get("Camera"))
    if not label:
        return None
    properties = (_text(values.get(f"{label}-{name}")) for name in _MICRO_MANAGER_PROPERTIES)
    return _joined((label, next(filter(None, properties), None)))


def _text(value: Any) -> str:
    """Return a property's text; some versions of Micro-Manager wrap it."""
    found = value.get("PropVal") if isinstance(value, dict) else value
    return found.strip() if isinstance(found, str) else ""


def _joined(parts: Any) -> str | None:
    return " ".join(part.strip() for part in parts if part and part.strip()) or None
