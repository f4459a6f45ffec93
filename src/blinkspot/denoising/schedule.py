"""How long a training lasts, and how large its steps are.

The step size rises for a few steps, stays at its largest, and falls to zero at the end. The fall begins when
the budget is nearly spent, or earlier, when the validation loss has settled: then the training ends early.
"""

from __future__ import annotations

from dataclasses import dataclass, field

_WARM_UP_STEPS = 20
# Share of a training in which the step size falls.
_FALL_SHARE = 0.3
# The loss has settled when the last third of the training lowered it by less than this part of what the
# error that remains costs: 0.02 of the squared error is 0.09 dB.
_SETTLED_SHARE = 0.02
_SETTLED_OVER = 1.0 / 3.0
_LEAST_STEPS_TO_SETTLE = 1000


@dataclass
class Schedule:
    """The course of one training.

    Attributes
    ----------
    largest : float
        Largest step size (learning rate).
    end : float
        Budget, in the unit of ``done``: steps or seconds. Less once the training has settled early.
    fall_from : float or None
        Where the step size begins to fall; None until that is decided.
    settled : bool
        Whether the loss settled before the fall began.
    losses : list of (float, float)
        ``done`` and validation loss while the step size was constant.
    """

    largest: float
    end: float
    fall_from: float | None = None
    settled: bool = False
    losses: list[tuple[float, float]] = field(default_factory=list)

    def learning_rate(self, step: int, done: float) -> float:
        """Return the step size of a step (from 1) before which ``done`` of the budget was spent."""
        if self.fall_from is None and done >= (1.0 - _FALL_SHARE) * self.end:
            self.fall_from = done
        size = self.largest * min(1.0, step / _WARM_UP_STEPS)
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
        before = [past for when, past in self.losses if when <= (1.0 - _SETTLED_OVER) * done]
        if step < _LEAST_STEPS_TO_SETTLE or not before:
            return
        if before[-1] - loss < _SETTLED_SHARE * 0.5 * own_weight:
            self.settled = True
            self.fall_from = done
            self.end = min(self.end, done / (1.0 - _FALL_SHARE))
