"""What the losses of a training say of its course, in words."""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence

import numpy as np

from blinkspot.denoising.training.training_state import TrainingProgress

_FEWEST_VALIDATIONS = 4
# A training still improves while its best validation lies in its last third.
_RECENT = 1.0 / 3.0
# A rise of this part of what the training has gained is no chance: five times and more what validations
# scatter by; and so many in a row must show it.
_RISE_SHARE = 0.005
_RISES_IN_A_ROW = 3


class Course(enum.Enum):
    """How a training goes; its value is how that is said."""

    EARLY = "too early to tell"
    IMPROVING = "still improving"
    LEVEL = "hardly improves any more"
    CONVERGED = "converged"
    OVERFITTING = "overfitting: best model kept"
    RESTARTED = "lost its way: going on from the best with smaller steps"


def course_of(history: Sequence[TrainingProgress]) -> Course:
    """Judge a training by its validations.

    It overfits where validation has risen clearly above its best while the training loss has fallen since:
    the network learns by heart what is in the training frames alone. A training that has gone back to its
    best weights is judged by what came after.

    Parameters
    ----------
    history : sequence of TrainingProgress
        Its validations, oldest first: :attr:`.Training.history`.
    """
    if not history:
        return Course.EARLY
    if history[-1].settled:
        return Course.CONVERGED
    restarts = [number for number, past in enumerate(history) if past.restarted]
    since = history[restarts[-1] + 1 :] if restarts else history
    if len(since) < _FEWEST_VALIDATIONS:
        return Course.RESTARTED if restarts else Course.EARLY
    losses = np.array([_number(past.validation_loss) for past in since])
    best = int(np.argmin(losses))
    if _rises(losses, history):
        return Course.OVERFITTING if _falls(since[best + 1 :]) else Course.LEVEL
    began = history[restarts[-1]].done if restarts else 0.0
    recent = since[-1].done - _RECENT * (since[-1].done - began)
    is_new_best = losses[best] <= min(_number(past.validation_loss) for past in history)
    return Course.IMPROVING if is_new_best and since[best].done >= recent else Course.LEVEL


def _rises(losses: np.ndarray[tuple[int], np.dtype[np.float64]], history: Sequence[TrainingProgress]) -> bool:
    gained = _number(history[0].validation_loss) - min(_number(past.validation_loss) for past in history)
    return bool((losses[-_RISES_IN_A_ROW:] > losses.min() + _RISE_SHARE * gained).all())


def _falls(validations: Sequence[TrainingProgress]) -> bool:
    """Tell whether the training loss is lower in the second half of some validations than in the first."""
    losses = [_number(past.train_loss) for past in validations]
    half = len(losses) // 2
    return half > 0 and float(np.mean(losses[-half:])) < float(np.mean(losses[:half]))


def _number(loss: float | None) -> float:
    return math.inf if loss is None else loss
