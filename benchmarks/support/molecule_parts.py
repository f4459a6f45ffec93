"""Parts of the denoising benchmark that compare the molecules found with the true ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from blinkspot import LocalizationTable, Localizer, LocalizerSettings, as_stack, score
from blinkspot.camera import FloatArray
from blinkspot.evaluation import PRESETS, molecule_bias, threshold_curve
from blinkspot.evaluation.scoring.curve import Curve
from blinkspot.localization.fitting.molecules import FitMethod, FitPixels
from blinkspot.progress import finish

from .blinking import Blinks, GhostRates, blinking_movie, ghost_rates
from .limit import photon_limit
from .picture_parts import shared_movie
from .rows import Row, Run
from .trainings import Cost, Movie, measured

FITS: tuple[FitMethod, ...] = ("wlsq", "mle")
BLINKING = dataclasses.replace(PRESETS["low-light"], frames=400, size_px=96, seed=13)
_LOWEST_THRESHOLD = 0.5
_DEFAULT_THRESHOLD = LocalizerSettings().threshold


def localized(movie: Movie, frames: FloatArray | None, fit: FitMethod, threshold: float) -> LocalizationTable:
    """Find the molecules of a movie: in the recorded frames, or wholly in others (photoelectrons)."""
    fit_on: FitPixels = "raw" if frames is None else "denoised"
    localizer = Localizer(movie.camera, LocalizerSettings(threshold=threshold, fit=fit, fit_on=fit_on))
    guide = None if frames is None else as_stack(movie.camera.adu(frames))
    return finish(localizer.localize(movie.stack, guide))


def paper_rows(run: Run) -> Iterator[Row]:
    """Follow the paper: one localizer at its default threshold on noisy, denoised and noise-free frames."""
    movie = shared_movie("low120")
    denoised = run.trainings.denoised(movie, context_frames=0)
    versions = {"noisy": None, "denoised": denoised.frames, "noise-free": movie.clean.astype(np.float32)}
    if run.measure_limit:
        versions["photon limit"] = photon_limit(movie.stack, movie.truth, movie.settings, "exact").frames
    for fit in FITS:
        f1 = {}
        for name, frames in versions.items():
            with measured() as cost:
                f1[name] = score(localized(movie, frames, fit, _DEFAULT_THRESHOLD), movie.truth).f1
            yield Row("paper", f"{movie.name}, {fit}: {name}", f"F1 {f1[name]:.3f}", "", cost)
        for name in [name for name in f1 if name not in ("noisy", "noise-free")]:
            given_back = (f1[name] - f1["noisy"]) / (f1["noise-free"] - f1["noisy"])
            reach = ">= 80 %" if (name, fit) == ("denoised", "wlsq") else ""
            what = f"{movie.name}, {fit}: given back, {name}"
            yield Row("paper", what, f"{100.0 * given_back:.0f} %", reach)


def bias_rows(run: Run) -> Iterator[Row]:
    """Compare fitted photons and widths with the true ones, molecule by molecule."""
    blinking, _ = blinking_movie("blinking", BLINKING)
    for movie, context in ((shared_movie("low120"), 0), (blinking, 2)):
        denoised = run.trainings.denoised(movie, context_frames=context)
        versions = {"noisy": None, "denoised": denoised.frames, "noise-free": movie.clean.astype(np.float32)}
        for name, frames in versions.items():
            for fit in FITS:
                found = localized(movie, frames, fit, _DEFAULT_THRESHOLD if frames is None else 3.0)
                bias = molecule_bias(found, movie.truth)
                figures = (
                    f"photons x {bias.photons_ratio:.3f} +- {bias.photons_ratio_error:.3f}, "
                    f"sigma x {bias.sigma_ratio:.3f} +- {bias.sigma_ratio_error:.3f}, {bias.pairs} molecules"
                )
                yield Row("bias", f"{movie.name}, {fit}: {name}, {context} frames each side", figures)


def blinking_rows(run: Run) -> Iterator[Row]:
    """Give neighbouring frames as context, to molecules that shine for several frames; count ghosts."""
    movie, blinks = blinking_movie("blinking", BLINKING)
    for fit in FITS:
        yield _at_best(_Found.of(movie, blinks, fit, None), f"{fit}: noisy")
        yield _at_best(_Found.of(movie, blinks, fit, movie.clean.astype(np.float32)), f"{fit}: noise-free")
    allowed = dict.fromkeys(FITS, 0.0)
    for context in (0, 1, 2):
        denoised = run.trainings.denoised(movie, context_frames=context)
        for fit in FITS:
            found = _Found.of(movie, blinks, fit, denoised.frames)
            name = f"{fit}: {context} frames each side, {denoised.steps} steps"
            reach = "F1 >= 0.84" if context == 2 else ""
            yield dataclasses.replace(_at_best(found, name), reach=reach, cost=denoised.cost)
            if context == 0:
                allowed[fit] = found.ghosts(found.curve.best).adjacent
            else:
                yield _with_no_more_ghosts(found, name, allowed[fit])


@dataclass(frozen=True)
class _Found:
    """What was found in a blinking movie, with scores and ghosts at any threshold."""

    movie: Movie
    blinks: Blinks
    table: LocalizationTable
    curve: Curve
    cost: Cost

    @classmethod
    def of(cls, movie: Movie, blinks: Blinks, fit: FitMethod, frames: FloatArray | None) -> _Found:
        with measured() as cost:
            table = localized(movie, frames, fit, _LOWEST_THRESHOLD)
        return cls(movie, blinks, table, threshold_curve(table, movie.truth), cost)

    def ghosts(self, threshold: float) -> GhostRates:
        return ghost_rates(self.table.above(threshold), self.movie, self.blinks)

    def figures(self, index: int) -> str:
        scores, threshold = self.curve.scores(index), float(self.curve.threshold[index])
        ghosts = self.ghosts(threshold)
        return (
            f"F1 {scores.f1:.3f} at {threshold:.2f}, {scores.rmse_nm / np.sqrt(2.0):.1f} nm an axis (RMS), "
            f"ghosts {100 * ghosts.adjacent:.2f} +- {100 * ghosts.adjacent_error:.2f} %, "
            f"by chance {100 * ghosts.chance:.2f} +- {100 * ghosts.chance_error:.2f} %"
        )


def _at_best(found: _Found, name: str) -> Row:
    return Row("blinking", name, found.figures(found.curve.best_index), "", found.cost)


def _with_no_more_ghosts(found: _Found, name: str, allowed: float) -> Row:
    """Raise the threshold until there are no more ghosts than without context."""
    for index in range(found.curve.best_index, len(found.curve.threshold)):
        if found.ghosts(float(found.curve.threshold[index])).adjacent <= allowed:
            return Row("blinking", f"{name}, ghosts as without", found.figures(index), "F1 >= 0.84")
    return Row("blinking", f"{name}, ghosts as without", "at no threshold", "F1 >= 0.84")
