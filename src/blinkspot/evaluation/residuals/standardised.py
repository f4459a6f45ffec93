"""What a denoiser leaves of each pixel, in units of its standard deviation; and the same of white noise.

With a model, a pixel's count z is compared with what is known of it from the other pixels alone, a Gamma law
of its rate with the mean m and the shape alpha. The count's law is then negative binomial, of the variance
m + m^2 / alpha, and (z - m) / sqrt(m + m^2 / alpha) has the variance 1 if the model is right.

With a denoised movie alone, z is compared with what stands there, d, and the variance is the noise's, d. In d
the pixel itself has a share w: the residual is drawn together. For a posterior mean it is (1 - w) (z - m),
whose variance is (1 - w) d, as m + m^2 / alpha = m / (1 - w) (see :mod:`blinkspot.denoising.noise`). Where
neighbours tell nearly all, w is small.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from blinkspot.camera import Camera
from blinkspot.errors import BlinkspotError
from blinkspot.movies.checks import check_finite
from blinkspot.movies.frame_comparison import residual_to_denoised, standardised
from blinkspot.movies.stack import Stack
from blinkspot.progress import Progress, Stopwatch

if TYPE_CHECKING:  # importing it takes seconds
    from blinkspot.denoising import Denoiser

Float32Array = NDArray[np.float32]

_PIXELS_AT_ONCE = 2**18
# No camera gives more, and random numbers end somewhere, too.
_MOST_COUNTS = 1e9


@dataclass(frozen=True)
class ResidualFrames:
    """Some consecutive frames, and what was expected of them.

    Attributes
    ----------
    start : int
        Number of the first.
    residual : ndarray of float32, shape (n, Y, X)
        In standard deviations.
    mean, variance : ndarray of float32, shape (n, Y, X)
        Of the counts, as expected.
    progress : Progress
    """

    start: int
    residual: Float32Array
    mean: Float32Array
    variance: Float32Array
    progress: Progress


def by_model(noisy: Stack, denoiser: Denoiser) -> Generator[ResidualFrames, None, None]:
    """Compare each count with what the model says of it from the other pixels."""
    for chunk in denoiser.predict(noisy):
        counts = denoiser.noise_camera.counts(noisy.frames(chunk.start, chunk.start + len(chunk.mean)))
        residual = standardised(counts, chunk.mean, chunk.variance)
        yield ResidualFrames(chunk.start, residual, chunk.mean, chunk.variance, chunk.progress)


def by_denoised(noisy: Stack, denoised: Stack, camera: Camera) -> Generator[ResidualFrames, None, None]:
    """Compare each count with the denoised movie, which is in ADU, too.

    Raises
    ------
    BlinkspotError
        If a frame holds values that are not finite, or too large for any camera.
    """
    clock = Stopwatch("reading the residual", noisy.n_frames)
    at_once = max(1, _PIXELS_AT_ONCE // (noisy.height * noisy.width))
    for start in range(0, noisy.n_frames, at_once):
        stop = min(start + at_once, noisy.n_frames)
        both = []
        for movie in (noisy, denoised):
            frames = movie.frames(start, stop)
            check_finite(movie, range(start, stop), frames)
            both.append(camera.counts(frames))
            if both[-1].max() > _MOST_COUNTS:
                raise BlinkspotError(
                    f"{movie.name} has pixels of {both[-1].max():.2g} photoelectrons, which no camera gives: "
                    "give it in ADU, and check the camera."
                )
        counts, light = both
        residual, variance = residual_to_denoised(counts, light)
        yield ResidualFrames(start, residual, light, variance, clock.at(stop))


def white_residual(
    mean: Float32Array, variance: Float32Array, camera: Camera, random: np.random.Generator
) -> Float32Array:
    """Simulate the residual of counts that are as expected, pixels independent.

    The rate is drawn from a Gamma law, the count from the camera's own noise: Poisson, behind an EM register
    a Gamma variate of as many electrons (halved, as counts are), read noise on top.

    Parameters
    ----------
    mean, variance : ndarray of float32, shape (Y, X)
        Of the counts.
    camera : Camera
        Without maps, or of mean read noise: one number stands for all pixels.
    random : Generator
    """
    read = float(np.mean(camera.read_counts))
    light = np.maximum(mean.astype(np.float64) - read, 0.0)
    spread = np.maximum(variance.astype(np.float64) - mean, 0.0)
    known = spread <= 1e-9 * (light + 1e-9) ** 2
    shape = light**2 / np.where(known, 1.0, spread)
    rate = np.where(known, light, light * random.standard_gamma(shape) / np.maximum(shape, 1e-12))
    if camera.em_gain > 1:
        counts = random.standard_gamma(random.poisson(2.0 * rate)) / 2.0
    else:
        counts = random.poisson(rate).astype(np.float64)
    if read > 0:
        counts += random.normal(read, np.sqrt(read), counts.shape)
    return standardised(counts, mean, variance)
