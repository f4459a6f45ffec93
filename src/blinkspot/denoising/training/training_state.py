"""Where a training stands, apart from its weights."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from blinkspot.denoising.networks import default_channels
from blinkspot.denoising.settings import TrainingSettings
from blinkspot.denoising.training.schedule import Schedule, largest_step
from blinkspot.progress import Progress

_MOST_STEPS = 10_000
_LARGEST_WHOLE = 2**53
_FIRST_VALIDATION = 10
_LEAST_VALIDATION_INTERVAL = 40
_MOST_VALIDATION_INTERVAL = 100


@dataclass(frozen=True)
class TrainingProgress(Progress):
    """How far a training is, and how well it goes.

    Attributes
    ----------
    epoch : float
        Passes over the training frames so far.
    train_loss, validation_loss : float or None
        Loss per pixel (negative log likelihood in nat, unless the settings ask for another loss): mean since
        the last validation, and at the last one.
    validated : bool
        True where a validation has just been made.
    improved : bool
        True where that validation was the best so far, so that :attr:`Training.best` is new.
    settled : bool
        True once the validation loss has settled; the training ends soon after.
    restarted : bool
        True where that validation was so much worse than the best one that the training went on from the best
        weights, with smaller steps.
    """

    epoch: float = 0.0
    train_loss: float | None = None
    validation_loss: float | None = None
    validated: bool = False
    improved: bool = False
    settled: bool = False
    restarted: bool = False


@dataclass
class TrainingState:
    """Everything but weights that the next step of a training depends on.

    Attributes
    ----------
    schedule : Schedule
        Size of the steps, and when to stop.
    steps_per_epoch : int
        Steps that show as many pixels as the training frames have.
    random : numpy Generator
        Picks the crops.
    step : int
        Steps made.
    elapsed_s : float
        Time since the first step began, seconds.
    next_validation : int
        Step after which the next validation is due.
    losses : list of float
        Losses of the batches since the last validation.
    history : list of TrainingProgress
        The values at each validation.
    """

    schedule: Schedule
    steps_per_epoch: int
    random: np.random.Generator
    step: int = 0
    elapsed_s: float = 0.0
    next_validation: int = _FIRST_VALIDATION
    losses: list[float] = field(default_factory=list)
    history: list[TrainingProgress] = field(default_factory=list)
    timed: bool = False
    _random_at_step: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def new(cls, settings: TrainingSettings, steps_per_epoch: int, context_frames: int) -> TrainingState:
        """Return the state of a training that has not begun."""
        if settings.minutes is not None:
            end = 60.0 * settings.minutes
        else:
            end = _MOST_STEPS if settings.epochs is None else steps_per_epoch * settings.epochs
        random = np.random.default_rng(settings.seed)
        channels = settings.channels or default_channels(settings.network)
        schedule = Schedule(
            largest_step(settings.learning_rate, channels), end, with_context=context_frames > 0
        )
        state = cls(schedule, steps_per_epoch, random)
        state.timed = settings.minutes is not None
        return state

    @property
    def done(self) -> float:
        """How much of the budget is spent: steps, or seconds where time is the limit."""
        return self.elapsed_s if self.timed else self.step

    @property
    def over(self) -> bool:
        """Whether the budget is spent."""
        return self.done >= self.schedule.end

    @property
    def validation_due(self) -> bool:
        """Whether the weights of the last step are to be validated."""
        validated = bool(self.history) and self.history[-1].done >= self.done
        return self.step >= self.next_validation or (self.over and not validated)

    @property
    def best_loss(self) -> float:
        """The least validation loss so far; infinite before the first."""
        losses = (past.validation_loss for past in self.history)
        return min((loss for loss in losses if loss is not None and math.isfinite(loss)), default=math.inf)

    def finish_step(self, loss: float, elapsed_s: float) -> None:
        """Take note of a step."""
        self.step += 1
        self.elapsed_s = elapsed_s
        self.losses.append(loss)
        self._random_at_step = dict(self.random.bit_generator.state)

    def finish_validation(self, loss: float, own_weight: float) -> TrainingProgress:
        """Take note of a validation; return what to report of it."""
        interval = min(_MOST_VALIDATION_INTERVAL, max(_LEAST_VALIDATION_INTERVAL, self.steps_per_epoch))
        self.next_validation = self.step + min(self.step, interval)
        improved = loss < self.best_loss
        if math.isfinite(loss) and not self.has_lost_its_way(loss):
            self.schedule.note_validation(self.step, self.done, loss, own_weight)
        train_loss = float(np.mean(self.losses)) if self.losses else None
        self.losses.clear()
        report = dataclasses.replace(
            self.progress(), train_loss=train_loss, validation_loss=loss, validated=True, improved=improved
        )
        self.history.append(report)
        return report

    def has_lost_its_way(self, loss: float) -> bool:
        """Tell whether a validation loss is much worse than the best so far."""
        if not self.history:
            return False
        first = self.history[0].validation_loss or math.inf
        return self.schedule.has_lost_its_way(self.step, loss, first, self.best_loss)

    def restart(self) -> TrainingProgress:
        """Take note that the training goes on from its best weights; return the last validation's report."""
        self.schedule.restart(self.step, self.done)
        self.history[-1] = dataclasses.replace(self.history[-1], restarted=True)
        return self.history[-1]

    def restart_diverged(self) -> TrainingProgress:
        """Do as :meth:`restart`, because the loss was no longer a number."""
        self.schedule.diverged += 1
        # The batch that it came of is not drawn again.
        self._random_at_step = dict(self.random.bit_generator.state)
        return self.restart()

    def progress(self) -> TrainingProgress:
        """Return how far the training is."""
        last = self.history[-1] if self.history else None
        return TrainingProgress(
            "training",
            min(self.done, self.schedule.end) if self.timed else self.done,
            self.schedule.end,
            self.elapsed_s,
            epoch=self.step / self.steps_per_epoch,
            train_loss=None if last is None else last.train_loss,
            validation_loss=None if last is None else last.validation_loss,
            settled=self.schedule.settled,
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the state as JSON-ready values, as it was after the last whole step."""
        return {
            "schedule": dataclasses.asdict(self.schedule),
            "random": self._random_at_step,
            "step": self.step,
            "elapsed_s": self.elapsed_s,
            "next_validation": self.next_validation,
            "losses": self.losses,
            "history": [dataclasses.asdict(past) for past in self.history],
        }

    def restore(self, values: dict[str, Any]) -> None:
        """Go back to what :meth:`as_dict` returned.

        Raises
        ------
        AttributeError, KeyError, OverflowError, TypeError or ValueError
            If the values are not such.
        """
        schedule = dict(values["schedule"])
        losses = [(float(done), float(loss)) for done, loss in schedule.pop("losses")]
        self.schedule = Schedule(**_numbers(Schedule, schedule), losses=losses)
        self._random_at_step = dict(values["random"])
        self.random.bit_generator.state = self._random_at_step
        self.step = _whole(values["step"])
        self.elapsed_s = float(values["elapsed_s"])
        self.next_validation = _whole(values["next_validation"])
        self.losses = [float(loss) for loss in values["losses"]]
        self.history = [TrainingProgress(**_numbers(TrainingProgress, past)) for past in values["history"]]


def _whole(value: Any) -> int:
    number = int(value)
    if abs(number) > _LARGEST_WHOLE:
        raise OverflowError(f"{number} is beyond any training")
    return number


_AS: dict[object, Callable[[Any], Any]] = {
    "bool": bool,
    "float": float,
    "float | None": lambda value: None if value is None else float(value),
    "int": _whole,
    "str": str,
}


def _numbers(kind: type[Any], values: dict[str, Any]) -> dict[str, Any]:
    """Return values of a file as the fields of a dataclass are."""
    types = {field.name: field.type for field in dataclasses.fields(kind)}
    return {name: _AS[types[name]](value) for name, value in values.items()}
