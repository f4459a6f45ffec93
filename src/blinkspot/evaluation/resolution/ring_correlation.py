"""Fourier ring correlation: down to which scale two halves of the molecules show the same.

Nieuwenhuizen et al. 2013, Nature Methods 10:557, and Banterle et al. 2013, Journal of Structural Biology
183:363. The spectra of two pictures, each of one half of the localizations, are correlated on rings of equal
spatial frequency; one over the frequency at which the correlation falls below 1/7 is the resolution. It
combines precision and number of localizations: of structures sampled too thinly it is coarse, however precise
each localization may be.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blinkspot.errors import BlinkspotError
from blinkspot.evaluation.resolution.crossing import Crossing, first_crossing
from blinkspot.evaluation.resolution.halves import frames_per_block, halves
from blinkspot.evaluation.resolution.settings import ResolutionSettings
from blinkspot.evaluation.resolution.spectrum import Field
from blinkspot.localization.table import LocalizationTable
from blinkspot.paced import waited_for
from blinkspot.progress import Progress, Stopwatch

FloatArray = NDArray[np.float64]

FEWEST_LOCALIZATIONS = 100
# Of a picture; its spectra then take half a gigabyte.
MOST_PIXELS = 2**26
_SMALLEST_SIDE_PX = 32


@dataclass(frozen=True)
class RingCorrelation:
    """How the correlation of two halves falls with spatial frequency.

    Attributes
    ----------
    resolution_nm : float or None
        One over the frequency at which the smoothed curve first falls below 1/7.
    error_nm : float or None
        Standard error of its mean over the random splits: it says what the choice of the halves does, not
        what another recording would. None with fewer than two splits that have a resolution.
    reason : str or None
        Why there is no resolution, in one sentence.
    frequency_per_nm : ndarray of float64, shape (rings,)
        From one period in the picture to one in two pixels.
    correlation, smoothed : ndarray of float64, shape (rings,)
        Mean over the splits, and that smoothed.
    pixel_size_nm : float
        Of the pictures.
    frames_per_block : int or None
        Frames that were kept together; None where each localization was split by itself.
    splits : int
    """

    resolution_nm: float | None
    error_nm: float | None
    reason: str | None
    frequency_per_nm: FloatArray
    correlation: FloatArray
    smoothed: FloatArray
    pixel_size_nm: float
    frames_per_block: int | None
    splits: int

    def as_dict(self) -> dict[str, Any]:
        """Return the figures, JSON-ready, without the curve."""
        return {
            "resolution_nm": self.resolution_nm,
            "error_nm": self.error_nm,
            "reason": self.reason,
            "pixel_size_nm": self.pixel_size_nm,
            "frames_per_block": self.frames_per_block,
            "splits": self.splits,
        }


def ring_correlation(
    table: LocalizationTable, settings: ResolutionSettings, precision_nm: float | None
) -> Generator[Progress, None, RingCorrelation]:
    """Correlate the halves of a table.

    Parameters
    ----------
    table : LocalizationTable
    settings : ResolutionSettings
    precision_nm : float or None
        Standard deviation of a position along an axis, by which the pixel is chosen.

    Yields
    ------
    Progress

    Returns
    -------
    RingCorrelation

    Raises
    ------
    BlinkspotError
        If there are too few localizations or frames, no pixel is given and the precision is not known, or
        the pictures would be too large.
    """
    if len(table) < FEWEST_LOCALIZATIONS:
        raise BlinkspotError(
            f"The table has {len(table)} localization(s), and a resolution takes at least "
            f"{FEWEST_LOCALIZATIONS}: localize more frames, or choose a lower threshold."
        )
    frame = table.column("frame")
    length = frames_per_block(frame, settings)
    lowest, highest = _bounds(table)
    field = _field(highest - lowest, settings, precision_nm)
    places = (table.column("y_nm"), table.column("x_nm"))
    pixels = [
        np.floor((each - low) / field.pixel_size_nm).astype(np.int64)
        for each, low in zip(places, lowest, strict=True)
    ]
    inside = np.logical_and.reduce([(p >= 0) & (p < n) for p, n in zip(pixels, field.shape, strict=True)])
    clock = Stopwatch("correlating halves", settings.splits + 1.0)
    order = yield from waited_for(lambda: np.argsort(pixels[0], kind="stable"), clock)
    order = order[inside[order]]
    rows, columns = pixels[0][order], pixels[1][order]
    whole = yield from field.spectrum(rows, columns, clock, (0.0, 1.0))
    curves = []
    for number, first in enumerate(halves(frame, settings), start=1):
        of_first = first[order]
        half = yield from field.spectrum(rows[of_first], columns[of_first], clock, (number, number + 1.0))
        product, power, other_power, n = yield from field.ring_sums(whole, half, clock, number + 1.0)
        n[0] = product[0] = 0.0  # the mean was taken off
        scale = np.sqrt(power * other_power)
        curves.append(np.divide(product, scale, out=np.zeros_like(product), where=scale > 0))
    frequency = np.arange(field.n_rings, dtype=np.float64) * field.ring_per_nm
    mean: FloatArray = np.mean(curves, axis=0)
    found, *of_each = yield from waited_for(
        lambda: [first_crossing(curve, n) for curve in (mean, *curves)], clock, len(curves) + 1.0
    )
    resolutions = [1.0 / (each.ring * field.ring_per_nm) for each in of_each if each.ring is not None]
    error = float(np.std(resolutions, ddof=1) / math.sqrt(len(resolutions))) if len(resolutions) > 1 else None
    return RingCorrelation(
        resolution_nm=None if found.ring is None else 1.0 / (found.ring * field.ring_per_nm),
        error_nm=None if found.ring is None else error,
        reason=_why_not(found, frequency),
        frequency_per_nm=frequency[1:],
        correlation=mean[1:],
        smoothed=found.smoothed[1:],
        pixel_size_nm=field.pixel_size_nm,
        frames_per_block=length,
        splits=len(curves),
    )


def _why_not(found: Crossing, frequency: FloatArray) -> str | None:
    if found.ring is not None:
        return None
    if found.stays_above:
        return (
            f"The two halves agree down to the smallest scale, {1.0 / frequency[-1]:.3g} nm: correlate "
            "pictures of smaller pixels."
        )
    return "The two halves show nothing in common at any scale: there are too few localizations."


def _bounds(table: LocalizationTable) -> tuple[FloatArray, FloatArray]:
    """Return the corners (y, x) of what the localizations cover, within the movie where that is known.

    A table may be of a part of its movie: a border between it and an empty rest would correlate.
    """
    places = np.stack([table.column("y_nm"), table.column("x_nm")])
    lowest, highest = places.min(axis=1), places.max(axis=1)
    if table.movie_extent_nm is not None:
        inside = np.minimum(highest, table.movie_extent_nm)
        if np.all(inside > np.maximum(lowest, 0.0)):
            lowest, highest = np.maximum(lowest, 0.0), inside
    return lowest, highest


def _field(extent_nm: FloatArray, settings: ResolutionSettings, precision_nm: float | None) -> Field:
    pixel_nm = settings.pixel_size_nm
    if pixel_nm is None:
        if precision_nm is None:
            raise BlinkspotError(
                "Neither successive frames nor the table's uncertainties tell how precise the localizations "
                "are: give the pixel of the pictures that are correlated, about half the precision, in nm."
            )
        pixel_nm = max(precision_nm / 2.0, math.sqrt(float(np.prod(extent_nm)) / MOST_PIXELS))
    shape = np.floor(extent_nm / pixel_nm) + 1
    too_coarse = settings.pixel_size_nm is None and precision_nm is not None and pixel_nm > precision_nm
    if too_coarse or np.prod(shape) > 1.01 * MOST_PIXELS:
        raise BlinkspotError(
            f"The localizations cover {extent_nm[1] / 1000:.3g} x {extent_nm[0] / 1000:.3g} um, too much for "
            f"a picture of pixels small enough, which may have {MOST_PIXELS / 1e6:.0f} million: cut out a "
            "region, or give larger pixels."
        )
    if min(shape) < _SMALLEST_SIDE_PX:
        raise BlinkspotError(
            f"The localizations cover only {shape[1]:.0f} x {shape[0]:.0f} pixels of {pixel_nm:.3g} nm, and "
            f"a ring correlation takes {_SMALLEST_SIDE_PX}: take a larger part of the field, or give smaller "
            "pixels."
        )
    return Field(pixel_nm, (int(shape[0]), int(shape[1])))
