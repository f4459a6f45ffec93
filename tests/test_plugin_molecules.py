"""Filters and steps of the Molecules dock, driven as a user drives it."""

import numpy as np
import pandas as pd
import pytest
from molecules_dock import (
    add_table,
    apply_step,
    choose_column,
    current,
    drag,
    lines,
    ready,
    rings_of,
    save_alone,
    table,
    true_drift,
    wait_for_count,
    wait_for_points,
)
from qtpy.QtCore import Qt
from test_plugin_helpers import (
    CAMERA,
    click,
    notifications,
    open_dock,
    wait_for_end,
)

from blinkspot.localization import LocalizationTable
from blinkspot.localization.processing import (
    DensityFilter,
    DuplicateRemoval,
    Filter,
    Merge,
    UncertaintyFormula,
    process,
    recorded_steps,
)
from blinkspot.localization.processing.drift import drift_in, read_drift, write_drift
from blinkspot.plugin.widgets import file_dialogs
from blinkspot.progress import finish


@pytest.fixture
def dock(viewer):
    return open_dock(viewer, "Molecules")


def test_the_histogram_counts_the_column(qtbot, viewer, dock):
    ready(qtbot, viewer, dock)
    columns = [dock.filter.column.itemText(index) for index in range(dock.filter.column.count())]
    assert columns == [name for name in table().data.columns if table().data[name].notna().any()]
    assert dock.filter.column.currentText() == "photons"
    shown = dock.filter.plot.histogram
    expected, _ = np.histogram(table().column("photons"), shown.edges)
    np.testing.assert_array_equal(shown.counts, expected)
    np.testing.assert_array_equal(dock.filter.plot._bars.getData()[1], expected)
    choose_column(qtbot, dock, "frame")
    np.testing.assert_array_equal(dock.filter.plot.histogram.counts, np.bincount(table().column("frame")))


def test_dragging_the_range_filters_live_and_leaves_the_table(qtbot, viewer, dock):
    layer = ready(qtbot, viewer, dock, translate=(0, 1.0, 2.0))
    before = layer.data.copy()
    drag(dock, 200.0, 400.0)
    assert dock.filter.condition == "200 <= photons <= 400"
    photons = table().column("photons")
    kept = table().chosen((photons >= 200) & (photons <= 400))
    wait_for_count(qtbot, dock, len(kept))
    rings = rings_of(qtbot, viewer)
    wait_for_points(qtbot, rings, kept)
    np.testing.assert_allclose(rings.features["photons"], kept.column("photons"))
    # Rings lie around the points of the layer, whose own points stay.
    np.testing.assert_allclose(rings.data_to_world(rings.data[3]), layer.data_to_world(rings.data[3]))
    np.testing.assert_array_equal(layer.data, before)
    assert current(dock) is dock._work.opened.history.source

    # Further, and one end open at the end of the plot.
    drag(dock, 300.0, 1e9)
    assert dock.filter.condition == "photons >= 300"
    wait_for_count(qtbot, dock, int((photons >= 300).sum()))
    wait_for_points(qtbot, rings, table().chosen(photons >= 300))


def test_ranges_of_several_columns_hold_together(qtbot, viewer, dock):
    ready(qtbot, viewer, dock)
    drag(dock, 200.0, 400.0)
    choose_column(qtbot, dock, "frame")
    drag(dock, 10.2, 20.9)
    assert dock.filter.condition == "200 <= photons <= 400 & 11 <= frame <= 20"
    photons, frame = table().column("photons"), table().column("frame")
    kept = (photons >= 200) & (photons <= 400) & (frame >= 11) & (frame <= 20)
    wait_for_count(qtbot, dock, int(kept.sum()))
    choose_column(qtbot, dock, "photons")
    assert dock.filter.plot.region.getRegion() == pytest.approx((200.0, 400.0))
    drag(dock, *dock.filter.plot.histogram.ends)
    assert dock.filter.condition == "11 <= frame <= 20"
    # What is typed takes their place, and holds together with a range that is dragged later.
    dock.filter.text.setText("sigma > 120 or frame == 3")
    assert dock.filter.plot.region.getRegion() == dock.filter.plot.histogram.ends
    drag(dock, 200.0, 1e9)
    assert dock.filter.condition == "(sigma > 120 or frame == 3) & photons >= 200"
    kept = ((table().column("sigma_nm") > 120) | (frame == 3)) & (photons >= 200)
    wait_for_count(qtbot, dock, int(kept.sum()))
    dock.filter.text.clear()
    wait_for_count(qtbot, dock, 3000)


def test_a_condition_is_typed_and_enter_makes_it_a_step(qtbot, viewer, dock):
    ready(qtbot, viewer, dock)
    text = "uncertainty_nm < 12 & sigma > 125"
    qtbot.keyClicks(dock.filter.text, text)
    kept = (table().column("uncertainty_nm") < 12) & (table().column("sigma_nm") > 125)
    wait_for_count(qtbot, dock, int(kept.sum()))
    qtbot.keyClick(dock.filter.text, Qt.Key.Key_Return)
    wait_for_end(qtbot, dock)
    assert lines(dock) == [f"filter {text}: {kept.sum():,} of 3,000 stay"]
    assert dock.filter.condition == ""
    pd.testing.assert_frame_equal(current(dock).data, table().chosen(kept).data)
    # The histogram is of what is left.
    qtbot.waitUntil(lambda: dock.filter.plot.histogram.counts.sum() <= kept.sum(), timeout=5000)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("photons >", "something is missing at its end"),
        ("brightness > 3", "needs the column brightness"),
        ("__import__('os')", "has no meaning there"),
        ("photons + 1", "a condition such as"),
    ],
)
def test_a_wrong_condition_is_answered_below_its_field(qtbot, viewer, dock, text, sentence):
    ready(qtbot, viewer, dock)
    with notifications() as shown:
        dock.filter.text.setText(text)
        qtbot.waitUntil(lambda: sentence in dock.filter.error.text(), timeout=5000)
        qtbot.wait(250)
    assert shown == []
    assert not dock.filter.error.isHidden()
    # It cannot become a step either.
    with notifications() as shown:
        click(qtbot, dock.filter.button)
        wait_for_end(qtbot, dock)
    assert len(shown) == 1
    assert sentence in shown[0][1]
    assert lines(dock) == []
    dock.filter.text.setText("photons > 100")
    wait_for_count(qtbot, dock, int((table().column("photons") > 100).sum()))
    assert dock.filter.error.isHidden()


@pytest.mark.parametrize(
    ("name", "settings", "step"),
    [
        ("duplicates", {}, DuplicateRemoval()),
        ("duplicates", {"distance_nm": 30.0}, DuplicateRemoval(30.0)),
        (
            "merge",
            {"radius_nm": 40.0, "dark_frames": 2, "longest_frames": 5},
            Merge(40.0, dark_frames=2, longest_frames=5),
        ),
        ("density", {"radius_nm": 25.0, "neighbours": 9}, DensityFilter(25.0, 9)),
    ],
)
def test_a_step_does_what_the_backend_does_and_undo_gives_the_very_table_before(
    qtbot, viewer, dock, name, settings, step
):
    ready(qtbot, viewer, dock)
    drag(dock, 100.0, 1e9)
    apply_step(qtbot, dock, name, **settings)
    expected = finish(process(table(), [Filter("photons >= 100"), step]))
    pd.testing.assert_frame_equal(current(dock).data, expected.data)
    assert recorded_steps(current(dock)) == [Filter("photons >= 100"), step]
    assert [line.split()[0].rstrip(":") for line in lines(dock)] == ["filter", name]
    wait_for_count(qtbot, dock, len(expected))
    wait_for_points(qtbot, rings_of(qtbot, viewer), expected)

    click(qtbot, dock.done.undo_button)
    filtered = finish(process(table(), [Filter("photons >= 100")]))
    pd.testing.assert_frame_equal(current(dock).data, filtered.data)
    assert recorded_steps(current(dock)) == [Filter("photons >= 100")]
    assert len(lines(dock)) == 1
    wait_for_points(qtbot, rings_of(qtbot, viewer), filtered)
    click(qtbot, dock.done.clear_button)
    pd.testing.assert_frame_equal(current(dock).data, table().data)
    assert lines(dock) == []
    assert not dock.done.undo_button.isEnabled()


def test_a_condition_made_while_a_step_is_done_stays(qtbot, viewer, dock):
    ready(qtbot, viewer, dock)
    drag(dock, 100.0, 1e9)
    dock.steps.choose("merge")
    click(qtbot, dock.apply_button)
    dock.filter.text.setText("photons > 300")
    wait_for_end(qtbot, dock)
    merged = finish(process(table(), [Filter("photons >= 100"), Merge()]))
    assert dock.filter.condition == "photons > 300"
    wait_for_count(qtbot, dock, int((merged.column("photons") > 300).sum()))
    pd.testing.assert_frame_equal(current(dock).data, merged.data)


def test_the_drift_is_drawn_saved_undone_and_loaded(qtbot, viewer, dock, tmp_path, monkeypatch):
    ready(qtbot, viewer, dock)
    assert not dock.drift.save_button.isEnabled()
    dock.steps.fields["drift"]["method"].setCurrentText("Redundant cross-correlation")
    apply_step(qtbot, dock, "drift")
    drift = drift_in(current(dock))
    np.testing.assert_array_equal(dock.drift.plot.x_curve.getOriginalDataset()[1], drift.x_nm)
    np.testing.assert_array_equal(dock.drift.plot.y_curve.getOriginalDataset()[1], drift.y_nm)
    # It is the drift that is in the molecules.
    assert np.ptp(drift.x_nm - true_drift().x_nm) < 40.0
    assert lines(dock)[0].startswith("drift: redundant cross-correlation, segments of ")
    assert dock.tabs.tabText(dock.tabs.currentIndex()) == "Drift"

    for name in ("ours.csv", "picassos.txt"):
        path = tmp_path / name
        monkeypatch.setattr(file_dialogs, "ask_save", lambda *_, path=path: path)
        click(qtbot, dock.drift.save_button)
        qtbot.waitUntil(lambda path=path: str(path) in dock.job_bar.status.text(), timeout=5000)
        np.testing.assert_allclose(read_drift(path, 100.0).x_nm, drift.x_nm, atol=1e-9)
    click(qtbot, dock.done.undo_button)
    pd.testing.assert_frame_equal(current(dock).data, table().data)
    assert dock.drift.plot.x_curve.getOriginalDataset()[0] is None
    assert not dock.drift.save_button.isEnabled()

    path = tmp_path / "mine.csv"
    write_drift(true_drift(), path)
    monkeypatch.setattr(file_dialogs, "ask_open", lambda *_: path)
    apply_step(qtbot, dock, "loaded_drift")
    expected = table().column("x_nm") - true_drift().x_nm[table().column("frame")]
    np.testing.assert_allclose(current(dock).column("x_nm"), expected, atol=0.001)
    np.testing.assert_allclose(dock.drift.plot.x_curve.getOriginalDataset()[1], true_drift().x_nm, atol=0.001)


def test_a_step_that_cannot_be_done_leaves_the_table(qtbot, viewer, dock, tmp_path, monkeypatch):
    ready(qtbot, viewer, dock)
    bad, short = tmp_path / "bad.csv", tmp_path / "short.csv"
    bad.write_text("nothing")
    write_drift(true_drift(10), short)
    for path, reason in ((bad, "is not a table of"), (short, "belongs to another movie")):
        monkeypatch.setattr(file_dialogs, "ask_open", lambda *_, path=path: path)
        with notifications() as shown:
            apply_step(qtbot, dock, "loaded_drift")
        assert [severity for severity, _ in shown] == ["warning"]
        assert reason in shown[0][1]
        assert dock.job_bar.status.text() == shown[0][1]
        assert lines(dock) == []
    pd.testing.assert_frame_equal(current(dock).data, table().data)


def test_uncertainties_that_are_not_calibrated_are_said_to_be_so(qtbot, viewer, dock):
    doubtful = LocalizationTable(table().data, False, table().provenance)
    layer = add_table(viewer, doubtful)
    wait_for_count(qtbot, dock, 3000)
    qtbot.waitUntil(lambda: dock.filter.column.findText("uncertainty_nm (not calibrated)") > 0, timeout=5000)
    assert dock.filter.column.findText("uncertainty_nm") == -1
    choose_column(qtbot, dock, "uncertainty_nm (not calibrated)")
    drag(dock, 0.0, 10.0)
    kept = table().column("uncertainty_nm") <= 10
    wait_for_count(qtbot, dock, int(kept.sum()))
    rings = rings_of(qtbot, viewer)
    wait_for_points(qtbot, rings, table().chosen(kept))
    assert set(rings.features) == set(layer.features)
    assert "uncertainty_nm" not in rings.features


def test_uncertainties_by_formula_take_the_pixel_and_the_gain_that_are_typed(qtbot, dock, tmp_path):
    dock.open(save_alone(tmp_path / "plain.csv"))
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
