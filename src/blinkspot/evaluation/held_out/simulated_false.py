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
from blinkspot.evaluation.matched_movies import MovieParts, far_from, first_frames, numbered, placed
from blinkspot.evaluation.route_names import ROUTE_NAMES, RouteName
from blinkspot.localization import LocalizationTable
from blinkspot.progress import Progress, Stopwatch, relayed
from blinkspot.stack import Stack

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
_PIXELS_AT_ONCE = 2**22
_FRAMES_TOGETHER = 24
_FALSE_BEYOND_SIGMAS = 2.0


def simulated_false(
    table: LocalizationTable,
    movie: Stack,
    denoised: Stack,
    camera: Camera,
    model: Denoiser,
    settings: HeldOutSettings,
    thresholds: FloatArray,
) -> Generator[Progress, None, dict[RouteName, FloatArray]]:
    """Count false molecules in splits of simulated movies.

    A pilot tells how many of what was found are false, in the whole light; so many are left out of what is
    simulated then.

    Parameters
    ----------
    table : LocalizationTable
        What was found in the denoised movie, fitted on the recorded one, by frame.
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
    together = min(_FRAMES_TOGETHER, movie.n_frames)
    at_once = max(1, min(_PIXELS_AT_ONCE // frame_pixels, movie.n_frames) // together)
    most_frames = min(_MOST_TIMES_THE_MOVIE * movie.n_frames, _MOST_PIXELS // frame_pixels)
    rounds = max(1, round(most_frames / (at_once * together)))
    starts = first_frames(movie.n_frames, together, random)
    clock = Stopwatch("simulating movies like this one", rounds + 1)
    shares = (*settings.kept_shares, 1.0)
    counts = {route: np.zeros((len(shares), len(thresholds))) for route in DENOISED_ROUTES}
    present = np.ones(len(table), dtype=bool)
    for number in range(rounds + 1):
        parts = MovieParts(denoised, [next(starts) for _ in range(at_once)], together)
        rows, _ = parts.rows_of(table, molecule)
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
            for share in (shares if number else shares[-1:])
        ]
        reach_nm = _FALSE_BEYOND_SIGMAS * sigma_nm
        counting = _counted(thinnings, model, settings, truth, reach_nm, thresholds)
        above = yield from relayed(counting, partial(_within, clock, number, 0.2, 1.0))
        if number == 0:
            times = movie.n_frames / len(recorded)
            (in_pilot,) = times * above[DENOISED_ROUTES[0]]
            present = _drawn(_probability_true(table, in_pilot, thresholds), molecule, random)
            continue
        for route, each in above.items():
            counts[route] += each
        if min(each[-1, 0] for each in counts.values()) >= _WANTED:
            break
    yield clock.at(rounds + 1)
    return counts


def _counted(
    thinnings: list[Thinning],
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
            strength = found.column("detection_strength")[far_from(found.data, truth, reach_nm)]
            counts[route][index] = np.sum(strength >= thresholds[:, np.newaxis], axis=1)
    return counts


def _probability_true(
    table: LocalizationTable, false_above: FloatArray, thresholds: FloatArray
) -> FloatArray:
    """Return of each row how likely it is to be a molecule, by what is false between two thresholds."""
    strength = table.column("detection_strength")
    bin_of = np.maximum(np.searchsorted(thresholds, strength, side="right") - 1, 0)
    found = np.bincount(bin_of, minlength=len(thresholds))
    false = -np.diff([*false_above, 0.0])
    return np.clip(1.0 - false / np.maximum(found, 1), 0.0, 1.0)[bin_of]


def _drawn(probability: FloatArray, molecule: IntArray, random: np.random.Generator) -> NDArray[np.bool_]:
    """Draw molecules, whole ones, as often as their rows are likely to be of one."""
    rows = np.bincount(molecule)
    likely = np.bincount(molecule, probability) / np.maximum(rows, 1)
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
