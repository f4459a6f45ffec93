"""Which frames a denoiser learns from."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blinkspot.denoising.context import neighbours
from blinkspot.denoising.settings import TrainingSettings
from blinkspot.errors import BlinkspotError
from blinkspot.movies.checks import check_finite
from blinkspot.movies.stack import Stack
from blinkspot.progress import Progress, Stopwatch

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
        ADU, in the file's dtype; of the region to learn from, where there is one.
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


@dataclass(frozen=True)
class FrameSignals:
    """Frames that were looked at, and which of them are to be learned from.

    Attributes
    ----------
    frames : ndarray of int, (n,)
        Their numbers in the movie, ascending.
    signal : ndarray, (n,)
        :func:`frame_signal` of each, ADU.
    is_chosen : ndarray of bool, (n,)
        Whether it has enough signal to be learned from.
    """

    frames: IndexArray
    signal: NDArray[np.float64]
    is_chosen: NDArray[np.bool_]


def check_part(movie: Stack, settings: TrainingSettings) -> None:
    """Check that the frames and the region to learn from lie in a movie.

    Raises
    ------
    BlinkspotError
        If they do not, or there are too few frames.
    """
    if movie.n_frames < _MIN_FRAMES:
        raise BlinkspotError(
            f"The movie has only {movie.n_frames} frame(s): training needs {_MIN_FRAMES} or more."
        )
    first, stop = _range_of(movie, settings)
    if stop > movie.n_frames or stop - first < _MIN_FRAMES:
        raise BlinkspotError(
            f"Frames {first} to {stop - 1} cannot be learned from: the movie has frames 0 to "
            f"{movie.n_frames - 1}, and training needs {_MIN_FRAMES} or more of them."
        )
    top, left, height, width = _region_of(movie, settings)
    if top + height > movie.height or left + width > movie.width:
        raise BlinkspotError(
            f"The region of {height} x {width} pixels from row {top}, column {left} reaches beyond the "
            f"movie's frames of {movie.height} x {movie.width} pixels: choose one within."
        )


def signals_of_frames(movie: Stack, settings: TrainingSettings) -> Generator[Progress, None, FrameSignals]:
    """Look at the frames that may be learned from, and choose those with signal.

    Candidates are all frames of the range, or at most ``settings.max_frames`` in runs spread evenly over a
    longer one. Of these, frames with less than ``settings.min_relative_signal`` of the average signal are
    left out (the paper's finding), unless too few would remain.

    Raises
    ------
    BlinkspotError
        As :func:`choose_frames`.
    """
    check_part(movie, settings)
    candidates = _spread_runs(movie, settings)
    watch = Stopwatch("choosing frames", len(candidates))
    at_once = _read_at_once(movie)
    signal = np.empty(len(candidates))
    for first in range(0, len(candidates), at_once):
        part = slice(first, first + at_once)
        signal[part] = frame_signal(_read(movie, settings, candidates[part]))
        yield watch.at(first)
    least = settings.min_relative_signal * signal.mean() if settings.min_relative_signal else -np.inf
    is_chosen = signal >= least
    if is_chosen.sum() < max(_MIN_FRAMES, len(candidates) // 10):
        is_chosen[:] = True
    return FrameSignals(candidates, signal, is_chosen)


def choose_frames(
    movie: Stack, settings: TrainingSettings, context_frames: int
) -> Generator[Progress, None, ChosenFrames]:
    """Pick frames with signal, split them 9:1, and read them with that many neighbours on each side.

    Which frames are picked: :func:`signals_of_frames`.

    Raises
    ------
    BlinkspotError
        If the movie is too short, the range or the region does not lie in it, or a frame holds values that
        are not finite.
    """
    looked_at = yield from signals_of_frames(movie, settings)
    chosen = looked_at.frames[looked_at.is_chosen]
    training, validation = _split(chosen)

    needed = np.unique(neighbours(np.sort(chosen), movie.n_frames, context_frames))
    watch = Stopwatch("reading frames", len(needed))
    at_once = _read_at_once(movie)
    _, _, height, width = _region_of(movie, settings)
    pixels = np.empty((len(needed), height, width), movie.dtype)
    for first in range(0, len(needed), at_once):
        part = slice(first, first + at_once)
        pixels[part] = _read(movie, settings, needed[part])
        yield watch.at(first)
    rows = {int(frame): row for row, frame in enumerate(needed)}
    return ChosenFrames(training, validation, pixels, rows)


def _range_of(movie: Stack, settings: TrainingSettings) -> tuple[int, int]:
    """Return the first frame that may be learned from, and the one after the last."""
    return settings.first_frame, movie.n_frames if settings.last_frame is None else settings.last_frame + 1


def _region_of(movie: Stack, settings: TrainingSettings) -> tuple[int, int, int, int]:
    return settings.region_px or (0, 0, movie.height, movie.width)


def _read_at_once(movie: Stack) -> int:
    return max(1, min(_READ_AT_ONCE, _PIXELS_AT_ONCE // (movie.height * movie.width)))


def _read(movie: Stack, settings: TrainingSettings, frames: IndexArray) -> NDArray[np.generic]:
    top, left, height, width = _region_of(movie, settings)
    pixels = movie.selected(frames)[:, top : top + height, left : left + width]
    check_finite(movie, frames, pixels)
    return pixels


def _spread_runs(movie: Stack, settings: TrainingSettings) -> IndexArray:
    """Return all frames of the range, or runs of 20 spread over it where it has more than may be used."""
    first, stop = _range_of(movie, settings)
    _, _, height, width = _region_of(movie, settings)
    frame_bytes = height * width * np.dtype(movie.dtype).itemsize
    most = min(settings.max_frames, max(_MIN_FRAMES, int(_MEMORY_BYTES / frame_bytes)))
    if stop - first <= most:
        return np.arange(first, stop)
    run = min(20, most)
    starts = np.linspace(first, stop - run, most // run).astype(np.int64)
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
