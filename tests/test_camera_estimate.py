"""The camera by the noise of the background: against known truth, with molecules that blink all over it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from blinkspot.camera import NUMBERS, Camera
from blinkspot.camera_from_movie.background_noise import measure_background
from blinkspot.camera_from_movie.estimate import estimate_camera, estimate_slope, noise_ratio
from blinkspot.camera_from_movie.finding import find_camera, given_camera
from blinkspot.errors import BlinkspotError
from blinkspot.movies.stack import as_stack, open_stack

EMCCD = Camera(offset_adu=100.0, electrons_per_adu=12.0, em_gain=150.0, read_noise_electrons=60.0)
SCMOS = Camera(offset_adu=100.0, electrons_per_adu=0.46, read_noise_electrons=1.6)
SIMULATED = {
    "default": Camera(80.0, 414.0, 3.6),
    "low120": Camera(100.0, 100.0, 12.0, 150.0),
    "yfp3_bg100": Camera(100.0, 100.0, 12.0, 150.0),
    "yfp4_bg100": Camera(100.0, 100.0, 12.0, 100.0),
    "blinking_low60": Camera(100.0, 100.0, 12.0, 150.0),
}


def true_slope(camera: Camera) -> float:
    return camera.em_gain * camera.excess_noise_factor / camera.electrons_per_adu


def recorded(expected: np.ndarray, camera: Camera, rng: np.random.Generator) -> np.ndarray:
    """What a camera makes of expected photons."""
    electrons = rng.poisson(expected).astype(float)
    if camera.em_gain > 1:
        electrons = rng.gamma(np.maximum(electrons, 1e-12), camera.em_gain)
    electrons += rng.normal(0.0, camera.read_noise_electrons, electrons.shape)
    return np.rint(electrons / camera.electrons_per_adu + camera.offset_adu).clip(0).astype(np.uint16)


def blinking(
    camera: Camera, seed: int, n_frames: int = 100, side: int = 128, unevenness: float = 30.0
) -> np.ndarray:
    """Molecules that are new in each frame, on a broad bump of background with a floor of 8 photons."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    bump = np.exp(-((y - 0.4 * side) ** 2 + (x - 0.55 * side) ** 2) / (2 * (0.3 * side) ** 2))
    expected = np.repeat((8.0 + unevenness * bump)[None], n_frames, axis=0)
    for frame in expected:
        for _ in range(side * side // 1000):
            centre_y, centre_x = rng.uniform(0, side, 2)
            spot = np.exp(-((y - centre_y) ** 2 + (x - centre_x) ** 2) / (2 * 1.2**2))
            frame += rng.uniform(100, 400) / (2 * np.pi * 1.2**2) * spot
    return recorded(expected, camera, rng)


@pytest.mark.parametrize("camera", [EMCCD, SCMOS], ids=["EM-CCD", "sCMOS"])
@pytest.mark.parametrize("seed", range(4))
def test_uneven_background_tells_slope_and_offset(camera: Camera, seed: int) -> None:
    """Within 3 standard errors and 5 %; read noise v moves the zero crossing down by v / slope."""
    estimate = estimate_camera(as_stack(blinking(camera, seed)))
    slope = true_slope(camera)
    read_variance_adu = (camera.read_noise_electrons / camera.electrons_per_adu) ** 2
    crossing = camera.offset_adu - read_variance_adu / slope
    assert estimate.identifiable
    assert estimate.adu_per_count == pytest.approx(slope, rel=0.05, abs=0)
    assert abs(estimate.adu_per_count - slope) < 3 * estimate.adu_per_count_error
    assert abs(estimate.offset_adu - crossing) < 3 * estimate.offset_error_adu
    assert abs(estimate.offset_adu - crossing) < 0.05 * estimate.level_adu


def test_standard_errors_are_of_the_right_size() -> None:
    """Twelve movies: their slopes and offsets scatter as their errors say, within a factor of 1.8."""
    estimates = [estimate_camera(as_stack(blinking(SCMOS, seed, side=96))) for seed in range(12)]
    for value, error in [("adu_per_count", "adu_per_count_error"), ("offset_adu", "offset_error_adu")]:
        scatter = np.std([getattr(one, value) for one in estimates], ddof=1)
        assert 1 / 1.8 < scatter / np.mean([getattr(one, error) for one in estimates]) < 1.8


@pytest.mark.parametrize("em_gain", [1.0, 150.0])
def test_camera_of_an_estimate_gives_its_noise(em_gain: float) -> None:
    """Whatever EM gain is said to be there, the noise stays what was measured."""
    stack = as_stack(blinking(EMCCD, 1))
    camera = estimate_camera(stack).camera(em_gain=em_gain, pixel_size_nm=107.0)
    assert noise_ratio(stack, camera) == pytest.approx(1.0, abs=0.01)
    assert (camera.em_gain, camera.pixel_size_nm) == (em_gain, 107.0)
    if em_gain == 150.0:
        assert camera.electrons_per_adu == pytest.approx(12.0, rel=0.05)


@pytest.mark.parametrize(
    "known", [{}, {"offset_adu": 100.0}, {"electrons_per_adu": 0.46}], ids=["none", "offset", "conversion"]
)
def test_read_noise_that_is_given_is_not_counted_twice(known: dict[str, float]) -> None:
    """Whatever is estimated beside it: the noise stays what was measured, the offset is the camera's own."""
    true = Camera(offset_adu=100.0, electrons_per_adu=0.46, read_noise_electrons=4.0)
    stack = as_stack(blinking(true, 2))
    numbers = dict.fromkeys(NUMBERS) | {"read_noise_electrons": 4.0} | known
    given = given_camera(numbers, named=str)
    camera = find_camera(given, stack, say=lambda _: None, named=str).camera
    assert noise_ratio(stack, camera) == pytest.approx(1.0, abs=0.03)
    assert camera.read_noise_electrons == 4.0
    assert camera.electrons_per_adu == pytest.approx(0.46, rel=0.05)
    assert camera.offset_adu == pytest.approx(100.0, abs=5.0)


def test_even_background_is_admitted() -> None:
    stack = as_stack(blinking(EMCCD, 0, unevenness=0.0))
    estimate = estimate_camera(stack)
    assert not estimate.identifiable
    assert (estimate.adu_per_count, estimate.offset_adu) == (None, None)
    assert "too even" in estimate.reason
    assert estimate.reason in estimate.description
    assert estimate.level_adu == pytest.approx(100.0 + 8 * 12.5, rel=0.02)
    assert estimate.noise_adu == pytest.approx(np.sqrt(8 * 2 * 12.5**2 + 5.0**2), rel=0.02)
    with pytest.raises(BlinkspotError, match="too even"):
        estimate.camera()


def test_known_offset_tells_the_slope() -> None:
    camera = Camera(offset_adu=100.0, electrons_per_adu=12.0, em_gain=150.0)
    estimate = estimate_slope(as_stack(blinking(camera, 3, unevenness=0.0)), 100.0)
    assert estimate.adu_per_count == pytest.approx(25.0, rel=0.02)
    assert abs(estimate.adu_per_count - 25.0) < 4 * estimate.adu_per_count_error
    assert (estimate.offset_adu, estimate.offset_error_adu) == (100.0, 0.0)


def test_offset_above_the_background_tells_nothing() -> None:
    estimate = estimate_slope(as_stack(blinking(EMCCD, 3, n_frames=20)), 5_000.0)
    assert not estimate.identifiable
    assert "does not rise above the offset" in estimate.reason


@pytest.mark.parametrize(
    "shape",
    [(2, 64, 64), (3, 64, 64), (50, 16, 16), (50, 16, 17)],
    ids=lambda shape: "x".join(map(str, shape)),
)
def test_too_little_to_tell(shape: tuple[int, int, int]) -> None:
    movie = np.random.default_rng(0).poisson(30, shape).astype(np.uint16)
    estimate = estimate_camera(as_stack(movie))
    assert "too short or its frames are too small" in estimate.reason
    assert estimate.noise_adu == pytest.approx(np.sqrt(30), rel=0.15)


def test_frame_that_is_not_finite_is_named() -> None:
    """The frames that are measured are others than those that the checks look at."""
    movie = np.random.default_rng(0).poisson(50, (400, 16, 16)).astype(np.float32)
    movie[8] = np.nan
    with pytest.raises(BlinkspotError, match=r"Frame 9 \(counting from 1\)"):
        noise_ratio(as_stack(movie), Camera())


def test_flickering_lamp_is_not_noise() -> None:
    """A background that changes by 20 % from frame to frame, everywhere at once."""
    rng = np.random.default_rng(2)
    expected = np.full((60, 64, 64), 200.0) * rng.uniform(0.9, 1.1, (60, 1, 1))
    background = measure_background(as_stack(rng.poisson(expected).astype(np.uint16)))
    assert background.mean_variance == pytest.approx(200.0, rel=0.02)


def test_molecules_are_not_noise() -> None:
    """Without noise, molecules that come and go leave less than a hundredth of their power."""
    y, x = np.mgrid[:64, :64]
    frames = np.zeros((20, 64, 64), np.float32)
    rng = np.random.default_rng(4)
    for frame in frames:
        for centre_y, centre_x in rng.uniform(8, 56, (3, 2)):
            frame += 100 * np.exp(-((y - centre_y) ** 2 + (x - centre_x) ** 2) / (2 * 1.2**2))
    power = np.mean(np.diff(frames, axis=0) ** 2) / 2
    assert measure_background(as_stack(frames)).mean_variance < power / 100


@pytest.mark.parametrize(("side_px", "most_frames"), [(64, 100), (512, 64), (1024, 16)])
def test_few_frames_are_read_of_a_long_movie(side_px: int, most_frames: int) -> None:
    pair = np.random.default_rng(0).poisson(30, (2, side_px, side_px)).astype(np.uint16)
    read: list[int] = []

    class Movie:
        shape, dtype = (100_000, side_px, side_px), np.dtype(np.uint16)

        def __getitem__(self, frames: slice) -> np.ndarray:
            numbers = range(*frames.indices(self.shape[0]))
            read.extend(numbers)
            return pair[[number % 2 for number in numbers]]

    measure_background(as_stack(Movie()))
    assert 2 <= len(read) <= most_frames
    assert (min(read), max(read)) == (0, 99_999)


@pytest.mark.parametrize("name", sorted(SIMULATED))
def test_simulated_movies(shared_data: Path, name: str) -> None:
    """Made by ThunderSTORM: even background, known camera."""
    stack, camera = open_stack(shared_data / "simulated" / f"{name}.tif"), SIMULATED[name]
    assert noise_ratio(stack, camera) == pytest.approx(1.0, abs=0.02)
    assert estimate_slope(stack, camera.offset_adu).adu_per_count == pytest.approx(
        true_slope(camera), rel=0.02
    )
    assert "too even" in estimate_camera(stack).reason


def test_wrong_cameras_are_seen(shared_data: Path) -> None:
    """An EM gain forgotten, or a conversion factor wrong by two."""
    stack = open_stack(shared_data / "simulated" / "low120.tif")
    without_gain = Camera(100.0, 100.0, 12.0 / 150.0)
    assert noise_ratio(stack, without_gain) == pytest.approx(2.0, rel=0.02)
    assert noise_ratio(stack, Camera(100.0, 100.0, 24.0, 150.0)) == pytest.approx(2.0, rel=0.02)
    assert noise_ratio(stack, Camera(100.0, 5_000.0, 12.0, 150.0)) == np.inf


def test_real_palm_movie(shared_data: Path) -> None:
    """Slope and zero crossing read off its background by hand: 19 to 20 ADU, 1,100 to 1,150 ADU."""
    stack = open_stack(shared_data / "real" / "eos_actin_palm_300x96x96.tif")
    estimate = estimate_camera(stack)
    assert 19.0 <= estimate.adu_per_count <= 20.0
    assert 1_100.0 <= estimate.offset_adu <= 1_150.0
    assert noise_ratio(stack, Camera(100.0, 1_125.0, 1 / 19.5)) == pytest.approx(1.0, abs=0.03)


def test_real_scmos_movie(shared_data: Path) -> None:
    """Against the camera's own calibration of its gain (its offset has moved since)."""
    stack = open_stack(shared_data / "real" / "scmos_storm_11x256x256.tif")
    _, _, gain = np.load(shared_data / "real" / "scmos_calibration_offset_variance_gain.npy")
    estimate = estimate_camera(stack)
    assert abs(estimate.adu_per_count - np.mean(gain)) < 3 * estimate.adu_per_count_error
    assert estimate.adu_per_count == pytest.approx(np.mean(gain), rel=0.05)
