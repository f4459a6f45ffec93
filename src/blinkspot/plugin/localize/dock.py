"""The dock that localizes molecules, in the frame shown as one turns the knobs, and then in all frames."""

from __future__ import annotations

import weakref
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from napari.components import ViewerModel
from napari.layers import Image, Layer, Points
from qtpy.QtWidgets import QFormLayout, QPushButton

from blinkspot.errors import BlinkspotError
from blinkspot.movies.stack import Stack
from blinkspot.plugin.camera.widget import CameraWidget
from blinkspot.plugin.docks.comparison_control import CompareControl
from blinkspot.plugin.docks.dock import Dock
from blinkspot.plugin.docks.movie_pair import MoviePair
from blinkspot.plugin.docks.opener import OpenButton
from blinkspot.plugin.jobs.notify import warn
from blinkspot.plugin.jobs.running import End, Outcome
from blinkspot.plugin.layers.lineage import Ancestor, TableOrigin
from blinkspot.plugin.layers.movies import Place, stack_of, whole_stack_of, why_not_a_movie
from blinkspot.plugin.layers.tables import table_of
from blinkspot.plugin.localize import localizing_steps
from blinkspot.plugin.localize.layers import add_localizations
from blinkspot.plugin.localize.options import LocalizerOptions
from blinkspot.plugin.localize.preview import LocalizePreview, Previewed
from blinkspot.plugin.molecules.picture_options import PictureOptions
from blinkspot.plugin.molecules.table_writer import THUNDERSTORM, TableWriter
from blinkspot.plugin.molecules.truth_layer import truth_choice, truth_of
from blinkspot.plugin.widgets.following import follow
from blinkspot.plugin.widgets.forms import combo, row, section

_NOISY, _DENOISED, _BOTH = "noisy", "denoised", "both"
# So narrow that the preview's legend of two lines is seen on a small screen, too.
_SPACING_PX = 1


class LocalizeDock(Dock):
    """Localizes the molecules of a movie, with or without a denoised version of it."""

    title = "Localize"

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__(napari_viewer, "Cancel", "Stop localizing; nothing is kept.")
        self._writer = TableWriter(self)
        self._writer.said.connect(self.job_bar.say)
        self._localized: tuple[Image, Place, TableOrigin] | None = None
        self._table_layer: Points | None = None
        self._warning = ""
        self._target_kept = 0
        self._build()
        self._connect()
        self._on_movie_chosen(self.movies.layer)

    def _build(self) -> None:
        self.controls.setSpacing(_SPACING_PX)
        self.open_button = OpenButton(self.viewer)
        self.pair = MoviePair(
            self.viewer,
            self.session,
            self.open_button,
            "The denoised version of the movie, in which to find the molecules.",
            "none: find them in the noisy movie",
        )
        self.movies, self.denoised = self.pair.movies, self.pair.denoised
        self.controls.addWidget(self.pair)
        self.camera = CameraWidget(self.session.cameras, self.viewer)
        self.controls.addWidget(section("Camera", self.camera))
        self.options = LocalizerOptions()
        self.controls.addWidget(section("Molecules", self.options))
        comparison = self.session.comparison
        self.preview = LocalizePreview(self.viewer, comparison, self._previewed, self)
        self.preview.failed.connect(lambda error: self.complain(error, "The preview"))
        self.compare = CompareControl(self.session, lambda: self.movies.layer, self._pair)
        self.truth = truth_choice(
            self.viewer,
            "A table of the molecules that are there, where the movie was simulated, by which the preview "
            "tells true from false: open it in the Molecules dock.",
            "truth: not known",
        )
        self.truth.setMinimumContentsLength(6)
        self.controls.addLayout(row(self.preview.box, self.truth, self.compare, wide=1))
        self.controls.addWidget(self.preview.counts)
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
        self.pair.movie_chosen.connect(self._on_movie_chosen)
        self.denoised.chosen.connect(self._on_denoised_chosen)
        self.truth.chosen.connect(self.preview.soon)
        self.camera.changed.connect(self.preview.soon)
        self.options.changed.connect(self.preview.soon)
        self.run_button.clicked.connect(self._run)
        self.export_button.clicked.connect(self._ask_export)
        self.runner.started.connect(self._refresh)
        self.runner.progressed.connect(self._on_progressed)
        self.runner.ended.connect(self._on_ended)
        follow(self, self.viewer.layers.events.removed, self._refresh)
        follow(self, self.viewer.layers.events.inserted, self._on_layer_added)

    def on_closed(self) -> None:
        """Stop the job, and end the preview with the dock."""
        self.preview.close()
        super().on_closed()

    # -- what is chosen

    def _on_movie_chosen(self, layer: Layer | None) -> None:
        reason = None if layer is None else why_not_a_movie(layer)
        self.camera.show_layer(layer if reason is None else None)
        if not self.runner.busy:
            self.job_bar.say(reason or "")
        self.truth.refresh()
        self.truth.choose(truth_of(self.viewer, layer))
        self._refresh()
        self.preview.soon()

    def _on_denoised_chosen(self, layer: Layer | None) -> None:
        self._refresh()
        self.preview.soon()

    def _on_layer_added(self, event: Any) -> None:
        if truth_of(self.viewer, self.movies.layer) is event.value:
            self.truth.refresh()
            self.truth.choose(event.value)

    def _usable(self) -> bool:
        layer = self.movies.layer
        return layer is not None and why_not_a_movie(layer) is None

    def _refresh(self, *_: object) -> None:
        self.run_button.setEnabled(self._usable() and not self.runner.busy)
        self.preview.box.setEnabled(self._usable())
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

    def _previewed(self) -> Previewed:
        layers = self.movies.layer, self.denoised.layer, self.truth.layer
        return *layers, self.camera.camera, self.options.settings

    # -- all frames

    def _tasks(self) -> dict[str, Stack | None]:
        denoised = self.denoised.layer
        target = self.target.currentData() if denoised is not None else _NOISY
        tasks: dict[str, Stack | None] = {}
        if target in (_NOISY, _BOTH):
            tasks[_NOISY] = None
        if target in (_DENOISED, _BOTH):
            tasks[_DENOISED] = whole_stack_of(denoised)
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
            self._localized = (layer, Place.of(layer), self._origin(layer))

    def _origin(self, layer: Image) -> TableOrigin:
        """Return what the molecules are found in and by, as far as their tables do not tell it."""
        denoised, chosen = self.denoised.layer, self.options.astigmatism
        calibration = None
        if chosen.path is not None and chosen.calibration is not None:
            calibration = (chosen.path, chosen.calibration)
        return TableOrigin(Ancestor(layer), None if denoised is None else Ancestor(denoised), calibration)

    def _on_progressed(self, value: Any) -> None:
        if isinstance(value, localizing_steps.NoiseWarning):
            self._warning = f" {value.sentence}"
            warn(value.sentence)

    def _on_ended(self, outcome: Outcome) -> None:
        if outcome.end is End.DONE and self._localized is not None:
            source, place, origin = self._localized
            if self.in_viewer(source):
                self._show_localized(source, place, outcome.result, origin)
                if origin.movie is not None and not origin.movie.is_among([source]):
                    warn(
                        f"{source.name!r} was given other data while it was localized: the molecules are of "
                        "what it held before. Localize it again."
                    )
        self._refresh()

    def _show_localized(
        self,
        source: Image,
        place: Place,
        results: list[localizing_steps.Localized],
        origin: TableOrigin,
    ) -> None:
        comparison = self.session.comparison
        comparison.restore()
        # What the preview showed for one frame is now there for all.
        self.preview.end()
        shown = [add_localizations(self.viewer, source, place, found) for found in results]
        for found, layers in zip(results, shown, strict=True):
            denoised = origin.denoised if found.of == _DENOISED else None
            picture = (weakref.ref(layers.picture), found.picture.choice)
            self.session.lineage.set_table(layers.points, replace(origin, denoised=denoised, picture=picture))
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
        metadata, features = dict(layer.metadata), layer.features.copy()

        def write() -> Path:
            table_of(metadata, features).save(path)
            return path

        self._writer.write(path, write)
