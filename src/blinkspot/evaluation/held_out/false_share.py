"""The share of false molecules, from the light that the held-out part has where they were found.

Where no molecule is, the held-out light A is noise: mean 0, variance v, third moment t known. Where one is, A
has its light for a mean. So the light of all molecules of a stratum (of like detection strength) is a mixture

    p(A) = f p(A | dark) + sum over k of w(k) p(A | lit by k),       f + sum of w = 1,

whose weights are found by maximum likelihood, by the EM algorithm (Kiefer & Wolfowitz 1956, Annals of
Mathematical Statistics 27:887; Laird 1978, JASA 73:805). f is the share of false molecules. Lights begin at 1.5
standard deviations of the dark: what is dimmer cannot be told from nothing. Nothing is assumed of how bright
molecules are, nor that the fit in the kept part, which chose the bright by mistake too, tells it.

Each p is a Gamma law, shifted and mirrored as its mean, variance and skewness ask (Pearson's type III): noise
of few photons is skewed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from blinkspot.evaluation.held_out.window_light import WindowLight

FloatArray = NDArray[np.float64]

DIMMEST = 1.5
LIGHTS = 24
STEPS, STEPS_AGAIN = 400, 60
TOLERANCE = 1e-5
MOST_ROWS = 10_000
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
    weights : ndarray of float64, shape (1 + LIGHTS,)
        f and w.
    """

    likelihood: FloatArray
    weights: FloatArray

    @property
    def false_share(self) -> float:
        """Share of the molecules without light."""
        return float(self.weights[0])

    @property
    def confirmed(self) -> FloatArray:
        """Probability of each molecule that there is light, shape (n,)."""
        joint = self.likelihood * self.weights
        probability: FloatArray = 1.0 - joint[:, 0] / joint.sum(axis=1)
        return probability

    def again(self, counted: FloatArray) -> Mixture:
        """Return the mixture fitted where each molecule counts so many times, begun from its own weights."""
        if counted.sum() == 0:
            return self
        return Mixture(self.likelihood, _climb(self.likelihood, self.weights, counted, STEPS_AGAIN))


def fit_mixture(light: WindowLight, seed: int) -> Mixture | None:
    """Fit the mixture of one stratum.

    Parameters
    ----------
    light : WindowLight
        Of its molecules, all finite.
    seed : int
        Chooses molecules where they are more than 10,000; those alone have a likelihood then.

    Returns
    -------
    Mixture or None
        None where there is no molecule.
    """
    if len(light) == 0:
        return None
    deviation = np.sqrt(light.dark_variance)
    in_deviations = light.light / deviation
    chosen = np.arange(len(light))
    if len(chosen) > MOST_ROWS:
        chosen = np.random.default_rng(seed).choice(chosen, MOST_ROWS, replace=False)
    brightest = max(float(np.quantile(in_deviations[chosen], 0.995)), 2.0 * DIMMEST)
    lights = np.concatenate([[0.0], np.geomspace(DIMMEST, brightest, LIGHTS)])
    likelihood = _likelihood(light, lights)
    start = np.concatenate([[0.5], np.full(LIGHTS, 0.5 / LIGHTS)])
    weights = _climb(likelihood[chosen], start, np.ones(len(chosen)), STEPS)
    return Mixture(likelihood, weights)


def _likelihood(light: WindowLight, lights: FloatArray) -> FloatArray:
    deviation = np.sqrt(light.dark_variance)[:, np.newaxis]
    mean = lights * deviation
    variance = light.dark_variance[:, np.newaxis] + light.variance_per_count[:, np.newaxis] * mean
    spread = np.sqrt(variance)
    skewness = light.dark_third_moment[:, np.newaxis] / spread**3
    log = log_density((light.light[:, np.newaxis] - mean) / spread, skewness) - np.log(spread)
    likelihood: FloatArray = np.exp(log - log.max(axis=1, keepdims=True))
    return likelihood


def _climb(likelihood: FloatArray, start: FloatArray, counted: FloatArray, steps: int) -> FloatArray:
    """Climb to the likeliest weights by the EM algorithm."""
    weights, share = start, counted / counted.sum()
    for _ in range(steps):
        mixed = likelihood @ weights
        better = weights * (likelihood.T @ (share / np.maximum(mixed, 1e-300)))
        settled = float(np.abs(better - weights).max()) < TOLERANCE
        weights = better
        if settled:
            break
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
