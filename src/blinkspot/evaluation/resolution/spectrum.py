"""The spectrum of a picture of localizations, and sums over its rings, in parts that fit into memory."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import fft, next_fast_len, rfft

from blinkspot.localization._compiling import compiled
from blinkspot.paced import in_parts
from blinkspot.progress import Progress, Stopwatch

FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]
Spectrum = NDArray[np.complex64]
IntArray = NDArray[np.int64]

# Part of the picture, at both sides together, over which it fades to nothing.
_FADING = 0.25


@dataclass(frozen=True)
class Field:
    """Pixels over the localizations, and what surrounds them so that transforms are fast.

    Attributes
    ----------
    pixel_size_nm : float
    shape : (int, int)
        Rows and columns of pixels that may hold localizations.
    """

    pixel_size_nm: float
    shape: tuple[int, int]

    @property
    def padded(self) -> tuple[int, int]:
        """Rows and columns of the picture that is transformed."""
        height, width = self.shape
        return next_fast_len(height), next_fast_len(width, real=True)

    @property
    def n_rings(self) -> int:
        """Rings, from frequency 0 to that of one period in two pixels."""
        return min(self.padded) // 2 + 1

    @property
    def ring_per_nm(self) -> float:
        """Width of a ring, periods per nm."""
        return 1.0 / (min(self.padded) * self.pixel_size_nm)

    def spectrum(
        self, rows: IntArray, columns: IntArray, clock: Stopwatch, done: tuple[float, float]
    ) -> Generator[Progress, None, Spectrum]:
        """Transform the picture of some localizations, less its mean, faded at its borders.

        With its mean, the shape of the field itself would correlate.

        Parameters
        ----------
        rows, columns : ndarray of int64, shape (n,)
            Their pixels; the rows ascend.

        Returns
        -------
        ndarray of complex64, shape (height, width // 2 + 1) of the padded picture
        """
        from scipy.signal.windows import tukey  # slow to import: commands that need none should not wait

        height, width = self.padded
        spectrum = np.zeros((height, width // 2 + 1), np.complex64)
        down, along = (tukey(n, _FADING).astype(np.float32) for n in self.shape)
        mean = np.float32(np.sum(down[rows] * along[columns], dtype=np.float64) / (down.sum() * along.sum()))
        middle = (done[0] + done[1]) / 2.0

        def transform_rows(part: slice) -> None:
            first, last = np.searchsorted(rows, (part.start, part.stop))
            picture = np.zeros((part.stop - part.start, width), np.float32)
            picture[:, : self.shape[1]] = -mean * np.multiply.outer(down[part], along)
            _draw(picture, rows[first:last] - part.start, columns[first:last], down[part], along)
            spectrum[part] = rfft(picture, axis=1)

        def transform_columns(part: slice) -> None:
            spectrum[:, part] = fft(spectrum[:, part], axis=0, overwrite_x=True)

        yield from in_parts(transform_rows, self.shape[0], clock, (done[0], middle), at_first=32)
        yield from in_parts(transform_columns, spectrum.shape[1], clock, (middle, done[1]), at_first=8)
        return spectrum

    def ring_sums(
        self, whole: Spectrum, half: Spectrum, clock: Stopwatch, done: float
    ) -> Generator[Progress, None, FloatArray]:
        """Sum the powers and the product of the two halves over rings.

        Parameters
        ----------
        whole, half : ndarray of complex64
            Spectra of all localizations, and of one half; the other half is what is left.

        Returns
        -------
        ndarray of float64, shape (4, n_rings)
            Real part of f1 conj(f2), power of f1, power of f2, and the number of frequencies on the ring.
        """
        height, width = self.padded
        sums = np.zeros((4, self.n_rings))
        # In units of a ring.
        step_down, step_along = min(self.padded) / height, min(self.padded) / width
        yield from in_parts(
            lambda part: _add_rings(whole, half, part.start, part.stop, width, step_down, step_along, sums),
            height,
            clock,
            (done, done),
            at_first=32,
        )
        return sums


@compiled
def _draw(
    picture: Float32Array, rows: IntArray, columns: IntArray, down: Float32Array, along: Float32Array
) -> None:
    for i in range(rows.size):
        picture[rows[i], columns[i]] += down[rows[i]] * along[columns[i]]


@compiled
def _add_rings(
    whole: Spectrum,
    half: Spectrum,
    start: int,
    stop: int,
    width: int,
    step_down: float,
    step_along: float,
    sums: FloatArray,
) -> None:
    """Add rows ``start`` to ``stop``; columns that the other half plane mirrors count twice."""
    height, n_columns = whole.shape
    n_rings = sums.shape[1]
    for y in range(start, stop):
        v = (y if 2 * y <= height else y - height) * step_down
        for x in range(n_columns):
            u = x * step_along
            ring = int(math.sqrt(u * u + v * v) + 0.5)
            if ring >= n_rings:
                break
            weight = 1.0 if x == 0 or 2 * x == width else 2.0
            first = np.complex128(half[y, x])
            second = np.complex128(whole[y, x]) - first
            sums[0, ring] += weight * (first.real * second.real + first.imag * second.imag)
            sums[1, ring] += weight * (first.real * first.real + first.imag * first.imag)
            sums[2, ring] += weight * (second.real * second.real + second.imag * second.imag)
            sums[3, ring] += weight
