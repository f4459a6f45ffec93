"""Drives that do not answer, files that are cut short, and two windows at once, in napari."""

from __future__ import annotations

import threading
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_plugin_helpers import (
    add_movie,
    click,
    model,
    movie,
    notifications,
    open_dock,
    stopping,
    wait_for_end,
    wait_for_workers,
)

from blinkspot.movies.lazy_frames import LazyFrames
from blinkspot.movies.stack import Stack, open_stack
from blinkspot.movies.writing import write_stack
from blinkspot.plugin.jobs import running as jobs
from blinkspot.plugin.layers.movies import STACK, STACK_DATA
from blinkspot.plugin.session import session_of
from blinkspot.plugin.train import unfinished

OURS = str(Path(jobs.__file__).parents[1])


class StallingDrive(LazyFrames):
    """Frames on a drive that may stop to answer; whoever reads in the window's thread is noted."""

    def __init__(self, frames: np.ndarray) -> None:
        super().__init__(frames.shape, frames.dtype)
        self.frames = frames
        self.answers = threading.Event()
        self.answers.set()
        self.waiting = threading.Event()
        self.read_in_window: list[str] = []

    def read(self, start: int, stop: int) -> np.ndarray:
        if not self.answers.is_set():
            if threading.current_thread() is threading.main_thread():
                stack = traceback.extract_stack()[:-1]
                # napari itself draws a frame in the window's thread.
                if stack[-3].filename.startswith(OURS):
                    self.read_in_window += traceback.format_list(stack)
            else:
                self.waiting.set()
                assert self.answers.wait(60)
        return self.frames[start:stop].copy()


@pytest.fixture
def drive(viewer: Any) -> Any:
    drive = StallingDrive(movie())
    yield drive
    drive.answers.set()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_PATIENCE_S", 0.2)


def add_drive(viewer: Any, drive: StallingDrive) -> Any:
    stack = Stack(drive)
    data = stack.as_dask()
    return add_movie(viewer, data=data, metadata={STACK: stack, STACK_DATA: data}, contrast_limits=(0, 2000))


def start_button(dock: Any) -> Any:
    return dock.start_button if hasattr(dock, "start_button") else dock.run_button


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("name", ["Train", "Denoise", "Localize"])
def test_a_job_whose_drive_does_not_answer_can_be_stopped_at_once(
    qtbot: Any, viewer: Any, drive: StallingDrive, name: str
) -> None:
    dock = open_dock(viewer, name)
    session_of(viewer).add_model("trained", model())
    add_drive(viewer, drive)
    qtbot.waitUntil(lambda: start_button(dock).isEnabled())
    wait_for_workers(qtbot)
    drive.answers.clear()
    click(qtbot, start_button(dock))
    qtbot.waitUntil(drive.waiting.is_set, timeout=30_000)
    with stopping(qtbot, dock):
        click(qtbot, dock.job_bar.stop_button)
    assert not drive.answers.is_set()  # it has not waited for the drive
    assert start_button(dock).isEnabled()
    assert "Stopp" in dock.job_bar.status.text()
    drive.answers.set()
    wait_for_workers(qtbot, 30_000)
    assert drive.read_in_window == []
    # What was given up says nothing any more, and the dock works.
    assert "Stopp" in dock.job_bar.status.text()


def test_the_preview_does_not_hold_up_the_window(qtbot: Any, viewer: Any, drive: StallingDrive) -> None:
    dock = open_dock(viewer, "Localize")
    add_drive(viewer, drive)
    wait_for_workers(qtbot)
    drive.answers.clear()
    click(qtbot, dock.preview.box)
    qtbot.waitUntil(drive.waiting.is_set, timeout=30_000)
    click(qtbot, dock.preview.box)
    assert dock.preview.counts.text() == ""
    drive.answers.set()
    wait_for_workers(qtbot, 30_000)
    assert drive.read_in_window == []
    assert dock.preview.counts.text() == ""


def test_the_preview_of_a_movie_that_was_cut_short_says_so(qtbot: Any, viewer: Any, tmp_path: Path) -> None:
    path = write_stack(tmp_path / "movie.tif", movie())
    stack = open_stack(path)
    data = stack.as_dask()
    dock = open_dock(viewer, "Localize")
    add_movie(viewer, data=data, metadata={STACK: stack, STACK_DATA: data}, contrast_limits=(0, 2000))
    wait_for_workers(qtbot)
    with path.open("r+b") as file:
        file.truncate(1000)
    click(qtbot, dock.preview.box)
    qtbot.waitUntil(lambda: "cut short" in dock.preview.counts.text(), timeout=30_000)
    assert str(path) in dock.preview.counts.text()


def train_dock(make_napari_viewer: Any) -> Any:
    viewer = make_napari_viewer()
    dock = open_dock(viewer, "Train")
    add_movie(viewer)
    dock.options.context.setCurrentIndex(dock.options.context.findData(1))
    dock.options.extent.setCurrentText("epochs")
    dock.options.epochs.setValue(2)
    return dock


def test_two_windows_train_at_once_and_do_not_disturb_each_other(
    qtbot: Any, make_napari_viewer: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("blinkspot.denoising.training.training._CHECKPOINT_EVERY_S", 0.1)
    docks = [train_dock(make_napari_viewer) for _ in range(2)]
    for dock in docks:
        click(qtbot, dock.start_button)
    assert all(dock.runner.busy for dock in docks)
    for dock in docks:
        wait_for_end(qtbot, dock, 120_000)
    one, other = (dock._run.job for dock in docks)
    # The same movie, the same seed, as many threads: whatever one did to the other would show.
    assert one.best.digest() == other.best.digest()
    assert one.checkpoint != other.checkpoint
    assert set(unfinished.trainings_folder().iterdir()) == {one.checkpoint, other.checkpoint}
    for dock in docks:
        dock.viewer.close()
    wait_for_workers(qtbot)


def test_two_windows_do_not_go_on_with_the_same_training(
    qtbot: Any, make_napari_viewer: Any, tmp_path: Path
) -> None:
    dock = train_dock(make_napari_viewer)
    dock.options.epochs.setValue(500)
    click(qtbot, dock.start_button)
    qtbot.waitUntil(lambda: len(dock.loss_plot.points) >= 1, timeout=120_000)
    with stopping(qtbot, dock):
        click(qtbot, dock.job_bar.stop_button)
    other = train_dock(make_napari_viewer)
    for each in (dock, other):
        qtbot.waitUntil(lambda each=each: each.resume_button.found is not None, timeout=60_000)
    click(qtbot, dock.resume_button)
    qtbot.waitUntil(lambda: "Training:" in dock.job_bar.status.text(), timeout=60_000)
    with notifications() as shown:
        click(qtbot, other.resume_button)
        wait_for_end(qtbot, other)
    assert len(shown) == 1
    assert "is being written already, by another job" in shown[0][1]
    with stopping(qtbot, dock):
        click(qtbot, dock.job_bar.stop_button)
    assert dock.resume_button.folder.is_dir()
    for each in (dock, other):
        each.viewer.close()
    wait_for_workers(qtbot)
