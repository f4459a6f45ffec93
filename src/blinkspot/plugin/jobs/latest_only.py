"""Questions that follow one another fast, answered in another thread: only the newest answer counts."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from napari.qt.threading import WorkerBase
from qtpy.compat import isalive
from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]

from blinkspot.plugin.jobs.running import MakeJob, log_warning, widen_pool


@dataclass(frozen=True)
class _Answer:
    generation: int
    value: Any = None
    error: Exception | None = None


class _QuestionWorker(WorkerBase):  # type: ignore[misc]
    """Computes one answer. It never shows in napari's lists of tasks: there may be many of them a second."""

    def __init__(self, question: Callable[[], Any], generation: int) -> None:
        super().__init__()
        self._question: Callable[[], Any] | None = question
        self._generation = generation

    def work(self) -> _Answer:
        # What it is about, movies and layers, must not stay with the worker, which superqt keeps for longer.
        question, self._question = self._question, None
        assert question is not None
        try:
            return _Answer(self._generation, question())
        except Exception as error:
            return _Answer(self._generation, error=error)


class LatestOnly(QObject):
    """Computes answers in another thread and delivers only the newest.

    At most one computation runs and at most one waits; a newer question replaces the one that waits, and
    makes the answer of the one that runs stale.

    Signals
    -------
    answered : object
        Answer to the newest question.
    failed : object
        The exception that the newest question raised.
    """

    answered = Signal(object)
    failed = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._generation = 0
        self._worker: WorkerBase | None = None
        self._waiting: Callable[[], Any] | None = None

    @property
    def busy(self) -> bool:
        """Whether an answer is being computed."""
        return self._worker is not None

    def ask(self, question: Callable[[], Any]) -> None:
        """Have ``question()`` computed in another thread."""
        self._generation += 1
        self._waiting = question
        if self._worker is None:
            self._start()

    def ask_job(self, make_job: MakeJob) -> None:
        """Have a job done in another thread, and dropped at its next value once a newer question came.

        Its values go nowhere; what it returns is the answer.
        """
        generation = self._generation + 1
        reference = weakref.ref(self)

        def is_wanted() -> bool:
            owner = reference()
            if owner is None or not isalive(owner):  # type: ignore[no-untyped-call]
                return False
            return owner._generation == generation

        def question() -> Any:
            job = make_job()
            try:
                while is_wanted():
                    next(job)
            except StopIteration as stop:
                return stop.value
            finally:
                job.close()
            return None

        self.ask(question)

    def forget(self) -> None:
        """Drop the question that waits, and the answer of the one that runs."""
        self._generation += 1
        self._waiting = None

    def _start(self) -> None:
        question, self._waiting = self._waiting, None
        if question is None:
            return
        widen_pool()
        self._worker = _QuestionWorker(question, self._generation)
        self._worker.returned.connect(self._on_returned)
        self._worker.warned.connect(log_warning)
        self._worker.finished.connect(self._on_finished)
        self._worker.start()

    def _on_returned(self, answer: _Answer) -> None:
        if answer.generation != self._generation:
            return
        if answer.error is not None:
            self.failed.emit(answer.error)
        else:
            self.answered.emit(answer.value)

    def _on_finished(self) -> None:
        self._worker = None
        self._start()
