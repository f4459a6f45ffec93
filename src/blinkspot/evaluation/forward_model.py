"""From molecules to what a camera records."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from blinkspot.camera import Camera

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

SPOT_RADIUS_SIGMAS = 5.0
# Of few spots, or wide ones, the sum of outer products over the whole image is quicker, of many one over
# windows.
_FEW_SPOTS = 1000
_SPOTS_TOGETHER = 4096
_VALUES_TOGETHER = 1 << 24


def spots_image(
    x_nm: FloatArray,
    y_nm: FloatArray,
    sigma_nm: FloatArray,
    photons: FloatArray,
    shape_px: tuple[int, int],
    pixel_size_nm: float,
) -> FloatArray:
    """Return the mean image of some molecules.

    Each is a Gaussian integrated over the pixels and cut at 5 sigma: an outer product.

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
    if len(photons) > _FEW_SPOTS and _window_px(sigma_nm, pixel_size_nm) ** 2 < height * width:
        return _many_spots_image(x_nm, y_nm, sigma_nm, photons, shape_px, pixel_size_nm)
    image = np.zeros(shape_px)
    for start in range(0, len(photons), _SPOTS_TOGETHER):
        part = slice(start, start + _SPOTS_TOGETHER)
        rows = _shares(y_nm[part], sigma_nm[part], np.arange(height + 1), pixel_size_nm)
        columns = _shares(x_nm[part], sigma_nm[part], np.arange(width + 1), pixel_size_nm)
        image += (rows * photons[part, np.newaxis]).T @ columns
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


def _many_spots_image(
    x_nm: FloatArray,
    y_nm: FloatArray,
    sigma_nm: FloatArray,
    photons: FloatArray,
    shape_px: tuple[int, int],
    pixel_size_nm: float,
) -> FloatArray:
    """Return the same image as :func:`spots_image`, from a window around each spot."""
    height, width = shape_px
    # Spots that lie just beyond the border reach into it: windows fall on an image with a margin.
    margin = _window_px(sigma_nm, pixel_size_nm)
    padded = (height + 2 * margin, width + 2 * margin)
    image = np.zeros(padded[0] * padded[1])
    together = max(1, min(_SPOTS_TOGETHER, _VALUES_TOGETHER // margin**2))
    for start in range(0, len(photons), together):
        part = slice(start, start + together)
        sigma = sigma_nm[part]
        pixels = np.arange(_window_px(sigma, pixel_size_nm) + 1)
        first_row, rows = _window(y_nm[part], sigma, pixels, height, pixel_size_nm)
        first_column, columns = _window(x_nm[part], sigma, pixels, width, pixel_size_nm)
        light = (rows * photons[part, np.newaxis])[:, :, np.newaxis] * columns[:, np.newaxis, :]
        first = (first_row + margin) * padded[1] + first_column + margin
        within = pixels[:-1, np.newaxis] * padded[1] + pixels[:-1]
        places = first[:, np.newaxis, np.newaxis] + within
        image += np.bincount(places.ravel(), light.ravel(), len(image))
    return image.reshape(padded)[margin:-margin, margin:-margin]


def _window_px(sigma_nm: FloatArray, pixel_size_nm: float) -> int:
    """Return the side of a window that holds any of some spots, pixels."""
    return math.ceil(2.0 * SPOT_RADIUS_SIGMAS * float(sigma_nm.max()) / pixel_size_nm) + 1


def _window(
    centres_nm: FloatArray, sigma_nm: FloatArray, pixels: IntArray, size_px: int, pixel_size_nm: float
) -> tuple[IntArray, FloatArray]:
    """Return where each spot's window of pixels begins, and the spot's share on each of them."""
    reach = len(pixels) - 1
    first = np.floor((centres_nm - SPOT_RADIUS_SIGMAS * sigma_nm) / pixel_size_nm)
    first = np.clip(first, -reach, size_px).astype(np.int64)
    return first, _shares(centres_nm, sigma_nm, first[:, np.newaxis] + pixels, pixel_size_nm)


def _shares(
    centres_nm: FloatArray, sigma_nm: FloatArray, edges: IntArray, pixel_size_nm: float
) -> FloatArray:
    """Return the part of each spot's light on each row (or column) between edges, (spots, pixels)."""
    edges_nm = edges * pixel_size_nm
    edges_sigmas = (edges_nm - centres_nm[:, np.newaxis]) / sigma_nm[:, np.newaxis]
    cumulated = ndtr(np.clip(edges_sigmas, -SPOT_RADIUS_SIGMAS, SPOT_RADIUS_SIGMAS))
    shares: FloatArray = np.diff(cumulated, axis=1)
    return shares
