"""How badly emitters explain the pixels around them, in standard deviations of what is expected."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from blinkspot.localization._compiling import compiled
from blinkspot.localization.crowding.model import FloatArray, How, IntArray, Pixels, axis_shares


@compiled
def expected_deviance(mean: float, law: FloatArray) -> tuple[float, float]:
    """Look up the mean and the variance of a Poisson pixel's deviance."""
    place = (math.log(mean) - law[0, 0]) / (law[1, 0] - law[0, 0])
    place = min(max(place, 0.0), law.shape[0] - 1.001)
    i = int(place)
    part = place - i
    return (
        law[i, 1] + part * (law[i + 1, 1] - law[i, 1]),
        law[i, 2] + part * (law[i + 1, 2] - law[i, 2]),
    )


@compiled
def misfit(
    pixels: Pixels, means: FloatArray, x: float, y: float, reach: int, law: FloatArray
) -> tuple[float, float, float, float, int]:
    """Compare the pixels around a place with their means.

    Returns the deviance, its expected value and variance, the residuals' standard deviation, and how many
    pixels there are.
    """
    rows, columns, counts, _ = pixels
    row, column = round(y), round(x)
    deviance = expected = variance = residuals = squares = 0.0
    n = 0
    for i in range(rows.size):
        if abs(rows[i] - row) > reach or abs(columns[i] - column) > reach:
            continue
        z, mean = counts[i], means[i]
        deviance += 2.0 * (mean - z + (z * math.log(z / mean) if z > 0.0 else 0.0))
        pixel_expected, pixel_variance = expected_deviance(mean, law)
        expected += pixel_expected
        variance += pixel_variance
        residuals += z - mean
        squares += (z - mean) ** 2
        n += 1
    spread = math.sqrt(max(squares / n - (residuals / n) ** 2, 0.0)) if n > 0 else 0.0
    return deviance, expected, variance, spread, n


@compiled
def poorness_of(
    pixels: Pixels,
    means: FloatArray,
    parameters: FloatArray,
    j: int,
    reach: int,
    how: How,
    law: FloatArray,
) -> float:
    """Return by how much an emitter's misfit exceeds what is expected, in standard deviations.

    Its misfit is the deviance of its window and, squared, how far its width is off, in standard deviations.
    """
    deviance, expected, variance, _, n = misfit(
        pixels, means, parameters[4 * j], parameters[4 * j + 1], reach, law
    )
    if n == 0:
        return 0.0
    off: float = parameters[4 * j + 2] - how[0]
    return (deviance + how[1] * off * off - expected) / math.sqrt(variance)


@compiled
def judge_spots(
    counts: NDArray[np.float32],
    extra: NDArray[np.float32],
    rows: IntArray,
    columns: IntArray,
    window_px: int,
    sigma_prior: tuple[float, float],
    fits: FloatArray,
    law: FloatArray,
    poorness: FloatArray,
) -> None:
    """Tell how poor the single fits are, each in its own window: see :func:`poorness_of`.

    ``fits`` (n, 5) holds x, y, sigma, amplitude and background; ``poorness`` (n,) is filled.
    """
    height, width = counts.shape
    reach = window_px // 2
    x_shares, y_shares = np.empty((8, window_px + 1)), np.empty((8, window_px + 1))
    for spot in range(rows.size):
        top, bottom = max(rows[spot] - reach, 0), min(rows[spot] + reach + 1, height)
        left, right = max(columns[spot] - reach, 0), min(columns[spot] + reach + 1, width)
        sigma = fits[spot, 2]
        axis_shares(fits[spot, 0] - left, sigma, 0, right - left - 1, x_shares)
        axis_shares(fits[spot, 1] - top, sigma, 0, bottom - top - 1, y_shares)
        excess = variance = 0.0
        for row in range(top, bottom):
            for column in range(left, right):
                z = max(counts[row, column], 0.0)
                mean = fits[spot, 4] + fits[spot, 3] * x_shares[0, column - left] * y_shares[0, row - top]
                if extra.size > 0:
                    mean += extra[row, column]
                pixel_expected, pixel_variance = expected_deviance(mean, law)
                excess += 2.0 * (mean - z + (z * math.log(z / mean) if z > 0.0 else 0.0)) - pixel_expected
                variance += pixel_variance
        off = sigma - sigma_prior[0]
        poorness[spot] = (excess + sigma_prior[1] * off * off) / math.sqrt(variance)
