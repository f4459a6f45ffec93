"""The inner loops: molecules onto pixels.

Each loop takes the molecules from ``start`` on until some ``budget`` of work is spent, and returns where it
stopped: the caller can then say how far it is. ``picture`` gets one per molecule; ``sums``, unless it is
empty, gets each molecule's value, spread in the same way; a molecule whose value is NaN is left out then.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from blinkspot.localization._compiling import compiled

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

CUT_OFF_SIGMAS = 4.0
"""Gaussians end here; the 6e-5 beyond, per axis, is given back to what lies within."""
STEPS_PER_SIGMA = 512
_MOLECULE = 8  # work that a molecule costs besides its pixels


@compiled
def add_histogram(
    picture: Floats, sums: Floats, y_nm: Doubles, x_nm: Doubles, values: Floats, pixel_nm: float,
    start: int, budget: int,
) -> int:  # fmt: skip
    """Add each molecule to the pixel that it lies in."""
    height, width = picture.shape
    stop = min(len(y_nm), start + budget // _MOLECULE)
    for i in range(start, stop):
        if sums.size and math.isnan(values[i]):
            continue
        row, column = np.floor(y_nm[i] / pixel_nm), np.floor(x_nm[i] / pixel_nm)
        # Compared before they become indices: a place may be any finite number.
        if 0 <= row < height and 0 <= column < width:
            picture[int(row), int(column)] += np.float32(1.0)
            if sums.size:
                sums[int(row), int(column)] += values[i]
    return stop


@compiled
def add_shifted(
    picture: Floats, sums: Floats, y_nm: Doubles, x_nm: Doubles, values: Floats, pixel_nm: float,
    shares: Floats, start: int, budget: int,
) -> int:  # fmt: skip
    """Add each molecule to its pixel and the ones around by fixed shares, of odd number, along each axis."""
    n = len(shares)
    reach = n // 2
    height, width = picture.shape
    stop = min(len(y_nm), start + max(1, budget // (n * n + _MOLECULE)))
    for i in range(start, stop):
        if sums.size and math.isnan(values[i]):
            continue
        row, column = np.floor(y_nm[i] / pixel_nm), np.floor(x_nm[i] / pixel_nm)
        if not (-reach <= row < height + reach and -reach <= column < width + reach):
            continue
        top, left = int(row) - reach, int(column) - reach
        _spread(picture, sums, shares, top, shares, left, values[i] if sums.size else np.float32(0.0))
    return stop


@compiled
def add_gaussians(
    picture: Floats, sums: Floats, y_nm: Doubles, x_nm: Doubles, values: Floats, pixel_nm: float,
    sigma_y_nm: Doubles, sigma_x_nm: Doubles, otherwise_nm: float, smallest_px: float,
    cumulative: Doubles, start: int, budget: int,
) -> int:  # fmt: skip
    """Add each molecule as a Gaussian, integrated over the pixels.

    ``cumulative`` is :func:`cumulative_normal`; a width that is not a finite number above 0 is replaced by
    ``otherwise_nm``.
    """
    height, width = picture.shape
    rows, columns = np.empty(height, np.float32), np.empty(width, np.float32)
    spent = 0
    stop = start
    while stop < len(y_nm) and spent < budget:
        i = stop
        stop += 1
        spent += _MOLECULE
        if sums.size and math.isnan(values[i]):
            continue
        y, x = y_nm[i] / pixel_nm, x_nm[i] / pixel_nm
        sigma_y = _width(sigma_y_nm[i], otherwise_nm, pixel_nm, smallest_px)
        sigma_x = _width(sigma_x_nm[i], otherwise_nm, pixel_nm, smallest_px)
        top, n_rows = _shares(y, sigma_y, cumulative, rows)
        left, n_columns = _shares(x, sigma_x, cumulative, columns)
        spent += n_rows * n_columns
        if n_rows and n_columns:
            value = values[i] if sums.size else np.float32(0.0)
            _spread(picture, sums, rows[:n_rows], top, columns[:n_columns], left, value)
    return stop


@compiled
def _width(sigma_nm: float, otherwise_nm: float, pixel_nm: float, smallest_px: float) -> float:
    known = sigma_nm if 0.0 < sigma_nm < np.inf else otherwise_nm
    return max(known / pixel_nm, smallest_px)


@compiled
def _shares(centre: float, sigma: float, cumulative: Doubles, shares: Floats) -> tuple[int, int]:
    """Write a molecule's part in each pixel along an axis; return the first pixel and how many there are."""
    reach = 0.5 * (len(cumulative) - 1) / STEPS_PER_SIGMA * sigma
    if not (centre + reach > 0.0 and centre - reach < len(shares)):
        return 0, 0
    first = int(max(math.floor(centre - reach), 0.0))
    stop = int(min(math.floor(centre + reach) + 1.0, float(len(shares))))
    step = STEPS_PER_SIGMA / sigma
    middle = 0.5 * (len(cumulative) - 1)
    before = _interpolated(cumulative, (first - centre) * step + middle)
    for pixel in range(first, stop):
        after = _interpolated(cumulative, (pixel + 1 - centre) * step + middle)
        shares[pixel - first] = after - before
        before = after
    return first, stop - first


@compiled
def _interpolated(table: Doubles, place: float) -> float:
    index = min(int(max(place, 0.0)), len(table) - 2)
    part = min(max(place - index, 0.0), 1.0)
    return float(table[index] + part * (table[index + 1] - table[index]))


@compiled
def _spread(
    picture: Floats, sums: Floats, rows: Floats, top: int, columns: Floats, left: int, value: np.float32
) -> None:
    """Add the outer product of two rows of shares, where it lies within the picture."""
    height, width = picture.shape
    first, stop = max(0, -left), min(len(columns), width - left)
    columns = columns[first:stop]
    for r in range(max(0, -top), min(len(rows), height - top)):
        share = rows[r]
        line = picture[top + r, left + first : left + stop]
        if sums.size:
            line_of_sums = sums[top + r, left + first : left + stop]
            for c in range(len(line)):
                added = share * columns[c]
                line[c] += added
                line_of_sums[c] += value * added
        else:
            for c in range(len(line)):
                line[c] += share * columns[c]
