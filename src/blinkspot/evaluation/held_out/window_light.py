"""How much light the held-out part holds where molecules were found, and where in its window.

A molecule found in the kept part has a place and a width. Around it the held-out counts are, to first order
in the molecule's misplacement (dx, dy),

    counts = A g + A dx dg/dx + A dy dg/dy + background + neighbours

(derivatives by the centre of the spot g), linear in what is sought: A, A dx, A dy, the background and the
light of the neighbours, all found by least squares. Each is a sum of the held-out counts with coefficients
that only the kept part has chosen. So A has the mean 0 where there is no molecule, its variance is that sum
with squared coefficients, and likewise its third moment. Behind an EM register the variance of a held-out
count rises with the kept count beside it, and peaks of the kept part are where molecules are found: that is
reckoned with (:meth:`.Thinning.variance_coupling`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from blinkspot.evaluation.held_out.thinning import Thinning
from blinkspot.localization._compiling import compiled
from blinkspot.localization.fitting.gaussian_model import pixel_shares
from blinkspot.localization.fitting.kernel_maths import factorize, solve_factored

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MOST_NEIGHBOURS = 12
# Beyond it a neighbour's light in the window is below a thousandth of itself, sigmas past the window's edge.
REACH_SIGMAS = 3.0
# Two localizations nearer than that share their light: which of them it is of cannot be told.
SAME_SPOT_SIGMAS = 2.0
SMALLEST_SHARE = 0.1
RIDGE = 1e-6
N_RESULTS = 10


@dataclass(frozen=True)
class WindowLight:
    """Held-out light of molecules; arrays of float64, shape (n,), counts. NaN where it cannot be told.

    Attributes
    ----------
    first, second : ndarray
        A of the two held-out parts.
    first_moments, second_moments : ndarray, shape (n, 2)
        A dx and A dy of the two parts, counts times pixels.
    promised : ndarray
        What A of both parts should be in sum, by the fit in the kept part.
    dark_variance, dark_third_moment : ndarray
        Of the sum of both A, if there is no molecule.
    variance_per_count : ndarray
        By how much the variance of that sum grows with each count of light that a molecule there has.
    moment_variance : ndarray
        Of the sums of A dx and of A dy, the mean of both, with the molecule as promised.
    """

    first: FloatArray
    second: FloatArray
    first_moments: FloatArray
    second_moments: FloatArray
    promised: FloatArray
    dark_variance: FloatArray
    dark_third_moment: FloatArray
    variance_per_count: FloatArray
    moment_variance: FloatArray

    @property
    def light(self) -> FloatArray:
        """A of both parts."""
        return self.first + self.second

    def __len__(self) -> int:
        return len(self.first)

    def chosen(self, rows: IntArray | NDArray[np.bool_]) -> WindowLight:
        """Return some of the molecules."""
        return WindowLight(*(getattr(self, each.name)[rows] for each in fields(self)))

    @classmethod
    def joined(cls, parts: Sequence[WindowLight]) -> WindowLight:
        """Return the molecules of several parts, one at least, as one."""
        return cls(*(np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(cls)))


def measure_windows(
    held_out: NDArray[np.float32],
    kept: NDArray[np.float32],
    frames: IntArray,
    x_px: FloatArray,
    y_px: FloatArray,
    sigma_px: FloatArray,
    promised: FloatArray,
    background: FloatArray,
    light_share: FloatArray,
    thinning: Thinning,
    window_px: int,
) -> WindowLight:
    """Measure the held-out light of molecules.

    Parameters
    ----------
    held_out : ndarray of float32, shape (2, n_frames, height, width)
        Two held-out parts, counts without read noise.
    kept : ndarray of float32, shape (n_frames, height, width)
        Kept part, counts.
    frames : ndarray of int64, shape (n,)
        Index of the frame that each molecule is in, ascending.
    x_px, y_px, sigma_px : ndarray of float64, shape (n,)
        Places (0 is the centre of the first pixel) and widths.
    promised, background : ndarray of float64, shape (n,)
        Light of each molecule and of a pixel around it without molecules, in both held-out parts, counts.
    light_share : ndarray of float64, shape (n,)
        Part of that background that is light, the rest being read noise.
    thinning : Thinning
        How the parts were made.
    window_px : int
        Side of the square that is looked at, odd.

    Returns
    -------
    WindowLight
    """
    results = np.full((len(frames), N_RESULTS), np.nan)
    _measure(
        np.ascontiguousarray(held_out, dtype=np.float32),
        np.ascontiguousarray(kept, dtype=np.float32),
        frames,
        np.column_stack(
            [x_px, y_px, sigma_px, promised, background, thinning.variance_coupling(light_share)]
        ),
        window_px // 2,
        thinning.kept_share / (1.0 - thinning.kept_share),
        results,
    )
    return WindowLight(
        first=results[:, 0],
        second=results[:, 1],
        first_moments=results[:, 2:4],
        second_moments=results[:, 4:6],
        promised=promised,
        dark_variance=results[:, 6],
        dark_third_moment=thinning.third_moment(light_share) * results[:, 7],
        variance_per_count=results[:, 8],
        moment_variance=results[:, 9],
    )


@compiled
def _measure(
    held_out: NDArray[np.float32],
    kept: NDArray[np.float32],
    frames: IntArray,
    molecules: FloatArray,
    reach: int,
    kept_over_held_out: float,
    results: FloatArray,
) -> None:
    """Fill for each molecule A and its moments of both parts, and what tells their spread."""
    height, width = held_out.shape[2:]
    side = 2 * reach + 1
    most = 4 + MOST_NEIGHBOURS
    x_shares, y_shares = np.empty((8, side + 1)), np.empty((8, side + 1))
    columns = np.empty((most, side * side))
    dark = np.empty(side * side)
    matrix, factor = np.empty((most, most)), np.empty((most, most))
    right, solution = np.empty(most), np.empty(most)
    coefficients = np.empty((3, side * side))
    start = 0
    for index in range(frames.size):
        if frames[index] != frames[start]:
            start = index
        x, y, sigma = molecules[index, 0], molecules[index, 1], molecules[index, 2]
        middle_x, middle_y = int(np.rint(x)), int(np.rint(y))
        left, stop_x = max(middle_x - reach, 0), min(middle_x + reach + 1, width)
        top, stop_y = max(middle_y - reach, 0), min(middle_y + reach + 1, height)
        wide, high = stop_x - left, stop_y - top
        if wide < reach + 1 or high < reach + 1:
            continue
        n = wide * high
        _fill_spot(x - left, y - top, sigma, wide, high, x_shares, y_shares, columns[0])
        for row in range(high):
            for column in range(wide):
                columns[1, row * wide + column] = x_shares[1, column] * y_shares[0, row]
                columns[2, row * wide + column] = x_shares[0, column] * y_shares[1, row]
        columns[3, :n] = 1.0
        dark[:n] = molecules[index, 4]
        size = 4
        other = start
        while other < frames.size and frames[other] == frames[index]:
            far = reach + REACH_SIGMAS * molecules[other, 2]
            away_x, away_y = abs(molecules[other, 0] - x), abs(molecules[other, 1] - y)
            # The molecule itself is the nearest of all.
            apart = away_x * away_x + away_y * away_y > (SAME_SPOT_SIGMAS * sigma) ** 2
            if apart and away_x < far and away_y < far and size < most:
                _fill_spot(
                    molecules[other, 0] - left,
                    molecules[other, 1] - top,
                    molecules[other, 2],
                    wide,
                    high,
                    x_shares,
                    y_shares,
                    columns[size],
                )
                for i in range(n):
                    dark[i] += max(molecules[other, 3], 0.0) * columns[size, i]
                size += 1
            other += 1
        for i in range(size):
            for j in range(i + 1):
                product = 0.0
                for k in range(n):
                    product += columns[i, k] * columns[j, k]
                matrix[i, j] = product
        if not factorize(matrix, RIDGE, size, factor):
            continue
        for wanted in range(3):
            right[:] = 0.0
            right[wanted] = 1.0
            solve_factored(factor, right, size, solution)
            for k in range(n):
                total = 0.0
                for i in range(size):
                    total += solution[i] * columns[i, k]
                coefficients[wanted, k] = total
        values = results[index]
        values[:] = 0.0
        k = 0
        for row in range(top, stop_y):
            for column in range(left, stop_x):
                a, a_x, a_y = coefficients[0, k], coefficients[1, k], coefficients[2, k]
                for part in range(2):
                    count = held_out[part, frames[index], row, column]
                    values[part] += a * count
                    values[2 + 2 * part] += a_x * count
                    values[3 + 2 * part] += a_y * count
                above = kept[frames[index], row, column] - kept_over_held_out * dark[k]
                values[6] += a * a * max(dark[k] + molecules[index, 5] * above, SMALLEST_SHARE * dark[k])
                values[7] += a * a * a * dark[k]
                values[8] += a * a * columns[0, k]
                lit = dark[k] + max(molecules[index, 3], 0.0) * columns[0, k]
                values[9] += 0.5 * (a_x * a_x + a_y * a_y) * lit
                k += 1


@compiled
def _fill_spot(
    x: float,
    y: float,
    sigma: float,
    wide: int,
    high: int,
    x_shares: FloatArray,
    y_shares: FloatArray,
    spot: FloatArray,
) -> None:
    """Fill the shares of both axes, and a spot's light on each pixel of a window, row by row."""
    pixel_shares(x, sigma, x_shares[:, : wide + 1])
    pixel_shares(y, sigma, y_shares[:, : high + 1])
    for row in range(high):
        for column in range(wide):
            spot[row * wide + column] = x_shares[0, column] * y_shares[0, row]
