"""Fit the molecules of frames."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from blinkspot.localization.fitting.gaussian_fit import (
    LEAST_SQUARES,
    N_RESULTS,
    POISSON,
    WEIGHTED_SQUARES,
    fit_windows,
)
from blinkspot.localization.fitting.goodness import Goodness, as_frames, judge_fits, known_part
from blinkspot.localization.fitting.p_value import fitted_parameters

FitMethod = Literal["mle", "lsq", "wlsq"]
FitPixels = Literal["raw", "denoised"]
FloatArray = NDArray[np.float64]

_METHODS = {"mle": POISSON, "lsq": LEAST_SQUARES, "wlsq": WEIGHTED_SQUARES}


@dataclass(frozen=True)
class Fits:
    """Fitted molecules of one frame or several; arrays of float64 and shape (n,).

    Attributes
    ----------
    candidate : ndarray of int64
        Index of the candidate that the fit belongs to; candidates without a molecule are missing.
    goodness : Goodness
    x, y, sigma_x, sigma_y : ndarray
        Position (0 is the centre of the first pixel) and standard deviations of the Gaussian, pixels.
    amplitude : ndarray
        Counts of the molecule.
    background : ndarray
        Counts per pixel under it.
    variance_x, variance_y, variance_sigma_x, variance_sigma_y : ndarray
        Predicted variances, square pixels.
    variance_amplitude, variance_background : ndarray
        Predicted variances, counts squared.
    z_nm, variance_z_nm2 : ndarray, optional
        Height over the focal plane and its predicted variance, of astigmatic molecules.
    """

    candidate: NDArray[np.int64]
    goodness: Goodness
    x: FloatArray
    y: FloatArray
    sigma_x: FloatArray
    sigma_y: FloatArray
    amplitude: FloatArray
    background: FloatArray
    variance_x: FloatArray
    variance_y: FloatArray
    variance_sigma_x: FloatArray
    variance_sigma_y: FloatArray
    variance_amplitude: FloatArray
    variance_background: FloatArray
    z_nm: FloatArray | None = None
    variance_z_nm2: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.x)

    @property
    def sigma(self) -> FloatArray:
        """Width of the circle of equal area, pixels."""
        return np.sqrt(self.sigma_x * self.sigma_y)

    def chosen(self, index: NDArray[np.int64]) -> Fits:
        """Return some of the fits, by index."""
        goodness = Goodness(*(getattr(self.goodness, each.name)[index] for each in fields(Goodness)))
        arrays = {name: values[index] for name, values in self._arrays().items()}
        return replace(self, goodness=goodness, **arrays)

    @classmethod
    def joined(cls, parts: Sequence[Fits]) -> Fits:
        """Return the fits of several parts, one at least, as one."""
        if len(parts) == 1:
            return parts[0]
        goodness = Goodness(
            *(
                np.concatenate([getattr(part.goodness, each.name) for part in parts])
                for each in fields(Goodness)
            )
        )
        arrays = [part._arrays() for part in parts]
        return cls(
            goodness=goodness,
            **{name: np.concatenate([each[name] for each in arrays]) for name in arrays[0]},
        )

    def _arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by name; without heights where there are none."""
        named = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "goodness"}
        return {name: values for name, values in named.items() if values is not None}


def fit_molecules(
    counts: NDArray[np.float32],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    *,
    frames: NDArray[np.int64] | None = None,
    method: FitMethod = "mle",
    elliptical: bool = False,
    start: NDArray[np.float32] | None = None,
    extra: NDArray[np.float32] | None = None,
    window_px: int = 7,
    initial_sigma_px: float = 1.3,
    sigma_std_px: float = math.inf,
    has_register: bool = False,
) -> Fits:
    """Fit an integrated Gaussian on a constant background around each pixel given.

    Parameters
    ----------
    counts : ndarray of float32, shape (height, width) or (n_frames, height, width)
        A frame in the camera's counts, whose variance equals their mean; or several.
    rows, columns : ndarray of int64, shape (n,)
        Pixels to fit around.
    frames : ndarray of int64, shape (n,), optional
        Index of the frame that each pixel is in, where there are several; the first unless given.
    method : {"mle", "lsq", "wlsq"}
        Maximum of the Poisson likelihood, least squares, or least squares weighted by 1 / pixel.
    elliptical : bool
        Whether a molecule has one width each along x and y.
    start : ndarray of float32, of the shape of the counts, optional
        Where start values are taken from, in the same unit; the counts themselves unless given.
    extra : ndarray of float32, shape (height, width), optional
        Counts that every pixel is known to hold besides (the variance of its read noise); they are part of
        neither molecule nor background. ``start`` is to hold none of them.
    window_px : int
        Side of the square that is fitted, odd. At the frame's border only its existing pixels are.
    initial_sigma_px : float
        Standard deviation of the Gaussian to start from, pixels.
    sigma_std_px : float
        How well the initial width is known beforehand, pixels: the standard deviation of a Gaussian prior.
        Infinite where nothing is known; 0 for a fixed width.
    has_register : bool
        Whether the counts come from an EM register: the p-value depends on it, and nothing else.

    Returns
    -------
    Fits
        Of the candidates where the fit converged, with its centre in the window and a plausible width.
    """
    pixels = as_frames(counts)
    start_pixels = pixels if start is None else as_frames(start)
    frames = np.zeros(len(rows), dtype=np.int64) if frames is None else frames
    results = np.empty((len(rows), N_RESULTS))
    converged = np.empty(len(rows), dtype=np.bool_)
    fit_windows(
        pixels,
        known_part(extra),
        start_pixels,
        frames,
        rows,
        columns,
        window_px,
        float(initial_sigma_px),
        float(sigma_std_px),
        elliptical,
        _METHODS[method],
        results,
        converged,
    )
    kept = np.flatnonzero(converged)
    found = results[kept]
    n_parameters = fitted_parameters(elliptical, sigma_std_px, found[:, 8])
    goodness = judge_fits(
        pixels,
        extra,
        rows[kept],
        columns[kept],
        window_px,
        found[:, :6],
        n_parameters,
        has_register,
        frames=frames[kept],
    )
    return Fits(kept, goodness, *found.T)
