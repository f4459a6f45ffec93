"""What the tests of every job share: a gate that holds jobs in their middle, and the jobs of the docks."""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from molecules_dock import add_table, table
from test_plugin_helpers import CAMERA, add_movie, click, model, movie, open_dock, wait_for_workers

from blinkspot.movies.stack import Stack
from blinkspot.plugin.denoise.denoising_steps import DenoisingTask, FramesReady
from blinkspot.plugin.jobs.latest_only import LatestOnly
from blinkspot.plugin.jobs.running import JobRunner
from blinkspot.plugin.layers.movies import PROVENANCE, ROLE
from blinkspot.plugin.session import session_of
from blinkspot.plugin.train import unfinished
from blinkspot.plugin.train.training_steps import LossPoint, TrainingJob, Viewed
from blinkspot.plugin.widgets import file_dialogs
from blinkspot.progress import Progress

FRAMES, ROWS = 12, 300
_PATIENCE_S = 120.0
_HELD = Progress("held by the test", 1, 2, 1.0)


class Gate:
    """Holds jobs where they have begun, and questions before they are answered, until it is opened."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self._open.set()
        self._begun: type = object
        self.reached = threading.Event()

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Have everything that any dock starts pass this gate."""
        start, ask = JobRunner.start, LatestOnly.ask
        patch.setattr(JobRunner, "start", lambda runner, title, make: start(runner, title, self._job(make)))
        patch.setattr(LatestOnly, "ask", lambda latest, question: ask(latest, self._question(question)))

    def shut(self, begun: type = object) -> None:
        """Hold every job at its first value of a type, and every question."""
        self._begun = begun
        self.reached.clear()
        self._open.clear()

    def open(self) -> None:
        self._open.set()

    def _job(self, make_job: Callable[[], Generator[Any, None, Any]]) -> Callable[[], Any]:
        def held() -> Generator[Any, None, Any]:
            job = make_job()
            try:
                while True:
                    value = next(job)
                    yield value
                    if not self._open.is_set() and isinstance(value, self._begun):
                        self.reached.set()
                        while not self._open.wait(0.01):
                            yield _HELD
            except StopIteration as stop:
                return stop.value
            finally:
                job.close()

        return held

    def _question(self, question: Callable[[], Any]) -> Callable[[], Any]:
        def held() -> Any:
            if not self._open.is_set():
                self.reached.set()
            assert self._open.wait(_PATIENCE_S)
            return question()

        return held


@dataclass
class Window:
    """A viewer with a movie, its denoised version and a table, and the docks that are open in it."""

    qtbot: Any
    viewer: Any
    gate: Gate
    folder: Path
    docks: dict[str, Any] = field(default_factory=dict)
    patch: Any = None
    movie: Any = None
    denoised: Any = None
    table: Any = None

    def dock(self, name: str) -> Any:
        """Return a dock, opened unless it is there."""
        if name not in self.docks:
            self.docks[name] = open_dock(self.viewer, name)
            _as_quick_as_can_be(self.docks[name])
            self.settle()
        return self.docks[name]

    def fill(self) -> None:
        """Begin with a movie, its denoised version and a table; wait until nothing runs.

        What is there already stays, for adding a layer takes long.
        """
        layers, session = self.viewer.layers, session_of(self.viewer)
        session.comparison.restore()
        if "Localize" in self.docks:
            self.docks["Localize"].preview.end()
        if not session.models:
            session.add_model("trained", model())
        for layer in [layer for layer in layers if layer not in (self.movie, self.denoised, self.table)]:
            layers.remove(layer)
        self.viewer.dims.order = tuple(range(self.viewer.dims.ndim))
        if self.movie not in layers:
            self.movie = add_movie(self.viewer, data=movie(FRAMES))
        if self.denoised not in layers:
            made_by = {"model": model().provenance, "camera": CAMERA.as_dict()}
            self.denoised = self.viewer.add_image(
                denoised_movie(),
                scale=(1.0, 0.1, 0.1),
                metadata={ROLE: "denoised", PROVENANCE: made_by},
            )
        if self.table not in layers or len(self.table.data) < ROWS:
            if self.table in layers:
                layers.remove(self.table)
            self.table = add_table(self.viewer, table(ROWS, FRAMES))
        for layer, data, name in (
            (self.movie, movie(FRAMES), "movie"),
            (self.denoised, denoised_movie(), "movie denoised"),
        ):
            layer.name = name
            if layer.data is not data:
                layer.data = data
        session.add_denoised(self.movie, self.denoised)
        for dock in self.docks.values():
            if hasattr(dock, "movies"):
                dock.movies.choose(self.movie)
        self.settle()

    def begin_anew(self, patch: pytest.MonkeyPatch) -> None:
        """Have nothing but the layers to begin with, and no file but those to open."""
        self.patch = patch
        for folder in (self.out, self.folder / "trainings"):
            shutil.rmtree(folder, ignore_errors=True)
        self.out.mkdir()
        self.choose_files()
        self.fill()

    def source(self, job: Job) -> Any:
        """Return the layer that a job works on."""
        return getattr(self, job.source or "movie")

    def no_memory(self) -> None:
        """Have no room for a result in memory."""
        self.patch.setattr(DenoisingTask, "fits_in_memory", False)

    def settle(self) -> None:
        """Wait until nothing runs."""
        wait_for_workers(self.qtbot, timeout=120_000)

    def click(self, button: Any) -> None:
        """Press a button with the mouse once it can be pressed."""
        self.qtbot.waitUntil(button.isEnabled, timeout=120_000)
        click(self.qtbot, button)

    def choose_files(self) -> None:
        """Have the dialogs name what there is to open, and what is not there yet."""
        files = {"Load a model": "model.blinkspot", "Open a table": "table.csv"}
        for name, answer in {
            "ask_open": lambda _, title, *more: self.folder / "in" / files[title],
            "ask_save": lambda _, title, name, *more: self.out / f"result{Path(name).suffix}",
            "ask_new_folder": lambda *_: self.out / "result",
        }.items():
            self.patch.setattr(file_dialogs, name, answer)

    @property
    def out(self) -> Path:
        """Where results go."""
        return self.folder / "out"


_denoised: list[np.ndarray] = []


def denoised_movie() -> np.ndarray:
    """Return the movie as the model denoises it, ADU."""
    if not _denoised:
        chunks = model().denoise(Stack(movie(FRAMES)))
        _denoised.append(CAMERA.adu(np.concatenate([chunk.frames for chunk in chunks])))
    return _denoised[0]


def _as_quick_as_can_be(dock: Any) -> None:
    if dock.title == "Train":
        dock.options.extent.setCurrentText("epochs")
        dock.options.epochs.setValue(1)
        dock.options.context.setCurrentIndex(dock.options.context.findData(0))


@dataclass(frozen=True)
class Job:
    """Something that a dock does in another thread.

    Attributes
    ----------
    dock : str
        Which dock.
    begin : callable
        Starts it as the user does.
    source : str
        Attribute of :class:`Window`: the layer that it works on; empty where it needs none.
    held_at : type
        At the first value of which it is held.
    prepare : callable
        What comes before.
    writes : tuple of str
        Names of the files that it leaves.
    is_long : bool
        Whether it shows in the job bar and in napari's activity dock.
    """

    dock: str
    begin: Callable[[Window], Any]
    source: str = "movie"
    held_at: type = object
    prepare: Callable[[Window], Any] = lambda _: None
    writes: tuple[str, ...] = ()
    is_long: bool = True


def _train_from(name: str | None) -> Callable[[Window], None]:
    def choose(w: Window) -> None:
        start = w.dock("Train").options.start
        start.setCurrentIndex(start.findData(name) if name else 0)

    return choose


def _leave_unfinished(w: Window) -> None:
    """Have a training of the movie there that was broken off."""
    _train_from(None)(w)
    trainings = w.folder / "trainings"
    trainings.mkdir(exist_ok=True)
    kept = w.folder / "in" / "unfinished"
    if not kept.exists():
        settings = {"epochs": 3, "context_frames": 0, "device": "cpu"}
        job = TrainingJob(Stack(movie(FRAMES)), CAMERA, settings, None, Viewed(), trainings)
        with contextlib.closing(job.run()) as run:
            next(value for value in run if isinstance(value, LossPoint))
        job.checkpoint.rename(kept)
    name = f"{unfinished._key(Stack(movie(FRAMES)))}-0.checkpoint"
    (trainings / name).write_bytes(kept.read_bytes())
    w.dock("Train").resume_button.seek(w.movie)
    w.settle()


def _find_in(target: str) -> Callable[[Window], None]:
    def choose(w: Window) -> None:
        dock = w.dock("Localize")
        dock.denoised.choose(w.denoised)
        dock.target.setCurrentIndex(dock.target.findData(target))

    return choose


def _step(name: str) -> Callable[[Window], None]:
    return lambda w: w.dock("Molecules").steps.choose(name)


def _click(dock: str, *button: str) -> Callable[[Window], None]:
    def press(w: Window) -> None:
        widget = w.dock(dock)
        for name in button:
            widget = getattr(widget, name)
        w.click(widget)

    return press


def _compare(name: str) -> Callable[[Window], None]:
    return lambda w: w.dock("Denoise").compare.actions_by_name[name].trigger()


JOBS = {
    "train": Job("Train", _click("Train", "start_button"), held_at=LossPoint, prepare=_train_from(None)),
    "go on training": Job(
        "Train", _click("Train", "start_button"), held_at=LossPoint, prepare=_train_from("trained")
    ),
    "resume": Job("Train", _click("Train", "resume_button"), held_at=LossPoint, prepare=_leave_unfinished),
    "denoise": Job("Denoise", _click("Denoise", "run_button"), held_at=FramesReady),
    "denoise into a file": Job(
        "Denoise", _click("Denoise", "run_button"), prepare=lambda w: w.no_memory(), writes=("result.tif",)
    ),
    "save the movie": Job("Denoise", _click("Denoise", "save_button"), "denoised", writes=("result.tif",)),
    "localize": Job("Localize", _click("Localize", "run_button"), prepare=_find_in("noisy")),
    "localize denoised": Job("Localize", _click("Localize", "run_button"), prepare=_find_in("denoised")),
    "merge": Job("Molecules", _click("Molecules", "apply_button"), "table", prepare=_step("merge")),
    "drift": Job("Molecules", _click("Molecules", "apply_button"), "table", prepare=_step("drift")),
    "draw": Job("Molecules", _click("Molecules", "draw_button"), "table"),
    "read a table": Job("Molecules", _click("Molecules", "open_button"), ""),
    "report": Job("Report", _click("Report", "run_button"), writes=("result",)),
}
"""What shows in the docks' job bars."""

QUESTIONS = {
    "load a model": Job("Denoise", _click("Denoise", "load_button"), "", is_long=False),
    "save a model": Job(
        "Denoise", _click("Denoise", "save_model_button"), "", writes=("result.blinkspot",), is_long=False
    ),
    "export": Job(
        "Molecules",
        _click("Molecules", "export_button"),
        "table",
        writes=("result.csv", "result.provenance.json"),
        is_long=False,
    ),
    "measure the camera": Job("Train", _click("Train", "camera", "estimate_button"), is_long=False),
    "will it help": Job("Train", _click("Train", "movie_line", "outlook", "button"), is_long=False),
    "preview": Job("Localize", _click("Localize", "preview", "box"), is_long=False),
    "difference": Job("Denoise", _compare("Difference"), is_long=False),
    "residual": Job("Denoise", _compare("Residual"), is_long=False),
    "line profile": Job("Denoise", _compare("Line profile"), is_long=False),
}
"""What is short, and has no bar."""
