"""Denoising into a file in the Denoise dock: cancelled, gone on with, discarded, as a user does it."""

import time

import numpy as np
import pytest
from qtpy.QtWidgets import QFileDialog
from test_plugin_helpers import (
    CAMERA,
    add_movie,
    click,
    model,
    movie,
    notifications,
    open_dock,
    stopping,
    wait_for_end,
)

from blinkspot.denoising import frame_stream
from blinkspot.errors import BlinkspotError
from blinkspot.files.unfinished_files import unfinished_files
from blinkspot.movies import resumable_writing, zarr_writing
from blinkspot.movies.stack import Stack, open_stack
from blinkspot.plugin.session import session_of
from blinkspot.plugin.widgets import file_dialogs


@pytest.fixture
def dock(viewer):
    dock = open_dock(viewer, "Denoise")
    session_of(viewer).add_model("trained", model())
    add_movie(viewer)
    return dock


@pytest.fixture
def pace(monkeypatch):
    """Let the denoiser take its time, frame by frame, and each frame reach the disk at once."""
    monkeypatch.setitem(frame_stream._PIXELS_AT_ONCE, "cpu", 32 * 32)
    monkeypatch.setattr(resumable_writing, "_SECURED_EVERY_S", 0.0)
    monkeypatch.setattr(zarr_writing, "_CHUNK_BYTES", 1)
    original, seconds = frame_stream.FrameStream._computed, [0.05]

    def slowly(self, *arguments):
        time.sleep(seconds[0])
        return original(self, *arguments)

    monkeypatch.setattr(frame_stream.FrameStream, "_computed", slowly)
    return seconds


@pytest.fixture(params=["large.tif", "large.zarr"])
def path(request, tmp_path, monkeypatch):
    (tmp_path / "results").mkdir()
    path = tmp_path / "results" / request.param
    monkeypatch.setattr(file_dialogs, "ask_save", lambda *_: path)
    return path


def cancel_midway(qtbot, dock):
    """Begin to denoise into a file, and cancel after a few frames; return what is kept, how many frames."""
    with stopping(qtbot, dock):
        click(qtbot, dock.file_button)
        text = dock.job_bar.status.text
        qtbot.waitUntil(lambda: text().startswith("Denoising") and "%" in text(), timeout=30_000)
        click(qtbot, dock.job_bar.stop_button)
    (kept,) = unfinished_files(dock.leftovers._path)
    return kept, kept.read_record().frames


def test_a_cancelled_file_is_gone_on_with_and_comes_out_the_same(qtbot, viewer, dock, pace, path):
    click(qtbot, dock.run_button)
    wait_for_end(qtbot, dock)
    expected = viewer.layers["movie denoised"].data.copy()
    kept, frames = cancel_midway(qtbot, dock)
    assert 0 < frames < 40
    assert dock.job_bar.status.text() == (
        f"Stopped after {frames} of 40 frames, which are kept in {kept.folder}: denoise into the same file "
        "again to go on."
    )
    assert list(path.parent.iterdir()) == [kept.folder]
    assert [layer.name for layer in viewer.layers] == ["movie", "movie denoised"]
    said = []
    dock.runner.progressed.connect(lambda value: said.append((value, dock.job_bar.status.text())))
    click(qtbot, dock.file_button)
    wait_for_end(qtbot, dock)
    assert any(text.endswith(f"Going on after {frames} of 40 frames.") for _, text in said)
    shares = [value.fraction for value, _ in said if getattr(value, "step", "") == "denoising"]
    assert frames / 40 <= shares[0] <= (frames + 3) / 40
    assert shares[-1] == 1.0
    assert f"is in {path}" in dock.job_bar.status.text()
    assert list(path.parent.iterdir()) == [path]
    np.testing.assert_array_equal(open_stack(path).frames(0, 40), expected)
    np.testing.assert_array_equal(np.asarray(viewer.layers["movie denoised [1]"].data), expected)
    assert dock.leftovers.isHidden()


def test_what_is_kept_can_be_discarded(qtbot, dock, pace, path):
    cancel_midway(qtbot, dock)
    assert not dock.leftovers.isHidden()
    assert str(path.parent) in dock.leftovers.toolTip()
    click(qtbot, dock.leftovers)
    assert list(path.parent.iterdir()) == []
    assert dock.leftovers.isHidden()
    assert dock.job_bar.status.text() == f"Nothing is kept of {path.name} any more."
    pace[0] = 0.0
    click(qtbot, dock.file_button)
    wait_for_end(qtbot, dock)
    assert list(path.parent.iterdir()) == [path]


def test_another_estimate_is_begun_anew_and_what_is_kept_stays(qtbot, dock, pace, path):
    kept, frames = cancel_midway(qtbot, dock)
    pace[0] = 0.0
    dock.estimate.setCurrentIndex(1)
    said = []
    dock.runner.progressed.connect(lambda _: said.append(dock.job_bar.status.text()))
    click(qtbot, dock.file_button)
    wait_for_end(qtbot, dock)
    begun = f"Begun anew: the {frames} of 40 frames in {kept.folder} were made with another estimate"
    assert any(begun in text for text in said)
    assert set(path.parent.iterdir()) == {path, kept.folder}
    expected = CAMERA.adu(model().denoise_frame(Stack(movie()), 3, "map"))
    np.testing.assert_allclose(open_stack(path).frame(3), expected, rtol=1e-3)
    click(qtbot, dock.leftovers)
    assert list(path.parent.iterdir()) == [path]


def test_what_fails_midway_is_kept_too(qtbot, dock, pace, path, monkeypatch):
    original, calls = frame_stream.FrameStream._computed, []

    def fail(self, *arguments):
        calls.append(1)
        if len(calls) == 8 + 6:  # six frames were looked at beforehand
            raise BlinkspotError("movie.tif is cut short.")
        return original(self, *arguments)

    with monkeypatch.context() as patch, notifications() as shown:
        patch.setattr(frame_stream.FrameStream, "_computed", fail)
        click(qtbot, dock.file_button)
        wait_for_end(qtbot, dock)
    assert shown[-1][1] == "movie.tif is cut short."
    assert dock.job_bar.status.text().startswith(
        "movie.tif is cut short. Stopped after 7 of 40 frames, which"
    )
    pace[0] = 0.0
    click(qtbot, dock.file_button)
    wait_for_end(qtbot, dock)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("out", "Zarr (*.zarr)", "out.zarr"),
        ("out", "TIFF (*.tif)", "out.tif"),
        ("out", "", "out.tif"),
        ("out.zarr", "TIFF (*.tif)", "out.zarr"),
    ],
)
def test_the_kind_chosen_in_the_dialog_completes_the_name(tmp_path, monkeypatch, name, kind, expected):
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: (str(tmp_path / name), kind))
    monkeypatch.setattr(file_dialogs, "_settings", _NoSettings)
    chosen = file_dialogs.ask_save(None, "Save", "movie.tif", "TIFF (*.tif);;Zarr (*.zarr)")
    assert chosen == tmp_path / expected


class _NoSettings:
    def value(self, *_):
        return ""

    def setValue(self, *_):
        pass
