"""From molecules to what a camera records."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from blinkspot.camera import Camera

FloatArray = NDArray[np.float64]

SPOT_RADIUS_SIGMAS = 5.0


def spots_image(
    x_nm: FloatArray,
    y_nm: FloatArray,
    sigma_nm: FloatArray,
    photons: FloatArray,
    shape_px: tuple[int, int],
    pixel_size_nm: float,
) -> FloatArray:
    """Return the mean image of some molecules.

    Each is a Gaussian integrated over the pixels and cut at 5 sigma, so the image is a sum of outer products.

    Parameters
    ----------
    x_nm, y_nm, sigma_nm, photons : ndarray of float64, shape (n,)
        Places (0 is the outer corner of the first pixel), standard deviations, and light of the molecules.
    shape_px : (int, int)
        Height and width of the image.
    pixel_size_nm : float

    Returns
    -------
    ndarray of float64, shape (Y, X)
        Photons.
    """
    height, width = shape_px
    rows = _shares(y_nm, sigma_nm, height, pixel_size_nm)
    columns = _shares(x_nm, sigma_nm, width, pixel_size_nm)
    image: FloatArray = (rows * photons[:, np.newaxis]).T @ columns
    return image


def recorded_adu(mean_photons: FloatArray, camera: Camera, random: np.random.Generator) -> FloatArray:
    """Let a camera record a mean image, without the limits of its pixel type.

    Parameters
    ----------
    mean_photons : ndarray of float64, shape (..., Y, X)
        Mean photoelectrons of each pixel.
    camera : Camera
        Adds shot noise, the noise of the EM register, read noise, and rounds to whole ADU.
    random : numpy Generator
        Source of the noise.

    Returns
    -------
    ndarray of float64, shape (..., Y, X)
        Whole ADU.
    """
    electrons = random.poisson(mean_photons).astype(np.float64)
    if camera.em_gain > 1:
        electrons = random.gamma(electrons, camera.em_gain)
    maps = camera.maps
    if maps is not None:
        noise_adu = random.standard_normal(electrons.shape) * np.sqrt(maps.variance_adu2)
        return np.rint(electrons * maps.adu_per_electron + maps.offset_adu + noise_adu)
    if camera.read_noise_electrons > 0:
        electrons += random.normal(0.0, camera.read_noise_electrons, electrons.shape)
    return np.rint(electrons / camera.electrons_per_adu + camera.offset_adu)


def record(mean_photons: FloatArray, camera: Camera, random: np.random.Generator) -> NDArray[np.uint16]:
    """Let a camera of 16 bits record a mean image; as :func:`recorded_adu`, clipped to what they hold."""
    adu = recorded_adu(mean_photons, camera, random)
    return np.clip(adu, 0, np.iinfo(np.uint16).max).astype(np.uint16)


def _shares(centres_nm: FloatArray, sigma_nm: FloatArray, size_px: int, pixel_size_nm: float) -> FloatArray:
    """Return the part of each spot's light that falls on each row (or column), (molecules, size_px)."""
    edges_nm = np.arange(size_px + 1) * pixel_size_nm
    edges_sigmas = (edges_nm - centres_nm[:, np.newaxis]) / sigma_nm[:, np.newaxis]
    cumulated = ndtr(np.clip(edges_sigmas, -SPOT_RADIUS_SIGMAS, SPOT_RADIUS_SIGMAS))
    shares: FloatArray = np.diff(cumulated, axis=1)
    return shares
