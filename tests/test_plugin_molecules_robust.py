"""Nothing that is done to the Molecules dock at the wrong moment, or with nothing in it, does harm."""

from functools import lru_cache

import pytest
from molecules_dock import (
    add_table,
    apply_step,
    current,
    drag,
    lines,
    ready,
    table,
    wait_for_count,
)
from test_plugin_helpers import (
    click,
    notifications,
    open_dock,
    stopping,
    wait_for_end,
    wait_for_workers,
)

from blinkspot.localization import (
    LocalizationTable,
)


@pytest.fixture
def dock(viewer):
    return open_dock(viewer, "Molecules")


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
    with stopping(qtbot, dock):
        click(qtbot, dock.job_bar.stop_button)
    assert current(dock) is slow_table()
    assert dock.job_bar.status.text() == "Stopped."
    assert dock.apply_button.isEnabled()


def test_removing_the_layer_stops_the_step(qtbot, viewer):
    dock, layer = begin(qtbot, viewer)
    with stopping(qtbot, dock):
        viewer.layers.remove(layer)
    assert dock.tables.layer is None
    assert dock.counts.text() == "No table"
    assert lines(dock) == []


def test_renaming_and_replacing_the_layer_does_no_harm(qtbot, viewer):
    dock, layer = begin(qtbot, viewer)
    layer.name = "renamed"
    layer.data = layer.data[:100]
    viewer.dims.set_current_step(0, 2)
    wait_for_count(qtbot, dock, 100, of=100)
    with stopping(qtbot, dock):
        click(qtbot, dock.job_bar.stop_button)


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
