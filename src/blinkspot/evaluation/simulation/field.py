"""The field of view: what a simulated frame shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Field:
    """Size of the frames.

    Attributes
    ----------
    shape_px : (int, int)
        Height and width, pixels.
    pixel_size_nm : float
        Size of a pixel in the sample, nm.
    """

    shape_px: tuple[int, int]
    pixel_size_nm: float

    @property
    def extent_nm(self) -> tuple[float, float]:
        """Height and width, nm."""
        height, width = self.shape_px
        return height * self.pixel_size_nm, width * self.pixel_size_nm

    @property
    def area_um2(self) -> float:
        """Area, square micrometres."""
        height_nm, width_nm = self.extent_nm
        return height_nm * width_nm * 1e-6

    def pixel_centres_nm(self) -> tuple[FloatArray, FloatArray]:
        """Return y (Y, 1) and x (1, X) of the pixels' centres, nm."""
        height, width = self.shape_px
        y_nm = np.arange(0.5, height) * self.pixel_size_nm
        x_nm = np.arange(0.5, width) * self.pixel_size_nm
        return y_nm[:, np.newaxis], x_nm[np.newaxis, :]

    def contains(self, x_nm: FloatArray, y_nm: FloatArray) -> NDArray[np.bool_]:
        """Tell which places lie within the field."""
        height_nm, width_nm = self.extent_nm
        inside: NDArray[np.bool_] = (x_nm >= 0) & (x_nm < width_nm) & (y_nm >= 0) & (y_nm < height_nm)
        return inside

    def values_at(self, picture: FloatArray, x_nm: FloatArray, y_nm: FloatArray) -> FloatArray:
        """Return a picture (Y, X) of the field at some places, linear between the pixels' centres."""
        places_px = (np.asarray(y_nm) / self.pixel_size_nm - 0.5, np.asarray(x_nm) / self.pixel_size_nm - 0.5)
        values: FloatArray = map_coordinates(picture, places_px, order=1, mode="nearest")
        return values

    def reflected(self, places_nm: FloatArray) -> FloatArray:
        """Return places (x and y, nm, shape (..., 2)) where the border throws back what goes beyond."""
        sizes_nm = np.array(self.extent_nm[::-1])
        folded: FloatArray = sizes_nm - np.abs(np.mod(places_nm, 2.0 * sizes_nm) - sizes_nm)
        return folded
