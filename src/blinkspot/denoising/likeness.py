"""Whether a movie is like the one that a model has learned, by how well the model foretells it.

From its neighbours alone, a model foretells each pixel's count z by a mean m and a variance v. Of a movie
like its own the squares (z - m)^2 / v have the mean 1, z sums up to what m does, and z rises by 1 where m
rises by 1. None of that needs a truth.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from blinkspot.denoising.frame_stream import checked_range
from blinkspot.movies.lazy_frames import LazyFrames
from blinkspot.movies.stack import Stack, as_stack
from blinkspot.progress import Progress, Stopwatch
from blinkspot.progress_parts import as_part

if TYPE_CHECKING:
    from blinkspot.denoising.denoiser import Denoiser

Measured = tuple[float, float]

# Few enough that nobody waits for them.
_PIXELS = 400_000
_MOST_FRAMES = 6
_SIDE_PX = 632
_VARIANCE, _LIGHT, _SLOPE = 0.05, 0.03, 0.1
_SURE = 4.0
_ROUNDING = 1e-12
# Where less is expected the squares are nearly always near 0, and seldom enormous.
_FEWEST_COUNTS = 0.1
# A cosmic ray hits a few pixels, whose squares would outweigh all others.
_STRUCK = 1e-4
_ERROR_OF_MEDIAN = 1.25  # over that of a mean, of normal values: sqrt(pi / 2)


@dataclass(frozen=True)
class Likeness:
    """How well a model foretells some frames of a movie; each value is 1 of a movie like its own.

    Attributes
    ----------
    light : (float, float)
        Sum of z over sum of m, with its standard error.
    slope : (float, float) or None
        By how much z rises where m rises by 1, with its standard error; None where m is the same everywhere.
    variance : (float, float) or None
        Mean of (z - m)^2 / v where there is light, with its standard error; None where there is none, or of
        a model that knows no variance. Over the same of the model's own movie where that was less, for a
        camera that makes the noise smaller than it says does so of each movie.
    """

    light: Measured
    slope: Measured | None
    variance: Measured | None

    @property
    def warning(self) -> str | None:
        """What tells that the model has not learned such a movie, in one sentence; None if nothing does."""
        found = []
        if _is_off(self.light, _LIGHT):
            found.append(f"the movie has {self.light[0]:.3g} times the light that it foretells")
        if self.slope is not None and _is_off(self.slope, _SLOPE):
            found.append(f"where it foretells 1 photoelectron more, there are {self.slope[0]:.2g} more")
        if self.variance is not None and _is_off(self.variance, _VARIANCE):
            found.append(f"what it leaves over has {self.variance[0]:.3g} times the variance that it expects")
        if not found:
            return None
        return (
            f"The model has not learned a movie like this one ({'; '.join(found)}), so that spots and their "
            "photons may come out wrong: check the camera, and train a model on this movie until its loss "
            "has settled, or let this one go on learning on it."
        )


def _is_off(measured: Measured, limit: float) -> bool:
    value, error = measured
    return abs(value - 1.0) > max(limit, _SURE * error)


def likeness_of(
    denoiser: Denoiser, movie: Stack | Any, start: int = 0, stop: int | None = None
) -> Generator[Progress, None, Likeness]:
    """Look at how well a model foretells a few frames of a movie, spread evenly over a range.

    Of large frames the middle is looked at. The values are medians over the frames, so that one that is
    unlike all others, as the first after the laser was switched on, does not count.

    Parameters
    ----------
    denoiser : Denoiser
        The model.
    movie : Stack or array
        Movie in ADU of the model's camera.
    start, stop : int
        First frame of the range, and the one after the last; the whole movie by default.

    Returns
    -------
    Likeness

    Raises
    ------
    BlinkspotError
        If there is no such frame, or the movie is too short for the model's context.
    """
    movie = as_stack(movie)
    start, stop = checked_range(movie, start, stop)
    middle = _Middle(movie)
    n_frames = min(_MOST_FRAMES, stop - start, max(1, _PIXELS // (middle.height * middle.width)))
    # Of its own, for its camera is that of the middle.
    looking = denoiser.for_camera(
        denoiser.camera.window(middle.top, middle.left, middle.height, middle.width)
    )
    clock = Stopwatch("looking whether the model knows such a movie", n_frames)
    seen = []
    for number in range(n_frames):
        index = start + (2 * number + 1) * (stop - start) // (2 * n_frames)
        frame = yield from as_part(_foretold(looking, Stack(middle), index), clock, number, 1.0)
        seen.append(frame)
    slopes = [each.slope for each in seen if each.slope is not None]
    variances = [each.variance for each in seen if each.variance is not None and denoiser.knows_variance]
    own = float(denoiser.provenance.get("noise_ratio", 1.0))
    return Likeness(
        light=_median(*(each.light for each in seen)),
        slope=_median(*slopes) if slopes else None,
        variance=_median(*variances, over=own if own < 1.0 - _VARIANCE else 1.0) if variances else None,
    )


class _Middle(LazyFrames):
    """The middle of a movie's frames."""

    def __init__(self, movie: Stack) -> None:
        self._movie = movie
        self.height, self.width = min(movie.height, _SIDE_PX), min(movie.width, _SIDE_PX)
        self.top, self.left = (movie.height - self.height) // 2, (movie.width - self.width) // 2
        super().__init__((movie.n_frames, self.height, self.width), movie.data.dtype)

    def read(self, start: int, stop: int) -> NDArray[np.generic]:
        """Return frames (n, Y, X)."""
        rows, columns = slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)
        return self._movie.frames(start, stop)[:, rows, columns]


def _foretold(denoiser: Denoiser, movie: Stack, index: int) -> Generator[Progress, None, Likeness]:
    """Return how well one frame is foretold."""
    for chunk in denoiser.predict(movie, index, index + 1):
        yield chunk.progress
        if len(chunk.mean):
            mean, variance = chunk.mean[0].astype(np.float64), chunk.variance[0].astype(np.float64)
    z = denoiser.noise_camera.counts(movie.frames(index, index + 1))[0].astype(np.float64)
    light = float(z.sum() / mean.sum()), float(np.sqrt(variance.sum()) / mean.sum())
    squares = (z - mean) ** 2 / variance
    kept = (mean >= _FEWEST_COUNTS) & (squares <= np.quantile(squares, 1.0 - _STRUCK))
    z, mean, variance, squares = (each[kept] for each in (z, mean, variance, squares))
    if not z.size:
        return Likeness(light, None, None)
    # A few skewed counts seem to scatter less than they do; no law has less of it than a Poisson law.
    scatter = max(float(squares.std()), float(np.sqrt(2.0 + (1.0 / variance).mean())))
    left_over = float(squares.mean()), float(scatter / np.sqrt(squares.size))
    off = mean - np.average(mean, weights=1.0 / variance)
    spread = (off**2 / variance).sum()
    if spread <= _ROUNDING * (mean**2 / variance).sum():
        return Likeness(light, None, left_over)
    # Of counts that scatter more than the model expects, the slope does so, too.
    error = np.sqrt(max(1.0, left_over[0]) / spread)
    return Likeness(light, (float((off * z / variance).sum() / spread), float(error)), left_over)


def _median(*measured: Measured, over: float = 1.0) -> Measured:
    values, errors = np.array(measured).T / over
    error = errors.mean() / np.sqrt(len(errors)) * (_ERROR_OF_MEDIAN if len(errors) > 2 else 1.0)
    return float(np.median(values)), float(error)
