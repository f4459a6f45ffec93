"""From a table to a super-resolved picture, or to one coloured by a column of the table."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from blinkspot.errors import BlinkspotError
from blinkspot.localization._compiling import read_only
from blinkspot.localization.column_names import our_name
from blinkspot.localization.rendering import _kernels
from blinkspot.localization.rendering.coloured_picture import ColouredPicture
from blinkspot.localization.rendering.colouring import column_range, column_values
from blinkspot.localization.rendering.settings import Grid, RenderMethod, RenderSettings
from blinkspot.localization.table import LocalizationTable
from blinkspot.progress import Progress, Stopwatch, finish

Picture = NDArray[np.float32]

_PICTURE_BYTES, _COLOURED_BYTES = 4, 8
# What is drawn between two looks at the clock, in pixels written to: 5 to 30 ms.
_WORK_AT_ONCE = 2**21
_ROWS_AT_ONCE = 2**20
_ROWS_FOR_MEDIAN = 2**18
_NO_PICTURE = np.empty((0, 0), np.float32)
_NO_VALUES = np.empty(0, np.float32)


def render(
    table: LocalizationTable,
    pixel_size_nm: float = 20.0,
    extent_nm: tuple[float, float] | None = None,
    method: RenderMethod = "ash",
    shifts: int = 2,
) -> Picture:
    """Draw the super-resolved picture of a table at once; see :func:`draw`.

    Parameters
    ----------
    table : LocalizationTable
    pixel_size_nm : float
        Size of the picture's pixel.
    extent_nm : (height, width), optional
        What the picture covers; see :func:`draw`.
    method, shifts
        See :class:`RenderSettings`.

    Returns
    -------
    ndarray of float32, shape (height, width)
        Molecules per pixel.

    Raises
    ------
    BlinkspotError
        As :class:`RenderSettings` and :func:`draw`.
    """
    return finish(draw(table, RenderSettings(method, pixel_size_nm, shifts=shifts), extent_nm))


def draw(
    table: LocalizationTable,
    settings: RenderSettings | None = None,
    extent_nm: tuple[float, float] | None = None,
) -> Generator[Progress, None, Picture]:
    """Draw the super-resolved picture of a table.

    Whatever the method, a molecule adds 1 to the picture in all. What falls outside is lost, so near the
    picture's border molecules inside add less, and molecules just outside add something.

    ``"gaussian"`` takes ``uncertainty_x_nm`` and ``uncertainty_y_nm`` where the table has both, else
    ``uncertainty_nm``. A molecule without a finite uncertainty above 0 is drawn as wide as the median of the
    others. Gaussians are integrated over the pixels, and end at 4 sigma.

    Parameters
    ----------
    table : LocalizationTable
    settings : RenderSettings, optional
    extent_nm : (height, width), optional
        What the picture covers, from the corner of the movie's first pixel: the movie's size times its pixel.
        Unless given, what the table says of its movie, else the smallest that holds every localization.

    Yields
    ------
    Progress
        In rows of the table.

    Returns
    -------
    ndarray of float32, shape (height, width)
        Molecules per pixel.

    Raises
    ------
    BlinkspotError
        If the extent is not above 0, the picture would be too large, the movie's pixel size is needed and not
        known, or no molecule has the uncertainty that it is to be drawn with.
    """
    settings = RenderSettings() if settings is None else settings
    grid = Grid.over(table, settings.pixel_nm(table), extent_nm)
    grid.check_fits(_PICTURE_BYTES)
    picture = np.zeros((grid.height, grid.width), np.float32)
    yield from _added(table, settings, grid, _Sums(picture, _NO_PICTURE, _NO_VALUES))
    return picture


def render_coloured(
    table: LocalizationTable,
    column: str,
    settings: RenderSettings | None = None,
    extent_nm: tuple[float, float] | None = None,
    limits: tuple[float, float] | None = None,
) -> ColouredPicture:
    """Draw a picture coloured by a column at once; see :func:`draw_coloured`."""
    return finish(draw_coloured(table, column, settings, extent_nm, limits))


def draw_coloured(
    table: LocalizationTable,
    column: str,
    settings: RenderSettings | None = None,
    extent_nm: tuple[float, float] | None = None,
    limits: tuple[float, float] | None = None,
) -> Generator[Progress, None, ColouredPicture]:
    """Draw a picture whose hue is the mean of a column and whose brightness is the density of molecules.

    Molecules without a finite value in the column are left out.

    Parameters
    ----------
    table : LocalizationTable
    column : str
        Any column of the table: ``"frame"`` colours by time, ``"z_nm"`` by height. ThunderSTORM's names do,
        too: ``"uncertainty [nm]"``.
    settings, extent_nm
        As for :func:`draw`.
    limits : (low, high), optional
        Values at the ends of the colours. Unless given, percentiles 1 and 99 of the column.

    Yields
    ------
    Progress
        In rows of the table.

    Returns
    -------
    ColouredPicture

    Raises
    ------
    BlinkspotError
        As for :func:`draw`; if the table has no such column, or no finite value in it; if the limits are not
        finite and ascending.
    """
    settings = RenderSettings() if settings is None else settings
    column = our_name(column)
    values = column_values(table, column)
    low, high = column_range(values, limits)
    grid = Grid.over(table, settings.pixel_nm(table), extent_nm)
    grid.check_fits(_COLOURED_BYTES)
    density = np.zeros((grid.height, grid.width), np.float32)
    mean = np.zeros_like(density)
    # As parts of the range: a sum of 32-bit numbers is then as exact for large values as for small ones.
    parts = np.empty(len(table), np.float32)
    clock = Stopwatch("choosing colours", len(table))
    for start in range(0, len(table), _ROWS_AT_ONCE):
        yield clock.at(start)
        rows = slice(start, start + _ROWS_AT_ONCE)
        known = np.isfinite(values[rows])
        parts[rows] = np.where(known, (values[rows] - low) / (high - low), np.nan)
    yield from _added(table, settings, grid, _Sums(density, mean, parts))
    with np.errstate(invalid="ignore"):
        mean /= density
    mean *= np.float32(high - low)
    mean += np.float32(low)
    return ColouredPicture(density, mean, column, (low, high))


@dataclass(frozen=True)
class _Sums:
    """What the molecules are added to: their number per pixel and, unless empty, the sum of their values."""

    density: Picture
    values: Picture
    of_molecule: NDArray[np.float32]


def _added(
    table: LocalizationTable, settings: RenderSettings, grid: Grid, sums: _Sums
) -> Generator[Progress, None, None]:
    add = _adder(table, settings, grid, sums)
    clock = Stopwatch("drawing", len(table))
    done = 0
    while done < len(table):
        yield clock.at(done)
        done = add(done, _WORK_AT_ONCE)
    yield clock.at(done)


def _adder(
    table: LocalizationTable, settings: RenderSettings, grid: Grid, sums: _Sums
) -> Callable[[int, int], int]:
    """Return what adds molecules from a row on for some work, and tells the row where it stopped."""
    y_nm, x_nm = _column(table, "y_nm"), _column(table, "x_nm")
    target = (sums.density, sums.values, y_nm, x_nm, sums.of_molecule, grid.pixel_size_nm)
    if settings.method == "histogram":
        return lambda start, work: _kernels.add_histogram(*target, start, work)
    if settings.method == "ash":
        shares = _triangle(settings.shifts)
        return lambda start, work: _kernels.add_shifted(*target, shares, start, work)
    sigma_y_nm, sigma_x_nm = _sigmas(table)
    otherwise_nm = _median_width(sigma_y_nm, sigma_x_nm)
    cumulative = _cumulative_normal()
    return lambda start, work: _kernels.add_gaussians(
        *target, sigma_y_nm, sigma_x_nm, otherwise_nm, settings.smallest_sigma_px, cumulative, start, work
    )


def _triangle(shifts: int) -> NDArray[np.float32]:
    """Shares of the pixels around a molecule: the mean over the shifts of the bins that hold it."""
    distance = np.abs(np.arange(1 - shifts, shifts))
    return ((shifts - distance) / shifts**2).astype(np.float32)


@lru_cache(maxsize=1)
def _cumulative_normal() -> NDArray[np.float64]:
    """Part of a Gaussian, cut off on both sides, below each place; linear between them to 2e-7."""
    n = round(_kernels.CUT_OFF_SIGMAS * _kernels.STEPS_PER_SIGMA)
    below = np.asarray(ndtr(np.arange(-n, n + 1) / _kernels.STEPS_PER_SIGMA))
    whole: NDArray[np.float64] = (below - below[0]) / (below[-1] - below[0])
    return whole


def _sigmas(table: LocalizationTable) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if {"uncertainty_x_nm", "uncertainty_y_nm"} <= set(table.data.columns):
        return _column(table, "uncertainty_y_nm"), _column(table, "uncertainty_x_nm")
    both = _column(table, "uncertainty_nm")
    return both, both


def _median_width(*sigmas_nm: NDArray[np.float64]) -> float:
    """Return the median of the widths that are known, of rows evenly spread where they are many."""
    for step in dict.fromkeys((max(1, len(sigmas_nm[0]) // _ROWS_FOR_MEDIAN), 1)):
        some = np.concatenate([sigma_nm[::step] for sigma_nm in sigmas_nm])
        known = some[(some > 0) & np.isfinite(some)]
        if known.size:
            return float(np.median(known))
    if not len(sigmas_nm[0]):
        return 1.0
    raise BlinkspotError(
        "This table holds no uncertainties, so its molecules cannot be drawn as Gaussians of them: "
        "draw an averaged shifted histogram (ash) or a histogram."
    )


def _column(table: LocalizationTable, name: str) -> NDArray[np.float64]:
    return read_only(np.ascontiguousarray(table.column(name), dtype=np.float64))
