"""Noise that is not white is found and named; molecules, structures and cameras are not taken for it."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.fft import dctn, idctn
from scipy.ndimage import gaussian_filter, shift, zoom

from blinkspot.camera_from_movie.noise_whiteness import NoiseCorrelation, noise_correlation
from blinkspot.errors import BlinkspotError
from blinkspot.evaluation import PRESETS, simulate
from blinkspot.movies.stack import Stack, as_stack, open_stack

# The luminance table of the JPEG standard (ITU-T T.81, annex K.1).
JPEG_STEPS = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)

MOVIES = [
    pytest.param(preset, density, id=f"{preset}-{density or 'own'}")
    for preset in ("default", "low120", "yfp4", "low-light")
    for density in (None, 1.0)
]


@functools.cache
def simulated(preset: str, density: float | None = None, seed: int = 1, **changes: object) -> np.ndarray:
    """A movie of 60 frames of 64 x 64 pixels."""
    if density is not None:
        changes["density_per_um2"] = density
    settings = dataclasses.replace(PRESETS[preset], frames=60, size_px=64, seed=seed, **changes)
    return np.concatenate([chunk.frames for chunk in simulate(settings)])


def white(n_frames: int = 60, side: int = 64, mean: float = 30.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).poisson(mean, (n_frames, side, side)).astype(float)


def measured(movie: np.ndarray) -> NoiseCorrelation:
    return noise_correlation(as_stack(movie))


def assert_white(correlation: NoiseCorrelation) -> None:
    assert correlation.description is None
    assert correlation.blind_spot_radius_px == 0
    assert not correlation.is_shared_in_time


def shifted(movie: np.ndarray, down: float, right: float) -> np.ndarray:
    return np.stack([shift(frame.astype(float), (down, right), order=1, mode="nearest") for frame in movie])


def drift_corrected(movie: np.ndarray) -> np.ndarray:
    """Each frame moved by bilinear interpolation, three pixels over the movie."""
    moved = np.linspace(0.0, 3.0, len(movie))
    pieces = [shifted(frame[None], by, -0.7 * by) for by, frame in zip(moved, movie, strict=True)]
    return np.concatenate(pieces)


def blurred(movie: np.ndarray, sigma_px: float = 0.5) -> np.ndarray:
    return gaussian_filter(movie.astype(float), (0, sigma_px, sigma_px))


def enlarged(movie: np.ndarray, factor: float) -> np.ndarray:
    scaled = (zoom(frame.astype(float), factor, order=1, grid_mode=True, mode="nearest") for frame in movie)
    return np.stack(list(scaled))


def eight_bit(movie: np.ndarray) -> np.ndarray:
    """A movie as most programs save it for viewing: the darkest pixel 0, the brightest 255."""
    darkest, brightest = float(movie.min()), float(movie.max())
    return np.rint((movie - darkest) / (brightest - darkest) * 255.0)


def jpeg(movie: np.ndarray, quality: int) -> np.ndarray:
    """An 8-bit movie as a JPEG library of this quality (50 to 100) gives it back."""
    steps = np.maximum(1.0, np.floor((JPEG_STEPS * (200 - 2 * quality) + 50.0) / 100.0))[:, None, :]
    n_frames, height, width = movie.shape
    blocks = movie.reshape(n_frames, height // 8, 8, width // 8, 8) - 128.0
    coefficients = np.rint(dctn(blocks, axes=(2, 4), norm="ortho") / steps) * steps
    restored = idctn(coefficients, axes=(2, 4), norm="ortho").reshape(movie.shape) + 128.0
    return np.rint(restored).clip(0, 255).astype(np.uint8)


class TestWhite:
    @pytest.mark.parametrize("seed", [1, 2])
    @pytest.mark.parametrize(("preset", "density"), MOVIES)
    def test_molecules_are_not_noise(self, preset: str, density: float | None, seed: int):
        movie = simulated(preset, density, seed)
        assert_white(measured(movie))
        assert_white(measured(eight_bit(movie).astype(np.uint8)))

    @pytest.mark.parametrize("mean_on_frames", [4.0, 20.0])
    def test_molecules_that_stay_on_are_not_noise_shared_in_time(self, mean_on_frames: float):
        assert_white(measured(simulated("yfp4", 1.0, mean_on_frames=mean_on_frames)))

    def test_spots_hardly_wider_than_a_pixel(self):
        camera = dataclasses.replace(PRESETS["yfp4"].camera, pixel_size_nm=160.0)
        assert_white(measured(simulated("yfp4", 0.4, camera=camera)))

    def test_a_sensor_with_a_pattern_of_its_own(self):
        rng = np.random.default_rng(1)
        offset = rng.normal(100.0, 5.0, (64, 64))
        gain = rng.normal(2.0, 0.1, (64, 64))
        read_noise = np.exp(rng.normal(0.5, 0.7, (64, 64)))
        movie = white() * gain + offset + rng.standard_normal((60, 64, 64)) * read_noise
        movie += 200.0 * (rng.random((64, 64)) < 0.01) * (rng.random((60, 64, 64)) < 0.5)  # hot pixels
        assert_white(measured(np.rint(movie).astype(np.uint16)))

    def test_columns_of_unequal_noise_that_repeat_after_eight_are_not_blocks(self):
        rng = np.random.default_rng(1)
        spread = 1.0 + (np.arange(64) % 8 == 3)
        assert_white(measured(100.0 + rng.standard_normal((60, 64, 64)) * spread * spread[:, None]))

    def test_a_structure_that_trembles_flickers_and_fades(self):
        rng = np.random.default_rng(2)
        places = np.zeros((64, 64))
        places[tuple(rng.integers(0, 64, (2, 200)))] = 1.0
        structure = 1500.0 * gaussian_filter(places, 1.1)
        light = [
            (20.0 + shift(structure, rng.normal(0, 0.2, 2), order=3).clip(0)) * rng.uniform(0.9, 1.1) * fading
            for fading in np.linspace(1.0, 0.3, 60)
        ]
        assert_white(measured(rng.poisson(light).astype(np.uint16)))

    def test_a_border_that_was_filled_in(self):
        movie = simulated("default").copy()
        movie[:, :20] = movie[:, :, :9] = 0
        assert_white(measured(movie))

    def test_photons_counted_one_by_one(self):
        assert_white(measured(white(mean=0.05).astype(np.uint8)))

    @pytest.mark.parametrize(
        "name",
        [
            "eos_actin_palm_300x96x96",
            "scmos_storm_11x256x256",
            "blinking_low60",
            "default",
            "low120",
            "yfp3_bg100",
            "yfp4_bg100",
        ],
    )
    def test_shared_movies(self, shared_data: Path, name: str):
        (path,) = shared_data.glob(f"*/{name}.tif")
        assert_white(noise_correlation(open_stack(path)))

    def test_errors_are_those_of_white_noise(self):
        """Not too small; and not much too large, or nothing would be found."""
        correlations = [measured(white(n_frames=15, side=32, seed=seed)) for seed in range(60)]
        places = (4, 4, 5, 8), (5, 8, 4, 4)
        in_space = [c.spatial[places] / c.error[places] for c in correlations]
        in_time = [c.temporal / c.temporal_error for c in correlations]
        assert 0.6 < np.std(in_space) < 1.1
        assert 0.6 < np.std(in_time) < 1.1

    def test_errors_in_time_of_noise_correlated_in_space(self):
        correlations = [measured(enlarged(white(15, 16, seed=seed), 2.0)) for seed in range(60)]
        assert 0.5 < np.std([c.temporal / c.temporal_error for c in correlations]) < 1.3


class TestCorrelated:
    @pytest.mark.parametrize(
        ("spoil", "radius"),
        [
            pytest.param(drift_corrected, 1, id="drift-corrected"),
            pytest.param(lambda movie: shifted(movie, 0.5, 0.5), 1, id="half a pixel"),
            pytest.param(lambda movie: shifted(movie, 0.1, 0.1), 1, id="a tenth of a pixel"),
            pytest.param(blurred, 1, id="blurred"),
            pytest.param(lambda movie: enlarged(movie, 1.5), 2, id="enlarged by 1.5"),
            pytest.param(lambda movie: enlarged(movie, 2.0), 2, id="enlarged by 2"),
        ],
    )
    @pytest.mark.parametrize(("preset", "density"), MOVIES)
    def test_radius(
        self, preset: str, density: float | None, spoil: Callable[[np.ndarray], np.ndarray], radius: int
    ):
        correlation = measured(spoil(simulated(preset, density)))
        assert correlation.blind_spot_radius_px == radius
        assert not correlation.in_blocks
        assert not correlation.is_shared_in_time
        side = 2 * radius + 1
        assert f"with a blind spot of {side} x {side} pixels" in correlation.description

    @pytest.mark.parametrize("fraction", [0.1, 0.3, 0.5])
    def test_interpolation_in_closed_form(self, fraction: float):
        """A pixel is (1 - f) of one and f of the next: their correlation is f (1 - f) / (f^2 + (1 - f)^2)."""
        correlation = measured(shifted(simulated("yfp4", 1.0), fraction, 0.0))
        expected = fraction * (1.0 - fraction) / (fraction**2 + (1.0 - fraction) ** 2)
        assert correlation.spatial[5, 4] == pytest.approx(expected, abs=4 * correlation.error[5, 4])
        assert correlation.spatial[4, 5] == pytest.approx(0.0, abs=4 * correlation.error[4, 5])
        assert correlation.error[5, 4] < 0.02

    def test_whole_autocorrelation(self):
        """That of the blur's own kernel, diagonals and all."""
        impulse = np.zeros((1, 33, 33))
        impulse[0, 16, 16] = 1.0
        kernel = blurred(impulse, 0.9)[0]
        expected = np.fft.fftshift(np.fft.ifft2(np.abs(np.fft.fft2(kernel)) ** 2).real)[12:21, 12:21]
        correlation = measured(blurred(white(n_frames=80), 0.9))
        np.testing.assert_allclose(correlation.spatial, expected / expected.max(), atol=0.03)
        np.testing.assert_array_equal(correlation.spatial, correlation.spatial[::-1, ::-1])
        assert correlation.spatial[4, 4] == 1.0

    def test_rounding_does_not_hide_it(self):
        """Noise of 1.5 ADU, of which half a pixel's shift leaves little that alternates."""
        movie = simulated("default")
        exact = measured(shifted(movie, 0.5, 0.5))
        rounded = measured(np.rint(shifted(movie, 0.5, 0.5)).astype(np.uint16))
        assert rounded.spatial[4, 5] == pytest.approx(exact.spatial[4, 5], abs=0.08)
        assert rounded.blind_spot_radius_px == 1

    @pytest.mark.parametrize(("axis", "name"), [(2, "row"), (1, "column")])
    def test_stripes(self, axis: int, name: str):
        movie = white()
        offsets = np.random.default_rng(1).normal(
            0.0, np.sqrt(10.0), movie.mean(axis=axis, keepdims=True).shape
        )
        correlation = measured(movie + offsets)
        along = correlation.spatial[4, 5:] if name == "row" else correlation.spatial[5:, 4]
        np.testing.assert_allclose(along, 10.0 / 40.0, atol=0.05)
        assert f"shifts each {name} as a whole" in correlation.description
        assert f"subtract from each {name}" in correlation.description
        assert "helps in part" in correlation.description
        assert correlation.blind_spot_radius_px == 2

    def test_charge_left_behind_in_a_register(self):
        movie = white()
        movie[:, :, 1:] = 0.9 * movie[:, :, 1:] + 0.1 * movie[:, :, :-1]
        correlation = measured(movie)
        assert correlation.blind_spot_radius_px == 1
        assert "along rows, as from interpolation along one axis or charge" in correlation.description

    def test_description_is_one_sentence(self):
        description = measured(shifted(white(), 0.5, 0.5)).description
        assert description.startswith("The noise is correlated between neighbouring pixels by ")
        assert "interpolation (drift correction, registration)" in description
        assert "use the movie as the camera recorded it" in description
        assert description.count(". ") == 0
        assert description.endswith("3 x 3 pixels.")


class TestCompressed:
    @pytest.mark.parametrize("quality", [95, 90, 75, 30])
    @pytest.mark.parametrize("preset", ["default", "yfp4"])
    def test_bright_movie_in_eight_bits(self, preset: str, quality: int):
        """Wherever the movie was cropped afterwards."""
        movie = eight_bit(simulated(preset, photons=(5000.0, 9000.0)))
        correlation = measured(jpeg(movie, quality)[:, 3:, 5:])
        assert correlation.in_blocks
        assert correlation.blind_spot_radius_px == 2
        assert "8 x 8" in correlation.description
        assert "JPEG" in correlation.description

    def test_noise_white_by_its_autocorrelation(self):
        """Coarse rounding may leave the autocorrelation as it was, but not independence."""
        correlation = measured(jpeg(white(side=96, mean=196.0), 80))
        assert correlation.reach_px == 0
        assert correlation.in_blocks
        assert correlation.description.endswith("which helps in part.")

    def test_rounding_finer_than_the_noise_does_no_harm(self):
        movie = eight_bit(simulated("low120"))
        assert_white(measured(jpeg(movie, 98)))


class TestInTime:
    def test_average_of_two_frames(self):
        movie = simulated("low-light").astype(float)
        correlation = measured((movie[1:] + movie[:-1]) / 2.0)
        assert correlation.temporal == pytest.approx(0.5, abs=4 * correlation.temporal_error)
        assert correlation.is_shared_in_time
        assert correlation.blind_spot_radius_px == 0
        assert "averaging" in correlation.description
        assert correlation.description.endswith("train without neighbouring frames as context.")

    def test_repeated_frames(self):
        assert measured(np.repeat(white(30), 2, axis=0)).is_shared_in_time

    def test_both_at_once(self):
        movie = white()
        correlation = measured(shifted((movie[1:] + movie[:-1]) / 2.0, 0.5, 0.5))
        assert correlation.is_shared_in_time
        assert correlation.description.endswith(
            "with a blind spot of 3 x 3 pixels and without neighbouring frames as context."
        )


class TestLittleToTell:
    @pytest.mark.parametrize(
        "movie",
        [
            pytest.param(white(1), id="one frame"),
            pytest.param(white(9, 8), id="tiny frames"),
            pytest.param(np.full((9, 32, 32), 7, np.uint16), id="constant"),
            pytest.param(np.zeros((9, 32, 32), np.float32), id="zero"),
        ],
    )
    def test_nothing(self, movie: np.ndarray):
        correlation = noise_correlation(Stack(movie))
        assert_white(correlation)
        np.testing.assert_array_equal(correlation.spatial, np.pad([[1.0]], 4))
        assert np.isinf(np.delete(correlation.error.ravel(), 40)).all()
        assert correlation.temporal_error == np.inf

    @pytest.mark.parametrize("n_frames", [2, 3, 4, 5, 9])
    @pytest.mark.parametrize("side", [16, 64])
    def test_short(self, n_frames: int, side: int):
        assert_white(measured(white(n_frames, side)))
        assert np.isfinite(measured(white(n_frames, side)).temporal_error) == (n_frames >= 4)
        if side == 64:
            assert measured(shifted(white(n_frames, side), 0.5, 0.5)).blind_spot_radius_px == 1

    @pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "uint32", "float32", "float64"])
    def test_any_pixel_type(self, dtype: str):
        assert_white(measured(white().astype(dtype)))
        assert measured(np.rint(shifted(white(), 0.5, 0.5)).astype(dtype)).blind_spot_radius_px == 1

    @pytest.mark.parametrize(("scale", "dtype"), [(1e36, "float32"), (1e-36, "float32"), (1e305, "float64")])
    def test_any_scale(self, scale: float, dtype: str):
        movie = (white() * scale).astype(dtype)
        np.testing.assert_allclose(measured(movie).spatial, measured(white()).spatial, atol=1e-4)

    def test_values_that_are_not_numbers(self):
        movie = white()
        movie[0, 3, 3] = np.nan
        with pytest.raises(BlinkspotError, match="not finite"):
            measured(movie)


class Watched:
    """A movie that remembers which frames were read."""

    dtype = np.dtype(np.uint16)

    def __init__(self, shape: tuple[int, int, int]):
        self.shape = shape
        self.read: set[int] = set()
        self.noise = white(7, shape[1]).astype(np.uint16)

    def __getitem__(self, frames: slice) -> np.ndarray:
        numbers = range(*frames.indices(self.shape[0]))
        self.read.update(numbers)
        return self.noise[[number % 7 for number in numbers]]


def test_reads_a_sample_spread_over_the_movie():
    movie = Watched((100_000, 64, 64))
    noise_correlation(Stack(movie))
    assert len(movie.read) <= 64
    assert min(movie.read) == 0
    assert max(movie.read) == 99_999


def test_is_deterministic():
    movie = simulated("low120")
    np.testing.assert_array_equal(measured(movie).spatial, measured(movie.copy()).spatial)


def test_of_large_frames_few_are_read():
    movie = Watched((1000, 1024, 1024))
    assert_white(noise_correlation(Stack(movie)))
    assert len(movie.read) <= 40
