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
from blinkspot.localization.detection import find_above_noise_in_frames
from blinkspot.localization.duplicates import DUPLICATE_DISTANCE_PX, without_duplicates
from blinkspot.localization.fitting.molecules import fit_molecules
from blinkspot.localization.psf import PsfWidth
from blinkspot.progress import Progress, Stopwatch

FloatArray = NDArray[np.float64]

FRAMES = 480
FRAMES_AT_ONCE = 8
FRAME_PX = 256
# Pixels are independent: frames are drawn from so many simulated ones, in a tenth of the time.
POOL_PX = 2**21
SEED = 0
# Responses below this many standard deviations of the noise are never worth a fit.
SMALLEST_RESPONSE = 0.5
# Beyond this ratio the tail has its shape: fitted from 5 on, it was up to a fifth off where it matters.
TAIL_FROM = 7.0
# Where more lie beyond it, so many are fitted: fewer scatter more, more are farther from where it matters.
MOST_IN_TAIL = 2500
# The faintest responses of those that reach the ratio, this part of them, may be lost before the fit.
LOST_PART = 0.01
SLOWEST, FASTEST = 0.3, 3.0
ROUNDED_TO = 0.05
MOST_KNOWN = 32


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

    @property
    def tail_from(self) -> float:
        """Where the tail begins that is fitted."""
        ratio = self.log_likelihood_ratio
        return max(TAIL_FROM, float(ratio[-MOST_IN_TAIL])) if len(ratio) >= MOST_IN_TAIL else TAIL_FROM

    def rate(self) -> float:
        """Return the rate r of the tail, ``sqrt(t) exp(-r t)``, by maximum likelihood."""
        begin = self.tail_from
        tail = self.log_likelihood_ratio[self.log_likelihood_ratio >= begin]
        if len(tail) == 0:
            return 1.0

        def misfit(rate: float) -> float:
            density = rate - 0.5 / tail
            return float(np.sum(rate * (tail - begin) - 0.5 * np.log(tail / begin) - np.log(density)))

        return float(minimize_scalar(misfit, bounds=(SLOWEST, FASTEST), method="bounded").x)

    def expected(self, log_likelihood_ratio: float, pixels: int) -> float:
        """Return how many spots of ``pixels`` empty pixels reach a ratio, on average."""
        per_pixel, begin = pixels / self.pixels, self.tail_from
        below = np.searchsorted(self.log_likelihood_ratio, min(log_likelihood_ratio, begin))
        beyond = (len(self.log_likelihood_ratio) - int(below)) * per_pixel
        if log_likelihood_ratio <= begin:
            return beyond
        falls = self.rate() * (log_likelihood_ratio - begin)
        return beyond * math.sqrt(log_likelihood_ratio / begin) * math.exp(-falls)

    def acceptance(self, false_per_frame: float, pixels: int) -> Acceptance:
        """Return what lets ``false_per_frame`` spots of an empty frame of ``pixels`` pass, on average."""
        begin = self.tail_from
        if self.expected(begin, pixels) <= false_per_frame:
            allowed = round(false_per_frame * self.pixels / pixels)
            ascending = self.log_likelihood_ratio
            ratio = float(ascending[-allowed]) if 0 < allowed <= len(ascending) else 0.0
        else:
            ratio = float(
                brentq(lambda each: self.expected(each, pixels) - false_per_frame, begin, 200.0, xtol=1e-6)
            )
        # Of a spot in white noise, both grow as the square root of its likelihood ratio.
        strong = self.log_likelihood_ratio >= min(begin, ratio)
        scaled = self.response[strong] / np.sqrt(self.log_likelihood_ratio[strong])
        lowest = float(np.quantile(scaled, LOST_PART)) if len(scaled) else 0.0
        return Acceptance(ratio, max(lowest * math.sqrt(max(ratio, 0.0)), SMALLEST_RESPONSE))


@dataclass(frozen=True)
class EmptyFrames:
    """What the spots of empty frames depend on.

    Attributes
    ----------
    background_counts : float
        Mean of the frames, in counts of variance equal to mean, read noise included.
    read_counts : float
        The read noise in it.
    has_register : bool
        Whether the electrons go through an EM register.
    width : PsfWidth
        As used for the movie's fits.
    window_px : int
        Side of the fit window.
    """

    background_counts: float
    read_counts: float
    has_register: bool
    width: PsfWidth
    window_px: int

    @classmethod
    def like(cls, camera: Camera, background_counts: float, width: PsfWidth, window_px: int) -> EmptyFrames:
        """Describe a movie's, rounded to 5 % so that one simulation serves movies that are alike.

        Where the pixels of a camera differ in read noise, their mean stands for all.
        """
        known = PsfWidth(_rounded(width.sigma_px), _rounded(width.std_px))
        read_counts = _rounded(float(np.mean(camera.read_counts)))
        return cls(_rounded(background_counts), read_counts, camera.em_gain > 1.0, known, window_px)

    def frame(self, shape: tuple[int, int], random: np.random.Generator) -> NDArray[np.float32]:
        """Simulate one, in counts: shot noise, register, read noise."""
        light = max(self.background_counts - self.read_counts, 0.0)
        if self.has_register:
            # A register's gain, divided out: the sum of as many exponential variates as electrons came in.
            light_counts = random.gamma(random.poisson(2.0 * light, shape)) / 2.0
        else:
            light_counts = random.poisson(light, shape).astype(np.float64)
        noise = random.normal(self.read_counts, math.sqrt(self.read_counts), shape)
        return (light_counts + noise).astype(np.float32)


def false_molecules(empty: EmptyFrames) -> Generator[Progress, None, FalseMolecules]:
    """Count the spots of frames in which there is none, by simulation; known ones are not simulated again.

    Yields
    ------
    Progress

    Returns
    -------
    FalseMolecules
    """
    if empty not in _known:
        law = yield from _simulated(empty)
        if len(_known) >= MOST_KNOWN:
            _known.pop(next(iter(_known)))
        _known[empty] = law
    return _known[empty]


_known: dict[EmptyFrames, FalseMolecules] = {}


def _simulated(empty: EmptyFrames) -> Generator[Progress, None, FalseMolecules]:
    random = np.random.default_rng(SEED)
    clock = Stopwatch("simulating empty frames", FRAMES)
    pool = yield from _pool(empty, random, clock)
    ratios, responses = [], []
    for start in range(0, FRAMES, FRAMES_AT_ONCE):
        counts = pool[random.integers(len(pool), size=(FRAMES_AT_ONCE, FRAME_PX, FRAME_PX))]
        frames, candidates, response = find_above_noise_in_frames(counts, SMALLEST_RESPONSE)
        fits = fit_molecules(
            counts,
            candidates.rows,
            candidates.columns,
            frames=frames,
            window_px=empty.window_px,
            initial_sigma_px=empty.width.sigma_px,
            sigma_std_px=empty.width.std_px,
        )
        # Two fits of one spot count once, as in a movie.
        ratio = fits.goodness.log_likelihood_ratio
        places = np.column_stack((fits.x, fits.y))
        kept = without_duplicates(places, ratio, DUPLICATE_DISTANCE_PX, frames[fits.candidate])
        ratios.append(ratio[kept])
        responses.append(response[fits.candidate][kept])
        yield clock.at(start + FRAMES_AT_ONCE)
    ratio, response = np.concatenate(ratios), np.concatenate(responses)
    order = np.argsort(ratio)
    return FalseMolecules(ratio[order], response[order], FRAMES * FRAME_PX**2)


def _pool(
    empty: EmptyFrames, random: np.random.Generator, clock: Stopwatch
) -> Generator[Progress, None, NDArray[np.float32]]:
    """Simulate pixels to draw frames from, shape (POOL_PX,)."""
    side = FRAME_PX
    parts = []
    for _ in range(0, POOL_PX, side**2):
        yield clock.at(0)
        parts.append(empty.frame((side, side), random).ravel())
    return np.concatenate(parts)


def _rounded(value: float) -> float:
    if not 0.0 < value < math.inf:
        return value
    return round(math.exp(ROUNDED_TO * round(math.log(value) / ROUNDED_TO)), 6)
