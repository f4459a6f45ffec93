"""Check a movie, and its denoising, by photons that were held out: no truth is needed."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from functools import partial
from operator import add
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from blinkspot.camera import Camera
from blinkspot.camera_from_movie.estimate import noise_ratio
from blinkspot.errors import BlinkspotError
from blinkspot.evaluation.held_out.estimates import (
    error_ratio,
    errors,
    false_beside_simulated,
    false_molecules,
    true_shares,
)
from blinkspot.evaluation.held_out.full_light import OF_FALSE_IN_DENOISED, OF_FALSE_IN_NOISY
from blinkspot.evaluation.held_out.pictures import Prediction
from blinkspot.evaluation.held_out.result import Estimate, HeldOut, HeldOutRoute
from blinkspot.evaluation.held_out.settings import HeldOutSettings
from blinkspot.evaluation.held_out.simulated_false import simulated_false
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
from blinkspot.evaluation.held_out.strata import BLOCKS, SplitFigures, figures_of
from blinkspot.evaluation.held_out.thinning import Thinning
from blinkspot.evaluation.route_names import RouteName
from blinkspot.localization import LocalizationTable
from blinkspot.movies.checks import check_camera, check_movie
from blinkspot.movies.stack import Stack, as_stack
from blinkspot.progress import Progress, Stopwatch, relayed
from blinkspot.provenance import provenance

if TYPE_CHECKING:  # importing it takes seconds
    from blinkspot.denoising import Denoiser

FloatArray = NDArray[np.float64]

THRESHOLDS = 14
THRESHOLD_STEP = 1.2
FEWEST_FRAMES = BLOCKS
# Of the noise's variance over what the camera predicts: the split is as wrong as that.
TRUSTED_NOISE = 0.1


def check_held_out(
    noisy: Any,
    camera: Camera,
    model: Denoiser | None = None,
    settings: HeldOutSettings | None = None,
) -> Generator[Progress, None, HeldOut]:
    """Estimate false molecules and errors of localizations by photons held out; judge the denoising, too.

    Each pixel's counts are split at random (:mod:`.thinning`). One part is denoised and localized; the other
    one tells which of the molecules shine (:mod:`.false_share`), how far from where they were found
    (:mod:`.precision`), and which picture predicts it best (:mod:`.pictures`). That is done for several parts
    of the light, and extrapolated to the whole of it (:mod:`.full_light`, :mod:`.simulated_false`).

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
    return _check(movie, camera, model, settings, _warnings(movie, camera))


def _check(
    movie: Stack,
    camera: Camera,
    model: Denoiser | None,
    settings: HeldOutSettings,
    warnings: tuple[str, ...],
) -> Generator[Progress, None, HeldOut]:
    thresholds = np.asarray(
        settings.localizer.threshold * THRESHOLD_STEP ** np.arange(THRESHOLDS), np.float64
    )
    with KeptMovie(Thinning(movie, camera, 1.0, settings.seed)) as whole:
        # All of the light is kept: the movie as it is.
        whole.noisy, whole.camera = movie, camera
        tables = yield from _whole_movie(whole, model, settings)
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
        told = []
        for name, table in tables.items():
            clock = Stopwatch("telling false molecules from true ones", len(settings.kept_shares))
            job = _told(name, table, [each[name] for each in found], thresholds, movie, camera, settings)
            told.append((yield from relayed(job, clock.at)))
        simulated = yield from _simulated(told, whole, model, settings, thresholds)
    routes = [_route(each, thresholds, settings, simulated.get(each.name)) for each in told]
    denoised_by = None
    if len(routes) > 1:
        denoised_by = "the model given" if settings.minutes is None else "models trained on the parts"
    return HeldOut(
        predictions=predictions,
        routes=tuple(routes),
        split_is_exact=whole.thinning.is_exact,
        denoised_by=denoised_by,
        warnings=warnings,
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
    whole: KeptMovie, model: Denoiser | None, settings: HeldOutSettings
) -> Generator[Progress, None, dict[RouteName, LocalizationTable]]:
    """Denoise the movie itself, and localize it along each route."""
    yield from _denoise(whole, model, settings)
    tables = {}
    for name in routes_of(whole.denoised):
        tables[name] = yield from localized(
            name, whole.noisy, whole.denoised, whole.camera, settings.localizer
        )
    return tables


def _denoise(
    kept: KeptMovie, model: Denoiser | None, settings: HeldOutSettings
) -> Generator[Progress, None, None]:
    is_whole = kept.thinning.kept_share == 1.0
    if settings.minutes is not None and not (is_whole and model is not None):
        from blinkspot.denoising import Training, TrainingSettings

        # A model that has seen the movie would have seen the held-out part: only its build is taken over.
        build = {} if model is None else model.architecture
        chosen = TrainingSettings(minutes=settings.minutes, seed=settings.seed, **build)
        # The movie's own model knows the noise of rounding, too, but by the type of the values.
        camera = kept.camera if is_whole else kept.thinning.kept_noise_camera
        trained = yield from Training(kept.noisy, camera, chosen).run()
        yield from kept.denoise(trained, trained_here=True)
    elif model is not None:
        yield from kept.denoise(model, trained_here=is_whole)


@dataclass(frozen=True)
class _ToldOfRoute:
    """What the splits tell of a route.

    Attributes
    ----------
    name : str
    table : LocalizationTable
        What was found in the whole movie.
    found : ndarray of int64, shape (K,)
        How many of that from each threshold on.
    splits : tuple of SplitFigures
    kept_table, confirmed
        As in :class:`.result.HeldOutRoute`.
    """

    name: RouteName
    table: LocalizationTable
    found: NDArray[np.int64]
    splits: tuple[SplitFigures, ...]
    kept_table: LocalizationTable
    confirmed: FloatArray

    def false(self, simulated: FloatArray | None = None) -> tuple[Estimate, ...]:
        """Extrapolate false molecules to the whole light."""
        if simulated is not None:
            return false_beside_simulated(self.splits, self.found, simulated)
        prior = OF_FALSE_IN_NOISY if self.name == "noisy" else OF_FALSE_IN_DENOISED
        return false_molecules(self.splits, self.found, prior)


def _told(
    name: RouteName,
    table: LocalizationTable,
    found: list[FoundInSplit],
    thresholds: FloatArray,
    movie: Stack,
    camera: Camera,
    settings: HeldOutSettings,
) -> Generator[float, None, _ToldOfRoute]:
    """Look at what was found along one route in each split; yield how many splits are done."""
    splits, confirmations = [], []
    for number, (kept_share, each) in enumerate(zip(settings.kept_shares, found, strict=True)):
        job = figures_of(
            kept_share,
            each.light,
            each.table.column("detection_strength"),
            block_of(each.table.column("frame"), movie.n_frames),
            each.table.column("uncertainty_nm") / camera.pixel_size_nm,
            thresholds,
            settings.seed,
        )
        figures, confirmed = yield from relayed(job, partial(add, number))
        splits.append(figures)
        confirmations.append(confirmed)
    strength = table.column("detection_strength")
    return _ToldOfRoute(
        name=name,
        table=table,
        found=np.array([int(np.sum(strength >= threshold)) for threshold in thresholds]),
        splits=tuple(splits),
        kept_table=found[0].table,
        confirmed=confirmations[0],
    )


def _simulated(
    told: list[_ToldOfRoute],
    whole: KeptMovie,
    model: Denoiser | None,
    settings: HeldOutSettings,
    thresholds: FloatArray,
) -> Generator[Progress, None, dict[RouteName, FloatArray]]:
    """Count false molecules in movies simulated like the denoised one; none where that cannot be done."""
    there = next((each for each in told if each.name == "denoised_fit_raw"), None)
    if model is None or there is None or whole.denoised is None or not len(there.table):
        return {}
    # Models trained on the parts differ from split to split. With context frames the number falls as a power,
    # and dim molecules, which half of the light hides more than the rest, have less say in that.
    if settings.minutes is not None or model.context_frames:
        return {}
    # By a power law it is known well enough what is to be simulated.
    shares = true_shares(there.table.column("detection_strength"), thresholds, there.false())
    return (
        yield from simulated_false(
            there.table, shares, whole.noisy, whole.denoised, whole.camera, model, settings, thresholds
        )
    )


def _route(
    told: _ToldOfRoute, thresholds: FloatArray, settings: HeldOutSettings, simulated: FloatArray | None
) -> HeldOutRoute:
    """Judge what was found along one route."""
    false = told.false(simulated)
    ratio = error_ratio(told.splits, told.table.uncertainty_is_valid)
    error_nm, misplaced = errors(told.table, thresholds, false, ratio, settings.tolerance_nm)
    return HeldOutRoute(
        name=told.name,
        table=told.table,
        thresholds=thresholds,
        found=told.found,
        false=false,
        error_nm=error_nm,
        misplaced=misplaced,
        error_ratio=ratio,
        kept_table=told.kept_table,
        confirmed=told.confirmed,
        splits=told.splits,
        simulated_false=simulated,
    )


def _warnings(movie: Stack, camera: Camera) -> tuple[str, ...]:
    # The split knows the noise of rounding.
    found = noise_ratio(movie, Thinning(movie, camera, 1.0, 0).kept_noise_camera)
    if abs(found - 1.0) <= TRUSTED_NOISE:
        return ()
    return (
        f"The background's noise has {found:.2f} times the variance that the camera predicts: the parts are "
        "correlated, and false molecules look confirmed or true ones not; correct the camera.",
    )
