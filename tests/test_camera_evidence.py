"""What is said where a camera contradicts its movie, on movies of a known camera."""

import dataclasses
from functools import lru_cache

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from test_camera_estimate import EMCCD, SCMOS, blinking, recorded, true_slope

from blinkspot.camera import Camera
from blinkspot.camera.maps import CameraMaps
from blinkspot.camera_from_movie.background_noise import measure_background
from blinkspot.camera_from_movie.estimate import CameraEstimate, estimate_camera
from blinkspot.camera_from_movie.evidence import CameraEvidence, camera_evidence, contradiction
from blinkspot.camera_from_movie.noise_points import noise_points
from blinkspot.movies.stack import as_stack

CAMERAS = {"EM-CCD": EMCCD, "sCMOS": SCMOS}


@lru_cache
def evidence(name: str, seed: int = 0) -> CameraEvidence:
    return camera_evidence(as_stack(blinking(CAMERAS[name], seed)))


@lru_cache
def even() -> CameraEstimate:
    """An even background of 20 electrons behind a register: it tells no slope."""
    rng = np.random.default_rng(4)
    return estimate_camera(as_stack(recorded(np.full((60, 64, 64), 20.0), EMCCD, rng)))


def changed(name: str, **changes: float) -> Camera:
    return dataclasses.replace(CAMERAS[name], **changes)


@pytest.mark.parametrize("name", CAMERAS)
@pytest.mark.parametrize("seed", range(3))
def test_the_right_camera_is_not_contradicted(name: str, seed: int) -> None:
    assert evidence(name, seed).against(CAMERAS[name]) is None
    assert evidence(name, seed).correlation.finding is None


@pytest.mark.parametrize("factor", [0.5, 1.4])
def test_a_wrong_conversion_is_told_with_the_right_one(factor: float) -> None:
    said = evidence("sCMOS").against(
        changed("sCMOS", electrons_per_adu=0.46 * factor, read_noise_electrons=1.6 * factor)
    )
    assert said is not None
    assert float(said.split("is ")[1].split(" ")[0]) == pytest.approx(factor, rel=0.06)
    would_fit = float(said.split(" ± ")[1].split(" ")[-1])
    assert would_fit == pytest.approx(0.46, rel=0.06)


def test_a_gain_that_was_forgotten_is_told_with_its_size() -> None:
    said = evidence("EM-CCD").against(changed("EM-CCD", em_gain=1.0, read_noise_electrons=0.0))
    assert "if an EM register was on, type its gain" in said
    assert float(said.split("it would be ")[1].split(")")[0]) == pytest.approx(150.0, rel=0.1)


def test_a_slope_of_twice_the_camera_s_is_told_to_be_a_register_s() -> None:
    per_photoelectron = changed(
        "EM-CCD", em_gain=1.0, electrons_per_adu=12.0 / 150.0, read_noise_electrons=0.0
    )
    said = evidence("EM-CCD").against(per_photoelectron)
    assert "an EM register doubles it; if one was on, type its gain" in said


def test_a_register_that_was_off_is_told() -> None:
    said = evidence("sCMOS").against(changed("sCMOS", em_gain=100.0))
    assert "as if there were no EM gain" in said


def test_a_wrong_gain_is_told_with_the_conversion_that_would_fit() -> None:
    said = evidence("EM-CCD").against(changed("EM-CCD", em_gain=300.0))
    assert "with an EM gain of 300, 24" in said or "with an EM gain of 300, 23" in said


def test_an_offset_above_the_background_is_told() -> None:
    said = evidence("sCMOS").against(changed("sCMOS", offset_adu=500.0))
    assert "lies above the background" in said


@pytest.mark.parametrize("offset_adu", [85.0, 112.0])
def test_a_wrong_offset_is_told_with_the_right_one(offset_adu: float) -> None:
    said = evidence("sCMOS").against(changed("sCMOS", offset_adu=offset_adu))
    assert f"The offset of {offset_adu:g} ADU does not fit" in said
    vanishes_at = float(said.split("vanish at ")[1].split(" ")[0])
    # Where the variance of the read noise, 12.1 ADU^2, is that of light: 12.1 / 2.17 ADU below the offset.
    assert vanishes_at == pytest.approx(100.0 - (1.6 / 0.46) ** 2 / true_slope(SCMOS), abs=2.0)


def test_an_even_background_still_tells_how_much_noise_there_is() -> None:
    assert not even().identifiable
    assert contradiction(even(), EMCCD) is None
    said = contradiction(even(), dataclasses.replace(EMCCD, electrons_per_adu=4.0))
    assert "times the variance that this camera predicts" in said
    forgotten = Camera(offset_adu=100.0, electrons_per_adu=12.0 / 150.0)
    assert "an EM register doubles it" in (contradiction(even(), forgotten) or "")


def test_of_a_camera_with_maps_nothing_is_said() -> None:
    maps = CameraMaps(np.full((128, 128), 500.0), np.ones((128, 128)), np.ones((128, 128)))
    assert evidence("sCMOS").against(Camera(maps=maps)) is None


def test_a_movie_that_was_interpolated_is_told() -> None:
    smoothed = gaussian_filter(blinking(SCMOS, 0).astype(np.float32), (0.0, 0.6, 0.6))
    said = camera_evidence(as_stack(smoothed)).correlation.finding
    assert said is not None
    assert "correlated between neighbouring pixels" in said


@pytest.mark.parametrize("name", CAMERAS)
def test_the_points_lie_about_the_line(name: str) -> None:
    points = evidence(name).estimate.points
    assert points is not None
    camera = CAMERAS[name]
    read_adu2 = (camera.read_noise_electrons / camera.electrons_per_adu) ** 2
    expected = true_slope(camera) * (points.level_adu - camera.offset_adu) + read_adu2
    sure = (points.variance_adu2 - expected) / points.error_adu2
    assert np.abs(sure.mean()) < 4.0 / np.sqrt(len(sure)) + 0.3
    assert 0.5 < np.sqrt(np.mean(sure**2)) < 2.0
    # Ordered by their own noisy level, the points would make the line flatter.
    assert np.polyfit(points.level_adu, points.variance_adu2, 1)[0] == pytest.approx(
        true_slope(camera), rel=0.06
    )


def test_there_are_no_points_of_a_few_blocks() -> None:
    assert noise_points(measure_background(as_stack(blinking(SCMOS, 0, side=32)[:, :26, :26]))) is None
