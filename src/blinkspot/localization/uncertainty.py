"""The closed formulas for the uncertainty of a position, for comparison with that of our own fits.

Ours is the curvature of the likelihood at the fit (:mod:`blinkspot.localization.fitting.gaussian_fit`); the
formulas know no more of a molecule than its width, its photons and its background, and take its image for
a Gaussian that is as wide as the fit says. With a pixel's size a, the Gaussian's sigma s, N photons, b
photons of background per pixel and F the excess noise factor::

    s_a^2 = s^2 + a^2 / 12        tau = 2 pi s_a^2 b / (N a^2)

    thompson        F s_a^2 / N + F 8 pi s^4 b / (N a)^2
    mortensen-lsq   F s_a^2 / N (16 / 9 + 4 tau)
    mortensen-mle   F s_a^2 / N / (1 + integral from 0 to 1 of log(t) / (1 + t / tau) dt)
    rieger          F s_a^2 / N (1 + 4 tau + sqrt(2 tau / (1 + 4 tau)))

are the variances of Thompson, Larson & Webb 2002 (Biophysical Journal 82:2775), for least squares; Mortensen,
Churchman, Spudich & Flyvbjerg 2010 (Nature Methods 7:377), for unweighted least squares and for maximum
likelihood, the latter the information's inverse; and Rieger & Stallinga 2014 (ChemPhysChem 15:664), which
comes near to it without an integral. Photons with an EM register have F = 2 times the variance of Poisson
counts: F = 2 for all of them (Mortensen 2010; Quan, Zeng & Huang 2010, Journal of Biomedical Optics
15:066005).

An ellipse is a circle that is stretched along its axes: s_a^2 is then s_a,x s_a,y in tau, and s_a,x^2 before
the brackets in the variance along x.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import spence

FloatArray = NDArray[np.float64]
Formula = Literal["thompson", "mortensen-lsq", "mortensen-mle", "rieger"]

# Above this tau, the integral is nearly -1 and is taken from a series in 1 / tau.
_LARGE_TAU = 20.0
# Below this one, no light is lost to the background.
_SMALLEST_TAU = 1e-300
_SERIES = [(-1.0) ** (k + 1) / (k + 1) ** 2 for k in range(1, 12)]


def closed_form_uncertainty(
    formula: Formula,
    sigma_nm: FloatArray,
    photons: FloatArray,
    background_photons: FloatArray,
    pixel_size_nm: float,
    excess_noise_factor: float = 1.0,
    other_sigma_nm: FloatArray | None = None,
) -> FloatArray:
    """Compute the standard deviation of a position along an axis by a published formula.

    Parameters
    ----------
    formula : {"thompson", "mortensen-lsq", "mortensen-mle", "rieger"}
        See the module.
    sigma_nm : ndarray of float64, shape (n,)
        Standard deviation of the Gaussian along this axis.
    photons : ndarray of float64, shape (n,)
    background_photons : ndarray of float64, shape (n,)
        Per pixel; below 0 counts as 0. Read noise of v photoelectrons squared is like v / F photons more.
    pixel_size_nm : float
    excess_noise_factor : float
        Variance of the photoelectrons over their mean: 2 with an EM register, else 1.
    other_sigma_nm : ndarray of float64, shape (n,), optional
        Along the other axis, where it differs.

    Returns
    -------
    ndarray of float64, shape (n,)
        nm; infinite where there are no photons, NaN where a value is not known.
    """
    square_pixel = pixel_size_nm**2
    other = sigma_nm if other_sigma_nm is None else other_sigma_nm
    widened = sigma_nm**2 + square_pixel / 12.0
    area = np.sqrt(widened * (other**2 + square_pixel / 12.0))
    light = np.maximum(photons, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        per_photon = np.maximum(background_photons, 0.0) / (light * square_pixel)
        tau = 2.0 * math.pi * area * per_photon
        if formula == "thompson":
            variance = widened + 8.0 * math.pi * sigma_nm**3 * other * per_photon
        elif formula == "mortensen-lsq":
            variance = widened * least_squares_factor(tau)
        elif formula == "mortensen-mle":
            variance = widened * likelihood_factor(tau)
        else:
            variance = widened * approximate_likelihood_factor(tau)
        uncertainty = np.sqrt(excess_noise_factor * variance / light)
    return np.where(light == 0.0, np.inf, uncertainty)


def least_squares_factor(tau: FloatArray) -> FloatArray:
    """Return by how much background raises the variance of unweighted least squares (Mortensen 2010)."""
    return 16.0 / 9.0 + 4.0 * tau


def approximate_likelihood_factor(tau: FloatArray) -> FloatArray:
    """Return nearly the same of maximum likelihood, without an integral (Rieger & Stallinga 2014)."""
    with np.errstate(divide="ignore"):
        return 1.0 + 4.0 * tau + np.sqrt(2.0 / (4.0 + 1.0 / tau))


def likelihood_factor(tau: FloatArray) -> FloatArray:
    """Return by how much background raises the variance of maximum likelihood (Mortensen 2010, equation 5).

    The integral of log(t) / (1 + t / tau) from 0 to 1 is tau times the dilogarithm of -1 / tau.
    """
    inverse = 1.0 / np.maximum(tau, _SMALLEST_TAU)
    few = np.minimum(inverse, 1.0 / _LARGE_TAU)
    series = few * np.polynomial.polynomial.polyval(few, _SERIES)
    exact = 1.0 + np.minimum(tau, _LARGE_TAU) * spence(1.0 + inverse)
    with np.errstate(divide="ignore"):
        return 1.0 / np.where(tau > _LARGE_TAU, series, exact)
