"""How many neighbouring frames a movie's network should see: as many as held-out frames ask for."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from blinkspot.denoising.batches import CropSource
from blinkspot.denoising.learner import Learner
from blinkspot.progress import Progress, Stopwatch

_STEPS = 400
_LEARNING_RATE = 4e-3
# More context must earn this many standard errors, because it makes neighbouring frames depend on each other.
_STANDARD_ERRORS = 2.0


def choose_context(source: CropSource, learner: Learner, seed: int) -> Generator[Progress, None, int]:
    """Train one small network that is shown 0, 1, ... context frames in turn, and see which help.

    One network for all, because two trained apart differ by more than context frames do: on a movie of
    independent frames, two short trainings with 0 and 2 context frames ended 4e-3 nat per pixel apart, and
    one network 2e-4 or less.

    Parameters
    ----------
    source : CropSource
        Crops with the largest number of context frames to try.
    learner : Learner
        With a small new model of that many context frames.
    seed : int
        Seed of the crops.

    Returns
    -------
    int
        The least number of context frames that no larger one beats by more than 2 standard errors of the
        difference between held-out crops.
    """
    most = learner.model.network.context_frames
    neutral = learner.model.scaling.neutral_counts
    random = np.random.default_rng(seed)
    watch = Stopwatch("choosing context frames", _STEPS)
    for step in range(1, _STEPS + 1):
        batch = source.training_batch(random)
        shown = torch.arange(len(batch)) % (most + 1)
        parts = [seen_with(batch[shown == frames], frames, most, neutral) for frames in range(most + 1)]
        size = _LEARNING_RATE * min(1.0, step / 20, 2.0 * (1.0 - (step - 1) / _STEPS))
        for _ in learner.step(torch.cat(parts), size):
            yield watch.at(step)
    losses = []
    held_out = source.validation_batches(np.random.default_rng(seed + 1))
    for frames in range(most + 1):
        validating = learner.validate([seen_with(batch, frames, most, neutral) for batch in held_out])
        while True:
            try:
                next(validating)
            except StopIteration as stop:
                losses.append(stop.value.losses)
                break
            yield watch.at(_STEPS)
    return least_that_suffices(torch.stack(losses).double().numpy())


def seen_with(batch: Tensor, context_frames: int, most: int, neutral: float) -> Tensor:
    """Return crops with ``most`` context frames, those beyond ``context_frames`` made neutral."""
    shown = batch.clone()
    for frame in range(2 * most + 1):
        if abs(frame - most) > context_frames:
            shown[:, frame] = neutral
    return shown


def least_that_suffices(losses: NDArray[np.float64]) -> int:
    """Return the first row that no later row beats clearly.

    Parameters
    ----------
    losses : ndarray, (n_choices, n_crops)
        Held-out losses, the same crops for each choice.
    """
    for chosen in range(len(losses) - 1):
        gains = losses[chosen] - losses[chosen + 1 :]
        errors = gains.std(axis=1, ddof=1) / np.sqrt(losses.shape[1])
        if not (gains.mean(axis=1) > _STANDARD_ERRORS * errors).any():
            return chosen
    return len(losses) - 1
