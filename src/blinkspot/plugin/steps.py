"""What the docks have done in another thread: the backend's generators, joined to jobs.

Nothing here knows Qt or a layer. The window and a running job share two things only: plain objects that
one side writes and the other reads (:class:`Viewed`), and the values that the job yields.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from blinkspot import camera_estimate
from blinkspot.camera import Camera, FloatArray
from blinkspot.camera_estimate import CameraEstimate
from blinkspot.plugin import backend
from blinkspot.progress import Progress, Stopwatch
from blinkspot.stack import Stack, open_stack
from blinkspot.stack_writing import StackWriter

if TYPE_CHECKING:  # importing them takes seconds
    from blinkspot.denoising import Denoiser, Estimate
    from blinkspot.localization import LocalizationTable

# Values that only move a progress bar: more a second would keep the window busy for nothing.
_PROGRESS_INTERVAL_S = 0.05
# The part of a training's time that may go into showing what it has learned so far.
_PREVIEW_SHARE = 0.08
_SAVE_CHUNK_BYTES = 8 << 20
_PICTURE_WHITE_QUANTILE = 0.99


@dataclass
class Viewed:
    """The frame that the user looks at: the window writes it, a job reads it."""

    index: int = 0


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
class FramesReady:
    """Denoised frames from ``start`` to just before ``stop`` have been written."""

    start: int
    stop: int


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
    """

    epoch: float
    training: float
    validation: float
    improved: bool


class TrainingJob:
    """A training whose best model can be had however it ends.

    Attributes
    ----------
    best : Denoiser or None
        The best model so far. To be read once the job has ended.
    """

    def __init__(self, movie: Stack, camera: Camera, settings: dict[str, Any], viewed: Viewed) -> None:
        self.best: Denoiser | None = None
        self._movie = movie
        self._camera = camera
        self._settings = settings
        self._viewed = viewed

    def run(self) -> Generator[Any, None, None]:
        """Train; yield :class:`Progress`, :class:`LossPoint` and, at times, :class:`PreviewFrame`."""
        yield Progress("preparing", 0, 1, 0.0)
        denoising = backend.denoising()
        training = denoising.Training(self._movie, self._camera, denoising.TrainingSettings(**self._settings))
        last_yield = preview_due = 0.0
        shown: tuple[Denoiser | None, int] = (None, -1)
        for progress in training.run():
            now = time.perf_counter()
            self.best = training.best
            if now - last_yield > _PROGRESS_INTERVAL_S:
                last_yield = now
                yield progress
            if isinstance(progress, denoising.TrainingProgress) and progress.validated:
                yield LossPoint(
                    progress.epoch, progress.train_loss, progress.validation_loss, progress.improved
                )
            wanted = (self.best, self._viewed.index)
            if self.best is not None and wanted != shown and now >= preview_due:
                shown = wanted
                yield from preview(self.best, self._movie, wanted[1])
                spent = time.perf_counter() - now
                preview_due = now + spent / _PREVIEW_SHARE


def preview(model: Denoiser, movie: Stack, index: int) -> Generator[PreviewFrame | None, None, None]:
    """Denoise one frame; yield None while it is not done."""
    for chunk in model.denoise(movie, index, index + 1):
        if len(chunk.frames):
            yield PreviewFrame(index, model.camera.adu(chunk.frames[0]))
        else:
            yield None


def estimate_camera(movie: Stack, offset_adu: float | None, keep_offset: bool) -> CameraEstimate:
    """Estimate the camera of a movie from its noise.

    Parameters
    ----------
    offset_adu : float or None
        The offset, where it is known.
    keep_offset : bool
        Whether a known offset is to be believed; else it is used only where the movie does not tell it.
    """
    if offset_adu is not None and keep_offset:
        return camera_estimate.estimate_slope(movie, offset_adu)
    estimate = camera_estimate.estimate_camera(movie)
    if offset_adu is not None and not estimate.identifiable:
        return camera_estimate.estimate_slope(movie, offset_adu)
    return estimate


def load_model(path: Path) -> Denoiser:
    """Load a model file."""
    model: Denoiser = backend.denoising().Denoiser.load(path)
    return model


def save_model(model: Denoiser, path: Path) -> Path:
    """Save a model as a new file."""
    model.save(path)
    return path


def denoised_frame(model: Denoiser, movie: Stack, index: int) -> PreviewFrame:
    """Denoise one frame."""
    backend.denoising()
    return PreviewFrame(index, model.camera.adu(model.denoise_frame(movie, index)))


def denoise_into(
    model: Denoiser,
    movie: Stack,
    start: int,
    stop: int,
    estimate: Estimate,
    write: Callable[[int, FloatArray], None],
) -> Generator[Any, None, None]:
    """Denoise frames from ``start`` to just before ``stop`` and hand them over in ADU.

    Parameters
    ----------
    write : callable
        Takes the index of the first frame and the frames (n, Y, X); called in the worker's thread.
    """
    yield Progress("preparing", 0, 1, 0.0)
    backend.denoising()
    model.check_matches(movie)
    for chunk in model.denoise(movie, start, stop, estimate):
        if len(chunk.frames):
            write(chunk.start, model.camera.adu(chunk.frames))
            yield FramesReady(chunk.start, chunk.start + len(chunk.frames))
        yield chunk.progress


def denoise_to_file(
    model: Denoiser,
    movie: Stack,
    start: int,
    stop: int,
    estimate: Estimate,
    path: Path,
    provenance: dict[str, Any],
) -> Generator[Any, None, Stack]:
    """Denoise frames into a new TIFF and return it, opened lazily."""
    shape = (stop - start, movie.height, movie.width)
    with StackWriter(path, shape, pixel_size_nm=model.camera.pixel_size_nm, provenance=provenance) as writer:
        for value in denoise_into(
            model, movie, start, stop, estimate, lambda _, frames: writer.write(frames)
        ):
            # The file cannot be looked into before it is whole.
            if not isinstance(value, FramesReady):
                yield value
    return open_stack(path)


def save_movie(movie: Any, path: Path, provenance: dict[str, Any] | None) -> Generator[Progress, None, Path]:
    """Save a movie (T, Y, X) as a new TIFF, a few frames at a time."""
    pixel_size_nm = None if provenance is None else provenance["camera"]["pixel_size_nm"]
    frames_at_once = max(1, _SAVE_CHUNK_BYTES // (movie.shape[1] * movie.shape[2] * 4))
    watch = Stopwatch("saving", movie.shape[0])
    with StackWriter(path, tuple(movie.shape), pixel_size_nm=pixel_size_nm, provenance=provenance) as writer:
        for start in range(0, movie.shape[0], frames_at_once):
            writer.write(np.asarray(movie[start : start + frames_at_once]))
            yield watch.at(writer.frames_written)
    return path


@dataclass(frozen=True)
class Localized:
    """What was found in a movie.

    Attributes
    ----------
    of : str
        In which movie: ``"noisy"`` or ``"denoised"``.
    table : LocalizationTable
        The localizations.
    points : (n, 3) float32
        Their places (frame, y, x) in pixels of the movie, (0, 0) the centre of its first pixel.
    picture : (H, W) float32
        The super-resolved picture of the whole field.
    picture_white : float
        Value of the picture to show as its brightest colour.
    picture_pixels : float
        Size of the picture's pixels, in pixels of the movie.
    """

    of: str
    table: LocalizationTable
    points: NDArray[np.float32]
    picture: NDArray[np.float32]
    picture_white: float
    picture_pixels: float


def localize(
    camera: Camera,
    settings: dict[str, Any],
    movie: Stack,
    tasks: Mapping[str, Stack | None],
    picture_pixel_nm: float,
) -> Generator[Progress, None, list[Localized]]:
    """Localize all frames and draw the super-resolved picture, for each task.

    Parameters
    ----------
    settings : dict
        Arguments of :class:`blinkspot.localization.LocalizerSettings`; ``fit_on`` counts only where there is
        a denoised movie.
    movie : Stack
        The movie as recorded.
    tasks : mapping
        Name of the result -> the denoised movie to find molecules in, None for the movie as recorded.
    picture_pixel_nm : float
        Size of the pictures' pixels, nm.
    """
    yield Progress("preparing", 0, 1, 0.0)
    localization = backend.localization()
    found = []
    for name, denoised in tasks.items():
        own = settings if denoised is not None else {**settings, "fit_on": "raw"}
        localizer = localization.Localizer(camera, localization.LocalizerSettings(**own))
        for progress in (job := Returning(localizer.localize(movie, denoised))):
            yield dataclasses.replace(progress, step=f"localizing the {name} movie")
        found.append(_localized(name, job.result, movie, camera, picture_pixel_nm))
    return found


def _localized(
    name: str, table: LocalizationTable, movie: Stack, camera: Camera, picture_pixel_nm: float
) -> Localized:
    extent_nm = (movie.height * camera.pixel_size_nm, movie.width * camera.pixel_size_nm)
    picture = backend.localization().render(table, picture_pixel_nm, extent_nm)
    filled = picture[picture > 0]
    return Localized(
        of=name,
        table=table,
        points=points_px(table, camera),
        picture=picture,
        picture_white=float(np.quantile(filled, _PICTURE_WHITE_QUANTILE)) if filled.size else 1.0,
        picture_pixels=picture_pixel_nm / camera.pixel_size_nm,
    )


class Returning:
    """Iterates over a job's values and keeps what it returns."""

    def __init__(self, job: Generator[Any, None, Any]) -> None:
        self._job = job
        self.result: Any = None

    def __iter__(self) -> Generator[Any, None, None]:
        self.result = yield from self._job


@dataclass(frozen=True)
class PreviewQuestion:
    """One frame to localize, as recorded and, where there is one, denoised.

    Attributes
    ----------
    movie, denoised : Stack
        The movies; None for no denoised one.
    index, denoised_index : int
        The frame in each.
    """

    camera: Camera
    settings: dict[str, Any]
    movie: Stack
    index: int
    denoised: Stack | None
    denoised_index: int


@dataclass(frozen=True)
class PreviewAnswer:
    """Molecules found in one frame, (n, 3) as in :class:`Localized`; None where there is no such movie."""

    index: int
    noisy: NDArray[np.float32]
    denoised: NDArray[np.float32] | None


def localize_frame(question: PreviewQuestion) -> PreviewAnswer:
    """Localize one frame, noisy and denoised."""
    localization = backend.localization()
    raw = question.movie.frame(question.index)

    def places(settings: dict[str, Any], denoised: NDArray[Any] | None) -> NDArray[np.float32]:
        localizer = localization.Localizer(question.camera, localization.LocalizerSettings(**settings))
        points = points_px(localizer.localize_frame(raw, denoised), question.camera)
        points[:, 0] = question.index
        return points

    noisy = places({**question.settings, "fit_on": "raw"}, None)
    if question.denoised is None:
        return PreviewAnswer(question.index, noisy, None)
    denoised_frame = question.denoised.frame(question.denoised_index)
    return PreviewAnswer(question.index, noisy, places(question.settings, denoised_frame))


def points_px(table: LocalizationTable, camera: Camera) -> NDArray[np.float32]:
    """Return the places (frame, y, x) of a table in pixels, (0, 0) the centre of the first pixel."""
    points = np.empty((len(table), 3), np.float32)
    points[:, 0] = table.column("frame")
    points[:, 1] = table.column("y_nm") / camera.pixel_size_nm - 0.5
    points[:, 2] = table.column("x_nm") / camera.pixel_size_nm - 0.5
    return points
