"""Look at some frames of a movie before all of them are localized."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from blinkspot.localization.detection import find_in_frames, wavelet_filter
from blinkspot.localization.frame import FrameLocalizer, FramePixels
from blinkspot.localization.psf import ENOUGH_MOLECULES, PsfWidth, population_width
from blinkspot.progress import Progress, Stopwatch

FloatArray = NDArray[np.float64]

# Whatever threshold the user has chosen: the widths do not depend on it then.
THRESHOLD = 1.0
_MOST_FRAMES, _FRAMES_AT_ONCE = 60, 8
_PIXELS_READ_AT_ONCE = 2**20


@dataclass(frozen=True)
class MovieFrames:
    """Where frames come from: how many, their shape, and a function that reads one, raw and denoised.

    Attributes
    ----------
    n : int
    shape : (int, int)
        Height and width, pixels.
    read : callable
        Takes a frame's number.
    """

    n: int
    shape: tuple[int, int]
    read: Callable[[int], tuple[NDArray[Any], NDArray[Any] | None]]


@dataclass
class MovieSample:
    """What was seen in some frames; grows by :func:`sample_frames`.

    Attributes
    ----------
    sigma_px, variance_px2 : list of ndarray of float64
        Free fits of the isolated molecules of each frame.
    background : list of float
        Median smoothed pixel of each frame, counts, where molecules are accepted by it.
    """

    sigma_px: list[FloatArray] = field(default_factory=list)
    variance_px2: list[FloatArray] = field(default_factory=list)
    background: list[float] = field(default_factory=list)

    @property
    def is_enough(self) -> bool:
        """Whether there are isolated molecules enough."""
        return sum(map(len, self.sigma_px)) >= ENOUGH_MOLECULES

    def width(self) -> PsfWidth:
        """Return the width of the movie's molecules."""
        return population_width(np.concatenate(self.sigma_px), np.concatenate(self.variance_px2))

    def background_counts(self) -> float:
        """Return the movie's median background, counts (read noise included)."""
        return max(float(np.median(self.background)), 0.0)


def sample_frames(sample: MovieSample, localizer: FrameLocalizer, pixels: FramePixels) -> None:
    """Add frames to a sample, one after another until it is enough."""
    free = replace(localizer, settings=replace(localizer.settings, widths="free", astigmatism=None))
    frames, candidates = find_in_frames(pixels.guide, THRESHOLD)
    fits = free.fit(pixels, frames, candidates)
    sigma_px = fits.sigma
    limits = np.searchsorted(frames[fits.candidate], np.arange(len(pixels.guide) + 1))
    for fitted, first, last in zip(pixels.fitted, limits[:-1], limits[1:], strict=True):
        alone = first + np.flatnonzero(
            isolated(fits.x[first:last], fits.y[first:last], localizer.settings.fit_window_px)
        )
        sample.sigma_px.append(sigma_px[alone])
        sample.variance_px2.append(fits.variance_sigma_x[alone])
        if localizer.settings.false_per_frame is not None:
            _, smooth, _ = wavelet_filter(fitted)
            sample.background.append(float(np.median(smooth)))
        if sample.is_enough:
            return


def sampled(localizer: FrameLocalizer, frames: MovieFrames) -> Generator[Progress, None, MovieSample]:
    """Look at frames that are spread over the movie, in an order that ends early where they suffice.

    Parameters
    ----------
    localizer : FrameLocalizer
    frames : MovieFrames

    Yields
    ------
    Progress
        In frames.
    """
    n = min(_MOST_FRAMES, frames.n)
    indices = np.linspace(0, frames.n - 1, n).round().astype(int)
    # Every fourth, then those between: the first ones already stand for the whole movie.
    order = np.concatenate([indices[start::4] for start in range(4)])
    clock = Stopwatch("learning the width of the molecules", n)
    sample = MovieSample()
    at_once = min(_FRAMES_AT_ONCE, max(1, _PIXELS_READ_AT_ONCE // (frames.shape[0] * frames.shape[1])))
    for done in range(0, n, at_once):
        yield clock.at(done)
        some = order[done : done + at_once].tolist()
        raw, denoised = zip(*map(frames.read, some), strict=True)
        guide = None if denoised[0] is None else np.stack(denoised)
        sample_frames(sample, localizer, localizer.pixels(some, np.stack(raw), guide))
        if sample.is_enough:
            break
    return sample


def isolated(x_px: FloatArray, y_px: FloatArray, distance_px: float) -> NDArray[np.bool_]:
    """Tell which molecules of a frame have no other one within a distance; shape (n,)."""
    positions = np.column_stack((x_px, y_px))
    if len(positions) < 2:
        return np.ones(len(positions), dtype=np.bool_)
    nearest, _ = cKDTree(positions).query(positions, k=2)
    alone: NDArray[np.bool_] = nearest[:, 1] > distance_px
    return alone
