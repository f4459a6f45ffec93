"""Spots of a lens with astigmatism, by scalar diffraction, averaged over pixels.

The pupil has a defocus of ``z n cos(theta)`` and a Zernike term of vertical astigmatism, and the factor
``1 / sqrt(cos(theta))`` of an aplanatic lens (Hanser et al. 2004, Journal of Microscopy 216:32). It is no
Gaussian: it has rings, and more light far out than near the focus.
"""

import numpy as np

NA, INDEX, WAVELENGTH_NM = 1.3, 1.4, 670.0
ASTIGMATISM_WAVES = 0.07  # root mean square
PIXEL_NM = 100.0
# Of the fine grid: this many points make a pixel, and the field is as wide as this many pixels.
FINER = 5
FIELD_PX = 41


def lens_spot(z_nm: float, x_px: float, y_px: float, size_px: int) -> np.ndarray:
    """Return the shares of the light in the pixels of a square around a molecule, (size, size).

    ``x_px``, ``y_px``: where it is, in pixels from the middle of the square.
    """
    n = FINER * FIELD_PX
    frequency = np.fft.fftfreq(n, PIXEL_NM / FINER)
    fx, fy = np.meshgrid(frequency, frequency)
    radius = np.hypot(fx, fy) * WAVELENGTH_NM / NA
    inside = radius < 1.0
    sine = np.where(inside, radius * NA / INDEX, 0.0)
    cosine = np.sqrt(1.0 - sine**2)
    twofold = np.sqrt(6.0) * (fx**2 - fy**2) * (WAVELENGTH_NM / NA) ** 2
    waves = INDEX * z_nm / WAVELENGTH_NM * cosine + ASTIGMATISM_WAVES * twofold
    shift = (fx * x_px + fy * y_px) * PIXEL_NM
    # Half a fine point: the middle of the middle pixel is at index n // 2 of an odd grid.
    pupil = np.where(inside, np.exp(2j * np.pi * (waves - shift)) / np.sqrt(cosine), 0.0)
    intensity = np.fft.fftshift(np.abs(np.fft.ifft2(pupil)) ** 2)
    pixels = intensity.reshape(FIELD_PX, FINER, FIELD_PX, FINER).sum(axis=(1, 3)) / intensity.sum()
    first = (FIELD_PX - size_px) // 2
    return pixels[first:, first:][:size_px, :size_px]
