"""The Report dock, driven as a user drives it."""

import json
from pathlib import Path

import numpy as np
import pytest
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QFileDialog
from test_plugin_helpers import (
    CAMERA,
    add_movie,
    click,
    model,
    movie,
    notifications,
    open_dock,
    stopping,
    wait_for_end,
)

from blinkspot.evaluation import SimulationSettings, simulate
from blinkspot.movies.stack import Stack
from blinkspot.plugin.layers.movies import PROVENANCE, ROLE
from blinkspot.plugin.session import session_of
from blinkspot.plugin.widgets import file_dialogs
from blinkspot.progress import finish

FRAMES = 40


@pytest.fixture
def dock(viewer):
    return open_dock(viewer, "Report")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where the user wants the report."""
    chosen = tmp_path / "movie report"
    monkeypatch.setattr(file_dialogs, "ask_new_folder", lambda *_: chosen)
    return chosen


def truth():
    """Return the truth of the helpers' movie."""
    settings = SimulationSettings(
        frames=FRAMES,
        size_px=32,
        camera=CAMERA,
        density_per_um2=0.4,
        fwhm_nm=(250.0, 250.0),
        photons=(300.0, 500.0),
        background_photons=5.0,
        mean_on_frames=4.0,
        seed=3,
    )
    return finish(simulate(settings))


def add_denoised(viewer, source):
    """Denoise the movie as the Denoise dock does, by a model of the session."""
    session = session_of(viewer)
    trained = model()
    session.add_model("trained", trained)
    frames = np.concatenate([chunk.frames for chunk in trained.denoise(Stack(movie()))])
    record = {"model": trained.provenance}
    layer = viewer.add_image(
        CAMERA.adu(frames),
        name="movie denoised",
        scale=source.scale,
        metadata={ROLE: "denoised", PROVENANCE: record},
    )
    session.add_denoised(source, layer)
    return layer


def add_truth(viewer):
    table = truth()
    places = np.column_stack([table.column(name) for name in ("frame", "y_nm", "x_nm")])
    return viewer.add_points(
        places / [1.0, 100.0, 100.0],
        name="truth",
        features=table.data,
        metadata={ROLE: "truth", PROVENANCE: table.provenance},
    )


def test_a_report_is_written_and_opened(qtbot, viewer, dock, folder, monkeypatch):
    source = add_movie(viewer)
    denoised = add_denoised(viewer, source)
    dock.truth.choose(add_truth(viewer))
    assert (dock.movies.layer, dock.denoised.layer) == (source, denoised)
    assert not dock.page_button.isEnabled()
    with notifications() as shown:
        click(qtbot, dock.run_button)
        wait_for_end(qtbot, dock, timeout=120_000)
    assert shown == []
    assert str(folder / "index.html") in dock.job_bar.status.text()
    scores = json.loads((folder / "scores.json").read_text())
    assert scores["frames"] == FRAMES
    # What is said in the dock is what the page says, and it was judged by the truth.
    assert dock.words.text() == scores["verdict"]
    assert "F1" in dock.words.text()
    assert scores["provenance"]["camera"]["em_gain"] == CAMERA.em_gain
    opened = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url) or True)
    click(qtbot, dock.page_button)
    assert [Path(url.toLocalFile()) for url in opened] == [folder / "index.html"]


def test_without_truth_the_page_does_not_claim_to_know(qtbot, viewer, dock, folder):
    add_denoised(viewer, add_movie(viewer))
    click(qtbot, dock.run_button)
    wait_for_end(qtbot, dock, timeout=120_000)
    assert "nobody can say" in dock.words.text().lower()
    assert "at_best" not in json.loads((folder / "scores.json").read_text())["routes"]["noisy"]


def test_the_dock_says_what_is_missing(viewer, dock):
    assert not dock.run_button.isEnabled()
    source = add_movie(viewer)
    assert not dock.run_button.isEnabled()
    assert "Denoise the movie" in dock.job_bar.status.text()
    add_denoised(viewer, source)
    assert dock.run_button.isEnabled()
    assert dock.job_bar.status.text() == ""


def test_photons_are_held_out_only_with_the_model_that_denoised(viewer, dock):
    source = add_movie(viewer)
    other = viewer.add_image(np.array(movie(), np.float32), name="by others", scale=source.scale)
    dock.denoised.choose(other)
    assert not dock.hold_out.isEnabled()
    add_denoised(viewer, source)
    assert dock.hold_out.isEnabled()


def test_the_truth_that_came_with_a_movie_is_chosen(viewer, dock):
    (points, attributes, _), (frames, options, _) = sample()
    layer = viewer.add_points(points, **attributes)
    viewer.add_image(frames, **options)
    assert dock.truth.layer is layer


def sample():
    from blinkspot.plugin.manifest.sample import sample_movie

    return sample_movie()


def test_a_folder_that_holds_something_is_left_alone(qtbot, viewer, dock, folder):
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    add_denoised(viewer, add_movie(viewer))
    click(qtbot, dock.run_button)
    wait_for_end(qtbot, dock)
    assert str(folder) in dock.job_bar.status.text()
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("shift_adu", "offset_adu", "denoised_shift_adu", "words"),
    [
        (-5000.0, 100.0, 0.0, "mostly negative"),
        (0.0, 5000.0, 0.0, "less than no light"),
        (0.0, 100.0, -1000.0, "neither in photons nor without the offset"),
    ],
)
def test_a_movie_of_no_light_is_refused(
    qtbot, viewer, dock, folder, shift_adu, offset_adu, denoised_shift_adu, words
):
    source = add_movie(viewer, data=np.array(movie(), np.float32) + shift_adu)
    by_others = np.array(movie(), np.float32) + denoised_shift_adu
    dock.denoised.choose(viewer.add_image(by_others, name="by others"))
    dock.camera.fields["offset_adu"].setValue(offset_adu)
    assert dock.movies.layer is source
    with notifications() as shown:
        click(qtbot, dock.run_button)
        wait_for_end(qtbot, dock)
    assert shown == [("warning", dock.job_bar.status.text())]
    assert words in dock.job_bar.status.text()
    assert list(folder.parent.iterdir()) == []


def test_a_report_that_is_cancelled_leaves_nothing(qtbot, viewer, dock, folder):
    add_denoised(viewer, add_movie(viewer))
    click(qtbot, dock.run_button)
    qtbot.waitUntil(lambda: dock.job_bar.status.text().startswith("Comparing"), timeout=30_000)
    with stopping(qtbot, dock):
        click(qtbot, dock.job_bar.stop_button)
    assert list(folder.parent.iterdir()) == []
    assert dock.words.text() == ""


def test_a_page_that_is_gone_is_said(qtbot, viewer, dock, folder, monkeypatch):
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: pytest.fail("opened"))
    dock._page = folder / "index.html"
    dock._refresh()
    with notifications() as shown:
        click(qtbot, dock.page_button)
    assert shown == [("warning", dock.job_bar.status.text())]
    assert "no longer there" in dock.job_bar.status.text()
    assert not dock.page_button.isEnabled()


def test_a_page_that_no_browser_opens_is_said(qtbot, viewer, dock, folder, monkeypatch):
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: False)
    folder.mkdir()
    dock._page = folder / "index.html"
    dock._page.touch()
    dock._refresh()
    with notifications() as shown:
        click(qtbot, dock.page_button)
    assert shown == [("warning", f"No web browser could be started: open {dock._page} by hand.")]
    assert dock.page_button.isEnabled()


def test_a_name_that_no_folder_can_have_is_not_suggested(qtbot, viewer, dock, monkeypatch):
    suggested = []
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", lambda *arguments, **_: suggested.append(arguments[2]) or ("", "")
    )
    add_denoised(viewer, add_movie(viewer, name="/cells/day 2: 5 \u00b5m/s?"))
    click(qtbot, dock.run_button)
    assert Path(suggested[0]).name == "_cells_day 2_ 5 \u00b5m_s_ report"
