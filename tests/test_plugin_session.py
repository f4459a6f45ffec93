"""A session, saved and opened as a user does it: everything is there again, with equal numbers."""

import copy
import dataclasses
import json
import shlex
import shutil

import numpy as np
import pytest
import torch
from qtpy.QtGui import QGuiApplication
from test_command_lines import commands_of
from test_plugin_helpers import CAMERA, add_movie, click, model, movie, notifications, open_dock, wait_for_end

from blinkspot.camera import Camera
from blinkspot.camera.maps import CameraMaps
from blinkspot.cli import main
from blinkspot.denoising import Denoiser
from blinkspot.localization import read_table
from blinkspot.localization.astigmatism import AstigmatismCalibration
from blinkspot.movies.stack import open_stack
from blinkspot.movies.writing import write_stack
from blinkspot.plugin.camera.record import CameraRecord, Origin, Source
from blinkspot.plugin.comparing.view import FLIP, WAYS
from blinkspot.plugin.layers.lineage import Ancestor, Reported, TableOrigin
from blinkspot.plugin.layers.movies import PROVENANCE, ROLE, denoised_role, stack_of
from blinkspot.plugin.manifest import menu_commands
from blinkspot.plugin.molecules.layers import WORK
from blinkspot.plugin.saved_sessions import part as session_part
from blinkspot.plugin.saved_sessions.contents import contents_of
from blinkspot.plugin.saved_sessions.part import SessionPart
from blinkspot.plugin.session import session_of
from blinkspot.plugin.widgets import file_dialogs
from blinkspot.progress import finish
from blinkspot.sessions import command_lines, read_session, write_session


def part(dock):
    return dock.session_part


def copied(qtbot, dock):
    """Press the button that copies, and return the lines on the clipboard."""
    clipboard = QGuiApplication.clipboard()
    clipboard.setText("nothing")
    click(qtbot, part(dock).copy_button)
    qtbot.waitUntil(lambda: clipboard.text() != "nothing", timeout=60_000)
    return clipboard.text().splitlines()


def open_file(viewer, path, name=None):
    """Open a movie file as a drop does, and say what its camera is."""
    (layer,) = viewer.open(str(path), plugin="napari-blinkspot")
    record = CameraRecord().with_values(CAMERA.as_dict(), Source(Origin.TYPED, note="by hand"))
    session_of(viewer).cameras.set(layer, record)
    return layer


def work_through(qtbot, viewer, epochs=2):
    """Train for a moment, denoise, localize, and go through two steps; return the docks."""
    docks = {
        name: open_dock(viewer, name) for name in ("Train", "Denoise", "Localize", "Molecules", "Report")
    }
    for dock in docks.values():
        session_of(viewer).dock_shown(dock)
    train, denoise, localize, molecules = (docks[n] for n in ("Train", "Denoise", "Localize", "Molecules"))
    train.options.extent.setCurrentText("epochs")
    train.options.epochs.setValue(epochs)
    train.options.context.setCurrentIndex(train.options.context.findData(1))
    train.options.seed.setValue(7)
    train.part.restore({"region_px": [0, 0, 32, 24]})
    click(qtbot, train.start_button)
    wait_for_end(qtbot, train, 120_000)
    click(qtbot, denoise.run_button)
    wait_for_end(qtbot, denoise, 60_000)
    localize.options.denoised_threshold.number.setValue(2.5)
    localize.picture.pixel.setValue(25.0)
    click(qtbot, localize.run_button)
    wait_for_end(qtbot, localize, 120_000)
    qtbot.waitUntil(lambda: molecules.apply_button.isEnabled(), timeout=30_000)
    molecules.filter.text.setText("photons > 100")
    click(qtbot, molecules.filter.button)
    wait_for_end(qtbot, molecules)
    molecules.steps.choose("merge")
    molecules.steps.fields["merge"]["radius_nm"].setValue(40.0)
    click(qtbot, molecules.apply_button)
    wait_for_end(qtbot, molecules)
    assert molecules.done.list.count() == 2
    return docks


@pytest.fixture
def cells(tmp_path):
    (tmp_path / "movies").mkdir()
    return write_stack(tmp_path / "movies" / "cells.tif", movie(), pixel_size_nm=100.0)


def save(qtbot, dock, folder, monkeypatch):
    monkeypatch.setattr(file_dialogs, "ask_new_folder", lambda *_: folder)
    click(qtbot, part(dock).save_button)
    wait_for_end(qtbot, dock, 60_000)


def open_again(qtbot, make_napari_viewer, folder, monkeypatch, where=None):
    """Open a session in a new viewer, and return that with its docks."""
    viewer = make_napari_viewer()
    dock = open_dock(viewer, "Report")
    asked = []
    monkeypatch.setattr(
        file_dialogs,
        "ask_open",
        lambda _, title, __: folder / "session.json" if "session" in title else asked.append(title) or where,
    )
    click(qtbot, part(dock).open_button)
    qtbot.waitUntil(
        lambda: (
            dock.job_bar.status.text().startswith(("Opened", "The session", "There is no"))
            or bool(dock_said(dock))
        ),
        timeout=120_000,
    )
    return viewer, dock, asked


def dock_said(dock):
    text = dock.job_bar.status.text()
    return text.endswith(".") and "session" in text and not dock.runner.busy


def molecules_of(layer):
    return layer.metadata[WORK].opened.history


def test_a_session_comes_back_with_equal_numbers(
    qtbot, viewer, make_napari_viewer, cells, tmp_path, monkeypatch
):
    layer = open_file(viewer, cells)
    layer.contrast_limits = (120.0, 345.0)
    docks = work_through(qtbot, viewer)
    docks["Denoise"].estimate.setCurrentIndex(1)
    docks["Train"].options.minutes.setValue(3.5)
    before = molecules_of(viewer.layers["cells localizations (denoised)"])
    assert len(before.table) > 10
    folder = tmp_path / "saved" / "my session"
    folder.parent.mkdir()
    report = docks["Report"]
    assert part(report).with_movies.text().startswith("With movies that are in no file (0.2 MB)")
    part(report).with_movies.setChecked(True)
    save(qtbot, report, folder, monkeypatch)
    assert report.job_bar.status.text() == f"The session is saved in {folder}."
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.txt",
        "cameras",
        "commands.sh",
        "models",
        "movies",
        "session.json",
        "tables",
    ]
    model = session_of(viewer).models["cells"]
    assert Denoiser.load(folder / "models" / "cells.blinkspot").digest() == model.digest()
    # The tables are those that the Molecules dock exports, with their record.
    processed = read_table(folder / "tables" / "cells localizations (denoised) processed.csv")
    assert [step["step"] for step in processed.provenance["processing"]] == ["filter", "merge"]
    assert not (folder / "movies" / "cells.tif").exists()  # files are not copied
    denoised = np.asarray(viewer.layers["cells denoised"].data)

    other, _, asked = open_again(qtbot, make_napari_viewer, folder, monkeypatch)
    assert asked == []
    session = session_of(other)
    assert session.models["cells"].digest() == model.digest()
    source = other.layers["cells"]
    assert stack_of(source).path == cells.resolve()
    assert tuple(source.contrast_limits) == (120.0, 345.0)
    assert session.cameras.record(source) == session_of(viewer).cameras.record(layer)
    again = other.layers["cells denoised"]
    np.testing.assert_array_equal(np.asarray(again.data), denoised)
    assert session.denoised_of(source, other.layers) is again
    assert session.model_behind(again) is session.models["cells"]
    points = other.layers["cells localizations (denoised)"]
    history = molecules_of(points)
    assert history.descriptions == before.descriptions
    for found, expected in ((history.table, before.table), (history.source, before.source)):
        for column in ("frame", "x_nm", "y_nm", "photons", "uncertainty_nm"):
            np.testing.assert_allclose(found.column(column), expected.column(column), rtol=1e-9)
    np.testing.assert_allclose(
        points.data[:, 1:] + 0.5,
        np.column_stack([before.table.column("y_nm"), before.table.column("x_nm")]) / 100.0,
        rtol=1e-5,
    )
    np.testing.assert_allclose(points.scale, source.scale)
    picture = other.layers["cells localizations (denoised) molecules"]
    assert picture.data.sum() == pytest.approx(len(before.table), rel=0.05)
    assert picture.scale[0] == pytest.approx(0.025)
    # Each step is taken back by itself.
    molecules = open_dock(other, "Molecules")
    session.dock_shown(molecules)
    assert molecules.tables.layer is points
    assert molecules.steps.name == "merge"
    assert molecules.steps.fields["merge"]["radius_nm"].value() == 40.0
    qtbot.waitUntil(lambda: molecules.done.undo_button.isEnabled(), timeout=10_000)
    click(qtbot, molecules.done.undo_button)
    assert molecules.done.list.count() == 1
    # The docks are set when they appear.
    train, denoise = open_dock(other, "Train"), open_dock(other, "Denoise")
    for dock in (train, denoise):
        session.dock_shown(dock)
    assert train.options.settings["seed"] == 7
    assert train.options.settings["context_frames"] == 1
    assert train.options.minutes.value() == 3.5
    assert train.options.settings["region_px"] == (0, 0, 32, 24)
    assert denoise.estimate.currentData() == "map"
    assert denoise.models.denoiser is session.models["cells"]


def test_the_lines_on_the_clipboard_make_what_the_docks_made(qtbot, viewer, cells, tmp_path, monkeypatch):
    open_file(viewer, cells)
    docks = work_through(qtbot, viewer)
    lines = copied(qtbot, docks["Report"])
    assert "Copied to the clipboard: train, denoise, localize, process, render." in (
        docks["Report"].job_bar.status.text()
    )
    names = [name for name, _ in commands_of(lines)]
    assert names == ["train", "denoise", "localize", "process", "render"]
    model = session_of(viewer).models["cells"]
    assert any(f"OMP_NUM_THREADS={model.provenance['threads']}" in line for line in lines)
    torch.set_num_threads(model.provenance["threads"])
    again = tmp_path / "again"
    again.mkdir()
    monkeypatch.chdir(again)
    for line in lines:
        if not line.startswith("#"):
            with pytest.raises(SystemExit) as ended:
                main(shlex.split(line)[1:])
            assert ended.value.code == 0, line
    assert Denoiser.load("cells.blinkspot").digest() == model.digest()
    denoised = np.asarray(viewer.layers["cells denoised"].data)
    np.testing.assert_array_equal(open_stack("cells denoised.tif").frames(0, 40), denoised)
    history = molecules_of(viewer.layers["cells localizations (denoised)"])
    found = read_table(again / "cells localizations (denoised) processed.csv")
    assert len(found) == len(history.table)
    for column in ("frame", "x_nm", "y_nm", "photons", "uncertainty_nm"):
        # The steps are done to a CSV file, of ten digits.
        np.testing.assert_allclose(found.column(column), history.table.column(column), rtol=1e-7)
    assert (again / "cells localizations (denoised) picture.png").is_file()


def test_movies_in_memory_stay_out_unless_asked_for(qtbot, viewer, make_napari_viewer, tmp_path, monkeypatch):
    add_movie(viewer)
    dock = open_dock(viewer, "Report")
    assert "0.1 MB" in part(dock).with_movies.text()
    assert not part(dock).with_movies.isChecked()
    save(qtbot, dock, tmp_path / "without", monkeypatch)
    assert "Without 'movie', in memory only" in dock.job_bar.status.text()
    assert not (tmp_path / "without" / "movies").exists()
    part(dock).with_movies.setChecked(True)
    save(qtbot, dock, tmp_path / "with", monkeypatch)
    with notifications() as shown:
        other, _, _ = open_again(qtbot, make_napari_viewer, tmp_path / "without", monkeypatch)
    assert len(other.layers) == 0
    assert shown == [("warning", "The movie 'movie' was in memory only.")]
    third, _, _ = open_again(qtbot, make_napari_viewer, tmp_path / "with", monkeypatch)
    np.testing.assert_array_equal(np.asarray(third.layers["movie"].data), movie())
    record = session_of(third).cameras.record(third.layers["movie"])
    assert record.camera == CAMERA
    assert record.source("em_gain").origin is Origin.TYPED


def test_of_several_denoised_movies_the_newest_is_still_the_newest(
    qtbot, viewer, make_napari_viewer, tmp_path, monkeypatch
):
    layer = add_movie(viewer)
    session = session_of(viewer)
    report, denoise = open_dock(viewer, "Report"), open_dock(viewer, "Denoise")
    session.add_model("trained", model())
    for estimate in ("posterior-mean", "map"):
        denoise.estimate.setCurrentIndex(denoise.estimate.findData(estimate))
        click(qtbot, denoise.run_button)
        wait_for_end(qtbot, denoise)
        qtbot.wait(1100)  # the time in a record is in whole seconds
    part(report).with_movies.setChecked(True)
    save(qtbot, report, tmp_path / "s", monkeypatch)
    with notifications() as shown:
        other, _, _ = open_again(qtbot, make_napari_viewer, tmp_path / "s", monkeypatch)
        qtbot.wait(300)
    # Their files tell the pixel size, the layers of before did not; nor is napari told so on the way.
    assert shown == []
    assert {tuple(each.units) for each in other.layers} == {tuple(layer.units)}
    newest = session_of(other).denoised_of(other.layers["movie"], other.layers)
    assert newest.name == "movie denoised [1]"
    assert newest.metadata[PROVENANCE]["settings"]["estimate"] == "map"


@pytest.mark.parametrize("how", ["with the session", "alone", "alone, and not found", "another one"])
def test_a_movie_that_was_moved(qtbot, viewer, make_napari_viewer, cells, tmp_path, monkeypatch, how):
    open_file(viewer, cells)
    dock = open_dock(viewer, "Report")
    save(qtbot, dock, tmp_path / "s", monkeypatch)
    folder, where = tmp_path / "s", None
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    if how == "with the session":
        shutil.move(tmp_path / "s", moved / "s")
        shutil.move(cells.parent, moved / "movies")
        folder = moved / "s"
    else:
        where = moved / "other name.tif"
        shutil.move(cells, where)
        if how == "another one":
            where.unlink()
            write_stack(where, movie(seed=8))
        elif how == "alone, and not found":
            where = None
    with notifications() as shown:
        other, opened, asked = open_again(qtbot, make_napari_viewer, folder, monkeypatch, where)
    if how in ("with the session", "alone"):
        assert len(asked) == (0 if how == "with the session" else 1)
        assert stack_of(other.layers["cells"]).n_frames == 40
        assert shown == []
    else:
        assert asked == [f"Where is cells ({cells}) now?"]
        assert len(other.layers) == 0
        reason = f": {where} holds another movie now" if how == "another one" else ""
        assert shown == [("warning", f"The movie 'cells' was not found{reason}.")]
    assert opened.job_bar.status.text().startswith("Opened: ")


def test_a_session_that_is_damaged_is_one_sentence_and_changes_nothing(
    qtbot, viewer, make_napari_viewer, tmp_path, monkeypatch
):
    folder = tmp_path / "s"
    folder.mkdir()
    (folder / "session.json").write_text("{")
    with notifications() as shown:
        other, dock, _ = open_again(qtbot, make_napari_viewer, folder, monkeypatch)
        wait_for_end(qtbot, dock)
    ((kind, sentence),) = shown
    assert kind == "warning"
    assert "or it is damaged" in sentence
    assert sentence == dock.job_bar.status.text()
    assert len(other.layers) == 0


def test_parts_that_are_damaged_are_named_and_the_rest_comes(
    qtbot, viewer, make_napari_viewer, cells, tmp_path, monkeypatch
):
    open_file(viewer, cells)
    dock = open_dock(viewer, "Report")
    from test_plugin_helpers import model

    session_of(viewer).add_model("good", model())
    session_of(viewer).add_model("bad", model())
    folder = tmp_path / "s"
    save(qtbot, dock, folder, monkeypatch)
    (folder / "models" / "bad.blinkspot").write_bytes(b"no model")
    content = json.loads((folder / "session.json").read_text())
    # Whatever stands in the settings: it is a wish, and no command.
    content["docks"] = {
        "Train": {
            "seed": "x",
            "epochs": 1e300,
            "network": ["dilated"],
            "part": {"region_px": [0, 0, -5, 10**9]},
        },
        "Localize": {"threshold": float(10**300), "fit": "none of them", "equal_photons": 1, "movie": 5},
        "Unknown": {"a": 1},
        "Molecules": 7,
    }
    content["movies"][0]["look"] = {
        "scale": [1, 0, "x"],
        "name": "evil",
        "data": [1],
        "gamma": -1,
        "opacity": 0.5,
        "translate": [10**400, 0, 0],
    }
    content["movies"][0]["sources"] = {
        "em_gain": {"origin": []},
        "offset_adu": {"origin": "TYPED", "error": 10**400},
    }
    (folder / "session.json").write_text(json.dumps(content))
    with notifications() as shown:
        other, opened, _ = open_again(qtbot, make_napari_viewer, folder, monkeypatch)
        for name in ("Train", "Localize", "Molecules"):
            session_of(other).dock_shown(open_dock(other, name))
    assert list(session_of(other).models) == ["good"]
    assert [kind for kind, _ in shown] == ["warning"]
    assert "bad.blinkspot is not a model" in shown[0][1]
    assert other.layers[0].name == "cells"
    assert other.layers[0].opacity == 0.5
    assert opened.job_bar.status.text().startswith("Opened: 1 movie, 1 model, 0 tables.")


def test_after_a_session_that_cannot_be_put_back_others_can_be_saved_and_opened(
    qtbot, viewer, make_napari_viewer, cells, tmp_path, monkeypatch
):
    open_file(viewer, cells)
    save(qtbot, open_dock(viewer, "Report"), tmp_path / "s", monkeypatch)

    def refuse(*_):
        yield
        raise ValueError("no such layer")

    monkeypatch.setattr(session_part, "put_back", refuse)
    with notifications() as shown:
        _, opened, _ = open_again(qtbot, make_napari_viewer, tmp_path / "s", monkeypatch)
        qtbot.waitUntil(lambda: bool(shown), timeout=5000)
    ((kind, sentence),) = shown
    assert kind == "error"
    assert "no such layer" in sentence
    assert opened.job_bar.status.text() == sentence
    assert part(opened).save_button.isEnabled()
    assert part(opened).open_button.isEnabled()


def test_saving_that_is_cancelled_leaves_nothing(qtbot, viewer, cells, tmp_path, monkeypatch):
    open_file(viewer, cells)
    dock = open_dock(viewer, "Report")
    monkeypatch.setattr(Camera, "save", lambda *_: qtbot.wait(0) or __import__("time").sleep(1.0))
    monkeypatch.setattr(file_dialogs, "ask_new_folder", lambda *_: tmp_path / "s")
    click(qtbot, part(dock).save_button)
    qtbot.waitUntil(lambda: any(path.name.startswith(".s.") for path in tmp_path.iterdir()), timeout=10_000)
    click(qtbot, dock.job_bar.stop_button)
    wait_for_end(qtbot, dock)
    assert [path.name for path in tmp_path.iterdir()] == ["movies"]


def test_a_folder_that_holds_something_is_left_alone(qtbot, viewer, tmp_path, monkeypatch):
    dock = open_dock(viewer, "Report")
    folder = tmp_path / "s"
    folder.mkdir()
    (folder / "mine").write_text("mine")
    save(qtbot, dock, folder, monkeypatch)
    assert "exists already and is not overwritten" in dock.job_bar.status.text()
    assert [path.name for path in folder.iterdir()] == ["mine"]


def test_a_truth_and_a_table_of_a_file_come_back(qtbot, viewer, make_napari_viewer, tmp_path, monkeypatch):
    from molecules_dock import table

    viewer.open_sample("napari-blinkspot", "blinking")
    table().save(tmp_path / "theirs.csv")
    molecules, dock = open_dock(viewer, "Molecules"), open_dock(viewer, "Report")
    session_of(viewer).dock_shown(molecules)
    molecules.open(tmp_path / "theirs.csv")
    wait_for_end(qtbot, molecules)
    molecules.filter.text.setText("photons > 300")
    lines = copied(qtbot, dock)
    assert "nothing was done yet" in lines[0]  # with that movie
    part(dock).copy(of_all=True)
    qtbot.waitUntil(lambda: "process" in QGuiApplication.clipboard().text(), timeout=10_000)
    ((_, found),) = commands_of(QGuiApplication.clipboard().text().splitlines())
    assert found["tables"] == [tmp_path / "theirs.csv"]
    assert found["step"] == ["filter photons > 300"]
    save(qtbot, dock, tmp_path / "s", monkeypatch)
    other, _, _ = open_again(qtbot, make_napari_viewer, tmp_path / "s", monkeypatch)
    truth = other.layers["true molecules"]
    assert truth.metadata[ROLE] == "truth"
    assert not truth.visible
    assert truth.metadata[PROVENANCE]["step"] == viewer.layers["true molecules"].metadata[PROVENANCE]["step"]
    assert len(molecules_of(other.layers["theirs"]).table) == len(table())
    again = open_dock(other, "Molecules")
    session_of(other).dock_shown(again)
    assert again.tables.layer is other.layers["theirs"]
    assert again.filter.condition == "photons > 300"


def test_the_file_menu_opens_and_saves_sessions(qtbot, viewer, tmp_path, monkeypatch):
    from app_model.types import MenuItem
    from napari._app_model import get_app_model

    app = get_app_model()
    items = [
        each.command.id
        for each in app.menus.get_menu("napari/file/io_utilities")
        if isinstance(each, MenuItem)
    ]
    wanted = [f"napari-blinkspot.{name}" for name in ("save_session", "open_session", "copy_command_lines")]
    assert set(wanted) <= set(items)
    done = []
    for name in ("ask_save", "ask_open"):
        monkeypatch.setattr(SessionPart, name, lambda self, name=name: done.append(name))
    monkeypatch.setattr(SessionPart, "copy", lambda self, of_all: done.append(("copy", of_all)))
    for command in wanted:
        app.commands.execute_command(command).result()
    assert done == ["ask_save", "ask_open", ("copy", True)]


def test_a_report_dock_that_was_hidden_appears_with_a_session_from_the_menu(
    qtbot, viewer, tmp_path, monkeypatch
):
    dock = open_dock(viewer, "Report")
    dock.parent().title.hide_button.click()
    assert dock.parent().isHidden()
    monkeypatch.setattr(file_dialogs, "ask_new_folder", lambda *_: tmp_path / "saved")
    menu_commands.save_session(viewer)
    assert not dock.parent().isHidden()
    wait_for_end(qtbot, dock)
    assert dock.job_bar.status.text().startswith("The session is saved")


def test_what_the_menu_asks_for_while_a_session_is_opened_does_not_break_that_off(qtbot, viewer, tmp_path):
    for name in ("one", "two", "three"):
        add_movie(viewer, name=name)
    dock = open_dock(viewer, "Report")
    part(dock).with_movies.setChecked(True)
    part(dock).save(tmp_path / "saved")
    wait_for_end(qtbot, dock)
    part(dock)._later.setInterval(100)  # as if napari took long to add a layer
    part(dock).open(tmp_path / "saved" / "session.json")
    qtbot.waitUntil(lambda: part(dock)._putting is not None, timeout=30_000)
    part(dock).save(tmp_path / "again")
    assert dock.job_bar.status.text().startswith("Still opening a session")
    qtbot.waitUntil(lambda: dock.job_bar.status.text().startswith("Opened: 3 movies"), timeout=30_000)
    assert len(viewer.layers) == 6
    assert part(dock).open_button.isEnabled()


def test_a_movie_that_took_the_name_of_another_is_not_taken_for_it(qtbot, viewer, tmp_path):
    paths = [tmp_path / folder / "cells.tif" for folder in "ab"]
    for path, seed in zip(paths, (3, 5), strict=True):
        path.parent.mkdir()
        write_stack(path, movie(seed=seed), pixel_size_nm=100.0)
    first = open_file(viewer, paths[0])
    session, denoise, localize = (
        session_of(viewer),
        open_dock(viewer, "Denoise"),
        open_dock(viewer, "Localize"),
    )
    session.add_model("cells", model())
    session.lineage.model(model()).movie = Ancestor(first)
    click(qtbot, denoise.run_button)
    wait_for_end(qtbot, denoise)
    click(qtbot, localize.run_button)
    wait_for_end(qtbot, localize, 120_000)
    viewer.layers.remove("cells denoised")
    viewer.layers.remove("cells")
    # Of the same name, from another folder, and denoised in another way.
    second = open_file(viewer, paths[1])
    denoise.estimate.setCurrentIndex(denoise.estimate.findData("map"))
    click(qtbot, denoise.run_button)
    wait_for_end(qtbot, denoise)
    assert [layer.name for layer in viewer.layers][-2:] == ["cells", "cells denoised"]
    commands = commands_of(command_lines(contents_of(viewer, session).record))
    made = {name: [found for each, found in commands if each == name] for name, _ in commands}
    assert [found["estimate"] for found in made["denoise"]] == ["map", "posterior-mean"]
    assert [found["stack"] for found in made["denoise"]] == [paths[1], paths[0]]
    assert made["localize"][0]["stack"] == paths[0]
    assert made["localize"][0]["denoised"] == made["denoise"][1]["output"]
    # Opened anew, whatever its name is by then, it is the same one.
    viewer.layers.remove(second)
    open_file(viewer, paths[0]).name = "again"
    record = contents_of(viewer, session).record
    assert record.models[0].movie == record.tables[0].movie == "again"
    # A layer that was given other frames is not what it was.
    (layer,) = (layer for layer in viewer.layers if layer.name == "again")
    session.lineage.model(model()).movie = Ancestor(layer)
    layer.data = movie(seed=5)
    record = contents_of(viewer, session).record
    assert record.models[0].movie == "again (2)"
    gone = {each.name: each.path for each in record.movies if not each.shown}
    assert gone == {"again (2)": str(paths[0]), "cells": str(paths[1])}


def test_a_movie_whose_file_holds_another_one_is_asked_for_with_that_reason(
    qtbot, viewer, make_napari_viewer, cells, tmp_path, monkeypatch
):
    open_file(viewer, cells)
    dock = open_dock(viewer, "Report")
    save(qtbot, dock, tmp_path / "s", monkeypatch)
    cells.unlink()
    write_stack(cells, movie(seed=8))
    moved = write_stack(tmp_path / "moved.tif", movie())
    other, _, asked = open_again(qtbot, make_napari_viewer, tmp_path / "s", monkeypatch, moved)
    assert asked == [f"Where is cells ({cells}) now? {cells} holds another movie now."]
    assert stack_of(other.layers["cells"]).path == moved.resolve()


@pytest.mark.parametrize("dtype", ["int16", "int32", "float64"])
def test_a_movie_in_memory_comes_back_whatever_its_pixel_type(
    qtbot, viewer, make_napari_viewer, tmp_path, monkeypatch, dtype
):
    data = movie().astype(dtype)
    add_movie(viewer, data=data)
    dock = open_dock(viewer, "Report")
    part(dock).with_movies.setChecked(True)
    save(qtbot, dock, tmp_path / "s", monkeypatch)
    with notifications() as shown:
        other, _, _ = open_again(qtbot, make_napari_viewer, tmp_path / "s", monkeypatch)
    assert shown == []
    np.testing.assert_array_equal(np.asarray(other.layers["movie"].data), data)


@pytest.mark.parametrize("how", ["gone", "cut short"])
def test_a_movie_that_cannot_be_read_by_now_does_not_keep_the_rest_from_being_saved(
    qtbot, viewer, make_napari_viewer, cells, tmp_path, monkeypatch, how
):
    open_file(viewer, cells)
    session_of(viewer).add_model("trained", model())
    dock = open_dock(viewer, "Report")
    whole = cells.read_bytes()
    if how == "gone":
        cells.unlink()
    else:
        cells.write_bytes(whole[: len(whole) // 2])
    with notifications() as shown:
        save(qtbot, dock, tmp_path / "s", monkeypatch)
    ((kind, sentence),) = shown
    assert kind == "warning"
    assert sentence.startswith(f"The movie 'cells' cannot be read: {cells} ")
    assert dock.job_bar.status.text() == f"The session is saved in {tmp_path / 's'}. {sentence}"
    # The disk is there again.
    cells.write_bytes(whole)
    other, _, _ = open_again(qtbot, make_napari_viewer, tmp_path / "s", monkeypatch)
    assert session_of(other).models["trained"].digest() == model().digest()
    assert stack_of(other.layers["cells"]).path == cells.resolve()


@pytest.mark.parametrize("by", ["another denoised one", "a movie as recorded"])
def test_a_denoised_file_that_holds_another_movie_is_not_taken_for_it(
    qtbot, viewer, make_napari_viewer, cells, tmp_path, monkeypatch, by
):
    open_file(viewer, cells)
    session_of(viewer).add_model("trained", model())
    report, denoise, path = open_dock(viewer, "Report"), open_dock(viewer, "Denoise"), tmp_path / "den.tif"
    denoise.denoise_to_file(denoise._request(), path)
    wait_for_end(qtbot, denoise)
    save(qtbot, report, tmp_path / "s", monkeypatch)
    other, _, _ = open_again(qtbot, make_napari_viewer, tmp_path / "s", monkeypatch)
    assert stack_of(other.layers["cells denoised"]).path == path.resolve()
    path.unlink()
    if by == "a movie as recorded":
        write_stack(path, movie(seed=8))
    else:
        denoise.estimate.setCurrentIndex(denoise.estimate.findData("blind"))
        denoise.denoise_to_file(denoise._request(), path)
        wait_for_end(qtbot, denoise)
    with notifications() as shown:
        third, _, _ = open_again(qtbot, make_napari_viewer, tmp_path / "s", monkeypatch)
    assert [layer.name for layer in third.layers] == ["cells"]
    why = f"{path} holds another movie now"
    assert shown == [
        ("warning", f"The denoised movie 'cells denoised' is not where it was ({why}): denoise again.")
    ]


def test_docks_are_set_to_the_models_of_the_session_not_to_others_of_their_names(
    qtbot, viewer, make_napari_viewer, tmp_path, monkeypatch
):
    def docks(of):
        both = [open_dock(of, name) for name in ("Denoise", "Train")]
        for dock in both:
            session_of(of).dock_shown(dock)
        return both

    session_of(viewer).add_model("cells", model())
    denoise, train = docks(viewer)
    train.options.start.setCurrentIndex(train.options.start.findData("cells"))
    save(qtbot, open_dock(viewer, "Report"), tmp_path / "s", monkeypatch)
    other = make_napari_viewer()
    session = session_of(other)
    session.add_model("cells", copy.copy(model()))
    denoise, train = docks(other)
    part(open_dock(other, "Report")).open(tmp_path / "s" / "session.json")
    qtbot.waitUntil(lambda: "cells (2)" in session.models, timeout=60_000)
    qtbot.waitUntil(lambda: denoise.models.currentData() == "cells (2)", timeout=10_000)
    assert train.options.start.currentData() == "cells (2)"
    # One that cannot be read leaves the docks as they are.
    (tmp_path / "s" / "models" / "cells.blinkspot").write_bytes(b"damaged")
    denoise.models.setCurrentIndex(1)
    train.options.start.setCurrentIndex(0)
    report = open_dock(other, "Report")
    report.job_bar.say("")
    part(report).open(tmp_path / "s" / "session.json")
    qtbot.waitUntil(lambda: report.job_bar.status.text().startswith("Opened"), timeout=60_000)
    assert denoise.models.currentIndex() == 1
    assert train.options.start.currentIndex() == 0


@pytest.mark.parametrize("name", ["cells", "cells denoised"])
def test_what_a_denoised_movie_was_made_from_is_still_known_where_that_is_gone(
    qtbot, viewer, make_napari_viewer, cells, tmp_path, monkeypatch, name
):
    layer = open_file(viewer, cells)
    session = session_of(viewer)
    session.add_model("trained", model())
    session.lineage.model(model()).movie = Ancestor(layer)
    report, denoise = open_dock(viewer, "Report"), open_dock(viewer, "Denoise")
    denoise.denoise_to_file(denoise._request(), tmp_path / "den.tif")
    wait_for_end(qtbot, denoise)
    viewer.layers.remove("cells")
    viewer.layers["cells denoised"].name = name  # that of the movie, maybe, which is free by now
    before = command_lines(contents_of(viewer, session).record)
    save(qtbot, report, tmp_path / "s", monkeypatch)
    other, _, _ = open_again(qtbot, make_napari_viewer, tmp_path / "s", monkeypatch)
    qtbot.waitUntil(lambda: len(other.layers) == 1, timeout=10_000)
    denoised = other.layers[name]
    assert session_of(other).denoised_of(denoised, other.layers) is None
    source = session_of(other).lineage.source(denoised)
    assert source.path == cells.absolute()
    assert not source.is_among(other.layers)
    assert command_lines(contents_of(other, session_of(other)).record)[1:] == before[1:]
    assert [each for each, _ in commands_of(before)] == ["train", "denoise"]


@pytest.mark.parametrize("camera", ["as the movie's", "another", "one that is none"])
def test_a_session_that_is_opened_and_saved_again_still_knows_its_reports(
    qtbot, viewer, make_napari_viewer, cells, tmp_path, monkeypatch, camera
):
    layer = open_file(viewer, cells)
    session = session_of(viewer)
    session.add_model("trained", model())
    report, denoise = open_dock(viewer, "Report"), open_dock(viewer, "Denoise")
    click(qtbot, denoise.run_button)
    wait_for_end(qtbot, denoise)
    used = CAMERA if camera == "as the movie's" else dataclasses.replace(CAMERA, em_gain=99.0)
    session.lineage.reports.append(
        Reported(Ancestor(layer), Ancestor(viewer.layers[1]), used, None, True, tmp_path / "page")
    )
    before = command_lines(contents_of(viewer, session).record)
    assert "compare" in [each for each, _ in commands_of(before)]
    save(qtbot, report, tmp_path / "s", monkeypatch)
    if camera == "one that is none":
        file = tmp_path / "s" / "session.json"
        content = json.loads(file.read_text())
        content["reports"][0]["camera"]["em_gain"] = "high"
        file.write_text(json.dumps(content))
    with notifications() as shown:
        other, _, _ = open_again(qtbot, make_napari_viewer, tmp_path / "s", monkeypatch)
        qtbot.waitUntil(lambda: len(other.layers) == 2, timeout=10_000)
    assert shown == []
    found = contents_of(other, session_of(other)).record.reports
    assert found == (() if camera == "one that is none" else contents_of(viewer, session).record.reports)


def test_a_report_by_a_camera_with_maps_is_still_known(
    qtbot, viewer, make_napari_viewer, cells, tmp_path, monkeypatch
):
    (layer,) = viewer.open(str(cells), plugin="napari-blinkspot")
    _, height, width = layer.data.shape
    values = (100.0, 3.0, 2.0)
    maps = CameraMaps(*(np.full((height, width), each, np.float32) for each in values), "the lab's.npy")
    record = CameraRecord().loaded(Camera(maps=maps), Source(Origin.LOADED), height, width)
    session = session_of(viewer)
    session.cameras.set(layer, record)
    denoised = viewer.add_image(movie().astype(np.float32), name="cells denoised")
    denoised.metadata[ROLE] = "denoised"
    session.lineage.reports.append(
        Reported(Ancestor(layer), Ancestor(denoised), record.camera, None, False, tmp_path / "page")
    )
    save(qtbot, open_dock(viewer, "Report"), tmp_path / "s", monkeypatch)
    other, _, _ = open_again(qtbot, make_napari_viewer, tmp_path / "s", monkeypatch)
    qtbot.waitUntil(lambda: session_of(other).lineage.reports != [], timeout=10_000)
    (again,) = session_of(other).lineage.reports
    assert again.camera.maps.digest == maps.digest
    assert again.folder == tmp_path / "page"
    # Maps that are none are no camera: the report is left out, and the rest comes.
    file = tmp_path / "s" / "session.json"
    content = json.loads(file.read_text())
    content["reports"][0]["camera"]["maps"] = 5
    file.write_text(json.dumps(content))
    with notifications() as shown:
        third, _, _ = open_again(qtbot, make_napari_viewer, tmp_path / "s", monkeypatch)
    assert not any(kind == "error" for kind, _ in shown)
    assert session_of(third).lineage.reports == []


@pytest.mark.parametrize("way", WAYS)
def test_what_a_comparison_hides_for_a_while_is_saved_as_it_is_apart_from_that(
    qtbot, viewer, make_napari_viewer, cells, tmp_path, monkeypatch, way
):
    layer = open_file(viewer, cells)
    session = session_of(viewer)
    session.add_model("trained", model())
    denoise = open_dock(viewer, "Denoise")
    click(qtbot, denoise.run_button)
    wait_for_end(qtbot, denoise)
    for name, visible in (("seen", True), ("hidden", False)):
        add_movie(viewer, name=name, visible=visible)
    report = open_dock(viewer, "Report")
    part(report).with_movies.setChecked(True)
    shown = {each.name: each.visible for each in viewer.layers}
    session.comparison.show(layer, viewer.layers["cells denoised"], way)
    if way == FLIP:
        session.comparison.flip.flip()
    save(qtbot, report, tmp_path / "s", monkeypatch)
    session.comparison.restore()
    other, _, _ = open_again(qtbot, make_napari_viewer, tmp_path / "s", monkeypatch)
    qtbot.waitUntil(lambda: len(other.layers) == 4, timeout=10_000)
    assert {each.name: each.visible for each in other.layers} == shown
    # Opened while two are compared, it ends that.
    comparison = session_of(other).comparison
    comparison.show(other.layers["seen"], other.layers["cells"], way)
    part(open_dock(other, "Report")).open(tmp_path / "s" / "session.json")
    qtbot.waitUntil(lambda: len(other.layers) == 8, timeout=60_000)
    assert not comparison.active
    assert [each.visible for each in other.layers][:4] == [each.visible for each in other.layers][4:]


def test_what_waits_for_docks_that_are_not_open_is_saved_again(
    qtbot, viewer, make_napari_viewer, cells, tmp_path, monkeypatch
):
    from astigmatic import CALIBRATION
    from molecules_dock import table

    open_file(viewer, cells)
    table().save(tmp_path / "theirs.csv")
    CALIBRATION.save(tmp_path / "cal.toml")
    molecules, localize = (open_dock(viewer, name) for name in ("Molecules", "Localize"))
    for dock in (molecules, localize):
        session_of(viewer).dock_shown(dock)
    molecules.open(tmp_path / "theirs.csv")
    wait_for_end(qtbot, molecules)
    molecules.filter.text.setText("photons > 300")
    localize.options.astigmatism.load(tmp_path / "cal.toml")
    qtbot.waitUntil(lambda: localize.options.astigmatism.calibration is not None, timeout=30_000)
    save(qtbot, open_dock(viewer, "Report"), tmp_path / "s", monkeypatch)
    # Into a viewer that has another movie of that name; only the Report dock is open.
    other = make_napari_viewer()
    add_movie(other, name="cells", data=movie(seed=8))
    report = open_dock(other, "Report")
    part(report).open(tmp_path / "s" / "session.json")
    qtbot.waitUntil(lambda: report.job_bar.status.text().startswith("Opened"), timeout=60_000)
    part(report).with_movies.setChecked(True)
    save(qtbot, report, tmp_path / "again", monkeypatch)
    shutil.rmtree(tmp_path / "s")
    third, _, _ = open_again(qtbot, make_napari_viewer, tmp_path / "again", monkeypatch)
    docks = {name: open_dock(third, name) for name in ("Molecules", "Localize")}
    for dock in docks.values():
        session_of(third).dock_shown(dock)
    assert docks["Localize"].movies.layer.name == "cells [1]"
    assert docks["Molecules"].filter.condition == "photons > 300"
    chosen = docks["Localize"].options.astigmatism
    qtbot.waitUntil(lambda: chosen.calibration is not None, timeout=30_000)
    assert chosen.path == tmp_path / "again" / "calibrations" / "cal.toml"
    lines = (tmp_path / "again" / "commands.sh").read_text().splitlines()
    assert [found["step"] for name, found in commands_of(lines[4:]) if name == "process"] == [
        ["filter photons > 300"]
    ]
    # A calibration whose file is gone by then is no reason to lose the rest.
    _, opened, _ = open_again(qtbot, make_napari_viewer, tmp_path / "again", monkeypatch)
    (tmp_path / "again" / "calibrations" / "cal.toml").unlink()
    save(qtbot, opened, tmp_path / "third", monkeypatch)
    assert opened.job_bar.status.text().startswith(f"The session is saved in {tmp_path / 'third'}. ")
    assert "cal.toml" in opened.job_bar.status.text()


def test_two_calibrations_that_one_file_has_held_are_told_apart(qtbot, viewer, tmp_path):
    from astigmatic import CALIBRATION
    from molecules_dock import add_table

    path, later = tmp_path / "cal.toml", dataclasses.replace(CALIBRATION, z_range_nm=(-300.0, 300.0))
    session = session_of(viewer)
    for name, calibration in (("first", CALIBRATION), ("second", later), ("third", CALIBRATION)):
        session.lineage.set_table(add_table(viewer, name=name), TableOrigin(calibration=(path, calibration)))
    localize = open_dock(viewer, "Localize")
    session.dock_shown(localize)
    later.save(path)
    localize.options.astigmatism.load(path)
    qtbot.waitUntil(lambda: localize.options.astigmatism.calibration is not None, timeout=30_000)
    _, record = read_session(finish(write_session(contents_of(viewer, session), tmp_path / "s")))
    found = {table.name: AstigmatismCalibration.load(table.calibration) for table in record.tables}
    assert found == {"first": CALIBRATION, "second": later, "third": CALIBRATION}
    assert AstigmatismCalibration.load(record.docks["Localize"]["calibration"]) == later


def test_files_that_the_system_does_not_even_look_for_end_nothing(
    qtbot, viewer, make_napari_viewer, cells, tmp_path, monkeypatch
):
    from molecules_dock import add_table

    open_file(viewer, cells)
    add_table(viewer, name="found")
    save(qtbot, open_dock(viewer, "Report"), tmp_path / "s", monkeypatch)
    file, long = tmp_path / "s" / "session.json", "a" * 300
    content = json.loads(file.read_text())
    content["movies"][0]["relative"] = content["tables"][0]["file"] = long
    file.write_text(json.dumps(content))
    with notifications() as shown:
        other, _, asked = open_again(qtbot, make_napari_viewer, tmp_path / "s", monkeypatch)
    assert asked == []
    assert [layer.name for layer in other.layers] == ["cells"]
    assert [kind for kind, _ in shown] == ["warning"]
    assert long in shown[0][1]


HOW = ["all frames", "as you look", "variance", "some frames", "no model", "no movie"]


@pytest.mark.parametrize("how", HOW)
def test_a_denoised_movie_in_memory_is_denoised_anew_as_one_looks(
    qtbot, viewer, make_napari_viewer, cells, tmp_path, monkeypatch, how
):
    layer = open_file(viewer, cells)
    session = session_of(viewer)
    report, denoise = open_dock(viewer, "Report"), open_dock(viewer, "Denoise")
    session.add_model("trained", model())
    if how == "as you look":
        denoise.frames.setCurrentText("As you look")
    elif how == "some frames":
        denoise.frames.setCurrentText("A range")
        denoise.last.setValue(20)
    elif how == "variance":
        denoise.estimate.setCurrentIndex(denoise.estimate.findData("posterior-variance"))
    click(qtbot, denoise.run_button)
    wait_for_end(qtbot, denoise)
    before = viewer.layers[1]
    before.name = "my own"
    before.opacity = 0.5
    if how == "no movie":
        viewer.layers.remove(layer)
    save(qtbot, report, tmp_path / "s", monkeypatch)
    if how == "no model":
        (tmp_path / "s" / "models" / "trained.blinkspot").write_bytes(b"damaged")
    other, dock, _ = open_again(qtbot, make_napari_viewer, tmp_path / "s", monkeypatch)
    qtbot.waitUntil(lambda: dock.job_bar.status.text().startswith("Opened"), timeout=30_000)
    if how in ("some frames", "no model", "no movie"):
        assert "The denoised movie 'my own' was in memory only: denoise again." in dock.job_bar.status.text()
        assert [each.name for each in other.layers] == ["cells"][: how != "no movie"]
        return
    assert dock.job_bar.status.text() == (
        "Opened: 2 movies, 1 model, 0 tables. Denoised as you look, for it was in memory only: 'my own'."
    )
    source, again = other.layers["cells"], other.layers["my own"]
    assert again.opacity == 0.5
    assert again.metadata[ROLE] == before.metadata[ROLE]
    assert session_of(other).model_behind(again) is session_of(other).models["trained"]
    assert session_of(other).lineage.source(again).name == "cells"
    if how != "variance":
        assert session_of(other).denoised_of(source, other.layers) is again
    computed = again.data.computed
    np.testing.assert_allclose(computed.read(7, 9), before.data[7:9], rtol=1e-3)


@pytest.mark.parametrize("settings", [-1, "photons", ["units"], None, {"units": ["photons"]}])
def test_settings_that_are_none_say_nothing_of_a_denoised_movie(settings):
    assert denoised_role({"step": "denoise", "settings": settings}) == "denoised"


def test_data_of_a_kind_that_knows_no_weak_references_can_be_an_ancestor():
    class Frames:
        __slots__ = ("shape",)

        def __init__(self):
            self.shape = (9, 32, 32)

    class Layer:
        name, metadata, data = "cells", {}, Frames()

    layer = Layer()
    assert Ancestor(layer).is_among([layer])
    assert not Ancestor(layer).is_among([Layer()])
