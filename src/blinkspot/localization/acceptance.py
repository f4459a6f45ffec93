"""Which likelihood ratio a molecule must reach, so that empty frames give no more than a set number.

Noise, too, has its spots. How many, and how much likelier than background alone they make their pixels, is
counted where the answer is known to be none: on simulated empty frames of the same camera, background and
settings, by the same search and fits. The number of spots beyond a likelihood ratio t falls nearly as the
theory of Gaussian fields has it, sqrt(t) exp(-t) (Worsley 1996, Human Brain Mapping 4:58); the rate in the
exponent is fitted, so that the count can be told beyond what was simulated.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize_scalar

from blinkspot.camera import Camera
from blinkspot.localization.detection import find_above_noise
from blinkspot.localization.fitting import fit_molecules
from blinkspot.localization.psf import PsfWidth
from blinkspot.progress import Progress, Stopwatch

FloatArray = NDArray[np.float64]

FRAMES = 60
FRAME_PX = 256
SEED = 0
# Responses below this many standard deviations of the noise are never worth a fit.
SMALLEST_RESPONSE = 0.5
# Beyond this ratio the tail has its shape.
TAIL_FROM = 5.0
# The faintest responses of those that reach the ratio, this part of them, may be lost before the fit.
LOST_PART = 0.01
SLOWEST, FASTEST = 0.3, 3.0


@dataclass(frozen=True)
class Acceptance:
    """What a molecule must reach.

    Attributes
    ----------
    log_likelihood_ratio : float
        Smallest log-likelihood ratio of molecule against background, natural logarithm.
    response : float
        Smallest response of the filter over the square root of V2: what stays below need not be fitted.
    """

    log_likelihood_ratio: float
    response: float

    def as_dict(self) -> dict[str, Any]:
        """Return the values, JSON-ready."""
        return {"log_likelihood_ratio": self.log_likelihood_ratio, "response": self.response}


@dataclass(frozen=True)
class FalseMolecules:
    """The spots that noise makes.

    Attributes
    ----------
    log_likelihood_ratio, response : ndarray of float64, shape (n,)
        Of each spot, as in :class:`Acceptance`; the ratios ascend.
    pixels : int
        Pixels that they were found in.
    """

    log_likelihood_ratio: FloatArray
    response: FloatArray
    pixels: int

    def rate(self) -> float:
        """Return the rate r of the tail, ``sqrt(t) exp(-r t)``, by maximum likelihood."""
        tail = self.log_likelihood_ratio[self.log_likelihood_ratio >= TAIL_FROM]
        if len(tail) == 0:
            return 1.0

        def misfit(rate: float) -> float:
            density = rate - 0.5 / tail
            return float(np.sum(rate * (tail - TAIL_FROM) - 0.5 * np.log(tail / TAIL_FROM) - np.log(density)))

        return float(minimize_scalar(misfit, bounds=(SLOWEST, FASTEST), method="bounded").x)

    def expected(self, log_likelihood_ratio: float, pixels: int) -> float:
        """Return how many spots of ``pixels`` empty pixels reach a ratio, on average."""
        per_pixel = pixels / self.pixels
        below = np.searchsorted(self.log_likelihood_ratio, min(log_likelihood_ratio, TAIL_FROM))
        beyond = (len(self.log_likelihood_ratio) - int(below)) * per_pixel
        if log_likelihood_ratio <= TAIL_FROM:
            return beyond
        falls = self.rate() * (log_likelihood_ratio - TAIL_FROM)
        return beyond * math.sqrt(log_likelihood_ratio / TAIL_FROM) * math.exp(-falls)

    def acceptance(self, false_per_frame: float, pixels: int) -> Acceptance:
        """Return what lets ``false_per_frame`` spots of an empty frame of ``pixels`` pass, on average."""
        if self.expected(TAIL_FROM, pixels) <= false_per_frame:
            allowed = round(false_per_frame * self.pixels / pixels)
            ascending = self.log_likelihood_ratio
            ratio = float(ascending[-allowed]) if 0 < allowed <= len(ascending) else 0.0
        else:
            ratio = float(
                brentq(
                    lambda each: self.expected(each, pixels) - false_per_frame, TAIL_FROM, 200.0, xtol=1e-6
                )
            )
        # Of a spot in white noise, both grow as the square root of its likelihood ratio.
        strong = self.log_likelihood_ratio >= min(TAIL_FROM, ratio)
        scaled = self.response[strong] / np.sqrt(self.log_likelihood_ratio[strong])
        lowest = float(np.quantile(scaled, LOST_PART)) if len(scaled) else 0.0
        return Acceptance(ratio, max(lowest * math.sqrt(max(ratio, 0.0)), SMALLEST_RESPONSE))


def simulate_empty_frames(
    camera: Camera, background_counts: float, width: PsfWidth, window_px: int
) -> Generator[Progress, None, FalseMolecules]:
    """Count the spots of frames in which there is none.

    Parameters
    ----------
    camera : Camera
        Its noise is simulated; where its pixels differ in read noise, at their mean.
    background_counts : float
        Mean of the frames, in counts of variance equal to mean, read noise included.
    width : PsfWidth
        As used for the movie's fits.
    window_px : int
        Side of the fit window.

    Yields
    ------
    Progress

    Returns
    -------
    FalseMolecules
    """
    random = np.random.default_rng(SEED)
    clock = Stopwatch("simulating empty frames", FRAMES)
    ratios, responses = [], []
    for index in range(FRAMES):
        counts = empty_frame(camera, background_counts, (FRAME_PX, FRAME_PX), random)
        candidates, response = find_above_noise(counts, SMALLEST_RESPONSE)
        fits = fit_molecules(
            counts,
            candidates.rows,
            candidates.columns,
            window_px=window_px,
            initial_sigma_px=width.sigma_px,
            sigma_std_px=width.std_px,
        )
        ratios.append(fits.goodness.log_likelihood_ratio)
        responses.append(response[fits.candidate])
        yield clock.at(index + 1)
    ratio, response = np.concatenate(ratios), np.concatenate(responses)
    order = np.argsort(ratio)
    return FalseMolecules(ratio[order], response[order], FRAMES * FRAME_PX**2)


def empty_frame(
    camera: Camera, background_counts: float, shape: tuple[int, int], random: np.random.Generator
) -> NDArray[np.float32]:
    """Simulate a frame of background, in counts: shot noise, register, read noise."""
    read_counts = float(np.mean(camera.read_counts))
    factor = camera.excess_noise_factor
    photons = max(background_counts - read_counts, 0.0) * factor
    electrons = random.poisson(photons, shape).astype(np.float64)
    if camera.em_gain > 1.0:
        # A register's gain, divided out: the sum of as many exponential variates as electrons came in.
        electrons = random.gamma(electrons)
    noise = random.normal(read_counts, math.sqrt(read_counts), shape)
    return (electrons / factor + noise).astype(np.float32)
