"""Parts of the denoising benchmark that compare the molecules found with the true ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from blinkspot import LocalizationTable, Localizer, LocalizerSettings, as_stack, score
from blinkspot.camera import FloatArray
from blinkspot.evaluation import PRESETS, threshold_curve
from blinkspot.evaluation.matching import match, pairs_within
from blinkspot.localization.fitting import FitMethod, FitPixels
from blinkspot.progress import finish

from .blinking import Blinks, blinking_movie, ghost_rates
from .picture_parts import shared_movie
from .rows import Row, Run
from .trainings import Movie, measured

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
    for fit in FITS:
        f1 = {}
        for name, frames in versions.items():
            with measured() as cost:
                f1[name] = score(localized(movie, frames, fit, _DEFAULT_THRESHOLD), movie.truth).f1
            yield Row("paper", f"{movie.name}, {fit}: {name}", f"F1 {f1[name]:.3f}", "", cost)
        given_back = (f1["denoised"] - f1["noisy"]) / (f1["noise-free"] - f1["noisy"])
        reach = ">= 80 %" if fit == "wlsq" else ""
        yield Row("paper", f"{movie.name}, {fit}: given back", f"{100.0 * given_back:.0f} %", reach)


def bias_rows(run: Run) -> Iterator[Row]:
    """Compare fitted photons and widths with the true ones, molecule by molecule."""
    blinking, _ = blinking_movie("blinking", BLINKING)
    for movie, context in ((shared_movie("low120"), 0), (blinking, 2)):
        denoised = run.trainings.denoised(movie, context_frames=context)
        versions = {"noisy": None, "denoised": denoised.frames, "noise-free": movie.clean.astype(np.float32)}
        for name, frames in versions.items():
            for fit in FITS:
                found = localized(movie, frames, fit, _DEFAULT_THRESHOLD if frames is None else 3.0)
                pairs = match(pairs_within(found, movie.truth, 50.0))
                ratios = [
                    float(
                        np.median(found.column(column)[pairs.found] / movie.truth.column(column)[pairs.truth])
                    )
                    for column in ("photons", "sigma_nm")
                ]
                figures = f"photons x {ratios[0]:.3f}, sigma x {ratios[1]:.3f}, {len(pairs.found)} molecules"
                yield Row("bias", f"{movie.name}, {fit}: {name}, {context} frames each side", figures)


def blinking_rows(run: Run) -> Iterator[Row]:
    """Give neighbouring frames as context, to molecules that shine for several frames; count ghosts."""
    movie, blinks = blinking_movie("blinking", BLINKING)
    for fit in FITS:
        yield _blinking_row(movie, blinks, fit, "noisy", None)
        yield _blinking_row(movie, blinks, fit, "noise-free", movie.clean.astype(np.float32))
    for context in (0, 1, 2):
        denoised = run.trainings.denoised(movie, context_frames=context)
        name = f"{context} frames each side, {denoised.steps} steps"
        for fit in FITS:
            row = _blinking_row(movie, blinks, fit, name, denoised.frames)
            reach = "F1 >= 0.84, ghosts as with 0" if context == 2 else ""
            yield dataclasses.replace(row, reach=reach, cost=denoised.cost)


def _blinking_row(movie: Movie, blinks: Blinks, fit: FitMethod, name: str, frames: FloatArray | None) -> Row:
    with measured() as cost:
        table = localized(movie, frames, fit, _LOWEST_THRESHOLD)
    curve = threshold_curve(table, movie.truth)
    best = curve.scores(curve.best_index)
    ghosts = ghost_rates(table.above(curve.best), movie, blinks)
    figures = (
        f"F1 {best.f1:.3f} at {curve.best:.2f}, {best.rmse_nm / np.sqrt(2.0):.1f} nm an axis (RMS), "
        f"ghosts {100 * ghosts.adjacent:.2f} +- {100 * ghosts.adjacent_error:.2f} %, "
        f"by chance {100 * ghosts.chance:.2f} +- {100 * ghosts.chance_error:.2f} %"
    )
    return Row("blinking", f"{fit}: {name}", figures, "", cost)
