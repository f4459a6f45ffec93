"""The residual test: closed forms, and movies in which it is known what the denoiser got wrong."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Generator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from scipy.stats import nbinom

from blinkspot.camera import Camera
from blinkspot.denoising import Training, TrainingSettings
from blinkspot.denoising.denoiser import PredictedChunk
from blinkspot.denoising.noise import Prior
from blinkspot.errors import BlinkspotError
from blinkspot.evaluation import PRESETS, simulate
from blinkspot.evaluation.forward_model import spots_image
from blinkspot.evaluation.residuals import Residuals, ResidualSettings, check_residuals
from blinkspot.evaluation.residuals.moments import Moments
from blinkspot.evaluation.residuals.spots import RESPONSE_STD, Maxima, spot_excess
from blinkspot.evaluation.residuals.standardised import white_residual
from blinkspot.localization.detection import wavelet_filter
from blinkspot.movies.stack import Stack, as_stack
from blinkspot.progress import Stopwatch, finish

CAMERA = Camera(pixel_size_nm=100.0, offset_adu=100.0, electrons_per_adu=1.0)
FRAMES, SIZE = 60, 64


class Known:
    """Stands for a model that says of each count: negative binomial, of this mean and this alpha."""

    def __init__(self, mean: np.ndarray, alpha: float, camera: Camera = CAMERA) -> None:
        self.mean, self.alpha, self.camera = mean.astype(np.float32), alpha, camera
        self.noise_camera = camera.with_rounding()
        self.provenance = {"network": "known"}

    def check_matches(self, movie: Stack, camera: Camera) -> None:
        assert movie.shape == self.mean.shape

    def predict(self, movie: Stack) -> Generator[PredictedChunk, None, None]:
        clock = Stopwatch("denoising", movie.n_frames)
        for start in range(0, movie.n_frames, 7):
            yield PredictedChunk(start, *np.empty((2, 0, *movie.shape[1:]), np.float32), clock.at(start))
            mean = self.mean[start : start + 7]
            yield PredictedChunk(start, mean, mean + mean**2 / self.alpha, clock.at(start + len(mean)))


def uneven(alpha: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return counts that are negative binomial, ADU, and their means."""
    random = np.random.default_rng(seed)
    mean = np.broadcast_to(random.uniform(3.0, 20.0, (SIZE, SIZE)), (FRAMES, SIZE, SIZE))
    return (random.poisson(mean * random.gamma(alpha, 1.0 / alpha, mean.shape)) + 100.0), mean


def movie_of_spots(seed: int, photons: float = 400.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a noisy movie, ADU, its light, and the light of one molecule in eight, in photoelectrons."""
    random = np.random.default_rng(seed)
    every, some = np.zeros((2, FRAMES, SIZE, SIZE))
    for frame in range(FRAMES):
        places = random.uniform(400.0, 6000.0, (8, 2))
        width, light = np.full(8, 130.0), np.full(8, photons)
        every[frame] = spots_image(*places.T, width, light, (SIZE, SIZE), 100.0)
        some[frame] = spots_image(*places[:1].T, width[:1], light[:1], (SIZE, SIZE), 100.0)
    return random.poisson(10.0 + every) + 100.0, 10.0 + every, some


def checked(noisy: np.ndarray, other: Any, camera: Camera = CAMERA, **more: Any) -> Residuals:
    return finish(check_residuals(noisy.astype(np.float32), camera, other, ResidualSettings(**more)))


# -- a model that is right, or wrong in a known way


@pytest.mark.parametrize("alpha", [3.0, 1e6])
def test_the_residual_of_an_exact_model_is_white(alpha):
    noisy, mean = uneven(alpha, 1)
    found = checked(noisy, Known(mean, alpha))
    assert found.variance == pytest.approx(1.0, abs=4.0 * found.variance_error)
    assert found.variance_error < 0.01
    assert np.all(np.abs(found.spatial) < 5.0 * found.correlation_chance)
    assert np.all(np.abs(found.temporal) < 7.0 * found.correlation_chance)
    assert np.mean(np.abs(found.power - 1.0) * np.sqrt(found.power_n) < 3.0) > 0.9
    assert min(value for value in found.p_values().values() if value is not None) > 1e-3
    assert found.as_dict()["is_white"]
    assert np.std(found.mean_map) == pytest.approx(found.mean_map_chance, rel=0.1)
    assert np.std(found.square_map) == pytest.approx(found.square_map_chance, rel=0.2)


@pytest.mark.parametrize("factor", [0.8, 1.25])
def test_a_variance_that_is_wrong_by_a_factor_is_told(factor):
    noisy, mean = uneven(1e6, 2)
    model = Known(mean, 1e6)
    true = model.predict

    def wrong(movie: Stack) -> Generator[PredictedChunk, None, None]:
        for chunk in true(movie):
            yield dataclasses.replace(chunk, variance=chunk.variance / np.float32(factor))

    model.predict = wrong  # type: ignore[method-assign]
    found = checked(noisy, model)
    assert found.variance == pytest.approx(factor, rel=0.02)
    assert "its variance is" in found.as_dict()["verdict"]


def test_rounding_to_steps_of_several_electrons_is_foretold_by_the_model():
    camera = Camera(offset_adu=100.0, electrons_per_adu=3.6, read_noise_electrons=1.5)
    random = np.random.default_rng(5)
    light = np.broadcast_to(random.uniform(3.0, 20.0, (SIZE, SIZE)), (FRAMES, SIZE, SIZE))
    electrons = random.poisson(light) + random.normal(0.0, 1.5, light.shape)
    noisy = np.rint(electrons / 3.6 + 100.0)
    found = checked(noisy, Known(light + 1.5**2 + 3.6**2 / 12.0, 1e6, camera), camera)
    assert found.variance == pytest.approx(1.0, abs=5.0 * found.variance_error)
    assert float(found.mean_map.mean()) == pytest.approx(0.0, abs=0.01)


def test_structure_that_stands_still_is_told():
    noisy, mean = uneven(1e6, 3)
    stripes = 1.0 + 0.1 * np.sign(np.sin(np.arange(SIZE)))
    found = checked(noisy, Known(mean * stripes, 1e6))
    expected = np.sqrt(np.mean((0.1 * np.sqrt(mean[0])) ** 2))
    assert found.structure == pytest.approx(expected, rel=0.1)
    assert "varies over the field" in found.as_dict()["verdict"]


def test_the_law_of_a_count_is_negative_binomial():
    mean, alpha = torch.tensor([[[4.0]]]), torch.tensor([[[2.5]]])
    prior = Prior(mean[:, None], alpha.log()[:, None], torch.zeros(1, 1, 1, 1), alpha.log())
    law = nbinom(2.5, 2.5 / (2.5 + 4.0))
    assert float(prior.single_mean) == pytest.approx(law.mean())
    assert float(prior.single_variance) == pytest.approx(law.var())
    # A posterior mean's residual is (1 - w) (z - m): (1 - w) m is its variance.
    weight = float(prior.own_weight)
    assert (1.0 - weight) ** 2 * law.var() == pytest.approx((1.0 - weight) * law.mean())


def test_a_trained_model_tells_the_mean_that_it_denoises_by():
    simulation = dataclasses.replace(PRESETS["low120"], frames=40, size_px=48, seed=5)
    noisy = as_stack(np.concatenate([chunk.frames for chunk in simulate(simulation)]))
    camera = simulation.camera
    training = Training(
        noisy,
        camera,
        TrainingSettings(
            epochs=4, crop_size_px=32, batch_size=8, channels=4, context_frames=1, device="cpu", seed=1
        ),
    )
    finish(training.run())
    model = training.best
    told = [chunk for chunk in model.predict(noisy, 3, 9) if len(chunk.mean)]
    mean, variance = (np.concatenate([getattr(c, name) for c in told]) for name in ("mean", "variance"))
    denoised = {
        name: np.concatenate([chunk.frames for chunk in model.denoise(noisy, 3, 9, name)])
        for name in ("blind", "posterior-mean")
    }
    np.testing.assert_allclose(camera.photoelectrons_from_counts(mean), denoised["blind"], rtol=1e-4)
    # mean / variance is 1 - w, by which the posterior mean's residual is smaller than the blind one's.
    photons = camera.photoelectrons(noisy.frames(3, 9))
    np.testing.assert_allclose(
        photons - denoised["posterior-mean"], (photons - denoised["blind"]) * mean / variance, atol=2e-3
    )
    found = finish(check_residuals(noisy, camera, model))
    assert found.by_model
    assert found.provenance["compared_with"] == model.provenance
    assert 0.8 < found.variance < 1.5


# -- white noise


@pytest.mark.parametrize("em_gain", [1.0, 100.0])
@pytest.mark.parametrize("read_noise", [0.0, 3.0])
@pytest.mark.parametrize("alpha", [2.0, np.inf])
def test_simulated_residuals_have_no_mean_and_the_variance_1(em_gain, read_noise, alpha):
    camera = dataclasses.replace(CAMERA, em_gain=em_gain, read_noise_electrons=read_noise * em_gain)
    read = float(camera.read_counts)
    mean = np.full((400, 400), 5.0 + read, np.float32)
    variance = mean + np.float32(25.0 / alpha)
    white = white_residual(mean, variance, camera, np.random.default_rng(1))
    assert white.mean() == pytest.approx(0.0, abs=5 / 400)
    assert white.var() == pytest.approx(1.0, abs=0.04)


def test_the_unit_of_spots_is_the_filters_response_to_white_noise():
    delta = np.zeros((41, 41), np.float32)
    delta[20, 20] = 1.0
    response, _, _ = wavelet_filter(delta)
    assert pytest.approx(np.sqrt(np.sum(response.astype(np.float64) ** 2)), rel=1e-5) == RESPONSE_STD


def test_white_noise_has_the_spots_that_are_expected_of_it():
    random = np.random.default_rng(3)
    both = []
    for frames in (100, 40):
        maxima = Maxima()
        for _ in range(frames):
            for _ in maxima.add(random.normal(size=(128, 128)).astype(np.float32)):
                pass
        both.append(maxima)
    white, found = both
    excess = spot_excess(found, white, 100.0, upwards=True)
    assert excess.expected == pytest.approx(100.0 * found.pixels / 1e6, rel=0.01)
    assert abs(excess.excess) < 3.5 * excess.error
    assert not excess.is_sure
    assert spot_excess(found, white.scaled(0.5), 100.0, upwards=True).excess > 10.0 * excess.error


@given(
    shape=st.tuples(st.integers(16, 24), st.integers(16, 24)), n=st.integers(2, 6), seed=st.integers(0, 99)
)
@settings(max_examples=60, deadline=None)
def test_moments_are_those_of_all_frames(shape, n, seed):
    frames = np.random.default_rng(seed).normal(size=(n, *shape)).astype(np.float32)
    moments = Moments(shape, min(3, n - 1))
    for frame in frames:
        for _ in moments.add(frame):
            pass
    square = frames.astype(np.float64) ** 2
    assert moments.variance == pytest.approx(square.mean())
    assert moments.variance_error == pytest.approx(square.std() / np.sqrt(frames.size), rel=1e-4)
    for lag, value in enumerate(moments.temporal_correlation(), start=1):
        expected = np.mean(frames[lag:] * frames[:-lag]) / square.mean()
        assert value == pytest.approx(expected, abs=1e-4)
    assert moments.spatial_correlation()[0] == pytest.approx(
        sum(np.mean(frames * np.roll(frames, 1, axis)) / (1.0 - 1.0 / shape[axis - 1]) for axis in (1, 2))
        / (2.0 * square.mean()),
        abs=1e-4,
    )
    frequency, power, count = moments.spectrum()
    rings = min(shape)
    # In the same arithmetic, so that what lies between two rings is put on the same one.
    down, along = (np.abs(np.rint(np.fft.fftfreq(side, 1.0 / side))) / side for side in shape)
    ring = np.rint(np.hypot(down[:, None], along) * rings)
    periodogram = np.mean(np.abs(np.fft.fft2(frames)) ** 2, axis=0) / (frames[0].size * square.mean())
    for number in range(1, rings // 2 + 1):
        assert frequency[number - 1] == number / rings
        assert power[number - 1] == pytest.approx(periodogram[ring == number].mean(), rel=1e-4)
        assert count[number - 1] == (ring == number).sum() * n / 2.0


# -- denoised movies, of whatever program


def test_molecules_that_are_missing_are_counted_as_lost():
    noisy, light, some = movie_of_spots(1)
    exact = checked(noisy, CAMERA.adu(light))
    assert exact.as_dict()["is_white"]
    assert not exact.by_model
    found = checked(noisy, CAMERA.adu(light - some))
    assert found.lost.per_frame == pytest.approx(1.0, abs=0.15)
    assert abs(found.invented.excess) < 4.0 * found.invented.error
    assert "lost molecules a frame" in found.as_dict()["verdict"]
    assert found.power[:8].mean() > 1.1


def test_molecules_that_are_not_there_are_counted_as_invented():
    noisy, light, some = movie_of_spots(2)
    found = checked(noisy, CAMERA.adu(light + np.roll(some, 20, axis=(1, 2))))
    assert found.invented.per_frame == pytest.approx(1.0, abs=0.15)
    assert abs(found.lost.excess) < 4.0 * found.lost.error
    assert "invented molecules a frame" in found.as_dict()["verdict"]


def test_a_blurred_movie_follows_the_noise_and_loses_the_peaks():
    noisy, _, _ = movie_of_spots(3)
    found = checked(noisy, gaussian_filter(noisy, (0, 1.0, 1.0)))
    # z - G z with the kernel's g: the variance 1 - 2 g0 + sum(g^2), g0 = 1 / (2 pi), sum(g^2) = 1 / (4 pi).
    assert found.variance == pytest.approx(1.0 - 3.0 / (4.0 * np.pi), rel=0.1)
    assert "follows their noise" in found.as_dict()["verdict"]
    assert found.lost.is_sure


@pytest.mark.parametrize("variance", [1.01, 0.99])
def test_a_variance_is_called_below_1_only_where_it_is(variance):
    noisy, light, _ = movie_of_spots(1)
    # That of the true means is 1, a little more or less.
    found = dataclasses.replace(checked(noisy, CAMERA.adu(light)), variance=variance)
    said = found.as_dict()["verdict"]
    assert f"its variance is {variance:.3f}" in said
    assert ("below 1" in said) == (variance < 1.0)


def test_a_movie_that_was_not_denoised_is_told():
    noisy, _, _ = movie_of_spots(4)
    assert "keeps the noise" in checked(noisy, noisy + 0.01).as_dict()["verdict"]


@pytest.mark.filterwarnings("error")
def test_the_noisy_movie_itself_is_refused():
    noisy, _, _ = movie_of_spots(4)
    with pytest.raises(BlinkspotError, match="the denoised movie is the noisy one"):
        checked(noisy, noisy)


def test_no_correlation_is_above_1():
    moments = Moments((32, 32), 5)
    for _ in range(3):
        list(moments.add(np.ones((32, 32), np.float32)))
    assert moments.spatial_correlation() == pytest.approx(1.0)


def test_an_em_register_is_taken_into_account():
    camera = dataclasses.replace(CAMERA, em_gain=100.0)
    random = np.random.default_rng(6)
    light = np.full((FRAMES, SIZE, SIZE), 20.0)
    noisy = 100.0 + 100.0 * random.standard_gamma(random.poisson(light))
    found = checked(noisy, camera.adu(light), camera)
    assert found.variance == pytest.approx(1.0, abs=0.02)
    assert found.as_dict()["is_white"]


# -- the rest


def test_the_result_is_json_ready_and_repeatable():
    noisy, light, some = movie_of_spots(7)
    once, again = (checked(noisy, CAMERA.adu(light - some), seed=3).as_dict() for _ in range(2))
    record = json.loads(json.dumps(once, allow_nan=False))
    for each in (record, again):
        each["provenance"].pop("created")
    assert record == again
    assert record["provenance"]["settings"]["seed"] == 3
    assert record["compared_with"] == "denoised movie"


def test_a_denoised_movie_of_another_shape_is_refused():
    noisy, light, _ = movie_of_spots(8)
    with pytest.raises(BlinkspotError, match="the denoised version of the same movie"):
        checked(noisy, CAMERA.adu(light[:-1]))


def test_a_denoised_movie_in_another_unit_is_refused():
    noisy, light, _ = movie_of_spots(8)
    with pytest.raises(BlinkspotError, match="no camera gives"):
        checked(noisy, light * 1e25)
    with pytest.raises(BlinkspotError, match="neither in photons nor without the offset"):
        checked(noisy, light)


@pytest.mark.parametrize(
    "wrong", [{"false_per_megapixel": 0.0}, {"largest_lag": 0}, {"largest_lag": 51}, {"seed": -1}]
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(BlinkspotError):
        ResidualSettings(**wrong)


def test_frames_larger_than_a_tile_are_checked_in_tiles():
    random = np.random.default_rng(9)
    noisy = random.poisson(10.0, (4, 300, 530)) + 100.0
    found = checked(noisy, CAMERA.adu(np.full(noisy.shape, 10.0)))
    assert found.mean_map.shape == (300, 530)
    assert len(found.power) == 128
    assert np.mean(np.abs(found.power - 1.0) * np.sqrt(found.power_n) < 3.0) > 0.95
    assert found.as_dict()["is_white"]
