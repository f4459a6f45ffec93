"""From what the splits of a movie tell to the movie itself.

A part p of the photons shows more false molecules than all of them, and errors are larger. Both follow a
power of p closely: log value = log value at p = 1 - k log p. Two values of p or more tell both numbers, by
least squares with their variances; a prior for k keeps them sober where few molecules tell it. False
molecules of movies denoised frame by frame do not; theirs are set in proportion to those of simulated
movies, and only that proportion follows a power, a low one (:mod:`.simulated_false`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class ExponentPrior:
    """What is known beforehand of k: mean and standard deviation, and how far logarithms lie off the line."""

    mean: float
    deviation: float
    misfit: float = 0.0


# In noisy movies k comes of the threshold's unit, std(Wave.F1), in which molecules have their share; in
# denoised ones of the ripples that a model leaves where light is scarce. Measured, see docs/held_out.md.
OF_FALSE_IN_NOISY = ExponentPrior(0.6, 0.25, misfit=0.03)
OF_FALSE_IN_DENOISED = ExponentPrior(1.5, 1.0, misfit=0.1)
# What is left of it beside simulated movies, with the probability of each: they are like the movie, or not.
# Chosen beforehand; what that is worth is in docs/held_out.md.
OF_FALSE_BESIDE_SIMULATED = (
    (0.8, ExponentPrior(0.0, 0.3, misfit=0.05)),
    (0.2, ExponentPrior(0.0, 1.5, misfit=0.1)),
)
# Errors over the uncertainties that fits on recorded pixels report; those shrink with light as errors do.
OF_TRUE_RATIOS = ExponentPrior(0.0, 0.03)
# Those that fits on denoised pixels report shrink as the root of the light; their errors less, as the picture
# owes less to the single frame.
OF_DENOISED_RATIOS = ExponentPrior(-0.25, 0.12)


@dataclass(frozen=True)
class AtFullLight:
    """A logarithm at p = 1, and its standard deviation."""

    log: float
    deviation: float


def at_full_light(
    kept_shares: tuple[float, ...], logs: FloatArray, variances: FloatArray, prior: ExponentPrior
) -> AtFullLight:
    """Extrapolate a logarithm to the whole light.

    Parameters
    ----------
    kept_shares : tuple of float
        p of each split.
    logs, variances : ndarray of float64, shape (splits,)
        Logarithm found in each, and its variance, above 0.
    prior : ExponentPrior

    Returns
    -------
    AtFullLight
        Posterior mean and standard deviation, the prior of the value itself being flat.
    """
    design = np.column_stack([np.ones(len(kept_shares)), -np.log(kept_shares)])
    weighted = design / (variances + prior.misfit**2)[:, np.newaxis]
    information = design.T @ weighted
    right = weighted.T @ logs
    information[1, 1] += prior.deviation**-2
    right[1] += prior.mean * prior.deviation**-2
    covariance = np.linalg.inv(information)
    return AtFullLight(float((covariance @ right)[0]), float(np.sqrt(covariance[0, 0])))


def mixed_at_full_light(
    kept_shares: tuple[float, ...],
    logs: FloatArray,
    variances: FloatArray,
    priors: tuple[tuple[float, ExponentPrior], ...],
) -> AtFullLight:
    """Extrapolate as :func:`at_full_light` by several priors, each as far as the logarithms speak for it.

    Parameters
    ----------
    kept_shares, logs, variances
        As there.
    priors : tuple of (float, ExponentPrior)
        With the probability of each.

    Returns
    -------
    AtFullLight
        Mean and standard deviation of the mixture of posteriors.
    """
    found = [at_full_light(kept_shares, logs, variances, prior) for _, prior in priors]
    evidence = np.array(
        [np.log(weight) + _log_evidence(kept_shares, logs, variances, prior) for weight, prior in priors]
    )
    weights = np.exp(evidence - evidence.max())
    weights /= weights.sum()
    means = np.array([each.log for each in found])
    mean = float(weights @ means)
    spread = weights @ (np.array([each.deviation for each in found]) ** 2 + (means - mean) ** 2)
    return AtFullLight(mean, float(np.sqrt(spread)))


def _log_evidence(
    kept_shares: tuple[float, ...], logs: FloatArray, variances: FloatArray, prior: ExponentPrior
) -> float:
    """Return the log-density of the logarithms, whatever the value at p = 1, but for a constant."""
    slopes = -np.log(kept_shares)
    covariance = np.diag(variances + prior.misfit**2) + prior.deviation**2 * np.outer(slopes, slopes)
    precision = np.linalg.inv(covariance)
    left = logs - prior.mean * slopes
    ones = precision.sum(axis=0)
    left = left - (ones @ left) / ones.sum()
    _, log_determinant = np.linalg.slogdet(covariance)
    return float(-0.5 * (log_determinant + np.log(ones.sum()) + left @ precision @ left))
