"""The plugin's settings in napari's Preferences: shown there, and of effect."""

import pytest
import torch
from napari import settings
from qtpy.QtWidgets import QLabel
from test_plugin_helpers import open_dock

from blinkspot.plugin import backend, preferences
from blinkspot.plugin.camera import remembered_cameras
from blinkspot.plugin.train import unfinished


@pytest.fixture
def own_preferences(monkeypatch, tmp_path):
    """The plugin's settings as napari would have them in an empty configuration folder."""
    settings._PLUGIN_SETTINGS.clear()
    monkeypatch.setattr(settings, "_CFG_PATH", str(tmp_path / "config" / "settings.yaml"))
    yield settings.get_plugin_settings("napari-blinkspot")
    settings._PLUGIN_SETTINGS.clear()


def test_settings_of_the_preferences_take_effect(own_preferences, tmp_path):
    usual = remembered_cameras.cameras_folder(), unfinished.trainings_folder()
    assert [folder.name for folder in usual] == ["cameras", "trainings"]
    own_preferences.folders.cameras = str(tmp_path / "c")
    own_preferences.folders.trainings = str(tmp_path / "t")
    assert remembered_cameras.cameras_folder() == tmp_path / "c"
    assert unfinished.trainings_folder() == tmp_path / "t"
    own_preferences.folders.cameras = own_preferences.folders.trainings = " "
    assert (remembered_cameras.cameras_folder(), unfinished.trainings_folder()) == usual
    before = torch.get_num_threads()
    try:
        own_preferences.computing.threads = 3
        backend.denoising()
        assert torch.get_num_threads() == 3
        own_preferences.computing.threads = 0
        backend.denoising()
        assert torch.get_num_threads() == max(1, backend._usable_cores() - 1)
    finally:
        torch.set_num_threads(before)


def test_a_folder_of_a_user_that_is_not_there_keeps_no_dock_from_opening(
    qtbot, viewer, own_preferences, caplog
):
    usual = remembered_cameras.cameras_folder(), unfinished.trainings_folder()
    own_preferences.folders.cameras = own_preferences.folders.trainings = "~nobody-of-that-name/cameras"
    assert (remembered_cameras.cameras_folder(), unfinished.trainings_folder()) == usual
    assert "~nobody-of-that-name/cameras, is nowhere" in caplog.text
    assert open_dock(viewer, "Train").isEnabled()


def test_napari_shows_the_settings_with_their_titles(qtbot, viewer, own_preferences):
    from napari._qt.dialogs.preferences_dialog import PreferencesDialog

    dialog = PreferencesDialog(parent=viewer.window._qt_window)
    qtbot.addWidget(dialog)
    pages = [dialog._list.item(index).text() for index in range(dialog._list.count())]
    page = dialog._stack.widget(pages.index("Blinkspot"))
    shown = {label.text() for label in page.findChildren(QLabel)}
    assert {"Processor threads", "Remembered cameras", "Unfinished trainings"} <= shown


def test_without_the_plugin_being_installed_the_defaults_hold(own_preferences, monkeypatch):
    monkeypatch.setattr(settings, "_PLUGIN_SETTINGS", {"another": None})
    assert preferences.threads() is None
    assert remembered_cameras.cameras_folder().name == "cameras"
