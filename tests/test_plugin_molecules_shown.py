"""What the Molecules dock shows and writes."""

import numpy as np
import pytest
from every_job import Gate
from molecules_dock import (
    FRAMES,
    apply_step,
    drag,
    lines,
    ready,
    table,
    wait_for_count,
)
from qtpy.QtCore import Qt
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
from blinkspot.plugin.layers.table_shown import PictureChoice
from blinkspot.plugin.molecules import molecules_steps
from blinkspot.plugin.session import session_of
from blinkspot.plugin.widgets import file_dialogs
from blinkspot.progress import finish


@pytest.fixture
def dock(viewer):
    return open_dock(viewer, "Molecules")


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


def test_the_picture_of_a_table_without_a_movie_holds_every_molecule_left_wherever_a_step_has_put_it(
    tmp_path,
):
    (tmp_path / "t.csv").write_text('"frame","x [nm]","y [nm]"\n1,100,100\n2,400,2000\n3,4000,300\n')
    (tmp_path / "drift.csv").write_text('"frame","x [nm]","y [nm]"\n1,0,0\n3,-1000,0\n')
    opened = finish(molecules_steps.read(tmp_path / "t.csv", None))
    whole = opened.history.table
    (moved,) = finish(molecules_steps.apply(whole, [("loaded_drift", {"path": str(tmp_path / "drift.csv")})]))
    for molecules in (whole, moved):
        shown = finish(molecules_steps.show(molecules, "", opened, 0, PictureChoice(20.0, "histogram")))
        assert shown.picture.data.sum() == 3
        np.testing.assert_array_equal(
            shown.picture.data, finish(draw(molecules, RenderSettings("histogram", 20.0)))
        )


@pytest.mark.parametrize("what", ["filtered", "drawn"])
def test_what_is_shown_of_a_table_lies_over_its_movie_and_gets_no_cell_of_its_own(qtbot, viewer, dock, what):
    movie = add_movie(viewer)
    ready(qtbot, viewer, dock)
    pictures = [viewer.add_image(np.zeros((32, 32)), name=name) for name in ("noisy", "denoised")]
    comparison = session_of(viewer).comparison
    comparison.show(*pictures)
    if what == "filtered":
        drag(dock, 250.0, 1e9)
        shown = "movie localizations (noisy) processed"
    else:
        click(qtbot, dock.draw_button)
        wait_for_end(qtbot, dock)
        shown = "movie localizations (noisy) molecules"
    qtbot.waitUntil(lambda: shown in viewer.layers, timeout=5000)
    assert not comparison.active
    assert not viewer.canvas.grid.enabled
    assert viewer.layers[shown].visible
    assert movie.visible


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


def test_rings_of_a_filter_that_was_taken_back_do_not_appear(qtbot, viewer, dock, monkeypatch):
    layer, gate = ready(qtbot, viewer, dock), Gate()
    wait_for_workers(qtbot)
    gate.install(monkeypatch)
    gate.shut()
    drag(dock, 250.0, 1e9)
    qtbot.waitUntil(lambda: dock._view._showing.busy, timeout=5000)
    dock.filter.text.clear()
    qtbot.waitUntil(lambda: not dock._view._debounce.isActive(), timeout=5000)
    gate.open()
    wait_for_workers(qtbot)
    assert dock.counts.text() == "3,000 of 3,000 left"
    assert list(viewer.layers) == [layer]


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


def test_the_next_file_may_be_named_as_soon_as_one_is_said_to_be_saved(
    qtbot, viewer, dock, tmp_path, monkeypatch
):
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


def test_points_come_for_the_frame_that_the_slider_went_back_to(qtbot, viewer, dock, tmp_path, monkeypatch):
    monkeypatch.setattr(molecules_steps, "MOST_POINTS", 200)
    viewer.add_image(np.zeros((FRAMES + 20, 4, 4)), name="longer movie")
    path, gate = tmp_path / "large.csv", Gate()
    table().save(path)
    dock.open(path)
    wait_for_end(qtbot, dock)
    wait_for_count(qtbot, dock, 3000)
    points = viewer.layers["large"]

    def are_shown(index):
        return (points.data[:, 0] == index).sum() == (table().column("frame") == index).sum()

    viewer.dims.set_current_step(0, 20)
    qtbot.waitUntil(lambda: are_shown(20), timeout=5000)
    wait_for_workers(qtbot)
    gate.install(monkeypatch)
    gate.shut()
    viewer.dims.set_current_step(0, 35)
    qtbot.waitUntil(gate.reached.is_set, timeout=5000)
    viewer.dims.set_current_step(0, 20)
    gate.open()
    wait_for_workers(qtbot)
    qtbot.waitUntil(lambda: are_shown(20), timeout=5000)

    # Of a frame after the last molecule there are none: they are asked for once.
    viewer.dims.set_current_step(0, FRAMES + 10)
    qtbot.waitUntil(lambda: are_shown(FRAMES - 1), timeout=5000)
    assert not dock._view._debounce.isActive()


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
