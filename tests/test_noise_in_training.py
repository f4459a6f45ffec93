"""Training on noise that is not white, and on the noise of an sCMOS camera."""

import dataclasses

import numpy as np
import pytest

from blinkspot.camera import Camera
from blinkspot.camera.maps import CameraMaps
from blinkspot.denoising import Training, TrainingSettings
from blinkspot.evaluation import PRESETS, check_held_out, simulate
from blinkspot.movies.stack import as_stack
from blinkspot.progress import finish

QUICK = TrainingSettings(
    epochs=30, crop_size_px=32, batch_size=8, channels=8, context_frames=0, device="cpu", seed=3
)


def simulated(**changes):
    """A movie's ADU and its clean photoelectrons."""
    settings = dataclasses.replace(PRESETS["low120"], frames=60, size_px=48, seed=7, **changes)
    chunks = list(simulate(settings))
    return np.concatenate([c.frames for c in chunks]), np.concatenate([c.expectation for c in chunks])


def error_of(training: Training, clean: np.ndarray) -> float:
    """Root mean square error of the denoised movie, photoelectrons."""
    denoised = np.concatenate([chunk.frames for chunk in training.best.denoise(training.movie)])
    return float(np.sqrt(np.mean((denoised - clean) ** 2)))


def trained(movie, camera, **changes) -> Training:
    training = Training(as_stack(movie), camera, dataclasses.replace(QUICK, **changes))
    finish(training.run())
    return training


@pytest.fixture(scope="module")
def shifted():
    """A movie moved by half a pixel, by linear interpolation, so that neighbours share noise."""
    frames, clean = simulated()
    return tuple(0.5 * (movie[:, :, 1:] + movie[:, :, :-1]).astype(np.float32) for movie in (frames, clean))


def test_correlated_noise_is_named_and_answered_by_a_wider_blind_spot(shifted):
    movie, clean = shifted
    camera = PRESETS["low120"].camera
    wider = trained(movie, camera, epochs=8)
    naive = trained(movie, camera, epochs=8, blind_spot_radius_px=0)
    assert wider.best.provenance["blind_spot_radius_px"] == 1
    assert naive.best.provenance["blind_spot_radius_px"] == 0
    for training in (wider, naive):
        assert any("correlated between neighbouring pixels" in warning for warning in training.warnings)
    blind = {}
    for name, training in (("wider", wider), ("naive", naive)):
        chunks = training.best.denoise(training.movie, estimate="blind")
        denoised = np.concatenate([chunk.frames for chunk in chunks])
        blind[name] = float(np.sqrt(np.mean((denoised - clean) ** 2)))
    assert blind["wider"] < 0.8 * blind["naive"]


def test_white_noise_keeps_the_blind_spot_small():
    frames, _ = simulated()
    training = trained(frames, PRESETS["low120"].camera, epochs=1)
    assert training.best.provenance["blind_spot_radius_px"] == 0
    assert not any("correlated" in warning for warning in training.warnings)


def test_frames_that_share_noise_are_no_context_for_each_other():
    frames, _ = simulated()
    averaged = 0.5 * (frames[1:].astype(np.float32) + frames[:-1])
    training = trained(averaged, PRESETS["low120"].camera, epochs=1, context_frames=None)
    assert training.context_frames == 0


def test_maps_of_an_scmos_camera_keep_hot_pixels_out_of_the_picture():
    random = np.random.default_rng(5)
    _, clean = simulated(camera=Camera(pixel_size_nm=100.0))
    shape = clean.shape[1:]
    variance = np.where(random.random(shape) < 0.04, 300.0, 2.0).astype(np.float32)
    gain = random.normal(2.0, 0.1, shape).astype(np.float32)
    offset = random.normal(100.0, 3.0, shape).astype(np.float32)
    electrons = random.poisson(clean) + random.normal(0.0, 1.0, clean.shape) * np.sqrt(variance) / gain
    movie = np.round(electrons * gain + offset).astype(np.float32)
    maps = CameraMaps(offset, variance, gain)
    with_maps = trained(movie, Camera(pixel_size_nm=100.0, maps=maps), epochs=8)
    plain = Camera(
        pixel_size_nm=100.0,
        offset_adu=float(offset.mean()),
        electrons_per_adu=float(1.0 / gain.mean()),
        read_noise_electrons=float(np.sqrt(np.median(variance)) / gain.mean()),
    )
    without = trained(movie, plain, epochs=8)
    assert error_of(with_maps, clean) < 0.75 * error_of(without, clean)
    denoised = np.concatenate([chunk.frames for chunk in with_maps.best.denoise(with_maps.movie)])
    hot = variance > 100.0
    # Hot pixels are neither brighter nor darker than they should be.
    assert denoised[:, hot].mean() == pytest.approx(clean[:, hot].mean(), rel=0.05)


def test_the_denoised_movie_keeps_the_light():
    """At a tenth of a count per pixel, and not in whole counts: an EM register, background 0.2 photons."""
    frames, _ = simulated(background_photons=0.2, density_per_um2=0.5)
    training = trained(frames, PRESETS["low120"].camera)
    denoised = np.concatenate([chunk.frames for chunk in training.best.denoise(training.movie)])
    noisy = training.camera.photoelectrons(frames)
    assert denoised.mean() == pytest.approx(noisy.mean(), rel=0.002)
    # Fifths of the places of the field, chosen by every second frame and compared on the others, so that the
    # choice favours neither; what they hold is uncertain by their own noise.
    order = np.argsort(noisy[::2].mean(axis=0), axis=None)
    fifth = len(order) // 5
    for places in (order[:fifth], order[-fifth:]):
        told, counted = (movie.reshape(60, -1)[1::2, places] for movie in (denoised, noisy))
        error = float(np.sqrt(2.0 * counted.mean() / counted.size))
        assert told.mean() == pytest.approx(counted.mean(), abs=4.0 * error)


def test_steps_of_several_electrons_are_noise_that_the_camera_makes_and_not_the_light():
    """Taken for light, the noise of rounding would come through: its variance is a tenth of the photons'."""
    steps = Camera(offset_adu=100.0, electrons_per_adu=3.6, read_noise_electrons=1.5)
    frames, clean = simulated(camera=steps, background_photons=10.0)
    told = trained(frames, steps, epochs=20)
    # Values of this type may never have been rounded.
    taken_for_light = trained(frames.astype(np.float32), steps, epochs=20)
    assert told.best.noise_camera == steps.with_rounding()
    assert told.best.camera == taken_for_light.best.noise_camera == steps
    assert error_of(told, clean) < 0.9 * error_of(taken_for_light, clean)
    blind = np.concatenate([chunk.frames for chunk in told.best.denoise(told.movie, estimate="blind")])
    assert blind.mean() == pytest.approx(clean.mean(), rel=0.01)


def test_the_noise_of_rounding_does_not_speak_against_the_camera():
    """It more than doubles the variance here."""
    steps = Camera(offset_adu=100.0, electrons_per_adu=6.0, read_noise_electrons=1.0)
    random = np.random.default_rng(3)
    electrons = random.poisson(1.5, (60, 48, 48)) + random.normal(0.0, 1.0, (60, 48, 48))
    frames = np.rint(electrons / 6.0 + 100.0).astype(np.uint16)
    training = trained(frames, steps, epochs=1)
    assert training.best.provenance["noise_ratio"] == pytest.approx(1.0, abs=0.1)
    assert not [warning for warning in training.warnings if "settings predict" in warning]
    training.best.check_matches(frames, steps)
    assert not finish(check_held_out(frames[:20], steps)).warnings
