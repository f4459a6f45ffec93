"""A camera that does not fit its movie shows in what a trained model leaves over."""

import dataclasses

import numpy as np
import pytest
import torch

from blinkspot.denoising import Training, TrainingSettings
from blinkspot.denoising.training.residual_check import (
    ResidualCheck,
    dark_sums,
    residual_ratio,
    residual_warning,
    settled_ratio,
)
from blinkspot.evaluation import PRESETS, simulate
from blinkspot.movies.stack import as_stack
from blinkspot.progress import finish

SETTINGS = TrainingSettings(
    epochs=14, crop_size_px=32, batch_size=8, channels=6, context_frames=0, device="cpu", seed=1
)


@pytest.fixture(scope="module")
def movie():
    settings = dataclasses.replace(PRESETS["low120"], frames=60, size_px=48, seed=5)
    return as_stack(np.concatenate([chunk.frames for chunk in simulate(settings)])), settings.camera


@pytest.mark.parametrize(("factor", "word"), [(1.0, None), (0.77, "too small"), (1.3, "too large")])
def test_the_ratio_is_the_factor_by_which_the_counts_are_wrong(movie, factor, word):
    stack, camera = movie
    wrong = dataclasses.replace(camera, electrons_per_adu=camera.electrons_per_adu * factor)
    training = Training(stack, wrong, SETTINGS)
    finish(training.run())
    ratio = training.best.provenance["residual_ratio"]
    assert ratio == pytest.approx(factor, rel=0.06)
    found = [warning for warning in training.warnings if "leaves over" in warning]
    assert len(found) == (word is not None)
    assert word is None or word in found[0]


@pytest.mark.parametrize("epochs", [1, 2])
def test_a_model_that_has_not_learned_the_movie_does_not_accuse_the_camera(epochs):
    settings = dataclasses.replace(PRESETS["yfp4"], frames=60, size_px=48, seed=4)
    stack = as_stack(np.concatenate([chunk.frames for chunk in simulate(settings)]))
    training = Training(stack, settings.camera, dataclasses.replace(SETTINGS, epochs=epochs))
    finish(training.run())
    assert training._residual.ratios[-1] > 1.2
    assert not [warning for warning in training.warnings if "leaves over" in warning]
    assert training.best.provenance["residual_ratio"] is None


@pytest.mark.parametrize(
    ("ratios", "settled"),
    [
        ([], None),
        ([18.0], None),
        ([18.0, 3.0], None),
        ([3.0, 1.31, 1.3], 1.3),
        ([1.3, None], None),
        ([None, 1.3], None),
    ],
)
def test_a_ratio_counts_once_learning_does_not_change_it(ratios, settled):
    assert settled_ratio(ratios) == settled


def sums_of(counts, mean):
    return dark_sums(torch.from_numpy(counts), torch.from_numpy(np.broadcast_to(mean, counts.shape).copy()))


@pytest.mark.parametrize("scale", [0.5, 1.0, 4.0])
def test_the_ratio_is_the_scale_of_counts_that_are_none(scale):
    counts = scale * np.random.default_rng(3).poisson(20.0, (4, 64, 64)).astype(np.float64)
    assert residual_ratio(sums_of(counts, 20.0 * scale)) == pytest.approx(scale, rel=0.05)


@pytest.mark.parametrize("light", [0.1, 20.0])
@pytest.mark.parametrize("wrong", [1e-6, 0.5, 1.5, 1e6])
def test_a_model_that_does_not_know_how_bright_the_dark_is_says_nothing_of_the_camera(light, wrong):
    counts = np.random.default_rng(4).poisson(light, (4, 64, 64)).astype(np.float64)
    assert residual_ratio(sums_of(counts, light * wrong)) is None


def test_the_camera_is_judged_once_and_not_by_the_first_steps():
    check = ResidualCheck()
    assert check.note(1.5, 10, False) is None
    assert check.note(1.5, 20, False) is None
    assert check.note(1.5, 200, False) is not None
    again = ResidualCheck.from_dict(check.as_dict())
    assert again == check
    assert again.note(1.5, 300, False) is None
    short = ResidualCheck()
    short.note(1.5, 10, False)
    assert short.note(1.5, 20, True) is not None


@pytest.mark.parametrize("ratio", [0.86, 1.0, 1.19])
def test_a_ratio_near_one_is_no_warning(ratio):
    assert residual_warning(ratio) is None
