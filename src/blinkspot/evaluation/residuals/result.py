"""What a residual says of its denoiser."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, erfc

from blinkspot.evaluation.residuals.spots import SpotExcess
from blinkspot.evaluation.residuals.verdict import findings, verdict

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Residuals:
    """What a residual says of its denoiser.

    Attributes
    ----------
    by_model : bool
        Whether each count was compared with what a model says from the other pixels; else with a denoised
        movie, whose residual is drawn together and has a variance below 1.
    frames : int
    variance, variance_error : float
        Mean square of the residual, and its standard error.
    fourth : float
        Mean fourth power.
    mean_map, square_map : ndarray of float64, shape (Y, X)
        Mean over time of the residual and of its square.
    frequency, power, power_n : ndarray of float64, shape (rings,)
        Spatial spectrum: periods per pixel; power in units of the variance, 1 where white; independent
        values that it is the mean of.
    spatial, temporal : ndarray of float64, shape (lags,)
        Correlation of pixels, and of frames, 1, 2, ... apart.
    lost, invented : SpotExcess
        Spots upwards and downwards.
    provenance : dict
        JSON-ready.
    """

    by_model: bool
    frames: int
    variance: float
    variance_error: float
    fourth: float
    mean_map: FloatArray
    square_map: FloatArray
    frequency: FloatArray
    power: FloatArray
    power_n: FloatArray
    spatial: FloatArray
    temporal: FloatArray
    lost: SpotExcess
    invented: SpotExcess
    provenance: dict[str, Any]

    @property
    def mean_map_chance(self) -> float:
        """Standard deviation that chance gives the map of means."""
        return float(np.sqrt(self.variance / self.frames))

    @property
    def square_map_chance(self) -> float:
        """Standard deviation that chance gives the map of squares."""
        return float(np.sqrt(max(self.fourth - self.variance**2, 0.0) / self.frames))

    @property
    def correlation_chance(self) -> float:
        """Standard error of the correlation of neighbouring pixels, of white noise."""
        return float(1.0 / np.sqrt(2.0 * self.mean_map.size * self.frames))

    @property
    def structure(self) -> float:
        """Standard deviation, in units of the residual's, of what stands still in the map of means."""
        beyond = float(np.mean(self.mean_map**2)) / self.variance - 1.0 / self.frames
        return float(np.sqrt(max(beyond, 0.0)))

    def p_values(self) -> dict[str, float | None]:
        """Return how likely white noise is to look at least as uneven.

        ``variance``: the variance's distance from 1 (None without a model); ``map``: the sum of squares of
        the map of means (chi-square of as many degrees of freedom as pixels); ``spectrum``: that of the
        spectrum's deviations from 1 (rings). In a long movie the least imperfection is beyond chance: how
        large it is matters more.
        """
        distance = abs(self.variance - 1.0) / max(self.variance_error, 1e-300)
        in_map = float(np.sum((self.mean_map / self.mean_map_chance) ** 2))
        in_rings = float(np.sum((self.power - 1.0) ** 2 * self.power_n))
        return {
            "variance": float(erfc(distance / math.sqrt(2.0))) if self.by_model else None,
            "map": float(chdtrc(self.mean_map.size, in_map)),
            "spectrum": float(chdtrc(len(self.power), in_rings)),
        }

    def as_dict(self) -> dict[str, Any]:
        """Return the figures, JSON-ready; the maps are left out."""
        return {
            "verdict": verdict(self),
            "is_white": not findings(self),
            "compared_with": "model" if self.by_model else "denoised movie",
            "frames": self.frames,
            "variance": self.variance,
            "variance_error": self.variance_error,
            "structure": self.structure,
            "spatial_correlation": self.spatial.tolist(),
            "temporal_correlation": self.temporal.tolist(),
            "p_values": self.p_values(),
            "lost": self.lost.as_dict(),
            "invented": self.invented.as_dict(),
            "spectrum": {"periods_per_pixel": self.frequency.tolist(), "power": self.power.tolist()},
            "provenance": self.provenance,
        }
