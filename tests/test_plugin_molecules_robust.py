"""Nothing that is done to the Molecules dock at the wrong moment, or with nothing in it, does harm."""

import pytest
from every_job import Gate
from molecules_dock import (
    add_table,
    apply_step,
    current,
    drag,
    lines,
    ready,
    wait_for_count,
)
from test_plugin_helpers import (
    click,
    notifications,
    open_dock,
    stopping,
    wait_for_end,
)

from blinkspot.localization import (
    LocalizationTable,
)
from blinkspot.plugin.molecules import molecules_steps


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


def test_a_column_that_cannot_be_counted_leaves_no_histogram_of_another(qtbot, viewer, dock, monkeypatch):
    ready(qtbot, viewer, dock)

    def fail(*_):
        raise MemoryError

    with monkeypatch.context() as patch, notifications() as shown:
        patch.setattr(molecules_steps, "inspect", fail)
        dock.filter.column.setCurrentText("sigma_nm")
        qtbot.waitUntil(lambda: bool(shown), timeout=5000)
    assert dock.filter.plot.histogram is None
    drag(dock, 100.0, 200.0)
    assert dock.filter.condition == ""
    dock.filter.column.setCurrentText("photons")
    qtbot.waitUntil(lambda: dock.filter.plot.histogram is not None, timeout=5000)
    drag(dock, 100.0, 200.0)
    assert dock.filter.condition == "100 <= photons <= 200"


def test_cancel_leaves_the_table(qtbot, viewer, dock, monkeypatch):
    layer = ready(qtbot, viewer, dock)
    table, gate = current(dock), Gate()
    gate.install(monkeypatch)
    gate.shut()
    dock.steps.choose("density")
    click(qtbot, dock.apply_button)
    qtbot.waitUntil(gate.reached.is_set, timeout=60_000)
    drag(dock, 100.0, 200.0)  # also while a step is done
    assert dock.filter.condition
    with stopping(qtbot, dock):
        click(qtbot, dock.job_bar.stop_button)
    gate.open()
    assert current(dock) is table
    assert dock.job_bar.status.text() == "Stopped."
    assert dock.apply_button.isEnabled()
    viewer.layers.remove(layer)
    assert dock.tables.layer is None
    assert dock.counts.text() == "No table"
    assert lines(dock) == []


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
