"""The Molecules dock, driven as a user drives it."""

from functools import lru_cache

import numpy as np
import pandas as pd
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QScrollArea
from test_plugin_helpers import (
    CAMERA,
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
    DensityFilter,
    DuplicateRemoval,
    Filter,
    Merge,
    process,
    recorded_steps,
)
from blinkspot.localization.processing.drift import Drift, drift_in, read_drift, write_drift
from blinkspot.plugin import file_dialogs, molecules_steps
from blinkspot.plugin.movies import PROVENANCE, ROLE
from blinkspot.progress import finish

FRAMES, SIDE_PX = 40, 32


@pytest.fixture
def viewer(qtbot, make_napari_viewer):
    viewer = make_napari_viewer()
    yield viewer
    wait_for_workers(qtbot)


@pytest.fixture
def dock(viewer):
    return open_dock(viewer, "Molecules")


@lru_cache
def table(rows=3000, frames=FRAMES):
    """Return sixty molecules, found again and again while the sample drifts."""
    random = np.random.default_rng(5)
    frame = np.sort(random.integers(0, frames, rows))
    spot = random.integers(0, 60, rows)
    uncertainty = random.gamma(4.0, 3.0, rows) + 3.0
    places = random.uniform(200.0, 2800.0, (60, 2))
    x = places[spot, 0] + random.normal(0, uncertainty) + true_drift(frames).x_nm[frame]
    y = places[spot, 1] + random.normal(0, uncertainty) + true_drift(frames).y_nm[frame]
    columns = {
        "frame": frame,
        "x_nm": x,
        "y_nm": y,
        "sigma_nm": random.normal(130.0, 10.0, rows),
        "photons": random.gamma(2.0, 150.0, rows) + 50.0,
        "background_photons": random.normal(10.0, 1.0, rows),
        "uncertainty_nm": uncertainty,
    }
    made_by = {"camera": CAMERA.as_dict(), "movie_shape": [frames, SIDE_PX, SIDE_PX]}
    return LocalizationTable.from_columns(columns, provenance=made_by)


def true_drift(frames=FRAMES):
    """Return the drift in the table."""
    phase = np.arange(frames) / frames
    return Drift(150.0 * np.sin(3.0 * phase), 120.0 * phase)


def add_table(viewer, molecules=None, **more):
    """Add a layer of localizations as the Localize dock does."""
    molecules = table() if molecules is None else molecules
    return viewer.add_points(
        molecules_px(molecules),
        features=molecules.features,
        **{
            "name": "movie localizations (noisy)",
            "scale": (1.0, 0.1, 0.1),
            "metadata": {ROLE: "localizations", PROVENANCE: molecules.provenance},
            **more,
        },
    )


def molecules_px(molecules):
    columns = [molecules.column("frame")]
    columns += [molecules.column(name) / CAMERA.pixel_size_nm - 0.5 for name in ("y_nm", "x_nm")]
    return np.column_stack(columns).astype(np.float32)


def wait_for_count(qtbot, dock, left, of=None):
    expected = f"{left:,} of {len(table()) if of is None else of:,} left"
    qtbot.waitUntil(lambda: dock.counts.text() == expected, timeout=20_000)


def ready(qtbot, viewer, dock, **more):
    """Have a table chosen and its histogram shown."""
    layer = add_table(viewer, **more)
    wait_for_count(qtbot, dock, len(table()))
    qtbot.waitUntil(lambda: dock.filter.plot.histogram is not None, timeout=5000)
    return layer


def current(dock):
    """Return the table as it is after the steps."""
    return dock._work.opened.history.table


def drag(dock, low, high):
    """Drag both ends of the range."""
    dock.filter.plot.region.setRegion((low, high))


def choose_column(qtbot, dock, text):
    dock.filter.column.setCurrentText(text)
    name = dock.filter.column.currentData()
    qtbot.waitUntil(lambda: dock.filter.plot.histogram.column == name, timeout=5000)


def apply_step(qtbot, dock, name, **settings):
    dock.steps.choose(name)
    for key, value in settings.items():
        dock.steps.fields[name][key].setValue(value)
    click(qtbot, dock.apply_button)
    wait_for_end(qtbot, dock)


def lines(dock):
    return [dock.done.list.item(index).text() for index in range(dock.done.list.count())]


def points_of(layer):
    """Return the points of a layer in an order of their own."""
    return layer.data[np.lexsort(layer.data.T)]


def rings_of(qtbot, viewer):
    """Return the rings around what is left, once they are there."""
    qtbot.waitUntil(lambda: "movie localizations (noisy) processed" in viewer.layers, timeout=5000)
    return viewer.layers["movie localizations (noisy) processed"]


def wait_for_points(qtbot, layer, molecules):
    expected = molecules_px(molecules)
    expected = expected[np.lexsort(expected.T)]
    qtbot.waitUntil(
        lambda: layer.data.shape == expected.shape and np.allclose(points_of(layer), expected, atol=1e-3),
        timeout=5000,
    )


# -- which table


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
    path = tmp_path / "of_smap.csv"
    table().save(path, format="smap")
    path.with_suffix(".provenance.json").unlink()
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
    path = tmp_path / "plain.csv"
    table().save(path)
    path.with_suffix(".provenance.json").unlink()
    dock.open(path)
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


# -- the filter


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
        ("photons >", "it cannot be understood"),
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


# -- steps


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
