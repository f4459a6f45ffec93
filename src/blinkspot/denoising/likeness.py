"""Whether a movie is like the one that a model has learned, by how well the model foretells it.

From its neighbours alone, a model foretells each pixel's count z by a mean m and a variance v. Of a movie
like its own the squares (z - m)^2 / v have the mean 1, z sums up to what m does, and z rises by 1 where m
rises by 1. None of that needs a truth.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from blinkspot.denoising.frame_stream import checked_range
from blinkspot.movies.stack import Stack
from blinkspot.progress import Progress, Stopwatch
from blinkspot.progress_parts import as_part

if TYPE_CHECKING:
    from blinkspot.denoising.denoiser import Denoiser

# Few enough that nobody waits for them.
_PIXELS = 400_000
_MOST_FRAMES = 6
_VARIANCE, _LIGHT, _SLOPE = 0.05, 0.03, 0.1
_SURE = 4.0
_ROUNDING = 1e-12
# Where less is expected the squares are nearly always near 0, and seldom enormous.
_FEWEST_COUNTS = 0.1


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
        a model that knows no variance.
    """

    light: tuple[float, float]
    slope: tuple[float, float] | None
    variance: tuple[float, float] | None

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
            "photons may come out wrong: train a model on this movie, or let this one go on learning on it."
        )


def _is_off(measured: tuple[float, float], limit: float) -> bool:
    value, error = measured
    return abs(value - 1.0) > max(limit, _SURE * error)


def likeness_of(
    denoiser: Denoiser, movie: Stack, start: int = 0, stop: int | None = None
) -> Generator[Progress, None, Likeness]:
    """Look at how well a model foretells a few frames of a movie, spread evenly over a range.

    Parameters
    ----------
    denoiser : Denoiser
        The model.
    movie : Stack
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
    start, stop = checked_range(movie, start, stop)
    n_frames = min(_MOST_FRAMES, stop - start, max(1, _PIXELS // (movie.height * movie.width)))
    clock = Stopwatch("looking whether the model knows such a movie", n_frames)
    seen = []
    for number, index in enumerate(np.linspace(start, stop - 1, n_frames).round().astype(int)):
        frame = yield from as_part(_foretold(denoiser, movie, int(index)), clock, number, 1.0)
        seen.append(frame)
    z, mean, variance = np.stack(seen, axis=1)
    light = float(z.sum() / mean.sum()), float(np.sqrt(variance.sum()) / mean.sum())
    squares = (z - mean) ** 2 / variance
    off = mean - np.average(mean, weights=1.0 / variance)
    spread = (off**2 / variance).sum()
    slope = None
    if spread > _ROUNDING * (mean**2 / variance).sum():
        # Of counts that scatter more than the model expects, the slope does so, too.
        error = np.sqrt(max(1.0, squares.mean()) / spread)
        slope = float((off * z / variance).sum() / spread), float(error)
    lit = mean >= _FEWEST_COUNTS
    if not denoiser.knows_variance or not lit.any():
        return Likeness(light, slope, None)
    # A few skewed counts seem to scatter less than they do; no law has less of it than a Poisson law.
    scatter = max(float(squares[lit].std()), float(np.sqrt(2.0 + (1.0 / variance[lit]).mean())))
    return Likeness(light, slope, (float(squares[lit].mean()), scatter / np.sqrt(np.count_nonzero(lit))))


def _foretold(denoiser: Denoiser, movie: Stack, index: int) -> Generator[Progress, None, NDArray[np.float64]]:
    """Return a frame's counts z, and what they are foretold as: means m and variances v; (3, Y, X)."""
    for chunk in denoiser.predict(movie, index, index + 1):
        yield chunk.progress
        if len(chunk.mean):
            mean, variance = chunk.mean[0], chunk.variance[0]
    counts = denoiser.camera.counts(movie.frames(index, index + 1))[0]
    return np.stack([counts, mean, variance]).astype(np.float64)
