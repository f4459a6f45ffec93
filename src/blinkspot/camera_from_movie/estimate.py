"""What a movie says of its camera, by the mean-variance line of its background.

The variance of a pixel is ``adu_per_count * (mean - offset)``: shot noise, with the gain and its excess in
the slope. Constant noise (read-out, rounding) moves the point where the line meets zero below the true
offset, by its variance over the slope; with that point as offset and no read noise, variance equals mean
all the same (see :mod:`blinkspot.camera`).

A movie cannot tell an EM gain from a conversion factor: only their ratio, with the excess, is in the noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blinkspot.camera import Camera
from blinkspot.camera_from_movie.background_noise import BlockNoise, measure_background
from blinkspot.camera_from_movie.noise_points import NoisePoints, noise_points
from blinkspot.errors import BlinkspotError
from blinkspot.movies.checks import check_movie
from blinkspot.movies.stack import Stack, as_stack

Array = NDArray[np.float64]

# A slope known no better than this is of no use, and a sign that the background is too even.
LARGEST_RELATIVE_ERROR = 0.1
_FEWEST_BLOCKS = 8
_RESAMPLES = 400
# Measured over predicted variance of the background's noise; with the right camera it is within 10 % of 1.
_TRUSTED_NOISE_RATIO = (0.75, 1.35)


@dataclass(frozen=True)
class CameraEstimate:
    """What the background's noise tells of the camera.

    Attributes
    ----------
    level_adu : float
        Mean level of the background, ADU.
    noise_adu : float
        Standard deviation of the noise there, ADU.
    adu_per_count : float or None
        Slope of variance over mean, ADU: em_gain * excess noise factor / electrons_per_adu. None where it
        cannot be told.
    adu_per_count_error : float or None
        Its standard error, ADU; 0 where it was given.
    offset_adu : float or None
        Level at which the noise would vanish, ADU; or the offset that was given.
        None where it cannot be told.
    offset_error_adu : float or None
        Its standard error, ADU; 0 where it was given.
    reason : str
        Why slope or offset cannot be told, a clause; empty where they can.
    points : NoisePoints or None
        What was measured, to be drawn with the line.
    """

    level_adu: float
    noise_adu: float
    adu_per_count: float | None = None
    adu_per_count_error: float | None = None
    offset_adu: float | None = None
    offset_error_adu: float | None = None
    reason: str = ""
    points: NoisePoints | None = field(default=None, compare=False, repr=False)

    @property
    def identifiable(self) -> bool:
        """Whether slope and offset could be told."""
        return self.adu_per_count is not None

    @property
    def description(self) -> str:
        """The estimate in one line."""
        background = f"background {self.level_adu:.4g} ADU with noise {self.noise_adu:.3g} ADU"
        if self.adu_per_count is None:
            return f"{background}; {self.reason}"
        offset = f"offset {self.offset_adu:.5g}"
        if self.offset_error_adu:
            offset += f" ± {self.offset_error_adu:.2g}"
        slope = f"{self.adu_per_count:.4g}"
        if self.adu_per_count_error:
            slope += f" ± {self.adu_per_count_error:.2g}"
        return f"{slope} ADU per count, {offset} ADU; {background}"

    def contradicts(self, offset_adu: float) -> bool:
        """Whether an offset is so far from this one that the light of the background is wrong by a tenth."""
        if self.offset_adu is None or self.offset_error_adu is None:
            return False
        light = max(self.level_adu - self.offset_adu, 0.0)
        return abs(offset_adu - self.offset_adu) > max(5.0 * self.offset_error_adu, 0.1 * light)

    def camera(
        self,
        em_gain: float = 1.0,
        pixel_size_nm: float = 100.0,
        read_noise_electrons: float = 0.0,
        electrons_per_adu: float | None = None,
    ) -> Camera:
        """Return the camera that gives this noise.

        Constant noise moves an estimated offset (see the module): what is known of it, as read noise, is
        taken out of the offset again, and the rest stays. Beside an offset that was given, the light has
        less of the noise, and so another conversion.

        Parameters
        ----------
        em_gain : float
            Gain of the EM register, 1 without one: the movie does not tell it.
        pixel_size_nm : float
            Size of a pixel, nm: neither does it tell that.
        read_noise_electrons : float
            Standard deviation of the read noise, electrons after multiplication; 0 where it is not known.
        electrons_per_adu : float, optional
            Conversion, where it is known.

        Raises
        ------
        BlinkspotError
            If slope and offset could not be told.
        """
        if self.adu_per_count is None or self.offset_adu is None:
            raise BlinkspotError(
                f"The movie does not tell its camera: {self.reason}; give the offset and electrons per ADU."
            )
        gain_and_excess = em_gain * Camera(em_gain=em_gain).excess_noise_factor
        offset_adu, conversion = self.offset_adu, gain_and_excess / self.adu_per_count
        if read_noise_electrons and not self.offset_error_adu:
            # The variance is gain_and_excess / e * light + (read noise / e)^2, of which e is sought.
            light_adu = self.level_adu - offset_adu
            beside = 4.0 * self.adu_per_count * read_noise_electrons**2 / light_adu
            conversion = (gain_and_excess + math.sqrt(gain_and_excess**2 + beside)) / (
                2.0 * self.adu_per_count
            )
        conversion = conversion if electrons_per_adu is None else electrons_per_adu
        if self.offset_error_adu:
            offset_adu += (read_noise_electrons / conversion) ** 2 / self.adu_per_count
        return Camera(
            pixel_size_nm=pixel_size_nm,
            offset_adu=offset_adu,
            electrons_per_adu=conversion,
            em_gain=em_gain,
            read_noise_electrons=read_noise_electrons,
        )


def estimate_camera(stack: Stack | Any) -> CameraEstimate:
    """Estimate slope and offset of the camera from a movie alone, by up to 100 of its frames.

    The line is fitted over blocks of pixels. Its slope is the covariance of the level in one half of the
    frames with the variance in the other, over the covariance of the levels of both: noise, which is
    independent between the halves, then neither flattens the line nor, being skewed, steepens it (the
    method of instrumental variables; Reiersol 1941, Econometrica 9:1). Standard errors are from a bootstrap
    over blocks.

    Parameters
    ----------
    stack : Stack or array
        The movie.

    Raises
    ------
    BlinkspotError
        If the movie does not pass :func:`~blinkspot.movies.checks.check_movie`.
    """
    stack = as_stack(stack)
    check_movie(stack)
    background = measure_background(stack)
    usable = _usable_blocks(background)
    if usable is None:
        return _undecided(
            background, "the movie is too short or its frames are too small to separate slope from offset"
        )
    sums = _sums_by_block(usable)
    slope, offset = _line(sums.sum(axis=1))
    with np.errstate(divide="ignore", invalid="ignore"):
        slopes, offsets = _line(_resampled(sums))
    slope_error, offset_error = float(np.std(slopes)), float(np.std(offsets))
    # Written so that an undefined error counts as too large.
    if not (slope > 0 and slope_error <= LARGEST_RELATIVE_ERROR * slope):
        return _undecided(background, "the background is too even to separate slope from offset")
    return CameraEstimate(
        background.mean_level,
        math.sqrt(background.mean_variance),
        float(slope),
        slope_error,
        float(offset),
        offset_error,
        points=noise_points(background),
    )


def estimate_slope(stack: Stack, offset_adu: float) -> CameraEstimate:
    """Estimate the slope where the offset is known: the variance of the background over its level.

    Read noise is taken for shot noise here: the slope comes out larger by its variance over the level.

    Parameters
    ----------
    stack : Stack
        The movie.
    offset_adu : float
        Mean of a pixel without light, ADU.

    Raises
    ------
    BlinkspotError
        If the movie does not pass :func:`~blinkspot.movies.checks.check_movie`.
    """
    check_movie(stack)
    background = measure_background(stack)
    weights = background.count
    sums = np.stack(
        [
            (weights * (background.level - offset_adu)).sum(axis=0),
            (weights * background.variance).sum(axis=0),
        ]
    )
    signal, variance = sums.sum(axis=1)
    if signal <= 0 or variance <= 0:
        return _undecided(background, f"the background does not rise above the offset of {offset_adu:g} ADU")
    signals, variances = _resampled(sums)
    slope = float(variance / signal)
    slope_error = float(np.std(variances / signals))
    if not slope_error <= LARGEST_RELATIVE_ERROR * slope:
        return _undecided(
            background, f"the background is too near to the offset of {offset_adu:g} ADU to tell the slope"
        )
    return CameraEstimate(
        background.mean_level,
        math.sqrt(background.mean_variance),
        slope,
        slope_error,
        offset_adu,
        0.0,
        points=noise_points(background),
    )


def estimate_offset(stack: Stack, camera: Camera) -> CameraEstimate:
    """Estimate the offset where conversion and read noise are known: there the noise is what it should be.

    For a camera with maps this is their mean offset; all pixels are supposed to have moved alike
    (:meth:`blinkspot.camera.maps.CameraMaps.moved_to`).

    Parameters
    ----------
    stack : Stack
        The movie.
    camera : Camera
        Its camera, of which the offset is not used, or only its pattern.

    Raises
    ------
    BlinkspotError
        If the movie does not pass :func:`~blinkspot.movies.checks.check_movie`, or the camera's maps are of
        another size.
    """
    check_movie(stack)
    background = measure_background(stack)
    in_counts = measure_background(stack, camera)
    sums = np.stack(
        [
            in_counts.count.sum(axis=0),
            (in_counts.count * (in_counts.level - in_counts.variance)).sum(axis=0),
        ]
    )
    weight, excess = sums.sum(axis=1)
    weights, excesses = _resampled(sums)
    adu_per_count = camera.excess_noise_factor / camera.photoelectrons_per_adu
    return CameraEstimate(
        background.mean_level,
        math.sqrt(background.mean_variance),
        adu_per_count,
        0.0,
        camera.offset_adu + float(excess / weight) * adu_per_count,
        float(np.std(excesses / weights)) * adu_per_count,
        points=noise_points(background),
    )


def noise_ratio(stack: Stack, camera: Camera) -> float:
    """Measure the variance of the background's noise over what the camera predicts, in counts.

    1 when the camera is right; above when there is more noise than it says. Infinite where the camera says
    that the background holds no light.

    Raises
    ------
    BlinkspotError
        If the movie does not pass :func:`~blinkspot.movies.checks.check_movie`, or the camera's maps are of
        another size.
    """
    check_movie(stack)
    if camera.maps is not None:
        in_counts = measure_background(stack, camera)
        return in_counts.mean_variance / in_counts.mean_level if in_counts.mean_level > 0 else math.inf
    background = measure_background(stack)
    counts_per_adu = camera.photoelectrons_per_adu / camera.excess_noise_factor
    predicted = float(camera.counts(background.mean_level))
    return background.mean_variance * counts_per_adu**2 / predicted if predicted > 0 else math.inf


def _undecided(background: BlockNoise, reason: str) -> CameraEstimate:
    return CameraEstimate(
        background.mean_level,
        math.sqrt(background.mean_variance),
        reason=reason,
        points=noise_points(background),
    )


def _usable_blocks(background: BlockNoise) -> BlockNoise | None:
    """Return the blocks that both halves have measured, or None where they are too few."""
    measured = (background.count > 0).all(axis=0)
    if np.count_nonzero(measured) < _FEWEST_BLOCKS:
        return None
    return BlockNoise(
        background.count[:, measured], background.level[:, measured], background.variance[:, measured]
    )


def _sums_by_block(background: BlockNoise) -> Array:
    """Return what :func:`_line` needs, per block: (6, B)."""
    weight = background.count.prod(axis=0) / background.count.sum(axis=0)
    level_a, level_b = background.level
    variance_a, variance_b = background.variance
    return np.stack(
        [
            weight,
            weight * level_a,
            weight * level_b,
            weight * (variance_a + variance_b) / 2.0,
            weight * level_a * level_b,
            weight * (level_a * variance_b + level_b * variance_a) / 2.0,
        ]
    )


def _line(sums: Array) -> tuple[Array, Array]:
    """Return slope and zero crossing of the line by sums (6, ...) over blocks."""
    weight = sums[0]
    level_a, level_b, variance, level_level, level_variance = sums[1:] / weight
    level = (level_a + level_b) / 2.0
    slope = (level_variance - level * variance) / (level_level - level_a * level_b)
    return slope, level - variance / slope


def _resampled(sums: Array) -> Array:
    """Return sums (K, R) over blocks drawn anew from sums per block (K, B): the bootstrap."""
    n_blocks = sums.shape[1]
    draws = np.random.default_rng(0).multinomial(n_blocks, np.full(n_blocks, 1.0 / n_blocks), _RESAMPLES)
    return np.asarray(sums @ draws.T)


def noise_fits(ratio: float) -> bool:
    """Whether the background's noise is what the camera predicts, by what :func:`noise_ratio` measured."""
    return _TRUSTED_NOISE_RATIO[0] <= ratio <= _TRUSTED_NOISE_RATIO[1]


def noise_contradiction(stack: Stack, camera: Camera) -> str | None:
    """Say how a movie's noise contradicts the camera, so that tests of its counts go wrong; None: not at all.

    Raises
    ------
    BlinkspotError
        As :func:`noise_ratio`.
    """
    ratio = noise_ratio(stack, camera)
    if not math.isfinite(ratio) or noise_fits(ratio):
        return None
    return (
        f"the movie's noise has {ratio:.2g} times the variance that the camera predicts, so there will be "
        "another number of false molecules: check offset, electrons per ADU and EM gain."
    )
