"""ThunderSTORM's analysis of one frame."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from blinkspot.camera import Camera
from blinkspot.errors import BlinkspotError
from blinkspot.localization.detection import Candidates
from blinkspot.localization.thunderstorm.candidates import find_candidates
from blinkspot.localization.thunderstorm.least_squares import N_RESULTS, fit_squares
from blinkspot.localization.thunderstorm.likelihood import fit_likelihood
from blinkspot.localization.thunderstorm.settings import ThunderstormSettings
from blinkspot.localization.thunderstorm.uncertainty import position_uncertainty

Columns = dict[str, NDArray[np.float64]]


def localize_frame(
    raw_adu: NDArray[Any], camera: Camera, settings: ThunderstormSettings | None = None
) -> Columns:
    """Find the molecules of one frame as ThunderSTORM does.

    Parameters
    ----------
    raw_adu : ndarray, shape (height, width)
        The frame as recorded, or denoised, in ADU.
    camera : Camera
        Without maps, which ThunderSTORM does not know.
    settings : ThunderstormSettings, optional

    Returns
    -------
    dict of ndarray of float64, shape (n,)
        ``x_nm``, ``y_nm``, ``sigma_nm``, ``photons``, ``background_photons``, ``background_std_photons``,
        ``uncertainty_nm`` and ``detection_strength`` as in a :class:`LocalizationTable`, in the order of
        ThunderSTORM's table. Nothing is rounded. Duplicates are in it: ThunderSTORM removes them afterwards,
        and only if asked to.

    Raises
    ------
    BlinkspotError
        If the frame has not two axes or holds NaN or infinite values, or the camera has maps.
    """
    settings = ThunderstormSettings() if settings is None else settings
    pixels = base_level_removed(raw_adu, camera)
    candidates = find_candidates(pixels, settings.threshold, settings.fit_radius_px)
    return fit_candidates(pixels, candidates, camera, settings)


def base_level_removed(raw_adu: NDArray[Any], camera: Camera) -> NDArray[np.float32]:
    """Subtract the camera's offset from a frame; where a pixel comes out below 0, raise the whole frame to 0.

    Parameters
    ----------
    raw_adu : ndarray, shape (height, width)
    camera : Camera

    Returns
    -------
    ndarray of float32, shape (height, width)
        ADU above the base level.

    Raises
    ------
    BlinkspotError
        As :func:`localize_frame`.
    """
    if camera.maps is not None:
        raise BlinkspotError(
            "ThunderSTORM knows no maps of a camera's pixels: give its offset and gain as numbers."
        )
    if raw_adu.ndim != 2 or 0 in raw_adu.shape:
        raise BlinkspotError(
            f"A frame has two axes, but the array given has the shape {raw_adu.shape}: "
            "choose one frame of the movie."
        )
    pixels = raw_adu.astype(np.float32) - np.float32(camera.offset_adu)
    lowest, highest = pixels.min(), pixels.max()
    if not np.isfinite(highest - lowest):
        raise BlinkspotError("The frame holds NaN or infinite values: mend or leave out that frame.")
    return pixels - lowest if lowest < 0 else pixels


def fit_candidates(
    pixels: NDArray[np.float32], candidates: Candidates, camera: Camera, settings: ThunderstormSettings
) -> Columns:
    """Fit the molecules of a frame, or some of them.

    Parameters
    ----------
    pixels : ndarray of float32, shape (height, width)
        From :func:`base_level_removed`.
    candidates : Candidates
        None closer to the border than the fit radius.
    camera : Camera
    settings : ThunderstormSettings

    Returns
    -------
    dict of ndarray of float64, shape (n,)
        As :func:`localize_frame`. Candidates whose fit left the window, or failed, are missing.
    """
    results = np.empty((len(candidates), N_RESULTS))
    accepted = np.empty(len(candidates), dtype=np.bool_)
    window = (candidates.rows, candidates.columns, settings.fit_radius_px, float(settings.initial_sigma_px))
    if settings.fit == "mle":
        photons = pixels.astype(np.float64) * camera.electrons_per_adu / camera.em_gain
        fit_likelihood(photons, *window, results, accepted)
        photons_per_unit = 1.0
    else:
        fit_squares(pixels.astype(np.float64), *window, settings.fit == "wlsq", results, accepted)
        photons_per_unit = camera.photoelectrons_per_adu
    x, y, sigma, *amounts = results[accepted].T
    sigma_nm = sigma * camera.pixel_size_nm
    photons, background, background_std = (amount * photons_per_unit for amount in amounts)
    return {
        "x_nm": (x + 0.5) * camera.pixel_size_nm,
        "y_nm": (y + 0.5) * camera.pixel_size_nm,
        "sigma_nm": sigma_nm,
        "photons": photons,
        "background_photons": background,
        "background_std_photons": background_std,
        "uncertainty_nm": position_uncertainty(
            sigma_nm, photons, background_std, camera, settings.fit, settings.uncertainty
        ),
        "detection_strength": candidates.strength[accepted],
    }
