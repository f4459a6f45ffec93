"""The dock that localizes molecules, in the frame shown as one turns the knobs, and then in all frames."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from napari.components import ViewerModel
from napari.layers import Image, Layer, Points
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QCheckBox, QFormLayout, QLabel, QPushButton

from blinkspot.errors import BlinkspotError
from blinkspot.plugin import localizing_steps
from blinkspot.plugin.camera_widget import CameraWidget
from blinkspot.plugin.dock import Dock
from blinkspot.plugin.forms import combo, row, section
from blinkspot.plugin.jobs import End, Outcome
from blinkspot.plugin.latest_only import LatestOnly
from blinkspot.plugin.layer_choice import MOVIE_TIP, LayerChoice, follow, is_source, may_be_denoised
from blinkspot.plugin.localization_layers import add_localizations
from blinkspot.plugin.localizer_options import LocalizerOptions
from blinkspot.plugin.movies import Place, frame_index, frame_shown, stack_of, why_not_a_movie
from blinkspot.plugin.notify import warn
from blinkspot.plugin.picture_options import PictureOptions
from blinkspot.plugin.preview_markers import PreviewMarkers
from blinkspot.plugin.side_by_side import SideBySideButton
from blinkspot.plugin.table_writer import THUNDERSTORM, TableWriter
from blinkspot.plugin.writer import write_localizations
from blinkspot.stack import Stack

_DEBOUNCE_MS = 25
_NOISY, _DENOISED, _BOTH = "noisy", "denoised", "both"


class LocalizeDock(Dock):
    """Localizes the molecules of a movie, with or without a denoised version of it."""

    title = "Localize"

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__(napari_viewer, "Cancel", "Stop localizing; nothing is kept.")
        self._markers = PreviewMarkers(self.viewer, self.session.comparison)
        self._preview = LatestOnly(self)
        self._preview.answered.connect(self._on_previewed)
        self._preview.failed.connect(self._on_preview_failed)
        self._debounce = QTimer(self)
        self._debounce.setSingleShot(True)
        self._debounce.setInterval(_DEBOUNCE_MS)
        self._debounce.timeout.connect(self._ask_preview)
        self._writer = TableWriter(self)
        self._writer.said.connect(self.job_bar.say)
        self._localized: tuple[Image, Place] | None = None
        self._table_layer: Points | None = None
        self._warning = ""
        self._is_counted = False
        self._target_kept = 0
        self._build()
        self._connect()
        self._on_movie_chosen(self.movies.layer)

    def _build(self) -> None:
        self.movies = LayerChoice(self.viewer, is_source, MOVIE_TIP)
        self.open_button = self.make_open_button(self.movies)
        self.denoised = LayerChoice(
            self.viewer,
            lambda layer: may_be_denoised(layer) and layer is not self.movies.layer,
            "The denoised version of the movie, in which to find the molecules.",
            none_text="none: find them in the noisy movie",
        )
        form = QFormLayout()
        form.setVerticalSpacing(4)
        form.addRow("Movie", row(self.movies, self.open_button))
        form.addRow("Denoised", self.denoised)
        self.controls.addLayout(form)
        self.camera = CameraWidget(self.session.cameras)
        self.controls.addWidget(section("Camera", self.camera))
        self.options = LocalizerOptions()
        self.controls.addWidget(section("Molecules", self.options))
        self.preview_box = QCheckBox("Preview")
        self.preview_box.setToolTip("Circle the molecules found in the frame shown, as the settings change.")
        self.side_by_side = SideBySideButton(self.session.comparison, self._pair)
        self.controls.addLayout(row(self.preview_box, self.side_by_side))
        self.counts = QLabel()
        self.counts.setWordWrap(True)
        self.controls.addWidget(self.counts)
        self.target = combo(
            {_DENOISED: "Denoised movie", _NOISY: "Noisy movie", _BOTH: "Both, to compare"},
            "In which movie to find the molecules of all frames.",
        )
        form = QFormLayout()
        form.setVerticalSpacing(3)
        form.addRow("Find them in", self.target)
        self.controls.addLayout(form)
        self.picture = PictureOptions()
        self.controls.addWidget(self.picture)
        self.run_button = QPushButton("Localize all frames")
        self.run_button.setToolTip(
            "Make a table (a points layer) and a super-resolved picture of the whole movie."
        )
        self.export_button = QPushButton("Export CSV...")
        self.export_button.setToolTip("Write the table as a ThunderSTORM CSV file, positions in nm.")
        self.controls.addStretch(1)
        self.footer.addLayout(row(self.run_button, self.export_button))

    def _connect(self) -> None:
        self.movies.chosen.connect(self._on_movie_chosen)
        self.denoised.chosen.connect(self._on_denoised_chosen)
        self.camera.changed.connect(self._preview_soon)
        self.options.changed.connect(self._preview_soon)
        self.preview_box.toggled.connect(self._on_preview_toggled)
        self.run_button.clicked.connect(self._run)
        self.export_button.clicked.connect(self._ask_export)
        self.session.denoised_added.connect(self._on_denoised_added)
        self.runner.started.connect(self._refresh)
        self.runner.progressed.connect(self._on_progressed)
        self.runner.ended.connect(self._on_ended)
        follow(self, self.viewer.dims.events.current_step, self._preview_soon)
        follow(self, self.viewer.layers.events.removed, self._on_layer_removed)
        follow(self, self.session.comparison.changed, self._on_comparison_changed)

    # -- what is chosen

    def _on_movie_chosen(self, layer: Layer | None) -> None:
        reason = None if layer is None else why_not_a_movie(layer)
        self.camera.show_layer(layer if reason is None else None)
        self.denoised.refresh()
        self.denoised.choose(self.session.denoised_of(layer, self.viewer.layers))
        if not self.runner.busy:
            self.job_bar.say(reason or "")
        self._refresh()
        self._preview_soon()

    def _on_denoised_chosen(self, layer: Layer | None) -> None:
        self._refresh()
        self._preview_soon()

    def _on_denoised_added(self, layer: Layer) -> None:
        if self.session.denoised_of(self.movies.layer, [layer]) is not None:
            self.denoised.refresh()
            self.denoised.choose(layer)

    def _usable(self) -> bool:
        layer = self.movies.layer
        return layer is not None and why_not_a_movie(layer) is None

    def _refresh(self, *_: object) -> None:
        self.run_button.setEnabled(self._usable() and not self.runner.busy)
        self.preview_box.setEnabled(self._usable())
        self.export_button.setEnabled(self.in_viewer(self._table_layer))
        there = self.denoised.layer is not None
        if there != self.target.isEnabled():
            # Without a denoised movie, what is said is what is done.
            kept, self._target_kept = self._target_kept, self.target.currentIndex()
            self.target.setCurrentIndex(kept if there else self.target.findData(_NOISY))
        for widget in (self.target, self.options.fit_on, self.options.denoised_threshold):
            widget.setEnabled(there)

    def _pair(self) -> tuple[Layer, Layer] | None:
        if self.movies.layer is not None and self.denoised.layer is not None:
            return self.movies.layer, self.denoised.layer
        return self.denoised_pair(self.movies.layer)

    # -- preview

    def _on_preview_toggled(self, checked: bool) -> None:
        if checked:
            self._preview_soon()
        else:
            self._debounce.stop()
            self._preview.forget()
            self._markers.hide()
            self._say_of_preview("")

    def _preview_soon(self, *_: object) -> None:
        if self.preview_box.isChecked():
            self._debounce.start()

    def _ask_preview(self) -> None:
        layer, denoised = self.movies.layer, self.denoised.layer
        if layer is None or why_not_a_movie(layer) is not None:
            self._preview.forget()
            self._markers.remove()
            self._say_of_preview("")
            return
        self._markers.begin(layer, denoised)
        denoised_index = None if denoised is None else frame_index(self.viewer, denoised)
        try:
            question = localizing_steps.PreviewQuestion(
                camera=self.camera.camera,
                settings=self.options.settings,
                movie=stack_of(layer),
                index=frame_shown(self.viewer, layer),
                denoised=None if denoised_index is None else stack_of(denoised),
                denoised_index=denoised_index or 0,
            )
        except BlinkspotError as error:
            self._say_of_preview(str(error))
            return
        if not self._is_counted:
            self.counts.setText("Looking for molecules (the first time takes some seconds)...")
        self._preview.ask(partial(localizing_steps.localize_frame, question))

    def _on_previewed(self, answer: localizing_steps.PreviewAnswer) -> None:
        if not self.preview_box.isChecked():
            return
        if not self._markers.exist:
            # The user has deleted the circles: that ends the preview.
            self.preview_box.setChecked(False)
            return
        self._is_counted = True
        self._markers.show(answer.noisy, answer.denoised)
        counts = [f"noisy: {len(answer.noisy)}"]
        if answer.denoised is not None:
            counts.append(f"denoised: {len(answer.denoised)}")
        self.counts.setText(f"Frame {answer.index}, molecules: {', '.join(counts)}")

    def _on_preview_failed(self, error: Exception) -> None:
        if isinstance(error, BlinkspotError):
            # Turning a knob passes through settings that do not fit: no notification for each.
            self._say_of_preview(str(error))
        else:
            self.complain(error, "The preview")

    def _say_of_preview(self, text: str) -> None:
        """Say something other than how many molecules were found."""
        self._is_counted = False
        self.counts.setText(text)

    def _on_comparison_changed(self, active: object) -> None:
        if active:
            self._markers.arrange()

    def _on_layer_removed(self, event: object) -> None:
        self._refresh()
        if self.preview_box.isChecked() and not self._markers.exist and self._markers.noisy is not None:
            self.preview_box.setChecked(False)

    # -- all frames

    def _tasks(self) -> dict[str, Stack | None]:
        denoised = self.denoised.layer
        target = self.target.currentData() if denoised is not None else _NOISY
        tasks: dict[str, Stack | None] = {}
        if target in (_NOISY, _BOTH):
            tasks[_NOISY] = None
        if target in (_DENOISED, _BOTH):
            tasks[_DENOISED] = stack_of(denoised)
        return tasks

    def _run(self) -> None:
        try:
            layer = self.usable_movie(self.movies.layer)
            job = partial(
                localizing_steps.localize,
                self.camera.checked_camera(),
                self.options.settings,
                stack_of(layer),
                self._tasks(),
                self.picture.choice,
                self.session.model_behind(self.denoised.layer),
            )
        except BlinkspotError as error:
            self.complain(error, "Localizing")
            return
        self._warning = ""
        if self.start_job(f"Localizing {layer.name}", job, [layer]):
            self._localized = (layer, Place.of(layer))

    def _on_progressed(self, value: Any) -> None:
        if isinstance(value, localizing_steps.NoiseWarning):
            self._warning = f" {value.sentence}"
            warn(value.sentence)

    def _on_ended(self, outcome: Outcome) -> None:
        if outcome.end is End.DONE and self._localized is not None:
            source, place = self._localized
            if self.in_viewer(source):
                self._show_localized(source, place, outcome.result)
        self._refresh()

    def _show_localized(self, source: Image, place: Place, results: list[localizing_steps.Localized]) -> None:
        # What the preview showed for one frame is now there for all.
        self.preview_box.setChecked(False)
        comparison = self.session.comparison
        comparison.restore()
        shown = [add_localizations(self.viewer, source, place, found) for found in results]
        self._table_layer = shown[-1].points
        if len(shown) > 1:
            comparison.show(*(layers.picture for layers in shown))
        counts = ", ".join(f"{len(found.table):,} in the {found.of} movie" for found in results)
        colours = "".join(
            f" Colours, {found.of}: {found.picture.colours}." for found in results if found.picture.colours
        )
        remarks = "".join(f" {found.remark}" for found in results if found.remark)
        self.job_bar.say(f"Molecules found: {counts}.{self._warning}{colours}{remarks}")

    def _ask_export(self) -> None:
        layer = self._table_layer
        if layer is None or not self.in_viewer(layer):
            return
        path = self._writer.ask("Export the table", f"{layer.name}.csv", THUNDERSTORM)
        if path is not None:
            self.export(layer, path)

    def export(self, layer: Points, path: Path) -> None:
        """Write the table of a layer, in another thread."""
        attributes = {"name": layer.name, "features": layer.features.copy(), "metadata": dict(layer.metadata)}
        self._writer.write(path, lambda: Path(write_localizations(str(path), None, attributes)[0]))
