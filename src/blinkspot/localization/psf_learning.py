"""Look at some frames of a movie before all of them are localized."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from blinkspot.localization.detection import find_in_frames, wavelet_filter
from blinkspot.localization.frame import FrameLocalizer, FramePixels
from blinkspot.localization.psf import ENOUGH_MOLECULES, PsfWidth, population_width

FloatArray = NDArray[np.float64]

# Whatever threshold the user has chosen: the widths do not depend on it then.
THRESHOLD = 1.0


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


def isolated(x_px: FloatArray, y_px: FloatArray, distance_px: float) -> NDArray[np.bool_]:
    """Tell which molecules of a frame have no other one within a distance; shape (n,)."""
    positions = np.column_stack((x_px, y_px))
    if len(positions) < 2:
        return np.ones(len(positions), dtype=np.bool_)
    nearest, _ = cKDTree(positions).query(positions, k=2)
    alone: NDArray[np.bool_] = nearest[:, 1] > distance_px
    return alone
