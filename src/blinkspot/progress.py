"""What a long job says while it runs.

Long work is a generator that yields :class:`Progress` values at least every 100 ms and returns its result.
It can be closed at any yield. The command line prints the values, a dock paints them, a test collects them.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

ResultT = TypeVar("ResultT")
SaidT = TypeVar("SaidT")
RelayedT = TypeVar("RelayedT")
ProgressT = TypeVar("ProgressT", bound="Progress")


@dataclass(frozen=True)
class Progress:
    """How far a job is.

    Attributes
    ----------
    step : str
        What is being done, as a present participle: ``"denoising"``.
    done, total : float
        Amount of work done and amount in all, in the same unit.
    elapsed_s : float
        Seconds since the job began, without pauses.
    done_before : float
        Part of ``done`` that was there when the job began, which goes on with an earlier one.
    """

    step: str
    done: float
    total: float
    elapsed_s: float
    done_before: float = field(default=0.0, kw_only=True)

    @property
    def fraction(self) -> float:
        """Part of the work that is done, from 0 to 1."""
        return min(1.0, self.done / self.total) if self.total > 0 else 1.0

    @property
    def remaining_s(self) -> float | None:
        """Estimated seconds still to go, or None while too little is done to tell."""
        if self.fraction == 1.0:
            return 0.0
        done_now = self.done - self.done_before
        if done_now <= 0.0 or self.elapsed_s < 0.5:
            return None
        return self.elapsed_s * (self.total - self.done) / done_now


class _Paused(threading.local):
    seconds = 0.0


_paused = _Paused()


def working_time_s() -> float:
    """Return a clock that stands still in a :func:`pause` of this thread; only differences mean anything."""
    return time.perf_counter() - _paused.seconds


@contextlib.contextmanager
def pause() -> Iterator[None]:
    """Have a block, in which the job of this thread waits, not count as time that its job has taken."""
    began = time.perf_counter()
    try:
        yield
    finally:
        _paused.seconds += time.perf_counter() - began


@dataclass
class Stopwatch:
    """Makes the :class:`Progress` values of one job.

    It stands still while the job is paused. To be asked in the thread in which it was made.
    """

    step: str
    total: float
    started: float = field(default_factory=working_time_s)
    done_before: float = field(default=0.0, kw_only=True)

    @property
    def elapsed_s(self) -> float:
        """Seconds since the stopwatch was made, without pauses."""
        return working_time_s() - self.started

    def at(self, done: float) -> Progress:
        """Return the progress value for ``done`` units of work."""
        return Progress(self.step, done, self.total, self.elapsed_s, done_before=self.done_before)


def relayed(
    job: Generator[SaidT, None, ResultT], change: Callable[[SaidT], RelayedT]
) -> Generator[RelayedT, None, ResultT]:
    """Run a job as a part of another: yield ``change(value)`` for each of its values, return what it returns.

    Closed with the job around it, it closes this one.
    """
    with contextlib.closing(job):
        while True:
            try:
                value = next(job)
            except StopIteration as stop:
                result: ResultT = stop.value
                return result
            yield change(value)


def finish(
    job: Generator[ProgressT, None, ResultT],
    on_progress: Callable[[ProgressT], Any] | None = None,
) -> ResultT:
    """Run a job to its end and return what it returns.

    Parameters
    ----------
    job : generator
        Yields progress values and returns the result. Where ``on_progress`` raises, it is closed, and so
        clears away what it has half done.
    on_progress : callable, optional
        Called with each value.
    """
    with contextlib.closing(job):
        while True:
            try:
                value = next(job)
            except StopIteration as stop:
                result: ResultT = stop.value
                return result
            if on_progress is not None:
                on_progress(value)
