"""How much of the truth was found, and how well."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from blinkspot.evaluation.scoring.border import check_border, field_of, in_border
from blinkspot.evaluation.scoring.matching import FloatArray, Matching, Pairs, match, pairs_within
from blinkspot.evaluation.scoring.same_movie import check_same_movie
from blinkspot.localization import LocalizationTable

DEFAULT_TOLERANCE_NM = 50.0
# Percent of efficiency that a nanometre of error costs at most: alpha of Sage et al. 2019.
LATERAL_COST_PER_NM = 1.0
AXIAL_COST_PER_NM = 0.5


@dataclass(frozen=True)
class Scores:
    """A table of localizations against the truth.

    Errors are positions found minus true ones, in nm. They are NaN without pairs, and along z also where one
    of the tables knows no heights.

    Attributes
    ----------
    true_positives : int
        Localizations paired with a molecule.
    false_positives : int
        Localizations left over.
    false_negatives : int
        Molecules left over.
    rmse_nm : float
        Root mean square of the lateral distances within the pairs.
    mean_error_nm : float
        Mean of these distances: what ThunderSTORM calls RMSE.
    rmse_x_nm, rmse_y_nm, rmse_z_nm : float
        Root mean square of the errors along an axis.
    bias_x_nm, bias_y_nm, bias_z_nm : float
        Mean of the errors along an axis.
    """

    true_positives: int
    false_positives: int
    false_negatives: int
    rmse_nm: float
    mean_error_nm: float
    rmse_x_nm: float = math.nan
    rmse_y_nm: float = math.nan
    rmse_z_nm: float = math.nan
    bias_x_nm: float = math.nan
    bias_y_nm: float = math.nan
    bias_z_nm: float = math.nan

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

    @property
    def efficiency(self) -> float:
        """Lateral efficiency of the SMLM challenge, percent; NaN without pairs.

        100 - sqrt((100 - 100 J)^2 + a^2 RMSE^2), with the Jaccard index J, the lateral RMSE in nm and
        a = 1 per nm (Sage et al. 2019, Nature Methods 16:387). 100 is perfect, and it may be below 0. The
        challenge pairs within 250 nm; figures of another tolerance are not to be compared with its.
        """
        return _efficiency(self.jaccard, self.rmse_nm, LATERAL_COST_PER_NM)

    @property
    def efficiency_axial(self) -> float:
        """The same of the errors along z, with a = 0.5 per nm; NaN without heights."""
        return _efficiency(self.jaccard, self.rmse_z_nm, AXIAL_COST_PER_NM)

    def as_dict(self) -> dict[str, int | float | None]:
        """Return all figures by name, JSON-ready: None stands for NaN."""
        names = (
            "true_positives", "false_positives", "false_negatives", "jaccard", "precision", "recall", "f1",
            "rmse_nm", "mean_error_nm", "rmse_x_nm", "rmse_y_nm", "rmse_z_nm", "bias_x_nm", "bias_y_nm",
            "bias_z_nm", "efficiency", "efficiency_axial",
        )  # fmt: skip
        values = {name: getattr(self, name) for name in names}
        return {name: None if math.isnan(value) else value for name, value in values.items()}

    @classmethod
    def of_pairs(
        cls, n_found: int, n_truth: int, pairs: Pairs, found: LocalizationTable, truth: LocalizationTable
    ) -> Scores:
        """Make scores of the pairs of two tables, and of how many rows of each count."""
        n_pairs = len(pairs)
        (rmse_x, bias_x), (rmse_y, bias_y), (rmse_z, bias_z) = (
            _rms_and_mean(_errors(found, truth, pairs, name)) for name in ("x_nm", "y_nm", "z_nm")
        )
        return cls(
            true_positives=n_pairs,
            false_positives=int(n_found) - n_pairs,
            false_negatives=int(n_truth) - n_pairs,
            rmse_nm=_rms_and_mean(pairs.distance_nm)[0],
            mean_error_nm=_rms_and_mean(pairs.distance_nm)[1],
            rmse_x_nm=rmse_x,
            rmse_y_nm=rmse_y,
            rmse_z_nm=rmse_z,
            bias_x_nm=bias_x,
            bias_y_nm=bias_y,
            bias_z_nm=bias_z,
        )


def score(
    found: LocalizationTable,
    truth: LocalizationTable,
    tolerance_nm: float = DEFAULT_TOLERANCE_NM,
    *,
    matching: Matching = "nearest",
    border_nm: float = 0.0,
    field_nm: tuple[float, float] | None = None,
) -> Scores:
    """Score localizations against the truth.

    In each frame localizations and molecules are paired, at most ``tolerance_nm`` apart laterally. Without
    further options this is ThunderSTORM's rule, whose counts it reproduces, and molecules at the border count
    like all others.

    With a border, pairs are made first, of everything. Then a pair whose molecule lies in the border is
    dropped, wherever its localization lies; so are molecules and localizations in the border that have no
    partner. What is dropped counts neither way. A pair whose molecule lies inside counts, also where its
    localization lies in the border.

    Parameters
    ----------
    found, truth : LocalizationTable
        The two tables, nm; either may be empty.
    tolerance_nm : float
        Greatest distance within a pair, nm.
    matching : {"nearest", "optimal"}
        Nearest pairs first, or the optimal assignment; see :func:`.matching.match`.
    border_nm : float
        Width of the border whose molecules do not count, nm. The SMLM challenge leaves out 450 nm.
    field_nm : (height, width), optional
        Size of the movie, nm, where there is a border and neither table knows it.

    Raises
    ------
    BlinkspotError
        If the tolerance is not above 0, the border is no border of the field, the field is not known, or the
        tables are of different movies.
    """
    check_same_movie(found, truth)
    field_nm = field_nm or field_of(found, truth)
    check_border(border_nm, field_nm)
    pairs = match(pairs_within(found, truth, tolerance_nm), matching)
    dropped_found = in_border(found, border_nm, field_nm)
    dropped_truth = in_border(truth, border_nm, field_nm)
    dropped_found[pairs.found] = dropped_truth[pairs.truth]
    counted = pairs[~dropped_truth[pairs.truth]]
    return Scores.of_pairs(int(np.sum(~dropped_found)), int(np.sum(~dropped_truth)), counted, found, truth)


def _errors(found: LocalizationTable, truth: LocalizationTable, pairs: Pairs, name: str) -> FloatArray:
    """Return found minus true where both are known; none where a table has no such column."""
    if name not in found.data.columns or name not in truth.data.columns:
        return np.zeros(0)
    errors: FloatArray = found.column(name)[pairs.found] - truth.column(name)[pairs.truth]
    return errors[np.isfinite(errors)]


def _rms_and_mean(values: FloatArray) -> tuple[float, float]:
    if not len(values):
        return math.nan, math.nan
    return float(np.sqrt(np.mean(values**2))), float(np.mean(values))


def _efficiency(jaccard: float, rmse_nm: float, cost_per_nm: float) -> float:
    return 100.0 - math.hypot(100.0 - 100.0 * jaccard, cost_per_nm * rmse_nm)


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
