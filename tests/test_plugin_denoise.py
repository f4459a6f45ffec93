"""The Denoise dock, driven as a user drives it."""

import threading

import numpy as np
import pytest
import tifffile
from test_plugin_helpers import (
    CAMERA,
    add_movie,
    click,
    gated,
    model,
    movie,
    notifications,
    open_dock,
    wait_for_end,
)

from blinkspot.denoising import Denoiser
from blinkspot.movies.stack import Stack, open_stack
from blinkspot.movies.writing import write_stack
from blinkspot.plugin.denoise import denoising_steps
from blinkspot.plugin.docks import model_files, opener
from blinkspot.plugin.session import session_of
from blinkspot.plugin.widgets import file_dialogs


@pytest.fixture
def dock(viewer):
    dock = open_dock(viewer, "Denoise")
    session_of(viewer).add_model("trained", model())
    return dock


@pytest.fixture
def slow(monkeypatch):
    """Make the denoiser take its time, frame by frame."""
    import time

    from blinkspot.denoising import frame_stream

    monkeypatch.setitem(frame_stream._PIXELS_AT_ONCE, "cpu", 32 * 32)
    original = frame_stream.FrameStream._computed

    def slowly(self, *arguments):
        time.sleep(0.05)
        return original(self, *arguments)

    monkeypatch.setattr(frame_stream.FrameStream, "_computed", slowly)


def expected(index, estimate="posterior-mean"):
    return CAMERA.adu(model().denoise_frame(Stack(movie()), index, estimate))


def test_without_a_model_the_dock_says_what_to_do(viewer):
    dock = open_dock(viewer, "Denoise")
    add_movie(viewer)
    assert not dock.run_button.isEnabled()
    assert "Train a model" in dock.job_bar.status.text()
    session_of(viewer).add_model("trained", model())
    assert dock.run_button.isEnabled()
    assert dock.job_bar.status.text() == ""


def test_any_model_of_the_window_can_be_saved(qtbot, viewer, dock, tmp_path, monkeypatch):
    session_of(viewer).add_model("newer", model())
    dock.models.setCurrentText("trained")
    asked = []
    monkeypatch.setattr(file_dialogs, "ask_save", lambda *a: asked.append(a[2]) or tmp_path / "a.blinkspot")
    click(qtbot, dock.save_model_button)
    qtbot.waitUntil(lambda: "saved" in dock.job_bar.status.text())
    assert asked == ["trained.blinkspot"]
    assert Denoiser.load(tmp_path / "a.blinkspot").digest() == model().digest()


def test_all_frames_are_denoised_into_a_layer_like_the_movie_s(qtbot, viewer, dock):
    layer = add_movie(viewer, translate=(0, 5.0, 6.0), colormap="magma")
    click(qtbot, dock.run_button)
    wait_for_end(qtbot, dock)
    denoised = viewer.layers["movie denoised"]
    assert viewer.layers.index(denoised) == viewer.layers.index(layer) + 1
    assert denoised.data.shape == (40, 32, 32)
    assert denoised.data.dtype == np.float32
    for index in (0, 17, 39):
        np.testing.assert_allclose(denoised.data[index], expected(index), rtol=1e-3)
    np.testing.assert_allclose(denoised.scale, layer.scale)
    np.testing.assert_allclose(denoised.translate, layer.translate)
    assert denoised.units == layer.units
    assert denoised.colormap.name == "magma"
    layer.contrast_limits = (111.0, 222.0)
    assert denoised.contrast_limits == [111.0, 222.0]
    denoised.gamma = 0.7
    assert layer.gamma == 0.7


def test_this_frame_lies_where_it_lies_in_the_movie(qtbot, viewer, dock):
    add_movie(viewer)
    viewer.dims.set_current_step(0, 23)
    dock.frames.setCurrentText("This frame")
    dock.estimate.setCurrentIndex(2)
    click(qtbot, dock.run_button)
    wait_for_end(qtbot, dock)
    denoised = viewer.layers["movie denoised (frame 23)"]
    assert denoised.translate[0] == 23
    np.testing.assert_allclose(denoised.data[0], expected(23, "blind"), rtol=1e-3)


def test_a_range_counts_its_last_frame_in(qtbot, viewer, dock):
    add_movie(viewer)
    dock.frames.setCurrentText("A range")
    dock.first.setValue(5)
    dock.last.setValue(9)
    click(qtbot, dock.run_button)
    wait_for_end(qtbot, dock)
    denoised = viewer.layers["movie denoised (frames 5-9)"]
    assert denoised.data.shape[0] == 5
    np.testing.assert_allclose(denoised.data[4], expected(9), rtol=1e-3)


def test_the_dock_follows_a_movie_that_is_given_other_data(qtbot, viewer, dock):
    layer = add_movie(viewer)
    layer.data = movie()[:10]
    assert (dock.last.maximum(), dock.last.value()) == (9, 9)
    layer.data = movie()[0]
    assert not dock.run_button.isEnabled()
    assert dock.job_bar.status.text()
    layer.data = movie()
    assert dock.last.maximum() == len(movie()) - 1


def test_the_posterior_variance_is_a_layer_that_nobody_localizes_on(
    qtbot, viewer, dock, tmp_path, monkeypatch
):
    layer = add_movie(viewer, translate=(0, 5.0, 6.0))
    localize = open_dock(viewer, "Localize")
    dock.estimate.setCurrentText("Posterior variance (no movie)")
    click(qtbot, dock.run_button)
    wait_for_end(qtbot, dock)
    variance = viewer.layers["movie posterior variance"]
    # One photoelectron makes 150 / 12 ADU.
    squared = model().denoise_frame(Stack(movie()), 11, "posterior-variance") * 12.5**2
    np.testing.assert_allclose(variance.data[11], squared, rtol=1e-3)
    np.testing.assert_allclose(variance.translate, layer.translate)
    assert variance.metadata["blinkspot_unit"] == "ADU^2"
    low, high = variance.contrast_limits
    assert np.mean((variance.data >= low) & (variance.data <= high)) > 0.9
    before = list(variance.contrast_limits)
    layer.contrast_limits = (111.0, 222.0)
    assert list(variance.contrast_limits) == before
    for choice in (dock.movies, localize.movies, localize.denoised):
        assert variance.name not in [choice.itemText(index) for index in range(choice.count())]
    assert not dock.save_button.isEnabled()

    # Nor where it comes from a file.
    monkeypatch.setattr(denoising_steps, "_SHARE_OF_FREE_MEMORY", 0.0)
    monkeypatch.setattr(file_dialogs, "ask_save", lambda *_: tmp_path / "variance.tif")
    click(qtbot, dock.run_button)
    wait_for_end(qtbot, dock)
    filed = viewer.layers["movie posterior variance [1]"]
    np.testing.assert_array_equal(np.asarray(filed.data[11]), variance.data[11])
    viewer.open(str(tmp_path / "variance.tif"), plugin="napari-blinkspot")
    for choice in (dock.movies, localize.movies, localize.denoised):
        assert not [index for index in range(choice.count()) if "variance" in choice.itemText(index)]


def test_a_range_the_wrong_way_round_is_refused(qtbot, viewer, dock):
    add_movie(viewer)
    dock.frames.setCurrentText("A range")
    dock.first.setValue(9)
    dock.last.setValue(5)
    with notifications() as shown:
        click(qtbot, dock.run_button)
    assert "the first must come first" in shown[0][1]
    assert not dock.runner.busy


def test_frames_appear_as_they_are_done_and_cancel_keeps_them(qtbot, viewer, dock, slow):
    add_movie(viewer)
    viewer.dims.set_current_step(0, 0)
    click(qtbot, dock.run_button)
    qtbot.waitUntil(lambda: "movie denoised" in viewer.layers, timeout=10_000)
    denoised = viewer.layers["movie denoised"]
    qtbot.waitUntil(lambda: bool(denoised.data[3].any()), timeout=10_000)
    assert dock.runner.busy
    np.testing.assert_allclose(denoised.data[0], expected(0), rtol=1e-3)
    click(qtbot, dock.job_bar.stop_button)
    wait_for_end(qtbot, dock, timeout=1000)
    done = denoised.data.shape[0]
    assert 4 <= done < 40
    assert denoised.name == f"movie denoised (frames 0-{done - 1})"
    assert denoised.data[-1].any()


def test_a_name_that_the_user_gives_meanwhile_stays(qtbot, viewer, dock, slow):
    add_movie(viewer)
    click(qtbot, dock.run_button)
    qtbot.waitUntil(lambda: "movie denoised" in viewer.layers, timeout=10_000)
    denoised = viewer.layers["movie denoised"]
    denoised.name = "mine"
    click(qtbot, dock.job_bar.stop_button)
    wait_for_end(qtbot, dock, timeout=1000)
    assert denoised.data.shape[0] < 40
    assert denoised.name == "mine"


def test_cancel_does_not_wait_for_the_movie_to_be_checked(qtbot, viewer, dock, monkeypatch):
    released = threading.Event()
    monkeypatch.setattr(Denoiser, "check_matches", lambda *_: released.wait(30.0))
    add_movie(viewer)
    click(qtbot, dock.run_button)
    qtbot.waitUntil(lambda: "Checking" in dock.job_bar.status.text(), timeout=10_000)
    click(qtbot, dock.job_bar.stop_button)
    wait_for_end(qtbot, dock, timeout=10_000)
    assert not released.is_set()
    released.set()
    assert [layer.name for layer in viewer.layers] == ["movie"]


def test_the_movie_of_another_camera_is_refused(qtbot, viewer, dock):
    layer = add_movie(viewer)
    cameras = session_of(viewer).cameras
    cameras.set(layer, cameras.record(layer).typed("em_gain", 300.0))
    with notifications() as shown:
        click(qtbot, dock.run_button)
        wait_for_end(qtbot, dock)
    assert "made for another camera" in shown[0][1]
    assert [layer.name for layer in viewer.layers] == ["movie"]


@pytest.mark.parametrize("frames", ["All frames", "As you look", "into a file"])
def test_a_movie_of_a_kind_that_the_model_has_not_learned_is_told(
    qtbot, viewer, dock, tmp_path, monkeypatch, frames
):
    layer = add_movie(viewer, dock, data=movie(background_photons=8.0))
    monkeypatch.setattr(file_dialogs, "ask_save", lambda *_: tmp_path / "out.tif")
    with notifications() as shown:
        if frames == "into a file":
            click(qtbot, dock.file_button)
        else:
            dock.frames.setCurrentText(frames)
            click(qtbot, dock.run_button)
        wait_for_end(qtbot, dock)
    assert ["has not learned a movie like this one" in text for _, text in shown] == [True]
    assert [each.name.startswith("movie denoised") for each in viewer.layers if each is not layer] == [True]


def test_side_by_side_and_back(qtbot, viewer, dock):
    layer = add_movie(viewer)
    viewer.add_image(np.zeros((32, 32)), name="other")
    click(qtbot, dock.run_button)
    wait_for_end(qtbot, dock)
    names = [each.name for each in viewer.layers]
    click(qtbot, dock.compare.button)
    grid = viewer.canvas.grid
    denoised = viewer.layers["movie denoised"]
    assert grid.enabled
    assert grid.position(viewer.layers.index(layer), viewer.layers) == (0, 0)
    assert grid.position(viewer.layers.index(denoised), viewer.layers) == (0, 1)
    assert not viewer.layers["other"].visible
    click(qtbot, dock.compare.button)
    assert not grid.enabled
    assert [each.name for each in viewer.layers] == names
    assert viewer.layers["other"].visible


def test_the_newest_result_is_the_one_that_is_saved_and_compared(qtbot, viewer, dock, tmp_path, monkeypatch):
    layer = add_movie(viewer)
    click(qtbot, dock.run_button)
    wait_for_end(qtbot, dock)
    dock.estimate.setCurrentIndex(dock.estimate.findData("map"))
    click(qtbot, dock.run_button)
    wait_for_end(qtbot, dock)
    older, newer = viewer.layers["movie denoised"], viewer.layers["movie denoised [1]"]
    assert viewer.layers.index(newer) < viewer.layers.index(older)
    click(qtbot, dock.compare.button)
    assert session_of(viewer).comparison.pair == (layer, newer)
    suggested = []
    path = tmp_path / "denoised.tif"
    monkeypatch.setattr(file_dialogs, "ask_save", lambda *asked: (suggested.append(asked), path)[1])
    click(qtbot, dock.save_button)
    wait_for_end(qtbot, dock)
    assert "movie denoised [1]" in str(suggested)
    np.testing.assert_array_equal(open_stack(path).frames(0, 40), newer.data)
    assert open_dock(viewer, "Localize").pair.denoised.layer is newer
    viewer.layers.remove(newer)
    assert session_of(viewer).denoised_of(layer, viewer.layers) is older


@pytest.mark.parametrize("way", ["Side by side", "Curtain", "Flip"])
def test_a_new_result_takes_its_place_in_the_comparison_of_its_movie(qtbot, viewer, dock, way):
    layer = add_movie(viewer)
    other = viewer.add_image(np.zeros((40, 32, 32)), name="other")
    click(qtbot, dock.run_button)
    wait_for_end(qtbot, dock)
    comparison = session_of(viewer).comparison
    comparison.show(layer, viewer.layers["movie denoised"], way)
    dock.estimate.setCurrentIndex(dock.estimate.findData("map"))
    click(qtbot, dock.run_button)
    wait_for_end(qtbot, dock)
    newer = viewer.layers["movie denoised [1]"]
    assert (comparison.pair, comparison.way) == ((layer, newer), way)
    seen = {each.name for each in viewer.layers if each.visible}
    assert seen == ({"movie"} if way == "Flip" else {"movie", "movie denoised [1]"})
    # Where another movie is compared, or the result is no movie, all is shown again.
    for estimate, pair in (("blind", (other, newer)), ("posterior-variance", (layer, newer))):
        comparison.show(*pair, way)
        dock.estimate.setCurrentIndex(dock.estimate.findData(estimate))
        click(qtbot, dock.run_button)
        wait_for_end(qtbot, dock)
        assert not comparison.active
        assert all(each.visible for each in viewer.layers)


@pytest.mark.parametrize("suffix", [".tif", ".zarr"])
def test_the_result_is_saved_in_adu(qtbot, viewer, dock, tmp_path, monkeypatch, suffix):
    add_movie(viewer)
    assert not dock.save_button.isEnabled()
    click(qtbot, dock.run_button)
    wait_for_end(qtbot, dock)
    path = tmp_path / f"denoised{suffix}"
    monkeypatch.setattr(file_dialogs, "ask_save", lambda *_: path)
    click(qtbot, dock.save_button)
    wait_for_end(qtbot, dock)
    saved = open_stack(path)
    np.testing.assert_array_equal(saved.frames(0, 40), viewer.layers["movie denoised"].data)
    assert saved.camera_hints["pixel_size_nm"] == pytest.approx(100.0)
    assert saved.metadata["provenance"]["step"] == "denoise"
    with notifications() as shown:
        click(qtbot, dock.save_button)
        wait_for_end(qtbot, dock)
    assert "exists already" in shown[0][1]


def test_a_saved_result_opens_as_a_denoised_movie(qtbot, viewer, dock, tmp_path):
    add_movie(viewer)
    click(qtbot, dock.run_button)
    wait_for_end(qtbot, dock)
    dock.save(viewer.layers["movie denoised"], tmp_path / "again.tif")
    wait_for_end(qtbot, dock)
    (again,) = viewer.open(str(tmp_path / "again.tif"), plugin="napari-blinkspot")
    # So it is offered as the denoised version of a movie, and not to be trained on.
    assert "again" not in [dock.movies.itemText(index) for index in range(dock.movies.count())]
    localize = open_dock(viewer, "Localize")
    localize.denoised.setCurrentText("again")
    assert localize.denoised.layer is again


def test_what_does_not_fit_in_memory_goes_to_a_file_and_opens_lazily(
    qtbot, viewer, dock, tmp_path, monkeypatch
):
    monkeypatch.setattr(denoising_steps, "_SHARE_OF_FREE_MEMORY", 0.0)
    path = tmp_path / "large.tif"
    monkeypatch.setattr(file_dialogs, "ask_save", lambda *_: path)
    add_movie(viewer)
    click(qtbot, dock.run_button)
    wait_for_end(qtbot, dock)
    denoised = viewer.layers["movie denoised"]
    assert not isinstance(denoised.data, np.ndarray)
    np.testing.assert_allclose(np.asarray(denoised.data[11]), expected(11), rtol=1e-3)
    assert str(path) in dock.job_bar.status.text()


def test_a_lazy_movie_from_a_file_is_denoised_too(qtbot, viewer, dock, tmp_path):
    path = write_stack(tmp_path / "lazy.tif", movie(), pixel_size_nm=100.0)
    viewer.open(str(path), plugin="napari-blinkspot")
    click(qtbot, dock.run_button)
    wait_for_end(qtbot, dock)
    np.testing.assert_allclose(viewer.layers["lazy denoised"].data[3], expected(3), rtol=1e-3)


def test_movies_that_are_opened_at_once_all_come(qtbot, viewer, tmp_path, monkeypatch):
    names = ["one", "two", "three"]
    for name in names:
        tifffile.imwrite(tmp_path / f"{name}.tif", movie(), metadata={"axes": "TYX"}, ome=False)
    dock = open_dock(viewer, "Denoise")
    gate = gated(monkeypatch, opener, "open_stack")
    for name in names:
        dock.open_button.open(tmp_path / f"{name}.tif")
    gate.set()
    qtbot.waitUntil(lambda: len(viewer.layers) == 3, timeout=30_000)
    assert [layer.name for layer in viewer.layers] == names


def test_models_that_are_loaded_at_once_all_come(qtbot, viewer, tmp_path, monkeypatch):
    names = ["one", "two", "three"]
    for name in names:
        model().save(tmp_path / f"{name}.blinkspot")
    dock = open_dock(viewer, "Denoise")
    gate = gated(monkeypatch, model_files, "load_model")
    for name in names:
        dock.loader.load(tmp_path / f"{name}.blinkspot")
    gate.set()
    qtbot.waitUntil(lambda: len(session_of(viewer).models) == 3, timeout=30_000)
    assert list(session_of(viewer).models) == names


def test_a_model_that_is_saved_as_three_files_at_once_is_in_all(qtbot, viewer, tmp_path, monkeypatch):
    dock = open_dock(viewer, "Denoise")
    session, heard = session_of(viewer), []
    session.add_model("trained", model())
    session.model_saved.connect(heard.append)
    gate = gated(monkeypatch, model_files, "save_model")
    paths = [tmp_path / f"{name}.blinkspot" for name in ("one", "two", "three")]
    for path in paths:
        monkeypatch.setattr(file_dialogs, "ask_save", lambda *_, path=path: path)
        click(qtbot, dock.save_model_button)
    gate.set()
    qtbot.waitUntil(lambda: len(heard) == 3, timeout=30_000)
    assert all(path.is_file() for path in paths)


def test_save_is_offered_only_while_there_is_a_denoised_movie(qtbot, viewer):
    dock = open_dock(viewer, "Denoise")
    session_of(viewer).add_model("trained", model())
    add_movie(viewer)
    click(qtbot, dock.run_button)
    wait_for_end(qtbot, dock)
    assert dock.save_button.isEnabled()
    viewer.layers.remove("movie denoised")
    assert not dock.save_button.isEnabled()


def test_what_is_said_stays_when_layers_come_and_go(qtbot, viewer, tmp_path):
    dock = open_dock(viewer, "Denoise")
    add_movie(viewer)
    (tmp_path / "bad.blinkspot").write_bytes(b"nothing")
    dock.loader.load(tmp_path / "bad.blinkspot")
    qtbot.waitUntil(lambda: "is not a model" in dock.job_bar.status.text(), timeout=10_000)
    viewer.layers.remove(viewer.add_points(np.zeros((1, 3))))
    assert "is not a model" in dock.job_bar.status.text()


def test_the_range_stays_when_data_of_the_same_shape_come(qtbot, viewer):
    dock = open_dock(viewer, "Denoise")
    layer = add_movie(viewer)
    dock.frames.setCurrentText("A range")
    dock.first.setValue(10)
    dock.last.setValue(20)
    layer.data = movie()[::-1].copy()
    assert (dock.first.value(), dock.last.value()) == (10, 20)
