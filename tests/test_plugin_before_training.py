"""What the Train dock says of a movie before training: what it is, its noise, whether it will help."""

import dataclasses
import threading

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QScrollArea
from scipy.ndimage import gaussian_filter
from test_plugin_helpers import CAMERA, add_movie, click, movie, open_dock, wait_for_workers
from test_plugin_small_screen import check_all_is_seen, open_small

from blinkspot.localization.outlook import Outlook
from blinkspot.movies.stack import Stack
from blinkspot.plugin.camera.evidence_keeper import EvidenceKeeper
from blinkspot.plugin.camera.record import CameraRecord, Origin, Source
from blinkspot.plugin.layers.movies import movie_layer
from blinkspot.plugin.session import session_of

OUTLOOK = Outlook(400, 80, 180.4, 12.3, 120.0, 3.14, 15.0, found=0.8, placed=0.95, staying=0.6)


def uneven(frames=100, size_px=64):
    """Frames behind an EM register, over a background of 5 to 40 photoelectrons."""
    rng = np.random.default_rng(6)
    light = 5.0 + 35.0 * np.add.outer(np.arange(size_px), np.arange(size_px)) / (2.0 * size_px)
    electrons = rng.gamma(np.maximum(rng.poisson(light, (frames, size_px, size_px)), 1e-9), CAMERA.em_gain)
    return np.rint(electrons / CAMERA.electrons_per_adu + CAMERA.offset_adu).astype(np.uint16)


def set_camera(viewer, layer, **changes):
    values = dataclasses.replace(CAMERA, **changes).as_dict()
    record = CameraRecord().with_values(values, Source(Origin.TYPED))
    session_of(viewer).cameras.set(layer, record)


def click_on_link(qtbot, label, before, link):
    label.resize(label.sizeHint())
    width_px = label.fontMetrics().horizontalAdvance
    place = QPoint(label.contentsRect().left() + width_px(before) + width_px(link) // 2, label.height() // 2)
    qtbot.mouseClick(label, Qt.MouseButton.LeftButton, pos=place)


def wait_for_evidence(qtbot, viewer, layer):
    evidence = session_of(viewer).cameras.evidence
    qtbot.waitUntil(lambda: evidence.of(layer) is not None, timeout=20_000)


def test_the_line_says_what_the_movie_is(viewer, tmp_path):
    dock = open_dock(viewer, "Train")
    assert dock.movie_line.isHidden()
    stack = Stack(movie(), axes_guessed=False, camera_hints=CAMERA.as_dict())
    data, state, _ = movie_layer(stack, "cells")
    layer = viewer.add_image(data, **state)
    assert not dock.movie_line.isHidden()
    assert dock.movie_line.facts.text() == "40 frames, 32×32, uint16, 100 nm"
    assert "Axes: time (40), y (32), x (32)." in dock.movie_line.facts.toolTip()
    viewer.layers.remove(layer)
    assert dock.movie_line.isHidden()


def test_the_line_asks_whether_the_first_axis_is_time_where_nothing_says_so(qtbot, viewer):
    dock = open_dock(viewer, "Train")
    layer = add_movie(viewer)
    assert "(time?)" in dock.movie_line.facts.text()
    assert "heights or channels" in dock.movie_line.facts.toolTip()
    click_on_link(qtbot, dock.movie_line.facts, "40 frames ", "(time?)")
    assert "time?" not in dock.movie_line.facts.text()
    assert "heights or channels" not in dock.movie_line.facts.toolTip()
    viewer.layers.remove(layer)
    add_movie(viewer, axis_labels=("t", "y", "x"))
    assert "time?" not in dock.movie_line.facts.text()


def test_will_it_help_is_answered_below_the_movie(qtbot, viewer, monkeypatch):
    asked = []

    def judge_movie(stack, camera):
        asked.append((stack.shape, camera))
        yield from ()
        return OUTLOOK

    monkeypatch.setattr("blinkspot.localization.outlook.judge_movie", judge_movie)
    dock = open_small(qtbot, viewer, "Train")
    add_movie(viewer)
    line = dock.movie_line.outlook
    assert line.isHidden()
    click(qtbot, line.button)
    assert not line.button.isEnabled()
    qtbot.waitUntil(line.isVisible, timeout=5000)
    assert line.said.text() == OUTLOOK.sentence
    assert "15 nm along an axis" in line.said.toolTip()
    assert asked == [((40, 32, 32), CAMERA)]
    check_all_is_seen(qtbot, dock)
    # What was said was for another camera.
    dock.camera.fields["em_gain"].setValue(100.0)
    assert line.isHidden()
    click(qtbot, line.button)
    qtbot.waitUntil(line.isVisible, timeout=5000)
    viewer.add_image(movie(20), name="other")
    dock.movies.setCurrentText("other")
    assert line.isHidden()


def test_what_was_said_of_a_movie_goes_with_its_data(qtbot, viewer, monkeypatch):
    def judge_movie(stack, camera):
        yield from ()
        return OUTLOOK

    monkeypatch.setattr("blinkspot.localization.outlook.judge_movie", judge_movie)
    dock = open_dock(viewer, "Train")
    layer = add_movie(viewer)
    line = dock.movie_line.outlook
    click(qtbot, line.button)
    qtbot.waitUntil(lambda: not line.isHidden(), timeout=5000)
    wait_for_evidence(qtbot, viewer, layer)
    layer.data = movie(seed=9)
    qtbot.waitUntil(line.isHidden, timeout=5000)
    assert line.said.text() == ""
    wait_for_evidence(qtbot, viewer, layer)


def test_an_answer_for_a_movie_that_was_left_is_dropped_and_its_job_stopped(qtbot, viewer, monkeypatch):
    stopped = []

    def judge_movie(stack, camera):
        try:
            while True:
                yield None
        finally:
            stopped.append(stack.shape)

    monkeypatch.setattr("blinkspot.localization.outlook.judge_movie", judge_movie)
    dock = open_dock(viewer, "Train")
    layer = add_movie(viewer)
    click(qtbot, dock.movie_line.outlook.button)
    viewer.layers.remove(layer)
    qtbot.waitUntil(lambda: stopped == [(40, 32, 32)], timeout=5000)
    assert dock.movie_line.outlook.said.text() == ""


def test_without_a_camera_it_is_not_judged(qtbot, viewer):
    dock = open_dock(viewer, "Train")
    layer = viewer.add_image(np.random.default_rng(0).poisson(5.0, (12, 16, 16)).astype(np.uint16))
    cameras = session_of(viewer).cameras
    qtbot.waitUntil(lambda: not cameras.is_estimating(layer), timeout=10_000)
    click(qtbot, dock.movie_line.outlook.button)
    assert "offset and conversion are needed" in dock.movie_line.outlook.said.text()


def test_the_movie_is_judged_by_its_molecules(qtbot, viewer):
    dock = open_dock(viewer, "Train")
    add_movie(viewer, data=movie(120, 64))
    click(qtbot, dock.movie_line.outlook.button)
    qtbot.waitUntil(lambda: dock.movie_line.outlook.said.text() != "", timeout=60_000)
    assert "photons on" in dock.movie_line.outlook.said.text()


def test_a_camera_that_the_noise_contradicts_is_warned_of_and_the_right_one_is_not(qtbot, viewer):
    dock = open_dock(viewer, "Train")
    layer = add_movie(viewer, data=uneven())
    wait_for_evidence(qtbot, viewer, layer)
    warning = dock.camera.warning
    assert warning.isHidden()
    set_camera(viewer, layer, em_gain=1.0)
    assert "type its gain" in warning.text()
    assert not warning.isHidden()
    assert "ADU per count" in warning.toolTip()
    dock.camera.fields["em_gain"].setValue(150.0)
    assert warning.isHidden()
    dock.camera.fields["offset_adu"].setValue(5000.0)
    assert "lies above the background" in warning.text()


def test_pixels_that_were_interpolated_are_warned_of(qtbot, viewer):
    dock = open_dock(viewer, "Train")
    layer = add_movie(viewer, data=gaussian_filter(uneven().astype(np.float32), (0.0, 0.6, 0.6)))
    wait_for_evidence(qtbot, viewer, layer)
    assert "correlated between neighbouring pixels" in dock.camera.warning.text()
    assert "use the movie as the camera recorded it" in dock.camera.warning.toolTip()


def test_the_plot_shows_points_the_line_and_the_camera_as_set(qtbot, viewer):
    dock = open_small(qtbot, viewer, "Train")
    layer = add_movie(viewer, data=uneven())
    wait_for_evidence(qtbot, viewer, layer)
    plot = dock.camera.plot
    assert plot.isHidden()
    click(qtbot, plot.button)
    assert plot.isVisible()
    check_all_is_seen(qtbot, dock)
    estimate = session_of(viewer).cameras.evidence.of(layer).estimate
    x, y = plot.points.getData()
    np.testing.assert_allclose(x, estimate.points.level_adu)
    np.testing.assert_allclose(y, estimate.points.variance_adu2)
    for curve, slope, offset in (
        (plot.fitted, estimate.adu_per_count, estimate.offset_adu),
        (plot.as_set, 2.0 * CAMERA.em_gain / CAMERA.electrons_per_adu, CAMERA.offset_adu),
    ):
        x, y = curve.getData()
        np.testing.assert_allclose(y, slope * (x - offset))
    title = plot.plot.getPlotItem().titleLabel.text
    assert f"offset {estimate.offset_adu:.4g} ± {estimate.offset_error_adu:.2g}" in title
    click(qtbot, plot.button)
    assert plot.isHidden()


def test_the_plot_of_an_even_background_says_so(qtbot, viewer):
    dock = open_dock(viewer, "Train")
    layer = add_movie(viewer, data=np.random.default_rng(1).poisson(50.0, (40, 64, 64)).astype(np.uint16))
    wait_for_evidence(qtbot, viewer, layer)
    dock.camera.plot.button.click()
    assert "too even for a line" in dock.camera.plot.plot.getPlotItem().titleLabel.text
    assert dock.camera.plot.fitted.getData()[0] is None or not len(dock.camera.plot.fitted.getData()[0])


def test_what_a_movie_says_is_measured_once_and_anew_for_other_data(qtbot, viewer, monkeypatch):
    measured = []
    evidence = object()
    monkeypatch.setattr(
        "blinkspot.plugin.camera.evidence_keeper.camera_evidence",
        lambda stack: measured.append(stack.shape) or evidence,
    )
    keeper = EvidenceKeeper()
    layer = viewer.add_image(movie(), name="movie")
    for _ in range(2):
        keeper.ensure(layer)
        wait_for_workers(qtbot)
        qtbot.waitUntil(lambda: keeper.of(layer) is evidence, timeout=5000)
    assert measured == [(40, 32, 32)]
    layer.data = movie(20)
    assert keeper.of(layer) is None
    keeper.ensure(layer)
    qtbot.waitUntil(lambda: keeper.of(layer) is evidence, timeout=5000)
    assert measured == [(40, 32, 32), (20, 32, 32)]


def test_what_a_movie_says_is_measured_one_at_a_time_while_its_data_are_renewed(qtbot, viewer, monkeypatch):
    at_once, most, gate = [], [], threading.Event()

    def evidence_of(stack):
        at_once.append(stack)
        most.append(len(at_once))
        assert gate.wait(30)
        at_once.remove(stack)
        return stack.shape

    monkeypatch.setattr("blinkspot.plugin.camera.evidence_keeper.camera_evidence", evidence_of)
    keeper = EvidenceKeeper()
    layer = viewer.add_image(movie(), name="movie")
    for frames in (30, 20, 10):
        keeper.ensure(layer)
        qtbot.wait(50)
        layer.data = movie(frames)
    keeper.ensure(layer)
    qtbot.wait(50)
    gate.set()
    qtbot.waitUntil(lambda: keeper.of(layer) == (10, 32, 32), timeout=5000)
    wait_for_workers(qtbot)
    assert most == [1, 1]


@pytest.mark.parametrize("width_px", [368])
def test_the_line_does_not_widen_the_dock(qtbot, viewer, width_px):
    dock = open_small(qtbot, viewer, "Train")
    add_movie(viewer, name="a" * 200)
    view = dock.findChild(QScrollArea)
    assert view.widget().minimumSizeHint().width() <= width_px
