"""Localize and Molecules side by side, abused at random: no exception, no thread, no widget left behind."""

import gc
import random

import numpy as np
import pytest
from molecules_dock import add_table, table, true_drift
from qtpy.QtWidgets import QApplication
from test_plugin_helpers import (
    add_movie,
    model,
    movie,
    notifications,
    open_dock,
    wait_for_end,
    wait_for_workers,
)

from blinkspot.localization.processing.drift import write_drift
from blinkspot.plugin import file_dialogs
from blinkspot.plugin.dock import Dock
from blinkspot.plugin.session import session_of


@pytest.fixture
def viewer(qtbot, make_napari_viewer):
    viewer = make_napari_viewer()
    yield viewer
    wait_for_workers(qtbot)


@pytest.fixture
def files(tmp_path):
    """Write what a user may open by mistake or not; return their paths."""
    table(300).save(tmp_path / "good.csv")
    table(300).save(tmp_path / "good.hdf5")
    write_drift(true_drift(), tmp_path / "drift.csv")
    write_drift(true_drift(3), tmp_path / "short.csv")
    (tmp_path / "empty.csv").write_bytes(b"")
    (tmp_path / "movie.csv").write_bytes(b"II*\x00" + bytes(200))
    return sorted(tmp_path.iterdir())


def test_two_hundred_random_actions_do_no_harm(qtbot, viewer, files, tmp_path, monkeypatch):
    with notifications() as shown:
        abuse(qtbot, viewer, files, tmp_path, monkeypatch, random.Random(2))
    # What is a defect is told as an error; pytest-qt fails for exceptions.
    assert [message for severity, message in shown if severity == "error"] == []
    gc.collect()
    assert [widget for widget in QApplication.allWidgets() if isinstance(widget, Dock)] == []


def abuse(qtbot, viewer, files, tmp_path, monkeypatch, choose):
    """Open both docks, do two hundred things with them and their layers, and close them."""
    session_of(viewer).add_model("trained", model())
    localize, molecules = docks = [open_dock(viewer, name) for name in ("Localize", "Molecules")]
    monkeypatch.setattr(file_dialogs, "ask_open", lambda *_: choose.choice(files))
    saved = [*files, tmp_path / "new.csv", tmp_path / "new.hdf5", tmp_path / "no folder" / "a.csv"]
    monkeypatch.setattr(file_dialogs, "ask_save", lambda *_: choose.choice(saved))

    def any_layer(act):
        if len(viewer.layers):
            act(choose.choice(list(viewer.layers)))

    def replace_data(layer):
        layer.data = layer.data[: choose.choice([0, 1, 2, 15])]

    def drag():
        if molecules.filter.plot.histogram is not None:
            first, last = molecules.filter.plot.histogram.ends
            ends = sorted(choose.uniform(first, last) for _ in range(2))
            molecules.filter.plot.region.setRegion(ends)

    def choose_any(box):
        if box.isEnabled() and box.count():
            box.setCurrentIndex(choose.randrange(box.count()))

    def click_any(buttons):
        choose.choice(buttons).click()

    texts = ["", "photons > 100", "photons > 1e9", "x_nm >", "nonsense < 3", "frame == 2"]
    options = localize.options
    actions = [
        lambda: add_movie(viewer, data=movie()[:10]),
        lambda: add_table(viewer, table(choose.choice([0, 1, 2, 200]))),
        lambda: viewer.add_points(np.zeros((4, 3))),
        lambda: any_layer(viewer.layers.remove),
        lambda: any_layer(lambda layer: setattr(layer, "name", f"layer {choose.randrange(100)}")),
        lambda: any_layer(replace_data),
        lambda: any_layer(lambda layer: setattr(layer, "visible", not layer.visible)),
        lambda: any_layer(lambda layer: setattr(layer, "scale", [choose.uniform(0.1, 3)] * layer.ndim)),
        lambda: viewer.dims.transpose(),
        lambda: viewer.dims.set_current_step(0, choose.randrange(40)),
        lambda: setattr(viewer, "theme", choose.choice(["light", "dark"])),
        lambda: setattr(viewer.dims, "ndisplay", choose.choice([2, 3])),
        lambda: choose_any(localize.movies),
        lambda: choose_any(localize.denoised),
        lambda: choose_any(localize.target),
        lambda: choose_any(options.accept),
        lambda: choose_any(options.fit),
        lambda: choose_any(options.fit_on),
        lambda: choose_any(options.widths),
        lambda: options.emitters.setValue(choose.choice([1, 1, 2])),
        lambda: options.astigmatism.load(choose.choice(files)),
        lambda: localize.preview_box.click(),
        lambda: localize.side_by_side.click(),
        lambda: click_any([localize.run_button, localize.export_button]),
        lambda: click_any([molecules.open_button, molecules.export_button, molecules.drift.save_button]),
        lambda: click_any([molecules.draw_button, molecules.filter.button, molecules.apply_button]),
        lambda: click_any([molecules.done.undo_button, molecules.done.clear_button]),
        lambda: choose_any(molecules.tables),
        lambda: choose_any(molecules.steps.step),
        lambda: choose_any(molecules.filter.column),
        lambda: choose_any(molecules.picture.colour_by),
        lambda: molecules.filter.text.setText(choose.choice(texts)),
        drag,
        lambda: click_any([dock.job_bar.stop_button for dock in docks]),
    ]
    for _ in range(200):
        choose.choice(actions)()
        qtbot.wait(choose.choice([0, 0, 10]))
    for dock in docks:
        dock.runner.stop()
    for dock in docks:
        wait_for_end(qtbot, dock, timeout=20_000)
    wait_for_workers(qtbot, timeout=20_000)
    for dock in docks:
        viewer.window.remove_dock_widget(dock)
