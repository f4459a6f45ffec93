"""The number of context frames that a movie asks for."""

import dataclasses

import numpy as np
import pytest
import torch

from blinkspot.denoising import Training, TrainingSettings
from blinkspot.denoising.prior import InputScaling
from blinkspot.denoising.training import context_choice
from blinkspot.denoising.training.context_choice import least_that_suffices, seen_with
from blinkspot.evaluation import PRESETS, simulate
from blinkspot.movies.stack import as_stack


@pytest.fixture(autouse=True)
def thorough_choice(thorough_choice_steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context_choice, "_STEPS", thorough_choice_steps)


def chosen_for(**changes) -> int:
    settings = dataclasses.replace(
        PRESETS["low-light"], frames=200, size_px=64, density_per_um2=0.3, seed=3, **changes
    )
    movie = as_stack(np.concatenate([chunk.frames for chunk in simulate(settings)]))
    training = Training(movie, settings.camera, TrainingSettings(epochs=1, device="cpu"))
    run = training.run()
    while training.context_frames is None:
        next(run)
    run.close()
    return training.context_frames


def test_molecules_that_stay_on_for_frames_ask_for_two_frames_on_each_side():
    assert chosen_for(mean_on_frames=6.0, photons=(100.0, 200.0)) == 2


def test_independent_frames_ask_for_none():
    assert chosen_for(mean_on_frames=0.0, photons=(100.0, 200.0)) == 0


def test_the_least_that_no_larger_one_clearly_beats_is_taken():
    random = np.random.default_rng(0)
    crops = random.normal(2.0, 0.1, 200)  # crops differ much, choices little
    noise = random.normal(0.0, 1e-3, (3, 200))

    def choice(*gains):
        return least_that_suffices(crops - np.array(gains)[:, None] + noise, independent=200)

    assert choice(0.0, 0.0, 0.0) == 0
    assert choice(0.0, 5e-3, 5e-3) == 1
    assert choice(0.0, 5e-3, 1e-2) == 2
    assert choice(0.0, -5e-3, 5e-3) == 2
    assert choice(0.0, -1e-2, -1e-2) == 0
    # The noise of a difference is about 1e-4: the first frame must earn two errors, the second one.
    assert choice(0.0, 1.5e-4, 1.5e-4) in (0, 1)
    assert choice(0.0, 5e-3, 5e-3 + 3e-4) == 2


@pytest.mark.parametrize("context", [0, 1, 2])
def test_frames_beyond_the_context_are_hidden_and_no_others(context):
    batch = torch.rand(3, 6, 4, 4)  # two frames on each side, and a channel of read variance
    scaling = InputScaling(root_mean=4.0, root_std=1.2, mean_counts=4.0)
    shown = seen_with(batch, context, most=2, scaling=scaling)
    assert torch.equal(shown[:, 5], batch[:, 5])
    for frame in range(5):
        if abs(frame - 2) <= context:
            assert torch.equal(shown[:, frame], batch[:, frame])
            continue
        # What the network is given of it: stabilised counts less stabilised read variance, scaled.
        counts, read_counts = shown[:, frame].double(), batch[:, 5].double()
        stabilised = 2 * torch.sqrt(counts + 0.375) - 2 * torch.sqrt(read_counts + 0.375) + 2 * 0.375**0.5
        torch.testing.assert_close(stabilised, torch.full_like(stabilised, 4.0), rtol=0, atol=1e-5)


def test_crops_that_overlap_count_only_once():
    random = np.random.default_rng(3)
    few = random.normal(0.0, 1e-3, (2, 12))
    few[1] -= 6e-4  # 1.5 standard errors of twelve
    overlapping = np.repeat(few, 40, axis=1)
    assert least_that_suffices(overlapping, independent=480) == 1
    assert least_that_suffices(overlapping, independent=12) == 0
    assert least_that_suffices(overlapping - np.array([[0.0], [1.0]]), independent=3) == 0
