"""Where the light of a frame comes from: molecules that drift, diffuse and are unevenly lit."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blinkspot.evaluation.simulation.photophysics import Molecules, part_of_frame
from blinkspot.evaluation.simulation.settings import SimulationSettings

FloatArray = NDArray[np.float64]

STEPS_PER_FRAME = 10
"""Parts of a frame in which a molecule that diffuses stands still."""
TINY_PHOTONS = 1e-12
"""Added to weights by light: what gives none is somewhere, too."""


@dataclass(frozen=True)
class Light:
    """The light of some molecules in one frame.

    Attributes
    ----------
    x_nm, y_nm : (steps, n) float64
        Where each molecule is in each part of the frame, drift included.
    photons : (steps, n) float64
        What it gives there.
    """

    x_nm: FloatArray
    y_nm: FloatArray
    photons: FloatArray

    @property
    def in_all(self) -> FloatArray:
        """Photons of each molecule in the frame, (n,)."""
        whole: FloatArray = self.photons[0] if len(self.photons) == 1 else self.photons.sum(axis=0)
        return whole

    def centre_of(self, places_nm: FloatArray) -> FloatArray:
        """Return the mean of x or y of each molecule, weighted by its light, (n,)."""
        if len(places_nm) == 1:
            place: FloatArray = places_nm[0]
            return place
        weights = self.photons + TINY_PHOTONS
        centre: FloatArray = (places_nm * weights).sum(axis=0) / weights.sum(axis=0)
        return centre


class Movement:
    """Moves molecules through a frame and tells the light that they give on their way."""

    def __init__(self, settings: SimulationSettings, random: np.random.Generator) -> None:
        self._settings = settings
        self._field = settings.field
        self._random = random
        lit = settings.illumination
        self._illumination = None if lit is None else lit.on_pixels(self._field)

    def through(self, molecules: Molecules, frame: int) -> Light:
        """Return the light of a frame; the molecules are then where the next frame begins."""
        if self._settings.motion_nm_per_sqrt_frame == 0:
            x_nm, y_nm = molecules["x_nm"][np.newaxis], molecules["y_nm"][np.newaxis]
        else:
            x_nm, y_nm = self._diffused(molecules)
        drift_x_nm, drift_y_nm = self._settings.drift_nm_per_frame
        x_nm, y_nm = x_nm + frame * drift_x_nm, y_nm + frame * drift_y_nm
        moments = frame + np.arange(len(x_nm) + 1) / len(x_nm)
        shining = np.stack([part_of_frame(molecules, *moments[step : step + 2]) for step in range(len(x_nm))])
        photons = molecules["photons"] * np.maximum(shining, 0.0)
        if self._illumination is not None:
            photons = photons * self._field.values_at(self._illumination, x_nm, y_nm)
        return Light(x_nm, y_nm, photons)

    def _diffused(self, molecules: Molecules) -> tuple[FloatArray, FloatArray]:
        """Return x and y in the middle of each part of the frame; move the molecules to its end."""
        steps = STEPS_PER_FRAME
        # Blinks of one molecule in one frame go the same way.
        _, first, which = np.unique(molecules["number"], return_index=True, return_inverse=True)
        half_step_nm = self._settings.motion_nm_per_sqrt_frame * math.sqrt(0.5 / steps)
        half_steps_nm = half_step_nm * self._random.standard_normal((2 * steps, len(first), 2))
        start_nm = np.column_stack([molecules["x_nm"][first], molecules["y_nm"][first]])
        way_nm = self._field.reflected(start_nm + np.cumsum(half_steps_nm, axis=0))[:, which]
        molecules["x_nm"], molecules["y_nm"] = way_nm[-1].T
        middles_nm = way_nm[::2]
        return middles_nm[..., 0], middles_nm[..., 1]
