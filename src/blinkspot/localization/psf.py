"""The width of the molecules of a movie, learned from the movie itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

FloatArray = NDArray[np.float64]

# Where a movie shows too few molecules, fits start here and nothing is taken for known.
USUAL_SIGMA_PX = 1.3
FEWEST_MOLECULES = 30
ENOUGH_MOLECULES = 600
SMALLEST_RELATIVE_STD, LARGEST_RELATIVE_STD = 0.02, 1.0
# Part of a normal distribution that lies within one standard deviation.
WITHIN_ONE_STD = 0.682689


@dataclass(frozen=True)
class PsfWidth:
    """What is known of the width of a movie's molecules.

    Attributes
    ----------
    sigma_px : float
        Median standard deviation of the Gaussians, pixels.
    std_px : float
        How much the molecules differ in it, standard deviation, pixels; infinite where nothing is known.
    molecules : int
        Molecules that were looked at.
    """

    sigma_px: float = USUAL_SIGMA_PX
    std_px: float = math.inf
    molecules: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return the values, JSON-ready."""
        std_px = self.std_px if math.isfinite(self.std_px) else None
        return {"sigma_px": self.sigma_px, "std_px": std_px, "molecules": self.molecules}


def population_width(sigma_px: FloatArray, variance_px2: FloatArray) -> PsfWidth:
    """Find the median width of molecules and how much they differ, apart from the errors of the fits.

    Each fitted width differs from the median by what its molecule differs, tau, and by the error of its fit:
    in squares, as parts of the width, the two add. So tau is such that of all differences, each over its own
    standard deviation, as many lie within 1 as of a normal variate. Quantiles, because two molecules fitted
    as one lie far out; and parts of the width, because a molecule whose fit came out narrow seems surer than
    it is.

    Parameters
    ----------
    sigma_px, variance_px2 : ndarray of float64, shape (n,)
        Widths of isolated molecules, fitted freely, and the variances that the fits predict.

    Returns
    -------
    PsfWidth
        Of nothing known, where there are too few molecules.
    """
    if len(sigma_px) < FEWEST_MOLECULES:
        return PsfWidth(molecules=len(sigma_px))
    logarithm = np.log(sigma_px)
    error = variance_px2 / sigma_px**2

    def centre(tau: float) -> float:
        order = np.argsort(logarithm)
        weight = np.cumsum(1.0 / (error + tau**2)[order])
        return float(logarithm[order][np.searchsorted(weight, 0.5 * weight[-1])])

    def too_far(tau: float) -> float:
        differences = np.abs(logarithm - centre(tau)) / np.sqrt(error + tau**2)
        return float(np.quantile(differences, WITHIN_ONE_STD)) - 1.0

    if too_far(SMALLEST_RELATIVE_STD) <= 0.0:
        tau = SMALLEST_RELATIVE_STD
    elif too_far(LARGEST_RELATIVE_STD) >= 0.0:
        tau = LARGEST_RELATIVE_STD
    else:
        tau = float(brentq(too_far, SMALLEST_RELATIVE_STD, LARGEST_RELATIVE_STD, xtol=1e-4))
    sigma = math.exp(centre(tau))
    return PsfWidth(sigma, tau * sigma, len(sigma_px))
