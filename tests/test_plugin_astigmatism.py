"""The Localize dock, driven as a user does: heights, and a camera that the movie's noise contradicts."""

from dataclasses import replace

import numpy as np
import pytest
from astigmatic import CALIBRATION, movie_of_molecules
from astigmatic import CAMERA as CAMERA_3D
from test_plugin_helpers import (
    CAMERA,
    add_movie,
    click,
    notifications,
    open_dock,
    wait_for_end,
)

from blinkspot.localization import Localizer, LocalizerSettings
from blinkspot.plugin.camera.record import CameraRecord, Origin, Source
from blinkspot.plugin.session import session_of
from blinkspot.plugin.widgets import file_dialogs
from blinkspot.progress import finish


@pytest.fixture
def dock(viewer):
    return open_dock(viewer, "Localize")


@pytest.fixture
def calibration_file(tmp_path):
    path = tmp_path / "a lens.toml"
    replace(CALIBRATION, provenance={"camera": {"pixel_size_nm": 100.0}}).save(path)
    return path


def set_camera(viewer, layer, camera):
    record = CameraRecord().with_values(camera.as_dict(), Source(Origin.TYPED))
    session_of(viewer).cameras.set(layer, record)


def choose(qtbot, dock, path, monkeypatch):
    """Choose a calibration by the button and the dialog."""
    monkeypatch.setattr(file_dialogs, "ask_open", lambda *_: path)
    dock.options.more_button.setChecked(True)
    click(qtbot, dock.options.astigmatism.open_button)


def contradicted(options):
    """Return what a calibration puts out of use."""
    return (
        options.widths,
        options.fit_window,
        options.sigma,
        options.fit,
        options.accept,
        options.emitters,
        options.equal_photons,
    )


def test_heights_are_found_by_the_calibration_chosen(qtbot, viewer, dock, calibration_file, monkeypatch):
    movie, _ = movie_of_molecules(6)
    set_camera(viewer, add_movie(viewer, data=movie), CAMERA_3D)
    assert dock.options.astigmatism.name.text() == "no heights"
    with qtbot.waitSignal(dock.options.changed, timeout=30_000):
        choose(qtbot, dock, calibration_file, monkeypatch)
    assert dock.options.astigmatism.name.text() == "a lens.toml"
    assert LocalizerSettings(**dock.options.settings["noisy"]).astigmatism == CALIBRATION
    click(qtbot, dock.run_button)
    wait_for_end(qtbot, dock, timeout=120_000)
    points = viewer.layers["movie localizations (noisy)"]
    table = finish(Localizer(CAMERA_3D, LocalizerSettings(astigmatism=CALIBRATION)).localize(movie))
    assert len(table) > 20
    np.testing.assert_array_equal(points.features["z_nm"], table.column("z_nm"))


def test_what_the_calibration_puts_out_of_use_cannot_be_set_and_says_why(
    qtbot, dock, calibration_file, monkeypatch
):
    options = dock.options
    # Whatever was set before must not contradict the calibration, and is there again without it.
    options.widths.setCurrentIndex(3)
    options.fit.setCurrentIndex(1)
    options.accept.setCurrentIndex(1)
    options.emitters.setValue(3)
    options.sigma.setValue(2.5)
    before, tips = options.settings, [widget.toolTip() for widget in contradicted(options)]
    with qtbot.waitSignal(options.changed, timeout=30_000):
        choose(qtbot, dock, calibration_file, monkeypatch)
    for widget in contradicted(options):
        assert not widget.isEnabled()
        assert "Not used with an astigmatism calibration" in widget.toolTip()
    assert options.false_per_frame.isHidden()
    assert not options.threshold.isHidden()
    for name in ("noisy", "denoised"):
        assert LocalizerSettings(**options.settings[name]).astigmatism == CALIBRATION
    with qtbot.waitSignal(options.changed):
        click(qtbot, options.astigmatism.none_button)
    assert options.settings == before
    assert [widget.toolTip() for widget in contradicted(options)] == tips
    assert all(widget.isEnabled() for widget in contradicted(options))
    assert options.threshold.isHidden()
    assert not options.astigmatism.none_button.isEnabled()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("offset_adu = 100.0\n", "is not an astigmatism calibration"),
        ("offset\n", "is not valid TOML"),
        (None, "cannot be read"),
    ],
)
def test_a_wrong_file_is_told_and_changes_nothing(
    qtbot, dock, tmp_path, calibration_file, monkeypatch, text, words
):
    wrong = tmp_path / "wrong.toml"
    if text is not None:
        wrong.write_text(text)
    with qtbot.waitSignal(dock.options.changed, timeout=30_000):
        choose(qtbot, dock, calibration_file, monkeypatch)
    with notifications() as shown:
        choose(qtbot, dock, wrong, monkeypatch)
        qtbot.waitUntil(lambda: bool(shown), timeout=10_000)
    ((severity, sentence),) = shown
    assert severity == "warning"
    assert words in sentence
    assert dock.options.astigmatism.calibration == CALIBRATION
    assert dock.options.astigmatism.name.text() == "a lens.toml"


def test_a_calibration_of_other_pixels_is_said_beside_the_preview(qtbot, viewer, dock, tmp_path, monkeypatch):
    path = tmp_path / "other.toml"
    replace(CALIBRATION, provenance={"camera": {"pixel_size_nm": 160.0}}).save(path)
    add_movie(viewer)
    click(qtbot, dock.preview.box)
    choose(qtbot, dock, path, monkeypatch)
    qtbot.waitUntil(lambda: "calibrated with pixels of 160 nm" in dock.preview.counts.text(), timeout=60_000)


@pytest.mark.parametrize(("wrong", "by_number"), [(3.0, True), (1.0, True), (3.0, False)])
def test_a_camera_that_the_noise_contradicts_is_told_where_false_molecules_are_counted(
    qtbot, viewer, dock, wrong, by_number
):
    layer = add_movie(viewer)
    set_camera(viewer, layer, replace(CAMERA, electrons_per_adu=wrong * CAMERA.electrons_per_adu))
    dock.options.accept.setCurrentIndex(int(by_number))
    with notifications() as shown:
        click(qtbot, dock.run_button)
        wait_for_end(qtbot, dock, timeout=120_000)
    said = dock.job_bar.status.text()
    assert "Molecules found" in said
    told = [sentence for _, sentence in shown if "times the variance that the camera predicts" in sentence]
    if wrong > 1.0 and by_number:
        assert len(told) == 1
        assert told[0] in said
    else:
        assert told == []
        assert "variance" not in said
