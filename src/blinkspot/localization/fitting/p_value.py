"""How probable a deviance at least as large as a molecule's is, where the fitted model is right.

The deviance of many counts is chi-squared with pixels minus parameters degrees of freedom; that of few is
not. A Poisson pixel of mean m adds, on average, some 2 m log(1 / m) where m is small, 1.15 where it is 1, and
1 where it is large. So the mean and the variance of what a pixel adds are tabulated by m, for the law that
the camera's counts have, and summed over the window; from the sums comes off what fitting takes, 1 and 2 per
parameter (Wilks 1938, Annals of Mathematical Statistics 9:60). The law is then taken for a gamma distribution
of that mean and variance, a scaled chi-squared (Satterthwaite 1946, Biometrics Bulletin 2:110).

Read noise has no table of its own: counts with it are taken for counts without, of the same mean.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincc, gammaln, i1e, xlogy

FloatArray = NDArray[np.float64]

FIRST_LOG_MEAN, LAST_LOG_MEAN = np.log(1e-4), np.log(1e4)
NODES_PER_LOG = 20
# Beyond so many standard deviations, and so many counts more, there is nothing left to add.
_REACH, _COUNTS_MORE = 12.0, 40.0
_REGISTER_NODES = 200


@cache
def deviance_moments(has_register: bool) -> FloatArray:
    """Tabulate the mean and the variance of a pixel's deviance, ``2 (m - z + z log(z / m))``, by its mean m.

    Parameters
    ----------
    has_register : bool
        False: z is Poisson. True: z is half of what an EM register, its gain divided out, makes of Poisson
        electrons, ``Gamma(Poisson(2 m)) / 2``.

    Returns
    -------
    ndarray of float64, shape (2, n)
        At the logarithms from ``FIRST_LOG_MEAN``, ``NODES_PER_LOG`` each. Not to be changed.
    """
    n = round((LAST_LOG_MEAN - FIRST_LOG_MEAN) * NODES_PER_LOG) + 1
    means = np.exp(FIRST_LOG_MEAN + np.arange(n) / NODES_PER_LOG)
    moments = np.empty((2, n))
    for i, mean in enumerate(means):
        counts, probability = _register_law(mean) if has_register else _poisson_law(mean)
        deviance = 2.0 * (mean - counts + xlogy(counts, counts / mean))
        moments[0, i] = probability @ deviance
        moments[1, i] = probability @ (deviance - moments[0, i]) ** 2
    moments.setflags(write=False)
    return moments


def p_values(
    deviance: FloatArray,
    expected_deviance: FloatArray,
    deviance_variance: FloatArray,
    n_parameters: FloatArray | float,
) -> FloatArray:
    """Return the probabilities of deviances at least as large, were the models right.

    Parameters
    ----------
    deviance : ndarray of float64, shape (n,)
    expected_deviance, deviance_variance : ndarray of float64, shape (n,)
        Sums of :func:`deviance_moments` over the pixels, at the means fitted.
    n_parameters : ndarray of float64, shape (n,), or float
        Numbers that the fits have chosen freely.

    Returns
    -------
    ndarray of float64, shape (n,)
        From 0 to 1; NaN where the pixels hold so little that the fit leaves nothing to judge by.
    """
    mean = expected_deviance - n_parameters
    variance = deviance_variance - 2.0 * n_parameters
    mean = np.where((mean > 0.0) & (variance > 0.0), mean, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        probability: FloatArray = gammaincc(mean * mean / variance, deviance * mean / variance)
    return probability


def fitted_parameters(elliptical: bool, sigma_std_px: float, sigma_variance: FloatArray) -> FloatArray:
    """Return how many numbers fits have chosen freely: position, amplitude, background, and the width.

    A width of which something is known beforehand counts in part: by how much its variance has shrunk.

    Parameters
    ----------
    elliptical : bool
        Whether there are two widths.
    sigma_std_px : float
        Standard deviation of the width beforehand; infinite: nothing is known; 0: it is fixed.
    sigma_variance : ndarray of float64, shape (n,)
        Of the widths after the fit, square pixels.

    Returns
    -------
    ndarray of float64, shape (n,)
    """
    if sigma_std_px == 0.0:
        free = np.zeros(len(sigma_variance))
    else:
        free = np.clip(1.0 - sigma_variance / sigma_std_px**2, 0.0, 1.0)
    return 4.0 + free * (2.0 if elliptical else 1.0)


@cache
def _legendre() -> tuple[FloatArray, FloatArray]:
    return np.polynomial.legendre.leggauss(_REGISTER_NODES)


def _poisson_law(mean: float) -> tuple[FloatArray, FloatArray]:
    reach = _REACH * np.sqrt(mean)
    counts = np.arange(max(np.floor(mean - reach), 0.0), np.ceil(mean + reach + _COUNTS_MORE))
    return counts, np.exp(xlogy(counts, mean) - mean - gammaln(counts + 1.0))


def _register_law(mean: float) -> tuple[FloatArray, FloatArray]:
    """Return nodes and weights for the counts behind a register: zero, and Gauss-Legendre for the rest.

    With electrons of mean e, the output u, in electrons, has the density
    ``exp(-e - u) sqrt(e / u) I1(2 sqrt(e u))`` (Basden, Haniff & Mackay 2003, MNRAS 345:985, summed over the
    electrons); by sqrt(u) it is nearly a Gaussian of standard deviation sqrt(1 / 2).
    """
    electrons = 2.0 * mean
    root = np.sqrt(electrons)
    first, last = max(root - _REACH * np.sqrt(0.5), 0.0), root + _REACH * np.sqrt(0.5)
    nodes, weights = _legendre()
    half = 0.5 * (last - first)
    outputs = first + half * (nodes + 1.0)
    density = 2.0 * root * np.exp(-((root - outputs) ** 2)) * i1e(2.0 * root * outputs)
    return np.append(0.5 * outputs**2, 0.0), np.append(half * weights * density, np.exp(-electrons))
