"""Movies of which a part is denoised, in the docks that need all of it."""

import numpy as np
import pytest
from test_plugin_helpers import add_movie, click, gated, model, movie, notifications, open_dock, wait_for_end

from blinkspot.errors import BlinkspotError
from blinkspot.movies.stack import Stack
from blinkspot.plugin.denoise import denoising_steps
from blinkspot.plugin.denoise.denoised_layer import GrowingLayer, Request
from blinkspot.plugin.denoise.denoising_steps import DenoisingTask, FramesReady
from blinkspot.plugin.layers.movies import DONE, Place
from blinkspot.plugin.localize import localizing_steps
from blinkspot.plugin.manifest.image_writer import write_image
from blinkspot.plugin.saved_sessions.contents import contents_of
from blinkspot.plugin.session import session_of


def growing(viewer, source):
    """Return what denoises a movie just now, of which the first ten frames are done."""
    stack = Stack(source.data)
    task = DenoisingTask(model(), stack, None, 0, stack.n_frames, "posterior-mean")
    layer = GrowingLayer(viewer, session_of(viewer), Request(source, Place.of(source), task))
    layer.write(0, source.data[:10].astype(np.float32))
    layer.show(FramesReady(0, 10))
    return layer


@pytest.fixture
def window(viewer):
    """A Localize dock, its movie, and the denoised version of that, which is on its way."""
    dock = open_dock(viewer, "Localize")
    source = add_movie(viewer)
    return dock, source, growing(viewer, source)


def test_molecules_are_not_sought_in_frames_that_are_still_to_come(qtbot, viewer, window):
    dock, source, denoised = window
    assert dock.denoised.layer is denoised.layer

    click(qtbot, dock.run_button)
    assert not dock.runner.busy
    assert "denoised just now" in dock.job_bar.status.text()

    denoised.write(10, source.data[10:].astype(np.float32))
    denoised.show(FramesReady(10, 40))
    click(qtbot, dock.run_button)
    wait_for_end(qtbot, dock)
    assert "localizations" in viewer.layers[-1].name


def test_no_report_is_made_of_half_a_movie(viewer, window, tmp_path):
    dock = open_dock(viewer, "Report")
    dock.write(tmp_path / "report")
    assert not dock.runner.busy
    assert "denoised just now" in dock.job_bar.status.text()


def test_half_a_movie_is_not_saved(viewer, window, tmp_path):
    layer = window[2].layer
    with pytest.raises(BlinkspotError, match="first 10 frames only"):
        write_image(str(tmp_path / "half.tif"), layer.data, {"name": layer.name, "metadata": layer.metadata})
    assert not contents_of(viewer, session_of(viewer)).record.denoised

    window[2].cut()
    assert layer.data.shape[0] == 10
    assert DONE not in layer.metadata


@pytest.mark.parametrize(("frame", "kind"), [(5, "in both"), (20, "found")])
def test_the_preview_does_not_seek_in_a_frame_that_is_still_to_come(qtbot, viewer, window, frame, kind):
    dock = window[0]
    viewer.dims.set_current_step(0, frame)
    dock.preview.box.setChecked(True)
    qtbot.waitUntil(lambda: f"Frame {frame}" in dock.preview.counts.text(), timeout=60_000)
    assert kind in dock.preview.counts.text()


def test_both_layers_of_markers_are_removed_at_once(qtbot, viewer, window):
    dock = window[0]
    viewer.dims.set_current_step(0, 5)
    dock.preview.box.setChecked(True)
    qtbot.waitUntil(lambda: "in both" in dock.preview.counts.text(), timeout=60_000)
    viewer.layers.selection = {viewer.layers["found in noisy"], viewer.layers["found in denoised"]}
    viewer.layers.remove_selected()
    assert not dock.preview.box.isChecked()

    dock.preview.box.setChecked(True)
    qtbot.waitUntil(lambda: "found in denoised" in viewer.layers, timeout=60_000)
    viewer.layers.remove(viewer.layers["found in noisy"])
    qtbot.waitUntil(lambda: "found in denoised" not in viewer.layers, timeout=10_000)


def test_a_single_denoised_frame_does_not_leave_another_movie_s_version_chosen(qtbot, viewer):
    dock = open_dock(viewer, "Localize")
    session = session_of(viewer)
    movies = [add_movie(viewer, name=name) for name in ("first", "second")]
    versions = [viewer.add_image(movie().astype(np.float32), name=f"{each.name} denoised") for each in movies]
    for source, denoised in zip(movies, versions, strict=True):
        session.add_denoised(source, denoised)
    session.add_denoised(movies[0], viewer.add_image(movie()[:1].astype(np.float32), name="one frame"))
    for source, denoised in zip((*movies, movies[0]), (*versions, versions[0]), strict=True):
        dock.movies.choose(source)
        assert dock.denoised.layer is denoised


def test_a_movie_that_is_given_other_data_meanwhile_is_told(qtbot, viewer, monkeypatch):
    session_of(viewer).add_model("trained", model())
    denoise, localize = open_dock(viewer, "Denoise"), open_dock(viewer, "Localize")
    layer = add_movie(viewer)
    gates = gated(monkeypatch, denoising_steps, "check"), gated(monkeypatch, localizing_steps, "drawn")
    for dock, gate in zip((denoise, localize), gates, strict=True):
        with notifications() as told:
            click(qtbot, dock.run_button)
            layer.data = movie().copy()
            gate.set()
            wait_for_end(qtbot, dock)
        assert sum("was given other data while" in message for _, message in told) == 1
    with notifications() as told:
        click(qtbot, denoise.run_button)
        wait_for_end(qtbot, denoise)
    assert not any("other data" in message for _, message in told)
