"""The Molecules dock beside other layers: which table is chosen, and what of its name is read."""

import numpy as np
import pytest
from molecules_dock import add_table, apply_step, current, ready, table, wait_for_count
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QScrollArea
from test_plugin_helpers import (
    CAMERA,
    add_movie,
    click,
    notifications,
    open_dock,
    wait_for_end,
)

from blinkspot.localization.processing import UncertaintyFormula, process
from blinkspot.plugin import file_dialogs
from blinkspot.plugin.movies import ROLE
from blinkspot.progress import finish


def add_truth(viewer):
    """Add the true molecules of a sample, of which many a sample movie has a layer."""
    return add_table(viewer, name="true molecules", metadata={ROLE: "truth"})


def test_what_is_localized_is_chosen_not_the_truth_that_was_there_before(qtbot, viewer):
    add_truth(viewer)
    molecules, localize = open_dock(viewer, "Molecules"), open_dock(viewer, "Localize")
    add_movie(viewer)
    click(qtbot, localize.run_button)
    wait_for_end(qtbot, localize, timeout=60_000)
    assert molecules.tables.layer is viewer.layers["movie localizations (noisy)"]
    # A dock that is opened only now chooses it, too.
    viewer.window.remove_dock_widget(molecules)
    assert open_dock(viewer, "Molecules").tables.layer is viewer.layers["movie localizations (noisy)"]


def test_a_table_that_is_being_filtered_stays_chosen(qtbot, viewer):
    dock = open_dock(viewer, "Molecules")
    first = ready(qtbot, viewer, dock)
    dock.filter.text.setText("photons > 100")
    add_table(viewer, name="other")
    assert dock.tables.layer is first
    assert dock.filter.condition == "photons > 100"


def test_of_a_long_name_its_end_is_read(qtbot, make_napari_viewer):
    viewer = make_napari_viewer(show=True)
    dock = open_dock(viewer, "Molecules")
    dock.setFixedSize(368, 634)
    one = add_table(viewer, name="a movie of a very long name localizations (noisy)")
    drawn = {}
    for end in ("(noisy)", "(denoised)", "(noisy)"):
        one.name = f"a movie of a very long name localizations {end}"
        qtbot.wait(20)
        drawn[end] = dock.tables.grab().toImage()
    assert drawn["(noisy)"] != drawn["(denoised)"]
    assert dock.tables.view().textElideMode() == Qt.TextElideMode.ElideMiddle


def test_without_a_denoised_movie_the_noisy_one_is_named(viewer):
    dock = open_dock(viewer, "Localize")
    add_movie(viewer)
    assert dock.target.currentText() == "Noisy movie"
    denoised = add_movie(viewer, name="denoised")
    dock.movies.setCurrentIndex(0)
    dock.denoised.choose(denoised)
    assert dock.target.currentText() == "Denoised movie"
    dock.target.setCurrentText("Both, to compare")
    dock.denoised.choose(None)
    assert dock.target.currentText() == "Noisy movie"
    dock.denoised.choose(denoised)
    assert dock.target.currentText() == "Both, to compare"


def test_each_choice_of_a_layer_explains_itself(qtbot, viewer):
    localize, molecules = open_dock(viewer, "Localize"), open_dock(viewer, "Molecules")
    assert "denoised version" in localize.denoised.toolTip()
    assert "table to work on" in molecules.tables.toolTip()
    layer = ready(qtbot, viewer, molecules)
    assert molecules.tables.toolTip().startswith(f"{layer.name}\n")
    assert "table to work on" in molecules.tables.toolTip()


def test_uncertainties_by_formula_take_the_pixel_and_the_gain_that_are_typed(qtbot, viewer, tmp_path):
    path = tmp_path / "plain.csv"
    table().save(path)
    path.with_suffix(".provenance.json").unlink()
    dock = open_dock(viewer, "Molecules")
    dock.open(path)
    wait_for_end(qtbot, dock)
    wait_for_count(qtbot, dock, 3000)
    read = current(dock)
    with notifications() as shown:
        apply_step(qtbot, dock, "uncertainty")
    assert [message for _, message in shown] == [dock.job_bar.status.text()]
    assert "type it beside the table" in shown[0][1]
    assert current(dock) is read
    dock.pixel.setValue(CAMERA.pixel_size_nm)
    apply_step(qtbot, dock, "uncertainty", em_gain=CAMERA.em_gain)
    step = UncertaintyFormula(pixel_size_nm=CAMERA.pixel_size_nm, em_gain=CAMERA.em_gain)
    expected = finish(process(read, [step]))
    np.testing.assert_allclose(current(dock).column("uncertainty_nm"), expected.column("uncertainty_nm"))


def test_the_next_file_may_be_named_as_soon_as_one_is_said_to_be_saved(qtbot, viewer, tmp_path, monkeypatch):
    dock = open_dock(viewer, "Molecules")
    ready(qtbot, viewer, dock)
    paths = [tmp_path / "one.csv", tmp_path / "two.csv"]
    names = iter(paths)
    monkeypatch.setattr(file_dialogs, "ask_save", lambda *_: next(names))

    def export_again(said):
        if said == f"Saved as {paths[0]}.":
            dock.export_button.click()

    dock._writer.said.connect(export_again)
    click(qtbot, dock.export_button)
    qtbot.waitUntil(lambda: dock.job_bar.status.text() == f"Saved as {paths[1]}.", timeout=5000)
    assert all(path.exists() for path in paths)


def test_a_frame_beyond_all_movies_is_refused(qtbot, viewer, tmp_path):
    # napari's slider would overflow.
    path = tmp_path / "far.csv"
    path.write_text("frame,x [nm],y [nm]\n1,5,5\n40000000000,5,5\n")
    dock = open_dock(viewer, "Molecules")
    with notifications() as shown:
        dock.open(path)
        wait_for_end(qtbot, dock)
    assert "has the frame 4e+10 in data row 2" in shown[0][1]
    assert len(viewer.layers) == 0


@pytest.mark.parametrize("name", ["Localize", "Molecules"])
def test_nothing_is_hidden_behind_the_scroll_bar(qtbot, make_napari_viewer, name):
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1024, 600)
    dock = open_dock(viewer, name)
    add_movie(viewer)
    if name == "Localize":
        dock.options.accept.setCurrentIndex(1)
        click(qtbot, dock.options.more_button)
    scroll = dock.findChild(QScrollArea)

    def all_is_seen():
        return scroll.widget().width() <= scroll.viewport().width()

    qtbot.waitUntil(all_is_seen, timeout=5000)
