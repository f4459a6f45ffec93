"""Whatever is done while a job runs, it ends well: every job of every dock, times all that is done to it."""

import gc
import logging
from unittest.mock import patch as patched

import napari
import pytest
from every_job import FRAMES, JOBS, QUESTIONS, ROWS, Gate, Window
from molecules_dock import table
from napari._qt.qt_viewer import QtViewer
from napari._qt.widgets.qt_progress_bar import QtLabeledProgressBar
from napari.settings import get_settings
from napari.utils.progress import progress
from test_plugin_helpers import model, notifications

from blinkspot.plugin.jobs.running import End

PATIENCE_MS = 120_000
pytestmark = pytest.mark.filterwarnings(
    "error::pytest.PytestUnhandledThreadExceptionWarning", "error::pytest.PytestUnraisableExceptionWarning"
)


@pytest.fixture(scope="module")
def shared(qapp, tmp_path_factory):
    """One viewer for all that does not close it, with whatever docks have been opened."""
    folder = tmp_path_factory.mktemp("every_job")
    (folder / "in").mkdir()
    (folder / "out").mkdir()
    model().save(folder / "in" / "model.blinkspot")
    table(ROWS, FRAMES).save(folder / "in" / "table.csv")
    gate = Gate()
    with pytest.MonkeyPatch.context() as patch:
        gate.install(patch)
        patch.setattr("blinkspot.plugin.camera.keeper.cameras_folder", lambda: folder / "cameras")
        patch.setattr("blinkspot.plugin.train.unfinished.trainings_folder", lambda: folder / "trainings")
        patch.setattr("blinkspot.denoising.settings.default_channels", lambda _: 4)
        patch.setattr("napari._qt.threads.status_checker.StatusChecker.start", lambda _: None)
        get_settings().reset()
        viewer = napari.Viewer(show=False, show_welcome_screen=False)
        # What stays is left out of all collections of garbage, of which each removal of a layer is one.
        gc.collect()
        gc.freeze()
        window = Window(None, viewer, gate, folder)
        yield window
        gate.open()
        with patched.object(viewer.window._qt_window, "_save_current_window_settings"):
            viewer.close()
    window.docks.clear()
    del viewer, window
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    QtViewer._instances.clear()


@pytest.fixture
def window(qtbot, shared, monkeypatch):
    """The viewer with a movie, a denoised one and a table, and nothing that runs."""
    shared.qtbot = qtbot
    shared.begin_anew(monkeypatch)
    yield shared
    shared.gate.open()
    for dock in shared.docks.values():
        dock.runner.stop()
    shared.settle()


# -- what is done


def delete(w, job):
    w.viewer.layers.remove(w.source(job))


def rename_and_turn(w, job):
    """Change what does not touch the data."""
    w.source(job).name = "renamed"
    w.viewer.dims.transpose()
    w.viewer.dims.set_current_step(0, 3)


def change_the_theme(w, job):
    w.viewer.theme = "light" if w.viewer.theme == "dark" else "dark"


def transpose(w, job):
    data = w.source(job).data
    w.source(job).data = data[:, ::-1] if data.shape[1] == 3 else data.T


def shorten(w, job):
    w.source(job).data = w.source(job).data[:5]


def replace_by_a_picture(w, job):
    layer = w.source(job)
    layer.data = layer.data[:0] if layer.data.shape[1] == 3 else layer.data[0]


def delete_all(w, job):
    w.viewer.layers.clear()


def ask_again(w, job):
    dock = w.dock(job.dock)
    button = getattr(dock, "start_button", None) or getattr(dock, "run_button", None) or dock.apply_button
    button.click()
    if job.is_long:
        assert not button.isEnabled()
        dock.start_job("Another", lambda: iter(()), [])
        assert dock.job_bar.status.text() == "Still busy: stop that first."


def cancel(w, job):
    w.click(w.dock(job.dock).job_bar.stop_button)


def pause_and_cancel(w, job):
    bar = w.dock(job.dock).job_bar
    if not bar.pause_button.isHidden():
        w.click(bar.pause_button)
        w.qtbot.waitUntil(lambda: bar.status.text().startswith("Paused. "))
    w.click(bar.stop_button)


def cancel_in_the_activity_dock(w, job):
    w.qtbot.waitUntil(lambda: len(lines(w)) == 1)
    (line,) = lines(w)
    assert line.description_label.text().startswith(w.dock(job.dock).runner._title)
    w.click(line.cancel_button)


def lines(w):
    """Return the lines of napari's activity dock."""
    return w.viewer.window._qt_window._activity_dialog.findChildren(QtLabeledProgressBar)


def close_the_dock(w, job):
    dock = w.docks.pop(job.dock)
    w.viewer.window.remove_dock_widget(dock)


def all_of_that(w, job):
    """Do one after the other what else is done alone."""
    for deed in HARMLESS:
        deed(w, job)
        w.qtbot.wait(1)


def all_of_that_and_cancel(w, job):
    all_of_that(w, job)
    cancel(w, job)


HARMLESS = [rename_and_turn, transpose, shorten, replace_by_a_picture, ask_again]
CANCELLING = [cancel, pause_and_cancel, cancel_in_the_activity_dock]
# One of each dock, to which each is done alone; to the others all of it, one after the other.
TYPICAL = ("train", "denoise", "localize", "merge")
ABOUT_A_MOVIE = ("measure the camera", "will it help", "preview", "difference", "residual", "line profile")
OTHERS = [name for name in JOBS if name not in (*TYPICAL, "report")]


def cases(deeds, names):
    return [pytest.param(name, deed, id=f"{name}, {deed.__name__}") for name in names for deed in deeds]


# -- what becomes of the job


def begin(w, job):
    """Start a job and have it held where it has begun."""
    dock = w.dock(job.dock)
    job.prepare(w)
    ended = []
    dock.runner.ended.connect(ended.append)
    w.gate.shut(job.held_at)
    job.begin(w)
    assert dock.runner.busy == job.is_long
    return dock, ended


def check_calm(w, job, dock, shown, caplog):
    """Check that all is as if nothing had been done."""
    # What is a defect is told as an error; pytest-qt fails for exceptions in slots.
    assert [message for severity, message in shown if severity == "error"] == []
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
    assert not progress._all_instances
    for other in w.docks.values():
        assert not other.runner.busy
        assert not other.runner.paused
        assert other.job_bar.stop_button.isHidden()
    if dock in w.docks.values() and job.is_long:
        status = dock.job_bar.status.text()
        assert status.endswith(".")
        assert "Stopping" not in status


def left_behind(w):
    return {path.name for path in w.out.iterdir()}


@pytest.mark.parametrize(
    ("name", "deed"),
    [*cases(HARMLESS, TYPICAL), *cases([all_of_that], OTHERS), *cases([change_the_theme], TYPICAL[:2])],
)
def test_what_is_done_meanwhile_does_no_harm(window, name, deed, caplog):
    w, job = window, JOBS[name]
    with notifications() as shown:
        dock, ended = begin(w, job)
        w.qtbot.waitUntil(w.gate.reached.is_set, timeout=PATIENCE_MS)
        deed(w, job)
        w.qtbot.wait(1)
        w.gate.open()
        w.qtbot.waitUntil(lambda: not dock.runner.busy, timeout=PATIENCE_MS)
        w.settle()
    assert [outcome.end for outcome in ended] == [End.DONE]
    assert left_behind(w) == set(job.writes)
    check_calm(w, job, dock, shown, caplog)


@pytest.mark.parametrize(
    ("name", "deed"),
    [
        *cases([delete, close_the_dock], JOBS),
        *cases([delete_all, *CANCELLING], TYPICAL),
        # To its end, a report takes long.
        *cases([delete_all, *CANCELLING, all_of_that_and_cancel], ["report"]),
    ],
)
def test_what_takes_away_its_reason_ends_a_job(window, name, deed, caplog):
    w, job = window, JOBS[name]
    with notifications() as shown:
        dock, ended = begin(w, job)
        w.qtbot.waitUntil(w.gate.reached.is_set, timeout=PATIENCE_MS)
        deed(w, job)
        if not (job.source == "" and deed in (delete, delete_all)):
            w.qtbot.waitUntil(lambda: not dock.runner.busy, timeout=PATIENCE_MS)
            assert {outcome.end for outcome in ended} <= {End.STOPPED}
        w.gate.open()
        w.settle()
    if deed in (*CANCELLING, all_of_that_and_cancel):
        assert [outcome.end for outcome in ended] == [End.STOPPED]
    assert left_behind(w) == set()
    check_calm(w, job, dock, shown, caplog)


@pytest.mark.parametrize("name", [*TYPICAL, "denoise into a file", "report"])
def test_a_job_is_cancelled_as_soon_as_it_was_started(window, name, caplog):
    w, job = window, JOBS[name]
    with notifications() as shown:
        dock, ended = begin(w, job)
        w.click(dock.job_bar.stop_button)
        w.qtbot.waitUntil(lambda: not dock.runner.busy, timeout=PATIENCE_MS)
        w.gate.open()
        w.settle()
    assert [outcome.end for outcome in ended] == [End.STOPPED]
    assert left_behind(w) == set()
    check_calm(w, job, dock, shown, caplog)


@pytest.mark.parametrize(
    ("name", "deed"),
    [
        *cases([rename_and_turn, transpose, replace_by_a_picture, ask_again], ABOUT_A_MOVIE),
        *cases([all_of_that], ("load a model", "save a model", "export")),
        *cases([delete], QUESTIONS),
        *cases([close_the_dock], ("save a model", "export", "preview", "measure the camera", "line profile")),
    ],
)
def test_what_is_done_meanwhile_does_a_question_no_harm(window, name, deed, caplog):
    w, job = window, QUESTIONS[name]
    with notifications() as shown:
        dock, _ = begin(w, job)
        w.qtbot.waitUntil(w.gate.reached.is_set, timeout=PATIENCE_MS)
        deed(w, job)
        w.qtbot.wait(1)
        w.gate.open()
        w.settle()
    assert left_behind(w) in (set(), set(job.writes))
    check_calm(w, job, dock, shown, caplog)
