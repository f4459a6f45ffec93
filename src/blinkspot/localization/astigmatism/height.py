"""Fit the molecules of one frame, heights included."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from blinkspot.localization.astigmatism.calibration import AstigmatismCalibration, DefocusCurve
from blinkspot.localization.astigmatism.height_fit import N_RESULTS, fit_windows
from blinkspot.localization.fitting.goodness import as_frames, judge_fits, known_part
from blinkspot.localization.fitting.molecules import Fits

FloatArray = NDArray[np.float64]


def fit_heights(
    counts: NDArray[np.float32],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    calibration: AstigmatismCalibration,
    pixel_size_nm: float,
    *,
    frames: NDArray[np.int64] | None = None,
    start: NDArray[np.float32] | None = None,
    extra: NDArray[np.float32] | None = None,
    window_px: int | None = None,
    has_register: bool = False,
) -> Fits:
    """Fit position, height, amplitude and background of a molecule around each pixel given.

    The height is a parameter of the Poisson likelihood, so its variance is what the photons allow; the widths
    follow from it.

    Parameters
    ----------
    counts : ndarray of float32, shape (height, width) or (n_frames, height, width)
        A frame in the camera's counts, whose variance equals their mean; or several.
    rows, columns : ndarray of int64, shape (n,)
        Pixels to fit around.
    calibration : AstigmatismCalibration
    pixel_size_nm : float
    frames, start, extra : ndarray, optional
        As in :func:`~blinkspot.localization.fitting.molecules.fit_molecules`.
    window_px : int, optional
        Side of the square that is fitted, odd; the calibration's own unless given.
    has_register : bool
        As in :func:`~blinkspot.localization.fitting.molecules.fit_molecules`.

    Returns
    -------
    Fits
        Of the candidates where the fit converged, with its centre in the window and its height in the
        calibrated range: beyond it the widths are not known, so neither is the height. ``variance_sigma_x``
        and ``variance_sigma_y`` follow from the variance of the height.
    """
    pixels = as_frames(counts)
    start_pixels = pixels if start is None else as_frames(start)
    frames = np.zeros(len(rows), dtype=np.int64) if frames is None else frames
    window_px = calibration.window_px(pixel_size_nm) if window_px is None else window_px
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
        np.array([_in_pixels(curve, pixel_size_nm) for curve in (calibration.x, calibration.y)]),
        *calibration.z_range_nm,
        results,
        converged,
    )
    kept = np.flatnonzero(converged)
    x, y, z, amplitude, background, *variances = results[kept].T
    variance_x, variance_y, variance_z, variance_amplitude, variance_background = variances
    sigma_x, sigma_y = (curve.at(z) / pixel_size_nm for curve in (calibration.x, calibration.y))
    slope_x, slope_y = (curve.slope(z) / pixel_size_nm for curve in (calibration.x, calibration.y))
    fitted = np.column_stack([x, y, sigma_x, sigma_y, amplitude, background])
    return Fits(
        kept,
        judge_fits(
            pixels,
            extra,
            rows[kept],
            columns[kept],
            window_px,
            fitted,
            has_register=has_register,
            frames=frames[kept],
        ),
        x,
        y,
        sigma_x,
        sigma_y,
        amplitude,
        background,
        variance_x,
        variance_y,
        slope_x**2 * variance_z,
        slope_y**2 * variance_z,
        variance_amplitude,
        variance_background,
        z * calibration.refractive_index_factor,
        variance_z * calibration.refractive_index_factor**2,
    )


def _in_pixels(curve: DefocusCurve, pixel_size_nm: float) -> tuple[float, ...]:
    higher = (curve.cubic, curve.quartic, curve.quintic, curve.sextic)
    return (curve.sigma_nm / pixel_size_nm, curve.centre_nm, curve.depth_nm, *higher)
