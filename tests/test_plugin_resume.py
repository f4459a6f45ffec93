"""A training that goes on after napari was closed."""

import dataclasses
import os
from pathlib import Path

import pytest
import torch
from test_plugin_helpers import (
    CAMERA,
    add_movie,
    click,
    model,
    movie,
    notifications,
    open_dock,
    wait_for_end,
    wait_for_workers,
)

from blinkspot.denoising import Training, TrainingSettings
from blinkspot.movies.stack import Stack
from blinkspot.plugin.session import session_of
from blinkspot.plugin.train import training_steps, unfinished
from blinkspot.plugin.widgets import file_dialogs
from blinkspot.progress import finish

SETTINGS = TrainingSettings(epochs=14, context_frames=1, device="cpu", channels=4, seed=5)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "trainings"


def leave_unfinished(folder, frames=None, camera=CAMERA, settings=SETTINGS, start=None):
    """Train, as the dock does, and break off."""
    stack = Stack(movie() if frames is None else frames)
    job = training_steps.TrainingJob(
        stack, camera, dataclasses.asdict(settings), start, training_steps.Viewed(), folder
    )
    run, steps = job.run(), 0
    while steps < 20:
        value = next(run)
        steps = value.done if getattr(value, "step", "") == "training" else steps
    run.close()
    assert job.checkpoint.is_file()
    return job.checkpoint


def look_for(folder, frames=None, camera=CAMERA, models=(), finished=()):
    return unfinished.find(folder, Stack(movie() if frames is None else frames), camera, models, finished)


def test_an_unfinished_training_is_found_by_its_movie_and_camera(folder):
    assert look_for(folder) is None
    path = leave_unfinished(folder)
    found = look_for(folder)
    assert found.path == path
    assert found.step >= 20
    assert TrainingSettings(**found.settings) == SETTINGS
    assert f"step {found.step}, of {found.written.day} " in found.sentence
    assert look_for(folder, frames=movie(seed=4)) is None
    assert look_for(folder, frames=movie()[:-1]) is None
    assert look_for(folder, camera=dataclasses.replace(CAMERA, offset_adu=101.0)) is None
    assert look_for(folder, finished=[path]) is None


def test_the_newest_is_found_and_none_takes_the_place_of_another(folder):
    first, second = leave_unfinished(folder), leave_unfinished(folder)
    assert first != second
    assert first.is_file()
    os.utime(first, (2e9, 2e9))
    assert look_for(folder).path == first
    first.write_bytes(b"spoiled")
    os.utime(first, (2e9, 2e9))
    assert look_for(folder).path == second


def test_one_that_another_window_has_just_removed_hides_no_others(folder, monkeypatch):
    path = leave_unfinished(folder)
    gone, glob = path.with_name(path.name.replace(path.stem[-8:], "0" * 8)), Path.glob
    monkeypatch.setattr(Path, "glob", lambda self, pattern: [gone, *glob(self, pattern)])
    assert look_for(folder).path == path
    assert unfinished.new_checkpoint(folder, Stack(movie())).parent == folder


def test_one_that_went_on_from_a_model_needs_that_model(folder):
    settings = TrainingSettings(epochs=14, device="cpu")
    leave_unfinished(folder, settings=settings, start=model())
    assert look_for(folder) is None
    assert look_for(folder, models=[model()]).start is model()


def test_it_is_offered_once_that_model_is_there(qtbot, viewer, folder):
    leave_unfinished(folder, settings=TrainingSettings(epochs=14, device="cpu"), start=model())
    dock = open_dock(viewer, "Train")
    add_movie(viewer)
    qtbot.waitUntil(lambda: not dock.resume_button._seeking.busy, timeout=10_000)
    assert dock.resume_button.isHidden()
    session_of(viewer).add_model("loaded", model())
    qtbot.waitUntil(lambda: not dock.resume_button.isHidden(), timeout=10_000)
    assert dock.resume_button.found.start is model()


def test_it_is_not_offered_for_another_movie_in_the_same_layer(qtbot, viewer, folder):
    leave_unfinished(folder)
    dock = open_dock(viewer, "Train")
    layer = add_movie(viewer)
    qtbot.waitUntil(lambda: not dock.resume_button.isHidden(), timeout=10_000)
    layer.data = movie(seed=9)
    qtbot.waitUntil(dock.resume_button.isHidden, timeout=10_000)
    qtbot.waitUntil(lambda: not dock.resume_button._seeking.busy, timeout=10_000)
    assert dock.resume_button.isHidden()
    layer.data = movie()
    qtbot.waitUntil(lambda: not dock.resume_button.isHidden(), timeout=10_000)


def test_the_oldest_make_way(folder):
    folder.mkdir()
    for number in range(25):
        path = folder / f"{number:02d}.checkpoint"
        path.touch()
        os.utime(path, (1e9 + number, 1e9 + number))
    name = unfinished.new_checkpoint(folder, Stack(movie()))
    assert not name.exists()
    assert [path.name for path in sorted(folder.iterdir())] == [f"{n:02d}.checkpoint" for n in range(6, 25)]


def test_a_training_goes_on_after_the_window_was_closed(qtbot, make_napari_viewer, folder):
    viewer = make_napari_viewer()
    dock = open_dock(viewer, "Train")
    add_movie(viewer)
    assert dock.resume_button.isHidden()
    dock.options.context.setCurrentIndex(dock.options.context.findData(1))
    dock.options.extent.setCurrentText("epochs")
    dock.options.epochs.setValue(15)
    click(qtbot, dock.start_button)
    qtbot.waitUntil(lambda: len(dock.loss_plot.points) >= 2, timeout=30_000)
    before = [point.validation for point in dock.loss_plot.points]
    viewer.close()
    wait_for_workers(qtbot)
    (checkpoint,) = folder.iterdir()

    viewer = make_napari_viewer()
    dock = open_dock(viewer, "Train")
    add_movie(viewer)
    qtbot.waitUntil(lambda: not dock.resume_button.isHidden(), timeout=30_000)
    assert "An unfinished training of this movie is there, at step" in dock.job_bar.status.text()
    click(qtbot, dock.resume_button)
    assert not dock.resume_button.isEnabled()
    wait_for_end(qtbot, dock)
    assert [point.validation for point in dock.loss_plot.points][: len(before)] == before
    resumed = session_of(viewer).models["movie"]
    # To the bit what it is without the break, with the settings of then.
    training = Training(Stack(movie()), CAMERA, TrainingSettings(epochs=15, context_frames=1))
    torch.set_num_threads(training_steps.backend._usable_cores() - 1 or 1)
    finish(training.run())
    assert resumed.digest() == training.best.digest()

    # It has come to its end: it is kept until its model is safe, and offered no more in this window.
    qtbot.waitUntil(lambda: not dock.resume_button._seeking.busy)
    assert checkpoint.is_file()
    assert dock.resume_button.isHidden()


def test_what_is_left_is_removed_once_the_model_is_saved(qtbot, viewer, folder, tmp_path, monkeypatch):
    left = leave_unfinished(folder, frames=movie(seed=4))
    dock = open_dock(viewer, "Train")
    add_movie(viewer)
    dock.options.extent.setCurrentText("epochs")
    dock.options.epochs.setValue(10_000)
    click(qtbot, dock.start_button)
    qtbot.waitUntil(lambda: bool(dock.loss_plot.points), timeout=30_000)
    click(qtbot, dock.job_bar.stop_button)
    wait_for_end(qtbot, dock)
    said = dock.job_bar.status.text()
    qtbot.waitUntil(lambda: not dock.resume_button.isHidden(), timeout=30_000)
    assert dock.job_bar.status.text() == said
    # A model saved from a training that was stopped leaves what it can go on from.
    monkeypatch.setattr(file_dialogs, "ask_save", lambda *_: tmp_path / "stopped.blinkspot")
    click(qtbot, dock.save_button)
    qtbot.waitUntil(lambda: "saved" in dock.job_bar.status.text())
    (checkpoint,) = set(folder.iterdir()) - {left}
    found = dock.resume_button.found
    assert found.path == checkpoint

    dock.options.epochs.setValue(4)
    click(qtbot, dock.start_button)
    wait_for_end(qtbot, dock)
    job = dock._run.job
    job.checkpoint.touch()  # as if it had lasted for a minute
    monkeypatch.setattr(file_dialogs, "ask_save", lambda *_: tmp_path / "done.blinkspot")
    click(qtbot, dock.save_button)
    qtbot.waitUntil(lambda: not job.checkpoint.exists(), timeout=5000)
    assert set(folder.iterdir()) == {left, checkpoint}


def test_what_is_left_is_removed_once_a_session_with_the_model_is_saved(qtbot, viewer, folder, tmp_path):
    add_movie(viewer)
    train, report = open_dock(viewer, "Train"), open_dock(viewer, "Report")
    train.options.extent.setCurrentText("epochs")
    train.options.epochs.setValue(2)
    click(qtbot, train.start_button)
    wait_for_end(qtbot, train, 120_000)
    (finished,) = train._finished.checkpoints
    finished.write_bytes(b"kept, as it is once a minute")
    report.session_part.save(tmp_path / "s")
    wait_for_end(qtbot, report, 60_000)
    qtbot.waitUntil(lambda: "is saved in" in report.job_bar.status.text(), timeout=10_000)
    assert not finished.exists()


def test_what_has_come_to_its_end_stays_so_when_the_dock_is_opened_anew(
    qtbot, viewer, folder, tmp_path, monkeypatch
):
    checkpoint = leave_unfinished(folder)
    dock = open_dock(viewer, "Train")
    add_movie(viewer)
    qtbot.waitUntil(lambda: not dock.resume_button.isHidden(), timeout=30_000)
    click(qtbot, dock.resume_button)
    wait_for_end(qtbot, dock)
    viewer.window.remove_dock_widget(dock)

    dock = open_dock(viewer, "Train")
    qtbot.waitUntil(lambda: not dock.resume_button._seeking.busy, timeout=10_000)
    assert checkpoint.is_file()
    assert dock.resume_button.isHidden()
    viewer.window.remove_dock_widget(dock)
    # With no Train dock open, either, it goes when the model is saved.
    denoise = open_dock(viewer, "Denoise")
    monkeypatch.setattr(file_dialogs, "ask_save", lambda *_: tmp_path / "done.blinkspot")
    click(qtbot, denoise.save_model_button)
    qtbot.waitUntil(lambda: not checkpoint.exists(), timeout=5000)


def test_a_folder_that_cannot_be_made_is_warned_of(qtbot, viewer, folder):
    folder.write_text("in the way")
    dock = open_dock(viewer, "Train")
    add_movie(viewer)
    dock.options.extent.setCurrentText("epochs")
    dock.options.epochs.setValue(4)
    with notifications() as shown:
        click(qtbot, dock.start_button)
        wait_for_end(qtbot, dock)
    assert any("cannot be kept in" in message for _, message in shown)
    assert list(session_of(viewer).models) == ["movie"]
