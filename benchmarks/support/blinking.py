"""Molecules that shine for whole frames, and the ghosts that a denoiser leaves before and after them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blinkspot import LocalizationTable, as_stack
from blinkspot.evaluation import SimulationSettings
from blinkspot.evaluation.forward_model import record
from blinkspot.evaluation.scoring.matching import pairs_within
from blinkspot.evaluation.simulation import FWHM_PER_SIGMA, expected_photons

from .trainings import Movie

GHOST_RADIUS_NM = 100.0
EXPLAINED_RADIUS_NM = 200.0
# Dark frames so far from the blink that no context of ours reaches it: what is found there is chance.
CHANCE_DISTANCES = tuple(range(5, 11))


@dataclass(frozen=True)
class Blinks:
    """One blink of one molecule each.

    Attributes
    ----------
    molecules : (n,) records
        With ``x_nm``, ``y_nm``, ``sigma_nm`` and ``photons`` (per frame).
    on, off : (n,) int64
        First bright frame, and the first dark one after it.
    """

    molecules: np.ndarray[tuple[int], np.dtype[np.void]]
    on: NDArray[np.int64]
    off: NDArray[np.int64]


@dataclass(frozen=True)
class GhostRates:
    """Share of the dark frames in which a localization lies where a molecule was, or will be, bright.

    Attributes
    ----------
    adjacent, adjacent_error : float
        In the last frame before a blink and the first after it, and its standard error.
    chance, chance_error : float
        In frames far from the blink.
    """

    adjacent: float
    adjacent_error: float
    chance: float
    chance_error: float


def blinking_movie(name: str, settings: SimulationSettings) -> tuple[Movie, Blinks]:
    """Simulate molecules that are on for whole frames, for a geometric time of mean ``mean_on_frames``.

    The blinkspot simulator's molecules begin and end within frames; here none is bright for a part of a
    frame, so that it is certain in which frames it is dark. Molecules shine from the first frame on as
    many as later, on average.
    """
    random = np.random.default_rng(settings.seed)
    at_once, mean_on = settings.molecules_at_once, settings.mean_on_frames
    # What is left of a geometric time is geometric again, with the same mean.
    starting = random.poisson(at_once / mean_on, settings.frames)
    starting[0] = random.poisson(at_once)
    on = np.repeat(np.arange(settings.frames), starting)
    off = on + random.geometric(1.0 / mean_on, len(on))
    height_nm, width_nm = settings.extent_nm
    molecules = np.empty(len(on), [("x_nm", float), ("y_nm", float), ("sigma_nm", float), ("photons", float)])
    molecules["x_nm"] = random.uniform(0.0, width_nm, len(on))
    molecules["y_nm"] = random.uniform(0.0, height_nm, len(on))
    molecules["sigma_nm"] = random.uniform(*settings.fwhm_nm, len(on)) / FWHM_PER_SIGMA
    molecules["photons"] = random.uniform(*settings.photons, len(on))
    clean = np.empty((settings.frames, *settings.shape_px))
    rows = []
    for frame in range(settings.frames):
        present = molecules[(on <= frame) & (frame < off)]
        clean[frame] = expected_photons(present, present["photons"], settings)
        rows.append(pd.DataFrame(present).assign(frame=frame))
    clean += settings.background_photons
    truth = LocalizationTable(pd.concat(rows, ignore_index=True))
    movie = Movie(name, as_stack(record(clean, settings.camera, random)), settings, truth, clean)
    return movie, Blinks(molecules, on, off)


def ghost_rates(found: LocalizationTable, movie: Movie, blinks: Blinks) -> GhostRates:
    """Return how often something is found where a molecule has just been bright, or is about to be.

    A ghost is a localization within 100 nm of the molecule's place that no molecule present in that frame
    explains, none being within 200 nm of the localization.
    """
    explained = np.zeros(len(found), bool)
    explained[pairs_within(found, movie.truth, EXPLAINED_RADIUS_NM).found] = True
    unexplained = found.chosen(~explained)
    adjacent = _haunted(unexplained, movie.stack.n_frames, blinks, (1,))
    chance = _haunted(unexplained, movie.stack.n_frames, blinks, CHANCE_DISTANCES)
    return GhostRates(*_share(adjacent), *_share(chance))


def _haunted(
    unexplained: LocalizationTable, n_frames: int, blinks: Blinks, distances: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Return for each dark frame at those distances from a blink whether there is a ghost."""
    here = pd.DataFrame(blinks.molecules[["x_nm", "y_nm"]])
    places = []
    for distance in distances:
        places.append(here.assign(frame=blinks.on - distance))
        places.append(here.assign(frame=blinks.off - 1 + distance))
    dark = pd.concat(places, ignore_index=True)
    dark = dark[(dark["frame"] >= 0) & (dark["frame"] < n_frames)]
    haunted = np.zeros(len(dark), bool)
    haunted[pairs_within(unexplained, LocalizationTable(dark), GHOST_RADIUS_NM).truth] = True
    return haunted


def _share(haunted: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the share and its binomial standard error."""
    share = float(np.mean(haunted))
    return share, float(np.sqrt(share * (1.0 - share) / len(haunted)))
