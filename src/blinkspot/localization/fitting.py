"""Fit the molecules of one frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from blinkspot.localization.gaussian_fit import N_RESULTS, fit_windows

FitMethod = Literal["mle", "wlsq"]
FitPixels = Literal["raw", "denoised"]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Fits:
    """Fitted molecules of one frame.

    Attributes
    ----------
    x, y, sigma : ndarray of float64, shape (n,)
        Position (0 is the centre of the first pixel) and standard deviation of the Gaussian, pixels.
    amplitude : ndarray of float64, shape (n,)
        Counts of the molecule.
    background : ndarray of float64, shape (n,)
        Counts per pixel under it.
    variance_x, variance_y : ndarray of float64, shape (n,)
        Predicted variances of x and y, square pixels.
    residual_std : ndarray of float64, shape (n,)
        Standard deviation of pixels minus model, counts.
    candidate : ndarray of int64, shape (n,)
        Index of the candidate that the fit belongs to; candidates without a molecule are missing.
    """

    x: FloatArray
    y: FloatArray
    sigma: FloatArray
    amplitude: FloatArray
    background: FloatArray
    variance_x: FloatArray
    variance_y: FloatArray
    residual_std: FloatArray
    candidate: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.x)


def fit_molecules(
    counts: NDArray[np.float32],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    *,
    method: FitMethod = "mle",
    start: NDArray[np.float32] | None = None,
    extra: NDArray[np.float32] | None = None,
    window_px: int = 7,
    initial_sigma_px: float = 1.6,
) -> Fits:
    """Fit an integrated Gaussian on a constant background around each pixel given.

    Parameters
    ----------
    counts : ndarray of float32, shape (height, width)
        A frame in the camera's counts, whose variance equals their mean.
    rows, columns : ndarray of int64, shape (n,)
        Pixels to fit around.
    method : {"mle", "wlsq"}
        Maximum of the Poisson likelihood, or least squares weighted by 1 / pixel.
    start : ndarray of float32, shape (height, width), optional
        Where start values are taken from, in the same unit; the frame itself unless given.
    extra : ndarray of float32, shape (height, width), optional
        Counts that every pixel is known to hold besides (the variance of its read noise); they are part of
        neither molecule nor background. ``start`` is to hold none of them.
    window_px : int
        Side of the square that is fitted, odd. At the frame's border only its existing pixels are.
    initial_sigma_px : float
        Standard deviation of the Gaussian to start from, pixels.

    Returns
    -------
    Fits
        Of the candidates where the fit converged, with its centre in the window and a plausible width.
    """
    pixels = np.ascontiguousarray(counts, dtype=np.float32)
    start_pixels = pixels if start is None else np.ascontiguousarray(start, dtype=np.float32)
    known = np.empty((0, 0)) if extra is None else extra
    results = np.empty((len(rows), N_RESULTS))
    converged = np.empty(len(rows), dtype=np.bool_)
    fit_windows(
        pixels,
        np.ascontiguousarray(known, dtype=np.float32),
        start_pixels,
        rows,
        columns,
        window_px,
        float(initial_sigma_px),
        method == "mle",
        results,
        converged,
    )
    x, y, sigma, amplitude, background, variance_x, variance_y, residual_std = results[converged].T
    return Fits(
        x,
        y,
        sigma,
        amplitude,
        background,
        variance_x,
        variance_y,
        residual_std,
        candidate=np.flatnonzero(converged),
    )
