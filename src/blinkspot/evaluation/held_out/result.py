"""What the held-out photons say of a movie."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blinkspot.evaluation.held_out.pictures import Prediction
from blinkspot.evaluation.held_out.settings import HeldOutSettings
from blinkspot.evaluation.held_out.strata import SplitFigures
from blinkspot.evaluation.route_names import RouteName
from blinkspot.localization import LocalizationTable

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval; NaN where it cannot be told."""

    value: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float | None]:
        """Return it JSON-ready: None stands for NaN."""
        return {name: _number(value) for name, value in dataclasses.asdict(self).items()}


@dataclass(frozen=True)
class HeldOutRoute:
    """One way from the movie to localizations, and what the held-out photons say of these.

    Attributes
    ----------
    name : str
        ``"noisy"``, ``"denoised_fit_raw"`` or ``"denoised_fit_denoised"``.
    table : LocalizationTable
        Found in the movie, from the settings' threshold on.
    thresholds : ndarray of float64, shape (K,)
        Detection thresholds, ascending; the first is the settings'.
    found : ndarray of int64, shape (K,)
        Molecules found in the movie at each threshold.
    false : tuple of Estimate, length K
        How many of them are false: where they are, no molecule shines.
    error_nm : tuple of Estimate, length K
        Root of the mean squared distance of a true localization from its molecule, both axes together, of
        those within the tolerance.
    misplaced : ndarray of float64, shape (K,)
        Share of the true ones beyond the tolerance.
    error_ratio : Estimate
        True errors over those that the fits report.
    kept_table : LocalizationTable
        Found in the kept part of the first split.
    confirmed : ndarray of float64, shape (n,)
        Probability of each row of ``kept_table`` that a molecule shines there, by the held-out part; NaN
        where that cannot be told.
    splits : tuple of SplitFigures
        What each split alone tells.
    simulated_false : ndarray of float64, shape (splits + 1, K), or None
        False molecules in the splits, and last in the whole light, of simulated movies by which ``false`` was
        extrapolated.
    """

    name: RouteName
    table: LocalizationTable
    thresholds: FloatArray
    found: NDArray[np.int64]
    false: tuple[Estimate, ...]
    error_nm: tuple[Estimate, ...]
    misplaced: FloatArray
    error_ratio: Estimate
    kept_table: LocalizationTable
    confirmed: FloatArray
    splits: tuple[SplitFigures, ...]
    simulated_false: FloatArray | None

    @property
    def false_share(self) -> tuple[Estimate, ...]:
        """Share of the molecules found that are false, at each threshold."""
        return tuple(
            Estimate(*(_ratio(number, found) for number in (each.value, each.low, each.high)))
            for each, found in zip(self.false, self.found.tolist(), strict=True)
        )

    @property
    def confirmed_share(self) -> float:
        """Share of the molecules found in the first split that the held-out part confirms."""
        told = self.confirmed[np.isfinite(self.confirmed)]
        return float(told.mean()) if len(told) else math.nan

    def as_dict(self) -> dict[str, Any]:
        """Return all figures by name, JSON-ready."""
        return {
            "localizations": len(self.table),
            "confirmed_share": _number(self.confirmed_share),
            "error_over_reported": self.error_ratio.as_dict(),
            "thresholds": self.thresholds.tolist(),
            "found": self.found.tolist(),
            "false": [each.as_dict() for each in self.false],
            "false_share": [each.as_dict() for each in self.false_share],
            "error_nm": [each.as_dict() for each in self.error_nm],
            "misplaced_share": [_number(value) for value in self.misplaced.tolist()],
            "splits": [
                {
                    "kept_share": each.kept_share,
                    "found": each.found.tolist(),
                    "false": each.false.tolist(),
                    "false_deviation": np.sqrt(each.false_variance).tolist(),
                    "error_over_reported": _number(each.ratio),
                    "error_over_reported_deviation": _number(each.ratio_deviation),
                }
                for each in self.splits
            ],
            "simulated_false": None if self.simulated_false is None else self.simulated_false.tolist(),
        }


@dataclass(frozen=True)
class HeldOut:
    """What the held-out photons say of a movie, and of its denoising.

    Attributes
    ----------
    predictions : tuple of Prediction
        How well each picture of the kept part predicts the held-out photons.
    routes : tuple of HeldOutRoute
        The noisy one first; those of the denoised movie where there is a model.
    split_is_exact : bool
        Whether the parts are independent, or only uncorrelated; see :mod:`.thinning`.
    denoised_by : str or None
        ``"the model given"``, or ``"models trained on the parts"``.
    warnings : tuple of str
        What speaks against trusting the figures, a sentence each.
    settings : HeldOutSettings
    provenance : dict
    """

    predictions: tuple[Prediction, ...]
    routes: tuple[HeldOutRoute, ...]
    split_is_exact: bool
    denoised_by: str | None
    warnings: tuple[str, ...]
    settings: HeldOutSettings
    provenance: dict[str, Any]

    def route(self, name: RouteName) -> HeldOutRoute | None:
        """Return a route by its name; None where it was not followed."""
        return next((each for each in self.routes if each.name == name), None)

    def as_dict(self) -> dict[str, Any]:
        """Return all figures by name, JSON-ready; None stands for what is not known."""
        return {
            "split_is_exact": self.split_is_exact,
            "denoised_by": self.denoised_by,
            "warnings": list(self.warnings),
            "predictions": {
                each.picture: {
                    "gain_nat_per_photon": _number(each.gain),
                    "error": _number(each.error),
                    "setting": each.setting,
                }
                for each in self.predictions
            },
            "routes": {each.name: each.as_dict() for each in self.routes},
            "provenance": self.provenance,
        }


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _ratio(part: float, whole: int) -> float:
    return part / whole if whole else math.nan
