"""Our reader made napari's default for dropped TIFF files, by a menu entry."""

import numpy as np
import pytest
from napari.plugins.utils import get_preferred_reader
from napari.settings import NapariSettings
from test_plugin_helpers import movie, notifications, open_dock

from blinkspot.movies.writing import write_stack
from blinkspot.plugin.docks.default_reader import PATTERNS, DefaultReaderAction, is_default_reader
from blinkspot.plugin.manifest.reader import SUFFIXES


@pytest.fixture(autouse=True)
def settings(viewer, tmp_path, monkeypatch):
    """Settings that are not the user's, but saved as theirs are."""
    fresh = NapariSettings(config_path=tmp_path / "settings.yaml")
    fresh._connect_events()
    monkeypatch.setattr("napari.settings._SETTINGS", fresh)
    fresh.plugins.extension2reader = {"*.png": "napari", "*.tif": "napari"}
    return fresh.plugins


def the_action(dock):
    (action,) = [each for each in dock.open_button.menu().actions() if isinstance(each, DefaultReaderAction)]
    return action


def test_all_files_that_we_read_are_among_them():
    assert set(PATTERNS) == {f"*{suffix}" for suffix in SUFFIXES}


def test_a_dropped_file_opens_without_a_question(qtbot, viewer, settings, tmp_path):
    path = write_stack(tmp_path / "cells.tif", movie(), pixel_size_nm=108.0)
    action = the_action(open_dock(viewer, "Train"))
    assert not action.isChecked()
    with notifications() as shown:
        action.trigger()
    assert "opened by Blinkspot" in shown[0][1]
    assert "'*.tif': napari-blinkspot" in (tmp_path / "settings.yaml").read_text()
    assert get_preferred_reader(path) == "napari-blinkspot"
    # As a drop does: without naming a plugin.
    viewer.window._qt_viewer._qt_open([str(path)], stack=False)
    (layer,) = viewer.layers
    assert not isinstance(layer.data, np.ndarray)
    assert layer.scale == pytest.approx([1.0, 0.108, 0.108])


def test_it_is_taken_back_and_other_preferences_stay(viewer, settings):
    action = the_action(open_dock(viewer, "Train"))
    action.trigger()
    assert action.isChecked()
    assert settings.extension2reader == {"*.png": "napari"} | dict.fromkeys(PATTERNS, "napari-blinkspot")
    settings.extension2reader = {**settings.extension2reader, "*.tiff": "napari"}
    action.parent().aboutToShow.emit()
    assert not action.isChecked()
    action.trigger()
    assert is_default_reader()
    action.trigger()
    assert settings.extension2reader == {"*.png": "napari"}
