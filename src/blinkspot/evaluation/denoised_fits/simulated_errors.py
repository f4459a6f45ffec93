"""Errors of fits on simulated frames that were denoised."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from blinkspot.errors import BlinkspotError
from blinkspot.evaluation.denoised_fits.credibility import (
    ALL_ARE_MOLECULES,
    Credibility,
    measure_credibility,
)
from blinkspot.evaluation.denoised_fits.error_law import ErrorLaw, fit_error_law
from blinkspot.evaluation.denoised_fits.fit_features import feature_names, features_of, numbered
from blinkspot.evaluation.denoised_fits.matched_movie import MatchedFrames, placed, standing_alone
from blinkspot.evaluation.denoised_fits.shrinkage import (
    BRIGHTEST,
    EVERYTHING_FOUND,
    Shrinkage,
    measure_shrinkage,
)
from blinkspot.localization import LocalizationTable, Localizer
from blinkspot.progress import Progress, Stopwatch, relayed
from blinkspot.stack import Stack, as_stack

if TYPE_CHECKING:  # importing it takes seconds
    from blinkspot.denoising import Denoiser

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

ERRORS_WANTED = 4000
FEWEST_ERRORS = 200
# Of the movie, frames that follow each other, so that context frames show the same molecules.
FRAMES_TOGETHER = 24
FEWEST_TOGETHER = 4
PIXELS_AT_ONCE = 2**22
FRAMES_AT_ONCE = 240
MOST_PIXELS = 2**25
# A localization within this many widths of a simulated molecule is of it.
TOLERANCE_SIGMAS = 1.5
# Farther than any two places of a frame.
_FRAMES_APART_NM = 1e9
FEWEST_PAIRS = 100


class TooFewMolecules(BlinkspotError):
    """Errors of fits cannot be measured on a movie, since it shows too few molecules."""


@dataclass(frozen=True)
class _Part:
    """Localizations of simulated molecules.

    Attributes
    ----------
    features : ndarray of float64, shape (n, k)
        Of the :class:`.error_law.ErrorLaw`.
    relative : ndarray of float64, shape (n, 2)
        Errors in x and y over the uncertainty that the fit reports.
    frame, molecule : ndarray of int64, shape (n,)
    true_photons, found_photons : ndarray of float64, shape (n,)
    false_photons : ndarray of float64, shape (m,)
        Of what was found where no molecule is.
    """

    features: FloatArray
    relative: FloatArray
    frame: IntArray
    molecule: IntArray
    true_photons: FloatArray
    found_photons: FloatArray
    false_photons: FloatArray

    @property
    def ratio(self) -> FloatArray:
        """Squared errors along an axis, the mean of both, over the reported variances."""
        ratio: FloatArray = np.mean(self.relative**2, axis=1)
        return ratio


@dataclass
class SimulatedErrors:
    """Collects errors of fits on simulated frames.

    Attributes
    ----------
    table : LocalizationTable
        What was found in the denoised movie, by frame.
    molecule : ndarray of int64, shape (n,)
        Which molecule each is, from 0.
    sigma_nm : float
        Width of the molecules.
    """

    table: LocalizationTable
    molecule: IntArray
    sigma_nm: float
    denoised: Stack
    model: Denoiser
    localizer: Localizer
    random: np.random.Generator
    parts: list[_Part] = field(default_factory=list)
    shrinkage: Shrinkage = field(default=EVERYTHING_FOUND)
    credibility: Credibility = field(default=ALL_ARE_MOLECULES)

    @property
    def count(self) -> int:
        """Number of errors collected."""
        return sum(len(part.frame) for part in self.parts)

    def law(self, clock: Stopwatch) -> Generator[Progress, None, ErrorLaw]:
        """Collect errors until they suffice, and learn the law."""
        frame_pixels = self.denoised.height * self.denoised.width
        fewest = FEWEST_TOGETHER + 4 * self.model.context_frames
        together = max(fewest, min(FRAMES_TOGETHER, PIXELS_AT_ONCE // frame_pixels))
        together = min(together, self.denoised.n_frames)
        at_once = max(1, min(FRAMES_AT_ONCE, PIXELS_AT_ONCE // frame_pixels) // together)
        most = max(2, MOST_PIXELS // (at_once * together * frame_pixels))
        starts = self._starts(together)
        for number in range(most if len(self.table) else 0):
            done = max(number / most, self.count / ERRORS_WANTED)
            # The first one, a pilot, yields none.
            hopeless = number > 1 and self.count * (most - 1) < FEWEST_ERRORS * (number - 1)
            if done >= 1.0 or hopeless:
                break
            step = done / number if number else 1.0 / most
            blocks = [next(starts) for _ in range(at_once)]
            job = self._pilot(blocks, together) if number == 0 else self._round(blocks, together)
            yield from relayed(job, partial(_at, clock, done, step))
        if self.count < FEWEST_ERRORS:
            raise TooFewMolecules(
                f"Uncertainties of fits on this denoised movie cannot be calibrated: {self.count} molecules "
                f"that stand alone were found in frames simulated like its own, of {FEWEST_ERRORS} needed."
            )
        features = np.concatenate([part.features for part in self.parts])
        ratio = np.concatenate([part.ratio for part in self.parts])
        return fit_error_law(feature_names(self.model.context_frames), features, ratio)

    def correlations(self, law: ErrorLaw) -> list[float]:
        """Return the correlations of a molecule's errors, one frame apart, two, and so on.

        As far as frames share photons. Where too few molecules tell, it is 1.
        """
        products: list[list[FloatArray]] = [[] for _ in range(2 * self.model.context_frames)]
        for part in self.parts:
            standard = part.relative / np.sqrt(law.variance_ratio(part.features))[:, np.newaxis]
            order = np.lexsort((part.frame, part.molecule))
            frame, molecule, standard = part.frame[order], part.molecule[order], standard[order]
            for rows_apart in range(1, len(products) + 1):
                apart = frame[rows_apart:] - frame[:-rows_apart]
                same = molecule[rows_apart:] == molecule[:-rows_apart]
                for frames_apart in range(rows_apart, len(products) + 1):
                    pairs = np.flatnonzero(same & (apart == frames_apart))
                    products[frames_apart - 1].append(
                        (standard[pairs] * standard[pairs + rows_apart]).ravel()
                    )
        pooled = [np.concatenate(each) for each in products]
        return [
            float(np.clip(np.mean(each), 0.0, 1.0)) if len(each) >= 2 * FEWEST_PAIRS else 1.0
            for each in pooled
        ]

    def _pilot(self, starts: list[int], together: int) -> Generator[float, None, None]:
        """Learn how much light is found, and what noise makes; yield how much is done, 0 to 1."""

        def brighter(photons: FloatArray, molecule: IntArray) -> FloatArray:
            factor = np.exp(self.random.uniform(0.0, math.log(BRIGHTEST), int(molecule.max(initial=0)) + 1))
            bright: FloatArray = photons * factor[molecule]
            return bright

        pilot = yield from self._simulated(starts, together, brighter)
        self.shrinkage = measure_shrinkage(pilot.true_photons, pilot.found_photons)
        self.credibility = measure_credibility(
            self.table.column("photons"), self.denoised.n_frames, pilot.false_photons, len(starts) * together
        )

    def _round(self, starts: list[int], together: int) -> Generator[float, None, None]:
        """Collect errors on parts of the movie; yield how much of it is done, 0 to 1."""
        part = yield from self._simulated(
            starts, together, lambda photons, _: self.shrinkage.true_photons(photons)
        )
        self.parts.append(part)

    def _simulated(
        self, starts: list[int], together: int, light: Callable[[FloatArray, IntArray], FloatArray]
    ) -> Generator[float, None, _Part]:
        """Simulate, denoise and localize parts of the movie, with light that ``light`` gives molecules."""
        frames = np.concatenate([np.arange(start, start + together) for start in starts])
        rows, molecule = self._found(starts, together)
        credible = self._credible(rows["photons"].to_numpy(), molecule)
        rows_there, molecule_there = rows[credible], molecule[credible]
        alone = standing_alone(rows_there, molecule_there, self.model.context_frames, self.random)
        shape = (self.denoised.height, self.denoised.width)
        # The model's own may differ a little, and in nm that adds up along a frame.
        camera = self.localizer.camera
        pixel_size_nm = camera.pixel_size_nm
        molecule_there = molecule_there[alone]
        truth = placed(rows_there[alone], molecule_there, shape, pixel_size_nm, self.random)
        truth["photons"] = light(truth["photons"].to_numpy(), molecule_there)
        recorded = np.empty((len(frames), *shape), np.float32)
        for first in range(0, len(frames), together):
            there, simulated = (_part(each, first, together) for each in (rows, truth))
            matched = MatchedFrames(camera, self.sigma_nm / pixel_size_nm, there, simulated)
            for index in range(first, first + together):
                matched.add(camera.photoelectrons(self.denoised.frame(frames[index])))
                yield 0.2 * (index + first) / (2 * len(frames))
            for index, picture in enumerate(matched.recorded(self.random), first):
                recorded[index] = picture
                yield 0.2 * (index + first + together) / (2 * len(frames))
        movie, denoised = as_stack(recorded), np.empty_like(recorded)
        for chunk in self.model.denoise(movie):
            denoised[chunk.start : chunk.start + len(chunk.frames)] = self.model.camera.adu(chunk.frames)
            yield 0.2 + 0.6 * chunk.progress.fraction
        localizing = self.localizer.localize(movie, denoised)
        table = yield from relayed(localizing, lambda progress: 0.8 + 0.2 * progress.fraction)
        molecule = yield from relayed(numbered(table, self.sigma_nm), lambda _: 1.0)
        context = self.model.context_frames
        features = features_of(table, molecule, context)
        reach_nm = TOLERANCE_SIGMAS * self.sigma_nm
        found, of = _pairs(table.data, truth, reach_nm)
        errors_nm = table.data[["x_nm", "y_nm"]].to_numpy()[found] - truth[["x_nm", "y_nm"]].to_numpy()[of]
        relative = errors_nm / table.column("uncertainty_nm")[found][:, np.newaxis]
        frame: IntArray = table.column("frame")[found]
        # At the ends of a part, context frames show other molecules than the movie does.
        used = (frame % together >= context) & (frame % together < together - context)
        used &= np.isfinite(relative).all(axis=1) & np.isfinite(features[found]).all(axis=1)
        return _Part(
            features=features[found][used],
            relative=relative[used],
            frame=frame[used],
            molecule=molecule_there[of][used],
            true_photons=truth["photons"].to_numpy()[of][used],
            found_photons=np.exp(features[found][used, 1]),
            false_photons=table.column("photons")[_far_from(table.data, truth, reach_nm)],
        )

    def _credible(self, photons: FloatArray, molecule: IntArray) -> NDArray[np.bool_]:
        """Choose molecules at random, as often as they are likely to be some; whole ones, shape (n,)."""
        number = np.bincount(molecule)
        probability = np.bincount(molecule, self.credibility.of(photons)) / np.maximum(number, 1)
        chosen: NDArray[np.bool_] = self.random.random(len(number)) < probability
        return chosen[molecule]

    def _found(self, starts: list[int], together: int) -> tuple[pd.DataFrame, IntArray]:
        """Return what the table has in parts of the movie, part by part, and which molecule each is."""
        frame = self.table.column("frame")
        rows, molecules = [], []
        for number, start in enumerate(starts):
            part = slice(*np.searchsorted(frame, (start, start + together)).tolist())
            shifted = frame[part] - start + number * together
            rows.append(self.table.data.iloc[part].assign(frame=shifted))
            # One that reaches from one part into the next is two here.
            molecules.append(self.molecule[part] * len(starts) + number)
        _, molecule = np.unique(np.concatenate(molecules), return_inverse=True)
        return pd.concat(rows, ignore_index=True), molecule

    def _starts(self, together: int) -> Iterator[int]:
        """Yield the first frames of parts of the movie, in another order each time all had their turn."""
        last = self.denoised.n_frames - together
        places = np.linspace(0, last, max(1, math.ceil(self.denoised.n_frames / together))).astype(int)
        while True:
            yield from self.random.permutation(places).tolist()


def _places(rows: pd.DataFrame) -> FloatArray:
    """Return places in space and time, in which frames are far apart."""
    return np.column_stack([rows["x_nm"], rows["y_nm"], rows["frame"] * _FRAMES_APART_NM])


def _far_from(found: pd.DataFrame, there: pd.DataFrame, reach_nm: float) -> NDArray[np.bool_]:
    """Tell which localizations have no molecule within reach, shape (n,)."""
    if not len(found) or not len(there):
        return np.ones(len(found), dtype=bool)
    distance_nm, _ = cKDTree(_places(there)).query(_places(found))
    far: NDArray[np.bool_] = distance_nm > reach_nm
    return far


def _part(rows: pd.DataFrame, first: int, together: int) -> pd.DataFrame:
    """Return the rows, which are by frame, of so many frames from one on, which then count from 0."""
    part = slice(*np.searchsorted(rows["frame"], (first, first + together)).tolist())
    return rows.iloc[part].assign(frame=rows["frame"].iloc[part] - first)


def _pairs(found: pd.DataFrame, there: pd.DataFrame, reach_nm: float) -> tuple[IntArray, IntArray]:
    """Return the rows of localizations and molecules that are each other's nearest in their frame."""
    if not len(found) or not len(there):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    places_found, places_there = _places(found), _places(there)
    distance_nm, nearest = cKDTree(places_there).query(places_found)
    _, back = cKDTree(places_found).query(places_there)
    rows = np.flatnonzero((distance_nm < reach_nm) & (back[nearest] == np.arange(len(found))))
    return rows, nearest[rows]


def _at(clock: Stopwatch, done: float, step: float, part: float) -> Progress:
    return clock.at(min(1.0, done + step * part))
