"""How far localizations lie from their molecules, by the light that the held-out parts show beside them.

The kept part found a molecule at x; it is at x + d. Each of two independent held-out parts measures d with
noise of its own (:mod:`.window_light`), so the product of both measurements has the mean d^2: no noise is to
be subtracted, and none needs to be known. Where there is no molecule, both products, of displacements and of
light, have the mean 0. Over many molecules,

    ratio^2 = sum of (d1 d2 / u^2) / sum of (s1 s2),

with the uncertainty u that the fit reports and the light s over the promised one, is the mean square of true
errors over reported ones.

What shifts both parts alike is not seen: two molecules that shine as one, the rim of a structured background.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from blinkspot.evaluation.held_out.window_light import WindowLight

FloatArray = NDArray[np.float64]

# In standard deviations, of the two coordinates' mean square. Beyond it lies what is no error of a fit: light
# of a neighbour, two molecules taken for one.
FARTHEST = 3.5


def products_of(light: WindowLight, uncertainty_px: FloatArray) -> FloatArray:
    """Return d1 d2 / u^2 (mean of both axes) and s1 s2 of each molecule, shape (n, 2); 0 if left out.

    Parameters
    ----------
    light : WindowLight
        Held-out light of n molecules.
    uncertainty_px : ndarray of float64, shape (n,)
        That the fits report.
    """
    half = 0.5 * light.promised[:, np.newaxis]
    with np.errstate(divide="ignore", invalid="ignore"):
        first, second = light.first_moments / half, light.second_moments / half
        square = uncertainty_px**2
        noise = light.moment_variance / light.promised**2
        distance = np.mean((0.5 * (first + second)) ** 2, axis=1) / (square + noise)
        products = np.column_stack(
            [np.mean(first * second, axis=1) / square, light.first * light.second / half[:, 0] ** 2]
        )
        counts = (distance < FARTHEST**2) & (light.promised > 0.0)
    products[~counts | ~np.isfinite(products).all(axis=1)] = 0.0
    return products


def within_tolerance(error_nm: FloatArray, weights: FloatArray, tolerance_nm: float) -> tuple[float, float]:
    """Return the root of the mean squared distance of those within a tolerance, nm, and the share beyond it.

    Parameters
    ----------
    error_nm : ndarray of float64, shape (n,)
        Standard deviation of each localization's error along an axis: distances follow Rayleigh's law.
    weights : ndarray of float64, shape (n,)
        How much each counts.
    tolerance_nm : float
    """
    twice = 2.0 * np.maximum(error_nm, 1e-9) ** 2
    beyond = np.exp(-(tolerance_nm**2) / twice)
    squares = twice - (twice + tolerance_nm**2) * beyond
    total = float(weights.sum())
    inside = float(weights @ (1.0 - beyond))
    if total <= 0.0 or inside <= 0.0:
        return float("nan"), float("nan")
    return float(np.sqrt(weights @ squares / inside)), 1.0 - inside / total
