"""What the losses of a training say, in words."""

import dataclasses

import numpy as np
import pytest

from blinkspot.denoising import Course, Training, TrainingSettings, course_of
from blinkspot.denoising.training.training_state import TrainingProgress, TrainingState
from blinkspot.evaluation import PRESETS, simulate
from blinkspot.movies.stack import as_stack
from blinkspot.progress import finish


def history(validation, training=None, restarted=(), settled=False):
    training = validation if training is None else training
    return [
        TrainingProgress(
            "training",
            40.0 * (number + 1),
            10_000.0,
            number,
            train_loss=float(train_loss),
            validation_loss=float(loss),
            validated=True,
            restarted=number in restarted,
            settled=settled,
        )
        for number, (loss, train_loss) in enumerate(zip(validation, training, strict=True))
    ]


FALLING = 2.0 + np.exp(-0.1 * np.arange(30))


def test_a_loss_that_falls_is_improving():
    assert course_of(history(FALLING)) is Course.IMPROVING


@pytest.mark.parametrize("n", [0, 1, 3])
def test_a_few_validations_tell_nothing(n):
    assert course_of(history(FALLING[:n])) is Course.EARLY


def test_a_settled_training_has_converged():
    assert course_of(history(FALLING, settled=True)) is Course.CONVERGED


def test_validation_that_rises_while_training_falls_is_overfitting():
    rising = np.concatenate((FALLING[:20], FALLING[19] + 0.01 * np.arange(1, 11)))
    falling_on = FALLING - 0.005 * np.arange(30)
    assert course_of(history(rising, falling_on)) is Course.OVERFITTING


def test_both_rising_is_not_overfitting():
    rising = np.concatenate((FALLING[:20], FALLING[19] + 0.01 * np.arange(1, 11)))
    assert course_of(history(rising, rising)) is Course.LEVEL


def test_one_high_validation_is_not_overfitting():
    with_a_blip = FALLING.copy()
    with_a_blip[-1] += 0.05
    assert course_of(history(with_a_blip, FALLING)) is Course.IMPROVING


def test_scatter_on_a_plateau_is_neither_improving_nor_overfitting():
    scatter = np.random.default_rng(0).normal(0.0, 0.0005, 100)  # 0.05 % of what was gained
    level = np.concatenate((FALLING, 2.05 + scatter))
    level[40] = 2.0485
    training = level - np.linspace(0.0, 1e-3, len(level))
    assert course_of(history(level, training)) is Course.LEVEL


def test_after_a_restart_it_is_judged_anew():
    lost = np.concatenate((FALLING, [2.5], FALLING[-1] * np.ones(2)))
    assert course_of(history(lost, restarted=[30])) is Course.RESTARTED
    better = np.concatenate((FALLING, [2.5], FALLING[-1] - 0.01 * np.arange(1, 11)))
    assert course_of(history(better, restarted=[30])) is Course.IMPROVING
    # What is better only than the loss that was given up is no improvement.
    no_better = np.concatenate((FALLING, [2.5], FALLING[-1] + 0.01 - 0.0002 * np.arange(1, 11)))
    assert course_of(history(no_better, restarted=[30])) is Course.LEVEL


def test_a_restart_is_noted_in_the_history():
    state = TrainingState.new(TrainingSettings(), 10, 0)
    for number, loss in enumerate((3.0, 2.0, 2.9)):
        state.step = 600 * (number + 1)
        state.finish_validation(loss, 0.1)
    assert state.has_lost_its_way(2.9)
    report = state.restart()
    assert report.restarted
    assert state.history[-1] == report
    assert state.schedule.restarted_at == 1800
    again = TrainingState.new(TrainingSettings(), 10, 0)
    state.finish_step(2.0, 1.0)
    again.restore(state.as_dict())
    assert again.history == state.history


def test_a_training_with_context_frames_is_held_to_more_also_when_it_goes_on():
    begun = TrainingState.new(TrainingSettings(), 10, 2)
    assert begun.schedule.with_context
    begun.finish_step(2.0, 1.0)
    again = TrainingState.new(TrainingSettings(), 10, 0)
    assert not again.schedule.with_context
    again.restore(begun.as_dict())
    assert again.schedule == begun.schedule


def test_a_large_network_on_a_handful_of_frames_overfits():
    preset = dataclasses.replace(PRESETS["low-light"], frames=8, size_px=24, seed=1)
    movie = as_stack(np.concatenate([chunk.frames for chunk in simulate(preset)]))
    settings = TrainingSettings(
        epochs=40, crop_size_px=16, batch_size=4, channels=16, context_frames=0, device="cpu"
    )
    training = Training(movie, preset.camera, settings)
    finish(training.run())
    assert course_of(training.history) is Course.OVERFITTING
