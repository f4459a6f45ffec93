"""Precision by nearest neighbours in successive frames (NeNA).

A molecule that shines through two frames is found in both, the two places differing by their errors alone.
Of errors that are Gaussian with the standard deviation s along each axis, the distance d has the density
d / (2 s^2) exp(-d^2 / (4 s^2)). Other molecules are found nearby, too: those of the same structure at some
usual distance, taken for Gaussian, those anywhere in numbers that grow as d (Endesfelder et al. 2014,
Histochemistry and Cell Biology 141:629). The sum of the three is fitted to the histogram by least
squares; the Gaussian only where it is needed.

All pairs within reach are counted, as Picasso does, and not the nearest of each localization only: in sparse
frames that is the same, and in dense ones a molecule that happens to lie closer than the true partner would
make the precision seem better than it is.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.special import xlogy

from blinkspot.errors import BlinkspotError
from blinkspot.evaluation.resolution.successors import successor_distances
from blinkspot.localization.table import LocalizationTable
from blinkspot.localization.table_files.pixel_size import known_pixel_size_nm
from blinkspot.paced import waited_for
from blinkspot.progress import Progress, Stopwatch

FloatArray = NDArray[np.float64]

USUAL_REACH_NM = 100.0
_BINS = 1000
_FEWEST_PAIRS = 50
# The histogram reaches so many times as far as the precision, or grows by this factor until it does.
_REACHED = 6.0
_GROWTH = 1.5
_LARGEST_REACH_NM = 1000.0
# A true part below this share of the pairs, or known to less than this part of itself, is chance.
_SMALLEST_SHARE = 0.05
_LARGEST_ERROR = 0.25


@dataclass(frozen=True)
class Nena:
    """What the distances in successive frames tell.

    Attributes
    ----------
    precision_nm : float or None
        Standard deviation of a position along an axis, nm: of the errors that change from frame to frame.
    error_nm : float or None
        Its standard error from the number of pairs, nm.
    reason : str or None
        Why there is no precision, in one sentence.
    distance_nm : ndarray of float64, shape (bins,)
        Middles of the histogram's bins.
    pairs : ndarray of int64, shape (bins,)
        Pairs counted.
    fitted, of_one_molecule : ndarray of float64, shape (bins,)
        Pairs by the fit, and the part of them in which both are one molecule; empty without a fit.
    """

    precision_nm: float | None
    error_nm: float | None
    reason: str | None
    distance_nm: FloatArray
    pairs: NDArray[np.int64]
    fitted: FloatArray
    of_one_molecule: FloatArray

    def as_dict(self) -> dict[str, Any]:
        """Return the figures, JSON-ready."""
        return {
            "precision_nm": self.precision_nm,
            "error_nm": self.error_nm,
            "reason": self.reason,
            "pairs": int(self.pairs.sum()),
            "largest_distance_nm": float(self.distance_nm[-1] + self.distance_nm[0]),
        }


def nena(table: LocalizationTable, largest_nm: float | None = None) -> Generator[Progress, None, Nena]:
    """Measure the precision of a table whose molecules shine through successive frames.

    Parameters
    ----------
    table : LocalizationTable
        As localized: before molecules of successive frames were merged.
    largest_nm : float, optional
        Largest distance in the histogram, nm. By default the size of a camera pixel, as in Picasso, or 100 nm
        where the table does not know it, and more where that is less than six times the precision.

    Yields
    ------
    Progress

    Returns
    -------
    Nena

    Raises
    ------
    BlinkspotError
        If ``largest_nm`` is not a finite number above 0.
    """
    reach = largest_nm or known_pixel_size_nm(table.provenance) or USUAL_REACH_NM
    if (largest_nm is not None and not largest_nm > 0) or not math.isfinite(reach):
        raise BlinkspotError(f"The largest distance of NeNA must be above 0 nm, not {largest_nm}.")
    clock = Stopwatch("fitting the distances", 1.0)
    while True:
        pairs = yield from successor_distances(table, reach, _BINS)
        distance = (np.arange(_BINS) + 0.5) * reach / _BINS
        reason = _why_not(table, int(pairs.sum()), reach)
        if reason is not None:
            return _unknown(reason, distance, pairs)
        fit = yield from waited_for(partial(_fitted, distance, pairs), clock)
        if largest_nm is not None or fit.precision <= reach / _REACHED or reach >= _LARGEST_REACH_NM:
            break
        reach *= _GROWTH
    share = fit.parameters[0] / pairs.sum()
    if share < _SMALLEST_SHARE or fit.error > _LARGEST_ERROR * fit.precision or fit.precision > reach / 2:
        reason = (
            "The distances in successive frames show no molecule that was found in both: molecules that "
            "shine for one frame only, or merged ones, do not tell their precision."
        )
        return _unknown(reason, distance, pairs)
    width = reach / _BINS
    one_molecule = width * fit.parameters[0] * _distance_density(distance, fit.precision)
    return Nena(fit.precision, fit.error, None, distance, pairs, fit.expected, one_molecule)


def _why_not(table: LocalizationTable, pairs: int, reach_nm: float) -> str | None:
    if table.knows("detections") and np.nanmax(table.column("detections")) > 1:
        return (
            "The molecules of successive frames were merged, so that none is left in two: "
            "give the table from before that."
        )
    if pairs < _FEWEST_PAIRS:
        return (
            f"Only {pairs} pairs of localizations in successive frames lie within {reach_nm:g} nm, and it "
            f"takes {_FEWEST_PAIRS} to tell the precision from them."
        )
    return None


def _unknown(reason: str, distance_nm: FloatArray, pairs: NDArray[np.int64]) -> Nena:
    nothing = np.empty(0)
    return Nena(None, None, reason, distance_nm, pairs, nothing, nothing)


@dataclass(frozen=True)
class _Fit:
    parameters: FloatArray
    error: float
    expected: FloatArray

    @property
    def precision(self) -> float:
        return float(self.parameters[1])


def _distance_density(distance: FloatArray, precision: float) -> FloatArray:
    """Return the density of the distance between two places of one molecule."""
    twice = 2.0 * precision**2
    density: FloatArray = distance / twice * np.exp(-(distance**2) / (2.0 * twice))
    return density


def _density(distance: FloatArray, parameters: FloatArray) -> FloatArray:
    """Return the pairs per nm: of one molecule, of one structure, of anything."""
    true, precision, near, middle, spread, anywhere = parameters
    gaussian = np.exp(-0.5 * ((distance - middle) / spread) ** 2) / (spread * math.sqrt(2.0 * math.pi))
    density: FloatArray = (
        true * _distance_density(distance, precision) + near * gaussian + anywhere * distance
    )
    return density


def _fitted(distance: FloatArray, pairs: NDArray[np.int64]) -> _Fit:
    """Fit with and without the molecules of one structure, and take the simpler law unless it misfits.

    Without need for it, the Gaussian would take its share of the true part, which would seem narrower.
    """
    simple = _best_fit(distance, pairs, structured=False)
    whole = _best_fit(distance, pairs, structured=True)
    needed = 3.0 * math.log(len(distance))
    return whole if _deviance(pairs, simple) - _deviance(pairs, whole) > needed else simple


def _deviance(pairs: NDArray[np.int64], fit: _Fit) -> float:
    """Return twice the log-likelihood ratio of the counts themselves against a fit, by Poisson's law."""
    expected = np.maximum(fit.expected, 1e-9)
    return float(2.0 * np.sum(xlogy(pairs, pairs / expected) - pairs + expected))


def _best_fit(distance: FloatArray, pairs: NDArray[np.int64], *, structured: bool) -> _Fit:
    """Fit from several starts, and take the best."""
    reach, width, n = float(distance[-1]), float(distance[1] - distance[0]), float(pairs.sum())
    scale = np.array([n, reach, n, reach, reach, n / reach**2])
    smallest = np.array([0.0, width, 0.0, 0.0, width, 0.0])
    free = np.array([True, True, structured, structured, structured, True])

    def whole(scaled: FloatArray) -> FloatArray:
        parameters: FloatArray = np.array([0.0, 1.0, 0.0, 1.0, 1.0, 0.0])
        parameters[free] = scaled * scale[free]
        return parameters

    def expected(scaled: FloatArray) -> FloatArray:
        return width * _density(distance, whole(scaled))

    best = None
    for precision in (0.03 * reach, 0.1 * reach, 0.25 * reach):
        for middle, spread in ((2.0 * precision, precision), (0.7 * reach, 0.3 * reach)):
            start = np.array([0.7 * n, precision, 0.1 * n, middle, spread, 0.2 * n / reach**2])
            tried = least_squares(
                lambda scaled: expected(scaled) - pairs,
                (start / scale)[free],
                bounds=((smallest / scale)[free], np.inf),
            )
            if best is None or tried.cost < best.cost:
                best = tried
    assert best is not None
    # Counts vary as Poisson's: the covariance of an unweighted fit to them, by its slopes.
    counts = expected(best.x)
    variance = (np.linalg.pinv(best.jac) ** 2) @ counts
    return _Fit(whole(best.x), float(math.sqrt(variance[1]) * reach), counts)
