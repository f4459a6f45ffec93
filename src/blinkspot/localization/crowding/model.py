"""The compiled model of several integrated Gaussians on the pixels that they share, and its optimum.

The mean count of a pixel is that of :mod:`~blinkspot.localization.fitting.gaussian_model`, with one term for
each emitter on one background::

    mean = background + sum over emitters (amplitude * share(column; x, sigma) * share(row; y, sigma)) + extra

The loss is the Poisson likelihood's, ``sum(mean - z log(mean))``, and ``(sigma - s)^2 w / 2`` for each width.
Parameters stand in one order: x, y, sigma, amplitude of the first emitter, of the second, ..., and the
background last, so that it can be left out by solving for those before it. Where all emitters are equally
bright they share one unknown: ``unknown[k]`` tells which unknown parameter k is.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from blinkspot.localization._compiling import compiled
from blinkspot.localization._copying import put, put_all
from blinkspot.localization.fitting.gaussian_model import pixel_shares
from blinkspot.localization.fitting.kernel_maths import EXPECTED, OBSERVED, solve_damped

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
# What is fitted: row, column, count and extra count of each pixel, rows and columns counted from the
# smallest rectangle that holds all.
Pixels = tuple[IntArray, IntArray, FloatArray, FloatArray]
# How it is fitted: the width that is expected (pixels), 1 / variance of that, the largest width, whether all
# emitters are equally bright, and the least background.
How = tuple[float, float, float, bool, float]

PER_EMITTER = 4

SMALLEST_SIGMA_PX = 0.3
MAX_STEPS = 60
NEWTON_TOLERANCE = 1e-3
TOLERANCE = 1e-4
FIRST_DAMPING = 1e-3
LARGEST_DAMPING = 1e10
# An emitter's light ends here: 1e-6 of it is missing.
REACH_SIGMAS = 5.0
CONVERGED = -1


@compiled
def axis_shares(centre: float, sigma: float, first: int, last: int, shares: FloatArray) -> None:
    """Integrate a Gaussian over the pixels ``first`` to ``last`` of an axis; see :func:`.pixel_shares`.

    ``shares`` (8, n + 1) is filled in the columns of these pixels.
    """
    pixel_shares(centre - first, sigma, shares[:, first : last + 2])


@compiled
def reach_of(centre: float, sigma: float, n: int) -> tuple[int, int]:
    """Return the first and the last pixel of an axis that an emitter's light reaches."""
    reach = REACH_SIGMAS * sigma
    return max(math.ceil(centre - reach), 0), min(math.floor(centre + reach), n - 1)


@compiled
def linearize(
    pixels: Pixels,
    expected: bool,
    how: How,
    parameters: FloatArray,
    unknown: IntArray,
    gradient: FloatArray,
    curvature: FloatArray,
) -> float:
    """Evaluate the loss of some emitters, its gradient and its curvature.

    Parameters
    ----------
    pixels : (rows, columns, counts, extra), each of shape (n,)
        Counts not below 0.
    expected : bool
        Whether the curvature is the Fisher information, which is never negative, and not the second
        derivatives.
    how : (s, w, ...)
        Of which the width that is expected and 1 / variance of that are used here.
    parameters : ndarray of float64, shape (4 * emitters + 1,)
    unknown : ndarray of int64, shape (4 * emitters + 1,)
        Which unknown each parameter is.
    gradient : ndarray of float64, shape (unknowns,), filled
    curvature : ndarray of float64, shape (unknowns, unknowns)
        Lower triangle filled.

    Returns
    -------
    float
        The loss.
    """
    rows, columns, counts, extra = pixels
    n = parameters.size // PER_EMITTER
    last = parameters.size - 1
    background = parameters[last]
    height, width = rows.max() + 1, columns.max() + 1
    x_shares, y_shares = np.empty((n, 8, width + 1)), np.empty((n, 8, height + 1))
    reached = np.empty((n, 4), dtype=np.int64)
    for j in range(n):
        sigma = parameters[4 * j + 2]
        reached[j, 0], reached[j, 1] = reach_of(parameters[4 * j], sigma, width)
        reached[j, 2], reached[j, 3] = reach_of(parameters[4 * j + 1], sigma, height)
        axis_shares(parameters[4 * j], sigma, reached[j, 0], reached[j, 1], x_shares[j])
        axis_shares(parameters[4 * j + 1], sigma, reached[j, 2], reached[j, 3], y_shares[j])
    full = np.zeros(last + 1)
    # By emitter and emitter; the lower triangle of each pair's block is all that is needed of the diagonal.
    blocks = np.zeros((last + 1, last + 1))
    near = np.empty(n, dtype=np.int64)
    slopes_of = np.empty((n, 4))
    loss: float = 0.0
    for i in range(rows.size):
        row, column, z = rows[i], columns[i], counts[i]
        mean = background + extra[i]
        n_near = 0
        for j in range(n):
            if not (reached[j, 0] <= column <= reached[j, 1] and reached[j, 2] <= row <= reached[j, 3]):
                continue
            u, u_x, u_s = x_shares[j, 0, column], x_shares[j, 1, column], x_shares[j, 2, column]
            v, v_y, v_s = y_shares[j, 0, row], y_shares[j, 1, row], y_shares[j, 2, row]
            amplitude = parameters[4 * j + 3]
            slopes_of[n_near, 0] = amplitude * u_x * v
            slopes_of[n_near, 1] = amplitude * u * v_y
            slopes_of[n_near, 2] = amplitude * (u_s * v + u * v_s)
            slopes_of[n_near, 3] = u * v
            mean += amplitude * u * v
            near[n_near] = j
            n_near += 1
        inverse = 1.0 / mean
        ratio = z * inverse
        loss += mean
        if z > 0.0:
            loss -= z * math.log(mean)
        slope = 1.0 - ratio
        bend = inverse if expected else ratio * inverse
        full[last] += slope
        blocks[last, last] += bend
        for one in range(n_near):
            j = near[one]
            for k in range(4):
                bent = bend * slopes_of[one, k]
                full[4 * j + k] += slope * slopes_of[one, k]
                blocks[last, 4 * j + k] += bent
                for other in range(one):
                    first = 4 * near[other]
                    for m in range(4):
                        blocks[4 * j + k, first + m] += bent * slopes_of[other, m]
                for m in range(k + 1):
                    blocks[4 * j + k, 4 * j + m] += bent * slopes_of[one, m]
            if not expected:
                u, u_x, u_s = x_shares[j, 0, column], x_shares[j, 1, column], x_shares[j, 2, column]
                v, v_y, v_s = y_shares[j, 0, row], y_shares[j, 1, row], y_shares[j, 2, row]
                sigma = parameters[4 * j + 2]
                by_amplitude = slope * parameters[4 * j + 3]
                k = 4 * j
                blocks[k, k] += by_amplitude * u_s * v / sigma
                blocks[k + 1, k] += by_amplitude * u_x * v_y
                blocks[k + 1, k + 1] += by_amplitude * u * v_s / sigma
                blocks[k + 2, k] += by_amplitude * (x_shares[j, 3, column] * v + u_x * v_s)
                blocks[k + 2, k + 1] += by_amplitude * (u * y_shares[j, 3, row] + u_s * v_y)
                blocks[k + 2, k + 2] += by_amplitude * (
                    x_shares[j, 4, column] * v + 2.0 * u_s * v_s + u * y_shares[j, 4, row]
                )
                blocks[k + 3, k] += slope * u_x * v
                blocks[k + 3, k + 1] += slope * u * v_y
                blocks[k + 3, k + 2] += slope * (u_s * v + u * v_s)
    expected_sigma, precision = how[0], how[1]
    for j in range(n):
        off = parameters[4 * j + 2] - expected_sigma
        loss += 0.5 * precision * off * off
        full[4 * j + 2] += precision * off
        blocks[4 * j + 2, 4 * j + 2] += precision
    gradient[:] = 0.0
    curvature[:] = 0.0
    for k in range(last + 1):
        gradient[unknown[k]] += full[k]
        for m in range(k):
            one, other = max(unknown[k], unknown[m]), min(unknown[k], unknown[m])
            curvature[one, other] += blocks[k, m] * (2.0 if one == other else 1.0)
        curvature[unknown[k], unknown[k]] += blocks[k, k]
    return loss


@compiled
def unknowns(n: int, equal: bool) -> IntArray:
    """Return which unknown each parameter of n emitters is; the background is the last."""
    unknown = np.arange(PER_EMITTER * n + 1)
    if equal and n > 1:
        for j in range(n):
            for k in range(3):
                unknown[4 * j + k] = 3 * j + k
            unknown[4 * j + 3] = 3 * n
        unknown[4 * n] = 3 * n + 1
    return unknown


@compiled
def minimize(
    pixels: Pixels,
    how: How,
    parameters: FloatArray,
) -> tuple[float, int]:
    """Take Levenberg-Marquardt steps from ``parameters`` to the optimum; see ``gaussian_solver``.

    Returns the loss, and ``CONVERGED`` or else the index of the emitter that is most to blame: the one that
    left the pixels, has no plausible width, or is the dimmest.
    """
    rows, columns = pixels[0], pixels[1]
    height, width = rows.max() + 1, columns.max() + 1
    n = parameters.size // PER_EMITTER
    last = parameters.size - 1
    _, _, largest_sigma, equal, floor = how
    unknown = unknowns(n, equal)
    size = unknown[last] + 1
    if size < last + 1:
        total = 0.0
        for j in range(n):
            total += parameters[4 * j + 3]
        for j in range(n):
            parameters[4 * j + 3] = total / n
    gradient, trial_gradient, step = np.empty(size), np.empty(size), np.empty(size)
    curvature, trial_curvature = np.empty((size, size)), np.empty((size, size))
    factor = np.empty((size, size))
    trial = np.empty(last + 1)
    loss = linearize(pixels, OBSERVED, how, parameters, unknown, gradient, curvature)
    newton = True
    damping = FIRST_DAMPING
    converged = False
    for _ in range(MAX_STEPS):
        on_floor = parameters[last] <= floor and gradient[size - 1] > 0.0
        if not solve_damped(curvature, damping, gradient, size - 1 if on_floor else size, factor, step):
            if newton:
                newton = False
                linearize(pixels, EXPECTED, how, parameters, unknown, gradient, curvature)
            else:
                damping *= 10.0
                if not damping < LARGEST_DAMPING:
                    break
            continue
        largest = 0.0
        for k in range(last):
            value = parameters[k] - step[unknown[k]]
            kind = k % PER_EMITTER
            if kind < 2:
                value = min(max(value, parameters[k] - 1.0), parameters[k] + 1.0)
                largest = max(largest, abs(value - parameters[k]))
            else:
                lowest, highest = (0.5, 2.0) if kind == 2 else (0.1, np.inf)
                value = min(max(value, lowest * parameters[k]), highest * parameters[k])
                largest = max(largest, abs(value - parameters[k]) / parameters[k])
            trial[k] = value
        trial[last] = max(parameters[last] - step[size - 1], floor)
        for j in range(n):
            if not (-0.5 <= trial[4 * j] <= width - 0.5 and -0.5 <= trial[4 * j + 1] <= height - 0.5):
                return loss, j
        arrived = damping <= 1.0 and largest < TOLERANCE
        if newton and damping <= FIRST_DAMPING and largest < NEWTON_TOLERANCE:
            put(trial, parameters)
            converged = True
            break
        trial_loss = linearize(pixels, OBSERVED, how, trial, unknown, trial_gradient, trial_curvature)
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
            converged = newton
            break
        if not damping < LARGEST_DAMPING:
            break
    dimmest = 0
    for j in range(n):
        if not SMALLEST_SIGMA_PX <= parameters[4 * j + 2] <= largest_sigma:
            return loss, j
        if parameters[4 * j + 3] < parameters[4 * dimmest + 3]:
            dimmest = j
    return loss, CONVERGED if converged or n == 0 else dimmest


@compiled
def without(parameters: FloatArray, j: int) -> FloatArray:
    """Return the parameters of all emitters but number ``j``, and of the background."""
    fewer = np.empty(parameters.size - PER_EMITTER)
    put(parameters[: 4 * j], fewer[: 4 * j])
    put(parameters[4 * j + 4 :], fewer[4 * j :])
    return fewer


@compiled
def means_of(pixels: Pixels, parameters: FloatArray, means: FloatArray) -> None:
    """Fill in the mean count of each pixel."""
    rows, columns, _, extra = pixels
    n = parameters.size // PER_EMITTER
    height, width = rows.max() + 1, columns.max() + 1
    for i in range(means.size):
        means[i] = parameters[parameters.size - 1] + extra[i]
    x_shares, y_shares = np.empty((8, width + 1)), np.empty((8, height + 1))
    for j in range(n):
        sigma = parameters[4 * j + 2]
        left, right = reach_of(parameters[4 * j], sigma, width)
        top, bottom = reach_of(parameters[4 * j + 1], sigma, height)
        axis_shares(parameters[4 * j], sigma, left, right, x_shares)
        axis_shares(parameters[4 * j + 1], sigma, top, bottom, y_shares)
        for i in range(rows.size):
            if left <= columns[i] <= right and top <= rows[i] <= bottom:
                means[i] += parameters[4 * j + 3] * x_shares[0, columns[i]] * y_shares[0, rows[i]]
