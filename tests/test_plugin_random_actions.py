"""All docks in one window, abused at random: no exception, no thread, no widget left behind."""

import gc
import random
import threading

import numpy as np
import pytest
from molecules_dock import add_table, drag, table, true_drift
from qtpy.compat import isalive
from qtpy.QtWidgets import QApplication
from random_actions import abuse, actions_on, choose_any
from test_plugin_helpers import add_movie, model, movie, notifications, open_dock

from blinkspot.localization.processing.drift import write_drift
from blinkspot.plugin.session import session_of
from blinkspot.plugin.train.part import TrainingPart
from blinkspot.plugin.widgets import file_dialogs

DOCKS = ("Train", "Denoise", "Localize", "Molecules", "Report")


@pytest.fixture
def files(tmp_path):
    """Write what a user may open by mistake or not; return their paths."""
    folder = tmp_path / "files"
    folder.mkdir()
    table(300).save(folder / "good.csv")
    table(300).save(folder / "good.hdf5")
    write_drift(true_drift(), folder / "drift.csv")
    write_drift(true_drift(3), folder / "short.csv")
    model().save(folder / "model.blinkspot")
    (folder / "empty.csv").write_bytes(b"")
    (folder / "movie.csv").write_bytes(b"II*\x00" + bytes(200))
    return sorted(folder.iterdir())


def ours_alive():
    """Return our widgets that are left, in this process."""
    gc.collect()
    return {
        f"{type(widget).__name__} {id(widget)}"
        for widget in QApplication.allWidgets()
        if type(widget).__module__.startswith("blinkspot") and isalive(widget)
    }


def ask_at_random(monkeypatch, choose, files, folder):
    """Have every dialog answered at random."""

    def saved(_, title, suggested, *more):
        return choose.choice([*files, folder / suggested, folder / "no folder" / suggested, None])

    for name, answer in {
        "ask_open": lambda *_: choose.choice([*files, None]),
        "ask_save": saved,
        "ask_new_folder": saved,
        "ask_name": lambda *_: choose.choice(["mine", "Andor", "a/b", None]),
        "ask_yes": lambda *_: choose.choice([True, False]),
    }.items():
        monkeypatch.setattr(file_dialogs, name, answer)


def test_two_hundred_random_actions_do_no_harm(qtbot, viewer, files, tmp_path, monkeypatch):
    before = ours_alive()
    choose = random.Random(2)
    ask_at_random(monkeypatch, choose, files, tmp_path)
    monkeypatch.setattr("blinkspot.denoising.settings.default_channels", lambda _: 4)
    # Looks at the frames once it is seen, and the window is not on the screen.
    monkeypatch.setattr(TrainingPart, "isVisible", lambda _: True)
    with notifications() as shown:
        abuse_all(qtbot, viewer, files, choose)
    # What is a defect is told as an error; pytest-qt fails for exceptions.
    assert [message for severity, message in shown if severity == "error"] == []
    assert not any(path.name.startswith(".") for path in tmp_path.rglob("*"))
    viewer.close()
    # A job that was stopped may hold a dock for a moment longer.
    qtbot.waitUntil(lambda: not ours_alive() - before, timeout=10_000)
    assert not any(thread.name.startswith("blinkspot") for thread in threading.enumerate())


def abuse_all(qtbot, viewer, files, choose):
    """Open all docks, do two hundred things with them and their layers, and close some of them."""
    session_of(viewer).add_model("trained", model())
    train, denoise, localize, molecules, report = docks = [open_dock(viewer, name) for name in DOCKS]
    train.options.extent.setCurrentText("epochs")
    train.options.epochs.setValue(2)
    actions = [
        *actions_on(viewer, docks, choose),
        *on_layers(viewer, choose),
        *on_train(train, choose),
        *on_movies(denoise, localize, report, choose, files),
        *on_molecules(molecules, choose),
        *on_comparisons((train, denoise, localize), choose),
        *on_cameras((train, localize, report), choose),
    ]
    abuse(qtbot, docks, actions, 200, choose)
    for dock in docks[1:4]:
        viewer.window.remove_dock_widget(dock)


def any_of(choose, *boxes):
    return lambda: choose_any(choose.choice(boxes), choose)


def click_any(choose, *buttons):
    return lambda: choose.choice(buttons).click()


def on_layers(viewer, choose):
    return [
        lambda: add_movie(viewer, data=movie()[: choose.choice([10, 40])]),
        lambda: add_movie(viewer, data=movie()[:10]),
        lambda: viewer.add_image(choose.choice([np.zeros((30, 30)), np.zeros((2, 3, 20, 20))])),
        lambda: add_table(viewer, table(choose.choice([0, 1, 2, 200]))),
        lambda: viewer.add_points(np.zeros((4, 3))),
    ]


def on_train(train, choose):
    strip = train.part.strip

    def drag_the_strip():
        if strip.range.isVisible():
            strip.range.setRegion(sorted(choose.uniform(-5, 45) for _ in range(2)))

    return [
        train.start_button.click,
        click_any(choose, train.resume_button, train.save_button, train.options.load_button),
        train.job_bar.pause_button.click,
        train.movie_line.outlook.button.click,
        any_of(choose, train.movies),
        any_of(choose, train.options.start, train.options.context, train.part.region),
        drag_the_strip,
    ]


def on_movies(denoise, localize, report, choose, files):
    options = localize.options
    return [
        denoise.run_button.click,
        click_any(choose, denoise.save_button, denoise.load_button, denoise.save_model_button),
        any_of(choose, denoise.movies, denoise.models, denoise.frames, denoise.estimate),
        localize.run_button.click,
        click_any(choose, localize.preview.box, localize.export_button),
        any_of(choose, localize.movies, localize.denoised, localize.target, localize.truth),
        any_of(choose, options.accept, options.fit, options.fit_on, options.widths),
        lambda: options.threshold.slider.setValue(choose.randrange(10, 60)),
        lambda: options.emitters.setValue(choose.choice([1, 1, 2])),
        lambda: options.astigmatism.load(choose.choice(files)),
        click_any(choose, report.run_button, report.hold_out),
        any_of(choose, report.movies, report.denoised, report.truth),
    ]


def on_molecules(molecules, choose):
    def drag_the_range():
        if molecules.filter.plot.histogram is not None:
            first, last = molecules.filter.plot.histogram.ends
            drag(molecules, *sorted(choose.uniform(first, last) for _ in range(2)))

    def use_the_table():
        panel = molecules.table_link.panel
        if panel is None or panel.table.molecules.rowCount() == 0:
            return
        panel.table.selectRow(choose.randrange(panel.table.molecules.rowCount()))
        choose.choice([panel.table.copy, lambda: panel.table.sort_wanted.emit(0)])()

    texts = ["", "photons > 100", "photons > 1e9", "x_nm >", "nonsense < 3", "frame == 2"]
    return [
        click_any(choose, molecules.open_button, molecules.export_button, molecules.drift.save_button),
        click_any(choose, molecules.draw_button, molecules.filter.button, molecules.apply_button),
        click_any(choose, molecules.done.undo_button, molecules.done.clear_button),
        any_of(choose, molecules.tables, molecules.steps.step),
        any_of(choose, molecules.filter.column, molecules.picture.colour_by),
        lambda: molecules.filter.text.setText(choose.choice(texts)),
        drag_the_range,
        molecules.table_button.click,
        use_the_table,
    ]


def on_comparisons(docks, choose):
    controls = [dock.compare for dock in docks]

    def choose_a_way():
        choose.choice(list(choose.choice(controls).actions_by_name.values())).trigger()

    return [click_any(choose, *(control.button for control in controls)), choose_a_way, choose_a_way]


def on_cameras(docks, choose):
    cameras = [dock.camera for dock in docks]

    def use_a_menu():
        camera = choose.choice(cameras)
        camera.load_button.refresh()
        menu = choose.choice([camera.load_button.menu(), camera.save_button.menu()])
        action = choose.choice([action for action in menu.actions() if not action.isSeparator()])
        if camera.isEnabled():
            action.trigger()

    def type_a_number():
        camera = choose.choice(cameras)
        field = choose.choice(list(camera.fields.values()))
        if camera.isEnabled() and field.isEnabled():
            field.setValue(choose.uniform(field.minimum(), 300.0))

    def ask_of_the_noise():
        camera = choose.choice(cameras)
        for button in [camera.estimate_button, *([camera.plot.button] if camera.plot else [])]:
            button.click()

    return [use_a_menu, type_a_number, ask_of_the_noise]
