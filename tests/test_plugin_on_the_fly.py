"""Denoising on the fly, driven as a user drives it."""

import threading
import time
from copy import deepcopy

import numpy as np
import pytest
import tifffile
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

from blinkspot.denoising import frame_stream
from blinkspot.errors import BlinkspotError
from blinkspot.movies.stack import Stack
from blinkspot.plugin.denoise.on_the_fly import looking
from blinkspot.plugin.denoise.on_the_fly.sign import WaitingSign
from blinkspot.plugin.layers.movies import stack_of
from blinkspot.plugin.session import session_of
from blinkspot.plugin.widgets import file_dialogs
from blinkspot.progress import finish

NAME = "movie denoised (as you look)"

# On a busy machine.
TIMEOUT_MS = 30_000


class Gate:
    """Counts the frames that are computed, and lets them pass when it is open."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.open.set()
        self.begun: list[int] = []


@pytest.fixture
def gate(monkeypatch):
    """Compute frame by frame, as of a large movie, and through a gate."""
    gate = Gate()
    monkeypatch.setattr(looking, "_REST_MS", 0)
    monkeypatch.setitem(frame_stream._PIXELS_AT_ONCE, "cpu", 32 * 32)
    original = frame_stream.FrameStream._computed

    def through_gate(self, of_prior, part):
        if threading.current_thread() is not threading.main_thread():
            gate.begun.append(part.start)
            assert gate.open.wait(30)
        return original(self, of_prior, part)

    monkeypatch.setattr(frame_stream.FrameStream, "_computed", through_gate)
    yield gate
    gate.open.set()


@pytest.fixture
def dock(viewer, gate):
    dock = open_dock(viewer, "Denoise")
    session_of(viewer).add_model("trained", model())
    return dock


def add_on_the_fly(qtbot, viewer, dock, **more):
    """Add a movie and its denoised layer; return both when nothing is computed any more."""
    layer = add_movie(viewer, **more)
    viewer.dims.set_current_step(0, 0)
    look(qtbot, dock)
    return layer, viewer.layers[NAME]


def settle(qtbot):
    """Wait until nothing is computed any more, ahead neither."""
    for _ in range(4):
        qtbot.wait(15)
        wait_for_workers(qtbot)


def look(qtbot, dock):
    dock.frames.setCurrentText("As you look")
    click(qtbot, dock.run_button)
    wait_for_end(qtbot, dock)
    settle(qtbot)


def shown(layer):
    """Return the frame that napari shows, (Y, X)."""
    return layer._slice.image.raw


def is_there(layer):
    return bool(np.isfinite(shown(layer)).all())


def expected(index, estimate="posterior-mean", data=None):
    return CAMERA.adu(model().denoise_frame(Stack(movie() if data is None else data), index, estimate))


def choice(box):
    return [box.itemText(index) for index in range(box.count())]


def test_a_frame_is_denoised_when_one_looks_at_it(qtbot, viewer, dock, gate):
    layer = add_movie(viewer, translate=(0, 5.0, 6.0), colormap="magma")
    viewer.dims.set_current_step(0, 12)
    look(qtbot, dock)
    denoised = viewer.layers[NAME]
    assert "when you look at it" in dock.job_bar.status.text()
    assert viewer.layers.index(denoised) == viewer.layers.index(layer) + 1
    assert (denoised.data.shape, denoised.data.dtype) == ((40, 32, 32), np.float32)
    np.testing.assert_allclose(shown(denoised), expected(12), rtol=1e-3)
    assert denoised.data.computed.cached(30) is None
    gate.open.clear()
    viewer.dims.set_current_step(0, 30)
    # The window has not waited, and shows no other frame for this one.
    assert np.isnan(shown(denoised)).all()
    gate.open.set()
    qtbot.waitUntil(lambda: is_there(denoised), timeout=TIMEOUT_MS)
    np.testing.assert_allclose(shown(denoised), expected(30), rtol=1e-3)
    assert denoised.metadata["blinkspot_unit"] == "ADU"
    assert session_of(viewer).model_behind(denoised) is dock.models.denoiser
    np.testing.assert_allclose(denoised.translate, layer.translate)
    np.testing.assert_allclose(denoised.scale, layer.scale)
    assert denoised.colormap.name == "magma"
    layer.contrast_limits = (111.0, 222.0)
    assert denoised.contrast_limits == [111.0, 222.0]


def test_what_the_slider_has_left_behind_is_dropped(qtbot, viewer, dock, gate):
    _, denoised = add_on_the_fly(qtbot, viewer, dock)
    gate.open.clear()
    begun = len(gate.begun)
    viewer.dims.set_current_step(0, 20)
    qtbot.waitUntil(lambda: gate.begun[begun:] == [20], timeout=TIMEOUT_MS)
    for index in range(21, 40):
        viewer.dims.set_current_step(0, index)
    qtbot.waitUntil(lambda: gate.begun[begun:] == [20, 39], timeout=TIMEOUT_MS)
    gate.open.set()
    qtbot.waitUntil(lambda: is_there(denoised), timeout=TIMEOUT_MS)
    np.testing.assert_allclose(shown(denoised), expected(39), rtol=1e-3)
    settle(qtbot)
    assert gate.begun[begun:] == [20, 39]
    assert denoised.data.computed.cached(20) is None


def test_frames_seen_before_are_there_at_once(qtbot, viewer, dock, gate):
    _, denoised = add_on_the_fly(qtbot, viewer, dock)
    viewer.dims.set_current_step(0, 25)
    qtbot.waitUntil(lambda: is_there(denoised), timeout=TIMEOUT_MS)
    settle(qtbot)
    gate.open.clear()
    for index in (0, 25):
        viewer.dims.set_current_step(0, index)
        assert is_there(denoised)
        np.testing.assert_allclose(shown(denoised), expected(index), rtol=1e-3)


def test_the_next_two_are_computed_ahead_where_nobody_else_works(qtbot, viewer, dock, gate, monkeypatch):
    add_on_the_fly(qtbot, viewer, dock)
    gate.begun.clear()
    viewer.dims.set_current_step(0, 20)
    qtbot.waitUntil(lambda: gate.begun == [20, 21, 22], timeout=TIMEOUT_MS)
    settle(qtbot)
    viewer.dims.set_current_step(0, 18)
    qtbot.waitUntil(lambda: gate.begun[3:] == [18, 17, 16], timeout=TIMEOUT_MS)
    settle(qtbot)
    assert len(gate.begun) == 6
    monkeypatch.setattr(type(dock.session), "is_busy", True)
    viewer.dims.set_current_step(0, 30)
    qtbot.waitUntil(lambda: 30 in gate.begun, timeout=TIMEOUT_MS)
    settle(qtbot)
    assert gate.begun[6:] == [30]


def test_a_frame_computed_ahead_goes_on_when_one_comes_to_look_at_it(qtbot, viewer, dock, gate):
    _, denoised = add_on_the_fly(qtbot, viewer, dock)
    settle(qtbot)
    gate.begun.clear()
    viewer.dims.set_current_step(0, 1)  # computed ahead before: so 3 is computed ahead now
    gate.open.clear()
    qtbot.waitUntil(lambda: gate.begun == [3], timeout=TIMEOUT_MS)
    viewer.dims.set_current_step(0, 3)
    gate.open.set()
    qtbot.waitUntil(lambda: is_there(denoised), timeout=TIMEOUT_MS)
    assert gate.begun.count(3) == 1
    settle(qtbot)


@pytest.mark.parametrize("estimate", ["map", "blind"])
def test_other_estimates(qtbot, viewer, dock, estimate):
    dock.estimate.setCurrentIndex(dock.estimate.findData(estimate))
    _, denoised = add_on_the_fly(qtbot, viewer, dock)
    viewer.dims.set_current_step(0, 9)
    qtbot.waitUntil(lambda: is_there(denoised), timeout=TIMEOUT_MS)
    np.testing.assert_allclose(shown(denoised), expected(9, estimate), rtol=1e-3)


def test_the_variance_is_no_movie(qtbot, viewer, dock):
    add_movie(viewer)
    dock.estimate.setCurrentText("Posterior variance (no movie)")
    look(qtbot, dock)
    variance = viewer.layers["movie posterior variance (as you look)"]
    viewer.dims.set_current_step(0, 11)
    qtbot.waitUntil(lambda: is_there(variance), timeout=TIMEOUT_MS)
    squared = model().denoise_frame(Stack(movie()), 11, "posterior-variance") * 12.5**2
    np.testing.assert_allclose(shown(variance), squared, rtol=1e-3)
    low, high = variance.contrast_limits
    assert np.mean((shown(variance) >= low) & (shown(variance) <= high)) > 0.9
    assert variance.metadata["blinkspot_unit"] == "ADU^2"
    assert variance.name not in choice(open_dock(viewer, "Localize").denoised)
    assert not dock.save_button.isEnabled()


def test_a_movie_that_does_not_fit_the_model_is_refused_in_one_sentence(qtbot, viewer, dock):
    add_movie(viewer, data=(movie().astype(np.float32) - 100.0) * 8.0 + 100.0)
    dock.frames.setCurrentText("As you look")
    with notifications() as told:
        click(qtbot, dock.run_button)
        wait_for_end(qtbot, dock)
    assert len(told) == 1
    assert "made for another camera" in told[0][1]
    assert [layer.name for layer in viewer.layers] == ["movie"]


def test_cancel_before_it_is_there(qtbot, viewer, dock, gate):
    add_movie(viewer)
    gate.open.clear()
    dock.frames.setCurrentText("As you look")
    click(qtbot, dock.run_button)
    qtbot.waitUntil(lambda: bool(gate.begun), timeout=TIMEOUT_MS)
    click(qtbot, dock.job_bar.stop_button)
    gate.open.set()
    wait_for_end(qtbot, dock)
    assert [layer.name for layer in viewer.layers] == ["movie"]


def test_the_layer_keeps_its_movie_and_its_model(qtbot, viewer, dock):
    layer, denoised = add_on_the_fly(qtbot, viewer, dock)
    session_of(viewer).add_model("newer", model().for_camera(CAMERA))
    layer.data = movie()[::-1].copy()
    viewer.dims.set_current_step(0, 7)
    qtbot.waitUntil(lambda: is_there(denoised), timeout=TIMEOUT_MS)
    np.testing.assert_allclose(shown(denoised), expected(7), rtol=1e-3)
    viewer.layers.remove(layer)
    viewer.dims.set_current_step(0, 33)
    qtbot.waitUntil(lambda: is_there(denoised), timeout=TIMEOUT_MS)
    np.testing.assert_allclose(shown(denoised), expected(33), rtol=1e-3)


def test_two_layers_at_once(qtbot, viewer, dock):
    _, denoised = add_on_the_fly(qtbot, viewer, dock)
    dock.estimate.setCurrentIndex(dock.estimate.findData("blind"))
    look(qtbot, dock)
    blind = viewer.layers[f"{NAME} [1]"]
    viewer.dims.set_current_step(0, 15)
    qtbot.waitUntil(lambda: is_there(denoised) and is_there(blind), timeout=TIMEOUT_MS)
    np.testing.assert_allclose(shown(denoised), expected(15), rtol=1e-3)
    np.testing.assert_allclose(shown(blind), expected(15, "blind"), rtol=1e-3)


def test_a_copy_of_the_layer_shares_what_is_computed(qtbot, viewer, dock, gate):
    _, denoised = add_on_the_fly(qtbot, viewer, dock)
    viewer.layers.selection = {denoised}
    data, state, kind = denoised.as_layer_data_tuple()
    copied = type(denoised).create(deepcopy(data), {**state, "name": "copy"}, kind)
    viewer.add_layer(copied)
    gate.begun.clear()
    viewer.dims.set_current_step(0, 15)
    qtbot.waitUntil(lambda: is_there(denoised) and is_there(copied), timeout=TIMEOUT_MS)
    assert gate.begun.count(15) == 1


def wait_until_computed(denoised, index):
    """Wait without letting the window take notice."""
    frames, begun = denoised.data.computed, time.monotonic()
    while frames.cached(index) is None:
        assert time.monotonic() - begun < TIMEOUT_MS / 1000
        time.sleep(0.01)


def test_a_frame_that_is_read_again_before_it_is_drawn_is_drawn(qtbot, viewer, dock, gate):
    # By a copy of the layer, say, whose turn comes when another thread is done already.
    _, denoised = add_on_the_fly(qtbot, viewer, dock)
    viewer.dims.set_current_step(0, 15)
    assert not is_there(denoised)
    wait_until_computed(denoised, 15)
    assert np.isfinite(denoised.data[15]).all()
    qtbot.waitUntil(lambda: is_there(denoised), timeout=TIMEOUT_MS)
    np.testing.assert_allclose(shown(denoised), expected(15), rtol=1e-3)


@pytest.mark.parametrize("ahead", [True, False], ids=["computed ahead", "computed by somebody else"])
def test_a_frame_that_comes_while_it_is_read_is_drawn(qtbot, viewer, dock, gate, monkeypatch, ahead):
    _, denoised = add_on_the_fly(qtbot, viewer, dock)
    if ahead:
        gate.open.clear()
        viewer.dims.set_current_step(0, 15)
        gate.open.set()
        wait_until_computed(denoised, 15)
        gate.open.clear()
        qtbot.waitUntil(lambda: gate.begun[-1] == 16, timeout=TIMEOUT_MS)
    frames = denoised.data
    index = 16 if ahead else 30
    cached = frames.computed.cached

    def found_too_late(asked):
        found = cached(asked)
        if asked != index:
            return found
        monkeypatch.setattr(frames.computed, "cached", cached)
        gate.open.set()
        if not ahead:
            finish(frames.computed.compute(index))
        wait_until_computed(denoised, index)
        return None

    monkeypatch.setattr(frames.computed, "cached", found_too_late)
    viewer.dims.set_current_step(0, index)
    qtbot.waitUntil(lambda: is_there(denoised), timeout=TIMEOUT_MS)
    np.testing.assert_allclose(shown(denoised), expected(index), rtol=1e-3)


def test_layers_at_different_times_are_both_drawn(qtbot, viewer, dock, gate):
    _, denoised = add_on_the_fly(qtbot, viewer, dock)
    later = viewer.add_image(denoised.data, name="later", scale=denoised.scale, translate=(-5, 0, 0))
    settle(qtbot)
    viewer.dims.set_current_step(0, 20)
    qtbot.waitUntil(lambda: is_there(denoised) and is_there(later), timeout=TIMEOUT_MS)
    # The slider begins where the later one does.
    np.testing.assert_allclose(shown(denoised), expected(15), rtol=1e-3)
    np.testing.assert_allclose(shown(later), expected(20), rtol=1e-3)


def test_reading_another_frame_meanwhile_takes_nothing_away(qtbot, viewer, dock, gate):
    _, denoised = add_on_the_fly(qtbot, viewer, dock)
    gate.open.clear()
    viewer.dims.set_current_step(0, 15)
    assert np.isfinite(denoised.data[0]).all()
    gate.open.set()
    qtbot.waitUntil(lambda: is_there(denoised), timeout=TIMEOUT_MS)


def test_frames_that_are_only_read_are_not_all_computed(qtbot, viewer, dock, gate):
    _, denoised = add_on_the_fly(qtbot, viewer, dock)
    before = len(gate.begun)
    for index in range(10, 40):  # by a loop in the console, say
        np.asarray(denoised.data[index])
    qtbot.wait(300)
    settle(qtbot)
    assert len(gate.begun) - before <= 4


def test_a_layer_that_is_put_back_before_its_frame_came_is_drawn(qtbot, viewer, dock, gate):
    _, denoised = add_on_the_fly(qtbot, viewer, dock)
    gate.open.clear()
    viewer.dims.set_current_step(0, 15)
    viewer.layers.remove(denoised)
    viewer.layers.append(denoised)
    gate.open.set()
    qtbot.waitUntil(lambda: is_there(denoised), timeout=TIMEOUT_MS)


@pytest.mark.parametrize("is_shown", [False, True])
def test_the_window_may_be_closed_while_a_frame_is_waited_for(qtbot, viewer, dock, gate, is_shown):
    add_on_the_fly(qtbot, viewer, dock)
    gate.open.clear()
    viewer.dims.set_current_step(0, 30)
    if is_shown:
        qtbot.waitUntil(lambda: bool(viewer.canvas.overlays.text.visible), timeout=TIMEOUT_MS)
    # As its own button does: the viewer and its layers stay.
    viewer.window._qt_window.close()
    viewer.window._qt_window.deleteLater()
    qtbot.wait(500)
    gate.open.set()
    settle(qtbot)
    del viewer.window._qt_window


def test_the_sign_of_one_layer_comes_when_that_of_another_has_ended(qtbot, viewer):
    overlay = viewer.canvas.overlays.text
    first, second = (
        WaitingSign(viewer, viewer.window._qt_window),
        WaitingSign(viewer, viewer.window._qt_window),
    )
    first.begin("one")
    qtbot.waitUntil(lambda: overlay.text == "one", timeout=TIMEOUT_MS)
    second.begin("two")
    qtbot.wait(400)
    assert overlay.text == "one"
    first.end()
    qtbot.waitUntil(lambda: overlay.visible and overlay.text == "two", timeout=TIMEOUT_MS)
    second.end()
    assert not overlay.visible


def test_a_failure_is_told_again_once_it_was_mended(qtbot, viewer, dock, gate, monkeypatch):
    _, denoised = add_on_the_fly(qtbot, viewer, dock)
    frames = type(denoised.data.computed)
    compute = frames.compute

    def fail(self, index):
        raise BlinkspotError("The disk is away.")

    def told_at(index):
        with notifications() as told:
            viewer.dims.set_current_step(0, index)
            settle(qtbot)
        return [message for _, message in told]

    monkeypatch.setattr(frames, "compute", fail)
    assert told_at(15) == ["The disk is away."]
    assert told_at(20) == []
    monkeypatch.setattr(frames, "compute", compute)
    assert told_at(15) == []
    assert is_there(denoised)
    monkeypatch.setattr(frames, "compute", fail)
    assert told_at(35) == ["The disk is away."]


def remove(viewer, layer, denoised):
    viewer.layers.remove(denoised)


def replace(viewer, layer, denoised):
    denoised.data = movie()


def transpose(viewer, layer, denoised):
    denoised.data = np.transpose(movie(), (2, 0, 1))


def hide(viewer, layer, denoised):
    denoised.visible = False


def rename(viewer, layer, denoised):
    denoised.name = "other"


def clear(viewer, layer, denoised):
    viewer.layers.clear()


def close(viewer, layer, denoised):
    viewer.close()


def close_window(viewer, layer, denoised):
    # As its own button does: the window goes, while the viewer and its layers stay.
    viewer.window._qt_window.close()
    viewer.window._qt_window.deleteLater()


@pytest.mark.parametrize("act", [remove, replace, transpose, hide, rename, clear, close, close_window])
def test_whatever_is_done_while_a_frame_is_computed_does_no_harm(qtbot, viewer, dock, gate, act):
    layer, denoised = add_on_the_fly(qtbot, viewer, dock)
    gate.open.clear()
    gate.begun.clear()
    viewer.dims.set_current_step(0, 20)
    qtbot.waitUntil(lambda: bool(gate.begun), timeout=TIMEOUT_MS)
    with notifications() as told:
        act(viewer, layer, denoised)
        qtbot.wait(100)
        gate.open.set()
        settle(qtbot)
    assert not told
    if act is close_window:
        viewer.layers.clear()
        qtbot.wait(50)
        del viewer.window._qt_window
    if act in (remove, clear, close):
        assert gate.begun == [20]
    if act in (hide, rename):
        denoised.visible = True
        np.testing.assert_allclose(shown(denoised), expected(20), rtol=1e-3)


def test_a_removed_layer_frees_its_frames(qtbot, viewer, dock):
    import gc
    import weakref

    _, denoised = add_on_the_fly(qtbot, viewer, dock)
    frames = weakref.ref(denoised.data.computed)
    viewer.layers.remove(denoised)
    del denoised
    qtbot.wait(50)
    gc.collect()
    assert frames() is None


@pytest.mark.parametrize("many", ["3D", "transposed"])
def test_a_view_of_many_frames_shows_what_there_is_and_says_so(qtbot, viewer, dock, gate, many):
    _, denoised = add_on_the_fly(qtbot, viewer, dock)
    there = [index for index in range(40) if denoised.data.computed.cached(index) is not None]
    begun = len(gate.begun)
    with notifications() as told:
        if many == "3D":
            viewer.dims.ndisplay = 3
            frames = shown(denoised)
        else:
            viewer.dims.order = (1, 0, 2)
            frames = shown(denoised)
        denoised.refresh()
    assert [index for index in range(40) if np.isfinite(frames[index]).all()] == there
    assert len(gate.begun) == begun
    assert len(told) == 1
    assert "'All frames'" in told[0][1]
    viewer.dims.order, viewer.dims.ndisplay = (0, 1, 2), 2
    viewer.dims.set_current_step(0, 30)
    qtbot.waitUntil(lambda: is_there(denoised), timeout=TIMEOUT_MS)


def test_a_frame_that_cannot_be_denoised_is_told_once(qtbot, viewer, dock):
    broken = movie().astype(np.float32)
    _, denoised = add_on_the_fly(qtbot, viewer, dock, data=broken)
    broken[20, 3, 4] = np.nan
    with notifications() as told:
        for index in (20, 10, 20, 11):
            viewer.dims.set_current_step(0, index)
            qtbot.wait(20)
            settle(qtbot)
    assert len(told) == 1
    assert told[0][1].startswith("Frame 21")
    assert is_there(denoised)


def test_a_frame_that_takes_long_says_so_on_the_canvas(qtbot, viewer, dock, gate):
    _, denoised = add_on_the_fly(qtbot, viewer, dock)
    viewer.canvas.overlays.text.text = "mine"
    gate.open.clear()
    viewer.dims.set_current_step(0, 30)
    assert not viewer.canvas.overlays.text.visible
    qtbot.waitUntil(lambda: viewer.canvas.overlays.text.visible, timeout=TIMEOUT_MS)
    assert viewer.canvas.overlays.text.text == "Denoising frame 30..."
    viewer.dims.set_current_step(0, 31)
    assert viewer.canvas.overlays.text.text == "Denoising frame 31..."
    gate.open.set()
    qtbot.waitUntil(lambda: is_there(denoised), timeout=TIMEOUT_MS)
    assert not viewer.canvas.overlays.text.visible
    assert viewer.canvas.overlays.text.text == "mine"
    viewer.canvas.overlays.text.visible = True
    gate.open.clear()
    viewer.dims.set_current_step(0, 5)
    qtbot.wait(400)
    assert (viewer.canvas.overlays.text.text, viewer.canvas.overlays.text.visible) == ("mine", True)


def test_saving_computes_every_frame(qtbot, viewer, dock, tmp_path, monkeypatch):
    add_on_the_fly(qtbot, viewer, dock)
    monkeypatch.setattr(file_dialogs, "ask_save", lambda *_: tmp_path / "denoised.tif")
    click(qtbot, dock.save_button)
    wait_for_end(qtbot, dock)
    saved = tifffile.imread(tmp_path / "denoised.tif")
    whole = CAMERA.adu(np.concatenate([chunk.frames for chunk in model().denoise(Stack(movie()))]))
    np.testing.assert_allclose(saved, whole, rtol=1e-3)


@pytest.mark.parametrize("suffix", [".tif", ".zarr"])
@pytest.mark.parametrize("plugin", [None, "napari-blinkspot"])
def test_napari_itself_cannot_save_what_is_not_computed(viewer, qtbot, dock, tmp_path, suffix, plugin):
    _, denoised = add_on_the_fly(qtbot, viewer, dock)
    with pytest.raises(BlinkspotError, match="Denoise dock's button"):
        denoised.save(str(tmp_path / f"napari{suffix}"), plugin=plugin)
    if plugin is not None:
        assert list(tmp_path.glob("napari*")) == []


def test_localizing_reads_real_frames(qtbot, viewer, dock):
    add_on_the_fly(qtbot, viewer, dock)
    localize = open_dock(viewer, "Localize")
    assert localize.denoised.layer.name == NAME
    tables = []
    for frames in ("all frames as one looks", "all frames"):
        if frames == "all frames":
            dock.frames.setCurrentText("All frames")
            click(qtbot, dock.run_button)
            wait_for_end(qtbot, dock)
            assert localize.denoised.layer.name == "movie denoised"
        click(qtbot, localize.run_button)
        wait_for_end(qtbot, localize, timeout=120_000)  # numba may have to compile
        tables.append(localize._table_layer.features)
    assert len(tables[0]) > 20
    np.testing.assert_allclose(tables[0]["x_nm"], tables[1]["x_nm"], rtol=1e-3)


def test_the_preview_finds_molecules_in_the_real_frame(qtbot, viewer, dock):
    _, denoised = add_on_the_fly(qtbot, viewer, dock)
    localize = open_dock(viewer, "Localize")
    viewer.dims.set_current_step(0, 22)
    click(qtbot, localize.preview.box)
    qtbot.waitUntil(lambda: "Frame 22" in localize.preview.counts.text(), timeout=60_000)
    assert "denoised" in localize.preview.counts.text()
    np.testing.assert_allclose(stack_of(denoised).data.computed.cached(22), expected(22), rtol=1e-3)


@pytest.mark.parametrize("hidden", [False, True])
def test_the_difference_follows(qtbot, viewer, dock, gate, hidden):
    _, denoised = add_on_the_fly(qtbot, viewer, dock)
    dock.compare.actions_by_name["Difference"].trigger()
    qtbot.waitUntil(lambda: "movie difference" in viewer.layers, timeout=TIMEOUT_MS)
    difference = viewer.layers["movie difference"]
    denoised.visible = not hidden
    gate.open.clear()
    viewer.dims.set_current_step(0, 28)
    assert np.isnan(shown(difference)).all()
    gate.open.set()
    qtbot.waitUntil(lambda: is_there(difference), timeout=TIMEOUT_MS)
    np.testing.assert_allclose(shown(difference), expected(28) - movie()[28], atol=0.5)


def test_side_by_side_curtain_and_flip(qtbot, viewer, dock):
    viewer.show()
    _, denoised = add_on_the_fly(qtbot, viewer, dock)
    for number, way in enumerate(("Side by side", "Curtain", "Flip")):
        dock.compare.actions_by_name[way].trigger()
        assert session_of(viewer).comparison.pair[1] is denoised
        viewer.dims.set_current_step(0, 10 * number + 9)
        denoised.visible = True
        qtbot.waitUntil(lambda: is_there(denoised), timeout=TIMEOUT_MS)
        np.testing.assert_allclose(shown(denoised), expected(10 * number + 9), rtol=1e-3)
    session_of(viewer).comparison.restore()


def test_contrast_can_be_reset_by_the_frame_shown(qtbot, viewer, dock):
    _, denoised = add_on_the_fly(qtbot, viewer, dock)
    denoised.reset_contrast_limits()
    np.testing.assert_allclose(denoised.contrast_limits, [shown(denoised).min(), shown(denoised).max()])
    denoised.reset_contrast_limits_range()
    assert np.isfinite(denoised.contrast_limits_range).all()


def test_a_file_that_is_denoised_into_is_not_called_one_as_you_look(
    qtbot, viewer, dock, tmp_path, monkeypatch
):
    add_movie(viewer)
    dock.frames.setCurrentText("As you look")
    offered = []
    monkeypatch.setattr(
        file_dialogs, "ask_save", lambda *asked: offered.append(asked[2]) or tmp_path / "denoised.tif"
    )
    click(qtbot, dock.file_button)
    wait_for_end(qtbot, dock)
    assert offered == ["movie denoised.tif"]
    assert [layer.name for layer in viewer.layers] == ["movie", "movie denoised"]


def test_the_value_under_the_mouse_is_read_again_when_the_frame_is_there(qtbot, viewer, dock, gate):
    _, denoised = add_on_the_fly(qtbot, viewer, dock)
    gate.open.clear()
    viewer.dims.set_current_step(0, 30)
    # What napari reads the value by.
    read = []
    viewer.cursor.events.position.connect(
        lambda event: read.append(denoised.get_value((30.0, 0.1, 0.1), world=True))
    )
    viewer.cursor.position = (30.0, 0.1, 0.1)
    assert np.isnan(read[-1])
    gate.open.set()
    qtbot.waitUntil(lambda: is_there(denoised), timeout=TIMEOUT_MS)
    settle(qtbot)
    assert read[-1] == pytest.approx(expected(30)[1, 1], rel=1e-3)
