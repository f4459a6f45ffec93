"""The dock for what comes after the fits: filters and other steps on a table, drift, picture, export."""

from __future__ import annotations

from collections.abc import Callable, Sized
from functools import partial
from pathlib import Path
from typing import Any

from napari.components import ViewerModel
from napari.layers import Layer
from napari.layers import Points as PointsLayer
from qtpy.QtWidgets import QLabel, QPushButton, QTabWidget

from blinkspot.errors import BlinkspotError
from blinkspot.plugin.docks.dock import Dock
from blinkspot.plugin.jobs.latest_only import LatestOnly
from blinkspot.plugin.jobs.running import End, MakeJob, Outcome
from blinkspot.plugin.layers.lineage import TableOrigin
from blinkspot.plugin.layers.movies import PROVENANCE, ROLE
from blinkspot.plugin.molecules import molecules_steps
from blinkspot.plugin.molecules.drift_plot import DriftPanel
from blinkspot.plugin.molecules.layers import (
    Work,
    add_file,
    begin_work,
    holds_molecules,
    show_left,
    work_of,
)
from blinkspot.plugin.molecules.picture_options import PictureOptions
from blinkspot.plugin.molecules.range_filter import RangeFilter
from blinkspot.plugin.molecules.step_list import StepList
from blinkspot.plugin.molecules.step_options import StepOptions
from blinkspot.plugin.molecules.step_settings import DRIFT_STEPS, FORMULA, FROM_FILE
from blinkspot.plugin.molecules.table_row import TableRow
from blinkspot.plugin.molecules.table_view.link import TableLink
from blinkspot.plugin.molecules.table_writer import DRIFTS, TABLES, TableWriter
from blinkspot.plugin.molecules.work_view import WorkView
from blinkspot.plugin.widgets import file_dialogs
from blinkspot.plugin.widgets.following import follow
from blinkspot.plugin.widgets.forms import row, section

_TABLES = "Tables of molecules (*.csv *.hdf5 *.h5);;All files (*)"


class MoleculesDock(Dock):
    """Works on a table of molecules: the layer that Localize made, or a file."""

    title = "Molecules"

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__(napari_viewer, "Cancel", "Stop; the table stays as it was.")
        self._taking = LatestOnly(self)
        self._taking.answered.connect(self._on_taken)
        self._taking.failed.connect(self._on_taking_failed)
        self._view = WorkView(self.viewer, self)
        self._view.counted.connect(self._on_counted)
        self._view.failed.connect(self.complain)
        self.table_link = TableLink(self.viewer, self)
        self._writer = TableWriter(self)
        self._writer.said.connect(self.job_bar.say)
        self._taken_from: PointsLayer | None = None
        self._work: Work | None = None
        self._when_done: Callable[[Any], None] | None = None
        self._build()
        self._connect()
        self._on_table_chosen(self.tables.layer)
        for layer in self.viewer.layers:
            self._choose_if_result(layer)

    def _build(self) -> None:
        self.table_row = TableRow(self.viewer)
        self.tables, self.pixel = self.table_row.tables, self.table_row.pixel
        self.open_button = self.table_row.open_button
        self.controls.addWidget(self.table_row)
        self.filter = RangeFilter(self.viewer)
        self.drift = DriftPanel(self.viewer)
        self.tabs = QTabWidget()
        self.tabs.addTab(self.filter, "Filter")
        self.tabs.addTab(self.drift, "Drift")
        self.counts = QLabel()
        self.counts.setObjectName("counts")
        self.counts.setToolTip("Molecules that are left, of those in the table.")
        self.tabs.setCornerWidget(self.counts)
        self.controls.addWidget(self.tabs, stretch=1)
        self.steps = StepOptions()
        self.apply_button = QPushButton("Apply")
        self.apply_button.setToolTip("Apply this step to the molecules that are left, with the filter above.")
        self.steps.beside.addWidget(self.apply_button)
        self.controls.addWidget(section("Next step", self.steps))
        self.done = StepList()
        self.controls.addWidget(self.done)
        self.picture = PictureOptions()
        self.controls.addWidget(self.picture)
        self.draw_button = QPushButton("Draw")
        self.draw_button.setToolTip("Draw the super-resolved picture of the molecules that are left.")
        self.export_button = QPushButton("Export...")
        self.export_button.setToolTip(
            "Write the molecules that are left as ThunderSTORM's CSV (.csv) or Picasso's HDF5 (.hdf5), nm, "
            "with the record of all steps."
        )
        self.table_button = QPushButton("Show table")
        self.table_button.setToolTip(
            "Show the molecules that are left as a table below the picture: click a row to see the molecule, "
            "or a molecule in the picture to see its row."
        )
        self.footer.addLayout(row(self.draw_button, self.table_button, self.export_button))

    def _connect(self) -> None:
        self.tables.chosen.connect(self._on_table_chosen)
        self.open_button.clicked.connect(self._ask_table)
        self.filter.changed.connect(self._on_condition_changed)
        self._view.refused.connect(self.filter.say)
        self.filter.applied.connect(self._apply_filter)
        self.apply_button.clicked.connect(self._apply_step)
        self.done.undo_button.clicked.connect(self._undo)
        self.done.clear_button.clicked.connect(self._clear)
        self.drift.save_button.clicked.connect(self._ask_save_drift)
        self.draw_button.clicked.connect(self._draw)
        self.table_button.clicked.connect(self.table_link.open)
        self.export_button.clicked.connect(self._ask_export)
        self.runner.started.connect(self._refresh)
        self.runner.ended.connect(self._on_ended)
        follow(self, self.viewer.layers.events.inserted, self._on_layer_added)

    # -- which table

    def _ask_table(self) -> None:
        path = file_dialogs.ask_open(self, "Open a table", _TABLES)
        if path is not None:
            self.open(path)

    def open(self, path: Path) -> None:
        """Read a table file in another thread, and choose it."""
        read = partial(molecules_steps.read, path, self.pixel.value() or None)
        self._start(f"Reading {path.name}", read, [], partial(self._on_read, path))

    def _on_read(self, path: Path, opened: molecules_steps.Opened) -> None:
        layer = add_file(self.viewer, path.stem, opened)
        self.session.lineage.set_table(layer, TableOrigin(path=path))
        self.tables.choose(layer)
        self.job_bar.say(f"Read: {_counted(opened.history.source)}.")

    def _on_layer_added(self, event: Any) -> None:
        self._choose_if_result(event.value)

    def _choose_if_result(self, layer: Layer) -> None:
        """Choose what was localized last, unless the table chosen before is just being worked on."""
        is_result = layer.metadata.get(ROLE) == "localizations" and holds_molecules(layer)
        if is_result and not self.runner.busy and not self.filter.condition:
            self.tables.refresh()
            self.tables.choose(layer)

    def _on_table_chosen(self, layer: PointsLayer | None) -> None:
        work = None if layer is None else work_of(layer)
        if work is not None and work is self._work:
            return
        self._taking.forget()
        self._view.forget()
        self.table_link.clear()
        self.filter.clear()
        self._work = work
        if layer is not None and work is None:
            self._taken_from = layer
            provenance = layer.metadata.get(PROVENANCE, {})
            self._taking.ask_job(partial(molecules_steps.take, layer.features, provenance, layer.data))
        self._on_table_changed()

    def _on_taken(self, opened: molecules_steps.Opened) -> None:
        layer = self._taken_from
        if layer is None or layer is not self.tables.layer or not self.in_viewer(layer):
            return
        self._taken_from = None
        self._work = begin_work(layer, opened)
        self._on_table_changed()

    def _on_taking_failed(self, error: Exception) -> None:
        self._taken_from = None
        self.counts.setText("No table")
        self.complain(error, "Taking the table")

    def _on_table_changed(self) -> None:
        """Show the table anew after it was chosen, or after a step was done or taken back."""
        history = None if self._work is None else self._work.opened.history
        self.filter.set_table(None if history is None else history.table)
        self.drift.show_drift(None if history is None else history.drift)
        self.done.show_steps(history)
        self._refresh()
        self._on_condition_changed(self.filter.condition)

    def _refresh(self, *_: object) -> None:
        ready = self._work is not None and not self.runner.busy
        for button in (self.apply_button, self.filter.button, self.draw_button, self.export_button):
            button.setEnabled(ready)
        self.done.allow(ready)
        self.open_button.setEnabled(not self.runner.busy)

    # -- what is left of it, as the filter changes

    def _on_condition_changed(self, condition: str) -> None:
        work, layer = self._work, self.tables.layer
        if work is None or layer is None:
            self.counts.setText("No table" if layer is None else "Taking the table...")
        else:
            self._view.show(layer, work, condition)

    def _on_counted(self, left: molecules_steps.Left) -> None:
        self.filter.say("")
        work, layer = self._work, self.tables.layer
        if work is not None and layer is not None:
            self.table_link.show(layer, work, left)
            self.counts.setText(f"{len(left):,} of {len(work.opened.history.source):,} left")

    def on_closed(self) -> None:
        """Stop the job, and close the table with the dock."""
        super().on_closed()
        self.table_link.close()

    # -- steps

    def _start(self, title: str, job: MakeJob, layers: list[Layer], when_done: Callable[[Any], None]) -> None:
        if not self.runner.busy:
            self._when_done = when_done
        self.start_job(title, job, layers)

    def _on_ended(self, outcome: Outcome) -> None:
        when_done, self._when_done = self._when_done, None
        self._refresh()
        if outcome.end is End.DONE and when_done is not None:
            when_done(outcome.result)

    def _apply_filter(self) -> None:
        if self.filter.condition:
            self._apply([], "Filtering", partial(self._say_table, "Filtered"))
        else:
            self.job_bar.say("Drag the range or type a condition first.")

    def _apply_step(self) -> None:
        work = self._work
        if work is None:
            return
        name, settings = self.steps.choice
        if name == FROM_FILE:
            path = file_dialogs.ask_open(self, "Take off the drift of a file", f"{DRIFTS};;All files (*)")
            if path is None:
                return
            settings = {"path": str(path), "pixel_size_nm": self._pixel_size_nm(work)}
        elif name == FORMULA:
            table, typed = work.opened.history.table, self._pixel_size_nm(work)
            try:
                settings["pixel_size_nm"] = molecules_steps.pixel_size_for_formula(table, typed)
            except BlinkspotError as error:
                self.complain(error, self.steps.title)
                return
        title = self.steps.title
        self._apply([(name, settings)], title, partial(self._say_table, title))

    def _pixel_size_nm(self, work: Work) -> float | None:
        """Return the camera's pixel: the table's, else the one typed, else None."""
        return work.opened.pixel_size_nm if work.opened.knows_pixels else self.pixel.value() or None

    def _apply(
        self, steps: list[molecules_steps.StepChoice], title: str, then: Callable[[Work], None]
    ) -> None:
        """Apply steps in another thread, after the filter that stands in its field."""
        work, layer = self._work, self.tables.layer
        if work is None or layer is None:
            return
        condition = self.filter.condition
        steps = [*molecules_steps.filters(condition), *steps]

        def on_applied(tables: list[Any]) -> None:
            work.opened.history.add(tables)
            if work is self._work:
                if self.filter.condition == condition:
                    self.filter.clear()
                self._on_table_changed()
                if any(name in DRIFT_STEPS for name, _ in steps):
                    self.tabs.setCurrentWidget(self.drift)
            then(work)

        job = partial(molecules_steps.apply, work.opened.history.table, steps)
        self._start(title, job, [layer], on_applied)

    def _say_table(self, done: str, work: Work) -> None:
        history = work.opened.history
        warnings = "".join(f" {warning}" for warning in history.warnings)
        self.job_bar.say(f"{done}: {_counted(history.table)} now.{warnings}")

    def _undo(self) -> None:
        if self._work is not None and not self.runner.busy:
            self._work.opened.history.undo()
            self._on_table_changed()
            self._say_table("Undone", self._work)

    def _clear(self) -> None:
        if self._work is not None and not self.runner.busy:
            self._work.opened.history.clear()
            self._on_table_changed()
            self._say_table("Cleared", self._work)

    # -- picture and files

    def _draw(self) -> None:
        work, layer, choice = self._work, self.tables.layer, self.picture.choice
        job = self._view.job(choice)
        if work is None or layer is None or job is None:
            return

        def on_drawn(shown: molecules_steps.Shown) -> None:
            if not self.in_viewer(layer):
                return
            work.choice = choice
            show_left(self.viewer, layer, work, shown, anew=True)
            self._view.show_soon()  # the filter may have changed meanwhile
            colours = shown.picture.colours if shown.picture is not None else ""
            self.job_bar.say(f"Drawn: {_counted(shown.table)}.{f' Colours: {colours}.' if colours else ''}")

        self._start(f"Drawing {layer.name}", job, [layer], on_drawn)

    def _ask_export(self) -> None:
        work, layer = self._work, self.tables.layer
        if work is None or layer is None:
            return
        path = self._writer.ask("Export the table", f"{layer.name} processed.csv", TABLES)
        if path is None:
            return
        if self.filter.condition:
            # What is written is what is seen, and its record names the filter.
            self._apply([], "Filtering", partial(self._export, path))
        else:
            self._export(path, work)

    def _export(self, path: Path, work: Work) -> None:
        table, pixel_size_nm = work.opened.history.table, self._pixel_size_nm(work)
        self._writer.write(path, partial(molecules_steps.save, table, path, pixel_size_nm))

    def _ask_save_drift(self) -> None:
        work, layer = self._work, self.tables.layer
        if work is None or layer is None:
            return
        path = self._writer.ask("Save the drift", f"{layer.name} drift.csv", DRIFTS)
        if path is not None:
            table, pixel_size_nm = work.opened.history.table, self._pixel_size_nm(work)
            self._writer.write(path, partial(molecules_steps.save_drift, table, path, pixel_size_nm))


def _counted(table: Sized) -> str:
    """Say how many molecules a table holds."""
    return f"{len(table):,} molecule{'' if len(table) == 1 else 's'}"
