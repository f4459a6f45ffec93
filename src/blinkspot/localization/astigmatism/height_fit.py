"""The compiled fit of an astigmatic Gaussian, whose widths follow from its height, to windows of pixels.

Where the search for the likeliest parameters of :mod:`.height_model` starts, how it steps, and which of its
ends are molecules.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from blinkspot.localization._compiling import compiled
from blinkspot.localization._copying import put, put_all
from blinkspot.localization.astigmatism.height_model import N_PARAMETERS, axis_shares, linearize, width_at
from blinkspot.localization.fitting.kernel_maths import (
    EXPECTED,
    OBSERVED,
    factorize,
    inverse_diagonal,
    solve_damped,
)

FloatArray = NDArray[np.float64]

N_RESULTS = 2 * N_PARAMETERS

MAX_STEPS = 100
# A step this small, or the first after it, ends the search: Newton's steps square what is missing.
NEWTON_TOLERANCE = 1e-3
TOLERANCE = 1e-4
FIRST_DAMPING = 1e-3
LARGEST_DAMPING = 1e10
# A Poisson likelihood needs a mean above 0: this part of the window's largest pixel at the least.
FLOOR = 1e-4
# Heights from which the search may start, and how far it may leave the calibrated range, in parts of it.
N_STARTS = 13
MARGIN = 0.1
# Longest step of the height, in depths of focus.
LONGEST_STEP = 0.5


@compiled
def _minimize(
    window: FloatArray,
    extra: FloatArray,
    curves: FloatArray,
    z_limits: tuple[float, float],
    parameters: FloatArray,
    floor: float,
    shares: tuple[FloatArray, FloatArray],
    vectors: FloatArray,
    matrices: FloatArray,
) -> bool:
    """Take Levenberg-Marquardt steps from ``parameters`` to the optimum, the amplitude above 0.

    A step follows the second derivatives where they bend upwards (Newton), else the expected curvature. The
    background stays at or above ``floor``, the height within the limits. Returns whether the steps converged;
    ``matrices[0]`` then holds the second derivatives there. ``vectors`` (4, 5) and ``matrices`` (3, 5, 5) are
    scratch space.
    """
    rows, columns = window.shape
    gradient, trial_gradient, step, trial = vectors[0], vectors[1], vectors[2], vectors[3]
    curvature, trial_curvature, factor = matrices[0], matrices[1], matrices[2]
    depth = 0.5 * (curves[0, 2] + curves[1, 2])
    loss = linearize(window, extra, curves, OBSERVED, parameters, shares, gradient, curvature)
    newton = True
    damping = FIRST_DAMPING
    for _ in range(MAX_STEPS):
        # A background on its floor that would go below is left out, else it would bend the other steps.
        on_floor = parameters[4] <= floor and gradient[4] > 0.0
        if not solve_damped(curvature, damping, gradient, 4 if on_floor else 5, factor, step):
            if newton:
                newton = False
                linearize(window, extra, curves, EXPECTED, parameters, shares, gradient, curvature)
            else:
                damping *= 10.0
                if not damping < LARGEST_DAMPING:
                    return False
            continue
        for i in range(2):
            trial[i] = parameters[i] - min(max(step[i], -1.0), 1.0)
        longest = LONGEST_STEP * depth
        trial[2] = parameters[2] - min(max(step[2], -longest), longest)
        trial[2] = min(max(trial[2], z_limits[0]), z_limits[1])
        trial[3] = max(parameters[3] - step[3], 0.1 * parameters[3])
        trial[4] = max(parameters[4] - step[4], floor)
        largest = max(abs(trial[0] - parameters[0]), abs(trial[1] - parameters[1]))
        largest = max(largest, abs(trial[2] - parameters[2]) / depth)
        largest = max(largest, abs(trial[3] - parameters[3]) / parameters[3])
        if not (-0.5 <= trial[0] <= columns - 0.5 and -0.5 <= trial[1] <= rows - 0.5):
            return False
        # Strong damping makes any step small.
        arrived = damping <= 1.0 and largest < TOLERANCE
        if newton and damping <= FIRST_DAMPING and largest < NEWTON_TOLERANCE:
            put(trial, parameters)
            return True
        trial_loss = linearize(
            window, extra, curves, OBSERVED, trial, shares, trial_gradient, trial_curvature
        )
        if trial_loss <= loss:
            loss = trial_loss
            put(trial, parameters)
            put(trial_gradient, gradient)
            put_all(trial_curvature, curvature)
            newton = True
            damping *= 0.1
        else:
            damping *= 10.0
        if arrived:
            return newton
        if not damping < LARGEST_DAMPING:
            return False
    return False


@compiled
def _guess_position(picture: NDArray[np.float32], row: int, column: int, parameters: FloatArray) -> None:
    """Set x and y: the centre of the light above the window's edge in its 5 x 5 middle pixels."""
    height, width = picture.shape
    edge = 0.0
    n_edge = 0
    for y in range(height):
        for x in range(width):
            if y in (0, height - 1) or x in (0, width - 1):
                edge += picture[y, x]
                n_edge += 1
    background = edge / n_edge
    light = light_x = light_y = 0.0
    for y in range(max(row - 2, 0), min(row + 3, height)):
        for x in range(max(column - 2, 0), min(column + 3, width)):
            value = max(picture[y, x] - background, 0.0)
            light += value
            light_x += value * (x - column)
            light_y += value * (y - row)
    shift_x = shift_y = 0.0
    if light > 0.0:
        shift_x, shift_y = light_x / light, light_y / light
    parameters[0] = column + shift_x
    parameters[1] = row + shift_y


@compiled
def _guess_height(
    window: FloatArray,
    extra: FloatArray,
    curves: FloatArray,
    z_range: tuple[float, float],
    floor: float,
    parameters: FloatArray,
    shares: tuple[FloatArray, FloatArray],
) -> None:
    """Set height, amplitude and background: the likeliest of some heights, light by least squares in each."""
    x_shares, y_shares = shares
    n = window.size
    lowest = np.inf
    for k in range(N_STARTS):
        z = z_range[0] + (z_range[1] - z_range[0]) * k / (N_STARTS - 1)
        axis_shares(parameters[0], width_at(curves[0], z), x_shares)
        axis_shares(parameters[1], width_at(curves[1], z), y_shares)
        total = total_share = squares = products = 0.0
        for row in range(window.shape[0]):
            for column in range(window.shape[1]):
                share = x_shares[0, column] * y_shares[0, row]
                value = window[row, column] - extra[row, column]
                total += value
                total_share += share
                squares += share * share
                products += share * value
        amplitude = (products - total * total_share / n) / (squares - total_share * total_share / n)
        amplitude = max(amplitude, 10.0 * floor)
        background = max((total - amplitude * total_share) / n, floor)
        loss = 0.0
        for row in range(window.shape[0]):
            for column in range(window.shape[1]):
                mean = background + amplitude * x_shares[0, column] * y_shares[0, row] + extra[row, column]
                loss += mean - window[row, column] * math.log(mean)
        if loss < lowest:
            lowest = loss
            parameters[2], parameters[3], parameters[4] = z, amplitude, background


@compiled
def fit_windows(
    counts: NDArray[np.float32],
    extra: NDArray[np.float32],
    start: NDArray[np.float32],
    frames: NDArray[np.int64],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    window_px: int,
    curves: FloatArray,
    z_low: float,
    z_high: float,
    results: FloatArray,
    converged: NDArray[np.bool_],
) -> None:
    """Fit a window around each pixel given; at the frame's border it is the part that exists.

    Parameters
    ----------
    counts : ndarray of float32, shape (n_frames, height, width)
        The pixels that are fitted, with variance equal to mean.
    extra : ndarray of float32, shape (height, width) or (0, 0)
        Known part of their means; (0, 0) for none.
    start : ndarray of float32, shape (n_frames, height, width)
        The pixels that the first position is taken from.
    frames, rows, columns : ndarray of int64, shape (n,)
        Middles of the windows.
    window_px : int
        Side of the window, odd.
    curves : ndarray of float64, shape (2, 7)
        As in :func:`~.height_model.linearize`.
    z_low, z_high : float
        The calibrated range, nm.
    results : ndarray of float64, shape (n, 10)
        Filled: x, y (pixels of the frame), z (nm), amplitude, background (counts), and the variances of these
        five: the inverse of the observed information (Efron & Hinkley 1978, Biometrika 65:457).
    converged : ndarray of bool, shape (n,)
        Filled: False where there is no molecule within the calibrated range; its row of results is then not
        to be used.
    """
    height, width = counts.shape[1:]
    reach = window_px // 2
    pixels = np.zeros((2, window_px * window_px))
    axes = np.empty((2, 8 * (window_px + 1)))
    vectors = np.empty((4, N_PARAMETERS))
    matrices = np.empty((3, N_PARAMETERS, N_PARAMETERS))
    parameters = np.empty(N_PARAMETERS)
    z_range = (z_low, z_high)
    margin = MARGIN * (z_high - z_low)
    z_limits = (z_low - margin, z_high + margin)
    for index in range(rows.size):
        converged[index] = False
        picture, start_picture = counts[frames[index]], start[frames[index]]
        top, bottom = max(rows[index] - reach, 0), min(rows[index] + reach + 1, height)
        left, right = max(columns[index] - reach, 0), min(columns[index] + reach + 1, width)
        shape = (bottom - top, right - left)
        window = pixels[0, : shape[0] * shape[1]].reshape(shape)
        known = pixels[1, : shape[0] * shape[1]].reshape(shape)
        shares = (
            axes[0, : 8 * (shape[1] + 1)].reshape((8, shape[1] + 1)),
            axes[1, : 8 * (shape[0] + 1)].reshape((8, shape[0] + 1)),
        )
        largest = 0.0
        for row in range(shape[0]):
            for column in range(shape[1]):
                # Read noise may push a count below 0, where a Poisson likelihood is not defined.
                window[row, column] = max(float(picture[top + row, left + column]), 0.0)
                largest = max(largest, window[row, column])
        if not 0.0 < largest < np.inf:
            continue
        if extra.size > 0:
            put_all(extra[top:bottom, left:right], known)
        floor = FLOOR * largest
        row, column = rows[index] - top, columns[index] - left
        _guess_position(start_picture[top:bottom, left:right], row, column, parameters)
        _guess_height(window, known, curves, z_range, floor, parameters, shares)
        if not _minimize(window, known, curves, z_limits, parameters, floor, shares, vectors, matrices):
            continue
        x, y = left + parameters[0], top + parameters[1]
        if max(abs(x - columns[index]), abs(y - rows[index])) > reach:
            continue
        if not z_low <= parameters[2] <= z_high:
            continue
        result = results[index]
        result[0], result[1] = x, y
        put(parameters[2:], result[2:5])
        if factorize(matrices[0], 0.0, N_PARAMETERS, matrices[2]):
            inverse_diagonal(matrices[2], N_PARAMETERS, vectors[0], result[N_PARAMETERS:])
            converged[index] = True
