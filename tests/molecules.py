"""Molecules simulated in float64 with scipy: the reference that the compiled fits are tested against."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

FloatArray = NDArray[np.float64]


def shares(n_pixels: int, centre: float, sigma: float) -> FloatArray:
    """Integral of a unit Gaussian over the pixels 0 to n_pixels - 1."""
    edges = np.arange(n_pixels + 1) - 0.5
    return np.diff(ndtr((edges - centre) / sigma))


def mean_counts(parameters: FloatArray, shape: tuple[int, int] = (7, 7)) -> FloatArray:
    """Mean of the pixels for x, y, sigma (or sigma_x, sigma_y), amplitude and background."""
    x, y, sigma_x, *sigma_y, amplitude, background = parameters
    return background + amplitude * np.outer(
        shares(shape[0], y, *(sigma_y or [sigma_x])), shares(shape[1], x, sigma_x)
    )


def derivatives(parameters: FloatArray, shape: tuple[int, int] = (7, 7)) -> FloatArray:
    """Central differences of the mean by the parameters, shape (5, pixels)."""
    steps = 1e-5 * np.eye(5)
    return np.stack(
        [
            (mean_counts(parameters + step, shape) - mean_counts(parameters - step, shape)).ravel() / 2e-5
            for step in steps
        ]
    )


def cramer_rao_std(parameters: FloatArray, shape: tuple[int, int] = (7, 7)) -> FloatArray:
    """Smallest standard deviations of the five parameters that an unbiased estimate can have."""
    jacobian = derivatives(parameters, shape)
    information = jacobian / mean_counts(parameters, shape).ravel() @ jacobian.T
    return np.sqrt(np.diag(np.linalg.inv(information)))


def deviance_half(parameters: FloatArray, window: FloatArray) -> float:
    """Minus the Poisson log-likelihood, up to a constant."""
    mean = mean_counts(parameters, window.shape)
    return float((mean - window * np.log(mean)).sum())


def snapshots(
    seed: int,
    n: int,
    *,
    photons: float,
    background: float,
    sigma: float,
    em: bool,
    size: int = 13,
) -> tuple[FloatArray, FloatArray, NDArray[np.float32]]:
    """Pictures of one molecule each, as counts whose variance is their mean.

    An EM register turns n electrons into Gamma(n) of twice the variance; half of that has variance = mean.
    Returns the true x, the true y (pixels) and the pictures (n, size, size).
    """
    random = np.random.default_rng(seed)
    x, y = size // 2 + random.uniform(-0.5, 0.5, (2, n))
    mean = np.stack(
        [mean_counts(np.array([x[i], y[i], sigma, photons, background]), (size, size)) for i in range(n)]
    )
    electrons = random.poisson(mean).astype(float)
    if em:
        electrons = np.where(electrons > 0, random.gamma(np.maximum(electrons, 1.0)), 0.0) / 2
    return x, y, electrons.astype(np.float32)
