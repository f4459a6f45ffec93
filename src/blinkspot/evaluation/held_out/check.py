"""Check a movie, and its denoising, by photons that were held out: no truth is needed."""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from blinkspot.camera import Camera
from blinkspot.camera_estimate import noise_ratio
from blinkspot.errors import BlinkspotError
from blinkspot.evaluation.held_out.full_light import (
    OF_DENOISED_RATIOS,
    OF_FALSE_MOLECULES,
    OF_TRUE_RATIOS,
    at_full_light,
)
from blinkspot.evaluation.held_out.pictures import Prediction
from blinkspot.evaluation.held_out.precision import within_tolerance
from blinkspot.evaluation.held_out.result import Estimate, HeldOut, HeldOutRoute
from blinkspot.evaluation.held_out.settings import HeldOutSettings
from blinkspot.evaluation.held_out.split import (
    FoundInSplit,
    KeptMovie,
    block_of,
    found_in,
    judged_pictures,
    localized,
    routes_of,
    survey,
)
from blinkspot.evaluation.held_out.strata import SplitFigures, figures_of
from blinkspot.evaluation.held_out.thinning import Thinning
from blinkspot.evaluation.routes import RouteName
from blinkspot.localization import LocalizationTable
from blinkspot.movie_checks import check_camera, check_movie
from blinkspot.progress import Progress
from blinkspot.provenance import provenance
from blinkspot.stack import Stack, as_stack

if TYPE_CHECKING:  # importing it takes seconds
    from blinkspot.denoising import Denoiser

FloatArray = NDArray[np.float64]

WITHIN_95 = 1.96
THRESHOLDS = 14
THRESHOLD_STEP = 1.2
FEWEST_FRAMES = 40
FEWEST_FOUND = 30
# Of the noise's variance over what the camera predicts: the split is as wrong as that.
TRUSTED_NOISE = 0.1


def check_held_out(
    noisy: Any,
    camera: Camera,
    model: Denoiser | None = None,
    settings: HeldOutSettings | None = None,
) -> Generator[Progress, None, HeldOut]:
    """Estimate false molecules and errors of localizations by photons held out, and judge the denoising by them.

    Each pixel's counts are split at random (:mod:`.thinning`). One part is denoised and localized; the other one
    tells which of the molecules shine (:mod:`.false_share`), how far from where they were found
    (:mod:`.precision`), and which picture predicts it best (:mod:`.pictures`). That is done for two parts of
    the light, and extrapolated to the whole of it (:mod:`.full_light`).

    Parameters
    ----------
    noisy : Stack or array, shape (T, Y, X)
        The movie as recorded, ADU.
    camera : Camera
        Its camera.
    model : Denoiser, optional
        What denoises it. Without it, and without minutes for a training, only the noisy movie is judged.
    settings : HeldOutSettings, optional

    Yields
    ------
    Progress
        Step by step.

    Returns
    -------
    HeldOut

    Raises
    ------
    BlinkspotError
        If the movie or the camera cannot be used, the model was made for another camera, or the movie is too
        short.
    """
    settings = HeldOutSettings() if settings is None else settings
    movie = as_stack(noisy)
    check_movie(movie)
    check_camera(movie, camera)
    if movie.n_frames < FEWEST_FRAMES:
        raise BlinkspotError(
            f"The held-out check needs {FEWEST_FRAMES} frames or more, and the movie has {movie.n_frames}."
        )
    if model is not None:
        model.check_matches(movie, camera)
    return _check(movie, camera, model, settings)


def _check(
    movie: Stack, camera: Camera, model: Denoiser | None, settings: HeldOutSettings
) -> Generator[Progress, None, HeldOut]:
    whole = Thinning(movie, camera, 1.0, settings.seed)
    tables = yield from _whole_movie(movie, camera, model, settings)
    thresholds = np.asarray(settings.localizer.threshold * THRESHOLD_STEP ** np.arange(THRESHOLDS), np.float64)
    predictions: tuple[Prediction, ...] = ()
    found: list[dict[RouteName, FoundInSplit]] = []
    for number, kept_share in enumerate(settings.kept_shares):
        thinning = Thinning(movie, camera, kept_share, settings.seed)
        with KeptMovie(thinning) as kept:
            yield from _denoise(kept, model, settings)
            background, mean = yield from survey(kept)
            if number == 0:
                predictions = yield from judged_pictures(kept, mean)
            found.append((yield from found_in(kept, background, settings.localizer)))
    routes = tuple(
        _route(name, tables[name], [each[name] for each in found], thresholds, movie, camera, settings)
        for name in tables
    )
    denoised_by = None
    if len(routes) > 1:
        denoised_by = "the model given" if settings.minutes is None else "models trained on the parts"
    return HeldOut(
        predictions=predictions,
        routes=routes,
        split_is_exact=whole.is_exact,
        denoised_by=denoised_by,
        warnings=tuple(_warnings(movie, camera)),
        settings=settings,
        provenance=provenance(
            "check",
            camera=camera,
            settings=settings,
            seed=settings.seed,
            movie=None if movie.path is None else movie.path.name,
            movie_shape=list(movie.shape),
            model=None if model is None else model.provenance,
        ),
    )


def _whole_movie(
    movie: Stack, camera: Camera, model: Denoiser | None, settings: HeldOutSettings
) -> Generator[Progress, None, dict[RouteName, LocalizationTable]]:
    """Localize the movie itself along each route."""
    with KeptMovie(Thinning(movie, camera, 1.0, settings.seed)) as kept:
        # All of the light is kept: the movie as it is.
        kept.noisy, kept.camera = movie, camera
        yield from _denoise(kept, model, settings)
        tables = {}
        for name in routes_of(kept.denoised):
            tables[name] = yield from localized(name, movie, kept.denoised, camera, settings.localizer)
        return tables


def _denoise(
    kept: KeptMovie, model: Denoiser | None, settings: HeldOutSettings
) -> Generator[Progress, None, None]:
    if settings.minutes is not None:
        from blinkspot.denoising import Training, TrainingSettings

        # A model that has seen the movie would have seen the held-out part: only its build is taken over.
        build = {} if model is None else model.architecture
        chosen = TrainingSettings(minutes=settings.minutes, seed=settings.seed, **build)
        trained = yield from Training(kept.noisy, kept.camera, chosen).run()
        yield from kept.denoise(trained, trained_here=True)
    elif model is not None:
        yield from kept.denoise(model, trained_here=kept.thinning.kept_share == 1.0)


def _route(
    name: RouteName,
    table: LocalizationTable,
    found: list[FoundInSplit],
    thresholds: FloatArray,
    movie: Stack,
    camera: Camera,
    settings: HeldOutSettings,
) -> HeldOutRoute:
    splits, confirmations = [], []
    for kept_share, each in zip(settings.kept_shares, found, strict=True):
        figures, confirmed = figures_of(
            kept_share,
            each.light,
            each.table.column("detection_strength"),
            block_of(each.table.column("frame"), movie.n_frames),
            each.table.column("uncertainty_nm") / camera.pixel_size_nm,
            thresholds,
            settings.seed,
        )
        splits.append(figures)
        confirmations.append(confirmed)
    strength = table.column("detection_strength")
    numbers = np.array([int(np.sum(strength >= threshold)) for threshold in thresholds])
    false = _false_molecules(tuple(splits), numbers)
    ratio = _error_ratio(tuple(splits), table.uncertainty_is_valid)
    errors, misplaced = _errors(table, thresholds, numbers, false, ratio, settings.tolerance_nm)
    return HeldOutRoute(
        name=name,
        table=table,
        thresholds=thresholds,
        found=numbers,
        false=false,
        error_nm=errors,
        misplaced=misplaced,
        error_ratio=ratio,
        kept_table=found[0].table,
        confirmed=confirmations[0],
        splits=tuple(splits),
    )


def _false_molecules(splits: tuple[SplitFigures, ...], numbers: NDArray[np.int64]) -> tuple[Estimate, ...]:
    """Extrapolate the number of false molecules to the whole light, at each threshold."""
    shares = tuple(each.kept_share for each in splits)
    estimates = []
    for index, number in enumerate(numbers.tolist()):
        if min(each.found[index] for each in splits) < FEWEST_FOUND:
            estimates.append(Estimate(math.nan, math.nan, math.nan))
            continue
        # Half a molecule more keeps the logarithm of none finite; counts vary at least as Poisson's do.
        false = np.array([each.false[index] + 0.5 for each in splits])
        variance = np.maximum([each.false_variance[index] for each in splits], false)
        whole = at_full_light(shares, np.log(false), variance / false**2, OF_FALSE_MOLECULES)
        reach = WITHIN_95 * whole.deviation
        low, value, high = (
            min(max(math.exp(whole.log + step) - 0.5, 0.0), float(number)) for step in (-reach, 0.0, reach)
        )
        estimates.append(Estimate(value, low, high))
    return tuple(estimates)


def _error_ratio(splits: tuple[SplitFigures, ...], on_recorded: bool) -> Estimate:
    """Extrapolate the ratio of true to reported errors to the whole light."""
    told = [each for each in splits if each.ratio > 0 and each.ratio_deviation > 0]
    if not told:
        return Estimate(math.nan, math.nan, math.nan)
    ratios = np.array([each.ratio for each in told])
    variances = np.array([each.ratio_deviation for each in told]) ** 2 / ratios**2
    prior = OF_TRUE_RATIOS if on_recorded else OF_DENOISED_RATIOS
    whole = at_full_light(tuple(each.kept_share for each in told), np.log(ratios), variances, prior)
    reach = WITHIN_95 * whole.deviation
    return Estimate(*(math.exp(whole.log + step) for step in (0.0, -reach, reach)))


def _errors(
    table: LocalizationTable,
    thresholds: FloatArray,
    numbers: NDArray[np.int64],
    false: tuple[Estimate, ...],
    ratio: Estimate,
    tolerance_nm: float,
) -> tuple[tuple[Estimate, ...], FloatArray]:
    """Return the error of the true localizations at each threshold, and the share of them beyond the tolerance."""
    strength, reported = table.column("detection_strength"), table.column("uncertainty_nm")
    bin_of = np.searchsorted(thresholds, strength, side="right") - 1
    # Of each bin, what is false: above its threshold less above the next.
    above = np.array([0.0 if math.isnan(each.value) else each.value for each in false] + [0.0])
    in_bin = np.maximum(-np.diff([*numbers.tolist(), 0]), 1)
    weights = np.clip(1.0 + np.diff(above) / in_bin, 0.0, 1.0)[bin_of]
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


def _warnings(movie: Stack, camera: Camera) -> list[str]:
    found = noise_ratio(movie, camera)
    if abs(found - 1.0) <= TRUSTED_NOISE:
        return []
    return [
        f"The background's noise has {found:.2f} times the variance that the camera predicts: the parts are "
        "correlated, and false molecules look confirmed or true ones not; correct the camera."
    ]
