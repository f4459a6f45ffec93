"""Scores along the detection threshold."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from blinkspot.errors import BlinkspotError
from blinkspot.evaluation.scoring.matching import FloatArray, IndexArray, match, pairs_within
from blinkspot.evaluation.scoring.scores import DEFAULT_TOLERANCE_NM, Scores
from blinkspot.localization import LocalizationTable
from blinkspot.progress import Progress, Stopwatch, finish

_COARSE_THRESHOLDS = 40
_FINE_THRESHOLDS = 20


@dataclass(frozen=True)
class Curve:
    """Scores of one table at many detection thresholds.

    Counts are kept per frame (or block of frames), so that any selection of frames can be scored, and
    resampled, without matching again: no pair ever joins two frames.

    Attributes
    ----------
    threshold : (K,) float64
        Ascending; in units of std(Wave.F1), as the table's ``detection_strength``.
    pairs, found : (K, F) int64
        Matched and all localizations of each frame at each threshold.
    truth : (F,) int64
        Molecules of each frame.
    over_all : tuple of Scores, K
        The scores over all frames at each threshold.
    """

    threshold: FloatArray
    pairs: IndexArray
    found: IndexArray
    truth: IndexArray
    over_all: tuple[Scores, ...]

    @property
    def n_found(self) -> IndexArray:
        """Localizations at each threshold, (K,)."""
        total: IndexArray = self.found.sum(axis=1)
        return total

    @property
    def precision(self) -> FloatArray:
        """Share of the localizations that are true, at each threshold; NaN where there are none."""
        return _ratio(self.pairs.sum(axis=1), self.n_found)

    @property
    def recall(self) -> FloatArray:
        """Share of the molecules that were found, at each threshold; NaN where there are none."""
        return _ratio(self.pairs.sum(axis=1), self.truth.sum())

    @property
    def f1(self) -> FloatArray:
        """Harmonic mean of precision and recall at each threshold."""
        return self.f1_of(np.ones(len(self.truth)))

    @property
    def best_index(self) -> int:
        """Number of the threshold with the highest F1."""
        return best_of(self.f1)

    @property
    def best(self) -> float:
        """Threshold with the highest F1."""
        return float(self.threshold[self.best_index])

    def scores(self, index: int) -> Scores:
        """Return the scores over all frames at the threshold of number ``index``."""
        return self.over_all[index]

    def f1_of(self, weights: FloatArray) -> FloatArray:
        """Return F1 over a selection of frames.

        Parameters
        ----------
        weights : (..., F) float64
            How often each frame (or block) counts.

        Returns
        -------
        (..., K) float64
            F1 at each threshold; NaN where there is nothing to find and nothing was found.
        """
        found_and_truth = weights @ self.found.T + (weights @ self.truth)[..., np.newaxis]
        return _ratio(2.0 * (weights @ self.pairs.T), found_and_truth)

    def in_blocks(self, frames_per_block: int) -> Curve:
        """Return this curve with the counts of successive frames summed; the last block may be shorter."""
        starts = np.arange(0, len(self.truth), frames_per_block)
        return dataclasses.replace(
            self,
            pairs=np.add.reduceat(self.pairs, starts, axis=1),
            found=np.add.reduceat(self.found, starts, axis=1),
            truth=np.add.reduceat(self.truth, starts),
        )


def threshold_curve(
    found: LocalizationTable, truth: LocalizationTable, tolerance_nm: float = DEFAULT_TOLERANCE_NM
) -> Curve:
    """Score a table at some 60 thresholds between its weakest and its strongest localization.

    At each threshold the pairs are chosen anew, since a localization that is gone sets its molecule free. Two
    thirds of the thresholds cover the whole range, the others look closer around the highest F1.

    Parameters
    ----------
    found : LocalizationTable
        Localized at the lowest threshold of interest; needs the column ``detection_strength``.
    truth : LocalizationTable
        The truth.
    tolerance_nm : float
        Greatest distance within a pair, nm.

    Raises
    ------
    BlinkspotError
        As :func:`~blinkspot.evaluation.score`, and where the detection strength is unknown.
    """
    return finish(curve_steps(found, truth, tolerance_nm))


def curve_steps(
    found: LocalizationTable,
    truth: LocalizationTable,
    tolerance_nm: float,
    n_frames: int = 1,
    also_at: tuple[float, ...] = (),
) -> Generator[Progress, None, Curve]:
    """Do :func:`threshold_curve` step by step, one threshold per yielded progress value.

    The curve has at least ``n_frames`` frames (the movie may be longer than the tables say) and the
    thresholds ``also_at`` among its own.
    """
    strength = _strengths(found)
    found_frame, truth_frame = found.column("frame"), truth.column("frame")
    n_frames = max(n_frames, 1 + found_frame.max(initial=0), 1 + truth_frame.max(initial=0))
    pairs = pairs_within(found, truth, tolerance_nm)
    stopwatch = Stopwatch("scoring", _COARSE_THRESHOLDS + _FINE_THRESHOLDS + len(also_at))
    points: dict[float, _Point] = {}

    def measure(thresholds: FloatArray) -> Generator[Progress, None, Curve]:
        for threshold in thresholds:
            is_kept = strength >= threshold
            chosen = match(pairs[is_kept[pairs.found]])
            points[threshold] = _Point(
                pairs=np.bincount(found_frame[chosen.found], minlength=n_frames),
                found=np.bincount(found_frame[is_kept], minlength=n_frames),
                scores=Scores.of_pairs(int(is_kept.sum()), len(truth), chosen, found, truth),
            )
            yield stopwatch.at(len(points))
        ascending = [points[threshold] for threshold in sorted(points)]
        return Curve(
            threshold=np.array(sorted(points)),
            pairs=np.array([point.pairs for point in ascending]),
            found=np.array([point.found for point in ascending]),
            truth=np.bincount(truth_frame, minlength=n_frames),
            over_all=tuple(point.scores for point in ascending),
        )

    coarse = yield from measure(np.union1d(_spread(strength, _COARSE_THRESHOLDS), also_at))
    below = coarse.threshold[max(coarse.best_index - 1, 0)]
    above = coarse.threshold[min(coarse.best_index + 1, len(coarse.threshold) - 1)]
    near_best = strength[(strength >= below) & (strength <= above)]
    return (yield from measure(_spread(near_best, _FINE_THRESHOLDS)))


def best_of(f1: FloatArray) -> int:
    """Return the number of the highest value along a curve: the last among equals; NaN counts as lowest."""
    backwards = np.nan_to_num(f1[::-1], nan=-1.0)
    return len(f1) - 1 - int(np.argmax(backwards))


@dataclass(frozen=True)
class _Point:
    """What a curve keeps of one threshold."""

    pairs: IndexArray
    found: IndexArray
    scores: Scores


def _strengths(found: LocalizationTable) -> FloatArray:
    values: FloatArray = found.column("detection_strength")
    if np.isnan(values).any():
        raise BlinkspotError(
            "The table does not say how strongly its localizations were detected, so it cannot be scored "
            "along the threshold: localize the movie with this program."
        )
    return values


def _spread(strength: FloatArray, count: int) -> FloatArray:
    """Return up to ``count`` of the strengths, closer together among the strong, which are few."""
    if len(strength) == 0:
        return np.zeros(1)
    kept = np.linspace(0.0, 1.0, count) ** 2
    return np.unique(np.quantile(strength, 1.0 - kept, method="closest_observation"))


def _ratio(part: ArrayLike, whole: ArrayLike) -> FloatArray:
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    undefined = np.full(np.broadcast(part, whole).shape, np.nan)
    ratio: FloatArray = np.divide(part, whole, out=undefined, where=whole > 0)
    return ratio
