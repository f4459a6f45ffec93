"""Pixel size and camera are taken from a file where it states them, and never where it only seems to."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

from blinkspot.movies.stack import open_stack

MOVIE = np.arange(4 * 16 * 16, dtype=np.uint16).reshape(4, 16, 16)


def hints(path: Path, **options: object) -> dict[str, float]:
    tifffile.imwrite(path, MOVIE, **{"photometric": "minisblack", **options})
    return open_stack(path).camera_hints


@pytest.mark.parametrize(
    ("unit", "per_unit", "expected"),
    [
        ("micron", 10.0, 100.0),
        ("um", 6.25, 160.0),
        ("\\u00B5m", 12.5, 80.0),
        ("nm", 0.01, 100.0),
        ("cm", 93_457.94, 107.0),
        ("mm", 10_000.0, 100.0),
        ("micron", 1.0, None),
        ("pixel", 10.0, None),
        ("sec", 10.0, None),
        ("inch", 72.0, None),
    ],
)
def test_imagej(tmp_path: Path, unit: str, per_unit: float, expected: float | None) -> None:
    found = hints(
        tmp_path / "movie.tif", imagej=True, resolution=(per_unit, per_unit), metadata={"unit": unit}
    )
    assert found == ({} if expected is None else {"pixel_size_nm": pytest.approx(expected, rel=1e-5)})


@pytest.mark.parametrize(
    ("resolution", "unit", "expected"),
    [
        ((100_000, 100_000), "CENTIMETER", 100.0),
        ((254_000, 254_000), "INCH", 100.0),
        ((72, 72), "INCH", None),
        ((300, 300), "INCH", None),
        ((1, 1), "NONE", None),
        ((1, 1), "CENTIMETER", None),
        ((100_000, 50_000), "CENTIMETER", None),  # not square
        ((2_000_000, 2_000_000), "CENTIMETER", None),  # 5 nm
    ],
)
def test_resolution_tags(
    tmp_path: Path, resolution: tuple[int, int], unit: str, expected: float | None
) -> None:
    found = hints(tmp_path / "movie.tif", metadata=None, resolution=resolution, resolutionunit=unit)
    assert found == ({} if expected is None else {"pixel_size_nm": pytest.approx(expected)})


@pytest.mark.parametrize(
    ("size", "unit", "expected"),
    [
        (0.107, "µm", 107.0),
        (107.0, "nm", 107.0),
        (0.000107, "mm", 107.0),
        (1.0, "µm", None),
        (0.1, "pixel", None),
    ],
)
def test_ome(tmp_path: Path, size: float, unit: str, expected: float | None) -> None:
    metadata = {
        "axes": "TYX",
        "PhysicalSizeX": size,
        "PhysicalSizeXUnit": unit,
        "PhysicalSizeY": size,
        "PhysicalSizeYUnit": unit,
    }
    found = hints(tmp_path / "movie.ome.tif", ome=True, metadata=metadata)
    assert found == ({} if expected is None else {"pixel_size_nm": pytest.approx(expected)})


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"PixelSizeUm": 0.16}, {"pixel_size_nm": 160.0}),
        ({"PixelSizeUm": 0.0}, {}),
        (
            {"PixelSizeUm": 0.16, "Andor-EMSwitch": "On", "Andor-Gain": "150"},
            {"pixel_size_nm": 160.0, "em_gain": 150.0},
        ),
        (
            {"Andor-EMSwitch": {"PropVal": "On"}, "Andor-Gain": {"PropVal": "300"}},
            {"em_gain": 300.0},
        ),
        ({"Andor-EMSwitch": "Off", "Andor-Gain": "150"}, {}),
        ({"Andor-Gain": "150"}, {}),
        ({"Other-Gain": "150", "PixelSizeUm": "unknown"}, {}),
    ],
)
def test_micro_manager(tmp_path: Path, values: dict, expected: dict) -> None:
    """Tag 51123 holds the frame's metadata as JSON."""
    text = json.dumps(values)
    tag = (51123, "s", 0, text, True)
    assert hints(tmp_path / "movie.tif", metadata=None, extratags=[tag]) == pytest.approx(expected)


def test_nothing_stated(tmp_path: Path) -> None:
    assert hints(tmp_path / "movie.tif") == {}
    assert hints(tmp_path / "imagej.tif", imagej=True) == {}
    assert open_stack(tmp_path / "imagej.tif").metadata == {}


def test_json_of_others_is_not_our_provenance(tmp_path: Path) -> None:
    info = json.dumps({"software": "another", "camera": {"em_gain": 150.0}})
    assert hints(tmp_path / "movie.tif", imagej=True, metadata={"Info": info}) == {}
