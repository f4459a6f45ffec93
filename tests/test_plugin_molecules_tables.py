"""The tables of the Molecules dock: which are offered, chosen and opened, and what is remembered of each."""

import numpy as np
import pytest
from molecules_dock import (
    add_table,
    apply_step,
    current,
    lines,
    ready,
    rings_of,
    save_alone,
    table,
    wait_for_count,
    wait_for_points,
)
from napari.layers._layer_actions import _duplicate_layer
from test_plugin_helpers import (
    add_movie,
    click,
    notifications,
    open_dock,
    wait_for_end,
)

from blinkspot.localization import (
    LocalizationTable,
    read_table,
)
from blinkspot.plugin.layers.movies import ROLE
from blinkspot.plugin.widgets import file_dialogs


@pytest.fixture
def dock(viewer):
    return open_dock(viewer, "Molecules")


def test_an_empty_viewer_offers_no_table(dock):
    assert dock.tables.layer is None
    assert dock.counts.text() == "No table"
    for button in (dock.apply_button, dock.filter.button, dock.draw_button, dock.export_button):
        assert not button.isEnabled()
    assert dock.open_button.isEnabled()


def test_only_layers_of_localizations_are_offered(qtbot, viewer, dock):
    viewer.add_points(np.zeros((4, 3)), name="marks")
    add_movie(viewer)
    layer = ready(qtbot, viewer, dock)
    assert dock.tables.layer is layer
    assert dock.tables.count() == 1


@pytest.mark.parametrize("suffix", [".csv", ".hdf5"])
def test_a_file_is_opened_with_its_points_at_their_place(qtbot, viewer, dock, tmp_path, monkeypatch, suffix):
    path = tmp_path / f"cells{suffix}"
    table().save(path)
    monkeypatch.setattr(file_dialogs, "ask_open", lambda *_: path)
    click(qtbot, dock.open_button)
    wait_for_end(qtbot, dock)
    wait_for_count(qtbot, dock, 3000)
    layer = viewer.layers["cells"]
    assert dock.tables.layer is layer
    wait_for_points(qtbot, layer, read_table(path))
    # A molecule lies where the movie's pixel lies that it was found in: the movie's reader begins with the
    # middle of the first pixel.
    np.testing.assert_allclose(
        layer.data_to_world(layer.data[0])[1:],
        [(layer.features[name][0] / 100.0 - 0.5) * 0.1 for name in ("y_nm", "x_nm")],
        rtol=1e-4,
    )


def test_a_file_that_does_not_tell_its_pixel_is_opened_with_the_one_given(qtbot, viewer, dock, tmp_path):
    path = save_alone(tmp_path / "of_smap.csv", format="smap")
    with notifications() as shown:
        dock.open(path)
        wait_for_end(qtbot, dock)
    assert [severity for severity, _ in shown] == ["warning"]
    assert "pixel size" in shown[0][1]
    dock.pixel.setValue(100.0)
    dock.open(path)
    wait_for_end(qtbot, dock)
    wait_for_count(qtbot, dock, 3000)
    np.testing.assert_allclose(current(dock).column("x_nm"), table().column("x_nm"), atol=0.01)


def test_a_table_without_a_movie_s_pixel_lies_in_micrometres_and_is_written_with_the_one_typed(
    qtbot, viewer, dock, tmp_path, monkeypatch
):
    dock.open(save_alone(tmp_path / "plain.csv"))
    wait_for_end(qtbot, dock)
    layer = viewer.layers["plain"]
    qtbot.waitUntil(lambda: len(layer.data) == 3000, timeout=5000)
    np.testing.assert_allclose(
        layer.data_to_world(layer.data[7])[1:],
        [layer.features[name][7] / 1000.0 for name in ("y_nm", "x_nm")],
        rtol=1e-4,
    )
    click(qtbot, dock.draw_button)
    wait_for_end(qtbot, dock)
    picture = viewer.layers["plain molecules"]
    np.testing.assert_allclose(picture.data_to_world((-0.5, -0.5)), (0.0, 0.0), atol=1e-9)
    np.testing.assert_allclose(picture.scale, (0.02, 0.02))

    written = tmp_path / "out.hdf5"
    monkeypatch.setattr(file_dialogs, "ask_save", lambda *_: written)
    with notifications() as shown:
        click(qtbot, dock.export_button)
        qtbot.waitUntil(lambda: bool(shown), timeout=5000)
    assert "needs the movie's pixel size" in shown[0][1]
    dock.pixel.setValue(100.0)
    click(qtbot, dock.export_button)
    qtbot.waitUntil(lambda: "Saved as" in dock.job_bar.status.text(), timeout=5000)
    np.testing.assert_allclose(read_table(written).column("x_nm"), table().column("x_nm"), atol=0.02)


@pytest.mark.parametrize("content", [b"", b"not,a\ntable,at all\n", b"\x89HDF\r\n\x1a\nbroken", None])
def test_a_bad_file_is_answered_in_one_sentence(qtbot, viewer, dock, tmp_path, content):
    path = tmp_path / "bad.csv"
    if content is not None:
        path.write_bytes(content)
    with notifications() as shown:
        dock.open(path)
        wait_for_end(qtbot, dock)
    assert [severity for severity, _ in shown] == ["warning"]
    assert dock.job_bar.status.text() == shown[0][1]
    assert len(viewer.layers) == 0
    assert dock.open_button.isEnabled()


def test_what_is_localized_is_chosen_not_the_truth_that_was_there_before(qtbot, viewer):
    # As a sample brings them with its movie.
    add_table(viewer, name="true molecules", metadata={ROLE: "truth"})
    molecules, localize = open_dock(viewer, "Molecules"), open_dock(viewer, "Localize")
    add_movie(viewer)
    click(qtbot, localize.run_button)
    wait_for_end(qtbot, localize, timeout=60_000)
    assert molecules.tables.layer is viewer.layers["movie localizations (noisy)"]
    # A dock that is opened only now chooses it, too.
    viewer.window.remove_dock_widget(molecules)
    assert open_dock(viewer, "Molecules").tables.layer is viewer.layers["movie localizations (noisy)"]


def test_a_table_that_is_being_filtered_stays_chosen(qtbot, viewer, dock):
    first = ready(qtbot, viewer, dock)
    dock.filter.text.setText("photons > 100")
    add_table(viewer, name="other")
    assert dock.tables.layer is first
    assert dock.filter.condition == "photons > 100"


def test_each_choice_of_a_layer_explains_itself(qtbot, viewer):
    localize, molecules = open_dock(viewer, "Localize"), open_dock(viewer, "Molecules")
    assert "denoised version" in localize.denoised.toolTip()
    assert "table to work on" in molecules.tables.toolTip()
    layer = ready(qtbot, viewer, molecules)
    assert molecules.tables.toolTip().startswith(f"{layer.name}\n")
    assert "table to work on" in molecules.tables.toolTip()


def test_a_frame_beyond_all_movies_is_refused(qtbot, viewer, dock, tmp_path):
    # napari's slider would overflow.
    path = tmp_path / "far.csv"
    path.write_text("frame,x [nm],y [nm]\n1,5,5\n40000000000,5,5\n")
    with notifications() as shown:
        dock.open(path)
        wait_for_end(qtbot, dock)
    assert "has the frame 4e+10 in data row 2" in shown[0][1]
    assert len(viewer.layers) == 0


def test_each_table_keeps_its_steps(qtbot, viewer, dock):
    first = ready(qtbot, viewer, dock)
    apply_step(qtbot, dock, "merge")
    merged = current(dock)
    other = LocalizationTable.from_columns({"frame": [0, 1], "x_nm": [5.0, 6.0], "y_nm": [7.0, 9.0]})
    second = add_table(viewer, other, name="other")
    dock.tables.choose(second)
    wait_for_count(qtbot, dock, 2, of=2)
    assert lines(dock) == []
    dock.tables.choose(first)
    wait_for_count(qtbot, dock, len(merged))
    assert current(dock) is merged
    # A dock that is opened anew finds them, too.
    viewer.window.remove_dock_widget(dock)
    again = open_dock(viewer, "Molecules")
    again.tables.choose(first)
    wait_for_count(qtbot, again, len(merged))
    assert len(lines(again)) == 1


@pytest.mark.parametrize("from_file", [True, False])
def test_a_copy_of_a_table_goes_its_own_way(qtbot, viewer, dock, tmp_path, from_file):
    if from_file:
        table().save(tmp_path / "one.csv")
        dock.open(tmp_path / "one.csv")
        wait_for_end(qtbot, dock)
        first = dock.tables.layer
    else:
        first = ready(qtbot, viewer, dock)
    wait_for_count(qtbot, dock, len(table()))
    qtbot.waitUntil(lambda: len(first.data) == len(table()), timeout=5000)
    apply_step(qtbot, dock, "merge")
    merged = current(dock)
    left = first if from_file else rings_of(qtbot, viewer)
    wait_for_points(qtbot, left, merged)
    viewer.layers.selection.active = first
    _duplicate_layer(viewer.layers)
    copied = viewer.layers[f"{first.name} copy"]
    dock.tables.choose(copied)
    wait_for_count(qtbot, dock, len(merged))
    assert len(lines(dock)) == 1
    click(qtbot, dock.done.undo_button)
    wait_for_count(qtbot, dock, len(table()))
    dock.filter.text.setText("photons > 300")
    few = int((table().column("photons") > 300).sum())
    wait_for_count(qtbot, dock, few)
    other = copied
    if not from_file:
        qtbot.waitUntil(lambda: f"{copied.name} processed" in viewer.layers, timeout=5000)
        other = viewer.layers[f"{copied.name} processed"]
    qtbot.waitUntil(lambda: len(other.data) == few, timeout=5000)
    wait_for_points(qtbot, left, merged)
    dock.tables.choose(first)
    wait_for_count(qtbot, dock, len(merged))
    assert current(dock) is merged


def test_features_that_are_no_table_are_answered_in_one_sentence(qtbot, viewer, dock):
    with notifications() as shown:
        features = {"frame": [0, 1], "x_nm": [1.0, np.nan], "y_nm": [2.0, 3.0]}
        viewer.add_points(np.zeros((2, 3)), features=features)
        qtbot.waitUntil(lambda: bool(shown), timeout=10_000)
    assert [severity for severity, _ in shown] == ["warning"]
    assert "no finite x_nm" in shown[0][1]
    assert dock.counts.text() == "No table"
    assert not dock.apply_button.isEnabled()
