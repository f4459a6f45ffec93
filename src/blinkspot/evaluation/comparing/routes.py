"""The three ways from a movie to localizations, and what comes of each."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from blinkspot.camera import Camera
from blinkspot.evaluation.comparing.comparison_settings import ComparisonSettings
from blinkspot.evaluation.comparing.not_measured import NotMeasured, attempted
from blinkspot.evaluation.comparing.shared_errors import SharedError
from blinkspot.evaluation.denoised_fits import TooFewMolecules, calibrate_uncertainties
from blinkspot.evaluation.route_names import RouteName
from blinkspot.evaluation.scoring.curve import Curve, curve_steps
from blinkspot.evaluation.scoring.matching import FloatArray, IndexArray
from blinkspot.evaluation.scoring.molecule_bias import MoleculeBias, molecule_bias
from blinkspot.evaluation.scoring.resampling import Gain, held_out_f1
from blinkspot.evaluation.scoring.scores import Scores, score
from blinkspot.evaluation.scoring.uncertainty_calibration import (
    CALIBRATION_TOLERANCE_NM,
    UncertaintyCalibration,
    uncertainty_calibration,
)
from blinkspot.localization import LocalizationTable, Localizer, render
from blinkspot.movies.stack import Stack
from blinkspot.paced import waited_for
from blinkspot.progress import Progress, Stopwatch

if TYPE_CHECKING:  # importing it takes seconds
    from blinkspot.denoising import Denoiser

_COUNTED_THRESHOLDS = 60
# A best threshold this close to the lowest that was searched may be the best of what was searched only.
_CLOSE_TO_BOUND = 1.05
_MOST_EXTENSIONS = 3


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation over localizations, nm; NaN where there are none."""

    mean_nm: float
    std_nm: float


@dataclass(frozen=True)
class Truthful:
    """What only the truth can tell of a route.

    Attributes
    ----------
    at_default, at_best : Scores
        At the default threshold, and at the one with the best F1.
    curve : Curve
        Scores along the threshold.
    best_f1_held_out : float
        F1 at thresholds that were chosen on the other half of the frames.
    calibration : UncertaintyCalibration or NotMeasured
        Reported uncertainties against true errors, at the best threshold.
    bias : MoleculeBias
        Photons and widths found over the true ones, at the best threshold.
    gain : Gain or None
        Best F1 minus that of the noisy route; None for that route itself.
    shared_error : SharedError or None
        Errors of the molecules that were found on the noisy movie, too; None for that route itself.
    """

    at_default: Scores
    at_best: Scores
    curve: Curve
    best_f1_held_out: float
    calibration: UncertaintyCalibration | NotMeasured
    bias: MoleculeBias
    gain: Gain | None = None
    shared_error: SharedError | None = None


@dataclass(frozen=True)
class Route:
    """One way from the movie to localizations, and what came of it.

    Attributes
    ----------
    name : str
        ``"noisy"``: localized on the noisy movie; ``"denoised_fit_raw"``: found on the denoised movie and
        fitted on the raw counts; ``"denoised_fit_denoised"``: found and fitted on the denoised movie.
    table : LocalizationTable
        Localizations at ``threshold``.
    threshold : float
        The one with the best F1 where the truth is known, else the default.
    search_threshold : float
        Lowest threshold that was looked at.
    n_default : int
        Localizations at the default threshold.
    sigma, uncertainty : Spread
        Of the localizations at the default threshold.
    counted_thresholds, counts : (K,) float64, (K,) int64
        Localizations along the threshold.
    picture : (H, W) float32
        Super-resolved picture of ``table``.
    truthful : Truthful or None
        Scores; None without truth.
    """

    name: RouteName
    table: LocalizationTable
    threshold: float
    search_threshold: float
    n_default: int
    sigma: Spread
    uncertainty: Spread
    counted_thresholds: FloatArray
    counts: IndexArray
    picture: NDArray[np.float32]
    truthful: Truthful | None

    @property
    def best_f1(self) -> float:
        """F1 at the best threshold; NaN without truth."""
        return np.nan if self.truthful is None else self.truthful.at_best.f1


def follow(
    name: RouteName,
    noisy: Stack,
    denoised: Stack,
    camera: Camera,
    truth: LocalizationTable | None,
    settings: ComparisonSettings,
    model: Denoiser | None = None,
) -> Generator[Progress, None, Route]:
    """Localize along one route and, where the truth is known, score along the threshold.

    The movie is localized once, at the lowest threshold: what a higher one finds is a part of that. Where the
    best threshold lies at the lowest, half of that is tried.

    Parameters
    ----------
    name : str
        The route.
    noisy, denoised : Stack
        The movie, ADU.
    camera : Camera
        Its camera.
    truth : LocalizationTable or None
        The molecules that are there.
    settings : ComparisonSettings
        How to compare.
    model : Denoiser, optional
        What denoised the movie, for true uncertainties of fits on it.

    Yields
    ------
    Progress
        In frames localized, then in thresholds scored.

    Returns
    -------
    Route
        Without gain.
    """
    lowest = settings.search_threshold
    found, curve = yield from _searched(name, noisy, denoised, camera, truth, settings, lowest)
    for _ in range(_MOST_EXTENSIONS):
        if curve is None or len(found) == 0 or curve.best > _CLOSE_TO_BOUND * lowest:
            break
        lowest /= 2.0
        found, curve = yield from _searched(name, noisy, denoised, camera, truth, settings, lowest)
    if name == "denoised_fit_denoised" and model is not None:
        # Few molecules leave them as they are, and marked.
        with suppress(TooFewMolecules):
            localizer = _localizer(name, camera, settings, lowest)
            found = yield from calibrate_uncertainties(found, denoised, model, localizer, settings.seed)
    at_default = found.above(settings.localizer.threshold)
    strengths = np.sort(found.column("detection_strength"))
    thresholds = np.geomspace(lowest, max(strengths.max(initial=0.0), 2.0 * lowest), _COUNTED_THRESHOLDS)
    threshold = settings.localizer.threshold if curve is None else curve.best
    shown = found.above(threshold)
    extent_nm = (noisy.height * camera.pixel_size_nm, noisy.width * camera.pixel_size_nm)
    truthful = None
    if truth is not None and curve is not None:
        truthful = yield from _truthful(at_default, shown, curve, truth, settings)
    return Route(
        name=name,
        table=replace(shown, provenance={**found.provenance, "shown_above_threshold": threshold}),
        threshold=threshold,
        search_threshold=lowest,
        n_default=len(at_default),
        sigma=_spread(at_default.column("sigma_nm")),
        uncertainty=_spread(at_default.column("uncertainty_nm")),
        counted_thresholds=thresholds,
        counts=len(strengths) - np.searchsorted(strengths, thresholds),
        picture=render(shown, settings.picture_pixel_size_nm, extent_nm),
        truthful=truthful,
    )


def _truthful(
    at_default: LocalizationTable,
    at_best: LocalizationTable,
    curve: Curve,
    truth: LocalizationTable,
    settings: ComparisonSettings,
) -> Generator[Progress, None, Truthful]:
    clock = Stopwatch("scoring", 1.0)
    # Errors must end before the tolerance: it is wider here than that of a score.
    wide_nm = max(CALIBRATION_TOLERANCE_NM, settings.tolerance_nm)
    calibration = yield from attempted(
        waited_for(partial(uncertainty_calibration, at_best, truth, wide_nm), clock, 0.5)
    )
    bias = yield from waited_for(
        partial(molecule_bias, at_best, truth, settings.tolerance_nm, seed=settings.seed), clock, 0.5
    )
    return Truthful(
        at_default=score(at_default, truth, settings.tolerance_nm),
        at_best=curve.scores(curve.best_index),
        curve=curve,
        best_f1_held_out=held_out_f1(curve),
        calibration=calibration,
        bias=bias,
    )


def _searched(
    name: RouteName,
    noisy: Stack,
    denoised: Stack,
    camera: Camera,
    truth: LocalizationTable | None,
    settings: ComparisonSettings,
    threshold: float,
) -> Generator[Progress, None, tuple[LocalizationTable, Curve | None]]:
    """Localize at a threshold and score along it upwards."""
    localizer = _localizer(name, camera, settings, threshold)
    found = yield from localizer.localize(noisy, None if name == "noisy" else denoised)
    curve = None
    if truth is not None:
        # With the default among them, the best is never below it.
        default = (settings.localizer.threshold,)
        curve = yield from curve_steps(found, truth, settings.tolerance_nm, noisy.n_frames, default)
    return found, curve


def _localizer(name: RouteName, camera: Camera, settings: ComparisonSettings, threshold: float) -> Localizer:
    fit_on: Literal["raw", "denoised"] = "denoised" if name == "denoised_fit_denoised" else "raw"
    return Localizer(camera, replace(settings.localizer, threshold=threshold, fit_on=fit_on))


def _spread(values_nm: FloatArray) -> Spread:
    if len(values_nm) == 0:
        return Spread(np.nan, np.nan)
    return Spread(float(np.mean(values_nm)), float(np.std(values_nm)))
