"""The dock that writes what denoising did to a movie as a page."""

from __future__ import annotations

import weakref
from functools import partial
from pathlib import Path

from napari.components import ViewerModel
from napari.layers import Layer
from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QCheckBox, QLabel, QPushButton

from blinkspot.errors import BlinkspotError
from blinkspot.plugin.camera.widget import CameraWidget
from blinkspot.plugin.docks.dock import Dock
from blinkspot.plugin.docks.movie_pair import MoviePair
from blinkspot.plugin.docks.opener import OpenButton
from blinkspot.plugin.jobs.running import End, Outcome
from blinkspot.plugin.layers.lineage import Ancestor, Reported
from blinkspot.plugin.layers.movies import stack_of, whole_stack_of, why_not_a_movie
from blinkspot.plugin.layers.tables import table_of
from blinkspot.plugin.molecules.truth_layer import truth_choice, truth_of
from blinkspot.plugin.report import report_steps
from blinkspot.plugin.saved_sessions.part import SessionPart
from blinkspot.plugin.widgets import file_dialogs
from blinkspot.plugin.widgets.forms import row, section


class ReportDock(Dock):
    """Compares a movie with its denoised version and writes one page about it."""

    title = "Report"

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__(napari_viewer, "Cancel", "Stop comparing; nothing is written.")
        self._page: Path | None = None
        self._writing: Reported | None = None
        self._build()
        self.pair.movie_chosen.connect(self._on_movie_chosen)
        self.denoised.chosen.connect(self._refresh)
        self.session.model_added.connect(self._refresh)
        self.runner.started.connect(self._refresh)
        self.runner.ended.connect(self._on_ended)
        self._on_movie_chosen(self.movies.layer)

    def _build(self) -> None:
        self.open_button = OpenButton(self.viewer)
        self.pair = MoviePair(
            self.viewer,
            self.session,
            self.open_button,
            "The denoised version of the movie: all of its frames.",
            "none",
        )
        self.movies, self.denoised = self.pair.movies, self.pair.denoised
        self.truth = truth_choice(
            self.viewer,
            "A table of the molecules that are there, where the movie was simulated: open its truth in the "
            "Molecules dock. Without it, the page says what can be said without.",
            "not known",
        )
        self.pair.form.addRow("Truth", self.truth)
        self.controls.addWidget(self.pair)
        self.camera = CameraWidget(self.session.cameras)
        self.controls.addWidget(section("Camera", self.camera))
        self.hold_out = QCheckBox("Hold photons out")
        self.hold_out.setToolTip(
            "Split the photons of each pixel at random into two parts, denoise and localize one, and judge "
            "by the other: how many molecules are false, without knowing the truth. Needs the model that "
            "denoised the movie. Takes several times as long as all the rest."
        )
        self.controls.addWidget(self.hold_out)
        self.words = QLabel()
        self.words.setWordWrap(True)
        self.controls.addWidget(self.words)
        self.controls.addStretch(1)
        self.session_part = SessionPart(self, lambda: self.movies.layer)
        self.controls.addWidget(section("Session", self.session_part))
        self.run_button = QPushButton("Write report...")
        self.run_button.setToolTip(
            "Localize both movies with the default settings, compare them, and write one page and the tables "
            "behind it into a new folder."
        )
        self.run_button.clicked.connect(self._ask)
        self.page_button = QPushButton("Open the page")
        self.page_button.setToolTip("Show the last report in the web browser.")
        self.page_button.clicked.connect(self._open_page)
        self.footer.addLayout(row(self.run_button, self.page_button, stretch_all=True))

    def _on_movie_chosen(self, layer: Layer | None) -> None:
        reason = None if layer is None else why_not_a_movie(layer)
        self.camera.show_layer(layer if reason is None else None)
        self.truth.refresh()
        self.truth.choose(truth_of(self.viewer, layer))
        self._refresh()

    def _refresh(self, *_: object) -> None:
        layer = self.movies.layer
        obstacle = None if layer is None else why_not_a_movie(layer)
        if layer is not None and not obstacle and self.denoised.layer is None:
            obstacle = "Denoise the movie in the Denoise dock, or open its denoised version."
        self.job_bar.hint(obstacle or "")
        has_model = self.session.model_behind(self.denoised.layer) is not None
        self.hold_out.setEnabled(has_model)
        if not has_model:
            self.hold_out.setChecked(False)
        self.run_button.setEnabled(layer is not None and not obstacle and not self.runner.busy)
        self.page_button.setEnabled(self._page is not None)

    def _ask(self) -> None:
        layer = self.movies.layer
        if layer is None:
            return
        folder = file_dialogs.ask_new_folder(self, "Write a report into a new folder", f"{layer.name} report")
        if folder is not None:
            self.write(folder)

    def write(self, folder: Path) -> None:
        """Write a report into a new folder, in another thread."""
        try:
            layer = self.usable_movie(self.movies.layer)
            denoised, truth = self.denoised.layer, self.truth.layer
            if denoised is None:
                raise BlinkspotError("There is no denoised movie yet: denoise it in the Denoise dock.")
            task = report_steps.ReportTask(
                noisy=stack_of(layer),
                denoised=whole_stack_of(denoised),
                camera=self.camera.checked_camera(),
                truth=None
                if truth is None
                else partial(table_of, dict(truth.metadata), truth.features.copy()),
                model=self.session.model_behind(denoised),
                holds_out=self.hold_out.isChecked(),
                folder=folder,
            )
        except BlinkspotError as error:
            self.complain(error, "The report")
            return
        self.words.setText("")
        job = partial(report_steps.report, task)
        if self.start_job(f"Report on {layer.name}", job, [layer, denoised]):
            self._writing = Reported(
                Ancestor(layer),
                Ancestor(denoised),
                task.camera,
                None if truth is None else weakref.ref(truth),
                task.holds_out,
                folder,
            )

    def _on_ended(self, outcome: Outcome) -> None:
        written, self._writing = self._writing, None
        if outcome.end is End.DONE and written is not None:
            self.session.lineage.reports.append(written)
            self._page = outcome.result.page
            self.words.setText(outcome.result.sentence)
            self.job_bar.say(f"The report is {outcome.result.page}.")
        self._refresh()
        if outcome.end is End.FAILED:
            self.job_bar.say(outcome.message)

    def _open_page(self) -> None:
        page = self._page
        if page is None:
            return
        if not page.exists():
            self._page = None
            self._refresh()
            self.complain(BlinkspotError(f"The report {page} is no longer there: write it anew."), "Opening")
        elif not QDesktopServices.openUrl(QUrl.fromLocalFile(str(page))):
            self.complain(BlinkspotError(f"No web browser could be started: open {page} by hand."), "Opening")
