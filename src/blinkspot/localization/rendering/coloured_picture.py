"""A picture coloured by a column of its table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blinkspot.localization.rendering.colouring import N_HUES, column_label, hues
from blinkspot.localization.rendering.contrast import Contrast

_PIXELS_AT_ONCE = 2**20


@dataclass(frozen=True, eq=False)
class ColouredPicture:
    """A super-resolved picture and, in each pixel, the mean of a column over the molecules there.

    Attributes
    ----------
    density : ndarray of float32, shape (height, width)
        Molecules per pixel.
    mean : ndarray of float32, shape (height, width)
        Mean of the column, weighted by what each molecule adds to the pixel; NaN where no molecule does.
    column : str
        Name of the column.
    limits : (low, high)
        Values of the column at the ends of the colours; what lies beyond has the colour of the end.
    """

    density: NDArray[np.float32]
    mean: NDArray[np.float32]
    column: str
    limits: tuple[float, float]

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.density.shape
        return height, width

    @property
    def label(self) -> str:
        """What the colours mean, with the unit."""
        return column_label(self.column)

    def rgb(self, contrast: Contrast | None = None) -> NDArray[np.uint8]:
        """Return the picture in colours: hue by the column's mean, brightness by density.

        Parameters
        ----------
        contrast : Contrast, optional

        Returns
        -------
        ndarray of uint8, shape (height, width, 3)
            sRGB.
        """
        contrast = Contrast() if contrast is None else contrast
        _, white = contrast.limits(self.density)
        low, high = self.limits
        rgb = np.empty((*self.density.shape, 3), np.uint8)
        rows = max(1, _PIXELS_AT_ONCE // max(1, self.density.shape[1]))
        for top in range(0, len(rgb), rows):
            band = slice(top, top + rows)
            place = (np.nan_to_num(self.mean[band], nan=low) - low) * ((N_HUES - 1) / (high - low))
            index = np.clip(np.rint(place), 0, N_HUES - 1).astype(np.uint8)
            bright = 255.0 * contrast.brightness(self.density[band], white)
            rgb[band] = np.rint(hues()[index] * bright[..., None])
        return rgb
