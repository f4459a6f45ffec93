"""Cameras that are set once and offered again, by name."""

import dataclasses
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_plugin_helpers import CAMERA, movie, notifications, wait_for_workers

from blinkspot.camera import Camera
from blinkspot.camera.maps import CameraMaps
from blinkspot.errors import BlinkspotError
from blinkspot.movies.stack import Stack
from blinkspot.plugin.camera.keeper import CameraKeeper
from blinkspot.plugin.camera.record import CameraRecord, Origin, Source
from blinkspot.plugin.camera.remembered_cameras import RememberedCameras, cameras_folder
from blinkspot.plugin.camera.widget import CameraWidget
from blinkspot.plugin.layers.movies import movie_layer
from blinkspot.plugin.widgets import file_dialogs

OTHER = dataclasses.replace(CAMERA, em_gain=300.0)


def layer_of(name=None, hints=None):
    from napari.layers import Image

    metadata = {} if name is None else {"camera_name": name}
    data, state, _ = movie_layer(Stack(movie(), camera_hints=hints or {}, metadata=metadata), "movie")
    return Image(data, **state)


@pytest.fixture
def remembered(tmp_path):
    return RememberedCameras(tmp_path / "cameras")


@pytest.fixture
def keeper(qtbot):
    keeper = CameraKeeper()
    yield keeper
    wait_for_workers(qtbot)


@pytest.fixture
def widget(qtbot, keeper):
    widget = CameraWidget(keeper)
    qtbot.addWidget(widget)
    widget.show()
    return widget


def choose(button, text):
    button.menu().aboutToShow.emit()
    (action,) = [action for action in button.menu().actions() if action.text() == text]
    action.trigger()


@settings(max_examples=40, deadline=None)
@given(name=st.text(min_size=1, max_size=40).filter(lambda text: text.strip()))
def test_any_name_comes_back(tmp_path_factory, name):
    remembered = RememberedCameras(tmp_path_factory.mktemp("cameras"))
    try:
        remembered.remember(name, CAMERA)
    except BlinkspotError:
        # Too long once it is written as %XX, or not to be printed.
        assert remembered.names == []
        return
    assert remembered.names == [name.strip()]
    assert remembered.load(name) == CAMERA
    assert [each.parent for each in remembered.folder.iterdir()] == [remembered.folder]


def test_maps_are_remembered_too(remembered):
    rng = np.random.default_rng(0)
    maps = CameraMaps(rng.normal(100, 2, (20, 24)), rng.uniform(1, 4, (20, 24)), rng.uniform(1, 2, (20, 24)))
    remembered.remember("sCMOS", Camera(maps=maps))
    assert remembered.load("sCMOS") == Camera(maps=maps)


def test_another_camera_of_the_same_name_is_set_aside(remembered):
    remembered.remember("iXon", CAMERA)
    remembered.remember("iXon", OTHER)
    assert remembered.names == ["iXon"]
    assert remembered.load("iXon") == OTHER
    assert Camera.load(remembered.folder / ".iXon.before" / "camera.toml") == CAMERA


def test_what_cannot_be_written_leaves_the_one_before(remembered, monkeypatch):
    remembered.remember("iXon", CAMERA)

    def fail(source, target):
        raise OSError(28, "No space left on device")

    def fail_later(source, target):
        if str(source).endswith(".part"):
            fail(source, target)
        os.rename(source, target)

    for failing in (fail, fail_later):
        monkeypatch.setattr(os, "replace", failing)
        with pytest.raises(BlinkspotError, match="No space left"):
            remembered.remember("iXon", OTHER)
        monkeypatch.undo()
        assert remembered.names == ["iXon"]
    assert remembered.load("iXon") == CAMERA
    assert sorted(each.name for each in remembered.folder.iterdir()) == ["iXon"]


def test_names_that_are_none_are_refused(remembered):
    for name in ("", "   ", "x" * 200):
        with pytest.raises(BlinkspotError, match="letters"):
            remembered.remember(name, CAMERA)
    assert remembered.names == []


def test_the_user_s_cameras_are_in_a_folder_of_our_own():
    assert cameras_folder().parts[-2:] == ("napari-blinkspot", "cameras")


def test_a_camera_that_the_file_names_is_filled_in_and_what_the_file_says_goes_before_it(keeper):
    keeper.remembered.remember("Andor DU-897", CAMERA)
    layer = layer_of("Andor DU-897", {"em_gain": 300.0})
    keeper.ensure(layer)
    record = keeper.record(layer)
    assert record.camera == OTHER
    assert record.source("offset_adu").origin is Origin.REMEMBERED
    assert record.source("em_gain").origin is Origin.FILE
    assert not keeper.is_estimating(layer)
    stranger = layer_of("Flash", {"offset_adu": 100.0, "electrons_per_adu": 2.0})
    keeper.ensure(stranger)
    assert keeper.record(stranger).source("em_gain").origin is Origin.DEFAULT


def test_maps_that_do_not_fit_the_movie_are_told_and_not_taken(keeper):
    maps = CameraMaps(np.full((20, 24), 100.0), np.ones((20, 24)), np.ones((20, 24)))
    keeper.remembered.remember("sCMOS", Camera(maps=maps))
    layer = layer_of("sCMOS", {"offset_adu": 100.0, "electrons_per_adu": 2.0})
    with notifications() as shown:
        keeper.ensure(layer)
    assert "maps" in shown[0][1]
    assert keeper.record(layer).camera.offset_adu == 100.0


def test_a_camera_is_remembered_by_the_name_in_the_file_and_offered(widget, keeper, monkeypatch):
    asked = []
    monkeypatch.setattr(
        file_dialogs, "ask_name", lambda *arguments: asked.append(arguments[-1]) or "R&D iXon/2"
    )
    layer = layer_of("Andor DU-897")
    keeper.set(layer, CameraRecord().with_values(CAMERA.as_dict(), Source(Origin.TYPED)))
    widget.show_layer(layer)
    assert [action.text() for action in widget.load_button.menu().actions()] == ["File..."]
    choose(widget.save_button, "Remember by name...")
    assert asked == ["Andor DU-897"]
    other = layer_of()
    keeper.set(other, CameraRecord())
    widget.show_layer(other)
    choose(widget.load_button, "R&&D iXon/2")
    assert keeper.record(other).camera == CAMERA
    assert widget.origins["em_gain"].text() == "remembered"
    assert "As R&D iXon/2." in widget.origins["em_gain"].toolTip()


def test_before_another_camera_is_replaced_the_user_is_asked(widget, keeper, monkeypatch):
    answers, asked = [False, True], []

    def ask_yes(parent, title, question):
        asked.append(question)
        return answers.pop(0)

    monkeypatch.setattr(file_dialogs, "ask_name", lambda *_: "iXon")
    monkeypatch.setattr(file_dialogs, "ask_yes", ask_yes)
    keeper.remembered.remember("iXon", CAMERA)
    layer = layer_of()
    keeper.set(layer, CameraRecord().with_values(CAMERA.as_dict(), Source(Origin.TYPED)))
    widget.show_layer(layer)
    choose(widget.save_button, "Remember by name...")
    assert asked == []
    keeper.set(layer, CameraRecord().with_values(OTHER.as_dict(), Source(Origin.TYPED)))
    choose(widget.save_button, "Remember by name...")
    assert keeper.remembered.load("iXon") == CAMERA
    choose(widget.save_button, "Remember by name...")
    assert keeper.remembered.load("iXon") == OTHER
    assert len(asked) == 2
    assert "its em_gain is 300, not 150" in asked[0]


def test_a_remembered_camera_whose_file_was_spoiled_is_told(widget, keeper):
    keeper.remembered.remember("iXon", CAMERA)
    (keeper.remembered.folder / "iXon" / "camera.toml").write_text("[camera\n")
    layer = layer_of()
    keeper.set(layer, CameraRecord())
    widget.show_layer(layer)
    with notifications() as shown:
        choose(widget.load_button, "iXon")
    assert "not valid TOML" in shown[0][1]
    assert keeper.record(layer).camera == Camera()
