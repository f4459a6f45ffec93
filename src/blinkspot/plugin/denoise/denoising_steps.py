"""What the Denoise dock has done in another thread. Nothing here knows Qt or a layer."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil

from blinkspot.camera import Camera, FloatArray
from blinkspot.movies.stack import Stack
from blinkspot.movies.writing import StackWriter
from blinkspot.plugin import backend
from blinkspot.progress import Progress, Stopwatch
from blinkspot.provenance import provenance

if TYPE_CHECKING:  # importing it takes seconds
    from blinkspot.denoising import Denoiser, Estimate

_SHARE_OF_FREE_MEMORY = 0.25
_SAVE_CHUNK_BYTES = 8 << 20


@dataclass(frozen=True)
class DenoisingTask:
    """Frames to denoise, from ``start`` to just before ``stop``.

    Attributes
    ----------
    model : Denoiser
        The model to use.
    movie : Stack
        The noisy movie.
    camera : Camera or None
        The movie's camera, where somebody has said what it is: the model must be made for it.
    start, stop : int
        First frame, and the one after the last.
    estimate : {"posterior-mean", "map", "blind", "posterior-variance"}
        Which estimate, or how uncertain it is, ADU squared; see :meth:`blinkspot.denoising.Denoiser.denoise`.
    """

    model: Denoiser
    movie: Stack
    camera: Camera | None
    start: int
    stop: int
    estimate: Estimate

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the result."""
        return self.stop - self.start, self.movie.height, self.movie.width

    @property
    def fits_in_memory(self) -> bool:
        """Whether the result may be kept in memory."""
        needed = math.prod(self.shape) * np.dtype(np.float32).itemsize
        return bool(needed <= _SHARE_OF_FREE_MEMORY * psutil.virtual_memory().available)

    @property
    def is_variance(self) -> bool:
        """Whether the result says how uncertain the light is, and is no movie of it."""
        return self.estimate == "posterior-variance"

    @property
    def frames_text(self) -> str:
        """Which frames these are, in brackets; empty for the whole movie."""
        if self.shape[0] == self.movie.n_frames:
            return ""
        if self.stop == self.start + 1:
            return f" (frame {self.start})"
        return f" (frames {self.start}-{self.stop - 1})"

    @property
    def provenance(self) -> dict[str, Any]:
        """What makes the result."""
        return provenance(
            "denoise",
            camera=self.model.camera,
            settings={"estimate": self.estimate, "start": self.start, "stop": self.stop, "units": "adu"},
            source=None if self.movie.path is None else self.movie.path.name,
            model=self.model.provenance,
        )


@dataclass(frozen=True)
class FramesReady:
    """Denoised frames from ``start`` to just before ``stop`` have been written."""

    start: int
    stop: int


@dataclass(frozen=True)
class DenoisingWarning:
    """What happened while a model was at work that the user should know, in one sentence."""

    sentence: str


def with_warnings(model: Denoiser, job: Generator[Any, None, None]) -> Generator[Any, None, None]:
    """Do a job of a model; yield what it yields, and a :class:`DenoisingWarning` where there is one."""
    told = len(model.warnings)
    with contextlib.closing(job):
        for value in job:
            for sentence in model.warnings[told:]:
                yield DenoisingWarning(sentence)
            told = len(model.warnings)
            yield value


def check(task: DenoisingTask) -> Generator[Progress, None, None]:
    """Check that the model fits the movie."""
    yield from backend.meanwhile(
        lambda: task.model.check_matches(task.movie, task.camera), "checking that the model fits the movie"
    )


def look_at_likeness(task: DenoisingTask) -> Generator[Progress | DenoisingWarning, None, None]:
    """Warn where the model has not learned a movie like this one."""
    denoising = yield from backend.loading()
    unlike = (yield from denoising.likeness_of(task.model, task.movie, task.start, task.stop)).warning
    if unlike is not None:
        yield DenoisingWarning(unlike)


def denoise_into(task: DenoisingTask, write: Callable[[int, FloatArray], None]) -> Generator[Any, None, None]:
    """Denoise frames and hand them over in ADU.

    Yields
    ------
    Progress, FramesReady or DenoisingWarning

    Parameters
    ----------
    write : callable
        Takes the index of the first frame and the frames (n, Y, X), a variance in ADU squared; called in the
        worker's thread.
    """
    denoising = yield from backend.loading()
    yield from check(task)
    yield from look_at_likeness(task)
    model = task.model
    for chunk in with_warnings(model, model.denoise(task.movie, task.start, task.stop, task.estimate)):
        if isinstance(chunk, DenoisingWarning):
            yield chunk
            continue
        if len(chunk.frames):
            write(chunk.start, denoising.output.in_units(chunk.frames, model.camera, task.estimate, "adu"))
            yield FramesReady(chunk.start, chunk.start + len(chunk.frames))
        yield chunk.progress


def save_movie(movie: Any, path: Path, provenance: dict[str, Any] | None) -> Generator[Progress, None, Path]:
    """Save a movie (T, Y, X) as a new TIFF or zarr store, a few frames at a time."""
    pixel_size_nm = None if provenance is None else provenance["camera"]["pixel_size_nm"]
    frames_at_once = max(1, _SAVE_CHUNK_BYTES // (movie.shape[1] * movie.shape[2] * 4))
    watch = Stopwatch("saving", movie.shape[0])
    with StackWriter(path, tuple(movie.shape), pixel_size_nm=pixel_size_nm, provenance=provenance) as writer:
        for start in range(0, movie.shape[0], frames_at_once):
            writer.write(np.asarray(movie[start : start + frames_at_once]))
            yield watch.at(writer.frames_written)
    return path
