"""Long work in another thread: started, watched, paused, stopped.

A job is a generator of the backend. It runs in napari's thread pool, hands over plain values, and knows no
widget; :class:`JobRunner` lives in the window's thread and turns those values into signals.
"""

from __future__ import annotations

import enum
import logging
import threading
import time
import weakref
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from napari.qt.threading import GeneratorWorkerSignals, WorkerBase, create_worker
from napari.utils import cancelable_progress
from qtpy.compat import isalive
from qtpy.QtCore import QObject, QThreadPool, QTimer, Signal  # type: ignore[attr-defined]

from blinkspot.freed_memory import give_back_freed_memory
from blinkspot.plugin.jobs.notify import tell_error
from blinkspot.progress import Progress, pause

Job = Generator[Any, None, Any]
MakeJob = Callable[[], Job]

_log = logging.getLogger("blinkspot")
_ACTIVITY_INTERVAL_S = 0.2
# A paused job looks so often whether it is still wanted.
_PAUSED_INTERVAL_S = 0.1
# A job that is to stop, and has been at one value for so long, waits for a disk that does not answer. What it
# clears away at its end may take longer.
_PATIENCE_S = 0.5
_PATIENCE_WITH_CLEARING_S = 10.0
_LOOK_EVERY_MS = 50
# A job that has taken so long leaves more than the next one of its kind will want at once.
_LONG_S = 2.0
# One thread each for a training, a denoising, a localization and their previews, for frames denoised on the
# fly, and for a step on a table, its count, histogram, points and file.
_MIN_POOL_THREADS = 12


class End(enum.Enum):
    """How a job came to its end."""

    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True)
class Outcome:
    """The end of a job.

    Attributes
    ----------
    end : End
        How it ended.
    result : object
        What the job returned; None unless it is done.
    message : str
        Why it failed, in one sentence; empty unless it failed.
    """

    end: End
    result: Any = None
    message: str = ""


@dataclass(frozen=True)
class _Failure:
    """What a job returns that has raised an exception.

    What napari connects to a worker's own signal of errors is called with too many arguments by PySide6.
    """

    error: Exception


class _Work:
    """Makes a job, once; its text is what napari shows when the window is closed while the job runs.

    napari's list of tasks keeps this and its worker for as long as the window lives. What the job is made of,
    movies and layers, must not stay with them.
    """

    def __init__(self, title: str, make_job: MakeJob) -> None:
        self._title = title
        self._make_job: MakeJob | None = make_job

    def __call__(self) -> Job:
        make_job, self._make_job = self._make_job, None
        assert make_job is not None
        return make_job()

    def __str__(self) -> str:
        return self._title


class _JobWorker(WorkerBase):  # type: ignore[misc]
    """Runs a job for as long as its owner lives, and closes it in the same thread however it ends.

    napari's own generator worker leaves an aborted generator to the garbage collector, which would run its
    clean-up (a half-written file, say) at any time and in any thread.
    """

    def __init__(self, make_job: MakeJob, owner: QObject) -> None:
        super().__init__(SignalsClass=GeneratorWorkerSignals)
        self._make_job = make_job
        self._owner = weakref.ref(owner)
        self._may_go_on = threading.Event()
        self._may_go_on.set()
        self._busy_since: float | None = None
        self._clearing_since: float | None = None

    @property
    def is_stuck(self) -> bool:
        """Whether it does not come to its next value, or to its end."""
        limits = ((self._busy_since, _PATIENCE_S), (self._clearing_since, _PATIENCE_WITH_CLEARING_S))
        now = time.monotonic()
        return any(since is not None and now - since > limit for since, limit in limits)

    def pause(self) -> None:
        """Have the job wait once it has come to its next value."""
        self._may_go_on.clear()

    def go_on(self) -> None:
        """End a pause."""
        self._may_go_on.set()

    def quit(self) -> None:
        """Ask the job to stop, paused or not."""
        super().quit()
        self._may_go_on.set()

    @property
    def _is_wanted(self) -> bool:
        owner = self._owner()
        if owner is None or not isalive(owner):  # type: ignore[no-untyped-call]
            return False
        return not self.abort_requested

    def work(self) -> Any:
        try:
            return self._result()
        except Exception as error:
            return _Failure(error)

    def _result(self) -> Any:
        self._busy_since = begun = time.monotonic()
        job = self._make_job()
        try:
            while self._is_wanted:
                self._busy_since = time.monotonic()
                try:
                    value = next(job)
                except StopIteration as stop:
                    return stop.value
                self._busy_since = None
                self.yielded.emit(value)
                if not self._may_go_on.is_set():
                    self._wait()
        finally:
            self._busy_since, self._clearing_since = None, time.monotonic()
            job.close()
            if time.monotonic() - begun > _LONG_S:
                give_back_freed_memory()
        self.aborted.emit()
        return None

    def _wait(self) -> None:
        with pause():
            while self._is_wanted and not self._may_go_on.wait(_PAUSED_INTERVAL_S):
                pass


class _Activity(cancelable_progress):  # type: ignore[misc]
    """A line in napari's activity dock whose Cancel button works at once."""

    def cancel(self) -> None:
        super().cancel()
        if self.cancel_callback is not None:
            self.cancel_callback()


def widen_pool() -> None:
    """Have a thread for whatever may run at a time."""
    pool = QThreadPool.globalInstance()
    assert pool is not None
    pool.setMaxThreadCount(max(pool.maxThreadCount(), _MIN_POOL_THREADS))


def log_warning(arguments: tuple[Any, ...]) -> None:
    """Write a warning that a worker's thread has raised into the log."""
    message, category = arguments[:2]
    _log.warning("%s: %s", category.__name__, message)


class JobRunner(QObject):
    """Runs one job at a time for a dock.

    A job that is still running when the runner is destroyed (the dock or the window was closed) is stopped.
    One that does not stop, as it waits for a disk that does not answer, is given up: its thread closes it
    once the disk answers again, and nothing of it is heard any more.

    Signals
    -------
    started : str
        Title of the job.
    progressed : object
        Each value that the job yields.
    pause_changed : bool
        Whether the job is to wait from now on, or to go on. It comes to rest at its next value.
    ended : Outcome
        Exactly once for each job started.
    """

    started = Signal(str)
    progressed = Signal(object)
    pause_changed = Signal(bool)
    ended = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._worker: _JobWorker | None = None
        self._activity: _Activity | None = None
        self._title = ""
        self._outcome = Outcome(End.STOPPED)
        self._activity_updated = 0.0
        self._paused = False
        self._watching = QTimer(self)
        self._watching.setInterval(_LOOK_EVERY_MS)
        self._watching.timeout.connect(self._give_up_if_stuck)

    @property
    def busy(self) -> bool:
        """Whether a job is running or paused."""
        return self._worker is not None

    @property
    def paused(self) -> bool:
        """Whether the job has been asked to wait."""
        return self._paused

    def start(self, title: str, make_job: MakeJob) -> bool:
        """Start a job unless one is running; return whether it was started.

        Parameters
        ----------
        title : str
            What is being done, for the user.
        make_job : callable
            Makes the generator; called in the worker's thread, so it may import slow modules.
        """
        if self.busy:
            return False
        widen_pool()
        worker = create_worker(_Work(title, make_job), self, _worker_class=_JobWorker, _ignore_errors=True)
        activity = _Activity(desc=title, total=100, cancel_callback=worker.quit)
        worker.warned.connect(log_warning)
        worker.yielded.connect(self._on_yielded)
        worker.returned.connect(self._on_returned)
        worker.finished.connect(self._on_finished)
        # Of its own, so that the line vanishes too where this runner is gone by then.
        worker.finished.connect(activity.close)
        self._title = title
        self._outcome = Outcome(End.STOPPED)
        self._worker, self._activity = worker, activity
        self.started.emit(title)
        worker.start()
        return True

    def pause(self) -> None:
        """Have the job wait where it is, with all that it has in memory; the time does not count."""
        if self._worker is not None and not self._paused:
            self._worker.pause()
            self._set_paused(True)

    def go_on(self) -> None:
        """Have a paused job go on."""
        if self._worker is not None and self._paused:
            self._worker.go_on()
            self._set_paused(False)

    def _set_paused(self, paused: bool) -> None:
        self._paused = paused
        self.pause_changed.emit(paused)

    def stop(self) -> None:
        """Ask the job to stop, paused or not; ``ended`` follows once it has."""
        if self._worker is not None:
            self._worker.quit()
            self._watching.start()

    def _give_up_if_stuck(self) -> None:
        worker = self._worker
        if worker is None:
            self._watching.stop()
        elif worker.is_stuck:
            _log.warning("%s does not stop, and is given up", self._title)
            worker.yielded.disconnect(self._on_yielded)
            worker.returned.disconnect(self._on_returned)
            worker.finished.disconnect(self._on_finished)
            if self._activity is not None:
                self._activity.close()
            self._on_finished()

    def _on_yielded(self, value: Any) -> None:
        self.progressed.emit(value)
        if isinstance(value, Progress):
            self._update_activity(value)

    def _update_activity(self, progress: Progress) -> None:
        now = time.monotonic()
        activity = self._activity
        if activity is None or now - self._activity_updated < _ACTIVITY_INTERVAL_S:
            return
        # napari handles waiting events within update(): it must come last, and not again at once.
        self._activity_updated = now
        activity.update(round(100 * progress.fraction) - activity.n)

    def _on_returned(self, result: Any) -> None:
        if isinstance(result, _Failure):
            self._outcome = Outcome(End.FAILED, message=tell_error(result.error, self._title))
        else:
            self._outcome = Outcome(End.DONE, result)

    def _on_finished(self) -> None:
        self._worker = self._activity = None
        self._watching.stop()
        if self._paused:
            self._set_paused(False)
        # What came out is its receiver's from now on: it may be large.
        outcome, self._outcome = self._outcome, Outcome(End.STOPPED)
        self.ended.emit(outcome)
