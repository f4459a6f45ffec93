r"""How large errors are in truth, of pairs that a tolerance chose.

Pairs of localizations and molecules are at most the tolerance :math:`R` apart. That cuts off the largest
errors, and lets in pairs by chance, whose places in the circle of radius :math:`R` are uniform. So the
distance :math:`(x, y)` of a pair whose uncertainties along the axes are :math:`u_x, u_y` is taken to have the
density

.. math:: (1 - w) \frac{N(x; 0, s u_x) N(y; 0, s u_y)}{P_R(s u_x, s u_y)} + \frac{w}{\pi R^2},

with the share :math:`w` of chance pairs, normal densities :math:`N`, and the probability :math:`P_R` that a
normal error stays within the circle. :math:`s`, the true error over the reported one, and :math:`w` are those
that make the pairs most likely. With equal uncertainties the first part is a Rayleigh law, cut off at
:math:`R`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, ndtr

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]

# Of an ellipse's quarter; the mean over them is that over all angles to many digits.
_ANGLES = (np.arange(12) + 0.5) * (math.pi / 24.0)
_MOST_PAIRS = 50_000
_STEP = 1e-4
_LOWEST = (math.log(1e-2), -12.0)
_HIGHEST = (math.log(1e2), 6.0)


@dataclass(frozen=True)
class ErrorScale:
    """What the pairs say of the true errors.

    Attributes
    ----------
    scale : float
        True error over the reported uncertainty.
    relative_error : float
        Standard error of ``scale``, as a part of it; NaN where the pairs do not tell.
    chance : float
        Share of pairs by chance.
    """

    scale: float
    relative_error: float
    chance: float


@dataclass(frozen=True)
class PairedErrors:
    """Errors of pairs within a tolerance.

    Attributes
    ----------
    error_nm, uncertainty_nm : ndarray of float64, shape (n, 2)
        Found minus true, and reported standard deviation, along x and y.
    block : ndarray of int64, shape (n,)
        Pairs of one block depend on each other; ascending.
    tolerance_nm : float
        Greatest distance within a pair.
    """

    error_nm: FloatArray
    uncertainty_nm: FloatArray
    block: IndexArray
    tolerance_nm: float

    def __len__(self) -> int:
        return len(self.error_nm)

    def __getitem__(self, chosen: NDArray[np.bool_] | IndexArray | slice) -> PairedErrors:
        return PairedErrors(
            self.error_nm[chosen], self.uncertainty_nm[chosen], self.block[chosen], self.tolerance_nm
        )

    @property
    def normalised(self) -> FloatArray:
        """Errors over their uncertainties, shape (n, 2)."""
        return self.error_nm / self.uncertainty_nm

    def thinned(self, most: int) -> PairedErrors:
        """Return at most so many of them, evenly spread."""
        return self[:: max(1, math.ceil(len(self) / most))]


def fit_error_scale(pairs: PairedErrors) -> ErrorScale:
    """Find the true errors, as a multiple of the reported ones, by maximum likelihood.

    The standard error is the sandwich of blocks (Liang & Zeger 1986, Biometrika 73:13): it holds also where
    errors are not normal and where those of a block go together. Of more than 50,000 pairs so many are used.

    Parameters
    ----------
    pairs : PairedErrors
        At least one.

    Returns
    -------
    ErrorScale
    """
    pairs = pairs.thinned(_MOST_PAIRS)

    def misfit(parameters: FloatArray) -> float:
        return -float(np.mean(_log_likelihood(pairs, *parameters)))

    # The median of a Rayleigh law is 1.18 times its scale; chance pairs move it little.
    radii = np.sqrt(np.mean(pairs.normalised**2, axis=1))
    start = np.log(max(float(np.median(radii)) * math.sqrt(2.0) / 1.1774, 0.02))
    bounds = list(zip(_LOWEST, _HIGHEST, strict=True))
    # Comes nearer to the optimum than L-BFGS-B, whose small steps of linear algebra wait for threads.
    fits = [
        minimize(misfit, (start, logit), method="SLSQP", bounds=bounds, options={"ftol": 1e-13})
        for logit in (-4.0, -1.0)
    ]
    best = min(fits, key=lambda fit: float(fit.fun)).x
    return ErrorScale(
        scale=math.exp(best[0]),
        relative_error=_standard_error(pairs, best),
        chance=float(expit(best[1])),
    )


def coverage_expected(pairs: PairedErrors, limits: tuple[float, ...], chance: float) -> list[float]:
    """Return which shares of the errors would be within multiples of the uncertainty, were that true.

    Of the pairs as they are, x and y together: with the cut at the tolerance, and a share ``chance`` of
    pairs by chance. Far below the tolerance and without these, it is the normal law's erf(k / sqrt(2)).
    """
    some = pairs.thinned(2000)
    along = some.uncertainty_nm.T.reshape(-1) / pairs.tolerance_nm
    across = some.uncertainty_nm[:, ::-1].T.reshape(-1) / pairs.tolerance_nm
    nodes, weights = np.polynomial.legendre.leggauss(48)
    shares = []
    whole = _within(along, across, np.full_like(along, np.inf), nodes, weights)
    for limit in limits:
        true = _within(along, across, np.full_like(along, limit), nodes, weights) / whole
        edge = np.minimum(limit * along, 1.0)
        uniform = (edge * np.sqrt(1.0 - edge**2) + np.arcsin(edge)) * 2.0 / math.pi
        shares.append(float(np.mean((1.0 - chance) * true + chance * uniform)))
    return shares


def _within(
    along: FloatArray, across: FloatArray, limit: FloatArray, nodes: FloatArray, weights: FloatArray
) -> FloatArray:
    """Return the probability of a normal error within the unit circle, and within ``limit`` on one axis."""
    # By the angle at which a line across meets the circle, so that the integrand is smooth at the rim.
    far = np.arcsin(np.minimum(np.minimum(limit, 8.0) * along, 1.0))
    angle = far[:, np.newaxis] * (nodes + 1.0) / 2.0
    place = np.sin(angle) / along[:, np.newaxis]
    density = np.exp(-(place**2) / 2.0) / math.sqrt(2.0 * math.pi) * np.cos(angle) / along[:, np.newaxis]
    inside = 2.0 * ndtr(np.cos(angle) / across[:, np.newaxis]) - 1.0
    probability: FloatArray = far * ((density * inside) @ weights)
    return probability


def _log_likelihood(pairs: PairedErrors, log_scale: float, logit: float) -> FloatArray:
    """Return the log of the density of each pair, shape (n,)."""
    sigma = pairs.uncertainty_nm * math.exp(log_scale)
    area = math.pi * pairs.tolerance_nm**2
    squares = np.sum(np.square(pairs.error_nm / sigma), axis=1)
    normal = np.exp(-squares / 2.0) / (2.0 * math.pi * np.prod(sigma, axis=1))
    kept = _kept(sigma, pairs.tolerance_nm)
    density = expit(-logit) * normal / kept + expit(logit) / area
    logs: FloatArray = np.log(density)
    return logs


def _kept(sigma_nm: FloatArray, tolerance_nm: float) -> FloatArray:
    """Return the probability that normal errors stay within the tolerance, shape (n,)."""
    x, y = np.square(sigma_nm / tolerance_nm).T
    if np.array_equal(x, y):
        round_kept: FloatArray = -np.expm1(-0.5 / x)
        return round_kept
    kept = np.zeros(len(x))
    for angle in _ANGLES:
        kept -= np.expm1(-0.5 / (x * math.cos(angle) ** 2 + y * math.sin(angle) ** 2))
    return kept / len(_ANGLES)


def _standard_error(pairs: PairedErrors, best: FloatArray) -> float:
    """Return the standard error of the log of the scale; NaN where the pairs do not tell it."""
    # At a bound the share of chance pairs is as good as known.
    free = [0, 1] if _LOWEST[1] + 1.0 < best[1] < _HIGHEST[1] - 0.1 else [0]
    steps = np.eye(2)[free] * _STEP
    slopes = np.array(
        [(_log_likelihood(pairs, *(best + step)) - _log_likelihood(pairs, *(best - step))) for step in steps]
    ) / (2.0 * _STEP)
    coarse = np.eye(2)[free] * 1e-3
    bends = np.array(
        [
            [
                np.sum(
                    _log_likelihood(pairs, *(best + one + other))
                    - _log_likelihood(pairs, *(best + one - other))
                    - _log_likelihood(pairs, *(best - one + other))
                    + _log_likelihood(pairs, *(best - one - other))
                )
                for other in coarse
            ]
            for one in coarse
        ]
    ) / (4.0 * 1e-6)
    starts = np.flatnonzero(np.diff(pairs.block, prepend=pairs.block[0] - 1))
    of_blocks = np.add.reduceat(slopes, starts, axis=1)
    try:
        inverse = np.linalg.inv(-bends)
    except np.linalg.LinAlgError:
        return math.nan
    n_blocks = len(starts)
    if n_blocks < 2 or inverse[0, 0] <= 0.0:
        return math.nan
    variance = inverse @ (of_blocks @ of_blocks.T) @ inverse * n_blocks / (n_blocks - 1)
    return float(np.sqrt(variance[0, 0]))
