"""How long a training lasts, and how large its steps are.

The step size rises for a few steps, stays at its largest, and falls to zero at the end. The fall begins when
the budget is nearly spent, or earlier, when the validation loss has settled: then the training ends early.
Where a training has lost its way, it goes on from its best weights with half the step size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

_WARM_UP_STEPS = 20
# Wider networks lose their way with the steps of narrow ones: 64 channels at 6e-3 and at 4.2e-3, within the
# first 80 steps, but not at 3e-3; 16 and 32 channels learn at 6e-3.
_WIDEST_AT_FULL_SIZE = 32
# Share of a training in which the step size falls.
_FALL_SHARE = 0.3
# The loss has settled when the last third of the training lowered it by less than this part of what the
# error that remains costs: 0.005 of the squared error is 0.02 dB.
_SETTLED_SHARE = 0.005
# With context frames the loss now and then rises for some hundred steps, and falls again to below what it
# was. While it is further above its best than this part of what remains, it has not settled; validations
# that follow each other scatter by a fifth of that.
_MOST_RISEN_WITH_CONTEXT = 0.002
# A training that ends while its last third still gains so much (0.09 dB) is too short to be trusted.
_ROUGH_SHARE = 0.02
_SETTLED_OVER = 1.0 / 3.0
_LEAST_STEPS_TO_SETTLE = 1000
# One validation may lie low by chance: so many in a row must say so.
_SETTLED_IN_A_ROW = 3
# A training has lost its way when it has lost this part of what it had gained: twenty times and more what
# validations scatter by. The first steps go up and down.
_LOST_SHARE = 0.02
_LEAST_STEPS_TO_LOSE = 500
# A loss that is still no number after so many restarts does not come of too large steps.
_MOST_DIVERGED = 2


def largest_step(learning_rate: float, channels: int) -> float:
    """Return the largest step size of a network: the one asked for, less in proportion for a wide one.

    That a step of Adam's must shrink as a layer grows wider, for it moves all its inputs' weights the same
    way, is in Yang et al. 2021, "Tuning large neural networks via zero-shot hyperparameter transfer".

    Parameters
    ----------
    learning_rate : float
        As :class:`blinkspot.denoising.settings.TrainingSettings` has it.
    channels : int
        Feature channels.
    """
    return learning_rate * min(1.0, _WIDEST_AT_FULL_SIZE / channels)


@dataclass
class Schedule:
    """The course of one training.

    Attributes
    ----------
    largest : float
        Largest step size (learning rate).
    end : float
        Budget, in the unit of ``done``: steps or seconds. Less once the training has settled early.
    with_context : bool
        Whether the network sees context frames.
    fall_from : float or None
        Where the step size begins to fall; None until that is decided.
    settled : bool
        Whether the loss settled before the fall began.
    rough : bool
        Whether the last third of the training, at its last validation before the fall, still gained so much
        that its model leaves ripples; True until that is known.
    restarted_at : int
        Step after which the training last went on from its best weights; 0 if it never did.
    restarted_when : float
        What of the budget was spent then.
    diverged : int
        Restarts because the loss was no longer a number.
    in_a_row : int
        Successive validations that found the loss settled.
    losses : list of (float, float)
        ``done`` and validation loss while the step size was constant, since the last restart.
    """

    largest: float
    end: float
    with_context: bool = False
    fall_from: float | None = None
    settled: bool = False
    rough: bool = True
    restarted_at: int = 0
    restarted_when: float = 0.0
    diverged: int = 0
    in_a_row: int = 0
    losses: list[tuple[float, float]] = field(default_factory=list)

    def learning_rate(self, step: int, done: float) -> float:
        """Return the step size of a step (from 1) before which ``done`` of the budget was spent."""
        if self.fall_from is None and done >= (1.0 - _FALL_SHARE) * self.end:
            self.fall_from = done
        size = self.largest * min(1.0, (step - self.restarted_at) / _WARM_UP_STEPS)
        if self.fall_from is not None:
            length = max(self.end - self.fall_from, 1e-9)
            size *= max(1e-3, 1.0 - (done - self.fall_from) / length)
        return size

    def note_validation(self, step: int, done: float, loss: float, own_weight: float) -> None:
        """Take note of a validation, and end the training early where the loss has settled.

        Parameters
        ----------
        step : int
            Steps made.
        done : float
            Budget spent.
        loss : float
            Validation loss, nat per pixel.
        own_weight : float
            Mean weight of a pixel in its own estimate, :func:`blinkspot.denoising.noise.own_weight`. Half of
            it is, to second order, what the error of the prior's mean costs in nat per pixel: variance of the
            error over twice the variance of the count.
        """
        if self.fall_from is not None:
            return
        self.losses.append((done, loss))
        third = _SETTLED_OVER * (done - self.restarted_when)
        before = [past for when, past in self.losses if when <= done - third]
        if step - self.restarted_at < _LEAST_STEPS_TO_SETTLE or not before:
            return
        remains = 0.5 * own_weight
        gained = (before[-1] - loss) / remains
        self.rough = gained >= _ROUGH_SHARE
        risen = (loss - min(past for _, past in self.losses)) / remains
        most_risen = _MOST_RISEN_WITH_CONTEXT if self.with_context else math.inf
        has_settled = gained < _SETTLED_SHARE and risen < most_risen
        self.in_a_row = self.in_a_row + 1 if has_settled else 0
        if self.in_a_row == _SETTLED_IN_A_ROW:
            self.settled = True
            self.fall_from = done
            self.end = min(self.end, done / (1.0 - _FALL_SHARE))

    def has_lost_its_way(self, step: int, loss: float, first_loss: float, best_loss: float) -> bool:
        """Tell whether a validation loss is much worse than the best so far.

        Parameters
        ----------
        step : int
            Steps made.
        loss, first_loss, best_loss : float
            This validation loss, the first of the training, and the best, nat per pixel.
        """
        lost = loss - best_loss
        return step >= _LEAST_STEPS_TO_LOSE and not lost <= _LOST_SHARE * (first_loss - best_loss)

    @property
    def is_hopeless(self) -> bool:
        """Whether no smaller steps help any more against a loss that is not a number."""
        return self.diverged >= _MOST_DIVERGED

    def restart(self, step: int, done: float) -> None:
        """Go on from the best weights with half the step size, which rises anew.

        What was gained before does not tell whether the smaller steps still gain anything: whether the loss
        has settled is judged anew.
        """
        self.largest *= 0.5
        self.restarted_at, self.restarted_when = step, done
        self.in_a_row = 0
        self.losses.clear()
