"""What the Molecules dock shows and writes, and what happens to it at the wrong moment."""

from functools import lru_cache

import numpy as np
import pytest
from molecules_dock import (
    FRAMES,
    add_table,
    apply_step,
    choose_column,
    current,
    drag,
    lines,
    ready,
    rings_of,
    table,
    wait_for_count,
    wait_for_points,
)
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QScrollArea
from test_plugin_helpers import (
    add_movie,
    click,
    notifications,
    open_dock,
    wait_for_end,
    wait_for_workers,
)

from blinkspot.localization import (
    Contrast,
    LocalizationTable,
    RenderSettings,
    draw,
    draw_coloured,
    read_table,
)
from blinkspot.localization.processing import (
    Filter,
    Merge,
    process,
    recorded_steps,
)
from blinkspot.plugin import file_dialogs, molecules_steps
from blinkspot.progress import finish


@pytest.fixture
def dock(viewer):
    return open_dock(viewer, "Molecules")


# -- picture and export


def test_the_picture_is_the_backend_s_and_follows_the_filter(qtbot, viewer, dock):
    movie = add_movie(viewer)
    ready(qtbot, viewer, dock)
    localizes = viewer.add_image(np.zeros((4, 4)), name="movie super-resolved (noisy)")
    dock.picture.pixel.setValue(25.0)
    click(qtbot, dock.draw_button)
    wait_for_end(qtbot, dock)
    layer = viewer.layers["movie localizations (noisy) molecules"]
    settings = RenderSettings("ash", 25.0)
    np.testing.assert_allclose(layer.data, finish(draw(table(), settings)))
    # It covers just the movie.
    np.testing.assert_allclose(
        layer.data_to_world((-0.5, -0.5)), movie.data_to_world((0, -0.5, -0.5))[1:], atol=1e-6
    )
    np.testing.assert_allclose(
        layer.data_to_world((127.5, 127.5)), movie.data_to_world((0, 31.5, 31.5))[1:], atol=1e-6
    )
    drag(dock, 250.0, 1e9)
    kept = table().chosen(table().column("photons") >= 250)
    expected = finish(draw(kept, settings))
    qtbot.waitUntil(lambda: np.allclose(layer.data, expected), timeout=5000)

    # Drawn again, and in colours, it takes the place of the one before.
    dock.picture.pixel.setValue(50.0)
    click(qtbot, dock.draw_button)
    wait_for_end(qtbot, dock)
    assert viewer.layers["movie localizations (noisy) molecules"] is layer
    assert layer.data.shape == (64, 64)
    np.testing.assert_allclose(
        layer.data_to_world((63.5, 63.5)), movie.data_to_world((0, 31.5, 31.5))[1:], atol=1e-6
    )
    dock.picture.colour_by.setCurrentText("Time")
    click(qtbot, dock.draw_button)
    wait_for_end(qtbot, dock)
    coloured = viewer.layers["movie localizations (noisy) molecules"]
    assert layer not in viewer.layers
    expected = finish(draw_coloured(kept, "frame", RenderSettings("ash", 50.0)))
    np.testing.assert_array_equal(coloured.data, expected.rgb())
    assert "Colours: frame from" in dock.job_bar.status.text()
    assert localizes in viewer.layers
    assert localizes.data.shape == (4, 4)

    # What the user deletes does not come back by itself.
    viewer.layers.remove(coloured)
    drag(dock, 300.0, 1e9)
    wait_for_count(qtbot, dock, int((table().column("photons") >= 300).sum()))
    qtbot.wait(400)
    assert [each.name for each in viewer.layers if "molecules" in each.name] == []


def test_a_filter_changed_while_the_picture_is_drawn_counts(qtbot, viewer, dock, monkeypatch):
    ready(qtbot, viewer, dock)
    click(qtbot, dock.draw_button)
    drag(dock, 250.0, 1e9)
    wait_for_end(qtbot, dock)
    kept = table().chosen(table().column("photons") >= 250)
    expected = finish(draw(kept, RenderSettings("ash", 20.0)))
    layer = viewer.layers["movie localizations (noisy) molecules"]
    qtbot.waitUntil(lambda: np.allclose(layer.data, expected), timeout=5000)
    # Contrast limits follow, until the user sets them.
    assert layer.contrast_limits[1] == pytest.approx(Contrast().limits(expected)[1])
    layer.contrast_limits = (0.0, 123.0)
    drag(dock, 300.0, 1e9)
    expected = finish(draw(table().chosen(table().column("photons") >= 300), RenderSettings("ash", 20.0)))
    qtbot.waitUntil(lambda: np.allclose(layer.data, expected), timeout=5000)
    assert layer.contrast_limits == [0.0, 123.0]


@pytest.mark.parametrize("suffix", [".csv", ".hdf5"])
def test_what_is_exported_is_what_is_seen_and_its_steps_can_be_repeated(
    qtbot, viewer, dock, tmp_path, monkeypatch, suffix
):
    ready(qtbot, viewer, dock)
    apply_step(qtbot, dock, "merge", radius_nm=40.0)
    drag(dock, 250.0, 1e9)
    path = tmp_path / f"done{suffix}"
    monkeypatch.setattr(file_dialogs, "ask_save", lambda *_: path)
    click(qtbot, dock.export_button)
    qtbot.waitUntil(lambda: "Saved as" in dock.job_bar.status.text(), timeout=10_000)
    written = read_table(path)
    steps = [Merge(40.0), Filter("photons >= 250")]
    assert recorded_steps(written) == steps
    expected = finish(process(table(), steps))
    assert len(written) == len(expected)
    np.testing.assert_allclose(written.column("x_nm"), expected.column("x_nm"), atol=0.01)
    np.testing.assert_allclose(written.column("photons"), expected.column("photons"), rtol=1e-4)
    assert len(lines(dock)) == 2
    with notifications() as shown:
        click(qtbot, dock.export_button)
        qtbot.waitUntil(lambda: bool(shown), timeout=5000)
    assert "exists already" in shown[0][1]

    # Opened again, its steps stand there as done before, and Undo leaves them.
    dock.open(path)
    wait_for_end(qtbot, dock)
    qtbot.waitUntil(lambda: dock.counts.text().startswith(f"{len(expected):,} of"), timeout=5000)
    assert [line.endswith("(before)") for line in lines(dock)] == [True, True]
    assert not dock.done.undo_button.isEnabled()


# -- large tables, and the wrong moment


def test_of_a_large_table_the_points_are_those_around_the_frame_shown(
    qtbot, viewer, dock, tmp_path, monkeypatch
):
    monkeypatch.setattr(molecules_steps, "MOST_POINTS", 200)
    path = tmp_path / "large.csv"
    table().save(path)
    dock.open(path)
    wait_for_end(qtbot, dock)
    wait_for_count(qtbot, dock, 3000)
    layer = viewer.layers["large"]
    for index in (20, 35, 3):
        viewer.dims.set_current_step(0, index)

        def all_of_the_frame_are_shown(index=index):
            shown = layer.data[layer.data[:, 0] == index]
            return len(shown) == (table().column("frame") == index).sum()

        qtbot.waitUntil(all_of_the_frame_are_shown, timeout=5000)
        assert len(layer.data) <= 202
        assert viewer.dims.nsteps[0] == FRAMES
    # napari's own Save writes all of them.
    (written,) = viewer.layers.save(str(tmp_path / "again.csv"), plugin="napari-blinkspot")
    assert len(read_table(written)) == 3000


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


def test_features_that_are_no_table_are_answered_in_one_sentence(qtbot, viewer, dock):
    with notifications() as shown:
        features = {"frame": [0, 1], "x_nm": [1.0, np.nan], "y_nm": [2.0, 3.0]}
        viewer.add_points(np.zeros((2, 3)), features=features)
        qtbot.waitUntil(lambda: bool(shown), timeout=10_000)
    assert [severity for severity, _ in shown] == ["warning"]
    assert "no finite x_nm" in shown[0][1]
    assert dock.counts.text() == "No table"
    assert not dock.apply_button.isEnabled()


def test_an_empty_table_does_no_harm(qtbot, viewer, dock):
    empty = LocalizationTable.from_columns({})
    add_table(viewer, empty)
    wait_for_count(qtbot, dock, 0, of=0)
    with notifications() as shown:
        for name in ("merge", "density", "duplicates"):
            apply_step(qtbot, dock, name)
        click(qtbot, dock.draw_button)
        wait_for_end(qtbot, dock)
    assert shown == []


def test_filtering_everything_away_does_no_harm(qtbot, viewer, dock):
    ready(qtbot, viewer, dock)
    with notifications() as shown:
        click(qtbot, dock.draw_button)
        wait_for_end(qtbot, dock)
        dock.filter.text.setText("photons < 0")
        wait_for_count(qtbot, dock, 0)
        picture = viewer.layers["movie localizations (noisy) molecules"]
        qtbot.waitUntil(lambda: not picture.data.any(), timeout=5000)
        click(qtbot, dock.filter.button)
        wait_for_end(qtbot, dock)
        wait_for_count(qtbot, dock, 0)
    assert shown == []
    click(qtbot, dock.done.undo_button)
    wait_for_count(qtbot, dock, 3000)


@lru_cache
def slow_table():
    """Return a table that keeps a step busy for seconds."""
    return table(400_000, 400)


def begin(qtbot, viewer):
    """Start a long step on a table; return the dock and the layer."""
    dock = open_dock(viewer, "Molecules")
    layer = add_table(viewer, slow_table().chosen(slow_table().column("frame") < 4))
    qtbot.waitUntil(lambda: dock.counts.text().endswith("left"), timeout=10_000)
    dock._work.opened.history.add([slow_table()])
    dock._on_table_changed()
    dock.steps.choose("density")
    dock.steps.fields["density"]["neighbours"].setValue(1000)
    dock.steps.fields["density"]["radius_nm"].setValue(60.0)
    click(qtbot, dock.apply_button)
    qtbot.waitUntil(lambda: "%" in dock.job_bar.status.text(), timeout=20_000)
    assert dock.runner.busy
    return dock, layer


def test_cancel_leaves_the_table(qtbot, viewer):
    dock, _ = begin(qtbot, viewer)
    drag(dock, 100.0, 200.0)  # also while a step is done
    assert dock.filter.condition
    click(qtbot, dock.job_bar.stop_button)
    wait_for_end(qtbot, dock, timeout=3000)
    assert current(dock) is slow_table()
    assert dock.job_bar.status.text() == "Stopped."
    assert dock.apply_button.isEnabled()


def test_removing_the_layer_stops_the_step(qtbot, viewer):
    dock, layer = begin(qtbot, viewer)
    viewer.layers.remove(layer)
    wait_for_end(qtbot, dock, timeout=3000)
    assert dock.tables.layer is None
    assert dock.counts.text() == "No table"
    assert lines(dock) == []


def test_renaming_and_replacing_the_layer_does_no_harm(qtbot, viewer):
    dock, layer = begin(qtbot, viewer)
    layer.name = "renamed"
    layer.data = layer.data[:100]
    viewer.dims.set_current_step(0, 2)
    wait_for_count(qtbot, dock, 100, of=100)
    click(qtbot, dock.job_bar.stop_button)
    wait_for_end(qtbot, dock, timeout=3000)


@pytest.mark.parametrize("how", ["viewer", "dock"])
def test_closing_stops_the_step(qtbot, viewer, how):
    dock, _ = begin(qtbot, viewer)
    drag(dock, 100.0, 200.0)
    if how == "viewer":
        viewer.close()
    else:
        viewer.window.remove_dock_widget(dock)
        viewer.layers.clear()
    wait_for_workers(qtbot)


def test_deleting_rings_and_table_while_the_range_is_dragged_does_no_harm(qtbot, viewer, dock):
    layer = ready(qtbot, viewer, dock)
    drag(dock, 200.0, 400.0)
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=5000)
    drag(dock, 210.0, 400.0)
    viewer.layers.remove(viewer.layers[1])
    qtbot.wait(400)
    assert list(viewer.layers) == [layer]
    drag(dock, 220.0, 400.0)
    viewer.layers.remove(layer)
    qtbot.wait(400)
    assert len(viewer.layers) == 0
    assert dock.filter.plot.histogram is None


# -- how it looks


def test_all_of_the_dock_is_seen_on_a_small_screen(qtbot, make_napari_viewer):
    viewer = make_napari_viewer(show=True)
    dock = open_dock(viewer, "Molecules")
    # What napari leaves to a dock on a screen of 1366 x 768 pixels, below its title and above its tab.
    dock.setFixedSize(368, 634)
    ready(qtbot, viewer, dock)
    view = dock.findChild(QScrollArea)
    qtbot.waitUntil(lambda: view.viewport().height() > 500, timeout=5000)

    def everything_is_seen():
        qtbot.wait(50)
        content = view.widget().minimumSizeHint()
        assert content.height() <= view.viewport().height()
        assert content.width() <= view.viewport().width()

    everything_is_seen()
    for index in range(dock.steps.step.count()):
        dock.steps.step.setCurrentIndex(index)
        everything_is_seen()
    dock.filter.text.setText("photons > 100 & nonsense")
    qtbot.waitUntil(lambda: bool(dock.filter.error.text()), timeout=5000)
    dock.job_bar._show_running(True)
    dock.job_bar.say("The step ended in a sentence that is so long that it does not fit into one line. " * 2)
    everything_is_seen()


def test_every_field_explains_itself(dock):
    fields = [field for page in dock.steps.fields.values() for field in page.values()]
    buttons = [
        dock.open_button,
        dock.apply_button,
        dock.done.undo_button,
        dock.done.clear_button,
        dock.draw_button,
    ]
    for widget in (*fields, *buttons, dock.export_button, dock.filter.text, dock.filter.button, dock.pixel):
        assert widget.toolTip()
        assert widget.focusPolicy() & Qt.FocusPolicy.TabFocus


def test_the_plots_follow_the_theme(viewer, dock):
    from napari.utils.theme import get_theme

    for theme in ("light", "dark"):
        viewer.theme = theme
        for plot in (dock.filter.plot, dock.drift.plot):
            background = plot.plot.backgroundBrush().color().name()
            assert background == get_theme(theme).background.as_hex(format="long")
