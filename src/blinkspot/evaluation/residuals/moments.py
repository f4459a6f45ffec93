"""Sums over the frames of a residual: of pixels, of frequencies, of successive frames."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft2, rfft2

FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]

# Frames are cut into tiles of at most this side for their spectrum.
_LARGEST_TILE_PX = 256
_PIXELS_AT_ONCE = 2**20


@dataclass
class Moments:
    """Sums of a residual.

    Attributes
    ----------
    shape : (int, int)
        Height and width of a frame.
    largest_lag : int
        Frames up to which successive ones are compared.
    """

    shape: tuple[int, int]
    largest_lag: int
    n_frames: int = 0
    fourth: float = 0.0
    total: FloatArray = field(init=False)
    squares: FloatArray = field(init=False)
    power: FloatArray = field(init=False)
    products: FloatArray = field(init=False)
    _before: deque[Float32Array] = field(init=False)

    def __post_init__(self) -> None:
        self.total, self.squares = np.zeros(self.shape), np.zeros(self.shape)
        self.power = np.zeros((self.tile[0], self.tile[1] // 2 + 1))
        self.products = np.zeros(self.largest_lag)
        self._before = deque(maxlen=self.largest_lag)

    @property
    def tile(self) -> tuple[int, int]:
        """Height and width of the tiles whose spectrum is taken, pixels."""
        height, width = (min(length, _LARGEST_TILE_PX) for length in self.shape)
        return height, width

    @property
    def n_tiles(self) -> int:
        """Tiles of a frame."""
        return math.prod(length // side for length, side in zip(self.shape, self.tile, strict=True))

    @property
    def n(self) -> int:
        """Pixels of all frames."""
        return self.n_frames * math.prod(self.shape)

    @property
    def variance(self) -> float:
        """Mean square of the residual."""
        return float(self.squares.sum()) / self.n

    @property
    def variance_error(self) -> float:
        """Standard error of the variance, of independent pixels."""
        return math.sqrt(max(self.fourth / self.n - self.variance**2, 0.0) / self.n)

    def add(self, frame: Float32Array) -> Iterator[None]:
        """Add a frame, and give a turn to others now and then."""
        self.n_frames += 1
        rows = max(1, _PIXELS_AT_ONCE // frame.shape[1])
        for top in range(0, len(frame), rows):
            some = slice(top, top + rows)
            square = np.square(frame[some], dtype=np.float64)
            self.total[some] += frame[some]
            self.squares[some] += square
            self.fourth += float(np.vdot(square, square))
            yield
        for lag, earlier in enumerate(reversed(self._before)):
            self.products[lag] += float(np.vdot(frame, earlier))
        self._before.append(frame)
        height, width = self.tile
        for top in range(0, self.shape[0] - height + 1, height):
            for left in range(0, self.shape[1] - width + 1, width):
                transform = rfft2(frame[top : top + height, left : left + width])
                self.power += transform.real.astype(np.float64) ** 2 + transform.imag.astype(np.float64) ** 2
                yield

    def temporal_correlation(self) -> FloatArray:
        """Return the correlation of frames 1, 2, ... apart, as far as there are such."""
        lags = np.arange(1, min(self.largest_lag, self.n_frames - 1) + 1)
        pairs = (self.n_frames - lags) * math.prod(self.shape)
        correlation: FloatArray = self.products[: len(lags)] / (pairs * self.variance)
        return correlation

    def spatial_correlation(self) -> FloatArray:
        """Return the correlation of pixels 1, 2, ... apart, the mean of rows and columns.

        Of the power's transform, in which pixels at opposite borders are neighbours, too: a part of the
        pairs without correlation, which is corrected for.
        """
        height, width = self.tile
        circular = irfft2(self.power, s=self.tile)
        lags = np.arange(1, min(self.largest_lag, height // 2, width // 2) + 1)
        along, down = circular[0, lags] / (1.0 - lags / width), circular[lags, 0] / (1.0 - lags / height)
        # What varies over the whole frame is alike at opposite borders, and corrected for too much.
        correlation: FloatArray = np.clip((along + down) / (2.0 * circular[0, 0]), -1.0, 1.0)
        return correlation

    def spectrum(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the power against frequency, averaged over rings.

        Returns
        -------
        frequency : ndarray of float64, shape (rings,)
            Periods per pixel, from one period in a tile to one in two pixels.
        power : ndarray of float64, shape (rings,)
            In units of the residual's variance: 1 where it is white.
        n : ndarray of float64, shape (rings,)
            Independent values that each is the mean of.
        """
        height, width = self.tile
        down = np.minimum(np.arange(height), height - np.arange(height)) / height
        along = np.arange(width // 2 + 1) / width
        rings = min(height, width)
        ring = np.rint(np.hypot(down[:, None], along) * rings).astype(np.int64)
        mirrored = np.full(len(along), 2.0)
        mirrored[0] = 1.0
        if width % 2 == 0:
            mirrored[-1] = 1.0
        weight = np.broadcast_to(mirrored, ring.shape)
        kept = (ring > 0) & (ring <= rings // 2)
        last = rings // 2 + 1
        count = np.bincount(ring[kept], weight[kept], last)[1:]
        power = np.bincount(ring[kept], (weight * self.power)[kept], last)[1:]
        per_value = self.n_frames * self.n_tiles
        frequency = np.arange(1, last) / rings
        return (
            frequency,
            power / (count * per_value * height * width * self.variance),
            count / 2.0 * per_value,
        )
