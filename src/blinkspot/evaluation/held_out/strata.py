"""False molecules along the detection threshold, in one split."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from blinkspot.evaluation.held_out.false_share import (
    DIMMEST,
    DIMMEST_AT_LEAST,
    DIMMEST_AT_MOST,
    fit_mixture,
)
from blinkspot.evaluation.held_out.precision import products_of
from blinkspot.evaluation.held_out.window_light import WindowLight
from blinkspot.progress import relayed

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

BLOCKS = 20
"""Blocks of frames that are left out in turn, for errors (grouped jackknife)."""
FEWEST_IN_STRATUM = 200
MOST_FALSE_FOR_PRECISION = 0.5


@dataclass(frozen=True)
class SplitFigures:
    """What one split tells of one route.

    Attributes
    ----------
    kept_share : float
    found, false : ndarray of float64, shape (K,)
        Molecules found in the kept part at each threshold and above, and how many of them are false.
    false_variance : ndarray of float64, shape (K,)
        By leaving out blocks of frames, and by what is taken for the dimmest light.
    ratio, ratio_deviation : float
        True errors over those that the fits report (root of the mean square), and its standard deviation; NaN
        where too few molecules tell it.
    """

    kept_share: float
    found: FloatArray
    false: FloatArray
    false_variance: FloatArray
    ratio: float
    ratio_deviation: float


def figures_of(
    kept_share: float,
    light: WindowLight,
    strength: FloatArray,
    block: IntArray,
    uncertainty_px: FloatArray,
    thresholds: FloatArray,
    seed: int,
) -> Generator[float, None, tuple[SplitFigures, FloatArray]]:
    """Estimate false molecules and the errors of true ones.

    Parameters
    ----------
    kept_share : float
    light : WindowLight
        Held-out light of n molecules.
    strength : ndarray of float64, shape (n,)
        Their detection strengths.
    block : ndarray of int64, shape (n,)
        The block of frames that each is in.
    uncertainty_px : ndarray of float64, shape (n,)
        That the fits report.
    thresholds : ndarray of float64, shape (K,)
        Ascending.
    seed : int

    Yields
    ------
    float
        The part that is done.

    Returns
    -------
    SplitFigures
    confirmed : ndarray of float64, shape (n,)
        Probability of each molecule that the held-out part confirms it.
    """
    # The same light in all splits, where that of half the movie is the measure.
    dimmest = math.sqrt(2.0 * (1.0 - kept_share))
    told = np.isfinite(light.light) & (light.dark_variance > 0.0)
    bin_of = np.maximum(np.searchsorted(thresholds, strength, side="right") - 1, 0)
    confirmed = np.full(len(light), np.nan)
    found, false = np.zeros(len(thresholds)), np.zeros(len(thresholds))
    left_out = np.zeros((BLOCKS, len(thresholds)))
    otherwise = np.zeros((2, len(thresholds)))
    sums = np.zeros((BLOCKS, 2))
    strata = _strata(np.bincount(bin_of[told], minlength=len(thresholds)))
    for done, (first, last) in enumerate(strata):
        rows = np.flatnonzero(told & (bin_of >= first) & (bin_of <= last))
        if not len(rows):
            continue
        chosen, bins, blocks = light.chosen(rows), bin_of[rows], block[rows]
        mixture = yield from relayed(
            fit_mixture(chosen, seed, dimmest * DIMMEST), partial(_part, done, len(strata))
        )
        dark = mixture.dark
        confirmed[rows] = 1.0 - dark
        found += np.bincount(bins, minlength=len(thresholds))
        false += np.bincount(bins, dark, minlength=len(thresholds))
        for column, other_dimmest in enumerate((DIMMEST_AT_LEAST, DIMMEST_AT_MOST)):
            other = yield from relayed(
                fit_mixture(chosen, seed, dimmest * other_dimmest), partial(_part, done, len(strata))
            )
            otherwise[column] += np.bincount(bins, other.dark, minlength=len(thresholds))
        for number in range(BLOCKS):
            counted = (blocks != number).astype(np.float64)
            dark = counted * mixture.again(counted).dark
            left_out[number] += np.bincount(bins, dark, minlength=len(thresholds))
            yield (done + number / BLOCKS) / len(strata)
        if mixture.false_share < MOST_FALSE_FOR_PRECISION:
            products = products_of(chosen, uncertainty_px[rows])
            for column in range(2):
                sums[:, column] += np.bincount(blocks, products[:, column], minlength=BLOCKS)
    found, false = _from_above(found), _from_above(false)
    left_out = _from_above(left_out)
    # Leaving a block out leaves a part of the molecules out: what is left stands for all.
    left_out *= BLOCKS / (BLOCKS - 1.0)
    variance = (BLOCKS - 1.0) / BLOCKS * np.sum((left_out - left_out.mean(axis=0)) ** 2, axis=0)
    at_least, at_most = _from_above(otherwise)
    variance += (0.5 * (at_most - at_least)) ** 2
    return SplitFigures(kept_share, found, false, variance, *_ratio(sums)), confirmed


def _part(done: int, of: int, _: None) -> float:
    return done / of


def _strata(counts: IntArray) -> list[tuple[int, int]]:
    """Join bins, from the strongest down, until each stratum has molecules enough: first and last bin."""
    strata: list[tuple[int, int]] = []
    last, n = len(counts) - 1, 0
    for number in range(len(counts) - 1, -1, -1):
        n += int(counts[number])
        if n >= FEWEST_IN_STRATUM or number == 0:
            strata.append((number, last))
            last, n = number - 1, 0
    return strata


def _from_above(values: FloatArray) -> FloatArray:
    """Sum from the last bin down to each."""
    return np.cumsum(values[..., ::-1], axis=-1)[..., ::-1]


def _ratio(sums: FloatArray) -> tuple[float, float]:
    """Return the root of a ratio of sums over blocks, shape (BLOCKS, 2), and its standard deviation."""
    total = sums.sum(axis=0)
    left = total - sums
    if not (total > 0.0).all() or not (left > 0.0).all():
        return float("nan"), float("nan")
    roots = np.sqrt(left[:, 0] / left[:, 1])
    deviation = np.sqrt((BLOCKS - 1.0) / BLOCKS * np.sum((roots - roots.mean()) ** 2))
    return float(np.sqrt(total[0] / total[1])), float(deviation)
