"""What a file calls its camera."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

from blinkspot.movies.stack import open_stack

MOVIE = np.arange(4 * 16 * 16, dtype=np.uint16).reshape(4, 16, 16)
OME = """<?xml version="1.0" encoding="UTF-8"?>
<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">
{instrument}
<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYTZC" Type="uint16" SizeX="16" SizeY="16"
 SizeC="1" SizeZ="1" SizeT="4"><Channel ID="Channel:0:0" SamplesPerPixel="1">{settings}</Channel>
 <TiffData/></Pixels></Image></OME>"""
PRIME = '<Detector ID="Detector:0" Manufacturer="Teledyne" Model="Prime 95B" SerialNumber="A17"/>'
IXON = '<Detector ID="Detector:1" Manufacturer="Andor" Model="iXon 897"/>'


def name_in(path: Path, **options: object) -> str | None:
    tifffile.imwrite(path, MOVIE, **{"photometric": "minisblack", "metadata": None, **options})
    return open_stack(path).metadata.get("camera_name")


@pytest.mark.parametrize(
    ("detectors", "used", "expected"),
    [
        (PRIME, "", "Teledyne Prime 95B A17"),
        (PRIME + IXON, '<DetectorSettings ID="Detector:1" Gain="300"/>', "Andor iXon 897"),
        (PRIME + IXON, "", None),
        ('<Detector ID="Detector:0"/>', "", None),
        ("", "", None),
    ],
)
def test_ome_names_the_detector_that_was_used(
    tmp_path: Path, detectors: str, used: str, expected: str | None
) -> None:
    instrument = f'<Instrument ID="Instrument:0">{detectors}</Instrument>'
    text = OME.format(instrument=instrument, settings=used)
    assert name_in(tmp_path / "movie.ome.tif", description=text) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"Core-Camera": "Andor", "Andor-CameraName": "DU-897", "Other-CameraName": "no"}, "Andor DU-897"),
        ({"Camera": "C1", "C1-Serial Number": {"PropVal": "X-42"}, "C1-CameraName": "Flash"}, "C1 X-42"),
        ({"Camera": {"PropVal": "HamamatsuHam_DCAM"}}, "HamamatsuHam_DCAM"),
        ({"Camera": 3, "PixelSizeUm": 0.1}, None),
        ({"PixelSizeUm": 0.1}, None),
        ({"Camera": "x" * 500}, "x" * 120),
    ],
)
def test_micro_manager_names_its_device(tmp_path: Path, values: dict, expected: str | None) -> None:
    tag = (51123, "s", 0, json.dumps(values), True)
    assert name_in(tmp_path / "movie.tif", extratags=[tag]) == expected


def test_a_file_of_no_camera_names_none(tmp_path: Path) -> None:
    assert name_in(tmp_path / "movie.tif") is None
    assert name_in(tmp_path / "imagej.tif", imagej=True, metadata={"axes": "TYX"}) is None
