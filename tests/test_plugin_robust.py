"""Nothing that a user does at the wrong moment does harm: no exception, no thread left behind."""

import random

import numpy as np
import pytest
from random_actions import abuse, actions_on, choose_any, stop_all
from test_plugin_helpers import (
    add_movie,
    click,
    model,
    movie,
    notifications,
    open_dock,
    stopping,
    wait_for_workers,
)

from blinkspot.plugin.session import session_of


def long_movie():
    """Return a movie that keeps every job busy for some seconds."""
    return np.tile(movie(), (1000, 1, 1))


def begin(qtbot, viewer, name):
    """Open a dock and start its job; return the dock and the movie's layer."""
    session_of(viewer).add_model("trained", model())
    dock = open_dock(viewer, name)
    layer = add_movie(viewer, data=long_movie())
    if name == "Train":
        dock.options.extent.setCurrentText("epochs")
        dock.options.epochs.setValue(10_000)
        click(qtbot, dock.start_button)
        qtbot.waitUntil(lambda: bool(dock.loss_plot.points), timeout=30_000)
    else:
        click(qtbot, dock.run_button)
        qtbot.waitUntil(lambda: "%" in dock.job_bar.status.text(), timeout=60_000)
    assert dock.runner.busy
    return dock, layer


DOCKS = ("Train", "Denoise", "Localize")


@pytest.mark.parametrize("name", DOCKS)
def test_closing_the_viewer_stops_the_job(qtbot, viewer, name):
    begin(qtbot, viewer, name)
    viewer.close()
    wait_for_workers(qtbot)


@pytest.mark.parametrize("name", DOCKS)
def test_closing_the_window_stops_the_job(qtbot, viewer, name):
    begin(qtbot, viewer, name)
    # As its own button does: the window goes, while the viewer and its layers stay.
    viewer.window._qt_window.close()
    viewer.window._qt_window.deleteLater()
    wait_for_workers(qtbot)
    viewer.dims.set_current_step(0, 3)
    viewer.layers.clear()
    qtbot.wait(50)
    del viewer.window._qt_window


@pytest.mark.parametrize("name", DOCKS)
def test_closing_the_dock_stops_the_job(qtbot, viewer, name):
    dock, _ = begin(qtbot, viewer, name)
    viewer.window.remove_dock_widget(dock)
    wait_for_workers(qtbot)
    # The viewer goes on without it, whatever happens there.
    viewer.dims.set_current_step(0, 5)
    viewer.layers.clear()
    qtbot.wait(50)


@pytest.mark.parametrize("name", DOCKS)
def test_removing_the_movie_stops_the_job(qtbot, viewer, name):
    dock, layer = begin(qtbot, viewer, name)
    with stopping(qtbot, dock):
        viewer.layers.remove(layer)


@pytest.mark.parametrize("name", DOCKS)
def test_renaming_and_replacing_the_movie_does_no_harm(qtbot, viewer, name):
    dock, layer = begin(qtbot, viewer, name)
    layer.name = "renamed"
    layer.data = movie()[:20]
    viewer.dims.set_current_step(0, 15)
    qtbot.wait(200)
    assert dock.runner.busy
    with stopping(qtbot, dock):
        click(qtbot, dock.job_bar.stop_button)


def test_removing_the_result_stops_the_denoising(qtbot, viewer):
    dock, _ = begin(qtbot, viewer, "Denoise")
    result = next(layer for layer in viewer.layers if "denoised" in layer.name)
    with stopping(qtbot, dock):
        viewer.layers.remove(result)
    assert [layer.name for layer in viewer.layers] == ["movie"]


def test_removing_the_live_frame_does_not_stop_the_training(qtbot, viewer):
    dock, _ = begin(qtbot, viewer, "Train")
    qtbot.waitUntil(lambda: "movie denoised so far" in viewer.layers, timeout=10_000)
    viewer.layers.remove("movie denoised so far")
    before = len(dock.loss_plot.points)
    qtbot.waitUntil(lambda: len(dock.loss_plot.points) > before, timeout=30_000)
    assert "movie denoised so far" not in viewer.layers
    with stopping(qtbot, dock):
        click(qtbot, dock.job_bar.stop_button)


def test_all_docks_work_at_once(qtbot, viewer):
    train, layer = begin(qtbot, viewer, "Train")
    denoise, localize = open_dock(viewer, "Denoise"), open_dock(viewer, "Localize")
    for dock in (denoise, localize):
        dock.movies.choose(layer)
        click(qtbot, dock.run_button)
    click(qtbot, localize.preview.box)
    qtbot.waitUntil(lambda: localize.preview.counts.text().startswith("Frame"), timeout=60_000)
    assert train.runner.busy
    stop_all(qtbot, [train, denoise, localize])


def test_an_empty_viewer_bears_every_button(qtbot, viewer):
    docks = [open_dock(viewer, name) for name in DOCKS]
    for dock in docks:
        dock.compare.button.click()
        for name in ("start_button", "run_button", "export_button", "save_button", "preview_box"):
            button = getattr(dock, name, None)
            if button is not None and button.isEnabled() and name != "save_button":
                button.click()
    viewer.dims.set_current_step(0, 1)
    qtbot.wait(100)
    assert not any(dock.runner.busy for dock in docks)


def test_the_theme_may_change(viewer):
    dock = open_dock(viewer, "Train")
    viewer.theme = "light"
    light = dock.loss_plot.plot.backgroundBrush().color().lightness()
    viewer.theme = "dark"
    assert light > dock.loss_plot.plot.backgroundBrush().color().lightness() + 100


@pytest.mark.parametrize("seed", [1, 2])
def test_random_actions_do_no_harm(qtbot, viewer, seed):
    choose = random.Random(seed)
    session_of(viewer).add_model("trained", model())
    train, denoise, localize = docks = [open_dock(viewer, name) for name in DOCKS]
    train.options.extent.setCurrentText("epochs")
    train.options.epochs.setValue(3)

    def replace_movie():
        if train.movies.layer is not None:
            train.movies.layer.data = choose.choice([movie(), movie()[:20], movie()[:2], movie()[0]])

    actions = [
        *actions_on(viewer, docks, choose),
        lambda: add_movie(viewer),
        lambda: viewer.add_image(np.zeros((30, 30))),
        lambda: viewer.add_image(np.zeros((2, 3, 20, 20))),
        replace_movie,
        lambda: train.start_button.click(),
        lambda: choose_any(denoise.frames, choose),
        lambda: denoise.run_button.click(),
        lambda: localize.run_button.click(),
        lambda: localize.preview.box.click(),
        lambda: localize.options.threshold.slider.setValue(choose.randrange(10, 60)),
        lambda: choose.choice(docks).compare.button.click(),
        lambda: choose_any(choose.choice(docks).movies, choose),
        lambda: choose_any(localize.denoised, choose),
    ]
    with notifications() as shown:
        abuse(qtbot, docks, actions, 50, choose)
    # What is a defect is told as an error; pytest-qt fails for exceptions.
    assert [message for severity, message in shown if severity == "error"] == []
