r"""How the errors of fits depend on what the fits say.

The variance of the error along an axis is taken as

.. math:: \sigma^2 = u^2 \exp\Bigl(\sum_k s_k(f_k)\Bigr),

with the uncertainty :math:`u` that the fit reports and a piecewise linear function :math:`s_k` of each
feature :math:`f_k`, constant beyond what was seen. Its coefficients make the errors most likely as normal
variates, which gives the right variances also where the errors are not normal (quasi-likelihood: Wedderburn
1974, Biometrika 61:439).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

FloatArray = NDArray[np.float64]

MOST_KNOTS = 6
_ERRORS_PER_KNOT = 150
# Of the features, between the first and the last knot: what few fits reach decides nothing.
_KNOTS_WITHIN = (0.02, 0.98)
# Keeps features that are nearly the same from large coefficients of opposite signs.
_RIDGE = 1e-3
_LARGEST_LOG = 20.0


@dataclass(frozen=True)
class ErrorLaw:
    """Variances of errors over those that fits report.

    Attributes
    ----------
    features : tuple of str
        What the features are.
    knots : tuple of tuples of float
        Of each feature, ascending.
    coefficients : tuple of float
        The constant; then of each feature the slope, and how it changes at each inner knot.
    """

    features: tuple[str, ...]
    knots: tuple[tuple[float, ...], ...]
    coefficients: tuple[float, ...]

    def variance_ratio(self, features: FloatArray) -> FloatArray:
        """Return the variance of the error over the reported one.

        Parameters
        ----------
        features : ndarray of float64, shape (n, k)

        Returns
        -------
        ndarray of float64, shape (n,)
        """
        logs: FloatArray = _design(features, self.knots) @ np.array(self.coefficients)
        return np.exp(np.clip(logs, -_LARGEST_LOG, _LARGEST_LOG))

    def as_dict(self) -> dict[str, Any]:
        """Return the law, JSON-ready."""
        return {
            "features": list(self.features),
            "knots": [list(each) for each in self.knots],
            "coefficients": list(self.coefficients),
        }


def fit_error_law(names: tuple[str, ...], features: FloatArray, ratio: FloatArray) -> ErrorLaw:
    """Learn the law from fits whose errors are known.

    Parameters
    ----------
    names : tuple of str
        What the features are.
    features : ndarray of float64, shape (n, k)
    ratio : ndarray of float64, shape (n,)
        Squared error along an axis, the mean of both, over the reported variance.

    Returns
    -------
    ErrorLaw
    """
    number = int(np.clip(len(features) // _ERRORS_PER_KNOT, 2, MOST_KNOTS))
    places = np.quantile(features, np.linspace(*_KNOTS_WITHIN, number), axis=0)
    knots = tuple(tuple(np.unique(places[:, index]).tolist()) for index in range(features.shape[1]))
    design = _design(features, knots)
    penalty = np.full(design.shape[1], _RIDGE)
    penalty[0] = 0.0

    def misfit(coefficients: FloatArray) -> tuple[float, FloatArray]:
        logs = np.clip(design @ coefficients, -_LARGEST_LOG, _LARGEST_LOG)
        relative = ratio * np.exp(-logs)
        value = np.mean(logs + relative) + np.sum(penalty * coefficients**2)
        slope = (1.0 - relative) @ design / len(design) + 2.0 * penalty * coefficients
        return float(value), slope

    start = np.zeros(design.shape[1])
    start[0] = np.log(max(float(np.mean(ratio)), np.exp(-_LARGEST_LOG)))
    found = minimize(misfit, start, jac=True, method="L-BFGS-B").x
    return ErrorLaw(names, knots, tuple(found.tolist()))


def _design(features: FloatArray, knots: tuple[tuple[float, ...], ...]) -> FloatArray:
    columns = [np.ones(len(features))]
    for index, places in enumerate(knots):
        values = np.clip(features[:, index], places[0], places[-1])
        columns.append(values - places[0])
        columns += [np.maximum(values - place, 0.0) for place in places[1:-1]]
    return np.column_stack(columns)
