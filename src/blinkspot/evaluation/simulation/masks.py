"""Masks: pictures of the field, from 0 to 1, that say where there is how much.

A mask weighs the density of molecules, the background or the illumination. As in ThunderSTORM's generator
(Ovesny et al. 2014, Bioinformatics 30:2389), its maximum stands for all there is: a density is that where the
mask is 1.
"""

from __future__ import annotations

import hashlib
import math
from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blinkspot.errors import BlinkspotError, in_brief
from blinkspot.evaluation.simulation.checks import check_above_0, check_part, check_seed, check_size_um
from blinkspot.evaluation.simulation.field import Field
from blinkspot.evaluation.simulation.structure import Independent, Places, Structure
from blinkspot.evaluation.simulation.widths import FWHM_PER_SIGMA

FloatArray = NDArray[np.float64]


_LOBES = 5  # of a cell's outline
_FARTHEST_UM = 1e9


class Mask(Structure):
    """A picture of the field, from 0 to 1."""

    @abstractmethod
    def on_pixels(self, field: Field) -> FloatArray:
        """Return its mean over each pixel of the frames, (Y, X)."""

    def picture(self, field: Field) -> FloatArray:
        """Return it as it is, on pixels of its own that fill the field."""
        return self.on_pixels(field)

    def mean_in(self, field: Field) -> float:
        """Return its mean over the field."""
        return float(self.picture(field).mean())

    def places_in(self, field: Field) -> Places:
        """Return places as likely as the mask is bright, uniform within each of its pixels.

        Raises
        ------
        BlinkspotError
            If it is dark in all of the field.
        """
        picture = self.picture(field)
        if not picture.any():
            raise BlinkspotError(
                "The mask for molecules is dark in all of the field: make it larger, or move it there."
            )
        return _Weighted(picture, field)


@dataclass(frozen=True, eq=False)
class MaskImage(Mask):
    """A grey picture, divided by its maximum and stretched over the field.

    Attributes
    ----------
    values : (Y, X) float64
        From 0; of any size.
    source : str or None
        Name of the file that it came from.

    Raises
    ------
    BlinkspotError
        If it is no picture, or holds a negative or no finite value, or is dark everywhere.
    """

    values: FloatArray
    source: str | None = None

    def __init__(self, values: ArrayLike, source: str | None = None) -> None:
        name = "The mask" if source is None else f"The mask {source}"
        try:
            masked, given = np.ma.getmask(values), np.asarray(values)
            if given.dtype.kind not in "fiub":
                raise TypeError("no real numbers")
            grey = np.array(given, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise BlinkspotError(
                f"{name} must be one grey picture of real numbers, not {in_brief(values, 40)!r}."
            ) from error
        grey[masked] = np.nan
        if grey.ndim != 2 or grey.size == 0:
            raise BlinkspotError(f"{name} must be one grey picture, not an array of shape {grey.shape}.")
        if not np.isfinite(grey).all() or grey.min() < 0:
            raise BlinkspotError(
                f"{name} must hold numbers of 0 or more, and some are negative, masked or not finite."
            )
        if grey.max() == 0:
            raise BlinkspotError(f"{name} is dark everywhere: a mask is bright where there is something.")
        grey /= grey.max()
        grey.setflags(write=False)
        object.__setattr__(self, "values", grey)
        object.__setattr__(self, "source", source)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of shape and values, hexadecimal."""
        return hashlib.sha256(repr(self.values.shape).encode() + self.values.tobytes()).hexdigest()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MaskImage):
            return NotImplemented
        return self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def picture(self, field: Field) -> FloatArray:
        """Return it as it is, on pixels of its own that fill the field."""
        return self.values

    def on_pixels(self, field: Field) -> FloatArray:
        """Return its mean over each pixel of the frames, (Y, X)."""
        rows, columns = (
            _overlaps(own, new) for own, new in zip(self.values.shape, field.shape_px, strict=True)
        )
        resampled: FloatArray = rows @ self.values @ columns.T
        return resampled

    def as_dict(self) -> dict[str, Any]:
        """Return which picture it is: file, digest, shape."""
        return {
            "kind": "MaskImage",
            "file": self.source,
            "digest": self.digest,
            "shape": list(self.values.shape),
        }


@dataclass(frozen=True)
class Cell(Mask):
    """One cell: an irregular outline about the middle of the field, with a soft edge.

    It stretches with the field, so that it fills the same part of fields of any size.

    Attributes
    ----------
    seed : int
        Seed of its outline.
    radius : float
        Its mean radius, in sides of the field; 0.5 touches the border.
    roughness : float
        Standard deviation of the radius along the outline, part of the mean.
    edge : float
        Width over which it falls from 1 to 0, in sides of the field.
    """

    seed: int = 1
    radius: float = 0.38
    roughness: float = 0.12
    edge: float = 0.06

    def __post_init__(self) -> None:
        check_seed(self, "cell's")
        check_above_0(self, "cell's", "radius", "edge")
        check_part(self, "cell's", "roughness", 0.3)

    def on_pixels(self, field: Field) -> FloatArray:
        """Return its mean over each pixel of the frames, (Y, X); it is taken at the pixels' centres."""
        random = np.random.default_rng(self.seed)
        phases = random.uniform(0.0, 2.0 * math.pi, _LOBES)
        strengths = random.rayleigh(1.0, _LOBES) / np.arange(1, _LOBES + 1)
        strengths *= self.roughness / np.sqrt(np.sum(strengths**2) / 2.0)
        y_nm, x_nm = field.pixel_centres_nm()
        height_nm, width_nm = field.extent_nm
        v, u = y_nm / height_nm - 0.5, x_nm / width_nm - 0.5
        angle = np.arctan2(v, u)
        outline = np.ones(field.shape_px)
        for lobe in range(_LOBES):
            outline += strengths[lobe] * np.cos((lobe + 1) * angle + phases[lobe])
        inside = (self.radius * outline - np.hypot(u, v)) / self.edge + 0.5
        ramp: FloatArray = np.clip(inside, 0.0, 1.0)
        return ramp * ramp * (3.0 - 2.0 * ramp)


@dataclass(frozen=True)
class GaussianProfile(Mask):
    """A round Gaussian: the light of a laser beam.

    Attributes
    ----------
    fwhm_um : float
        Full width at half maximum, micrometres.
    centre_um : (float, float) or None
        Its x and y, micrometres; None for the middle of the field. It should lie within the field: its
        brightest place is 1.
    """

    fwhm_um: float
    centre_um: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        check_above_0(self, "Gaussian profile's", "fwhm_um")
        check_size_um(self.fwhm_um, "Gaussian profile's fwhm_um")
        if self.centre_um is not None:
            self._check_centre()

    def _check_centre(self) -> None:
        centre = self.centre_um
        if (
            not isinstance(centre, (list, tuple))
            or len(centre) != 2
            or any(type(place) not in (int, float) or not abs(place) < _FARTHEST_UM for place in centre)
        ):
            raise BlinkspotError(
                "The Gaussian profile's centre_um must be two numbers, x and y in micrometres, not "
                f"{centre!r}."
            )
        object.__setattr__(self, "centre_um", tuple(centre))

    def on_pixels(self, field: Field) -> FloatArray:
        """Return its mean over each pixel of the frames, (Y, X); it is taken at the pixels' centres."""
        height_nm, width_nm = field.extent_nm
        if self.centre_um is None:
            x0_nm, y0_nm = width_nm / 2.0, height_nm / 2.0
        else:
            x0_nm, y0_nm = (1e3 * each for each in self.centre_um)
        y_nm, x_nm = field.pixel_centres_nm()
        sigma_nm = 1e3 * self.fwhm_um / FWHM_PER_SIGMA
        profile: FloatArray = np.exp(-((x_nm - x0_nm) ** 2 + (y_nm - y0_nm) ** 2) / (2.0 * sigma_nm**2))
        return profile


@dataclass(frozen=True)
class SmoothField(Mask):
    """A smooth random field: light from above and below the focus.

    White noise under a Gaussian filter, scaled so that it runs from ``1 - contrast`` to 1. Where the filter
    is wider than the field, one wave over all of it is left.

    Attributes
    ----------
    seed : int
        Seed of the noise.
    correlation_um : float
        Standard deviation of the filter, micrometres: the size of its patches.
    contrast : float
        How far it falls at its darkest place, 0 to 1.
    """

    seed: int = 1
    correlation_um: float = 1.5
    contrast: float = 0.8

    def __post_init__(self) -> None:
        check_seed(self, "smooth field's")
        check_above_0(self, "smooth field's", "correlation_um")
        check_size_um(self.correlation_um, "smooth field's correlation_um")
        check_part(self, "smooth field's", "contrast")

    def on_pixels(self, field: Field) -> FloatArray:
        """Return its mean over each pixel of the frames, (Y, X); it is taken at the pixels' centres."""
        noise = np.random.default_rng(self.seed).standard_normal(field.shape_px)
        pixel_um = 1e-3 * field.pixel_size_nm
        height, width = field.shape_px
        squared = np.fft.fftfreq(height, pixel_um)[:, np.newaxis] ** 2 + np.fft.rfftfreq(width, pixel_um) ** 2
        # By the spectrum: a filter that is cut off leaves steps of a field that is no wider. Each wave over
        # the longest one, lest all be lost in rounding: the field is scaled anyhow, its mean has no say.
        longest = squared[squared > 0].min()
        passed = np.exp(-2.0 * (math.pi * self.correlation_um) ** 2 * np.maximum(squared - longest, 0.0))
        passed[0, 0] = 0.0
        smooth = np.fft.irfft2(np.fft.rfft2(noise) * passed, field.shape_px)
        scaled: FloatArray = 1.0 - self.contrast * (smooth.max() - smooth) / np.ptp(smooth)
        return scaled


class _Weighted(Independent):
    """Places on the pixels of a picture that fills the field."""

    def __init__(self, picture: FloatArray, field: Field) -> None:
        self._rows, self._columns = picture.shape
        self._cumulated = np.cumsum(picture.ravel())
        self._last = int(np.flatnonzero(picture)[-1])
        self._height_nm, self._width_nm = field.extent_nm

    def draw(self, number: int, random: np.random.Generator) -> FloatArray:
        """Draw independent places; x and y, nm, shape (number, 2)."""
        chosen = random.random(number) * self._cumulated[-1]
        pixel = np.minimum(np.searchsorted(self._cumulated, chosen, side="right"), self._last)
        row, column = np.divmod(pixel, self._columns)
        x_nm = (column + random.random(number)) * (self._width_nm / self._columns)
        return np.column_stack([x_nm, (row + random.random(number)) * (self._height_nm / self._rows)])


def _overlaps(own: int, new: int) -> FloatArray:
    """Return the part that each of ``own`` pixels has in each of ``new`` ones over the same length."""
    edges, own_edges = np.linspace(0.0, 1.0, new + 1), np.linspace(0.0, 1.0, own + 1)
    upper = np.minimum(edges[1:, np.newaxis], own_edges[np.newaxis, 1:])
    lower = np.maximum(edges[:-1, np.newaxis], own_edges[np.newaxis, :-1])
    overlaps: FloatArray = np.maximum(upper - lower, 0.0) * new
    return overlaps
