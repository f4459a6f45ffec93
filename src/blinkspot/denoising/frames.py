"""Which frames a denoiser learns from."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blinkspot.denoising.context import neighbours
from blinkspot.denoising.settings import TrainingSettings
from blinkspot.errors import BlinkspotError
from blinkspot.movie_checks import check_finite
from blinkspot.progress import Progress, Stopwatch
from blinkspot.stack import Stack

IndexArray = NDArray[np.int64]

# The frames that are learnt from are kept in memory, as the file has them.
_MEMORY_BYTES = 400e6
_MIN_FRAMES = 5
_READ_AT_ONCE = 8
_PIXELS_AT_ONCE = 1 << 21  # so many are looked through in less than a tenth of a second


@dataclass(frozen=True)
class ChosenFrames:
    """Frames to learn from, in memory, with the neighbours that their context needs.

    Attributes
    ----------
    training, validation : ndarray of int
        Frame numbers in the movie. Validation frames come in whole runs.
    pixels : ndarray, (n, Y, X)
        ADU, in the file's dtype.
    rows : dict
        Row of ``pixels`` that holds a frame.
    """

    training: IndexArray
    validation: IndexArray
    pixels: NDArray[np.generic]
    rows: dict[int, int]


def frame_signal(frames: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return the signal of each frame, ADU: how far its mean lies above that of its middle half.

    A background that drifts moves both; molecules, which cover few pixels, move the mean alone.
    """
    flat = frames.reshape(len(frames), -1).astype(np.float64)
    quarter = flat.shape[1] // 4
    ordered = np.partition(flat, (quarter, flat.shape[1] - quarter - 1), axis=1)
    signal: NDArray[np.float64] = flat.mean(axis=1) - ordered[:, quarter:-quarter].mean(axis=1)
    return signal


def choose_frames(
    movie: Stack, settings: TrainingSettings, context_frames: int
) -> Generator[Progress, None, ChosenFrames]:
    """Pick frames with signal, split them 9:1, and read them with that many neighbours on each side.

    Candidates are all frames, or at most ``settings.max_frames`` in runs spread evenly over a longer movie.
    Of these, frames with less than ``settings.min_relative_signal`` of the average signal are left out (the
    paper's finding), unless too few would remain.

    Raises
    ------
    BlinkspotError
        If the movie is too short, or a frame holds values that are not finite.
    """
    if movie.n_frames < _MIN_FRAMES:
        raise BlinkspotError(
            f"The movie has only {movie.n_frames} frame(s): training needs {_MIN_FRAMES} or more."
        )
    candidates = _spread_runs(movie, settings)
    watch = Stopwatch("choosing frames", 2.0 * len(candidates))
    at_once = max(1, min(_READ_AT_ONCE, _PIXELS_AT_ONCE // (movie.height * movie.width)))
    signal = np.empty(len(candidates))
    for first in range(0, len(candidates), at_once):
        part = slice(first, first + at_once)
        frames = movie.selected(candidates[part])
        check_finite(movie, candidates[part], frames)
        signal[part] = frame_signal(frames)
        yield watch.at(first)
    least = settings.min_relative_signal * signal.mean() if settings.min_relative_signal else -np.inf
    chosen = candidates[signal >= least]
    if len(chosen) < max(_MIN_FRAMES, len(candidates) // 10):
        chosen = candidates
    training, validation = _split(chosen)

    needed = np.unique(neighbours(np.sort(chosen), movie.n_frames, context_frames))
    pixels = np.empty((len(needed), movie.height, movie.width), movie.dtype)
    for first in range(0, len(needed), at_once):
        part = slice(first, first + at_once)
        pixels[part] = movie.selected(needed[part])
        check_finite(movie, needed[part], pixels[part])
        yield watch.at(len(candidates) * (1.0 + first / len(needed)))
    rows = {int(frame): row for row, frame in enumerate(needed)}
    return ChosenFrames(training, validation, pixels, rows)


def _spread_runs(movie: Stack, settings: TrainingSettings) -> IndexArray:
    """Return all frames, or runs of 20 spread over the movie where it has more than may be used."""
    frame_bytes = movie.height * movie.width * np.dtype(movie.dtype).itemsize
    most = min(settings.max_frames, max(_MIN_FRAMES, int(_MEMORY_BYTES / frame_bytes)))
    if movie.n_frames <= most:
        return np.arange(movie.n_frames)
    run = min(20, most)
    starts = np.linspace(0, movie.n_frames - run, most // run).astype(np.int64)
    return np.unique(starts[:, None] + np.arange(run)[None, :])


def _split(chosen: IndexArray) -> tuple[IndexArray, IndexArray]:
    """Set every tenth run of frames aside for validation.

    Whole runs, because neighbouring frames show the same molecules: a frame between two training frames
    would be too easy.
    """
    run = max(1, len(chosen) // 50)
    turn = (np.arange(len(chosen)) // run) % 10
    held_out = turn == 4
    if not held_out.any():
        held_out = np.arange(len(chosen)) == len(chosen) // 2
    return chosen[~held_out], chosen[held_out]
