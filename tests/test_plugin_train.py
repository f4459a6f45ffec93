"""The Train dock, driven as a user drives it."""

import threading

import numpy as np
import pytest
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

from blinkspot.denoising import Course, Denoiser, Training, frames
from blinkspot.movies.stack import Stack
from blinkspot.movies.writing import write_stack
from blinkspot.plugin import backend
from blinkspot.plugin.session import session_of
from blinkspot.plugin.train import training_steps
from blinkspot.plugin.widgets import file_dialogs


def train_for(dock, epochs):
    dock.options.extent.setCurrentText("epochs")
    dock.options.epochs.setValue(epochs)


def test_an_empty_viewer_offers_nothing_to_train_on(viewer):
    dock = open_dock(viewer, "Train")
    assert dock.movies.layer is None
    assert not dock.start_button.isEnabled()
    assert not dock.save_button.isEnabled()


def test_training_shows_its_curve_and_the_frame_and_leaves_a_model(qtbot, viewer, tmp_path, monkeypatch):
    dock = open_dock(viewer, "Train")
    layer = add_movie(viewer, translate=(0, 2.0, 3.0))
    viewer.dims.set_current_step(0, 11)
    train_for(dock, 8)
    click(qtbot, dock.start_button)
    assert not dock.start_button.isEnabled()
    qtbot.waitUntil(lambda: "left" in dock.job_bar.status.text(), timeout=30_000)
    wait_for_end(qtbot, dock)
    assert "is ready in the Denoise dock" in dock.job_bar.status.text()

    points = dock.loss_plot.points
    assert len(points) >= 2
    assert all(np.isfinite([point.training, point.validation]).all() for point in points)
    assert dock.loss_plot.words.text() == f"{points[-1].course[:1].upper()}{points[-1].course[1:]}."
    assert points[-1].course in [course.value for course in Course]
    x, _ = dock.loss_plot._validation.getData()
    assert list(x) == [point.epoch for point in points]

    live = viewer.layers["movie denoised so far"]
    assert live.data.shape == (1, 32, 32)
    assert live.translate == pytest.approx([11.0, 2.0, 3.0])
    assert live.scale == pytest.approx(layer.scale)
    # In the movie's own units, and smoother than the movie.
    assert abs(live.data.mean() - movie()[11].mean()) < 0.2 * movie()[11].std()
    assert live.data.std() < movie()[11].std()
    live.contrast_limits = (90.0, 300.0)
    assert layer.contrast_limits == [90.0, 300.0]

    model = session_of(viewer).models["movie"]
    assert model.camera == CAMERA
    assert "calibration" in model.provenance  # the finished model, not the last of those on the way
    path = tmp_path / "m.blinkspot"
    monkeypatch.setattr(file_dialogs, "ask_save", lambda *_: path)
    click(qtbot, dock.save_button)
    qtbot.waitUntil(lambda: "saved" in dock.job_bar.status.text())
    assert Denoiser.load(path).camera == CAMERA


def begin(qtbot, viewer, **more):
    """Begin a training at frame 3; return its dock and the live frame."""
    dock = open_dock(viewer, "Train")
    add_movie(viewer, **more)
    viewer.dims.set_current_step(0, 3)
    train_for(dock, 10_000)
    click(qtbot, dock.start_button)
    qtbot.waitUntil(lambda: "movie denoised so far" in viewer.layers, timeout=30_000)
    return dock, viewer.layers["movie denoised so far"]


def test_the_live_frame_follows_the_slider_while_training_and_after(qtbot, viewer):
    dock, live = begin(qtbot, viewer)
    viewer.dims.set_current_step(0, 30)
    qtbot.waitUntil(lambda: live.translate[0] == 30, timeout=10_000)
    click(qtbot, dock.job_bar.stop_button)
    wait_for_end(qtbot, dock)
    viewer.dims.set_current_step(0, 5)
    qtbot.waitUntil(lambda: live.translate[0] == 5, timeout=10_000)


@pytest.mark.parametrize("button", ["pause_button", "stop_button"])
def test_a_training_that_rests_leaves_the_frame_looked_at(qtbot, viewer, monkeypatch, button):
    dock, live = begin(qtbot, viewer)
    # No time is left to show another frame.
    monkeypatch.setattr(training_steps, "preview", lambda *_: iter(()))
    viewer.dims.set_current_step(0, 30)
    click(qtbot, getattr(dock.job_bar, button))
    qtbot.waitUntil(lambda: live.translate[0] == 30, timeout=10_000)
    dock.runner.stop()
    wait_for_end(qtbot, dock)


def test_a_frame_that_was_begun_before_a_pause_gives_way_to_the_one_looked_at(qtbot, viewer, monkeypatch):
    dock, live = begin(qtbot, viewer)
    begun, gate, preview = threading.Event(), threading.Event(), training_steps.preview

    def late(*arguments):
        begun.set()
        assert gate.wait(30)
        yield from preview(*arguments)

    monkeypatch.setattr(training_steps, "preview", late)
    viewer.dims.set_current_step(0, 12)
    qtbot.waitUntil(begun.is_set, timeout=10_000)
    click(qtbot, dock.job_bar.pause_button)
    viewer.dims.set_current_step(0, 30)
    qtbot.waitUntil(lambda: live.translate[0] == 30, timeout=10_000)
    # It may be seen for less than it takes to look again.
    shown = []
    live.events.translate.connect(lambda: shown.append(live.translate[0]))
    gate.set()
    qtbot.waitUntil(lambda: shown[-2:] == [12, 30], timeout=10_000)
    dock.runner.stop()
    wait_for_end(qtbot, dock)


@pytest.fixture
def gate(monkeypatch):
    """What a frame waits for that is denoised while the training rests."""
    event = gated(monkeypatch, training_steps, "denoised_frame")
    yield event
    event.set()


def test_the_frame_asked_for_in_a_pause_comes_though_the_training_is_stopped(qtbot, viewer, gate):
    dock, live = begin(qtbot, viewer)
    click(qtbot, dock.job_bar.pause_button)
    viewer.dims.set_current_step(0, 30)
    click(qtbot, dock.job_bar.stop_button)
    wait_for_end(qtbot, dock)
    gate.set()
    qtbot.waitUntil(lambda: live.translate[0] == 30, timeout=10_000)


def test_a_training_that_goes_on_shows_the_frame_it_had_shown_before_the_pause(
    qtbot, viewer, gate, monkeypatch
):
    dock, live = begin(qtbot, viewer)
    # As for most of a long training, no model is better than the one that there is.
    best = dock._run.job.best
    monkeypatch.setattr(Training, "best", property(lambda _: best, lambda *_: None), raising=False)
    qtbot.wait(500)
    assert live.translate[0] == 3
    click(qtbot, dock.job_bar.pause_button)
    gate.set()
    viewer.dims.set_current_step(0, 30)
    qtbot.waitUntil(lambda: live.translate[0] == 30, timeout=10_000)
    gate.clear()
    viewer.dims.set_current_step(0, 3)
    click(qtbot, dock.job_bar.pause_button)
    qtbot.waitUntil(lambda: live.translate[0] == 3, timeout=10_000)
    dock.runner.stop()
    wait_for_end(qtbot, dock)


def test_a_frame_that_cannot_be_shown_at_rest_leaves_what_was_said_of_the_training(qtbot, viewer):
    data = movie().astype(np.float32)
    dock, live = begin(qtbot, viewer, data=data)
    click(qtbot, dock.job_bar.stop_button)
    wait_for_end(qtbot, dock)
    data[30] = np.nan
    with notifications() as told:
        viewer.dims.set_current_step(0, 30)
        qtbot.waitUntil(lambda: bool(told), timeout=10_000)
    assert "not finite" in told[0][1]
    assert "The model 'movie' is ready" in dock.job_bar.status.text()
    assert live.translate[0] == 3


class Unreadable:
    """A movie of which one frame cannot be read once it is told so."""

    ndim, dtype = 3, np.dtype(np.uint16)
    shape = (40, 32, 32)

    def __init__(self):
        self.broken = False

    def __getitem__(self, index):
        if self.broken:
            raise OSError("the disk is gone")
        return movie()[index]


@pytest.mark.parametrize("spoiled", ["longer", "not finite", "unreadable"])
def test_a_frame_that_cannot_be_shown_does_not_end_the_training(qtbot, viewer, spoiled):
    dock = open_dock(viewer, "Train")
    data = Unreadable() if spoiled == "unreadable" else movie().astype(np.float32)
    layer = add_movie(viewer, data=data)
    train_for(dock, 10_000)
    dock.options.context.setCurrentIndex(dock.options.context.findData(0))
    viewer.dims.set_current_step(0, 3)
    click(qtbot, dock.start_button)
    qtbot.waitUntil(lambda: "movie denoised so far" in viewer.layers, timeout=30_000)
    live = viewer.layers["movie denoised so far"]
    with notifications() as shown:
        if spoiled == "longer":
            layer.data = np.tile(data, (2, 1, 1))
            viewer.dims.set_current_step(0, 70)
            qtbot.waitUntil(lambda: live.translate[0] == 39, timeout=10_000)
        else:
            if spoiled == "not finite":
                data[30] = np.nan  # in memory since, so that the training does not see it
            else:
                layer.data = movie()  # the viewer's own, while the training keeps to its own
                data.broken = True
            viewer.dims.set_current_step(0, 30)
            reason = {"not finite": "not finite", "unreadable": "the disk is gone"}[spoiled]
            qtbot.waitUntil(lambda: reason in dock.job_bar.status.text(), timeout=10_000)
            assert "Frame 30 cannot be shown denoised" in dock.job_bar.status.text()
        before = len(dock.loss_plot.points)
        qtbot.waitUntil(lambda: len(dock.loss_plot.points) > before, timeout=30_000)
    assert shown == []
    if spoiled == "not finite":
        viewer.dims.set_current_step(0, 5)
        qtbot.waitUntil(lambda: live.translate[0] == 5, timeout=10_000)
        qtbot.waitUntil(lambda: "cannot be shown" not in dock.job_bar.status.text(), timeout=10_000)
    click(qtbot, dock.job_bar.stop_button)
    wait_for_end(qtbot, dock)
    assert "The model 'movie' is ready" in dock.job_bar.status.text()


def test_stop_keeps_the_best_model_so_far(qtbot, viewer):
    dock = open_dock(viewer, "Train")
    add_movie(viewer)
    train_for(dock, 10_000)
    click(qtbot, dock.start_button)
    qtbot.waitUntil(lambda: bool(dock.loss_plot.points), timeout=30_000)
    click(qtbot, dock.job_bar.stop_button)
    wait_for_end(qtbot, dock, timeout=2000)
    assert "Stopped" in dock.job_bar.status.text()
    assert list(session_of(viewer).models) == ["movie"]
    assert dock.start_button.isEnabled()
    assert dock.save_button.isEnabled()


def test_a_paused_training_goes_on_as_if_nothing_had_been(qtbot, viewer):
    dock = open_dock(viewer, "Train")
    add_movie(viewer)
    viewer.dims.set_current_step(0, 3)
    train_for(dock, 12)
    click(qtbot, dock.start_button)
    wait_for_end(qtbot, dock)
    viewer.layers.remove("movie denoised so far")

    click(qtbot, dock.start_button)
    qtbot.waitUntil(lambda: "movie denoised so far" in viewer.layers, timeout=30_000)
    click(qtbot, dock.job_bar.pause_button)
    qtbot.waitUntil(lambda: "Paused. Training:" in dock.job_bar.status.text(), timeout=1000)
    qtbot.wait(500)
    points = dock.loss_plot.points
    # The slider is still followed, by what has been learned so far.
    live = viewer.layers["movie denoised so far"]
    viewer.dims.set_current_step(0, 30)
    qtbot.waitUntil(lambda: live.translate[0] == 30, timeout=10_000)
    qtbot.wait(500)
    assert dock.loss_plot.points == points
    assert dock.runner.busy
    assert not dock.start_button.isEnabled()
    click(qtbot, dock.job_bar.pause_button)
    wait_for_end(qtbot, dock)
    first, second = session_of(viewer).models.values()
    assert len(dock.loss_plot.points) > len(points)
    assert first.digest() == second.digest()
    assert dock.job_bar.pause_button.isHidden()


def test_stop_before_the_first_model_leaves_none(qtbot, viewer):
    dock = open_dock(viewer, "Train")
    add_movie(viewer)
    click(qtbot, dock.start_button)
    click(qtbot, dock.job_bar.stop_button)
    wait_for_end(qtbot, dock, timeout=10_000)
    assert session_of(viewer).models == {}
    assert "before there was a model" in dock.job_bar.status.text()


def test_a_training_stopped_early_leaves_the_model_of_before(qtbot, viewer, tmp_path, monkeypatch):
    dock = open_dock(viewer, "Train")
    layer = add_movie(viewer)
    train_for(dock, 4)
    click(qtbot, dock.start_button)
    wait_for_end(qtbot, dock)
    points = dock.loss_plot.points
    live = viewer.layers["movie denoised so far"]

    click(qtbot, dock.start_button)
    click(qtbot, dock.job_bar.stop_button)
    wait_for_end(qtbot, dock)
    assert dock.job_bar.status.text() == (
        "Stopped before there was a model. The model 'movie' of before is kept."
    )
    assert dock.loss_plot.points == points
    viewer.dims.set_current_step(0, 7)
    qtbot.waitUntil(lambda: live.translate[0] == 7, timeout=10_000)
    kept = session_of(viewer).models["movie"]
    np.testing.assert_allclose(live.data[0], CAMERA.adu(kept.denoise_frame(Stack(layer.data), 7)), rtol=1e-4)
    path = tmp_path / "kept.blinkspot"
    monkeypatch.setattr(file_dialogs, "ask_save", lambda *_: path)
    click(qtbot, dock.save_button)
    qtbot.waitUntil(lambda: "saved" in dock.job_bar.status.text())
    assert Denoiser.load(path).digest() == kept.digest()

    # One that comes to a model takes its place.
    dock.options.seed.setValue(1)
    click(qtbot, dock.start_button)
    wait_for_end(qtbot, dock)
    assert len(dock.loss_plot.points) == len(points)
    assert dock.loss_plot.points[0].validation != points[0].validation
    assert list(session_of(viewer).models) == ["movie", "movie (2)"]


def test_stop_does_not_wait_for_torch_to_be_loaded(qtbot, viewer, monkeypatch):
    released = threading.Event()
    monkeypatch.setattr(backend, "_load_for_training", lambda: released.wait(30.0))
    dock = open_dock(viewer, "Train")
    add_movie(viewer)
    click(qtbot, dock.start_button)
    qtbot.waitUntil(lambda: dock.job_bar.status.text() == "Loading PyTorch...")
    click(qtbot, dock.job_bar.stop_button)
    wait_for_end(qtbot, dock, timeout=10_000)
    assert not released.is_set()
    released.set()


def test_side_by_side_shows_the_movie_and_the_live_frame(qtbot, viewer):
    dock = open_dock(viewer, "Train")
    layer = add_movie(viewer)
    with notifications() as shown:
        click(qtbot, dock.compare.button)
    assert "no denoised movie" in shown[0][1]
    assert not dock.compare.button.isChecked()
    train_for(dock, 4)
    click(qtbot, dock.start_button)
    wait_for_end(qtbot, dock)
    click(qtbot, dock.compare.button)
    assert session_of(viewer).comparison.pair == (layer, viewer.layers["movie denoised so far"])
    click(qtbot, dock.compare.button)
    assert not viewer.canvas.grid.enabled


def test_the_live_frame_takes_its_place_where_its_movie_is_compared(qtbot, viewer):
    dock = open_dock(viewer, "Train")
    layer = add_movie(viewer)
    before = viewer.add_image(np.zeros(layer.data.shape), name="before")
    comparison = session_of(viewer).comparison
    comparison.show(layer, before, "Curtain")
    train_for(dock, 4)
    click(qtbot, dock.start_button)
    wait_for_end(qtbot, dock)
    live = viewer.layers["movie denoised so far"]
    assert (comparison.pair, comparison.way) == ((layer, live), "Curtain")
    # It takes that place once: what the user compares afterwards stays, as long as the layer is there.
    comparison.show(layer, before, "Curtain")
    viewer.dims.set_current_step(0, 3)
    qtbot.wait(500)
    assert comparison.pair == (layer, before)


@pytest.mark.parametrize(
    ("data", "options", "reason"),
    [
        (np.zeros((20, 30)), {}, "single picture"),
        (np.zeros((4, 5, 20, 30)), {}, "4 axes"),
        (np.zeros((20, 30, 3), np.uint8), {"rgb": True}, "colour"),
        (np.zeros((1, 20, 30)), {}, "one frame"),
        (np.zeros((9, 15, 30)), {}, "frames of 15 x 30 pixels"),
        (np.zeros((9, 20, 30), bool), {}, "pixels of type bool"),
        (np.zeros((3, 20, 30)), {}, "3 frames: training needs 5"),
    ],
)
def test_a_layer_that_is_no_movie_is_explained(qtbot, viewer, data, options, reason):
    docks = [open_dock(viewer, name) for name in ("Train", "Denoise", "Localize")]
    dock = docks[0]
    with notifications() as shown:
        layer = viewer.add_image(data, **options)
        qtbot.wait(50)
    assert shown == []
    assert reason in dock.job_bar.status.text()
    assert not dock.start_button.isEnabled()
    viewer.layers.remove(layer)
    assert dock.job_bar.status.text() == ""


def test_as_few_frames_as_are_refused_by_the_backend_are_refused_beforehand():
    assert training_steps.FEWEST_FRAMES == frames._MIN_FRAMES


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (np.where(np.arange(40)[:, None, None] == 4, np.nan, movie()), "not finite"),
        (np.zeros((20, 32, 32)), "empty"),
        (np.full((20, 32, 32), 65535, np.uint16), "65535"),
        (-movie().astype(np.float32), "mostly negative"),
    ],
)
def test_a_movie_that_cannot_be_used_is_refused_in_one_sentence(qtbot, viewer, data, reason):
    dock = open_dock(viewer, "Train")
    with notifications() as shown:
        viewer.add_image(data)
        qtbot.waitUntil(lambda: bool(dock.camera.remark.text()), timeout=5000)
        remark = dock.camera.remark.text()
        dock.camera.fields["electrons_per_adu"].setValue(12.0)
        dock.camera.fields["offset_adu"].setValue(100.0)
        click(qtbot, dock.start_button)
        wait_for_end(qtbot, dock)
    assert [severity for severity, _ in shown] == ["warning"]
    assert reason in shown[0][1]
    # What was found on the way to estimate the camera stands beside its fields, without a notification.
    assert reason in remark
    assert dock.job_bar.status.text() == shown[0][1]
    assert dock.start_button.isEnabled()


def test_a_camera_that_does_not_fit_the_noise_is_warned_of(qtbot, viewer):
    add_movie(viewer)
    dock = open_dock(viewer, "Train")
    dock.camera.fields["em_gain"].setValue(1.0)
    with notifications() as shown:
        click(qtbot, dock.start_button)
        qtbot.waitUntil(lambda: bool(shown), timeout=60_000)
        click(qtbot, dock.job_bar.stop_button)
        wait_for_end(qtbot, dock)
    assert shown[0][0] == "warning"
    assert "times the variance that the camera's settings predict" in shown[0][1]


def test_a_camera_that_nobody_knows_is_asked_for(qtbot, viewer):
    dock = open_dock(viewer, "Train")
    # So even and small that its noise does not tell the camera.
    viewer.add_image(np.random.default_rng(0).poisson(5.0, (12, 16, 16)).astype(np.uint16))
    qtbot.waitUntil(lambda: "does not tell" in dock.camera.remark.text(), timeout=5000)
    with notifications() as shown:
        click(qtbot, dock.start_button)
    assert "offset and conversion are needed" in shown[0][1]
    assert not dock.runner.busy


def test_open_adds_a_lazy_movie_and_chooses_it(qtbot, viewer, tmp_path, monkeypatch):
    path = write_stack(tmp_path / "opened.tif", movie(), pixel_size_nm=100.0)
    dock = open_dock(viewer, "Train")
    monkeypatch.setattr(file_dialogs, "ask_open", lambda *_: path)
    dock.open_button.menu().actions()[0].trigger()
    qtbot.waitUntil(lambda: "opened" in viewer.layers, timeout=5000)
    assert dock.movies.layer is viewer.layers["opened"]
    monkeypatch.setattr(file_dialogs, "ask_open", lambda *_: tmp_path / "none.tif")
    with notifications() as shown:
        dock.open_button.menu().actions()[0].trigger()
        qtbot.waitUntil(lambda: bool(shown), timeout=5000)
    assert "does not exist" in shown[0][1]


def test_renaming_and_removing_layers_keeps_the_choice_right(qtbot, viewer):
    dock = open_dock(viewer, "Train")
    first, second = add_movie(viewer, name="first"), add_movie(viewer, name="second")
    assert dock.movies.layer is first
    dock.movies.setCurrentIndex(1)
    assert dock.movies.layer is second
    second.name = "renamed"
    assert dock.movies.layer is second
    assert dock.movies.currentText() == "renamed"
    viewer.layers.remove(second)
    assert dock.movies.layer is first
    viewer.layers.remove(first)
    assert dock.movies.layer is None


def test_a_model_is_loaded_and_one_that_is_none_refused(qtbot, viewer, tmp_path, monkeypatch):
    from test_plugin_helpers import model

    model().save(tmp_path / "good.blinkspot")
    (tmp_path / "bad.blinkspot").write_bytes(b"nonsense")
    dock = open_dock(viewer, "Train")
    monkeypatch.setattr(file_dialogs, "ask_open", lambda *_: tmp_path / "good.blinkspot")
    click(qtbot, dock.options.load_button)
    qtbot.waitUntil(lambda: "good" in session_of(viewer).models, timeout=10_000)
    monkeypatch.setattr(file_dialogs, "ask_open", lambda *_: tmp_path / "bad.blinkspot")
    with notifications() as shown:
        click(qtbot, dock.options.load_button)
        qtbot.waitUntil(lambda: bool(shown), timeout=10_000)
    assert "bad.blinkspot" in shown[0][1]


def test_the_options_become_training_settings(qtbot, viewer):
    from blinkspot.denoising import TrainingSettings

    dock = open_dock(viewer, "Train")
    options = dock.options
    assert TrainingSettings(**options.settings) == TrainingSettings()
    options.context.setCurrentText("2 frames before and after")
    options.network.setCurrentIndex(1)
    options.extent.setCurrentText("minutes")
    options.minutes.setValue(3.5)
    options.seed.setValue(7)
    options.device.setCurrentIndex(1)
    assert TrainingSettings(**options.settings) == TrainingSettings(
        network="laine", context_frames=2, minutes=3.5, seed=7, device="cpu"
    )


def test_a_model_goes_on_learning_on_another_movie(qtbot, viewer):
    dock = open_dock(viewer, "Train")
    add_movie(viewer)
    dock.options.context.setCurrentIndex(dock.options.context.findData(1))
    train_for(dock, 2)
    click(qtbot, dock.start_button)
    wait_for_end(qtbot, dock)
    assert dock.options.start.currentText() == "A new model"  # a new one is offered, not chosen
    first = session_of(viewer).models["movie"]

    add_movie(viewer, name="second")
    dock.movies.setCurrentText("second")
    dock.options.context.setCurrentIndex(dock.options.context.findData(0))
    dock.options.start.setCurrentText("movie")
    assert not dock.options.context.isEnabled()
    click(qtbot, dock.start_button)
    wait_for_end(qtbot, dock)
    second = session_of(viewer).models["second"]
    assert second.context_frames == 1
    assert second.provenance["started_from"] == first.provenance
    dock.options.start.setCurrentText("A new model")
    assert dock.options.context.isEnabled()


@pytest.mark.parametrize("busy", [False, True])
def test_the_frame_shown_goes_with_the_dock(qtbot, viewer, busy):
    dock = open_dock(viewer, "Train")
    add_movie(viewer)
    train_for(dock, 10_000 if busy else 4)
    click(qtbot, dock.start_button)
    qtbot.waitUntil(lambda: "movie denoised so far" in viewer.layers, timeout=30_000)
    if not busy:
        wait_for_end(qtbot, dock)
    viewer.window.remove_dock_widget(dock)
    qtbot.waitUntil(lambda: not session_of(viewer).is_busy, timeout=30_000)
    qtbot.wait(100)
    assert list(session_of(viewer).models) == ["movie"]
    # No dock would ever renew it, or take it away.
    assert [layer.name for layer in viewer.layers] == ["movie"]
