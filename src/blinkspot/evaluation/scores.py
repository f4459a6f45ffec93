"""How much of the truth was found, and how well."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from blinkspot.evaluation.matching import FloatArray, match, pairs_within
from blinkspot.evaluation.same_movie import check_same_movie
from blinkspot.localization import LocalizationTable

DEFAULT_TOLERANCE_NM = 50.0


@dataclass(frozen=True)
class Scores:
    """A table of localizations against the truth.

    Attributes
    ----------
    true_positives : int
        Localizations paired with a molecule.
    false_positives : int
        Localizations left over.
    false_negatives : int
        Molecules left over.
    rmse_nm : float
        Root mean square of the distances within the pairs, nm. NaN without pairs.
    mean_error_nm : float
        Mean of these distances, nm: what ThunderSTORM calls RMSE. NaN without pairs.
    """

    true_positives: int
    false_positives: int
    false_negatives: int
    rmse_nm: float
    mean_error_nm: float

    @property
    def jaccard(self) -> float:
        """TP / (TP + FP + FN); NaN where there is nothing to find and nothing was found."""
        return _ratio(self.true_positives, self.true_positives + self.false_positives + self.false_negatives)

    @property
    def precision(self) -> float:
        """TP / (TP + FP); NaN where nothing was found."""
        return _ratio(self.true_positives, self.true_positives + self.false_positives)

    @property
    def recall(self) -> float:
        """TP / (TP + FN); NaN where there is nothing to find."""
        return _ratio(self.true_positives, self.true_positives + self.false_negatives)

    @property
    def f1(self) -> float:
        """2 TP / (2 TP + FP + FN), the harmonic mean of precision and recall; NaN as ``jaccard``."""
        return _ratio(
            2 * self.true_positives, 2 * self.true_positives + self.false_positives + self.false_negatives
        )

    def as_dict(self) -> dict[str, int | float | None]:
        """Return all figures by name, JSON-ready: None stands for NaN."""
        values = {
            "true_positives": self.true_positives,
            "false_positives": self.false_positives,
            "false_negatives": self.false_negatives,
            "jaccard": self.jaccard,
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
            "rmse_nm": self.rmse_nm,
            "mean_error_nm": self.mean_error_nm,
        }
        return {name: None if math.isnan(value) else value for name, value in values.items()}

    @classmethod
    def from_counts(cls, n_found: int, n_truth: int, distances_nm: FloatArray) -> Scores:
        """Make scores of the sizes of both tables and the distances of the pairs."""
        n_pairs = len(distances_nm)
        return cls(
            true_positives=n_pairs,
            false_positives=int(n_found) - n_pairs,
            false_negatives=int(n_truth) - n_pairs,
            rmse_nm=float(np.sqrt(np.mean(distances_nm**2))) if n_pairs else math.nan,
            mean_error_nm=float(np.mean(distances_nm)) if n_pairs else math.nan,
        )


def score(
    found: LocalizationTable, truth: LocalizationTable, tolerance_nm: float = DEFAULT_TOLERANCE_NM
) -> Scores:
    """Score localizations against the truth.

    In each frame the nearest localization and molecule are paired, then the nearest of what is left, and so
    on up to the tolerance: the rule of ThunderSTORM, whose counts this reproduces. Molecules at the border
    count like all others.

    Parameters
    ----------
    found, truth : LocalizationTable
        The two tables, nm; either may be empty.
    tolerance_nm : float
        Greatest distance within a pair, nm.

    Raises
    ------
    BlinkspotError
        If the tolerance is not above 0, or the tables are of different movies.
    """
    check_same_movie(found, truth)
    pairs = match(pairs_within(found, truth, tolerance_nm))
    return Scores.from_counts(len(found), len(truth), pairs.distance_nm)


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
