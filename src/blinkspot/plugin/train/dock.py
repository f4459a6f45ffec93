"""The dock that trains a denoiser on a movie."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from napari.components import ViewerModel
from napari.layers import Image, Layer
from qtpy.QtWidgets import QLabel, QPushButton

from blinkspot.errors import BlinkspotError
from blinkspot.plugin.camera.widget import CameraWidget
from blinkspot.plugin.docks.comparison_control import CompareControl
from blinkspot.plugin.docks.dock import Dock
from blinkspot.plugin.docks.model_choice import ModelLoader, ModelSaver
from blinkspot.plugin.docks.movie_line import MovieLine
from blinkspot.plugin.jobs.latest_only import LatestOnly
from blinkspot.plugin.jobs.notify import tell_error, warn
from blinkspot.plugin.jobs.running import End, Outcome
from blinkspot.plugin.layers.layer_choice import MOVIE_TIP, LayerChoice, is_source
from blinkspot.plugin.layers.lineage import Ancestor
from blinkspot.plugin.layers.live_layer import LiveLayer
from blinkspot.plugin.layers.movies import Place, frame_shown, stack_of, why_not_a_movie
from blinkspot.plugin.train import training_steps, unfinished
from blinkspot.plugin.train.finished import FinishedTrainings
from blinkspot.plugin.train.loss_plot import LossPlot
from blinkspot.plugin.train.options import TrainingOptions
from blinkspot.plugin.train.part import TrainingPart
from blinkspot.plugin.train.resume_button import ResumeButton
from blinkspot.plugin.widgets.following import follow
from blinkspot.plugin.widgets.forms import row, section

if TYPE_CHECKING:  # importing it takes seconds
    from blinkspot.denoising import Denoiser


@dataclass(frozen=True)
class _Run:
    """A training, the layer of its movie, and where that lay when it began."""

    job: training_steps.TrainingJob
    source: Image
    place: Place


class TrainDock(Dock):
    """Trains a denoiser on a movie of the viewer, and shows what it has learned so far."""

    title = "Train"

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__(
            napari_viewer,
            "Stop",
            "Stop training; the best model so far is kept.",
            "Have the training wait, with all that it has learned, and leave the processor to others.",
        )
        self._run: _Run | None = None  # begun last
        self._shown: _Run | None = None  # whose loss and frames are shown
        self._trained: str | None = None  # the model trained last
        self._finished = FinishedTrainings.of(self.session)
        self._offer = ""  # a training to go on with, in a sentence
        self._viewed = training_steps.Viewed()
        self._live = LiveLayer(self.viewer)
        self._following = LatestOnly(self)
        self._following.answered.connect(self._on_preview)
        # In a notification only: what was said of the training stays.
        self._following.failed.connect(lambda error: tell_error(error, "Denoising the frame"))
        self._build()
        self.movies.chosen.connect(self._on_movie_chosen)
        self.movies.renewed.connect(self._on_movie_renewed)
        self.runner.progressed.connect(self._on_progressed)
        self.runner.started.connect(self._refresh)
        self.runner.pause_changed.connect(self._on_pause_changed)
        self.runner.ended.connect(self._on_ended)
        self.session.denoised_added.connect(self._on_denoised_added)
        follow(self, self.viewer.dims.events.current_step, self._on_frame_changed)
        self._on_movie_chosen(self.movies.layer)

    def _build(self) -> None:
        self.movies = LayerChoice(self.viewer, is_source, MOVIE_TIP)
        self.open_button = self.make_open_button(self.movies)
        self.controls.addLayout(row(QLabel("Movie"), self.movies, self.open_button, wide=1))
        self.movie_line = MovieLine(self.session.cameras)
        self.controls.addWidget(self.movie_line)
        self.camera = CameraWidget(self.session.cameras, self.viewer)
        self.controls.addWidget(section("Camera", self.camera))
        self.part = TrainingPart(self.viewer)
        self.part.said.connect(self.job_bar.say)
        self.part.failed.connect(lambda error: self.complain(error, "Looking at the frames"))
        self.options = TrainingOptions(self.session, self.part)
        self.controls.addWidget(section("Training", self.options))
        self.loader = ModelLoader(self.session, self)
        self.loader.said.connect(self.job_bar.say)
        self.options.load_button.clicked.connect(self.loader.ask)
        self.start_button = QPushButton("Start training")
        self.start_button.setToolTip("Train a model on this movie alone; no clean data is needed.")
        self.start_button.clicked.connect(self._start)
        self.save_button = QPushButton("Save model...")
        self.save_button.setToolTip("Save the model trained last as one file that remembers its camera.")
        self.saver = ModelSaver(self.session, self)
        self.saver.said.connect(self.job_bar.say)
        self.save_button.clicked.connect(lambda: self.saver.ask(self._trained))
        self.compare = CompareControl(self.session, lambda: self.movies.layer, self._pair)
        self.resume_button = ResumeButton(self.session, unfinished.trainings_folder())
        self.resume_button.clicked.connect(self._resume)
        self.resume_button.changed.connect(self._on_unfinished_changed)
        self.controls.addLayout(row(self.start_button, self.resume_button, self.save_button, self.compare))
        self.loss_plot = LossPlot(self.viewer)
        self.controls.addWidget(self.loss_plot, stretch=1)
        self.loss_plot.hide()  # an empty one leaves its room to the plot of the noise, or to seldom settings
        self.controls.addStretch()

    def _on_movie_chosen(self, layer: Layer | None) -> None:
        usable = layer is not None and why_not_a_movie(layer) is None
        self.camera.show_layer(layer if usable else None)
        self.movie_line.show_layer(layer if usable else None)
        self.part.show_layer(layer if usable else None)
        if not self.runner.busy:
            self.job_bar.say("")
        self._refresh()
        self.resume_button.seek(layer if usable else None)

    def _on_movie_renewed(self, layer: Layer) -> None:
        usable = why_not_a_movie(layer) is None
        self.camera.show_layer(layer if usable else None)
        self.movie_line.show_layer(layer if usable else None)
        self.part.look_anew()
        self._refresh()
        self.resume_button.seek(layer if usable else None)

    def _obstacle(self) -> str:
        """Say why the movie chosen cannot be trained on, as far as that is seen without reading it."""
        layer = self.movies.layer
        if layer is None:
            return ""
        n_frames, fewest = layer.data.shape[0], training_steps.FEWEST_FRAMES
        short = f"The layer {layer.name!r} has {n_frames} frames: training needs {fewest} or more."
        return why_not_a_movie(layer) or (short if n_frames < fewest else "")

    def _refresh(self, *_: object) -> None:
        obstacle = self._obstacle()
        self.job_bar.hint(obstacle or self._offer)
        self.resume_button.setEnabled(not obstacle and not self.runner.busy)
        self.start_button.setEnabled(self.movies.layer is not None and not obstacle and not self.runner.busy)
        self.save_button.setEnabled(self._trained is not None and not self.runner.busy)

    def _on_unfinished_changed(self, sentence: str) -> None:
        # What was said of the training before stays.
        if not sentence or not self.job_bar.status.text():
            self._offer = sentence
        self._refresh()

    def _start(self) -> None:
        self._train(None)

    def _resume(self) -> None:
        self._train(self.resume_button.found)

    def _train(self, begun: unfinished.Unfinished | None) -> None:
        try:
            layer = self.usable_movie(self.movies.layer)
            job = training_steps.TrainingJob(
                stack_of(layer),
                self.camera.checked_camera(),
                self.options.settings if begun is None else begun.settings,
                self.options.start.denoiser if begun is None else begun.start,
                self._viewed,
                self.resume_button.folder,
                None if begun is None else begun.path,
            )
        except BlinkspotError as error:
            self.complain(error, "Training")
            return
        self._viewed.index = frame_shown(self.viewer, layer)
        self._following.forget()
        if self.start_job(f"Training on {layer.name}", job.run, [layer]):
            self._run = _Run(job, layer, Place.of(layer))

    def _on_progressed(self, value: Any) -> None:
        if isinstance(value, training_steps.LossPoint | training_steps.PreviewFrame):
            self._show_run()
        if isinstance(value, training_steps.LossPoint):
            self.loss_plot.add(value)
            self.loss_plot.show()
        elif isinstance(value, training_steps.PreviewFrame):
            self._on_preview(value)
            self.job_bar.note("")
            if self.runner.paused:
                # It was begun before, perhaps with the slider elsewhere.
                self._on_frame_changed()
        elif isinstance(value, training_steps.NoPreview):
            self.job_bar.note(value.sentence)
        elif isinstance(value, training_steps.TrainingWarning):
            warn(value.sentence)

    def _show_run(self) -> None:
        """Have the training that runs take the place of the one before, now that there is something of it."""
        if self._run is None or self._run is self._shown:
            return
        self._shown = self._run
        self._live.begin(self._run.source, self._run.place)
        self.loss_plot.clear()

    def _on_preview(self, preview: training_steps.PreviewFrame) -> None:
        was_shown = self._live.is_shown
        self._live.show(preview.index, preview.frame)
        if self._run is not None and self._live.is_shown and not was_shown:
            self.session.comparison.take_in(self._run.source, self._live.layer)

    def _on_frame_changed(self, event: object = None) -> None:
        run = self._run if self.runner.busy else self._shown
        if run is None or not self.in_viewer(run.source) or why_not_a_movie(run.source):
            return
        self._viewed.index = frame_shown(self.viewer, run.source)
        at_rest = self.runner.paused or not self.runner.busy
        if at_rest and self._live.is_shown and run.job.best is not None:
            # By the best model, now that no job does it.
            self._following.ask(
                partial(training_steps.denoised_frame, run.job.best, stack_of(run.source), self._viewed.index)
            )

    def _on_pause_changed(self, paused: bool) -> None:
        if paused:
            self._on_frame_changed()
        else:
            self._following.forget()
            self._viewed.pauses += 1  # the training shows the frame again

    def _on_ended(self, outcome: Outcome) -> None:
        run = self._run
        best = None if run is None else run.job.best
        if run is not None and best is not None:
            origin = self.session.lineage.model(best)
            origin.movie, origin.stopped = Ancestor(run.source), outcome.end is not End.DONE
            self._trained = self.session.add_model(run.source.name, best)
            said = _end_of_training(run.job, best, self._trained, outcome)
        else:
            before = "" if self._trained is None else f" The model {self._trained!r} of before is kept."
            said = f"{outcome.message or 'Stopped before there was a model.'}{before}"
        if run is not None and outcome.end is End.DONE and run.job.checkpoint is not None:
            self._finished.add(run.job.checkpoint, best)
        self._refresh()
        self.job_bar.say(said)
        self.resume_button.seek(self.movies.layer if not self._obstacle() else None)
        if outcome.end is not End.FAILED:  # what has failed once would be told of twice
            self._on_frame_changed()

    def _on_denoised_added(self, layer: Layer) -> None:
        """Make way for the whole movie, denoised with the finished model."""
        shown = None if self._shown is None else self._shown.source
        if not self.runner.busy and self.session.denoised_of(shown, [layer]) is not None:
            self._following.forget()
            self._live.remove()

    def on_closed(self) -> None:
        """Stop the training, and take away the frame that it has shown: no dock would renew it."""
        # What is still on its way would bring it back.
        self.runner.progressed.disconnect(self._on_progressed)
        self._following.forget()
        self._live.remove()
        super().on_closed()

    def _pair(self) -> tuple[Layer, Layer] | None:
        if self._live.is_shown and self._shown is not None and self.in_viewer(self._shown.source):
            return self._shown.source, self._live.layer
        return self.denoised_pair(self.movies.layer)


def _end_of_training(job: training_steps.TrainingJob, best: Denoiser, name: str, outcome: Outcome) -> str:
    extent = "until the loss had settled" if job.settled else "for as long as was set"
    context = f"{best.context_frames} context frame{'' if best.context_frames == 1 else 's'}"
    kept = f"The model {name!r} is ready in the Denoise dock"
    return {
        End.DONE: f"Trained {extent}, with {context}. {kept}.",
        End.STOPPED: f"Stopped before the loss had settled. {kept}: the best so far.",
        End.FAILED: f"{outcome.message} {kept}: the best until then.",
    }[outcome.end]
