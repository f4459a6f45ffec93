"""ADU, photoelectrons, counts: closed forms, there and back, and the noise of simulated cameras."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blinkspot.camera import Camera
from blinkspot.errors import BlinkspotError

EMCCD = Camera(
    pixel_size_nm=107.0, offset_adu=100.0, electrons_per_adu=12.0, em_gain=150.0, read_noise_electrons=60.0
)
SCMOS = Camera(offset_adu=100.0, electrons_per_adu=0.46, read_noise_electrons=1.6)

cameras = st.builds(
    Camera,
    pixel_size_nm=st.floats(1.0, 1e4),
    offset_adu=st.floats(-1e3, 1e4),
    electrons_per_adu=st.floats(0.01, 100.0),
    em_gain=st.floats(1.0, 1000.0),
    read_noise_electrons=st.floats(0.0, 1000.0),
)


def test_closed_forms() -> None:
    """By hand: 12 photoelectrons are 150 ADU; 60 e- of read noise are 0.4 photoelectrons, so 0.04 counts."""
    assert EMCCD.photoelectrons_per_adu == pytest.approx(0.08)
    assert EMCCD.photoelectrons(250.0) == pytest.approx(12.0)
    assert EMCCD.adu(12.0) == pytest.approx(250.0)
    assert EMCCD.excess_noise_factor == 2.0
    assert EMCCD.read_counts == pytest.approx((60.0 / 150.0 / 2.0) ** 2)
    assert EMCCD.counts(250.0) == pytest.approx(6.04)
    assert SCMOS.excess_noise_factor == 1.0
    assert SCMOS.counts(200.0) == pytest.approx(46.0 + 1.6**2)


@given(camera=cameras, level=st.floats(-100.0, 1e5))
def test_there_and_back(camera: Camera, level: float) -> None:
    """To float32's precision of the largest number on the way."""
    adu = camera.adu(level)
    way = abs(level) + abs(camera.offset_adu) * camera.photoelectrons_per_adu
    assert camera.photoelectrons(adu) == pytest.approx(level, abs=1e-6 * way + 1e-6)
    counts = camera.counts_from_photoelectrons(level)
    way = abs(level) + camera.read_counts * camera.excess_noise_factor
    assert camera.photoelectrons_from_counts(counts) == pytest.approx(level, abs=1e-6 * way + 1e-6)
    assert camera.counts(adu).dtype == camera.photoelectrons(adu).dtype == np.float32


@given(camera=cameras, level=st.floats(0.0, 1e4))
def test_counts_by_float64(camera: Camera, level: float) -> None:
    adu = np.float32(level / camera.photoelectrons_per_adu + camera.offset_adu)
    excess = 2.0 if camera.em_gain > 1 else 1.0
    electrons = (float(adu) - camera.offset_adu) * camera.electrons_per_adu / camera.em_gain
    expected = electrons / excess + (camera.read_noise_electrons / camera.em_gain / excess) ** 2
    way = abs(float(adu)) * camera.photoelectrons_per_adu + expected
    assert float(camera.counts(adu)) == pytest.approx(expected, abs=1e-6 * way + 1e-6)


@pytest.mark.parametrize("level", [1.0, 5.0, 40.0])
@pytest.mark.parametrize("camera", [EMCCD, SCMOS], ids=["EM-CCD", "sCMOS"])
def test_variance_of_counts_is_their_mean(camera: Camera, level: float) -> None:
    """Photons are Poisson, the EM register gives Gamma(n, gain), the amplifier adds Gaussian noise."""
    rng = np.random.default_rng(11)
    electrons = rng.poisson(level, 400_000).astype(float)
    if camera.em_gain > 1:
        electrons = rng.gamma(np.maximum(electrons, 1e-12), camera.em_gain) * (electrons > 0)
    electrons += rng.normal(0.0, camera.read_noise_electrons, electrons.shape)
    counts = camera.counts(electrons / camera.electrons_per_adu + camera.offset_adu).astype(float)
    assert counts.mean() == pytest.approx(level / camera.excess_noise_factor + camera.read_counts, rel=0.01)
    assert counts.var() == pytest.approx(counts.mean(), rel=0.015)


@pytest.mark.parametrize("level", [5.0, 40.0])
def test_rounding_to_steps_of_several_electrons_is_noise(level: float) -> None:
    """Read noise makes it so; whole electrons alone are rounded alike again and again."""
    camera = Camera(offset_adu=414.0, electrons_per_adu=3.6, read_noise_electrons=1.5)
    rng = np.random.default_rng(12)
    electrons = rng.poisson(level, 400_000) + rng.normal(0.0, camera.read_noise_electrons, 400_000)
    adu = np.rint(electrons / camera.electrons_per_adu + camera.offset_adu)
    counts = camera.with_rounding().counts(adu).astype(float)
    assert counts.mean() == pytest.approx(level + 1.5**2 + 3.6**2 / 12.0, rel=0.01)
    assert counts.var() == pytest.approx(counts.mean(), rel=0.015)


@pytest.mark.parametrize("camera", [EMCCD, SCMOS, Camera()], ids=["EM-CCD", "sCMOS", "photons"])
def test_steps_below_a_photoelectron_tell_single_ones_apart(camera: Camera) -> None:
    assert camera.with_rounding() == camera


@given(camera=cameras)
def test_named_values_there_and_back(camera: Camera) -> None:
    assert Camera.from_dict(camera.as_dict()) == camera


def test_file_there_and_back(tmp_path: Path) -> None:
    camera = dataclasses.replace(EMCCD, offset_adu=0.1 + 0.2, read_noise_electrons=1e-7)
    camera.save(tmp_path / "camera.toml")
    assert Camera.load(tmp_path / "camera.toml") == camera
    with pytest.raises(BlinkspotError, match="overwritten"):
        EMCCD.save(tmp_path / "camera.toml")
    assert Camera.load(tmp_path / "camera.toml") == camera


def test_file_without_table_and_with_whole_numbers(tmp_path: Path) -> None:
    (tmp_path / "camera.toml").write_text("offset_adu = 100\nem_gain = 150\n")
    assert Camera.load(tmp_path / "camera.toml") == Camera(offset_adu=100.0, em_gain=150.0)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"offset_adu = ", "not valid TOML"),
        (b"\xff\xfe", "not valid TOML"),
        (b"camera = 3", "no table"),
        (b"[camera]\noffset = 3", "unknown entry 'offset'"),
        (b"[camera]\noffset_adu = 'much'", "must be a finite number"),
    ],
)
def test_bad_files(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "camera.toml"
    path.write_bytes(content)
    with pytest.raises(BlinkspotError, match=words):
        Camera.load(path)
    with pytest.raises(BlinkspotError, match="cannot be read"):
        Camera.load(tmp_path / "absent.toml")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pixel_size_nm", 0.0),
        ("pixel_size_nm", -1.0),
        ("electrons_per_adu", 0.0),
        ("em_gain", 0.99),
        ("em_gain", 0),
        ("read_noise_electrons", -0.1),
        ("offset_adu", math.nan),
        ("offset_adu", math.inf),
        ("em_gain", True),
        ("offset_adu", "100"),
        ("offset_adu", None),
    ],
)
def test_bad_values(name: str, value: object) -> None:
    with pytest.raises(BlinkspotError, match=name):
        Camera.from_dict({name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pixel_size_nm", 1e300),
        ("offset_adu", -1e7),
        ("electrons_per_adu", 1e-12),
        ("em_gain", 10**400),
        ("read_noise_electrons", "3"),
    ],
)
def test_absurd_values_are_refused_by_name(name, value):
    with pytest.raises(BlinkspotError, match=name):
        Camera(**{name: value})
