"""The share of false molecules, from the light that the held-out part has where they were found.

Where no molecule is, the held-out light A is noise: mean 0, variance v, third moment t known. Where one is, A
has its light for a mean. So the light of all molecules of a stratum (of like detection strength) is a mixture

    p(A) = f p(A | dark) + sum over k of w(k) p(A | lit by k),       f + sum of w = 1,

whose weights are found by maximum likelihood (Kiefer & Wolfowitz 1956, Annals of Mathematical Statistics
27:887). f is the share of false molecules. Lights begin at 1.5 standard deviations of the dark, in a split of
half the light, and at the same light in others: what is dimmer cannot be told from nothing. Nothing is
assumed of how bright molecules are, nor that the fit in the kept part, which chose the bright by mistake too,
tells it.

Each p is a Gamma law, shifted and mirrored as its mean, variance and skewness ask (Pearson's type III): noise
of few photons is skewed.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.optimize import nnls
from scipy.special import gammaln

from blinkspot.evaluation.held_out.window_light import WindowLight

FloatArray = NDArray[np.float64]

DIMMEST = 1.5
# How little is known of it: what differs between these two is a part of the error.
DIMMEST_AT_LEAST, DIMMEST_AT_MOST = 1.0, 2.0
LIGHTS = 24
MOST_STEPS = 100
TOLERANCE = 1e-5
SMALLEST_STEP = 1e-6
SUM_WEIGHT = 1e3
RIDGE = 1e-9
SMALLEST = 1e-300
MOST_FITTED = 10_000
ROWS_AT_ONCE = 5_000
# Below this skewness the law is taken for normal: the Gamma law's own terms would cancel.
SMALLEST_SKEWNESS = 0.02
LEAST_LOG = -80.0


@dataclass(frozen=True)
class Mixture:
    """The mixture of one stratum.

    Attributes
    ----------
    likelihood : ndarray of float64, shape (n, 1 + LIGHTS)
        Of each molecule's held-out light, if dark and if lit by k; up to a factor for each molecule.
    fitted : ndarray of int64, shape (m,)
        The molecules that the weights are fitted to.
    weights : ndarray of float64, shape (1 + LIGHTS,)
        f and w.
    """

    likelihood: FloatArray
    fitted: NDArray[np.int64]
    weights: FloatArray

    @property
    def false_share(self) -> float:
        """Share of the molecules without light."""
        return float(self.weights[0])

    @property
    def dark(self) -> FloatArray:
        """Probability of each molecule that there is no light, shape (n,)."""
        joint = self.likelihood * self.weights
        probability: FloatArray = joint[:, 0] / np.maximum(joint.sum(axis=1), SMALLEST)
        return probability

    def again(self, counted: FloatArray) -> Mixture:
        """Return the mixture fitted where each molecule counts so many times, begun from its own weights."""
        counted = counted[self.fitted]
        if counted.sum() == 0:
            return self
        weights = _climb(self.likelihood[self.fitted], self.weights, counted)
        return replace(self, weights=weights)


def fit_mixture(light: WindowLight, seed: int, dimmest: float = DIMMEST) -> Generator[None, None, Mixture]:
    """Fit the mixture of one stratum, a little at a time.

    Parameters
    ----------
    light : WindowLight
        Of its molecules, one at least, all finite.
    seed : int
        Chooses the 10,000 molecules that are fitted where they are more.
    dimmest : float
        Where lights begin, standard deviations of the dark.

    Returns
    -------
    Mixture
    """
    n = len(light)
    fitted = np.arange(n)
    if n > MOST_FITTED:
        fitted = np.random.default_rng(seed).choice(fitted, MOST_FITTED, replace=False)
    in_deviations = light.light[fitted] / np.sqrt(light.dark_variance[fitted])
    brightest = max(float(np.quantile(in_deviations, 0.995)), 2.0 * dimmest)
    lights = np.concatenate([[0.0], np.geomspace(dimmest, brightest, LIGHTS)])
    likelihood = np.empty((n, len(lights)))
    for start in range(0, n, ROWS_AT_ONCE):
        rows = np.arange(start, min(start + ROWS_AT_ONCE, n))
        likelihood[rows] = _likelihood(light.chosen(rows), lights)
        yield
    begin = np.concatenate([[0.5], np.full(LIGHTS, 0.5 / LIGHTS)])
    return Mixture(likelihood, fitted, _climb(likelihood[fitted], begin, np.ones(len(fitted))))


def _likelihood(light: WindowLight, lights: FloatArray) -> FloatArray:
    deviation = np.sqrt(light.dark_variance)[:, np.newaxis]
    mean = lights * deviation
    variance = light.dark_variance[:, np.newaxis] + light.variance_per_count[:, np.newaxis] * mean
    spread = np.sqrt(variance)
    skewness = light.dark_third_moment[:, np.newaxis] / spread**3
    log = log_density((light.light[:, np.newaxis] - mean) / spread, skewness) - np.log(spread)
    likelihood: FloatArray = np.exp(log - log.max(axis=1, keepdims=True))
    return likelihood


def _climb(likelihood: FloatArray, start: FloatArray, counted: FloatArray) -> FloatArray:
    """Climb to the likeliest weights by the constrained Newton method (Wang 2007, JRSS B 69:185).

    Each step solves the quadratic problem of the weights, none below 0 and 1 in sum, as non-negative least
    squares, and goes as far along it as the likelihood rises.
    """
    weights, share = start, counted / counted.sum()
    mixed = likelihood @ weights
    value = float(share @ np.log(np.maximum(mixed, SMALLEST)))
    for _ in range(MOST_STEPS):
        slopes = likelihood / np.maximum(mixed, SMALLEST)[:, np.newaxis]
        gradient = share @ slopes
        if float(gradient.max()) < 1.0 + TOLERANCE:
            break
        matrix = slopes.T @ (share[:, np.newaxis] * slopes) + SUM_WEIGHT
        matrix[np.diag_indices_from(matrix)] *= 1.0 + RIDGE
        upper = np.linalg.cholesky(matrix).T
        target = solve_triangular(upper.T, 2.0 * gradient + SUM_WEIGHT, lower=True)
        wanted, _ = nnls(upper, target)
        step = wanted / wanted.sum() - weights
        size = 1.0
        while size > SMALLEST_STEP:
            tried = weights + size * step
            mixed_there = likelihood @ tried
            value_there = float(share @ np.log(np.maximum(mixed_there, SMALLEST)))
            if value_there > value:
                break
            size *= 0.5
        else:
            break
        weights, mixed, value = tried, mixed_there, value_there
    return weights


def log_density(standard: FloatArray, skewness: FloatArray) -> FloatArray:
    """Return the logarithm of the density of Pearson's type III law of mean 0 and variance 1.

    Parameters
    ----------
    standard, skewness : ndarray of float64
        Where, and its skewness; they are broadcast.

    Returns
    -------
    ndarray of float64
        At least -80: an outlier rules nothing out.
    """
    standard, skewness = np.broadcast_arrays(standard, skewness)
    is_skewed = np.abs(skewness) >= SMALLEST_SKEWNESS
    skew = np.where(is_skewed, skewness, 1.0)
    shape = 4.0 / skew**2
    place = shape + standard * np.sqrt(shape) * np.sign(skew)
    inside = np.maximum(place, 1e-300)
    gamma = 0.5 * np.log(shape) + (shape - 1.0) * np.log(inside) - inside - gammaln(shape)
    normal = -0.5 * standard**2 - 0.5 * np.log(2.0 * np.pi)
    log = np.where(is_skewed, np.where(place > 0.0, gamma, LEAST_LOG), normal)
    bounded: FloatArray = np.maximum(log, LEAST_LOG)
    return bounded
