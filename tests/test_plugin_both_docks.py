"""Localize and Molecules side by side, abused at random: no exception, no thread, no widget left behind."""

import gc
import random

import numpy as np
import pytest
from molecules_dock import add_table, drag, table, true_drift
from qtpy.QtWidgets import QApplication
from random_actions import abuse, actions_on, choose_any
from test_plugin_helpers import add_movie, model, movie, notifications, open_dock

from blinkspot.localization.processing.drift import write_drift
from blinkspot.plugin import file_dialogs
from blinkspot.plugin.dock import Dock
from blinkspot.plugin.session import session_of


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


def docks_alive():
    """Return the docks that are left, in this process."""
    gc.collect()
    return {id(widget) for widget in QApplication.allWidgets() if isinstance(widget, Dock)}


def test_two_hundred_random_actions_do_no_harm(qtbot, viewer, files, tmp_path, monkeypatch):
    before = docks_alive()
    with notifications() as shown:
        abuse_both(qtbot, viewer, files, tmp_path, monkeypatch, random.Random(2))
    # What is a defect is told as an error; pytest-qt fails for exceptions.
    assert [message for severity, message in shown if severity == "error"] == []
    # A job that was stopped may hold a dock for a moment longer.
    qtbot.waitUntil(lambda: docks_alive() <= before, timeout=10_000)


def abuse_both(qtbot, viewer, files, tmp_path, monkeypatch, choose):
    """Open both docks, do two hundred things with them and their layers, and close them."""
    session_of(viewer).add_model("trained", model())
    localize, molecules = docks = [open_dock(viewer, name) for name in ("Localize", "Molecules")]
    monkeypatch.setattr(file_dialogs, "ask_open", lambda *_: choose.choice(files))
    saved = [*files, tmp_path / "new.csv", tmp_path / "new.hdf5", tmp_path / "no folder" / "a.csv"]
    monkeypatch.setattr(file_dialogs, "ask_save", lambda *_: choose.choice(saved))

    def drag_the_range():
        if molecules.filter.plot.histogram is not None:
            first, last = molecules.filter.plot.histogram.ends
            drag(molecules, *sorted(choose.uniform(first, last) for _ in range(2)))

    def any_of(*boxes):
        return lambda: choose_any(choose.choice(boxes), choose)

    def click_any(*buttons):
        return lambda: choose.choice(buttons).click()

    texts = ["", "photons > 100", "photons > 1e9", "x_nm >", "nonsense < 3", "frame == 2"]
    options = localize.options
    actions = [
        *actions_on(viewer, docks, choose),
        lambda: add_movie(viewer, data=movie()[:10]),
        lambda: add_table(viewer, table(choose.choice([0, 1, 2, 200]))),
        lambda: viewer.add_points(np.zeros((4, 3))),
        any_of(localize.movies),
        any_of(localize.denoised),
        any_of(localize.target),
        any_of(options.accept, options.fit, options.fit_on, options.widths),
        lambda: options.emitters.setValue(choose.choice([1, 1, 2])),
        lambda: options.astigmatism.load(choose.choice(files)),
        click_any(localize.preview.box),
        click_any(localize.compare.button),
        click_any(localize.run_button, localize.export_button),
        click_any(molecules.open_button, molecules.export_button, molecules.drift.save_button),
        click_any(molecules.draw_button, molecules.filter.button, molecules.apply_button),
        click_any(molecules.done.undo_button, molecules.done.clear_button),
        any_of(molecules.tables),
        any_of(molecules.steps.step),
        any_of(molecules.filter.column),
        any_of(molecules.picture.colour_by),
        lambda: molecules.filter.text.setText(choose.choice(texts)),
        drag_the_range,
    ]
    abuse(qtbot, docks, actions, 200, choose)
    for dock in docks:
        viewer.window.remove_dock_widget(dock)
