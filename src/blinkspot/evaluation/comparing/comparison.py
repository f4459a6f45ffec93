"""Noisy against denoised, each at its best.

The unit of the detection threshold, std(Wave.F1), falls as noise falls, so one threshold asks for different
things of a noisy and of a denoised movie. Each is therefore localized once at a low threshold and, where the
truth is known, scored along the threshold.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from blinkspot.camera import Camera
from blinkspot.camera_from_movie.estimate import noise_fits, noise_ratio
from blinkspot.errors import BlinkspotError
from blinkspot.evaluation.comparing.checks import Checks, run_checks, weight_of_checks
from blinkspot.evaluation.comparing.comparison_settings import ComparisonSettings
from blinkspot.evaluation.comparing.examples import Example, example_of
from blinkspot.evaluation.comparing.routes import Route, follow
from blinkspot.evaluation.comparing.shared_errors import shared_error
from blinkspot.evaluation.comparing.versions import versions
from blinkspot.evaluation.denoised_fits import check_can_calibrate
from blinkspot.evaluation.route_names import ROUTE_NAMES
from blinkspot.evaluation.scoring.resampling import best_f1_gain
from blinkspot.evaluation.scoring.same_movie import MovieFacts, check_truth
from blinkspot.localization import LocalizationTable, Localizer, render
from blinkspot.movies.stack import Stack, as_stack
from blinkspot.progress import Progress, Stopwatch
from blinkspot.progress_parts import as_part
from blinkspot.provenance import provenance

# A denoised movie has far less of the noise variance than this.
_SMOOTH = 0.1

if TYPE_CHECKING:  # importing it takes seconds
    from blinkspot.denoising import Denoiser


@dataclass(frozen=True)
class Comparison:
    """What denoising did to the localizations of a movie.

    Attributes
    ----------
    noisy, denoised_fit_raw, denoised_fit_denoised : Route
        Localized on the noisy movie; found on the denoised movie and fitted on the raw counts; found and
        fitted on the denoised movie.
    truth : LocalizationTable or None
        The truth, where it is known.
    truth_picture : (H, W) float32 or None
        Its super-resolved picture.
    example : Example
        A typical frame.
    checks : Checks
        What can be told without the truth.
    n_frames, height, width : int
        Size of the movie.
    camera : Camera
        The movie's camera.
    settings : ComparisonSettings
        How it was compared.
    provenance : dict
        What made the comparison and the two movies, JSON-ready.
    """

    noisy: Route
    denoised_fit_raw: Route
    denoised_fit_denoised: Route
    truth: LocalizationTable | None
    truth_picture: NDArray[np.float32] | None
    example: Example
    checks: Checks
    n_frames: int
    height: int
    width: int
    camera: Camera
    settings: ComparisonSettings
    provenance: dict[str, Any]

    @property
    def routes(self) -> tuple[Route, Route, Route]:
        """All three routes, the noisy one first."""
        return self.noisy, self.denoised_fit_raw, self.denoised_fit_denoised

    @property
    def denoised(self) -> Route:
        """The denoised route with the better best F1; without truth the one fitted on raw counts."""
        return _better(self.denoised_fit_raw, self.denoised_fit_denoised)


def compare(
    noisy: Any,
    denoised: Any,
    camera: Camera,
    truth: LocalizationTable | None = None,
    settings: ComparisonSettings | None = None,
    model: Denoiser | None = None,
) -> Generator[Progress, None, Comparison]:
    """Localize a noisy and a denoised movie and compare what is found.

    Parameters
    ----------
    noisy, denoised : Stack or array, (T, Y, X)
        The movie as recorded and denoised, both in ADU.
    camera : Camera
        The movie's camera.
    truth : LocalizationTable, optional
        The molecules that are there. Without it nothing is scored.
    settings : ComparisonSettings, optional
        How to compare.
    model : Denoiser, optional
        What denoised the movie. With it, fits on the denoised movie get true uncertainties
        (:func:`.calibrate_uncertainties`), unless there are too few molecules; the residual is that of the
        model; and photons can be held out.

    Yields
    ------
    Progress
        In frames, counted once for each of the three routes, and for the checks by the time they take.

    Returns
    -------
    Comparison
        All three routes.

    Raises
    ------
    BlinkspotError
        If the movies are not of the same shape, or exchanged, the truth is empty or of another movie, another
        model or camera made the denoised movie, or photons are to be held out and there is neither a model
        nor time to train one.
    """
    settings = ComparisonSettings() if settings is None else settings
    noisy, denoised = as_stack(noisy), as_stack(denoised)
    _check(noisy, denoised, camera, truth)
    if settings.held_out is not None and settings.held_out.minutes is None and model is None:
        raise BlinkspotError(
            "The held-out check needs the model that denoised the movie, or minutes in which to train models "
            "on parts of its photons: give one of them."
        )
    if model is not None:
        on_denoised = replace(settings.localizer, fit_on="denoised")
        check_can_calibrate(denoised, model, Localizer(camera, on_denoised))
    return _compare(noisy, denoised, camera, truth, settings, model)


def _check(noisy: Stack, denoised: Stack, camera: Camera, truth: LocalizationTable | None) -> None:
    if noisy.shape != denoised.shape:
        raise BlinkspotError(
            f"The noisy movie has the shape {noisy.shape} (frames, height, width) and the denoised one "
            f"{denoised.shape}: give the denoised version of the same movie."
        )
    _check_not_exchanged(noisy, denoised, camera)
    if truth is None:
        return
    if len(truth) == 0:
        raise BlinkspotError("The truth is empty: give the table of the molecules of this movie, or none.")
    pixel_size_nm = camera.pixel_size_nm
    extent_nm = (noisy.height * pixel_size_nm, noisy.width * pixel_size_nm)
    check_truth(MovieFacts("the movie", noisy.n_frames, pixel_size_nm, extent_nm), truth)


def _check_not_exchanged(noisy: Stack, denoised: Stack, camera: Camera) -> None:
    """Refuse a smooth movie in the place of the noisy one, and a camera's noise in the other's."""
    try:
        ratio = noise_ratio(noisy, camera)
        other = noise_ratio(denoised, camera)
    except BlinkspotError:  # one of them has frames of one value, say, and no noise to measure
        return
    # What lies below the camera's offset, as photoelectrons do, has an infinite ratio.
    if (np.isfinite(other) and ratio < _SMOOTH * other) or (np.isinf(ratio) and noise_fits(other)):
        raise BlinkspotError(
            "The movies seem to be exchanged: the one given as denoised has a camera's noise, and the one "
            "given as noisy has less than a tenth of that. Give the movie as recorded first, then the "
            "denoised one."
        )


def _compare(
    noisy: Stack,
    denoised: Stack,
    camera: Camera,
    truth: LocalizationTable | None,
    settings: ComparisonSettings,
    model: Denoiser | None,
) -> Generator[Progress, None, Comparison]:
    weight = weight_of_checks(settings)
    clock = Stopwatch("comparing", (len(ROUTE_NAMES) + weight) * noisy.n_frames)
    routes: list[Route] = []
    for name in ROUTE_NAMES:
        done = len(routes) * noisy.n_frames
        route = yield from as_part(
            follow(name, noisy, denoised, camera, truth, settings, model), clock, done, noisy.n_frames
        )
        routes.append(_with_gain(route, routes[0], truth, settings, noisy.n_frames) if routes else route)
    checks = yield from as_part(
        run_checks(noisy, denoised, camera, tuple(routes), settings, model),
        clock, len(ROUTE_NAMES) * noisy.n_frames, weight * noisy.n_frames,
    )  # fmt: skip
    yield clock.at(clock.total)
    on_noisy, fit_raw, fit_denoised = routes
    extent_nm = (noisy.height * camera.pixel_size_nm, noisy.width * camera.pixel_size_nm)
    return Comparison(
        noisy=on_noisy,
        denoised_fit_raw=fit_raw,
        denoised_fit_denoised=fit_denoised,
        truth=truth,
        truth_picture=None if truth is None else render(truth, settings.picture_pixel_size_nm, extent_nm),
        example=example_of(
            noisy,
            denoised,
            camera,
            (on_noisy.table, _better(fit_raw, fit_denoised).table),
            truth,
            settings.tolerance_nm,
        ),
        checks=checks,
        n_frames=noisy.n_frames,
        height=noisy.height,
        width=noisy.width,
        camera=camera,
        settings=settings,
        provenance=provenance(
            "compare",
            camera=camera,
            settings=settings,
            seed=settings.seed,
            noisy=_source(noisy),
            denoised=_source(denoised),
            model=None if model is None else model.provenance,
            versions=versions(),
            truth=None if truth is None else truth.provenance,
        ),
    )


def _with_gain(
    route: Route, noisy: Route, truth: LocalizationTable | None, settings: ComparisonSettings, n_frames: int
) -> Route:
    if route.truthful is None or noisy.truthful is None or truth is None:
        return route
    block, seed = settings.frames_per_block, settings.seed
    gain = best_f1_gain(noisy.truthful.curve, route.truthful.curve, block, seed)
    shared = shared_error(noisy.table, route.table, truth, settings.tolerance_nm, n_frames, block, seed)
    return replace(route, truthful=replace(route.truthful, gain=gain, shared_error=shared))


def _better(fit_raw: Route, fit_denoised: Route) -> Route:
    return fit_denoised if fit_denoised.best_f1 > fit_raw.best_f1 else fit_raw


def _source(movie: Stack) -> dict[str, Any]:
    """Say which movie this is: its file's name and what made it, where known."""
    return {
        "file": None if movie.path is None else movie.path.name,
        "made_by": movie.metadata.get("provenance"),
    }
