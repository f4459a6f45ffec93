"""The dock that denoises a movie with a trained model."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

from napari.components import ViewerModel
from napari.layers import Image, Layer
from qtpy.QtWidgets import QComboBox, QFormLayout, QPushButton, QSpinBox

from blinkspot.errors import BlinkspotError
from blinkspot.movies.stack import Stack
from blinkspot.plugin.denoise import denoising_steps
from blinkspot.plugin.denoise.denoised_layer import GrowingLayer, Request, add_denoised, tell_if_other
from blinkspot.plugin.denoise.denoising_into_file import Begun, IntoFile
from blinkspot.plugin.denoise.denoising_steps import DenoisingTask
from blinkspot.plugin.denoise.leftovers_button import LeftoversButton
from blinkspot.plugin.denoise.on_the_fly import steps
from blinkspot.plugin.denoise.on_the_fly.layer import add_on_the_fly
from blinkspot.plugin.denoise.on_the_fly.steps import Prepared
from blinkspot.plugin.docks.comparison_control import CompareControl
from blinkspot.plugin.docks.dock import Dock
from blinkspot.plugin.docks.model_choice import ModelChoice, ModelLoader, ModelSaver
from blinkspot.plugin.jobs.notify import warn
from blinkspot.plugin.jobs.running import End, Outcome
from blinkspot.plugin.layers.layer_choice import MOVIE_TIP, LayerChoice, is_source
from blinkspot.plugin.layers.movies import PROVENANCE, Place, frame_shown, stack_of, why_not_a_movie
from blinkspot.plugin.widgets import file_dialogs
from blinkspot.plugin.widgets.following import follow
from blinkspot.plugin.widgets.forms import combo, row

MOVIE_FILES = "TIFF (*.tif);;Zarr (*.zarr)"
_ALL, _THIS, _RANGE, _ON_THE_FLY = "All frames", "This frame", "A range", "As you look"
_ESTIMATES = {
    "posterior-mean": "Posterior mean",
    "map": "Most probable (MAP)",
    "blind": "Blind: without the pixel itself",
    "posterior-variance": "Posterior variance (no movie)",
}
_ESTIMATE_TIP = (
    "What to make of the network's answer and the pixel itself. The posterior mean is the best estimate of "
    "the light; MAP is its most probable value; blind shows what the neighbours alone predict. The posterior "
    "variance (ADU squared) says how uncertain the posterior mean is: a layer by itself, that no dock takes "
    "for a movie. The frames that are shown while a model is trained are posterior means."
)


class DenoiseDock(Dock):
    """Denoises frames of a movie into a new layer, in the movie's own units."""

    title = "Denoise"

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__(napari_viewer, "Cancel", "Stop denoising; the frames that are done are kept.")
        self._running: Request | None = None
        self._growing: GrowingLayer | None = None
        self._into: IntoFile | None = None
        self._build()
        self.movies.chosen.connect(self._on_movie_chosen)
        self.models.currentIndexChanged.connect(self._refresh)
        self.frames.currentIndexChanged.connect(self._refresh)
        self.session.denoised_added.connect(self._refresh)
        for change in (self.viewer.layers.events.inserted, self.viewer.layers.events.removed):
            follow(self, change, self._refresh_save)
        self.runner.started.connect(self._refresh)
        self.runner.progressed.connect(self._on_progressed)
        self.runner.ended.connect(self._on_ended)
        self._on_movie_chosen(self.movies.layer)

    def _build(self) -> None:
        form = QFormLayout()
        form.setVerticalSpacing(4)
        self.movies = LayerChoice(self.viewer, is_source, MOVIE_TIP)
        self.open_button = self.make_open_button(self.movies)
        form.addRow("Movie", row(self.movies, self.open_button))
        self.models = ModelChoice(self.session)
        self.loader = ModelLoader(self.session, self)
        self.loader.said.connect(self.job_bar.say)
        self.load_button = QPushButton("Load...")
        self.load_button.setToolTip("Load a model file.")
        self.load_button.clicked.connect(self.loader.ask)
        self.saver = ModelSaver(self.session, self)
        self.saver.said.connect(self.job_bar.say)
        self.save_model_button = QPushButton("Save...")
        self.save_model_button.setToolTip("Save the chosen model as one file that remembers its camera.")
        self.save_model_button.clicked.connect(lambda: self.saver.ask(self.models.currentData()))
        form.addRow("Model", row(self.models, self.load_button, self.save_model_button))
        self.frames = QComboBox()
        self.frames.addItems([_ALL, _THIS, _RANGE, _ON_THE_FLY])
        self.frames.setToolTip(
            "Which frames to denoise. Frames count from 0, as in napari's slider. As you look: a layer "
            "of all frames at once, each of which is denoised when you move the slider to it; what needs the "
            "rest (localizing, saving) denoises it then."
        )
        self.first, self.last = QSpinBox(), QSpinBox()
        self.first.setPrefix("from ")
        self.last.setPrefix("to ")
        self.first.setToolTip("First frame to denoise, counted from 0.")
        self.last.setToolTip("Last frame to denoise, counted from 0.")
        form.addRow("Frames", self.frames)
        form.addRow("", row(self.first, self.last, stretch_all=True))
        self.estimate = combo(_ESTIMATES, _ESTIMATE_TIP)
        form.addRow("Estimate", self.estimate)
        self.controls.addLayout(form)
        self.run_button = QPushButton("Denoise")
        self.run_button.setToolTip("Denoise into a new layer in the movie's own units (ADU).")
        self.run_button.clicked.connect(self._run)
        self.compare = CompareControl(
            self.session, lambda: self.movies.layer, lambda: self.denoised_pair(self.movies.layer)
        )
        self.controls.addLayout(row(self.run_button, self.compare))
        self.save_button = QPushButton("Save...")
        self.save_button.setToolTip(
            "Write the denoised layer as a new float32 TIFF or zarr store in the movie's own units: ImageJ "
            "and ThunderSTORM read the TIFF with the same camera settings."
        )
        self.save_button.clicked.connect(self._ask_save)
        self.file_button = QPushButton("Denoise into a file...")
        self.file_button.setToolTip(
            "Denoise the frames chosen into a new TIFF or zarr store, and open it from there. If that ends "
            "early, what is done is kept: denoising into the same file again goes on from there."
        )
        self.file_button.clicked.connect(self._run_into_file)
        self.leftovers = LeftoversButton()
        self.leftovers.said.connect(self.job_bar.say)
        self.controls.addLayout(row(self.save_button, self.file_button, self.leftovers))
        self.controls.addStretch(1)

    def _on_movie_chosen(self, layer: Layer | None) -> None:
        reason = None if layer is None else why_not_a_movie(layer)
        if layer is not None and reason is None:
            for box in (self.first, self.last):
                box.setRange(0, layer.data.shape[0] - 1)
            self.first.setValue(0)
            self.last.setValue(layer.data.shape[0] - 1)
        if not self.runner.busy:
            self.job_bar.say("")
        self._refresh()

    def _refresh(self, *_: object) -> None:
        layer = self.movies.layer
        obstacle = None if layer is None else why_not_a_movie(layer)
        if self.models.denoiser is None:
            obstacle = obstacle or "Train a model in the Train dock, or load one."
        self.job_bar.hint(obstacle or "")
        for box in (self.first, self.last):
            box.setVisible(self.frames.currentText() == _RANGE)
        self.run_button.setEnabled(layer is not None and not obstacle and not self.runner.busy)
        self.file_button.setEnabled(self.run_button.isEnabled())
        self.leftovers.setEnabled(not self.runner.busy)
        self.save_model_button.setEnabled(self.models.denoiser is not None)
        self._refresh_save()

    def _refresh_save(self, *_: object) -> None:
        is_there = self.denoised_pair(self.movies.layer) is not None
        self.save_button.setEnabled(is_there and not self.runner.busy)

    def _frame_range(self, layer: Image, n_frames: int) -> tuple[int, int]:
        """Return the first frame asked for, and the one after the last."""
        if self.frames.currentText() == _THIS:
            index = frame_shown(self.viewer, layer)
            return index, index + 1
        if self.frames.currentText() == _RANGE:
            first, last = self.first.value(), self.last.value()
            if first > last:
                raise BlinkspotError(f"There are no frames {first} to {last}: the first must come first.")
            return first, last + 1
        return 0, n_frames

    def _request(self) -> Request:
        layer = self.usable_movie(self.movies.layer)
        if self.models.denoiser is None:
            raise BlinkspotError("There is no model yet: train one in the Train dock, or load one.")
        movie = stack_of(layer)
        start, stop = self._frame_range(layer, movie.n_frames)
        record = self.session.cameras.record(layer)
        task = DenoisingTask(
            model=self.models.denoiser,
            movie=movie,
            camera=None if record is None or not record.is_certain else record.camera,
            start=start,
            stop=stop,
            estimate=self.estimate.currentData(),
        )
        return Request(layer, Place.of(layer), task, self.frames.currentText() == _ON_THE_FLY)

    def _run(self) -> None:
        try:
            request = self._request()
        except BlinkspotError as error:
            self.complain(error, "Denoising")
            return
        if request.on_the_fly:
            self._denoise_on_the_fly(request)
            return
        if request.task.fits_in_memory:
            self._denoise_in_memory(request)
            return
        self.job_bar.say(
            "The result is too large for the memory: it goes to a file, and is opened from there."
        )
        self._ask_file(request)

    def _run_into_file(self) -> None:
        try:
            request = dataclasses.replace(self._request(), on_the_fly=False)
        except BlinkspotError as error:
            self.complain(error, "Denoising")
            return
        self._ask_file(request)

    def _ask_file(self, request: Request) -> None:
        path = file_dialogs.ask_save(self, "Denoise into a file", f"{request.name}.tif", MOVIE_FILES)
        if path is not None:
            self.denoise_to_file(request, path)

    def _denoise_in_memory(self, request: Request) -> None:
        growing = GrowingLayer(self.viewer, self.session, request)
        job = partial(denoising_steps.denoise_into, request.task, growing.write)
        if self.start_job(f"Denoising {request.source.name}", job, [request.source]):
            self._running, self._growing = request, growing

    def _denoise_on_the_fly(self, request: Request) -> None:
        job = partial(steps.begin, request.task, frame_shown(self.viewer, request.source))
        if self.start_job(f"Denoising {request.source.name}", job, [request.source]):
            self._running, self._growing = request, None

    def denoise_to_file(self, request: Request, path: Path) -> None:
        """Denoise into a new file, or go on with it; it is then opened lazily."""
        into = IntoFile(request.task, path)
        if self.start_job(f"Denoising {request.source.name} into {path.name}", into.run, [request.source]):
            self._running, self._growing, self._into = request, None, into

    def _on_progressed(self, value: Any) -> None:
        growing, request = self._growing, self._running
        if isinstance(value, Begun):
            self.job_bar.note(value.note)
        if isinstance(value, denoising_steps.DenoisingWarning):
            warn(value.sentence)
        if not isinstance(value, denoising_steps.FramesReady) or growing is None or request is None:
            return
        if growing.layer is None and self.in_viewer(request.source):
            growing.show(value)
            self.job_layers.append(growing.layer)
        elif self.in_viewer(growing.layer):
            growing.show(value)

    def _on_ended(self, outcome: Outcome) -> None:
        request, growing, into = self._running, self._growing, self._into
        self._running = self._growing = self._into = None
        self._refresh()
        layer: Image | None = None
        if growing is not None and growing.layer is not None and self.in_viewer(growing.layer):
            growing.cut()
            layer = growing.layer
            self.job_bar.say(f"{layer.name!r} is in the layer list.")
        elif isinstance(outcome.result, Stack) and request is not None and self.in_viewer(request.source):
            stack = outcome.result
            layer = add_denoised(self.viewer, self.session, request, stack.as_dask(), stack, stack)
            self.job_bar.say(f"{layer.name!r} is in {stack.path}.")
        elif isinstance(outcome.result, Prepared) and request is not None and self.in_viewer(request.source):
            layer = add_on_the_fly(self.viewer, self.session, request, outcome.result)
            self.job_bar.say(f"{layer.name!r} is in the layer list: a frame is denoised when you look at it.")
        elif isinstance(outcome.result, Path):
            self.job_bar.say(f"Saved as {outcome.result}.")
        if request is not None and layer is not None:
            tell_if_other(request, layer)
        if outcome.end is End.FAILED:
            self.job_bar.say(outcome.message)
        if into is not None:
            self.leftovers.look_at(into.path)
            if into.kept:
                self.job_bar.say(f"{outcome.message} {into.kept}".lstrip())

    def _ask_save(self) -> None:
        pair = self.denoised_pair(self.movies.layer)
        if pair is None:
            return
        path = file_dialogs.ask_save(self, "Save the denoised movie", f"{pair[1].name}.tif", MOVIE_FILES)
        if path is not None:
            self.save(pair[1], path)

    def save(self, layer: Image, path: Path) -> None:
        """Write a denoised layer as a new file."""
        record = layer.metadata.get(PROVENANCE)
        job = partial(denoising_steps.save_movie, layer.data, path, record)
        self.start_job(f"Saving {layer.name}", job, [layer])
