"""What a blinking movie's photons say of its blinks: samples of the exact posterior, and its mean movie.

As :mod:`.posterior`, with a time at which each molecule begins and one at which it ceases to shine. A movie
is a known background and a known number of blinks of unknown place, width, brightness and times. Metropolis
moves change one blink at a time, so that only the pixels and frames under it are looked at.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

from .posterior import (
    FAR,
    LEAST_MEAN,
    QUASI_POISSON,
    WANTED_ACCEPTANCE,
    WIDEST_PX,
    log_likelihood,
    shares,
    span,
)

FloatArray = NDArray[np.float64]

X, Y, SIGMA, PHOTONS, ON, OFF = range(6)
"""Columns of the blinks: pixels, photons of a fully lit frame, frames since the start."""
_MOVES = 6  # place, photons, width, begin, end, end at the same light
_EVERY = 2  # sweeps from one picture that is kept to the next: neighbours are alike


@numba.njit(cache=True)
def part_of_frame(on: float, off: float, frame: int) -> float:
    """Return the time, in frames, for which something shines within a frame."""
    return max(0.0, min(off, frame + 1.0) - max(on, float(frame)))


@numba.njit(cache=True)
def value_at(picture: FloatArray, x: float, y: float) -> float:
    """Return a picture's value at a place, linear between pixels."""
    height, width = picture.shape
    x = min(max(x, 0.0), width - 1.000001)
    y = min(max(y, 0.0), height - 1.000001)
    column, row = int(x), int(y)
    right, down = x - column, y - row
    upper = (1.0 - right) * picture[row, column] + right * picture[row, column + 1]
    lower = (1.0 - right) * picture[row + 1, column] + right * picture[row + 1, column + 1]
    return (1.0 - down) * upper + down * lower


@numba.njit(cache=True, fastmath=True)
def _log_ratio(kind: int, first: float, second: float, mean: float, before: float) -> float:
    """Return by how much a pixel's log-likelihood changes with its mean."""
    if kind == QUASI_POISSON:  # with one logarithm in place of two
        return first * math.log(mean / before) - (mean - before) / second
    return log_likelihood(kind, first, second, mean) - log_likelihood(kind, first, second, before)


@numba.njit(cache=True)
def _propose(blink: FloatArray, move: int, step: float, new: FloatArray) -> float:
    """Write a changed blink; return the logarithm of the volume that the change stretches."""
    new[:] = blink
    way = step * np.random.randn()  # noqa: NPY002  the only generator that compiled code can seed
    if move == 0:
        new[X] += way
        new[Y] += step * np.random.randn()  # noqa: NPY002
    elif move == 1:
        new[PHOTONS] += way
    elif move == 2:
        # Wider is brighter for the same peak: the two move together.
        new[SIGMA] += way
        if new[SIGMA] <= 0.0:
            return -np.inf
        new[PHOTONS] *= new[SIGMA] / blink[SIGMA]
        return math.log(new[SIGMA] / blink[SIGMA])
    elif move == 3:
        new[ON] += way
    elif move == 4:
        new[OFF] += way
    else:
        # Longer is dimmer for the same light.
        new[OFF] += way
        if new[OFF] <= new[ON]:
            return -np.inf
        ratio = (blink[OFF] - blink[ON]) / (new[OFF] - new[ON])
        new[PHOTONS] *= ratio
        return math.log(ratio)
    return 0.0


@numba.njit(cache=True)
def sample_movie(
    kind: int,
    first: FloatArray,
    second: FloatArray,
    background: FloatArray,
    blinks: FloatArray,
    illumination: FloatArray,
    density: FloatArray,
    lowest: FloatArray,
    highest: FloatArray,
    mean_on_frames: float,
    burn_in: int,
    sweeps: int,
    seed: int,
) -> NDArray[np.float32]:
    """Return the mean movie of the posterior, from each half of a chain.

    Parameters
    ----------
    kind, first, second
        See :func:`.posterior.log_likelihood`; the two arrays are (T, Y, X) float64.
    background : (Y, X) float64
        Photoelectrons per pixel, known.
    blinks : (n, 6) float64
        Where the chain starts; see :data:`X` and those beside it.
    illumination : (Y, X) float64
        What of its photons a blink gives there.
    density : (Y, X) float64
        How likely blinks are there.
    lowest, highest : (4,) float64
        Range of x, y, sigma and photons under the uniform prior.
    mean_on_frames : float
        Of the exponential times for which they shine, which may begin before the movie.
    burn_in, sweeps : int
        Sweeps over all blinks to find the step sizes, and to average.
    seed : int
        Of the random numbers.

    Returns
    -------
    (2, T, Y, X) float32
        Photoelectrons.
    """
    np.random.seed(seed)  # noqa: NPY002
    n_frames, height, width = first.shape
    state = blinks.copy()
    mean = np.empty(first.shape)
    for frame in range(n_frames):
        mean[frame] = background
    rows, columns = np.empty(WIDEST_PX), np.empty(WIDEST_PX)
    new_rows, new_columns = np.empty(WIDEST_PX), np.empty(WIDEST_PX)
    for blink in state:
        top, bottom = span(blink[Y], blink[SIGMA], blink[Y], blink[SIGMA], height)
        left, right = span(blink[X], blink[SIGMA], blink[X], blink[SIGMA], width)
        shares(blink[Y], blink[SIGMA], top, bottom, rows)
        shares(blink[X], blink[SIGMA], left, right, columns)
        lit = blink[PHOTONS] * value_at(illumination, blink[X], blink[Y])
        for frame in range(max(0, math.floor(blink[ON])), min(n_frames, math.ceil(blink[OFF]))):
            light = lit * part_of_frame(blink[ON], blink[OFF], frame)
            for r in range(bottom - top):
                for c in range(right - left):
                    mean[frame, top + r, left + c] += light * rows[r] * columns[c]

    steps = np.empty((len(state), _MOVES))
    steps[:, 0] = 0.1
    steps[:, 1] = 0.1 * (highest[PHOTONS] - lowest[PHOTONS])
    steps[:, 2] = 0.1 * (highest[SIGMA] - lowest[SIGMA])
    steps[:, 3:] = 0.2
    new = np.empty(6)
    new_mean = np.empty((n_frames, WIDEST_PX, WIDEST_PX))
    pictures = np.zeros((2, n_frames, height, width), np.float32)
    kept = np.zeros(2)
    for sweep in range(burn_in + sweeps):
        for i in range(len(state)):
            for move in range(_MOVES):
                if move == 2 and highest[SIGMA] <= lowest[SIGMA]:
                    continue
                blink = state[i]
                far = np.random.random() < FAR  # noqa: NPY002
                gain = _propose(blink, move, steps[i, move] * (8.0 if far else 1.0), new)
                accepted = False
                possible = gain > -np.inf and new[OFF] > max(0.0, new[ON]) and new[ON] < n_frames
                for number in range(4):
                    possible = possible and lowest[number] <= new[number] <= highest[number]
                likely = value_at(density, new[X], new[Y]) if possible else 0.0
                start = max(0, math.floor(min(blink[ON], new[ON])))
                stop = min(n_frames, math.ceil(max(blink[OFF], new[OFF])))
                top, bottom = span(blink[Y], blink[SIGMA], new[Y], new[SIGMA], height)
                left, right = span(blink[X], blink[SIGMA], new[X], new[SIGMA], width)
                small = max(bottom - top, right - left) <= WIDEST_PX
                if likely > 0.0 and small:
                    gain += math.log(likely / value_at(density, blink[X], blink[Y]))
                    gain -= (new[OFF] - new[ON] - blink[OFF] + blink[ON]) / mean_on_frames
                    shares(blink[Y], blink[SIGMA], top, bottom, rows)
                    shares(blink[X], blink[SIGMA], left, right, columns)
                    shares(new[Y], new[SIGMA], top, bottom, new_rows)
                    shares(new[X], new[SIGMA], left, right, new_columns)
                    lit = blink[PHOTONS] * value_at(illumination, blink[X], blink[Y])
                    new_lit = new[PHOTONS] * value_at(illumination, new[X], new[Y])
                    still = move != 0 and move != 2
                    for frame in range(start, stop):
                        light = lit * part_of_frame(blink[ON], blink[OFF], frame)
                        new_light = new_lit * part_of_frame(new[ON], new[OFF], frame)
                        same = still and light == new_light
                        for r in range(bottom - top):
                            for c in range(right - left):
                                before = mean[frame, top + r, left + c]
                                if same:
                                    new_mean[frame - start, r, c] = before
                                    continue
                                value = before + (
                                    new_light * new_rows[r] * new_columns[c] - light * rows[r] * columns[c]
                                )
                                value = max(value, LEAST_MEAN)
                                new_mean[frame - start, r, c] = value
                                one, other = first[frame, top + r, left + c], second[frame, top + r, left + c]
                                gain += _log_ratio(kind, one, other, value, before)
                    accepted = gain >= 0.0 or np.random.random() < math.exp(gain)  # noqa: NPY002
                    if accepted:
                        for frame in range(start, stop):
                            changed = new_mean[frame - start, : bottom - top, : right - left]
                            mean[frame, top:bottom, left:right] = changed
                        state[i] = new
                if sweep < burn_in and not far:
                    towards = (1.0 if accepted else 0.0) - WANTED_ACCEPTANCE
                    steps[i, move] *= math.exp(towards / math.sqrt(1.0 + 0.1 * sweep))
        if sweep >= burn_in and (sweep - burn_in) % _EVERY == 0:
            half = 2 * (sweep - burn_in) // sweeps
            pictures[half] += mean.astype(np.float32)
            kept[half] += 1.0
    for half in range(2):
        pictures[half] /= np.float32(kept[half])
    return pictures
