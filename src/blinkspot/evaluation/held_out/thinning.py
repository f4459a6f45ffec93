"""Split the photons of a movie at random into parts that do not know of each other.

**Counts that are Poisson numbers** are thinned: each photon goes to the kept part with probability p. The two
parts are independent Poisson numbers (binomial thinning; Batson & Royer 2019, ICML 97:524; Neufeld et al.
2024, Journal of Machine Learning Research 25(57)).

**All others**, of a camera with an EM register, read noise or steps of several electrons, are real numbers X
of which only mean and variance are known to be equal (:mod:`blinkspot.camera`). No split without further
knowledge makes independent parts of them: the compound Poisson law of a register has one that needs the very
mean that is sought. What can be had without it is

    kept = p X + e        held out = (1 - p) X - e        E(e | X) = 0        var(e | X) = p (1 - p) V(X)

(as in Rasines & Young 2023, Biometrika 110:597, and Leiner et al. 2023, JASA 120:135, for Gaussian variables
of known variance). The covariance of the parts is p (1 - p) (var(X) - E V(X)): none at all, at any light,
where V(X) estimates the variance without bias. V = X + q does, since the variance is the mean, and q, the
variance of rounding to whole ADU, comes on top. The parts have p and 1 - p of X's mean and of its variance,
as thinned counts do. e is a Gamma variate less its mean, with the third moment that makes the held-out part
uncorrelated with the square of the kept part, too; so what was chosen by its brightness in the kept part is,
to third order, not chosen by the held-out part. It needs the third moment of X, 1 for photons, 3/2 for a
register and 0 for read noise, in units of the mean.

Every frame has random numbers of its own, so that a frame is the same however many are read at once.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from blinkspot.camera import Camera
from blinkspot.movies.checks import check_finite
from blinkspot.movies.lazy_frames import LazyFrames
from blinkspot.movies.stack import Stack

FloatArray = NDArray[np.float32]
FloatArray64 = NDArray[np.float64]

_THIRD_MOMENT = {1.0: 1.0, 2.0: 1.5}
"""Third central moment of the counts over their mean, by excess noise factor."""
_NEARLY_SYMMETRIC = 1e-3
_SMALLEST = 1e-12


@dataclass(frozen=True)
class Thinning:
    """How a movie's photons are shared out.

    Attributes
    ----------
    movie : Stack
        As recorded, ADU.
    camera : Camera
        Its camera.
    kept_share : float
        Part p of the photons that is kept.
    seed : int
    """

    movie: Stack
    camera: Camera
    kept_share: float
    seed: int

    @cached_property
    def is_exact(self) -> bool:
        """Whether the counts are whole numbers of photons, so that the parts are independent."""
        camera = self.camera
        return (
            self.movie.dtype.kind in "iu"
            and camera.maps is None
            and camera.em_gain == 1.0
            and camera.read_noise_electrons == 0.0
            and camera.electrons_per_adu == 1.0
            and float(camera.offset_adu).is_integer()
        )

    def third_moment(self, light_share: FloatArray64) -> FloatArray64:
        """Return the third central moment of held-out counts over their mean.

        Parameters
        ----------
        light_share : ndarray of float64
            Part of the counts that is light; the rest is read noise, which is symmetric.
        """
        k, p = self._third_moment * light_share, self.kept_share
        moment: FloatArray64 = (1.0 - p) ** 2 * k + 3.0 * p * (1.0 - p) - p * (p * k + 1.0 - 3.0 * p)
        return moment

    def variance_coupling(self, light_share: FloatArray64) -> FloatArray64:
        """Return by how much the held-out counts' variance rises where a kept count is one above its mean.

        Their cumulant (kept, held out, held out) over the variance of the kept count: 0 for photons.
        """
        coupling: FloatArray64 = (1.0 - self.kept_share) * (self._third_moment * light_share - 1.0)
        return coupling

    @property
    def _third_moment(self) -> float:
        """Third central moment of the counts of light over their mean."""
        return _THIRD_MOMENT[self.camera.excess_noise_factor]

    @property
    def kept_camera(self) -> Camera:
        """The camera that would have recorded the kept part: its read noise has p times the variance."""
        return _with_read_variance(self.camera, self.kept_share)

    @property
    def kept_noise_camera(self) -> Camera:
        """The same with p times the noise of rounding, which the kept part's values do not show any more."""
        is_rounded = self.movie.dtype.kind in "iu"
        camera = self.camera.with_rounding() if is_rounded else self.camera
        return _with_read_variance(camera, self.kept_share)

    @property
    def kept(self) -> Stack:
        """The kept part as a movie in ADU of :attr:`kept_camera`, thinned when it is read."""
        return Stack(_KeptFrames(self), axes_guessed=False, metadata=self.movie.metadata)

    @property
    def rescaled(self) -> Stack:
        """The kept part over p, in ADU of the movie's own camera: as bright as the movie, and noisier."""
        return Stack(_KeptFrames(self, brighter=True), axes_guessed=False, metadata=self.movie.metadata)

    def kept_counts(self, start: int, stop: int) -> FloatArray:
        """Return the kept part of some frames, (stop - start, Y, X) counts whose variance is their mean."""
        return np.stack([self._kept(*self._frame(index)) for index in range(start, stop)])

    def held_out_counts(self, start: int, stop: int) -> FloatArray:
        """Return the held-out part, itself shared out evenly at random: (2, stop - start, Y, X) counts."""
        return np.stack([self._held_out(*self._frame(index)) for index in range(start, stop)], axis=1)

    @cached_property
    def _rounding_counts(self) -> float | FloatArray:
        """Variance of rounding to whole ADU, counts."""
        if self.movie.dtype.kind not in "iu":
            return 0.0
        step = self.camera.counts(np.ones(self._frame_shape)) - self.camera.counts(
            np.zeros(self._frame_shape)
        )
        return step**2 / np.float32(12.0)

    @property
    def _frame_shape(self) -> tuple[int, int]:
        return self.movie.height, self.movie.width

    def _frame(self, index: int) -> tuple[FloatArray, np.random.Generator]:
        """Return a frame's counts, (Y, X), and its random numbers."""
        frame = self.movie.frames(index, index + 1)
        check_finite(self.movie, (index,), frame)
        counts = self.camera.counts(frame)[0]
        return counts, np.random.default_rng((self.seed, round(1e9 * self.kept_share), index))

    def _kept(self, counts: FloatArray, random: np.random.Generator) -> FloatArray:
        if self.is_exact:
            whole = np.rint(counts).astype(np.int64).clip(0)
            return random.binomial(whole, self.kept_share).astype(np.float32)
        read_counts = self.camera.read_counts
        return split_counts(
            counts, self.kept_share, self._third_moment, random, read_counts, self._rounding_counts
        )

    def _held_out(self, counts: FloatArray, random: np.random.Generator) -> FloatArray:
        """Return the two held-out parts of a frame, (2, Y, X)."""
        held_out = counts - self._kept(counts, random)
        if self.is_exact:
            first = random.binomial(np.rint(held_out).astype(np.int64), 0.5).astype(np.float32)
            return np.stack([first, held_out - first])
        variance = np.maximum(counts + self._rounding_counts, 0.0) * np.float32(1.0 - self.kept_share)
        noise = 0.5 * np.sqrt(variance) * random.standard_normal(counts.shape, dtype=np.float32)
        return np.stack([0.5 * held_out + noise, 0.5 * held_out - noise])


def split_counts(
    counts: FloatArray,
    kept_share: float,
    third_moment: float,
    random: np.random.Generator,
    read_counts: float | FloatArray = 0.0,
    rounding_counts: float | FloatArray = 0.0,
) -> FloatArray:
    """Return a part of counts that is uncorrelated with what is left of them.

    Parameters
    ----------
    counts : ndarray of float32
        Real numbers whose variance is their mean.
    kept_share : float
        p: the part's mean and variance are p times those of the counts.
    third_moment : float
        Third central moment of the counts of light over their mean.
    random : numpy Generator
    read_counts : float or ndarray
        Part of the counts' mean that is the variance of read noise.
    rounding_counts : float or ndarray
        Variance that the counts have besides.

    Returns
    -------
    ndarray of float32
        The kept part, of the same shape; below 0 here and there.
    """
    p = kept_share
    varied = np.maximum(counts + rounding_counts, 0.0).astype(np.float64)
    variance = varied * (p * (1.0 - p))
    light_share = np.clip(1.0 - read_counts / np.maximum(varied, _SMALLEST), 0.0, 1.0)
    # A Gamma variate of scale s has the variance s^2 a and the third moment 2 s^3 a. Of the parts, the
    # cumulant (kept, kept, held out) is p (1 - p) (p third_moment light + (1 - 3 p) mean) less e's third
    # moment.
    scale = 0.5 * (1.0 - 3.0 * p + p * third_moment * light_share)
    is_symmetric = np.abs(scale) < _NEARLY_SYMMETRIC
    shape = variance / np.where(is_symmetric, 1.0, scale) ** 2
    noise = scale * (random.standard_gamma(shape) - shape)
    if is_symmetric.any():
        noise = np.where(is_symmetric, np.sqrt(variance) * random.standard_normal(counts.shape), noise)
    kept: FloatArray = (p * counts + noise).astype(np.float32)
    return kept


class _KeptFrames(LazyFrames):
    """The kept part of a movie, thinned when it is read."""

    def __init__(self, thinning: Thinning, brighter: bool = False) -> None:
        super().__init__(thinning.movie.shape, np.float32)
        self._thinning = thinning
        self._brighter = brighter

    def read(self, start: int, stop: int) -> FloatArray:
        """Thin some frames: ADU."""
        if start == stop:
            return np.empty((0, *self.shape[1:]), np.float32)
        thinning = self._thinning
        counts = thinning.kept_counts(start, stop)
        if self._brighter:
            camera = thinning.camera
            return camera.adu(camera.photoelectrons_from_counts(counts / np.float32(thinning.kept_share)))
        camera = thinning.kept_camera
        return camera.adu(camera.photoelectrons_from_counts(counts))


def _with_read_variance(camera: Camera, share: float) -> Camera:
    """Return a camera whose read noise has so many times the variance."""
    if camera.maps is None:
        read_noise = camera.read_noise_electrons * math.sqrt(share)
        return dataclasses.replace(camera, read_noise_electrons=read_noise)
    maps = camera.maps
    return dataclasses.replace(
        camera, maps=dataclasses.replace(maps, variance_adu2=maps.variance_adu2 * np.float32(share))
    )
