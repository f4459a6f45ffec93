"""Signal over background of a movie, by iterative threshold selection.

The threshold is the mean of the means of what lies above it and of what does not (Ridler & Calvard 1978, IEEE
Transactions on Systems, Man, and Cybernetics 8:630): begun with the mean of the picture, it is computed anew
until it stands. Signal is the mean of the pixels above it, background that of the others.

**It is a poor judge of a denoiser.** In a noisy frame the pixels above the threshold are those where the
noise was high, so noise alone has a ratio above 1, and taking it away may lower the ratio of a movie that it
made better. It rises with what is bright and says nothing of what is dim.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blinkspot.movies.stack import as_stack
from blinkspot.progress import Progress, Stopwatch

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class SignalToBackground:
    """Of a picture.

    Attributes
    ----------
    threshold : float
        In the picture's unit.
    signal, background : float
        Mean of the pixels above the threshold and of the others, without the offset. NaN where all pixels are
        equal.
    """

    threshold: float
    signal: float
    background: float

    @property
    def ratio(self) -> float:
        """Signal over background; NaN where the background is not above 0."""
        return self.signal / self.background if self.background > 0.0 else math.nan


@dataclass(frozen=True)
class MovieSignalToBackground:
    """Of the frames of a movie.

    Attributes
    ----------
    frames : int
        Frames that have a ratio.
    mean, std : float
        Of their ratios. NaN without any.
    """

    frames: int
    mean: float
    std: float


def signal_to_background(picture: ArrayLike, offset: float = 0.0) -> SignalToBackground:
    """Separate signal from background in a picture, by iterative threshold selection.

    Parameters
    ----------
    picture : array-like
        Of any shape.
    offset : float
        Value of a pixel without light, in the picture's unit: 0 for photoelectrons.

    Returns
    -------
    SignalToBackground
    """
    *_, result = _separated(np.asarray(picture, np.float64), offset)
    return result


def movie_signal_to_background(
    movie: Any, offset: float = 0.0
) -> Generator[Progress, None, MovieSignalToBackground]:
    """Compute :func:`signal_to_background` frame by frame.

    Parameters
    ----------
    movie : Stack or array-like, (T, Y, X)
    offset : float
        Value of a pixel without light.

    Returns
    -------
    MovieSignalToBackground
    """
    stack = as_stack(movie)
    clock = Stopwatch("separating signal from background", stack.n_frames)
    ratios = np.empty(stack.n_frames)
    for index in range(stack.n_frames):
        for separated in _separated(stack.frame(index).astype(np.float64), offset):
            ratios[index] = separated.ratio
            yield clock.at(index + 1)
    known = ratios[np.isfinite(ratios)]
    if not len(known):
        return MovieSignalToBackground(0, math.nan, math.nan)
    return MovieSignalToBackground(len(known), float(np.mean(known)), float(np.std(known)))


def _separated(values: FloatArray, offset: float) -> Iterator[SignalToBackground]:
    """Yield signal and background of one threshold after the other, until it stands."""
    total = float(np.sum(values))
    threshold, following = math.nan, total / values.size
    # Both means rise with the threshold, so it moves one way only and comes to an end.
    while following != threshold:
        threshold = following
        is_above = values > threshold
        above = int(np.count_nonzero(is_above))
        if above in (0, values.size):
            yield SignalToBackground(threshold, math.nan, math.nan)
            return
        light_above = float(np.sum(values[is_above]))
        signal = light_above / above
        background = (total - light_above) / (values.size - above)
        yield SignalToBackground(threshold, signal - offset, background - offset)
        following = (signal + background) / 2.0
