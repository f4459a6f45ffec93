"""What a user does to layers of a movie: moves them, masks their pixels, has napari set their contrast."""

import gc

import numpy as np
import pytest
from test_plugin_helpers import add_movie, model, movie, open_dock, wait_for_workers

from blinkspot.localization import Localizer
from blinkspot.plugin.comparing.view import CURTAIN, FLIP
from blinkspot.plugin.denoise.on_the_fly.contrast import keep_contrast
from blinkspot.plugin.denoise.on_the_fly.window_frames import WindowFrames
from blinkspot.plugin.layers.movies import PROVENANCE, why_not_a_movie
from blinkspot.plugin.localize import localizing_steps
from blinkspot.plugin.session import session_of


class Computed:
    """Denoised frames of which some are there."""

    shape, dtype, frames_kept = movie().shape, np.dtype(np.float32), 40

    def __init__(self, *there):
        self.there = there

    def cached(self, index):
        return movie()[index].astype(np.float32) if index in self.there else None


def test_a_frame_that_is_still_to_come_changes_no_contrast(viewer):
    noisy = viewer.add_image(movie(), contrast_limits=(100, 900))
    layer = viewer.add_image(WindowFrames(Computed(3)), contrast_limits=(100, 900))
    viewer.layers.link_layers([noisy, layer], ("contrast_limits",))
    keep_contrast(layer)
    viewer.dims.set_current_step(0, 5)
    layer.reset_contrast_limits()
    assert tuple(layer.contrast_limits) == tuple(noisy.contrast_limits) == (100, 900)

    layer.contrast_limits = (200, 800)
    layer.reset_contrast_limits()
    assert tuple(layer.contrast_limits) == tuple(noisy.contrast_limits) == (200, 800)

    viewer.dims.set_current_step(0, 3)
    layer.reset_contrast_limits()
    assert tuple(noisy.contrast_limits) == (movie()[3].min(), movie()[3].max())


def test_a_movie_with_masked_pixels_is_refused_in_a_sentence(viewer):
    for name in ("Train", "Denoise", "Localize"):
        open_dock(viewer, name)
    layer = viewer.add_image(np.ma.masked_array(movie(), movie() > 1000))
    assert "pixels that are masked" in why_not_a_movie(layer)
    assert why_not_a_movie(viewer.add_image(np.ma.masked_array(movie()))) is None


@pytest.mark.parametrize("way", [CURTAIN, FLIP])
def test_a_comparison_leaves_the_angle_at_which_one_looks(viewer, way):
    layers = add_movie(viewer), viewer.add_image(movie(), scale=(1.0, 0.1, 0.1))
    viewer.dims.ndisplay = 3
    viewer.scene.camera.angles = (10.0, 20.0, 30.0)
    comparison = session_of(viewer).comparison
    comparison.show(*layers, way)
    assert tuple(viewer.scene.camera.angles) == (10.0, 20.0, 30.0)
    comparison.restore()
    assert tuple(viewer.scene.camera.angles) == (10.0, 20.0, 30.0)


def lies_where(layer, source, start=0):
    """Whether a layer lies over frames of another one."""
    corners = np.array([[0, 0, 0], [0, 3, 0], [0, 0, 5]])
    return np.allclose(
        [layer.data_to_world(corner) for corner in corners],
        [source.data_to_world(np.add(corner, (start, 0, 0))) for corner in corners],
    )


def test_markers_follow_a_movie_that_is_moved(qtbot, viewer):
    dock = open_dock(viewer, "Localize")
    layer = add_movie(viewer)
    dock.preview.box.setChecked(True)
    qtbot.waitUntil(lambda: "Frame" in dock.preview.counts.text(), timeout=60_000)
    markers = viewer.layers["found in noisy"]
    assert lies_where(markers, layer)
    layer.scale, layer.translate, layer.rotate = (1.0, 0.5, 0.5), (0.0, 3.0, 4.0), 10.0
    qtbot.waitUntil(lambda: lies_where(markers, layer), timeout=10_000)

    dock.preview.box.setChecked(False)
    layer.scale = (1.0, 1.0, 1.0)
    dock.preview.box.setChecked(True)
    qtbot.waitUntil(lambda: lies_where(markers, layer), timeout=10_000)


def test_the_residual_follows_a_movie_that_is_moved(qtbot, viewer):
    layer, session = add_movie(viewer), session_of(viewer)
    session.add_model("trained", model())
    made_by = {PROVENANCE: {"model": model().provenance}}
    denoised = viewer.add_image(movie().astype(np.float32), scale=(1.0, 0.1, 0.1), metadata=made_by)
    session.pixelwise.show_residual(layer, denoised)
    qtbot.waitUntil(lambda: "movie residual" in viewer.layers, timeout=30_000)
    layer.scale = (1.0, 0.5, 0.5)
    viewer.dims.set_current_step(0, 7)
    qtbot.waitUntil(lambda: lies_where(viewer.layers["movie residual"], layer, 7), timeout=30_000)


def test_widths_are_learned_once_of_a_movie_that_is_in_no_file_and_do_not_keep_it(qtbot, viewer, monkeypatch):
    learned, learn = [], Localizer.learn_width
    monkeypatch.setattr(Localizer, "learn_width", lambda *arguments: learned.append(1) or learn(*arguments))
    data = movie().copy()
    dock = open_dock(viewer, "Localize")
    add_movie(viewer, data=data)
    dock.preview.box.setChecked(True)
    for frame in (3, 9):
        viewer.dims.set_current_step(0, frame)
        qtbot.waitUntil(lambda frame=frame: f"Frame {frame}:" in dock.preview.counts.text(), timeout=60_000)
    assert learned == [1]
    known = localizing_steps._widths[0][0]
    assert known() is data
    del data
    viewer.layers.clear()
    wait_for_workers(qtbot)
    qtbot.waitUntil(lambda: dock.preview._markers.noisy is None)
    gc.collect()
    assert known() is None
