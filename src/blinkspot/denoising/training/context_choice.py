"""How many neighbouring frames a movie's network should see: as many as held-out frames ask for."""

from __future__ import annotations

import math
from collections.abc import Generator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from blinkspot.denoising.batches import CropSource, split_batch
from blinkspot.denoising.prior import InputScaling
from blinkspot.denoising.training.learner import Learner
from blinkspot.progress import Progress, Stopwatch, relayed

_STEPS = 400
_LEARNING_RATE = 4e-3
# What the first context frame must earn, because it makes neighbouring frames depend on each other, and what
# the second must, by which they depend hardly more.
_STANDARD_ERRORS = (2.0, 1.0)
_FEWEST_CROPS = 8


def choose_context(
    source: CropSource, learner: Learner, seed: int, most_s: float = math.inf
) -> Generator[Progress, None, int]:
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
    most_s : float
        Seconds after which the network has to do with the steps that it has had.

    Returns
    -------
    int
        The least number of context frames that no larger one clearly beats: 0 where none does by more than 2
        standard errors of the difference between held-out crops, else 1 where 2 do not by more than 1.
    """
    most = learner.model.network.context_frames
    scaling = learner.model.scaling
    random = np.random.default_rng(seed)
    watch = Stopwatch("choosing context frames", _STEPS)
    for step in range(1, _STEPS + 1):
        batch = source.training_batch(random)
        shown = (torch.arange(len(batch)) + step) % (most + 1)
        parts = [seen_with(batch[shown == frames], frames, most, scaling) for frames in range(most + 1)]
        size = _LEARNING_RATE * min(1.0, step / 20, 2.0 * (1.0 - (step - 1) / _STEPS))
        for _ in learner.step(torch.cat(parts), size):
            yield watch.at(step)
        if watch.elapsed_s > most_s:
            break
    losses = []
    held_out = source.validation_batches(np.random.default_rng(seed + 1))
    for frames in range(most + 1):
        validating = learner.validate([seen_with(batch, frames, most, scaling) for batch in held_out])
        found = yield from relayed(validating, lambda _: watch.at(_STEPS))
        losses.append(found.losses)
    return least_that_suffices(torch.stack(losses).double().numpy(), source.independent_crops)


def seen_with(batch: Tensor, context_frames: int, most: int, scaling: InputScaling) -> Tensor:
    """Return crops with ``most`` context frames, those beyond ``context_frames`` made neutral."""
    _, read_counts = split_batch(batch, most)
    neutral = scaling.neutral_counts(read_counts)
    shown = batch.clone()
    for frame in range(2 * most + 1):
        if abs(frame - most) > context_frames:
            shown[:, frame] = neutral
    return shown


def least_that_suffices(losses: NDArray[np.float64], independent: float) -> int:
    """Return the first row that no later row beats clearly.

    Parameters
    ----------
    losses : ndarray, (n_choices, n_crops)
        Held-out losses, the same crops for each choice.
    independent : float
        How many crops there would be if none overlapped; with few of them nothing is clear.
    """
    n_independent = min(independent, losses.shape[1])
    if n_independent < _FEWEST_CROPS:
        return 0
    for chosen in range(len(losses) - 1):
        gains = losses[chosen] - losses[chosen + 1 :]
        errors = gains.std(axis=1, ddof=1) / np.sqrt(n_independent)
        if not (gains.mean(axis=1) > _STANDARD_ERRORS[min(chosen, 1)] * errors).any():
            return chosen
    return len(losses) - 1
