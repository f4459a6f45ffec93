"""A camera that does not fit its movie shows in what a trained model leaves over."""

import dataclasses

import numpy as np
import pytest

from blinkspot.denoising import Training, TrainingSettings
from blinkspot.denoising.residual_check import residual_warning
from blinkspot.evaluation import PRESETS, simulate
from blinkspot.progress import finish
from blinkspot.stack import as_stack

SETTINGS = TrainingSettings(
    epochs=30, crop_size_px=32, batch_size=8, channels=6, context_frames=0, device="cpu", seed=1
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


@pytest.mark.parametrize("ratio", [0.86, 1.0, 1.19])
def test_a_ratio_near_one_is_no_warning(ratio):
    assert residual_warning(ratio) is None
