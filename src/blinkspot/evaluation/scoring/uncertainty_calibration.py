"""Whether the uncertainties that a table reports are true."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import erf

from blinkspot.errors import BlinkspotError
from blinkspot.evaluation.scoring.border import check_border, field_of, in_border
from blinkspot.evaluation.scoring.matching import FloatArray, IndexArray, Matching, match, pairs_within
from blinkspot.evaluation.scoring.same_movie import check_same_movie
from blinkspot.evaluation.scoring.truncated_errors import (
    ErrorScale,
    PairedErrors,
    coverage_expected,
    fit_error_scale,
)
from blinkspot.localization import LocalizationTable

CALIBRATION_TOLERANCE_NM = 100.0
FEWEST_PAIRS = 50
_MOST_BINS = 8
_FEWEST_IN_A_BIN = 50
_MOST_BLOCKS = 100
_LIMITS = (1.0, 2.0, 3.0)


@dataclass(frozen=True)
class CalibrationBin:
    """Pairs of about the same reported uncertainty.

    Attributes
    ----------
    pairs : int
    reported_nm : float
        Root mean square of their reported uncertainties.
    rms_error_nm, rms_error_error_nm : float
        Root mean square of their errors along an axis as they are, and its standard error.
    true_error_nm, true_error_error_nm : float
        The same without pairs by chance and with what the tolerance cuts off; NaN where the pairs do not
        tell.
    """

    pairs: int
    reported_nm: float
    rms_error_nm: float
    rms_error_error_nm: float
    true_error_nm: float
    true_error_error_nm: float


@dataclass(frozen=True)
class Coverage:
    """Share of the errors, along an axis, within a multiple of the reported uncertainty.

    Attributes
    ----------
    uncertainties : float
        The multiple.
    share, share_error : float
        Of the pairs, and its standard error.
    expected : float
        What it would be were the uncertainties true, among pairs within this tolerance with this share of
        chance pairs.
    normal : float
        erf(k / sqrt(2)): of all errors that are normal.
    """

    uncertainties: float
    share: float
    share_error: float
    expected: float
    normal: float


@dataclass(frozen=True, eq=False)
class UncertaintyCalibration:
    """Reported uncertainties against true errors.

    Attributes
    ----------
    pairs : int
    tolerance_nm : float
        Greatest distance within a pair, nm.
    ratio, ratio_error : float
        Reported uncertainty over true error, and its standard error; 1 is true, more is too careful. NaN
        where the tolerance is too narrow to tell.
    chance : float
        Share of pairs whose distance has nothing to do with the uncertainty: pairs by chance, and those of
        two molecules that were taken for one.
    bins : tuple of CalibrationBin
        By reported uncertainty, ascending.
    coverage : tuple of Coverage
        Within 1, 2 and 3 uncertainties.
    normalised_errors : ndarray of float64, shape (pairs, 2)
        Errors along x and y over their uncertainties.
    """

    pairs: int
    tolerance_nm: float
    ratio: float
    ratio_error: float
    chance: float
    bins: tuple[CalibrationBin, ...]
    coverage: tuple[Coverage, ...]
    normalised_errors: FloatArray

    def as_dict(self) -> dict[str, Any]:
        """Return all figures but the single errors, JSON-ready: None stands for NaN."""
        return {
            "pairs": self.pairs,
            "tolerance_nm": self.tolerance_nm,
            "ratio": _none_of_nan(self.ratio),
            "ratio_error": _none_of_nan(self.ratio_error),
            "chance": self.chance,
            "bins": [_as_dict(each) for each in self.bins],
            "coverage": [_as_dict(each) for each in self.coverage],
        }


def uncertainty_calibration(
    found: LocalizationTable,
    truth: LocalizationTable,
    tolerance_nm: float = CALIBRATION_TOLERANCE_NM,
    *,
    matching: Matching = "nearest",
    border_nm: float = 0.0,
    field_nm: tuple[float, float] | None = None,
) -> UncertaintyCalibration:
    """Compare the uncertainties of localizations with their errors.

    An uncertainty is the standard deviation of the position along an axis: ``uncertainty_x_nm`` and
    ``uncertainty_y_nm`` where the table has both, else ``uncertainty_nm`` for both axes. Errors are found
    minus true positions of the pairs, as in :func:`~blinkspot.evaluation.score`. The tolerance cuts the
    largest of them off, and some pairs are by chance; both are modelled
    (:mod:`.truncated_errors`). Standard errors take the movie in up to 100 blocks of
    successive frames, since neighbouring frames show the same molecules.

    Parameters
    ----------
    found, truth : LocalizationTable
        The two tables.
    tolerance_nm : float
        Greatest distance within a pair, nm. It should be 3 times the errors or more, and less than the width
        of a molecule's image.
    matching, border_nm, field_nm
        As for :func:`~blinkspot.evaluation.score`.

    Returns
    -------
    UncertaintyCalibration

    Raises
    ------
    BlinkspotError
        As :func:`~blinkspot.evaluation.score`; if the table has no uncertainties, or fewer than 50 of its
        localizations that have one are within the tolerance of a molecule.
    """
    check_same_movie(found, truth)
    field_nm = field_nm or field_of(found, truth)
    check_border(border_nm, field_nm)
    errors = _paired_errors(found, truth, tolerance_nm, matching, in_border(truth, border_nm, field_nm))
    whole = fit_error_scale(errors)
    tells = _tells(errors, whole)
    return UncertaintyCalibration(
        pairs=len(errors),
        tolerance_nm=tolerance_nm,
        ratio=1.0 / whole.scale if tells else math.nan,
        ratio_error=whole.relative_error / whole.scale if tells else math.nan,
        chance=whole.chance,
        bins=_bins(errors),
        coverage=_coverage(errors, whole.chance),
        normalised_errors=errors.normalised,
    )


def _paired_errors(
    found: LocalizationTable,
    truth: LocalizationTable,
    tolerance_nm: float,
    matching: Matching,
    is_dropped: np.ndarray[Any, np.dtype[np.bool_]],
) -> PairedErrors:
    if len(found) and not found.knows("uncertainty_nm"):
        raise BlinkspotError(
            "The table reports no uncertainties, so there is nothing to compare with the errors: "
            "localize the movie with blinkspot, or give a table with uncertainties."
        )
    axes = ("uncertainty_x_nm", "uncertainty_y_nm")
    names = axes if all(found.knows(name) for name in axes) else ("uncertainty_nm",) * 2
    pairs = match(pairs_within(found, truth, tolerance_nm), matching)
    pairs = pairs[~is_dropped[pairs.truth]]
    pairs = pairs[np.argsort(found.column("frame")[pairs.found], kind="stable")]
    uncertainty_nm = np.column_stack([found.column(name)[pairs.found] for name in names])
    error_nm = np.column_stack(
        [found.column(name)[pairs.found] - truth.column(name)[pairs.truth] for name in ("x_nm", "y_nm")]
    )
    frame: IndexArray = found.column("frame")[pairs.found]
    is_known = (np.isfinite(uncertainty_nm) & (uncertainty_nm > 0.0)).all(axis=1)
    if np.sum(is_known) < FEWEST_PAIRS:
        raise BlinkspotError(
            f"Only {np.sum(is_known)} localizations with an uncertainty are within {tolerance_nm:g} nm of a "
            f"molecule, and {FEWEST_PAIRS} are needed to tell whether it is true: give a longer movie."
        )
    first, last = int(frame[0]), int(frame[-1])
    frames_per_block = max(1, math.ceil((last - first + 1) / _MOST_BLOCKS))
    errors = PairedErrors(error_nm, uncertainty_nm, (frame - first) // frames_per_block, tolerance_nm)
    return errors[is_known]


def _bins(errors: PairedErrors) -> tuple[CalibrationBin, ...]:
    reported = np.sqrt(np.mean(errors.uncertainty_nm**2, axis=1))
    count = max(1, min(_MOST_BINS, len(errors) // _FEWEST_IN_A_BIN))
    # Equal uncertainties stay together.
    edges = np.unique(np.quantile(reported, np.linspace(0.0, 1.0, count + 1)[1:-1]))
    number = np.searchsorted(edges, reported)
    return tuple(_bin(errors[number == each]) for each in np.unique(number))


def _bin(errors: PairedErrors) -> CalibrationBin:
    reported_nm = math.sqrt(float(np.mean(errors.uncertainty_nm**2)))
    squares = np.mean(errors.error_nm**2, axis=1)
    rms_nm = math.sqrt(float(np.mean(squares)))
    fitted = fit_error_scale(errors)
    tells = _tells(errors, fitted)
    true_nm = fitted.scale * reported_nm if tells else math.nan
    return CalibrationBin(
        pairs=len(errors),
        reported_nm=reported_nm,
        rms_error_nm=rms_nm,
        rms_error_error_nm=_error_of_mean(squares, errors.block) / (2.0 * rms_nm) if rms_nm else math.nan,
        true_error_nm=true_nm,
        true_error_error_nm=fitted.relative_error * true_nm,
    )


def _tells(errors: PairedErrors, fitted: ErrorScale) -> bool:
    """Tell whether the errors end before the tolerance: else a normal law cannot be told from chance."""
    typical_nm = fitted.scale * float(np.median(errors.uncertainty_nm))
    return typical_nm < errors.tolerance_nm / 1.5 and fitted.chance < 0.5 and fitted.relative_error < 0.2


def _coverage(errors: PairedErrors, chance: float) -> tuple[Coverage, ...]:
    sizes = np.abs(errors.normalised)
    expected = coverage_expected(errors, _LIMITS, chance)
    return tuple(
        Coverage(
            uncertainties=limit,
            share=float(np.mean(sizes <= limit)),
            share_error=_error_of_mean(np.mean(sizes <= limit, axis=1), errors.block),
            expected=share,
            normal=float(erf(limit / math.sqrt(2.0))),
        )
        for limit, share in zip(_LIMITS, expected, strict=True)
    )


def _error_of_mean(values: FloatArray, block: IndexArray) -> float:
    """Return the standard error of the mean of values that depend on each other within blocks."""
    deviations = np.bincount(block - block[0], values - np.mean(values))
    n_blocks = len(np.unique(block))
    if n_blocks < 2:
        return math.nan
    return math.sqrt(float(np.sum(deviations**2)) * n_blocks / (n_blocks - 1)) / len(values)


def _as_dict(values: CalibrationBin | Coverage) -> dict[str, Any]:
    return {name: _none_of_nan(value) for name, value in dataclasses.asdict(values).items()}


def _none_of_nan(value: float) -> float | None:
    return None if math.isnan(value) else value
