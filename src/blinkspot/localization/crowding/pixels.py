"""Which pixels a group of spots is fitted to, and the light of other groups in them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from blinkspot.localization._compiling import compiled
from blinkspot.localization.crowding.model import FloatArray, IntArray, Pixels, axis_shares, reach_of


@compiled
def gather(
    counts: NDArray[np.float32],
    extra: NDArray[np.float32],
    light: FloatArray,
    owner: IntArray,
    rows: IntArray,
    columns: IntArray,
    reach: int,
    top: int,
    left: int,
) -> Pixels:
    """Collect the pixels of a group's windows that belong to it; they are struck from ``owner``."""
    height, width = counts.shape
    most = rows.size * (2 * reach + 1) ** 2
    found_rows, found_columns = np.empty(most, dtype=np.int64), np.empty(most, dtype=np.int64)
    found, known = np.empty(most), np.empty(most)
    group = owner[rows[0], columns[0]]
    n = 0
    for spot in range(rows.size):
        for row in range(max(rows[spot] - reach, 0), min(rows[spot] + reach + 1, height)):
            for column in range(max(columns[spot] - reach, 0), min(columns[spot] + reach + 1, width)):
                if owner[row, column] != group:
                    continue
                owner[row, column] = -1
                found_rows[n], found_columns[n] = row - top, column - left
                found[n] = max(counts[row, column], 0.0)
                known[n] = light[row, column]
                if extra.size > 0:
                    known[n] += extra[row, column]
                n += 1
    return found_rows[:n], found_columns[:n], found[:n], known[:n]


@compiled
def claim_pixels(
    rows: IntArray, columns: IntArray, groups: IntArray, reach: int, owner: IntArray, distance: IntArray
) -> None:
    """Give each pixel of the windows to the group of the nearest spot.

    Parameters
    ----------
    rows, columns, groups : ndarray of int64, shape (n,)
        Middles of the windows, and the groups, from 0.
    reach : int
        Pixels of a window on each side of its middle.
    owner : ndarray of int64, shape (height, width), filled
        The group, -1 for none.
    distance : ndarray of int64, shape (height, width)
        Scratch space.
    """
    height, width = owner.shape
    owner[:] = -1
    for spot in range(rows.size):
        for row in range(max(rows[spot] - reach, 0), min(rows[spot] + reach + 1, height)):
            for column in range(max(columns[spot] - reach, 0), min(columns[spot] + reach + 1, width)):
                square = (row - rows[spot]) ** 2 + (column - columns[spot]) ** 2
                if owner[row, column] < 0 or square < distance[row, column]:
                    owner[row, column] = groups[spot]
                    distance[row, column] = square


@compiled
def add_light(emitters: FloatArray, sign: float, light: FloatArray) -> None:
    """Add emitters to a picture.

    Parameters
    ----------
    emitters : ndarray of float64, shape (n, 4)
        x, y, sigma (pixels) and amplitude (counts).
    sign : float
        -1 to take them away.
    light : ndarray of float64, shape (height, width)
        Changed.
    """
    height, width = light.shape
    x_shares, y_shares = np.empty((8, width + 1)), np.empty((8, height + 1))
    for j in range(emitters.shape[0]):
        sigma, amplitude = emitters[j, 2], sign * emitters[j, 3]
        left, right = reach_of(emitters[j, 0], sigma, width)
        top, bottom = reach_of(emitters[j, 1], sigma, height)
        axis_shares(emitters[j, 0], sigma, left, right, x_shares)
        axis_shares(emitters[j, 1], sigma, top, bottom, y_shares)
        for row in range(top, bottom + 1):
            for column in range(left, right + 1):
                light[row, column] += amplitude * x_shares[0, column] * y_shares[0, row]
