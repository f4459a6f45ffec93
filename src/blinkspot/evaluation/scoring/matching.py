"""Which localization is which molecule, frame by frame: nearest pairs first, or the optimal assignment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from blinkspot.errors import BlinkspotError
from blinkspot.evaluation.scoring.assignment import assigned
from blinkspot.localization import LocalizationTable

IndexArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
Matching = Literal["nearest", "optimal"]

LARGEST_TOLERANCE_NM = 1e6


@dataclass(frozen=True)
class Pairs:
    """Pairs of a localization and a molecule, nearest first.

    Attributes
    ----------
    found, truth : (N,) int64
        Row numbers in the two tables.
    distance_nm : (N,) float64
        Distance between the two, nm; ascending.
    """

    found: IndexArray
    truth: IndexArray
    distance_nm: FloatArray

    def __len__(self) -> int:
        return len(self.found)

    def __getitem__(self, chosen: NDArray[np.bool_] | IndexArray) -> Pairs:
        return Pairs(self.found[chosen], self.truth[chosen], self.distance_nm[chosen])


def check_tolerance(tolerance_nm: float) -> None:
    """Refuse a tolerance that is not above 0, or that no microscope's field is as wide as.

    Raises
    ------
    BlinkspotError
        If it is out of its range.
    """
    if not 0 < tolerance_nm <= LARGEST_TOLERANCE_NM:
        raise BlinkspotError(
            f"The matching tolerance must be above 0 nm and at most {LARGEST_TOLERANCE_NM:g} nm, "
            f"not {tolerance_nm}."
        )


def pairs_within(found: LocalizationTable, truth: LocalizationTable, tolerance_nm: float) -> Pairs:
    """Return every pair of the same frame that is at most ``tolerance_nm`` apart, nearest first.

    Raises
    ------
    BlinkspotError
        If the tolerance is out of its range.
    """
    check_tolerance(tolerance_nm)
    # The frame is a third coordinate whose steps are wider than the tolerance: one search serves all frames,
    # and leaves the distances within a frame as they are.
    points = [_points(table, 2.0 * tolerance_nm) for table in (found, truth)]
    if min(len(found), len(truth)) == 0:
        none = np.empty(0, np.int64)
        return Pairs(none, none, np.empty(0))
    near = cKDTree(points[0]).sparse_distance_matrix(cKDTree(points[1]), tolerance_nm, output_type="ndarray")
    order = np.lexsort((near["j"], near["i"], near["v"]))
    return Pairs(near["i"][order].astype(np.int64), near["j"][order].astype(np.int64), near["v"][order])


def match(pairs: Pairs, matching: Matching = "nearest") -> Pairs:
    """Choose among the pairs, so that no row of either table occurs twice.

    Parameters
    ----------
    pairs : Pairs
        Candidates, nearest first.
    matching : {"nearest", "optimal"}
        ``"nearest"``: the nearest of all, then the nearest of what it leaves, and so on. This is
        ThunderSTORM's stable matching, and how the SMLM challenge pairs (Sage et al. 2019, Nature Methods
        16:387). ``"optimal"``: the most pairs, and of all such choices the one with the smallest sum of
        squared distances (:mod:`.assignment`). It has never fewer pairs, and the two
        differ only where molecules are crowded.

    Returns
    -------
    Pairs
        Those chosen, nearest first.

    Raises
    ------
    BlinkspotError
        If there is no such rule.
    """
    if matching not in get_args(Matching):
        raise BlinkspotError(f"The matching must be nearest or optimal, not {matching!r}.")
    if matching == "optimal":
        return pairs[assigned(pairs.found, pairs.truth, pairs.distance_nm)]
    return _nearest_first(pairs)


def _nearest_first(pairs: Pairs) -> Pairs:
    """Take at once, in each round, every pair that is the nearest for both, and strike out the rivals."""
    if len(pairs) == 0:
        return pairs
    first_of_found = np.empty(pairs.found.max() + 1, np.int64)
    first_of_truth = np.empty(pairs.truth.max() + 1, np.int64)
    is_taken_found = np.zeros(len(first_of_found), bool)
    is_taken_truth = np.zeros(len(first_of_truth), bool)
    left = np.arange(len(pairs))
    chosen = []
    while len(left):
        found, truth = pairs.found[left], pairs.truth[left]
        # Written backwards, so that the nearest pair of each row is the one that stays.
        first_of_found[found[::-1]] = left[::-1]
        first_of_truth[truth[::-1]] = left[::-1]
        is_mutual = (first_of_found[found] == left) & (first_of_truth[truth] == left)
        chosen.append(left[is_mutual])
        is_taken_found[found[is_mutual]] = True
        is_taken_truth[truth[is_mutual]] = True
        left = left[~(is_taken_found[found] | is_taken_truth[truth])]
    return pairs[np.sort(np.concatenate(chosen))]


def _points(table: LocalizationTable, frame_step_nm: float) -> FloatArray:
    return np.column_stack(
        [table.column("x_nm"), table.column("y_nm"), table.column("frame") * frame_step_nm]
    )
