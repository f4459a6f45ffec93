"""False molecules in splits of movies that are simulated like the one at hand, where the truth is known.

How their number falls with the part of the light that is kept is a matter of the model and of the movie: in
some as a power of it, in others exponentially, and the splits of the movie itself cannot tell which. So it is
measured on simulated movies, denoised by the same model (as SIMEX does with errors of measurement: Cook &
Stefanski 1994, JASA 89:1314).
"""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blinkspot.camera import Camera
from blinkspot.evaluation.held_out.settings import HeldOutSettings
from blinkspot.evaluation.held_out.split import KeptMovie, localized
from blinkspot.evaluation.held_out.thinning import Thinning
from blinkspot.evaluation.matched_movies import (
    PIXELS_AT_ONCE,
    MovieParts,
    far_from,
    first_frames,
    frames_together,
    numbered,
    placed,
)
from blinkspot.evaluation.route_names import ROUTE_NAMES, RouteName
from blinkspot.localization import LocalizationTable
from blinkspot.movies.stack import Stack
from blinkspot.progress import Progress, Stopwatch, relayed

if TYPE_CHECKING:  # importing it takes seconds
    from blinkspot.denoising import Denoiser

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
DENOISED_ROUTES = ROUTE_NAMES[1:]

# Enough to tell the number within 6 %.
_WANTED = 300
# As many as that may take, in movies of few false molecules.
_MOST_TIMES_THE_MOVIE = 3
_MOST_PIXELS = 2**24
_FALSE_BEYOND_SIGMAS = 2.0


def simulated_false(
    table: LocalizationTable,
    true_share: FloatArray,
    movie: Stack,
    denoised: Stack,
    camera: Camera,
    model: Denoiser,
    settings: HeldOutSettings,
    thresholds: FloatArray,
) -> Generator[Progress, None, dict[RouteName, FloatArray]]:
    """Count false molecules in splits of simulated movies.

    Parameters
    ----------
    table : LocalizationTable
        What was found in the denoised movie, fitted on the recorded one, by frame.
    true_share : ndarray of float64, shape (n,)
        How likely each row is to be a molecule: they are simulated as often.
    movie, denoised : Stack
        As recorded, and denoised by ``model``: ADU.
    camera : Camera
    model : Denoiser
    settings : HeldOutSettings
    thresholds : ndarray of float64, shape (K,)
        Of the detection strength, ascending.

    Yields
    ------
    Progress

    Returns
    -------
    dict
        For each route with the denoised picture an ndarray of float64, shape (splits + 1, K): molecules found
        from each threshold on that are within two widths of none. The last row is of the whole light.
    """
    sigma_nm = float(np.median(table.column("sigma_nm")))
    molecule = yield from numbered(table, sigma_nm)
    random = np.random.default_rng((settings.seed, movie.n_frames))
    frame_pixels = movie.height * movie.width
    together = frames_together(movie.n_frames, frame_pixels, model.context_frames)
    at_once = max(1, min(PIXELS_AT_ONCE // frame_pixels, movie.n_frames) // together)
    most_frames = min(_MOST_TIMES_THE_MOVIE * movie.n_frames, _MOST_PIXELS // frame_pixels)
    rounds = max(1, round(most_frames / (at_once * together)))
    starts = first_frames(movie.n_frames, together, random)
    clock = Stopwatch("simulating movies like this one", rounds)
    shares = (*settings.kept_shares, 1.0)
    counts = {route: np.zeros((len(shares), len(thresholds))) for route in DENOISED_ROUTES}
    for number in range(rounds):
        parts = MovieParts(denoised, [next(starts) for _ in range(at_once)], together)
        rows, _ = parts.rows_of(table, molecule)
        present = _drawn(true_share, molecule, random)
        truth = placed(
            *parts.rows_of(table.chosen(present), molecule[present]),
            parts.shape[1:],
            camera.pixel_size_nm,
            random,
        )
        simulating = parts.recorded(camera, sigma_nm / camera.pixel_size_nm, rows, truth, random)
        recorded = yield from relayed(simulating, partial(_within, clock, number, 0.0, 0.2))
        thinnings = [
            Thinning(Stack(_as_recorded(recorded, movie.dtype)), camera, share, settings.seed + number)
            for share in shares
        ]
        reach_nm = _FALSE_BEYOND_SIGMAS * sigma_nm
        counting = _counted(thinnings, parts, model, settings, truth, reach_nm, thresholds)
        above = yield from relayed(counting, partial(_within, clock, number, 0.2, 1.0))
        for route, each in above.items():
            counts[route] += each
        if min(each[-1, 0] for each in counts.values()) >= _WANTED:
            break
    yield clock.at(rounds)
    return counts


def _counted(
    thinnings: list[Thinning],
    parts: MovieParts,
    model: Denoiser,
    settings: HeldOutSettings,
    truth: pd.DataFrame,
    reach_nm: float,
    thresholds: FloatArray,
) -> Generator[float, None, dict[RouteName, FloatArray]]:
    """Count, from each threshold on, what is found where no molecule is, (splits, K) along each route."""
    counts = {route: np.zeros((len(thinnings), len(thresholds))) for route in DENOISED_ROUTES}
    for index, thinning in enumerate(thinnings):
        at = partial(_share_of, len(thinnings), index)
        for route, found in (yield from relayed(_found_in(thinning, model, settings), at)).items():
            # Where a part ends the next one's molecules come at once: a model may show both.
            counts_here = parts.have_context(found.column("frame"), model.context_frames)
            is_false = far_from(found.data, truth, reach_nm) & counts_here
            strength = found.column("detection_strength")[is_false]
            counts[route][index] = np.sum(strength >= thresholds[:, np.newaxis], axis=1)
    return counts


def _drawn(true_share: FloatArray, molecule: IntArray, random: np.random.Generator) -> NDArray[np.bool_]:
    """Draw molecules, whole ones, as often as their rows are likely to be of one."""
    rows = np.bincount(molecule)
    likely = np.bincount(molecule, true_share) / np.maximum(rows, 1)
    return (random.random(len(rows)) < likely)[molecule]


def _found_in(
    thinning: Thinning, model: Denoiser, settings: HeldOutSettings
) -> Generator[float, None, dict[RouteName, LocalizationTable]]:
    """Denoise and localize the kept part of a movie; yield how much of that is done."""
    with KeptMovie(thinning) as kept:
        is_whole = thinning.kept_share == 1.0
        if is_whole:
            kept.noisy = thinning.movie
        yield from relayed(kept.denoise(model, trained_here=is_whole), lambda done: 0.8 * done.fraction)
        tables = {}
        for number, route in enumerate(DENOISED_ROUTES):
            job = localized(route, kept.noisy, kept.denoised, kept.camera, settings.localizer)
            tables[route] = yield from relayed(job, partial(_of_localizing, 0.8 + 0.1 * number))
        return tables


def _of_localizing(begin: float, progress: Progress) -> float:
    # What precedes it is quick, and each step of that begins at 0 again.
    return begin + 0.1 * progress.fraction if progress.step == "localizing" else begin


def _as_recorded(adu: NDArray[np.float32], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return what a camera records in the pixel type of a movie."""
    if dtype.kind not in "iu":
        return adu
    limits = np.iinfo(dtype)
    return np.clip(adu, limits.min, limits.max).astype(dtype)


def _share_of(number: int, index: int, done: float) -> float:
    return (index + done) / number


def _within(clock: Stopwatch, number: int, begin: float, end: float, done: float) -> Progress:
    return clock.at(number + begin + (end - begin) * done)
