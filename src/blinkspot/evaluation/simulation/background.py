"""Light that is not the molecules'."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from blinkspot.evaluation.simulation.settings import SimulationSettings

FloatArray = NDArray[np.float64]


class Background:
    """Mean electrons of each pixel without molecules: background light and spurious charge.

    The light is ``background_photons * mask * illumination * exp(-frame / background_fading_frames)``; masks
    and illumination are stretched over the frames' pixels. The charge is the camera's own, the same
    everywhere and always.
    """

    def __init__(self, settings: SimulationSettings) -> None:
        self._field = settings.field
        self._fading_frames = settings.background_fading_frames
        self._charge = settings.clock_induced_charge_electrons
        self._light: float | FloatArray = settings.background_photons
        masks = [settings.background_mask, settings.illumination if settings.illuminates_background else None]
        for mask in masks:
            if mask is not None:
                self._light = self._light * mask.on_pixels(self._field)

    def in_frame(self, frame: int) -> float | FloatArray:
        """Return the mean of a frame's pixels, one number or (Y, X)."""
        faded = math.exp(-frame / self._fading_frames) if self._fading_frames > 0 else 1.0
        return self._light * faded + self._charge

    def under(self, x_nm: FloatArray, y_nm: FloatArray, frame: int) -> FloatArray:
        """Return what a frame's background is at some places."""
        here = self.in_frame(frame)
        if isinstance(here, float):
            return np.full(len(x_nm), here)
        return self._field.values_at(here, x_nm, y_nm)
