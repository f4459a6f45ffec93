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
to third order, not chosen by the held-out part. It needs the third moment of X, 1 for photons and 3/2 for a
register, in units of the mean.

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
from blinkspot.lazy_frames import LazyFrames
from blinkspot.movie_checks import check_finite
from blinkspot.stack import Stack

FloatArray = NDArray[np.float32]

THIRD_MOMENT = {1.0: 1.0, 2.0: 1.5}
"""Third central moment of the counts over their mean, by excess noise factor."""
_NEARLY_SYMMETRIC = 1e-3


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

    @property
    def third_moment(self) -> float:
        """Third central moment of the held-out counts over their mean."""
        k, p = self._excess_third_moment, self.kept_share
        return (1.0 - p) ** 2 * k + 3.0 * p * (1.0 - p) - p * (p * k + 1.0 - 3.0 * p)

    @property
    def variance_coupling(self) -> float:
        """By how much the held-out counts' variance rises where a kept count is one above its mean.

        Their cumulant (kept, held out, held out) over the variance of the kept count: 0 for photons.
        """
        return (1.0 - self.kept_share) * (self._excess_third_moment - 1.0)

    @property
    def _excess_third_moment(self) -> float:
        return 1.0 if self.is_exact else THIRD_MOMENT[self.camera.excess_noise_factor]

    @property
    def kept_camera(self) -> Camera:
        """The camera that would have recorded the kept part: its read noise has p times the variance."""
        return _with_read_variance(self.camera, self.kept_share)

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
        return np.stack([kept for kept, *_ in map(self._parts_of, range(start, stop))])

    def held_out_counts(self, start: int, stop: int) -> FloatArray:
        """Return the held-out part, itself shared out evenly at random: (2, stop - start, Y, X) counts."""
        return np.stack([held for _, held in map(self._parts_of, range(start, stop))], axis=1)

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

    def _parts_of(self, index: int) -> tuple[FloatArray, FloatArray]:
        """Return what is kept of a frame, (Y, X), and the two held-out parts, (2, Y, X)."""
        frame = self.movie.frames(index, index + 1)
        check_finite(self.movie, (index,), frame)
        counts = self.camera.counts(frame)[0]
        random = np.random.default_rng((self.seed, round(1e9 * self.kept_share), index))
        if self.is_exact:
            whole = np.rint(counts).astype(np.int64).clip(0)
            kept = random.binomial(whole, self.kept_share)
            first = random.binomial(whole - kept, 0.5)
            held = np.stack([first, whole - kept - first])
            return kept.astype(np.float32), held.astype(np.float32)
        kept = split_counts(counts, self.kept_share, self._excess_third_moment, random, self._rounding_counts)
        held_out = counts - kept
        spread = np.sqrt(np.maximum(counts + self._rounding_counts, 0.0) * (1.0 - self.kept_share))
        noise = 0.5 * spread * random.standard_normal(counts.shape, dtype=np.float32)
        return kept, np.stack([0.5 * held_out + noise, 0.5 * held_out - noise])


def split_counts(
    counts: FloatArray,
    kept_share: float,
    third_moment: float,
    random: np.random.Generator,
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
        Third central moment of the counts over their mean.
    random : numpy Generator
    rounding_counts : float or ndarray
        Variance that the counts have besides.

    Returns
    -------
    ndarray of float32
        The kept part, of the same shape; below 0 here and there.
    """
    p = kept_share
    variance = np.maximum(counts + rounding_counts, 0.0) * (p * (1.0 - p))
    # A Gamma variate of scale s has the variance s^2 a and the third moment 2 s^3 a. Of the parts, the
    # cumulant (kept, kept, held out) is p (1 - p) mean (p third_moment + 1 - 3 p) less e's third moment.
    scale = 0.5 * (1.0 - (3.0 - third_moment) * p)
    if abs(scale) < _NEARLY_SYMMETRIC:
        noise = np.sqrt(variance) * random.standard_normal(counts.shape)
    else:
        shape = variance / scale**2
        noise = scale * (random.standard_gamma(shape) - shape)
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
