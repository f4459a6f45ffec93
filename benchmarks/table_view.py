"""How long the window is held up by a table of a million molecules: opened, scrolled, sorted, filtered.

A timer of 5 ms tells how late it comes: what a user feels. Run it on a screen or under xvfb-run.
"""

from __future__ import annotations

import argparse
import time

import napari
import numpy as np
from support.window_delays import Delays, wait

from blinkspot.localization import LocalizationTable
from blinkspot.localization.processing.undo import StepHistory
from blinkspot.plugin.molecules.layers import add_file
from blinkspot.plugin.molecules.molecules_steps import Opened
from blinkspot.plugin.molecules.table_view.nearest import nearest_row

FRAMES, SIDE_PX, PIXEL_NM = 10_000, 256, 100.0


def molecules(rows: int) -> LocalizationTable:
    """Make a table of random molecules."""
    random = np.random.default_rng(0)
    side_nm = SIDE_PX * PIXEL_NM
    columns = {
        "frame": np.sort(random.integers(0, FRAMES, rows)),
        "x_nm": random.uniform(0.0, side_nm, rows),
        "y_nm": random.uniform(0.0, side_nm, rows),
        "photons": random.gamma(2.0, 150.0, rows),
    }
    names = (
        "sigma_nm",
        "background_photons",
        "background_std_photons",
        "uncertainty_nm",
        "detection_strength",
    )
    columns |= {name: random.normal(10.0, 1.0, rows) for name in names}
    return LocalizationTable.from_columns(columns)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    viewer = napari.Viewer()
    _, dock = viewer.window.add_plugin_dock_widget("napari-blinkspot", "Molecules")
    table = molecules(rows)
    layer = add_file(
        viewer, "molecules", Opened(StepHistory(table), PIXEL_NM, True, (SIDE_PX * PIXEL_NM,) * 2)
    )
    dock.tables.choose(layer)
    while not dock.counts.text().endswith("left"):
        wait(0.05)
    wait(5.0)  # the histogram, and the points
    delays = Delays()
    delays.head(f"{rows:,} rows")
    delays.of("nothing", lambda: None)
    delays.of("open the table", dock.table_button.click, lambda: dock.table_link.panel is not None)
    panel = dock.table_link.panel
    view, model = panel.table, panel.table.molecules
    while model.rowCount() != rows:
        wait(0.05)
    bar = view.verticalScrollBar()

    def scroll() -> None:
        for value in np.linspace(0, bar.maximum(), 200).astype(int):
            bar.setValue(int(value))
            wait(0.01)

    delays.of("scroll through it", scroll)
    for name in ("photons", "frame", "photons"):
        column = model.shown.columns.index(name)
        before = model.shown

        def sort(column: int = column) -> None:
            view.horizontalHeader().sectionClicked.emit(column)

        delays.of(f"sort by {name}", sort, lambda before=before: model.shown is not before)
    delays.of("scroll through it, sorted", scroll)

    def press_rows() -> None:
        for row in range(20):
            view.selectRow(row * rows // 50)
            wait(0.4)

    delays.of("go to 20 rows", press_rows)
    delays.of("select all", view.selectAll)
    before = model.shown
    delays.of("filter", lambda: dock.filter.text.setText("photons > 300"), lambda: model.shown is not before)
    begun = time.process_time()
    for _ in range(10):
        nearest_row(table, model.shown.order, (5000.0, 5000.0), 100.0)
    print(f"nearest of all, processor time: {100.0 * (time.process_time() - begun):.1f} ms")
    viewer.close()


if __name__ == "__main__":
    main()
