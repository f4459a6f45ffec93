"""Errors of fits on simulated frames that were denoised."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from blinkspot.errors import BlinkspotError
from blinkspot.evaluation.denoised_fits.credibility import (
    ALL_ARE_MOLECULES,
    Credibility,
    measure_credibility,
)
from blinkspot.evaluation.denoised_fits.error_law import ErrorLaw, fit_error_law
from blinkspot.evaluation.denoised_fits.fit_features import feature_names, features_of
from blinkspot.evaluation.denoised_fits.shrinkage import (
    BRIGHTEST,
    EVERYTHING_FOUND,
    Shrinkage,
    measure_shrinkage,
)
from blinkspot.evaluation.matched_movies import (
    PIXELS_AT_ONCE,
    MovieParts,
    far_from,
    first_frames,
    frames_together,
    numbered,
    pairs_of,
    placed,
    standing_alone,
)
from blinkspot.localization import LocalizationTable, Localizer
from blinkspot.movies.stack import Stack, as_stack
from blinkspot.progress import Progress, Stopwatch, relayed

if TYPE_CHECKING:  # importing it takes seconds
    from blinkspot.denoising import Denoiser

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

ERRORS_WANTED = 4000
FEWEST_ERRORS = 200
FRAMES_AT_ONCE = 240
MOST_PIXELS = 2**25
# A localization within this many widths of a simulated molecule is of it.
TOLERANCE_SIGMAS = 1.5
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
        context = self.model.context_frames
        together = frames_together(self.denoised.n_frames, frame_pixels, context)
        at_once = max(1, min(FRAMES_AT_ONCE, PIXELS_AT_ONCE // frame_pixels) // together)
        most = max(2, MOST_PIXELS // (at_once * together * frame_pixels))
        starts = first_frames(self.denoised.n_frames, together, self.random)
        for number in range(most if len(self.table) else 0):
            done = max(number / most, self.count / ERRORS_WANTED)
            # The first one, a pilot, yields none.
            hopeless = number > 1 and self.count * (most - 1) < FEWEST_ERRORS * (number - 1)
            if done >= 1.0 or hopeless:
                break
            step = done / number if number else 1.0 / most
            parts = MovieParts(self.denoised, [next(starts) for _ in range(at_once)], together)
            job = self._pilot(parts) if number == 0 else self._round(parts)
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

    def _pilot(self, parts: MovieParts) -> Generator[float, None, None]:
        """Learn how much light is found, and what noise makes; yield how much is done, 0 to 1."""

        def brighter(photons: FloatArray, molecule: IntArray) -> FloatArray:
            factor = np.exp(self.random.uniform(0.0, math.log(BRIGHTEST), int(molecule.max(initial=0)) + 1))
            bright: FloatArray = photons * factor[molecule]
            return bright

        pilot = yield from self._simulated(parts, brighter)
        self.shrinkage = measure_shrinkage(pilot.true_photons, pilot.found_photons)
        self.credibility = measure_credibility(
            self.table.column("photons"), self.denoised.n_frames, pilot.false_photons, parts.shape[0]
        )

    def _round(self, parts: MovieParts) -> Generator[float, None, None]:
        """Collect errors on parts of the movie; yield how much of it is done, 0 to 1."""
        part = yield from self._simulated(parts, lambda photons, _: self.shrinkage.true_photons(photons))
        self.parts.append(part)

    def _simulated(
        self, parts: MovieParts, light: Callable[[FloatArray, IntArray], FloatArray]
    ) -> Generator[float, None, _Part]:
        """Simulate, denoise and localize parts of the movie, with light that ``light`` gives molecules."""
        rows, molecule = parts.rows_of(self.table, self.molecule)
        credible = self._credible(rows["photons"].to_numpy(), molecule)
        rows_there, molecule_there = rows[credible], molecule[credible]
        alone = standing_alone(rows_there, molecule_there, self.model.context_frames, self.random)
        # The model's own may differ a little, and in nm that adds up along a frame.
        camera = self.localizer.camera
        molecule_there = molecule_there[alone]
        truth = placed(rows_there[alone], molecule_there, parts.shape[1:], camera.pixel_size_nm, self.random)
        truth["photons"] = light(truth["photons"].to_numpy(), molecule_there)
        simulating = parts.recorded(camera, self.sigma_nm / camera.pixel_size_nm, rows, truth, self.random)
        recorded = yield from relayed(simulating, lambda done: 0.2 * done)
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
        found, of = pairs_of(table.data, truth, reach_nm)
        errors_nm = table.data[["x_nm", "y_nm"]].to_numpy()[found] - truth[["x_nm", "y_nm"]].to_numpy()[of]
        relative = errors_nm / table.column("uncertainty_nm")[found][:, np.newaxis]
        frame: IntArray = table.column("frame")[found]
        # At the ends of a part, context frames show other molecules than the movie does.
        used = parts.have_context(frame, context)
        used &= np.isfinite(relative).all(axis=1) & np.isfinite(features[found]).all(axis=1)
        return _Part(
            features=features[found][used],
            relative=relative[used],
            frame=frame[used],
            molecule=molecule_there[of][used],
            true_photons=truth["photons"].to_numpy()[of][used],
            found_photons=np.exp(features[found][used, 1]),
            false_photons=table.column("photons")[far_from(table.data, truth, reach_nm)],
        )

    def _credible(self, photons: FloatArray, molecule: IntArray) -> NDArray[np.bool_]:
        """Choose molecules at random, as often as they are likely to be some; whole ones, shape (n,)."""
        number = np.bincount(molecule)
        probability = np.bincount(molecule, self.credibility.of(photons)) / np.maximum(number, 1)
        chosen: NDArray[np.bool_] = self.random.random(len(number)) < probability
        return chosen[molecule]


def _at(clock: Stopwatch, done: float, step: float, part: float) -> Progress:
    return clock.at(min(1.0, done + step * part))
