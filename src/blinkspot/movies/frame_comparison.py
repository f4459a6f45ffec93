"""A noisy movie and its denoised version, compared pixel by pixel in the frames that are looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blinkspot.camera import Camera, FloatArray
from blinkspot.errors import BlinkspotError
from blinkspot.movies.lazy_frames import LazyFrames
from blinkspot.movies.stack import Stack

# A denoised pixel below has no variance to divide by.
_LEAST_COUNTS = 0.1
_SEEN = 0.998


def standardised(counts: NDArray[Any], mean: FloatArray, variance: FloatArray) -> FloatArray:
    """Return how many standard deviations counts lie above what was expected (float32)."""
    residual: FloatArray = ((counts - mean) / np.sqrt(variance)).astype(np.float32)
    return residual


def residual_to_denoised(counts: FloatArray, light: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Compare counts with denoised ones, whose noise has the variance that they have themselves.

    Parameters
    ----------
    counts, light : ndarray of float32
        Noisy and denoised, as :meth:`blinkspot.camera.Camera.counts` has them.

    Returns
    -------
    residual : ndarray of float32
        In standard deviations. Smaller than it should be, by the share that the pixel itself has in what
        stands there denoised (see :mod:`blinkspot.evaluation.residuals`).
    variance : ndarray of float32
        Counts squared.
    """
    variance = np.maximum(light, np.float32(_LEAST_COUNTS))
    return standardised(counts, light, variance), variance


def symmetric_limit(frame: NDArray[Any]) -> float:
    """Return how far from 0 all but the most extreme 0.2 % of the pixels lie at most; never 0."""
    sizes = np.abs(frame[np.isfinite(frame)])
    limit = float(np.quantile(sizes, _SEEN)) if sizes.size else 0.0
    return limit if limit > 0.0 else 1.0


@dataclass(frozen=True)
class FramePairs:
    """Frames of a movie, noisy and denoised.

    Attributes
    ----------
    noisy, denoised : Stack
        Both in ADU; of the denoised movie each frame counts.
    first : int
        Which frame of the noisy movie the first denoised one is.

    Raises
    ------
    BlinkspotError
        If the frames are not of one size, or there are denoised ones that the noisy movie does not have.
    """

    noisy: Stack
    denoised: Stack
    first: int = 0

    def __post_init__(self) -> None:
        sizes = [f"{movie.height} x {movie.width}" for movie in (self.noisy, self.denoised)]
        if sizes[0] != sizes[1]:
            raise BlinkspotError(
                f"The noisy frames have {sizes[0]} pixels and the denoised ones {sizes[1]}: choose the "
                "denoised version of the same movie."
            )
        stop = self.first + self.denoised.n_frames
        if not 0 <= self.first <= stop <= self.noisy.n_frames:
            raise BlinkspotError(
                f"The denoised frames are those from {self.first} to {stop - 1} of the noisy movie, which "
                f"has {self.noisy.n_frames}: choose the denoised version of the same movie."
            )

    def read(self, start: int, stop: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Read some frames, noisy and denoised, counting from the first denoised one: (n, Y, X) each."""
        noisy = self.noisy.frames(self.first + start, self.first + stop)
        return noisy, self.denoised.frames(start, stop)


class DifferenceFrames(LazyFrames):
    """Denoised minus noisy, ADU, float32; computed when asked for."""

    def __init__(self, pairs: FramePairs) -> None:
        super().__init__(pairs.denoised.shape, np.float32)
        self._pairs = pairs

    def read(self, start: int, stop: int) -> FloatArray:
        """Compute some frames (n, Y, X)."""
        noisy, denoised = self._pairs.read(start, stop)
        # Integers of 32 bits are not exact in float32.
        difference: FloatArray = (denoised - noisy.astype(np.float64)).astype(np.float32)
        return difference


class DenoisedResidualFrames(LazyFrames):
    """What is left of each pixel beside the denoised one, in standard deviations; computed when asked for."""

    def __init__(self, pairs: FramePairs, camera: Camera) -> None:
        super().__init__(pairs.denoised.shape, np.float32)
        self._pairs, self._camera = pairs, camera

    def read(self, start: int, stop: int) -> FloatArray:
        """Compute some frames (n, Y, X)."""
        counts, light = (self._camera.counts(frames) for frames in self._pairs.read(start, stop))
        return residual_to_denoised(counts, light)[0]
