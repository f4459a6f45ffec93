"""The table of molecules, and what links it to the picture."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from molecules_dock import (
    apply_step,
    choose_column,
    current,
    drag,
    lines,
    molecules_px,
    ready,
    rings_of,
    table,
    wait_for_points,
)
from napari.utils.interactions import mouse_press_callbacks, mouse_release_callbacks
from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication
from test_plugin_helpers import add_movie, click, notifications, open_dock, wait_for_end

from blinkspot.localization import LocalizationTable, RenderSettings, draw
from blinkspot.plugin.molecules.table_view import panel
from blinkspot.plugin.molecules.table_view.arranging import arranged
from blinkspot.plugin.molecules.table_view.fitted_window import window_px
from blinkspot.plugin.molecules.table_view.nearest import nearest_row
from blinkspot.plugin.session import session_of
from blinkspot.progress import finish

numbers = st.lists(st.sampled_from([1.0, 2.5, -3.0, 7.0, np.nan]), min_size=1, max_size=12)


def of_photons(photons):
    return LocalizationTable.from_columns(
        {"frame": np.arange(len(photons)), "x_nm": np.ones(len(photons)), "y_nm": np.ones(len(photons))}
        | {"photons": photons}
    )


@settings(max_examples=60, deadline=None)
@given(numbers, st.booleans(), st.data())
def test_rows_are_sorted_and_unknown_numbers_come_last(photons, descending, data):
    rows = data.draw(st.none() | st.lists(st.integers(0, len(photons) - 1), unique=True).map(sorted))
    chosen = None if rows is None else np.array(rows, np.int64)
    shown = arranged(of_photons(photons), chosen, "photons", descending)
    among = range(len(photons)) if rows is None else rows
    sign = -1.0 if descending else 1.0
    expected = sorted(
        among, key=lambda row: (np.isnan(photons[row]), sign * np.nan_to_num(photons[row]), row)
    )
    if not np.isnan(photons).all():
        assert [shown.table_row(row) for row in range(len(shown))] == expected
    for row in range(len(shown)):
        assert shown.shown_row(shown.table_row(row)) == row
    if rows is not None:
        assert all(shown.shown_row(other) is None for other in set(range(len(photons))) - set(rows))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.booleans(), st.booleans())
def test_the_nearest_molecule_is_found(seed, of_frame, of_some):
    random = np.random.default_rng(seed)
    count = int(random.integers(0, 30))
    frame, x, y = random.integers(0, 3, count), *random.uniform(0.0, 900.0, (2, count))
    molecules = LocalizationTable.from_columns({"frame": frame, "x_nm": x, "y_nm": y})
    among = np.flatnonzero(random.random(count) < 0.6) if of_some else np.arange(count)
    found = nearest_row(molecules, among if of_some else None, (300.0, 400.0), 150.0, 1 if of_frame else None)
    distances = {
        row: np.hypot(y[row] - 300.0, x[row] - 400.0) for row in among if not of_frame or frame[row] == 1
    }
    near = {row: distance for row, distance in distances.items() if distance <= 150.0}
    assert found == (min(near, key=near.get) if near else None)


def test_the_window_is_the_one_of_the_fit():
    assert window_px({"settings": {"fit_window_px": 11}}) == 11
    assert window_px({"step": "process", "settings": None, "source": "other"}) == 7


# -- in the window


@pytest.fixture
def dock(viewer):
    return open_dock(viewer, "Molecules")


@pytest.fixture
def sorting(monkeypatch):
    """Sorting a table waits while this is not set."""
    allowed = threading.Event()
    allowed.set()

    def arranged_when_allowed(*arguments):
        allowed.wait()
        return arranged(*arguments)

    monkeypatch.setattr(panel, "arranged", arranged_when_allowed)
    yield allowed
    allowed.set()


def shown_table(qtbot, dock, rows):
    """Open the table and wait until it shows so many rows."""
    if dock.table_link.panel is None:
        click(qtbot, dock.table_button)
    view = dock.table_link.panel.table
    qtbot.waitUntil(lambda: view.model().rowCount() == rows, timeout=10_000)
    return view


def column_of(view, heading):
    model = view.model()
    headings = [model.headerData(column, Qt.Orientation.Horizontal) for column in range(model.columnCount())]
    return headings.index(heading)


def texts(view, heading):
    column = column_of(view, heading)
    return [view.model().index(row, column).data() for row in range(view.model().rowCount())]


def sort_by(qtbot, view, heading):
    view.horizontalHeader().sectionClicked.emit(column_of(view, heading))
    qtbot.waitUntil(lambda: not view.parent()._arranging.busy, timeout=10_000)


def click_row(qtbot, view, row):
    index = view.model().index(row, 0)
    view.scrollTo(index)
    qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=view.visualRect(index).center())


def test_the_table_shows_what_is_left_with_units(qtbot, viewer, dock):
    ready(qtbot, viewer, dock)
    view = shown_table(qtbot, dock, 3000)
    assert texts(view, "x (nm)") == [f"{value:.1f}" for value in table().column("x_nm")]
    assert texts(view, "photons") == [f"{value:.0f}" for value in table().column("photons")]
    assert texts(view, "frame") == [str(value) for value in table().column("frame")]
    assert texts(view, "background (photons)")[0] == f"{table().column('background_photons')[0]:.2f}"

    drag(dock, 200.0, 400.0)
    photons = table().column("photons")
    kept = photons[(photons >= 200) & (photons <= 400)]
    shown_table(qtbot, dock, len(kept))
    assert texts(view, "photons") == [f"{value:.0f}" for value in kept]
    apply_step(qtbot, dock, "density", radius_nm=25.0, neighbours=9)
    left = dock._work.opened.history.table
    assert len(left) < len(kept)
    shown_table(qtbot, dock, len(left))
    click(qtbot, dock.done.undo_button)
    shown_table(qtbot, dock, len(kept))
    click(qtbot, dock.done.clear_button)
    assert lines(dock) == []
    shown_table(qtbot, dock, 3000)


@pytest.mark.parametrize(
    ("column", "low", "high"),
    [("photons", 150.0, 400.0), ("sigma_nm", 120.0, 135.0), ("uncertainty_nm", 5.0, 15.0)],
)
def test_a_range_filters_table_points_and_picture_at_once(qtbot, viewer, dock, column, low, high):
    ready(qtbot, viewer, dock)
    shown_table(qtbot, dock, 3000)
    click(qtbot, dock.draw_button)
    qtbot.waitUntil(lambda: not dock.runner.busy, timeout=10_000)
    choose_column(qtbot, dock, column)
    drag(dock, low, high)
    values = table().column(column)
    kept = table().chosen((values >= low) & (values <= high))
    assert 100 < len(kept) < 2900
    view = shown_table(qtbot, dock, len(kept))
    assert texts(view, "x (nm)") == [f"{value:.1f}" for value in kept.column("x_nm")]
    wait_for_points(qtbot, rings_of(qtbot, viewer), kept)
    picture = viewer.layers["movie localizations (noisy) molecules"]
    expected = finish(draw(kept, RenderSettings("ash", 20.0)))
    qtbot.waitUntil(lambda: np.allclose(picture.data, expected), timeout=5000)


def test_headings_are_read_whole(qtbot, viewer, dock):
    ready(qtbot, viewer, dock)
    view = shown_table(qtbot, dock, 3000)
    for column in range(view.model().columnCount()):
        heading = view.model().headerData(column, Qt.Orientation.Horizontal)
        assert view.fontMetrics().horizontalAdvance(heading) < view.columnWidth(column) - 20


def test_all_rows_of_a_large_table_are_selected_and_not_copied(qtbot, viewer, dock, monkeypatch):
    monkeypatch.setattr("blinkspot.plugin.molecules.table_view.table.MOST_COPIED", 100)
    ready(qtbot, viewer, dock)
    view = shown_table(qtbot, dock, 3000)
    QGuiApplication.clipboard().setText("before")
    view.selectAll()
    with notifications() as shown:
        view.copy()
    assert "3,000 rows are too many to copy, 100 the most" in shown[0][1]
    assert QGuiApplication.clipboard().text() == "before"


def test_uncertainties_that_are_not_calibrated_are_headed_so(qtbot, viewer, dock):
    shown = arranged(LocalizationTable(table().data, False), None, None, False)
    assert "uncertainty, not calibrated (nm)" in shown.headings
    assert "uncertainty (nm)" not in shown.headings


def test_a_column_is_sorted_by_mouse_and_key_and_stays_so_as_the_filter_changes(qtbot, viewer, dock):
    ready(qtbot, viewer, dock)
    view = shown_table(qtbot, dock, 3000)
    photons = table().column("photons")
    sort_by(qtbot, view, "photons")
    assert texts(view, "photons") == [f"{value:.0f}" for value in np.sort(photons)]
    view.setCurrentIndex(view.model().index(0, column_of(view, "photons")))
    qtbot.keyClick(view, Qt.Key.Key_S)
    brightest_first = [f"{value:.0f}" for value in -np.sort(-photons)]
    qtbot.waitUntil(lambda: texts(view, "photons") == brightest_first, timeout=5000)
    drag(dock, 200.0, 400.0)
    kept = -np.sort(-photons[(photons >= 200) & (photons <= 400)])
    shown_table(qtbot, dock, len(kept))
    assert texts(view, "photons") == [f"{value:.0f}" for value in kept]


def test_a_row_shows_its_molecule_with_its_fitted_window(qtbot, viewer, dock):
    add_movie(viewer)
    layer = ready(qtbot, viewer, dock, translate=(0, 1.0, 2.0))
    view = shown_table(qtbot, dock, 3000)
    viewer.scene.camera.zoom = 200.0
    sort_by(qtbot, view, "photons")
    for row in (4, 7):
        click_row(qtbot, view, row)
        molecule = table().data.iloc[np.argsort(table().column("photons"), kind="stable")[row]]
        place_px = np.array([molecule["y_nm"], molecule["x_nm"]]) / 100.0 - 0.5
        assert viewer.dims.current_step[0] == molecule["frame"]
        np.testing.assert_allclose(viewer.scene.camera.center[1:], place_px * 0.1 + (1.0, 2.0), atol=1e-4)
        window = viewer.layers["fitted window"]
        np.testing.assert_array_equal(window.data, [[molecule["frame"], *np.round(place_px)]])
        np.testing.assert_allclose(window.data_to_world(window.data[0]), layer.data_to_world(window.data[0]))
        assert (window.size[0], window.symbol[0].value) == (7, "square")
    # The arrow keys do the same.
    qtbot.keyClick(view, Qt.Key.Key_Down)
    row = table().data.iloc[np.argsort(table().column("photons"), kind="stable")[8]]
    assert viewer.dims.current_step[0] == row["frame"]


def filter_while_sorting_waits(qtbot, dock, sorting):
    """Have fewer molecules left than the table below the picture shows."""
    sorting.clear()
    drag(dock, 300.0, 1e9)
    click(qtbot, dock.filter.button)
    wait_for_end(qtbot, dock)
    qtbot.waitUntil(lambda: dock.table_link._of[2].table is current(dock), timeout=10_000)
    assert dock.table_link.panel.table.model().rowCount() == 3000


def test_a_row_that_is_clicked_before_a_smaller_table_is_sorted_shows_its_molecule(
    qtbot, viewer, dock, sorting
):
    add_movie(viewer)
    ready(qtbot, viewer, dock)
    view = shown_table(qtbot, dock, 3000)
    filter_while_sorting_waits(qtbot, dock, sorting)
    for row in (10, 2990):
        click_row(qtbot, view, row)
        molecule = table().data.iloc[row]
        place_px = np.array([molecule["y_nm"], molecule["x_nm"]]) / 100.0 - 0.5
        expected = [[molecule["frame"], *np.round(place_px)]]
        np.testing.assert_array_equal(viewer.layers["fitted window"].data, expected)
    sorting.set()
    shown_table(qtbot, dock, len(current(dock)))


def test_a_fitted_window_lies_over_the_movie_and_gets_no_cell_of_its_own(qtbot, viewer, dock):
    movie = add_movie(viewer)
    ready(qtbot, viewer, dock)
    comparison = session_of(viewer).comparison
    comparison.show(*(viewer.add_image(np.zeros((32, 32)), name=name) for name in ("noisy", "denoised")))
    click_row(qtbot, shown_table(qtbot, dock, 3000), 4)
    assert viewer.layers["fitted window"].visible
    assert movie.visible
    assert not comparison.active
    assert not viewer.canvas.grid.enabled


def click_picture(viewer, world):
    """Press and release the mouse at a place of the world."""

    class Event:
        type, button, pos, position = "mouse_press", 1, (10.0, 10.0), tuple(world)
        modifiers, handled = (), False

    event = Event()
    mouse_press_callbacks(viewer, event)
    event.type = "mouse_release"
    mouse_release_callbacks(viewer, event)


def test_a_molecule_that_is_clicked_selects_its_row(qtbot, viewer, dock):
    add_movie(viewer)
    layer = ready(qtbot, viewer, dock)
    view = shown_table(qtbot, dock, 3000)
    sort_by(qtbot, view, "photons")
    viewer.dims.set_current_step(0, 20)
    viewer.scene.camera.zoom = 400.0
    row = int(np.flatnonzero(table().column("frame") == 20)[3])
    click_picture(viewer, np.add(layer.data_to_world(layer.data[row]), (0, 0.0005, 0)))
    rank = int(np.flatnonzero(np.argsort(table().column("photons"), kind="stable") == row)[0])
    assert [index.row() for index in view.selectionModel().selectedRows()] == [rank]
    assert viewer.layers["fitted window"].data[0, 0] == 20

    # Far from all molecules of the frame, nothing changes; of the super-resolved picture, all frames count.
    bright = int(table().column("photons").argmax())
    place = layer.data_to_world(layer.data[bright])
    assert table().column("frame")[bright] != 20
    viewer.scene.camera.zoom = 40_000.0
    click_picture(viewer, (20.0, *place[1:]))
    assert [index.row() for index in view.selectionModel().selectedRows()] == [rank]
    click(qtbot, dock.draw_button)
    qtbot.waitUntil(lambda: not dock.runner.busy, timeout=10_000)
    click_picture(viewer, (20.0, *place[1:]))
    assert [index.row() for index in view.selectionModel().selectedRows()] == [2999]
    assert viewer.dims.current_step[0] == table().column("frame")[bright]


@pytest.mark.parametrize("before", ["no table", "a larger table"])
def test_a_molecule_that_is_clicked_before_the_table_is_sorted_selects_its_row(
    qtbot, viewer, dock, sorting, before
):
    add_movie(viewer)
    layer = ready(qtbot, viewer, dock)
    if before == "no table":
        sorting.clear()
        click(qtbot, dock.table_button)
    else:
        shown_table(qtbot, dock, 3000)
        filter_while_sorting_waits(qtbot, dock, sorting)
    viewer.dims.set_current_step(0, 20)
    viewer.scene.camera.zoom = 40_000.0
    row = int(np.flatnonzero(current(dock).column("frame") == 20)[3])
    place = molecules_px(current(dock))[row]
    click_picture(viewer, layer.data_to_world(place))
    assert "fitted window" in viewer.layers
    sorting.set()
    view = shown_table(qtbot, dock, len(current(dock)))
    assert [index.row() for index in view.selectionModel().selectedRows()] == [row]


def test_the_rows_that_are_selected_are_copied_as_text(qtbot, viewer, dock):
    ready(qtbot, viewer, dock)
    view = shown_table(qtbot, dock, 3000)
    click_row(qtbot, view, 2)
    qtbot.keyClick(view, Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)
    qtbot.keyClick(view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    copied = [line.split("\t") for line in QGuiApplication.clipboard().text().split("\n")]
    assert copied[0][:4] == ["frame", "x (nm)", "y (nm)", "sigma (nm)"]
    expected = table().data.iloc[2:4]
    assert [line[0] for line in copied[1:]] == [str(value) for value in expected["frame"]]
    assert [line[1] for line in copied[1:]] == [f"{value:.1f}" for value in expected["x_nm"]]


def test_the_fitted_window_goes_when_another_table_is_chosen(qtbot, viewer, dock):
    first = ready(qtbot, viewer, dock)
    second = ready(qtbot, viewer, dock, name="second")
    assert dock.tables.layer is second
    view = shown_table(qtbot, dock, 3000)
    for layer in (first, second):
        click_row(qtbot, view, 2)
        assert "fitted window" in viewer.layers
        dock.tables.choose(layer)
        assert "fitted window" not in viewer.layers
        shown_table(qtbot, dock, 3000)


def test_a_table_whose_molecule_was_marked_goes_with_its_layer(qtbot, viewer, dock):
    ready(qtbot, viewer, dock)
    click_row(qtbot, shown_table(qtbot, dock, 3000), 7)
    qtbot.waitUntil(lambda: "fitted window" in viewer.layers)
    viewer.layers.clear()
    qtbot.waitUntil(lambda: dock.tables.layer is None)

    def none_is_kept():
        link = dock.table_link
        return not any(isinstance(each, LocalizationTable) for each in _within(vars(link)))

    qtbot.waitUntil(none_is_kept, timeout=5_000)


def _within(values):
    """What an object holds itself, and in tuples."""
    for value in values.values():
        yield from value if isinstance(value, tuple) else (value,)


def test_the_fitted_window_goes_with_its_molecule_alone(qtbot, viewer, dock):
    ready(qtbot, viewer, dock)
    view = shown_table(qtbot, dock, 3000)
    sort_by(qtbot, view, "photons")
    photons = np.sort(table().column("photons"))
    click_row(qtbot, view, 1500)
    drag(dock, float(photons[1000]), 1e9)
    shown_table(qtbot, dock, 2000)
    assert "fitted window" in viewer.layers
    drag(dock, float(photons[2000]), 1e9)
    shown_table(qtbot, dock, 1000)
    assert "fitted window" not in viewer.layers


def test_a_table_that_was_hidden_is_shown_again(qtbot, viewer, dock):
    ready(qtbot, viewer, dock)
    shown_table(qtbot, dock, 3000)
    panel = dock.table_link.panel
    panel.parent().title.hide_button.click()
    assert panel.parent().isHidden()
    click(qtbot, dock.table_button)
    assert dock.table_link.panel is panel
    assert not panel.parent().isHidden()


def test_closing_the_table_or_its_dock_takes_all_away(qtbot, viewer, dock):
    ready(qtbot, viewer, dock)
    before = list(viewer.mouse_drag_callbacks)
    for close in (
        lambda: viewer.window.remove_dock_widget(dock.table_link.panel),
        lambda: viewer.window.remove_dock_widget(dock),
    ):
        view = shown_table(qtbot, dock, 3000)
        click_row(qtbot, view, 2)
        assert "fitted window" in viewer.layers
        assert len(viewer.mouse_drag_callbacks) == len(before) + 1
        close()
        assert dock.table_link.panel is None
        assert "fitted window" not in viewer.layers
        assert list(viewer.mouse_drag_callbacks) == before


def test_without_a_table_there_is_nothing_in_it(qtbot, viewer, dock):
    layer = ready(qtbot, viewer, dock)
    view = shown_table(qtbot, dock, 3000)
    viewer.layers.remove(layer)
    qtbot.waitUntil(lambda: view.model().rowCount() == 0, timeout=5000)
    click_picture(viewer, (0.0, 1.0, 1.0))


def test_the_row_dragged_to_stays_current_when_the_table_is_sorted(qtbot, viewer, dock, monkeypatch):
    ready(qtbot, viewer, dock)
    view = shown_table(qtbot, dock, 3000)
    click_row(qtbot, view, 5)
    places = [view.visualRect(view.model().index(row, 0)).center() for row in range(3)]
    with monkeypatch.context() as patch:
        # As for a real mouse: QTest's moves have no button pressed.
        patch.setattr(QGuiApplication, "mouseButtons", lambda *_: Qt.MouseButton.LeftButton)
        qtbot.mousePress(view.viewport(), Qt.MouseButton.LeftButton, pos=places[0])
        for place in places[1:]:
            qtbot.mouseMove(view.viewport(), place)
        qtbot.mouseRelease(view.viewport(), Qt.MouseButton.LeftButton, pos=places[2])
    row = view.currentIndex().row()
    assert row != 5
    current = view.molecules.shown.table_row(row)
    sort_by(qtbot, view, "photons")
    qtbot.waitUntil(lambda: view.molecules.shown.table_row(view.currentIndex().row()) == current)
