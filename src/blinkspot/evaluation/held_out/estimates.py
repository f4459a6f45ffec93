"""Estimates for the whole movie, from what its splits tell."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from blinkspot.evaluation.held_out.full_light import (
    OF_DENOISED_RATIOS,
    OF_FALSE_BESIDE_SIMULATED,
    OF_TRUE_RATIOS,
    AtFullLight,
    ExponentPrior,
    at_full_light,
    mixed_at_full_light,
)
from blinkspot.evaluation.held_out.precision import within_tolerance
from blinkspot.evaluation.held_out.result import Estimate
from blinkspot.evaluation.held_out.strata import SplitFigures
from blinkspot.localization import LocalizationTable

FloatArray = NDArray[np.float64]

WITHIN_95 = 1.96
FEWEST_FOUND = 30
# So many may there be where none is seen: of more, chance shows none less often than 1 time in 20
# (Hanley & Lippman-Hand 1983, JAMA 249:1743). The splits are of one movie, and do not add up to less.
MOST_UNSEEN = 3.0
_UNKNOWN = Estimate(math.nan, math.nan, math.nan)


def false_molecules(
    splits: tuple[SplitFigures, ...], numbers: NDArray[np.int64], prior: ExponentPrior
) -> tuple[Estimate, ...]:
    """Extrapolate the number of false molecules to the whole light by a power law, at each threshold.

    Parameters
    ----------
    splits : tuple of SplitFigures
    numbers : ndarray of int64, shape (K,)
        Molecules found in the whole movie at each threshold.
    prior : ExponentPrior
        Of the power.
    """
    shares = tuple(each.kept_share for each in splits)
    return _at_each_threshold(
        splits, numbers, lambda _, logs, variances: at_full_light(shares, logs, variances, prior)
    )


def false_beside_simulated(
    splits: tuple[SplitFigures, ...], numbers: NDArray[np.int64], simulated: FloatArray
) -> tuple[Estimate, ...]:
    """Extrapolate the number of false molecules in proportion to that of simulated movies.

    Parameters
    ----------
    splits, numbers
        As in :func:`false_molecules`.
    simulated : ndarray of float64, shape (splits + 1, K)
        False molecules in simulated splits and, last, in the whole light of simulated movies.
    """
    shares = tuple(each.kept_share for each in splits)

    def whole(index: int, logs: FloatArray, variances: FloatArray) -> AtFullLight:
        like = simulated[:, index] + 0.5
        ratio = mixed_at_full_light(
            shares, logs - np.log(like[:-1]), variances + 1.0 / like[:-1], OF_FALSE_BESIDE_SIMULATED
        )
        deviation = math.hypot(ratio.deviation, 1.0 / math.sqrt(like[-1]))
        return AtFullLight(ratio.log + math.log(like[-1]), deviation)

    return _at_each_threshold(splits, numbers, whole)


def _at_each_threshold(
    splits: tuple[SplitFigures, ...],
    numbers: NDArray[np.int64],
    whole: Callable[[int, FloatArray, FloatArray], AtFullLight],
) -> tuple[Estimate, ...]:
    """Extrapolate by ``whole``, given a threshold's index, the logarithms there and their variances."""
    estimates = []
    for index, number in enumerate(numbers.tolist()):
        told = _logs(splits, index)
        estimates.append(_UNKNOWN if told is None else _estimate(whole(index, *told), number))
    return _never_rising(estimates)


def _logs(splits: tuple[SplitFigures, ...], index: int) -> tuple[FloatArray, FloatArray] | None:
    """Return logarithms of what is false at a threshold and their variances; None where too few are found."""
    if min(each.found[index] for each in splits) < FEWEST_FOUND:
        return None
    # Half a molecule more keeps the logarithm of none finite; counts vary at least as Poisson's do.
    false = np.array([each.false[index] + 0.5 for each in splits])
    variance = np.maximum([each.false_variance[index] for each in splits], false)
    return np.log(false), variance / false**2


def _estimate(whole: AtFullLight, number: int) -> Estimate:
    """Return how many of so many are false."""
    reach = WITHIN_95 * whole.deviation
    value, low, high = (
        min(max(math.exp(whole.log + step) - 0.5, 0.0), float(number)) for step in (0.0, -reach, reach)
    )
    return Estimate(value, low, max(high, min(MOST_UNSEEN, float(number))))


def _never_rising(estimates: list[Estimate]) -> tuple[Estimate, ...]:
    """Return estimates of which none is above the one before, the nearest to those given.

    What is false from a threshold on is false from any lower one on, too; where a handful are, estimates of
    the same number scatter.
    """
    known = [each for each in estimates if not math.isnan(each.value)]
    if not known:
        return tuple(estimates)
    sides = [
        isotonic_regression(side, increasing=False).x.tolist()
        for side in zip(*((each.value, each.low, each.high) for each in known), strict=True)
    ]
    # Those where too few are found to tell are the last ones.
    return (*map(Estimate, *sides), *estimates[len(known) :])


def true_shares(strength: FloatArray, thresholds: FloatArray, false: tuple[Estimate, ...]) -> FloatArray:
    """Return of each row the share of true ones among those of like detection strength.

    Parameters
    ----------
    strength : ndarray of float64, shape (n,)
    thresholds : ndarray of float64, shape (K,)
        Ascending.
    false : tuple of Estimate
        False ones from each threshold on.
    """
    bin_of = _bin_of(strength, thresholds)
    # Of each bin, what is false: above its threshold less above the next.
    above = np.array([0.0 if math.isnan(each.value) else each.value for each in false] + [0.0])
    in_bin = np.maximum(np.bincount(bin_of, minlength=len(thresholds)), 1)
    shares: FloatArray = np.clip(1.0 + np.diff(above) / in_bin, 0.0, 1.0)[bin_of]
    return shares


def _bin_of(strength: FloatArray, thresholds: FloatArray) -> NDArray[np.int64]:
    """Return the last threshold that each row passes; the first one where it passes none."""
    return np.maximum(np.searchsorted(thresholds, strength, side="right") - 1, 0)


def error_ratio(splits: tuple[SplitFigures, ...], on_recorded: bool) -> Estimate:
    """Extrapolate the ratio of true to reported errors to the whole light."""
    told = [each for each in splits if each.ratio > 0 and each.ratio_deviation > 0]
    if not told:
        return _UNKNOWN
    ratios = np.array([each.ratio for each in told])
    variances = np.array([each.ratio_deviation for each in told]) ** 2 / ratios**2
    prior = OF_TRUE_RATIOS if on_recorded else OF_DENOISED_RATIOS
    whole = at_full_light(tuple(each.kept_share for each in told), np.log(ratios), variances, prior)
    reach = WITHIN_95 * whole.deviation
    return Estimate(*(math.exp(whole.log + step) for step in (0.0, -reach, reach)))


def errors(
    table: LocalizationTable,
    thresholds: FloatArray,
    false: tuple[Estimate, ...],
    ratio: Estimate,
    tolerance_nm: float,
) -> tuple[tuple[Estimate, ...], FloatArray]:
    """Return the error of the true ones at each threshold, and the share of them beyond the tolerance."""
    strength, reported = table.column("detection_strength"), table.column("uncertainty_nm")
    weights = true_shares(strength, thresholds, false)
    bin_of = _bin_of(strength, thresholds)
    weights[~np.isfinite(reported)] = 0.0
    reported = np.nan_to_num(reported)
    errors, misplaced = [], np.full(len(thresholds), np.nan)
    for index in range(len(thresholds)):
        shown = bin_of >= index
        three = [
            within_tolerance(each * reported[shown], weights[shown], tolerance_nm)
            if math.isfinite(each)
            else (math.nan, math.nan)
            for each in (ratio.value, ratio.low, ratio.high)
        ]
        errors.append(Estimate(*(error for error, _ in three)))
        misplaced[index] = three[0][1]
    return tuple(errors), misplaced
