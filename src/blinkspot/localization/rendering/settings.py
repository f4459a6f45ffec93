"""How a super-resolved picture is drawn, and which part of the sample its pixels cover."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import psutil

from blinkspot.errors import BlinkspotError
from blinkspot.localization.table import LocalizationTable
from blinkspot.plain_values import make_plain

RenderMethod = Literal["histogram", "ash", "gaussian"]

DEFAULT_PIXEL_SIZE_NM = 20.0
MOST_SHIFTS = 20
LARGEST_PICTURE_PIXELS = 4e8
# No picture has as many pixels along a side: lengths beyond would be no numbers any more.
_LONGEST_SIDE_PX = 1e12


@dataclass(frozen=True)
class RenderSettings:
    """How a super-resolved picture is drawn.

    Attributes
    ----------
    method : {"histogram", "ash", "gaussian"}
        Molecules per pixel; the mean of such histograms of wider bins, shifted against one another (averaged
        shifted histogram: Scott 1985, Annals of Statistics 13:1024); or each molecule as a Gaussian of its
        own uncertainty.
    pixel_size_nm : float, optional
        Size of the picture's pixel; 20 nm unless given.
    magnification : float, optional
        Instead: pixels of the picture along a pixel of the movie.
    shifts : int
        Of ``"ash"``, along each axis: so many pixels make one bin. ThunderSTORM's default is 2.
    smallest_sigma_px : float
        Of ``"gaussian"``: no molecule is drawn narrower than this part of the picture's pixel.

    Raises
    ------
    BlinkspotError
        If a value is out of its range, or both a pixel size and a magnification are given.
    """

    method: RenderMethod = "ash"
    pixel_size_nm: float | None = None
    magnification: float | None = None
    shifts: int = 2
    smallest_sigma_px: float = 0.3

    def __post_init__(self) -> None:
        make_plain(self)
        if self.method not in get_args(RenderMethod):
            names = ", ".join(map(repr, get_args(RenderMethod)))
            raise BlinkspotError(f"A picture is drawn by one of the methods {names}, not {self.method!r}.")
        if self.pixel_size_nm is not None and self.magnification is not None:
            raise BlinkspotError("A picture has a pixel size or a magnification: give one of the two.")
        if self.pixel_size_nm is not None and not _is_positive(self.pixel_size_nm):
            raise BlinkspotError(f"The picture's pixel must be larger than 0 nm, not {self.pixel_size_nm}.")
        if self.magnification is not None and not _is_positive(self.magnification):
            raise BlinkspotError(f"The magnification must be above 0, not {self.magnification}.")
        if not (isinstance(self.shifts, int) and 1 <= self.shifts <= MOST_SHIFTS):
            raise BlinkspotError(
                f"The shifts along an axis must be a whole number from 1 to {MOST_SHIFTS}, not {self.shifts}."
            )
        if not _is_positive(self.smallest_sigma_px):
            raise BlinkspotError(
                f"The smallest width of a molecule must be above 0 pixels, not {self.smallest_sigma_px}."
            )

    def used(self) -> dict[str, Any]:
        """Return the settings that the method goes by, by name."""
        idle = {"shifts"} if self.method != "ash" else set()
        if self.method != "gaussian":
            idle |= {"smallest_sigma_px"}
        idle |= {name for name in ("pixel_size_nm", "magnification") if getattr(self, name) is None}
        return {name: value for name, value in asdict(self).items() if name not in idle}

    def pixel_nm(self, table: LocalizationTable) -> float:
        """Return the size of the picture's pixels for a table, nm.

        Raises
        ------
        BlinkspotError
            If a magnification is asked for and the table does not know the movie's pixels.
        """
        if self.magnification is None:
            return DEFAULT_PIXEL_SIZE_NM if self.pixel_size_nm is None else self.pixel_size_nm
        try:
            return float(table.provenance["camera"]["pixel_size_nm"]) / self.magnification
        except (KeyError, OverflowError, TypeError, ValueError):
            raise BlinkspotError(
                "The table does not tell the size of the movie's pixels, so nothing can be magnified: "
                "give the size of the picture's pixel, in nm, instead."
            ) from None


@dataclass(frozen=True)
class Grid:
    """The pixels of a picture; the outer corner of the first lies where the table's positions are 0.

    Attributes
    ----------
    height, width : int
        In pixels.
    pixel_size_nm : float
    """

    height: int
    width: int
    pixel_size_nm: float

    @classmethod
    def over(
        cls, table: LocalizationTable, pixel_size_nm: float, extent_nm: tuple[float, float] | None
    ) -> Grid:
        """Return the pixels that cover an extent, else the table's movie, else every localization.

        Raises
        ------
        BlinkspotError
            If the extent is not above 0.
        """
        extent_nm = extent_nm or table.movie_extent_nm
        if extent_nm is None:
            y, x = table.column("y_nm"), table.column("x_nm")
            furthest = (max(float(y.max()), 0.0), max(float(x.max()), 0.0)) if len(table) else (0.0, 0.0)
            height, width = (math.floor(_in_pixels(length, pixel_size_nm)) + 1 for length in furthest)
        else:
            if not all(_is_positive(length) for length in extent_nm):
                raise BlinkspotError(f"The picture's height and width must be above 0 nm, not {extent_nm}.")
            # A rounding error must not add a row.
            height, width = (math.ceil(_in_pixels(length, pixel_size_nm) - 1e-6) for length in extent_nm)
        return cls(max(height, 1), max(width, 1), pixel_size_nm)

    def check_fits(self, bytes_per_pixel: int) -> None:
        """Refuse pictures that are larger than anybody can use, or than the free memory.

        Raises
        ------
        BlinkspotError
            If the picture is too large.
        """
        pixels = self.height * self.width
        needed = pixels * bytes_per_pixel
        if pixels <= LARGEST_PICTURE_PIXELS and needed <= psutil.virtual_memory().available:
            return
        raise BlinkspotError(
            f"A picture of {self.width} x {self.height} pixels of {self.pixel_size_nm:g} nm is too large "
            f"(it needs {needed / 1e9:.3g} GB of memory): choose a larger pixel."
        )


def _in_pixels(length_nm: float, pixel_size_nm: float) -> float:
    """Return a length in pixels; of all that are too long for any picture the same."""
    return length_nm / pixel_size_nm if length_nm < _LONGEST_SIDE_PX * pixel_size_nm else _LONGEST_SIDE_PX


def _is_positive(value: float) -> bool:
    return math.isfinite(value) and value > 0
