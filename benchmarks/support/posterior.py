"""What the photons of one frame say of its molecules: samples of the exact posterior, and its mean picture.

A frame is a known background and a known number of spots of unknown place, brightness and (within the prior's
range) width. Metropolis moves change one molecule at a time, so that only the pixels under it are looked at.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

QUASI_POISSON, EM_REGISTER, BINNED_POISSON = 0, 1, 2
RADIUS_SIGMAS = 5.0
WIDEST_PX = 48
WANTED_ACCEPTANCE = 0.35
LEAST_MEAN = 1e-9  # photoelectrons: moves leave as little by rounding
FAR = 0.1  # share of the moves that go much farther than the others, from one mode to another


@numba.njit(cache=True, fastmath=True)
def log_bessel_i1(x: float) -> float:
    """Return log I1(x) for x > 0, to 3e-7 (Abramowitz & Stegun 1964, 9.8.3 and 9.8.4)."""
    if x < 3.75:
        t = (x / 3.75) ** 2
        series = 0.00301532 + t * 0.00032411
        series = 0.15084934 + t * (0.02658733 + t * series)
        return math.log(x * (0.5 + t * (0.87890594 + t * (0.51498869 + t * series))))
    t = 3.75 / x
    series = -0.02895312 + t * (0.01787654 - t * 0.00420059)
    series = 0.00163801 + t * (-0.01031555 + t * (0.02282967 + t * series))
    series = 0.39894228 + t * (-0.03988024 + t * (-0.00362018 + t * series))
    return x + math.log(series / math.sqrt(x))


@numba.njit(cache=True, fastmath=True)
def log_likelihood(kind: int, first: float, second: float, mean: float) -> float:
    """Return the log-likelihood of a pixel's mean photoelectrons, but for a constant.

    Parameters
    ----------
    kind : int
        ``QUASI_POISSON``: Poisson law for the photoelectrons over the excess noise factor; ``first`` is that
        quotient, ``second`` the factor. ``EM_REGISTER``: a Poisson number of electrons, each multiplied to an
        exponential variate; ``first`` is the recorded value over the gain, ``second`` the width of an ADU in
        that unit. ``BINNED_POISSON``: an ADU stands for the whole numbers from ``first`` to ``second``.
    mean : float
        Photoelectrons, above 0.
    """
    if kind == QUASI_POISSON:
        return first * math.log(mean) - mean / second
    if kind == EM_REGISTER:
        if first <= 0.0:
            # No electron at all, or so few that they were rounded to none: half an ADU.
            return -mean + math.log(1.0 + 0.5 * second * mean)
        return -mean + 0.5 * math.log(mean) + log_bessel_i1(2.0 * math.sqrt(mean * first))
    total, term, number = 1.0, 1.0, first
    while number < second:
        number += 1.0
        term *= mean / number
        total += term
    return first * math.log(mean) - mean + math.log(total)


@numba.njit(cache=True)
def shares(centre: float, sigma: float, start: int, stop: int, out: FloatArray) -> None:
    """Write the part of a spot's light on each pixel of a row; pixel i spans i - 0.5 to i + 0.5."""
    scale = 1.0 / (sigma * math.sqrt(2.0))
    edge = RADIUS_SIGMAS / math.sqrt(2.0)
    before = math.erf(min(edge, max(-edge, (start - 0.5 - centre) * scale)))
    for pixel in range(start, stop):
        after = math.erf(min(edge, max(-edge, (pixel + 0.5 - centre) * scale)))
        out[pixel - start] = 0.5 * (after - before)
        before = after


@numba.njit(cache=True)
def span(old: float, old_sigma: float, new: float, new_sigma: float, size: int) -> tuple[int, int]:
    """Return the first pixel, and the one after the last, that two versions of a spot light."""
    low = min(old - RADIUS_SIGMAS * old_sigma, new - RADIUS_SIGMAS * new_sigma)
    high = max(old + RADIUS_SIGMAS * old_sigma, new + RADIUS_SIGMAS * new_sigma)
    return max(0, math.floor(low + 0.5)), min(size, math.floor(high + 0.5) + 1)


@numba.njit(cache=True)
def sample_frame(
    kind: int,
    first: FloatArray,
    second: FloatArray,
    background: float,
    molecules: FloatArray,
    lowest: FloatArray,
    highest: FloatArray,
    burn_in: int,
    sweeps: int,
    seed: int,
) -> FloatArray:
    """Return the mean picture of a frame's posterior, from each half of a chain.

    Parameters
    ----------
    kind, first, second
        See :func:`log_likelihood`; the two arrays are (Y, X) float64.
    background : float
        Photoelectrons per pixel, known.
    molecules : (n, 4) float64
        Where the chain starts: x, y, sigma in pixels, and photons.
    lowest, highest : (4,) float64
        Range of each under the uniform prior; equal where it is known.
    burn_in, sweeps : int
        Sweeps over all molecules to find the step sizes, and to average.
    seed : int
        Of the random numbers.

    Returns
    -------
    (2, Y, X) float64
        Photoelectrons.
    """
    np.random.seed(seed)  # noqa: NPY002  the only generator that compiled code can seed
    height, width = first.shape
    state = molecules.copy()
    mean = np.full((height, width), background)
    rows, old_rows = np.empty(height), np.empty(height)
    columns, old_columns = np.empty(width), np.empty(width)
    for i in range(len(state)):
        x, y, sigma, photons = state[i]
        top, bottom = span(y, sigma, y, sigma, height)
        left, right = span(x, sigma, x, sigma, width)
        shares(y, sigma, top, bottom, rows)
        shares(x, sigma, left, right, columns)
        for r in range(top, bottom):
            for c in range(left, right):
                mean[r, c] += photons * rows[r - top] * columns[c - left]
    logs = np.empty((height, width))
    for r in range(height):
        for c in range(width):
            logs[r, c] = log_likelihood(kind, first[r, c], second[r, c], mean[r, c])

    n_kinds = 3 if highest[2] > lowest[2] else 2  # of moves: of the place, the photons, the width
    steps = np.empty((len(state), 3))
    steps[:, 0] = 0.1
    steps[:, 1] = 0.1 * (highest[3] - lowest[3])
    steps[:, 2] = 0.1 * (highest[2] - lowest[2])
    new_mean, new_logs = np.empty((WIDEST_PX, WIDEST_PX)), np.empty((WIDEST_PX, WIDEST_PX))
    pictures = np.zeros((2, height, width))
    for sweep in range(burn_in + sweeps):
        for i in range(len(state)):
            for move in range(n_kinds):
                x, y, sigma, photons = state[i]
                far = np.random.random() < FAR  # noqa: NPY002
                step = steps[i, move] * (8.0 if far else 1.0)
                if move == 0:
                    new_x, new_y = x + step * np.random.randn(), y + step * np.random.randn()  # noqa: NPY002
                    new_sigma, new_photons = sigma, photons
                elif move == 1:
                    new_x, new_y, new_sigma = x, y, sigma
                    new_photons = photons + step * np.random.randn()  # noqa: NPY002
                else:
                    # Wider is brighter for the same peak: the two move together.
                    new_x, new_y = x, y
                    new_sigma = sigma + step * np.random.randn()  # noqa: NPY002
                    new_photons = photons * (new_sigma / sigma)
                accepted = False
                possible = (
                    lowest[0] <= new_x <= highest[0]
                    and lowest[1] <= new_y <= highest[1]
                    and lowest[2] <= new_sigma <= highest[2]
                    and lowest[3] <= new_photons <= highest[3]
                )
                if possible:
                    top, bottom = span(y, sigma, new_y, new_sigma, height)
                    left, right = span(x, sigma, new_x, new_sigma, width)
                    if bottom - top <= WIDEST_PX and right - left <= WIDEST_PX:
                        shares(y, sigma, top, bottom, old_rows)
                        shares(x, sigma, left, right, old_columns)
                        shares(new_y, new_sigma, top, bottom, rows)
                        shares(new_x, new_sigma, left, right, columns)
                        # Photons are scaled with the width, which a symmetric step does not pay for.
                        gain = math.log(new_sigma / sigma) if move == 2 else 0.0
                        for r in range(bottom - top):
                            for c in range(right - left):
                                value = mean[top + r, left + c] + (
                                    new_photons * rows[r] * columns[c]
                                    - photons * old_rows[r] * old_columns[c]
                                )
                                value = max(value, LEAST_MEAN)
                                new_mean[r, c] = value
                                new_logs[r, c] = log_likelihood(
                                    kind, first[top + r, left + c], second[top + r, left + c], value
                                )
                                gain += new_logs[r, c] - logs[top + r, left + c]
                        accepted = gain >= 0.0 or np.random.random() < math.exp(gain)  # noqa: NPY002
                        if accepted:
                            mean[top:bottom, left:right] = new_mean[: bottom - top, : right - left]
                            logs[top:bottom, left:right] = new_logs[: bottom - top, : right - left]
                            state[i, 0], state[i, 1] = new_x, new_y
                            state[i, 2], state[i, 3] = new_sigma, new_photons
                if sweep < burn_in and not far:
                    towards = (1.0 if accepted else 0.0) - WANTED_ACCEPTANCE
                    steps[i, move] *= math.exp(towards / math.sqrt(1.0 + 0.1 * sweep))
        if sweep >= burn_in:
            pictures[2 * (sweep - burn_in) // sweeps] += mean
    pictures[0] /= (sweeps + 1) // 2
    pictures[1] /= sweeps // 2
    return pictures
