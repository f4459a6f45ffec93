"""Nothing that a user does at the wrong moment does harm: no exception, no thread left behind."""

import logging
import threading

import pytest
from every_job import JOBS, QUESTIONS, Gate, Window
from test_plugin_helpers import (
    add_movie,
    click,
    movie,
    notifications,
    open_dock,
    stopping,
    wait_for_workers,
)

DOCKS = ("Train", "Denoise", "Localize", "Molecules", "Report")


@pytest.fixture
def window(qtbot, viewer, tmp_path, monkeypatch):
    """A viewer with all docks, whose jobs are held in their middle."""
    gate = Gate()
    gate.install(monkeypatch)
    monkeypatch.setattr("blinkspot.denoising.settings.default_channels", lambda _: 4)
    (tmp_path / "in").mkdir()
    window = Window(qtbot, viewer, gate, tmp_path)
    window.begin_anew(monkeypatch)
    for name in DOCKS:
        window.dock(name)
    yield window
    gate.open()


# Of each dock one job, all held at once, and questions besides.
TOGETHER = [
    ("train", "denoise", "localize", "merge", "report", "line profile", "measure the camera"),
    ("go on training", "denoise into a file", "localize denoised", "drift", "will it help", "difference"),
    ("resume", "save the movie", "draw", "preview", "residual", "save a model"),
]


@pytest.mark.parametrize("how", ["viewer", "window"])
@pytest.mark.parametrize("names", TOGETHER, ids=["first", "second", "third"])
def test_closing_the_viewer_ends_all_that_runs(window, names, how, caplog):
    w = window
    jobs = [{**JOBS, **QUESTIONS}[name] for name in names]
    for job in jobs:
        job.prepare(w)
    with notifications() as shown:
        w.gate.shut()
        for job in jobs:
            job.begin(w)
        runners = [w.dock(job.dock).runner for job in jobs if job.is_long]
        assert all(runner.busy for runner in runners)
        w.qtbot.waitUntil(w.gate.reached.is_set, timeout=60_000)
        if how == "viewer":
            w.viewer.close()
        else:
            # As its own button does: the window goes, while the viewer and its layers stay.
            w.viewer.window._qt_window.close()
            w.viewer.window._qt_window.deleteLater()
            w.qtbot.wait(1)
            w.viewer.dims.set_current_step(0, 3)
            w.viewer.layers.clear()
            del w.viewer.window._qt_window
        w.docks.clear()
        w.qtbot.wait(50)
        w.gate.open()
        w.settle()
    assert [message for severity, message in shown if severity == "error"] == []
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
    assert {path.name for path in w.out.iterdir()} <= {"result.blinkspot"}  # is written whole, or not at all
    w.qtbot.waitUntil(
        lambda: not any(thread.name.startswith("blinkspot") for thread in threading.enumerate()),
        timeout=60_000,
    )


def test_removing_the_result_stops_the_denoising(window):
    w, job = window, JOBS["denoise"]
    dock = w.dock("Denoise")
    w.gate.shut(job.held_at)
    job.begin(w)
    w.qtbot.waitUntil(lambda: dock.job_layers[1:] != [], timeout=60_000)
    with stopping(w.qtbot, dock):
        w.viewer.layers.remove(dock.job_layers[1])
    assert w.viewer.layers == [w.movie, w.denoised, w.table]


def test_removing_the_live_frame_does_not_stop_the_training(qtbot, viewer):
    dock = open_dock(viewer, "Train")
    add_movie(viewer, data=movie(12))
    dock.options.extent.setCurrentText("epochs")
    dock.options.epochs.setValue(10_000)
    click(qtbot, dock.start_button)
    qtbot.waitUntil(lambda: "movie denoised so far" in viewer.layers, timeout=60_000)
    viewer.layers.remove("movie denoised so far")
    before = len(dock.loss_plot.points)
    qtbot.waitUntil(lambda: len(dock.loss_plot.points) > before, timeout=60_000)
    assert "movie denoised so far" not in viewer.layers
    with stopping(qtbot, dock):
        click(qtbot, dock.job_bar.stop_button)


def test_an_empty_viewer_bears_every_button(qtbot, viewer):
    docks = [open_dock(viewer, name) for name in DOCKS]
    for dock in docks:
        for name in ("start_button", "run_button", "export_button", "save_button", "draw_button"):
            button = getattr(dock, name, None)
            if button is not None and button.isEnabled() and name != "save_button":
                button.click()
        if hasattr(dock, "compare"):
            dock.compare.button.click()
            for action in dock.compare.actions_by_name.values():
                action.trigger()
    docks[3].table_button.click()
    viewer.dims.set_current_step(0, 1)
    qtbot.wait(100)
    assert not any(dock.runner.busy for dock in docks)
    viewer.theme = "light"
    light = docks[0].loss_plot.plot.backgroundBrush().color().lightness()
    viewer.theme = "dark"
    assert light > docks[0].loss_plot.plot.backgroundBrush().color().lightness() + 100
    wait_for_workers(qtbot)
