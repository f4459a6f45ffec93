"""Contrast: which density is shown as the brightest."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blinkspot.errors import BlinkspotError
from blinkspot.plain_values import make_plain

# Gaussians have long dim tails: pixels below this part of the mean count as empty.
_FILLED_PART = 0.1
_PIXELS_LOOKED_AT = 2**22


@dataclass(frozen=True)
class Contrast:
    """How densities become brightness.

    Attributes
    ----------
    saturated_percent : float
        Of the filled pixels, so many are shown at full brightness.
    gamma : float
        Power of the brightness: below 1, dim structures are lifted.

    Raises
    ------
    BlinkspotError
        If a value is out of its range.
    """

    saturated_percent: float = 0.5
    gamma: float = 1.0

    def __post_init__(self) -> None:
        make_plain(self)
        if not 0.0 <= self.saturated_percent < 100.0:
            raise BlinkspotError(
                f"The saturated part must be from 0 to below 100 %, not {self.saturated_percent}."
            )
        if not (math.isfinite(self.gamma) and self.gamma > 0.0):
            raise BlinkspotError(f"Gamma must be above 0, not {self.gamma}.")

    def limits(self, picture: NDArray[np.float32]) -> tuple[float, float]:
        """Return the densities that are shown as black and as brightest: 0, and a percentile.

        The percentile is one of the pixels that hold at least a tenth of what those above 0 hold on average.
        Of a large picture, evenly spread pixels stand for all.

        Parameters
        ----------
        picture : ndarray of float32, shape (height, width)
            Molecules per pixel.
        """
        step = math.ceil(math.sqrt(max(1.0, picture.size / _PIXELS_LOOKED_AT)))
        some = picture[::step, ::step]
        filled = some[some > 0.0]
        if not filled.size:
            return 0.0, 1.0
        filled = filled[filled >= _FILLED_PART * filled.mean(dtype=np.float64)]
        return 0.0, float(np.percentile(filled, 100.0 - self.saturated_percent))

    def brightness(self, picture: NDArray[np.float32], white: float) -> NDArray[np.float32]:
        """Return a picture's brightness from 0 to 1, where ``white`` is the density shown as 1."""
        part: NDArray[np.float32] = np.clip(picture / np.float32(white), 0.0, 1.0)
        return part if self.gamma == 1.0 else np.power(part, np.float32(self.gamma))
