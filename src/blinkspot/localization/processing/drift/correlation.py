"""How far two pictures of the same molecules are apart: cross-correlation, its peak between the pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

FloatArray = NDArray[np.float64]
Spectrum = NDArray[np.complex64]

# A fit of the peak takes the pixels up to this far from the highest.
_PEAK_RADIUS_PX = 2


@dataclass(frozen=True)
class Peak:
    """The highest place of a cross-correlation.

    Attributes
    ----------
    x_nm, y_nm : float
        Shift of the second picture with respect to the first.
    score : float
        Height over the mean of the places that were looked at, in their standard deviations.
    """

    x_nm: float
    y_nm: float
    score: float


@dataclass(frozen=True)
class Torus:
    """The square on which segments are drawn, its edges joined.

    A sample that is larger is folded: positions count modulo the square's side. A shift common to all
    molecules stays what it is, and what is laid over each other only adds to the even background of a
    correlation. So the work is bounded, the pixel stays fine, and no edge has to be padded.

    Attributes
    ----------
    size_px : int
        Side of the square.
    pixel_size_nm : float
    blur_nm : float
        Standard deviation of the Gaussian that each correlation is smoothed with.
    """

    size_px: int
    pixel_size_nm: float
    blur_nm: float

    def spectrum(self, x_nm: FloatArray, y_nm: FloatArray) -> Spectrum:
        """Draw molecules as a histogram and return its Fourier transform, shape (size, size / 2 + 1)."""
        columns = np.floor(x_nm / self.pixel_size_nm).astype(np.int64) % self.size_px
        rows = np.floor(y_nm / self.pixel_size_nm).astype(np.int64) % self.size_px
        counts = np.bincount(rows * self.size_px + columns, minlength=self.size_px**2)
        picture = counts.reshape(self.size_px, self.size_px).astype(np.float32)
        transformed: Spectrum = fft.rfft2(picture)
        # Its mean says nothing about a shift.
        transformed[0, 0] = 0.0
        return transformed

    def smoothing(self) -> NDArray[np.float32]:
        """Return the transfer function of the Gaussian blur, shape (size, size / 2 + 1)."""
        rows = np.fft.fftfreq(self.size_px, self.pixel_size_nm)[:, None]
        columns = np.fft.rfftfreq(self.size_px, self.pixel_size_nm)[None, :]
        squares = rows**2 + columns**2
        return np.exp(-2.0 * (math.pi * self.blur_nm) ** 2 * squares).astype(np.float32)

    def correlation(self, first: Spectrum, second: Spectrum, reach_px: int) -> NDArray[np.float32]:
        """Correlate two pictures whose spectra are given; one of them has been smoothed.

        Returns
        -------
        ndarray of float32, shape (2 reach + 1, 2 reach + 1)
            For shifts of the second from -reach to +reach pixels along y and x.
        """
        whole = fft.irfft2(np.conj(first) * second, s=(self.size_px, self.size_px))
        window = np.arange(-reach_px, reach_px + 1)
        cut: NDArray[np.float32] = whole[np.ix_(window, window)]
        return cut

    def peak(self, correlation: NDArray[np.float32]) -> Peak:
        """Find the highest place of a correlation, between its pixels."""
        reach_px = len(correlation) // 2
        row, column, score = sub_pixel_peak(correlation.astype(np.float64))
        return Peak((column - reach_px) * self.pixel_size_nm, (row - reach_px) * self.pixel_size_nm, score)


def torus_for(extents_nm: Sequence[float], pixel_size_nm: float, blur_nm: float, largest_px: int) -> Torus:
    """Choose the square for a sample of the given extents: as large as that, but not above ``largest_px``."""
    needed = math.ceil(min(max(extents_nm) / pixel_size_nm, largest_px))
    return Torus(fft.next_fast_len(max(needed, 64), real=True), pixel_size_nm, blur_nm)


def sub_pixel_peak(values: FloatArray) -> tuple[float, float, float]:
    """Return row, column and score of the highest place of a picture.

    A Gaussian with free axes is fitted to the pixels around it: its logarithm is a polynomial of the second
    degree, which weighted linear least squares fit (the weight, the squared height, turns errors of the
    logarithm into those of the values: Guo 2011, IEEE Signal Processing Magazine 28(5):134). It is exact for
    a Gaussian peak. Where the fit has no maximum nearby, the highest pixel stands.

    Parameters
    ----------
    values : ndarray of float64, shape (height, width)

    Returns
    -------
    row, column : float
    score : float
        Height of the peak over the mean of the picture, in standard deviations of the picture, both without
        the peak; 0 for an even picture.
    """
    top, left = (int(index) for index in np.unravel_index(np.argmax(values), values.shape))
    radius = _PEAK_RADIUS_PX
    rows = slice(max(top - radius, 0), min(top + radius + 1, values.shape[0]))
    columns = slice(max(left - radius, 0), min(left + radius + 1, values.shape[1]))
    around = np.ones(values.shape, dtype=np.bool_)
    around[rows, columns] = False
    background = values[around]
    if background.size == 0 or (spread := float(background.std())) == 0.0:
        return float(top), float(left), 0.0
    level = float(np.median(background))
    score = (float(values[top, left]) - float(background.mean())) / spread
    heights = values[rows, columns] - level
    v, u = np.mgrid[rows, columns].astype(np.float64)
    v, u = v - top, u - left
    used = heights > 0.2 * heights.max()
    if used.sum() < 6:
        return float(top), float(left), score
    h, u, v = heights[used], u[used], v[used]
    terms = np.stack([np.ones_like(u), u, v, u * u, u * v, v * v], axis=1)
    _, b_u, b_v, b_uu, b_uv, b_vv = np.linalg.lstsq(terms * h[:, None], h * np.log(h), rcond=None)[0]
    determinant = 4.0 * b_uu * b_vv - b_uv**2
    if b_uu >= 0.0 or determinant <= 0.0:
        return float(top), float(left), score
    column = (b_uv * b_v - 2.0 * b_vv * b_u) / determinant
    row = (b_uv * b_u - 2.0 * b_uu * b_v) / determinant
    if abs(row) > 1.5 or abs(column) > 1.5:
        return float(top), float(left), score
    return top + float(row), left + float(column), score
