"""What the Train dock has done in another thread.

Nothing here knows Qt or a layer. The window and a running job share two things only: plain objects that
one side writes and the other reads (:class:`Viewed`), and the values that the job yields.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blinkspot.camera import Camera, FloatArray
from blinkspot.errors import BlinkspotError
from blinkspot.movies.stack import Stack
from blinkspot.plugin import backend
from blinkspot.plugin.train import unfinished

if TYPE_CHECKING:  # importing it takes seconds
    from blinkspot.denoising import Denoiser

FEWEST_FRAMES = 5
"""Frames without which the backend does not train."""

_log = logging.getLogger("blinkspot")
# Values that only move a progress bar: more a second would keep the window busy for nothing.
_PROGRESS_INTERVAL_S = 0.05
# The part of a training's time that may go into showing what it has learned so far.
_PREVIEW_SHARE = 0.08


@dataclass
class Viewed:
    """The frame that the user looks at: the window writes it, a job reads it.

    Attributes
    ----------
    index : int
        Frame of the movie.
    pauses : int
        After how many pauses. In a pause the window shows frames that the job does not know of.
    """

    index: int = 0
    pauses: int = 0


@dataclass(frozen=True)
class PreviewFrame:
    """One frame denoised by the model so far.

    Attributes
    ----------
    index : int
        Frame of the movie.
    frame : (Y, X) float32
        ADU.
    """

    index: int
    frame: FloatArray


@dataclass(frozen=True)
class NoPreview:
    """Why a frame cannot be shown denoised, in one sentence."""

    sentence: str


@dataclass(frozen=True)
class LossPoint:
    """What a validation found.

    Attributes
    ----------
    epoch : float
        Passes over the training frames so far.
    training, validation : float
        Loss, nat per pixel.
    improved : bool
        Whether this is the best so far.
    course : str
        How the training goes, in words; see :class:`blinkspot.denoising.Course`.
    """

    epoch: float
    training: float
    validation: float
    improved: bool
    course: str


@dataclass(frozen=True)
class TrainingWarning:
    """A reason not to trust the model that is being trained, in one sentence."""

    sentence: str


class TrainingJob:
    """A training whose best model can be had however it ends.

    Parameters
    ----------
    movie : Stack
        Noisy movie.
    camera : Camera
        That recorded it.
    settings : dict
        Arguments of :class:`blinkspot.denoising.TrainingSettings`.
    start : Denoiser or None
        Model to go on from.
    viewed : Viewed
        The frame to show what was learned with.
    folder : Path
        Where the training is kept, once a minute and when it is stopped.
    resume : Path, optional
        Checkpoint to go on from, and to keep it in.

    Attributes
    ----------
    best : Denoiser or None
        The best model so far. To be read once the job has ended.
    settled : bool
        Whether the training went on until its validation loss had settled.
    checkpoint : Path or None
        Where it is kept. The file stays when it has ended: remove it once the model is safe.
    """

    def __init__(
        self,
        movie: Stack,
        camera: Camera,
        settings: dict[str, Any],
        start: Denoiser | None,
        viewed: Viewed,
        folder: Path,
        resume: Path | None = None,
    ) -> None:
        self.best: Denoiser | None = None
        self.settled = False
        self.checkpoint: Path | None = None
        self._movie = movie
        self._camera = camera
        self._settings = settings
        self._start = start
        self._viewed = viewed
        self._folder = folder
        self._resume = resume

    def run(self) -> Generator[Any, None, None]:
        """Train.

        Yields
        ------
        Progress, TrainingWarning, LossPoint, PreviewFrame or NoPreview
        """
        denoising = yield from backend.loading(to_train=True)
        settings = denoising.TrainingSettings(**self._settings)
        training = denoising.Training(self._movie, self._camera, settings, self._start)
        try:
            self.checkpoint = self._resume or unfinished.new_checkpoint(self._folder, self._movie)
        except BlinkspotError as error:
            yield TrainingWarning(str(error))
        # Closed with this job, in its thread, a training writes what it has come to.
        with contextlib.closing(training.run(self.checkpoint, self._resume)) as run:
            yield from self._relay(denoising, training, run)
        self.best, self.settled = training.best, training.settled

    def _relay(self, denoising: Any, training: Any, run: Any) -> Generator[Any, None, None]:
        """Hand over what a training says, with the frame that is looked at from time to time."""
        last_yield = preview_due = 0.0
        shown: tuple[Denoiser | None, int, int] = (None, -1, 0)
        warned = told = 0
        for progress in run:
            for sentence in training.warnings[warned:]:
                yield TrainingWarning(sentence)
            warned = len(training.warnings)
            now = time.perf_counter()
            self.best = training.best
            if now - last_yield > _PROGRESS_INTERVAL_S:
                last_yield = now
                yield progress
            # At once as many as a resumed training had made before.
            for number, past in enumerate(training.history[told:], told + 1):
                course = denoising.course_of(training.history[:number]).value
                yield LossPoint(past.epoch, past.train_loss, past.validation_loss, past.improved, course)
            told = len(training.history)
            # The layer may have been given a longer movie since.
            index = min(self._viewed.index, self._movie.n_frames - 1)
            wanted = (self.best, index, self._viewed.pauses)
            if self.best is not None and wanted != shown and now >= preview_due:
                shown = wanted
                yield from preview(self.best, self._movie, index)
                spent = time.perf_counter() - now
                preview_due = now + spent / _PREVIEW_SHARE
        for sentence in training.warnings[warned:]:
            yield TrainingWarning(sentence)


def preview(
    model: Denoiser, movie: Stack, index: int
) -> Generator[PreviewFrame | NoPreview | None, None, None]:
    """Denoise one frame, or say why that cannot be; yield None while it is not done."""
    try:
        for chunk in model.denoise(movie, index, index + 1):
            if len(chunk.frames):
                yield PreviewFrame(index, model.camera.adu(chunk.frames[0]))
            else:
                yield None
    except Exception as error:  # whatever it is: a training is worth more than a look at it
        if not isinstance(error, BlinkspotError):
            _log.warning("Frame %d could not be shown denoised", index, exc_info=error)
        yield NoPreview(f"Frame {index} cannot be shown denoised: {error}")


def signals(movie: Stack, part: dict[str, Any], everywhere: Any) -> Generator[Any, None, tuple[Any, Any]]:
    """Look at the frames of a movie.

    Parameters
    ----------
    movie : Stack
        The movie.
    part : dict
        Range and region, as arguments of :class:`blinkspot.denoising.TrainingSettings`.
    everywhere : FrameSignals or None
        What was found in that region of all frames, where that is known.

    Returns
    -------
    (FrameSignals, FrameSignals)
        Of all frames, and of those of the range.
    """
    denoising = yield from backend.loading()
    if everywhere is None:
        region = {name: value for name, value in part.items() if name == "region_px"}
        everywhere = yield from denoising.signals_of_frames(movie, denoising.TrainingSettings(**region))
    if "last_frame" not in part:
        return everywhere, everywhere
    return everywhere, (yield from denoising.signals_of_frames(movie, denoising.TrainingSettings(**part)))


def denoised_frame(model: Denoiser, movie: Stack, index: int) -> PreviewFrame:
    """Denoise one frame."""
    backend.denoising()
    return PreviewFrame(index, model.camera.adu(model.denoise_frame(movie, index)))
