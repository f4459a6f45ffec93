"""The steps of a table in words, a line for each."""

from __future__ import annotations

from typing import Any

from blinkspot.localization.processing.step import RECORD
from blinkspot.localization.table import LocalizationTable

_METHODS = {"overlap": "frame by frame", "rcc": "redundant cross-correlation"}


def described_steps(table: LocalizationTable) -> list[str]:
    """Return a line for each step that a table's record names, in order.

    Such as ``"filter photons > 200: 1,234 of 5,678 stay"``. What the record does not tell is left out.
    """
    record = table.provenance.get(RECORD, [])
    if not isinstance(record, list):
        return []
    return [_described(entry) for entry in record if isinstance(entry, dict)]


def _described(entry: dict[str, Any]) -> str:
    settings = entry.get("settings")
    words = _words(str(entry.get("step")), settings if isinstance(settings, dict) else {}, entry)
    before, after = entry.get("rows_before"), entry.get("rows_after")
    if not isinstance(before, int) or not isinstance(after, int) or before == after:
        return words
    return f"{words}: {after:,} of {before:,} stay"


def _words(step: str, settings: dict[str, Any], entry: dict[str, Any]) -> str:
    match step:
        case "filter":
            return f"filter {settings.get('expression', '')}"
        case "duplicates":
            distance = settings.get("distance_nm")
            return f"duplicates closer than {_number(distance)} nm" if distance else "duplicates"
        case "merge":
            dark = settings.get("dark_frames")
            frames = "frame" if dark == 1 else "frames"
            limits = f"{_number(settings.get('radius_nm'))} nm, {dark} dark {frames}"
            return f"merge within {limits}"
        case "density":
            others = f"{settings.get('neighbours')} others within {_number(settings.get('radius_nm'))} nm"
            return f"density of {others}"
        case "drift":
            method = settings.get("method")
            parts = entry.get("segment_frames")
            of_frames = f", segments of {parts:g} frames" if isinstance(parts, (int, float)) else ""
            return f"drift: {_METHODS.get(str(method), method)}{of_frames}"
        case "fiducials":
            found = entry.get("fiducials")
            return f"drift: {len(found)} fiducials" if isinstance(found, list) else "drift: fiducials"
        case "loaded_drift":
            return f"drift: from the file {settings.get('path', '')}"
    given = ", ".join(f"{name} {_number(value)}" for name, value in settings.items() if value is not None)
    return f"{step}: {given}" if given else step


def _number(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
