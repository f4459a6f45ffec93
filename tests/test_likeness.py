"""Whether a model knows a movie: against counts whose law is known, and with models that have learned."""

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest

from blinkspot.batch.result_folder import kept_warnings
from blinkspot.batch.steps import Denoise
from blinkspot.camera import Camera
from blinkspot.cli import main
from blinkspot.denoising import Likeness, Training, TrainingSettings, likeness_of
from blinkspot.denoising.denoiser import PredictedChunk
from blinkspot.errors import BlinkspotError
from blinkspot.evaluation.simulation import PRESETS, simulate
from blinkspot.movies.stack import as_stack
from blinkspot.movies.writing import write_stack
from blinkspot.progress import Progress, finish

# One photoelectron is one ADU, so that counts are what stands in the file.
CAMERA = Camera(pixel_size_nm=100.0, offset_adu=0.0, electrons_per_adu=1.0, em_gain=1.0)
SIDE_PX = 64


class Foretelling:
    """Stands for a model: foretells the same mean and variance of each frame."""

    def __init__(self, mean, variance, *, knows_variance=True, noise_ratio=1.0):
        self.camera = self.noise_camera = CAMERA
        self.provenance = {"noise_ratio": noise_ratio}
        self.knows_variance = knows_variance
        self.mean, self.variance = mean.astype(np.float32), variance.astype(np.float32)
        self.asked = []

    def for_camera(self, camera):
        assert camera is CAMERA
        return self

    def predict(self, movie, start, stop):
        assert stop == start + 1
        self.asked.append(start)
        whole = self.mean.shape
        top, left = (whole[0] - movie.height) // 2, (whole[1] - movie.width) // 2
        seen = np.s_[None, top : top + movie.height, left : left + movie.width]
        nothing = np.empty((0, *movie.shape[1:]), np.float32)
        yield PredictedChunk(start, nothing, nothing, Progress("denoising", 0.5, 1, 0.0))
        yield PredictedChunk(start, self.mean[seen], self.variance[seen], Progress("denoising", 1, 1, 0.0))


def light(seed=0):
    """Return means that vary, and the variances of a Gamma-Poisson law with them."""
    mean = np.random.default_rng(seed).uniform(5.0, 40.0, (SIDE_PX, SIDE_PX))
    return mean, mean + mean**2 / 20.0


def found(model, frames):
    return finish(likeness_of(model, as_stack(np.asarray(frames, np.float32))))


def test_counts_as_foretold_are_those_of_a_like_movie():
    mean, variance = light()
    random = np.random.default_rng(1)
    rate = random.gamma(20.0, mean / 20.0, (6, SIDE_PX, SIDE_PX))
    told = found(Foretelling(mean, variance), random.poisson(rate))
    assert told.warning is None
    for value, error in (told.light, told.slope, told.variance):
        assert abs(value - 1.0) < 4 * error < 0.1


@pytest.mark.parametrize("factor", [0.5, 0.96, 1.04, 3.0])
def test_light_is_the_ratio_of_the_sums(factor):
    mean, variance = light()
    told = found(Foretelling(mean, variance), np.repeat(factor * mean[None], 6, axis=0))
    assert told.light[0] == pytest.approx(factor, rel=1e-6)
    assert f"{factor:.3g} times the light" in told.warning


@pytest.mark.parametrize("slope", [-0.1, 0.8, 1.2])
def test_slope_is_that_of_the_counts_over_the_means(slope):
    mean, variance = light()
    middle = np.average(mean, weights=1.0 / variance)
    told = found(Foretelling(mean, variance), np.repeat((middle + slope * (mean - middle))[None], 6, axis=0))
    assert told.slope[0] == pytest.approx(slope, rel=1e-5)
    assert f"there are {slope:.2g} more" in told.warning


@pytest.mark.parametrize("factor", [0.9, 1.1, 4.0])
def test_variance_is_the_ratio_to_the_foretold_one(factor):
    mean, variance = light()
    sign = np.where(np.indices(mean.shape).sum(axis=0) % 2, 1.0, -1.0)
    off = np.sqrt(factor * variance) * sign
    told = found(Foretelling(mean, variance), np.stack([mean + off, mean - off]))
    assert told.variance[0] == pytest.approx(factor, rel=1e-5)
    assert told.light[0] == pytest.approx(1.0, rel=1e-6)
    assert f"{factor:.3g} times the variance" in told.warning
    assert "light" not in told.warning


def test_errors_are_those_of_repetition():
    mean, variance = light()
    random = np.random.default_rng(2)
    model = Foretelling(mean, variance)
    each = []
    for _ in range(150):
        rate = random.gamma(20.0, mean / 20.0, (2, SIDE_PX, SIDE_PX))
        told = found(model, random.poisson(rate))
        each.append((told.light, told.slope, told.variance))
    values, errors = np.moveaxis(np.array(each), 2, 0)
    # The standard deviation of 150 values is known within 6 %.
    np.testing.assert_allclose(values.std(axis=0), errors.mean(axis=0), rtol=0.25)


def test_chance_is_no_finding():
    """Of a few pixels, values beyond the limits come by chance."""
    random = np.random.default_rng(3)
    beyond = 0
    for seed in range(200):
        mean = np.random.default_rng(seed).uniform(1.0, 2.0, (8, 8))
        told = found(Foretelling(mean, mean), random.poisson(mean, (2, 8, 8)))
        beyond += abs(told.light[0] - 1.0) > 0.03 or abs(told.variance[0] - 1.0) > 0.05
        assert told.warning is None
    assert beyond > 100


def test_even_light_has_no_slope():
    mean = np.full((SIDE_PX, SIDE_PX), 9.0)
    told = found(Foretelling(mean, mean), np.random.default_rng(4).poisson(mean, (3, SIDE_PX, SIDE_PX)))
    assert told.slope is None
    assert told.warning is None


def test_where_there_is_no_light_nothing_is_judged():
    mean, variance = light()
    mean[:, : SIDE_PX // 2] = variance[:, : SIDE_PX // 2] = 1e-3
    counts = np.random.default_rng(5).poisson(mean, (6, SIDE_PX, SIDE_PX))
    counts[:, :, : SIDE_PX // 2] = 0
    told = found(Foretelling(mean, mean), counts)
    assert told.warning is None
    assert told.variance[0] == pytest.approx(1.0, abs=4 * told.variance[1])
    assert found(Foretelling(mean / 1e3, mean / 1e3), counts).variance is None


def test_a_model_that_knows_no_variance_is_not_judged_by_it():
    mean, variance = light()
    told = found(Foretelling(mean, variance / 9.0, knows_variance=False), np.repeat(mean[None], 3, axis=0))
    assert told.variance is None
    assert told.warning is None


@pytest.mark.parametrize(
    ("side_px", "n_frames", "asked"),
    [(64, 3, [0, 1, 2]), (64, 120, [10, 30, 50, 70, 90, 110]), (400, 9, [2, 6]), (1000, 9, [4])],
)
def test_frames_are_spread_over_the_movie_and_are_few_where_they_are_large(side_px, n_frames, asked):
    mean = np.full((side_px, side_px), 5.0)
    model = Foretelling(mean, mean)
    movie = as_stack(np.broadcast_to(np.float32(5.0), (n_frames, side_px, side_px)))
    values = list(likeness_of(model, movie))
    assert model.asked == asked
    assert [value.fraction for value in values] == sorted(value.fraction for value in values)
    assert values[-1].fraction == 1.0


def test_of_large_frames_the_middle_is_looked_at():
    mean = np.random.default_rng(6).uniform(5.0, 40.0, (700, 900))
    frames = np.repeat(mean[None], 2, axis=0)
    frames[:, :30] = frames[:, :, :130] = frames[:, -30:] = frames[:, :, -130:] = 1e4
    assert found(Foretelling(mean, mean), frames).light[0] == pytest.approx(1.0, rel=1e-6)
    frames[:, 300:400] *= 2.0
    assert found(Foretelling(mean, mean), frames).light[0] > 1.05


def test_one_frame_unlike_all_others_and_a_cosmic_ray_do_not_count():
    mean, variance = light()
    random = np.random.default_rng(7)
    frames = random.poisson(random.gamma(20.0, mean / 20.0, (6, SIDE_PX, SIDE_PX)))
    frames[0] *= 2
    frames[3, 20, 20] = 60_000
    told = found(Foretelling(mean, variance), frames)
    assert told.warning is None
    assert max(told.slope[1], told.variance[1]) < 0.05
    steeper = mean.mean() + 2.0 * (mean - mean.mean())
    assert "there are 0.6 more" in found(Foretelling(steeper.clip(1.0), variance), frames).warning


def test_a_camera_that_says_too_much_noise_is_not_the_movies_fault():
    mean, variance = light()
    sign = np.where(np.indices(mean.shape).sum(axis=0) % 2, 1.0, -1.0)
    off = np.sqrt(0.8 * variance) * sign
    frames = np.stack([mean + off, mean - off])
    assert "0.8 times the variance" in found(Foretelling(mean, variance), frames).warning
    of_such_a_camera = found(Foretelling(mean, variance, noise_ratio=0.8), frames)
    assert of_such_a_camera.variance[0] == pytest.approx(1.0, rel=1e-4)
    assert of_such_a_camera.warning is None
    # More noise than the camera says is learned with the rest.
    above = found(Foretelling(mean, variance, noise_ratio=1.3), frames)
    assert above.variance[0] == pytest.approx(0.8, rel=1e-4)


def test_a_range_is_looked_at_alone_and_one_that_is_not_there_is_refused():
    mean = np.full((64, 64), 5.0)
    model = Foretelling(mean, mean)
    movie = as_stack(np.full((20, 64, 64), 5.0, np.float32))
    finish(likeness_of(model, movie, 10, 12))
    assert model.asked == [10, 11]
    with pytest.raises(BlinkspotError, match="has frames 0 to 19"):
        finish(likeness_of(model, movie, 10, 30))


def scene(seed, **changes):
    settings = dataclasses.replace(
        PRESETS["low-light"], frames=60, size_px=48, density_per_um2=0.3, seed=seed, **changes
    )
    return SimpleNamespace(
        movie=as_stack(np.concatenate([chunk.frames for chunk in simulate(settings)])), camera=settings.camera
    )


@pytest.fixture(scope="module")
def learned():
    known = scene(1)
    settings = TrainingSettings(channels=8, epochs=25, crop_size_px=32, context_frames=0, seed=1)
    return finish(Training(known.movie, known.camera, settings).run())


def test_a_trained_model_knows_another_movie_of_its_kind_and_not_one_of_another(learned, tmp_path, capfd):
    like, unlike = scene(2), scene(3, background_photons=PRESETS["low-light"].background_photons * 1.5)
    assert finish(likeness_of(learned, like.movie)).warning is None
    told = finish(likeness_of(learned, unlike.movie))
    assert told.light[0] > 1.1
    learned.save(tmp_path / "model.blinkspot")
    for name, each, warns in (("like", like, False), ("unlike", unlike, True)):
        write_stack(tmp_path / f"{name}.tif", each.movie.data)
        line = ["denoise", str(tmp_path / f"{name}.tif"), "-m", str(tmp_path / "model.blinkspot"), "--json"]
        with pytest.raises(SystemExit, match="0"):
            main([*line, "-o", str(tmp_path / f"{name}_denoised.tif")])
        said = capfd.readouterr()
        assert ("has not learned a movie like this one" in said.err) == warns
        assert len(json.loads(said.out)["warnings"]) == warns


def test_a_batch_keeps_the_warning_beside_the_movie_it_denoises(learned, tmp_path):
    learned.save(tmp_path / "model.blinkspot")
    background = PRESETS["low-light"].background_photons
    for name, each in (("like", scene(2)), ("unlike", scene(3, background_photons=1.5 * background))):
        path, target = tmp_path / f"{name}.tif", tmp_path / f"{name}_denoised.tif"
        write_stack(path, each.movie.data)
        step = Denoise(
            path, 60, 48**2, tmp_path / "model.blinkspot", None, "posterior-mean", "adu", "cpu", target
        )
        finish(step.run())
        kept = kept_warnings(target)
        assert ["has not learned a movie like this one" in each for each in kept] == [True] * (
            name == "unlike"
        )


def test_the_sentence_says_what_is_off():
    told = Likeness(light=(1.3, 0.001), slope=(0.6, 0.01), variance=(1.5, 0.01))
    assert told.warning.startswith(
        "The model has not learned a movie like this one (the movie has 1.3 times the light that it "
        "foretells; where it foretells 1 photoelectron more, there are 0.6 more; what it leaves over has "
        "1.5 times the variance that it expects)"
    )
