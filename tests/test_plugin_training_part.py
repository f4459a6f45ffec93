"""Frames and region to learn from, chosen in the Train dock."""

import dataclasses

import numpy as np
import pytest
from qtpy.QtCore import Qt
from test_plugin_helpers import (
    CAMERA,
    add_movie,
    click,
    gated,
    movie,
    notifications,
    open_dock,
    wait_for_end,
)

from blinkspot.denoising import TrainingSettings, signals_of_frames
from blinkspot.movies.stack import Stack
from blinkspot.plugin.session import session_of
from blinkspot.plugin.train import training_steps
from blinkspot.progress import finish


def open_part(qtbot, viewer, **more):
    """Open the dock, with what seldom needs a change, on a movie."""
    viewer.show()
    dock = open_dock(viewer, "Train")
    layer = add_movie(viewer, **more)
    click(qtbot, dock.options.more_button)
    qtbot.waitUntil(lambda: bool(dock.part.strip.chosen), timeout=30_000)
    return dock, layer


def drag_to(strip, first, last):
    strip.range.setRegion((first, last))


def expected(**settings):
    looked_at = finish(signals_of_frames(Stack(movie()), TrainingSettings(**settings)))
    return list(looked_at.frames[looked_at.is_chosen])


def test_the_strip_marks_the_frames_that_are_learned_from(qtbot, viewer):
    dock, _ = open_part(qtbot, viewer)
    strip = dock.part.strip
    assert strip.chosen == expected()
    assert 0 < len(strip.chosen) <= 40
    frames, signal = strip._all.getData()
    looked_at = finish(signals_of_frames(Stack(movie()), TrainingSettings()))
    np.testing.assert_array_equal(frames, np.arange(40))
    np.testing.assert_allclose(signal, looked_at.signal)
    assert dock.part.settings == {}

    drag_to(strip, 10.3, 24.6)
    assert dock.part.settings == {"first_frame": 10, "last_frame": 25}
    within = expected(first_frame=10, last_frame=25)
    qtbot.waitUntil(lambda: strip.chosen == within, timeout=10_000)
    assert strip.range.getRegion() == (10, 25)
    assert list(strip._all.getData()[0]) == list(range(40))
    drag_to(strip, 20, 20)  # never fewer than can be learned from
    assert dock.part.settings == {"first_frame": 20, "last_frame": 24}
    drag_to(strip, 0, 39)
    assert dock.part.settings == {}
    qtbot.keyClick(strip, Qt.Key.Key_Right)
    qtbot.keyClick(strip, Qt.Key.Key_Left, Qt.KeyboardModifier.ShiftModifier)
    assert dock.part.settings == {"first_frame": 1, "last_frame": 38}

    # Another movie is learned from as a whole.
    drag_to(strip, 3, 30)
    qtbot.waitUntil(lambda: not dock.part._looking.busy)
    add_movie(viewer, name="second", data=movie(30))
    dock.movies.setCurrentText("second")
    assert dock.part.settings == {}
    qtbot.waitUntil(lambda: bool(strip.chosen) and strip._n_frames == 30, timeout=10_000)


def test_what_comes_of_frames_that_were_replaced_while_not_seen_is_not_shown(qtbot, viewer, monkeypatch):
    dock, layer = open_part(qtbot, viewer)
    qtbot.waitUntil(lambda: not dock.part._looking.busy)
    gate = gated(monkeypatch, training_steps, "signals")
    dock.part.look_anew()
    dock.part.hide()
    other = movie(seed=9)
    layer.data = other
    with qtbot.waitSignal(dock.movies.renewed):
        pass
    gate.set()
    qtbot.waitUntil(lambda: not dock.part._looking.busy, timeout=10_000)
    dock.part.show()
    looked_at = finish(signals_of_frames(Stack(other), TrainingSettings()))
    qtbot.waitUntil(lambda: np.allclose(dock.part.strip._all.getData()[1], looked_at.signal), timeout=10_000)


def test_frames_that_are_replaced_are_looked_at_anew(qtbot, viewer):
    dock, layer = open_part(qtbot, viewer)
    drag_to(dock.part.strip, 10, 25)
    qtbot.waitUntil(lambda: not dock.part._looking.busy)
    other = movie(seed=9)
    layer.data = other
    looked_at = finish(signals_of_frames(Stack(other), TrainingSettings()))
    qtbot.waitUntil(lambda: np.allclose(dock.part.strip._all.getData()[1], looked_at.signal), timeout=10_000)
    assert dock.part.settings == {"first_frame": 10, "last_frame": 25}


def test_nothing_is_looked_at_before_it_is_shown(qtbot, viewer):
    viewer.show()
    dock = open_dock(viewer, "Train")
    add_movie(viewer)
    qtbot.wait(100)
    assert not dock.part._looking.busy
    assert dock.part.strip.chosen == []


def test_what_is_restored_while_it_is_hidden_is_seen_once_it_is_shown(qtbot, viewer):
    dock, _ = open_part(qtbot, viewer)
    click(qtbot, dock.options.more_button)
    assert not dock.part.isVisible()
    dock.part.restore({"first_frame": 10, "last_frame": 25})
    click(qtbot, dock.options.more_button)
    qtbot.waitUntil(lambda: dock.part.strip.range.getRegion() == (10, 25), timeout=10_000)
    assert dock.part.strip.chosen == expected(first_frame=10, last_frame=25)


def choose(dock, way):
    """Choose a region as a user does."""
    index = dock.part.region.findData(way)
    dock.part.region.setCurrentIndex(index)
    dock.part.region.activated.emit(index)


def test_a_rectangle_that_was_drawn_is_learned_from(qtbot, viewer):
    dock, _ = open_part(qtbot, viewer, translate=(0, 2.0, 3.0))
    with notifications() as shown:
        choose(dock, "drawn")
    assert shown == []
    assert "There is no rectangle" in dock.job_bar.status.text()
    assert dock.part.region.currentText() == "All of each frame"
    # From the middle of pixel row 4, column 6 to that of row 23, column 25, in the movie's micrometres.
    low, high = np.array([2.0, 3.0]) + 0.1 * np.array([4, 6]), np.array([2.0, 3.0]) + 0.1 * np.array([23, 25])
    shapes = viewer.add_shapes(ndim=2)
    shapes.add_rectangles([low, high])
    shapes.add_ellipses([[2.0, 3.0], [2.5, 3.5]])
    choose(dock, "drawn")
    assert dock.part.settings == {"region_px": (4, 6, 20, 20)}
    assert dock.part.region.currentText() == "Rows 4 to 23, columns 6 to 25"
    qtbot.waitUntil(lambda: dock.part.strip.chosen == expected(region_px=(4, 6, 20, 20)), timeout=10_000)
    shapes.data = [[low, [low[0], high[1]], low + 0.5, [low[0] + 0.5, low[1]]]]
    choose(dock, "drawn")
    assert "training needs 16 x 16 or more: draw a larger one." in dock.job_bar.status.text()
    assert dock.part.settings == {}


def test_what_is_in_view_is_learned_from(qtbot, viewer):
    dock, layer = open_part(qtbot, viewer)
    layer.corner_pixels = np.array([[0, 5, 3], [0, 24, 30]])
    choose(dock, "in view")
    assert dock.part.settings == {"region_px": (5, 3, 20, 28)}
    choose(dock, "all")
    assert dock.part.settings == {}
    assert dock.part.region.currentText() == "All of each frame"


def test_a_training_is_kept_to_the_part(qtbot, viewer):
    dock, layer = open_part(qtbot, viewer)
    layer.corner_pixels = np.array([[0, 5, 3], [0, 24, 30]])
    choose(dock, "in view")
    drag_to(dock.part.strip, 4, 30)
    dock.options.extent.setCurrentText("epochs")
    dock.options.epochs.setValue(3)
    click(qtbot, dock.start_button)
    wait_for_end(qtbot, dock)
    model = session_of(viewer).models["movie"]
    settings = model.provenance["settings"]
    assert (settings["first_frame"], settings["last_frame"]) == (4, 30)
    assert tuple(settings["region_px"]) == (5, 3, 20, 28)
    assert model.camera == CAMERA


def test_a_movie_that_cannot_be_read_is_told_of(qtbot, viewer):
    data = movie().astype(np.float32)
    data[7] = np.nan
    viewer.show()
    dock = open_dock(viewer, "Train")
    add_movie(viewer, data=data)
    with notifications() as shown:
        click(qtbot, dock.options.more_button)
        qtbot.waitUntil(lambda: bool(shown), timeout=30_000)
    assert "not finite" in shown[0][1]
    assert dock.part.strip.chosen == []


@pytest.mark.parametrize("change", ["remove", "replace"])
def test_a_layer_that_goes_while_its_frames_are_looked_at(qtbot, viewer, change):
    dock, layer = open_part(qtbot, viewer)
    drag_to(dock.part.strip, 3, 30)
    if change == "remove":
        viewer.layers.remove(layer)
    else:
        layer.data = movie(20)
    qtbot.waitUntil(lambda: not dock.part._looking.busy, timeout=10_000)
    assert dataclasses.asdict(TrainingSettings(**dock.options.settings))["first_frame"] in (0, 3)
