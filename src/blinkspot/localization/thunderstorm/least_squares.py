"""ThunderSTORM's least squares: the Levenberg-Marquardt method as it runs there.

The method is that of MINPACK: a step minimizes the linearized squares within a region of trust
(:mod:`.trust_region`), whose size follows how well the last step was predicted. Where a window has several
optima, the steps decide which is reported.

Intensity and offset are squares of the numbers that are varied. So an offset that starts from exactly 0, in a
window with an empty pixel, has no derivative and stays 0. The five parameters stand in one order throughout:
x, y from the centre of the window, sigma (pixels), roots of intensity and offset.

What is worked on lies in one array, ``pixels``, of shape (8, n): the window of side * side = n pixels, the
roots of their weights, the weighted residual, and its five derivatives but for the sign.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from blinkspot.localization._compiling import compiled
from blinkspot.localization._copying import put, put_all
from blinkspot.localization.thunderstorm.error_function import error_function
from blinkspot.localization.thunderstorm.trust_region import dot, factorize, scaled_length, step_within

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

N_PARAMETERS = 5
N_RESULTS = 6
WINDOW, ROOT_WEIGHTS, RESIDUAL, DERIVATIVES, N_ROWS = 0, 1, 2, 3, 8

# The first region of trust, in units of the length of the scaled parameters.
FIRST_REGION = 100.0
MAX_STEPS = 1001
# Of the parameters, relative and absolute; ThunderSTORM's check.
TOLERANCE = 1e-9
# Of the squares, the region of trust, and the cosine between residual and derivatives.
FINE_TOLERANCE = 1e-10
SMALLEST_ACCEPTED_GAIN = 1e-4
# Pixels below this part of the largest weigh as if they were it.
SMALLEST_WEIGHED = 1e-3


@compiled
def evaluate(parameters: FloatArray, pixels: FloatArray, shares: FloatArray) -> float:
    """Fill in the weighted residual, pixel minus model.

    Parameters
    ----------
    parameters : ndarray of float64, shape (5,)
    pixels : ndarray of float64, shape (8, side * side)
    shares : ndarray of float64, shape (2, 3, side)
        ``shares[:, 0]`` is filled with twice the share of the Gaussian in each column and row.

    Returns
    -------
    float
        The root of the sum of squares.
    """
    side = shares.shape[2]
    inverse = 1.0 / (math.sqrt(2.0) * parameters[2])
    for axis in range(2):
        left = error_function((-0.5 * side - parameters[axis]) * inverse)
        for i in range(side):
            right = error_function((i + 1 - 0.5 * side - parameters[axis]) * inverse)
            shares[axis, 0, i] = right - left
            left = right
    quarter = 0.25 * parameters[3] * parameters[3]
    offset = parameters[4] * parameters[4]
    squares = 0.0
    for row in range(side):
        for column in range(side):
            i = row * side + column
            mean = offset + quarter * shares[0, 0, column] * shares[1, 0, row]
            rest = pixels[ROOT_WEIGHTS, i] * (pixels[WINDOW, i] - mean)
            pixels[RESIDUAL, i] = rest
            squares += rest * rest
    return math.sqrt(squares)


@compiled
def differentiate(parameters: FloatArray, pixels: FloatArray, shares: FloatArray) -> None:
    """Fill in the weighted derivatives of the model, after :func:`evaluate` at the same parameters."""
    side = shares.shape[2]
    sigma = parameters[2]
    height = math.sqrt(2.0 / math.pi)
    for axis in range(2):
        left = -0.5 * side - parameters[axis]
        left_density = height * math.exp(-left * left / (2.0 * sigma * sigma))
        for i in range(side):
            right = i + 1 - 0.5 * side - parameters[axis]
            right_density = height * math.exp(-right * right / (2.0 * sigma * sigma))
            shares[axis, 1, i] = (left_density - right_density) / sigma
            shares[axis, 2, i] = (left_density * left - right_density * right) / (sigma * sigma)
            left, left_density = right, right_density
    quarter = 0.25 * parameters[3] * parameters[3]
    for row in range(side):
        v, v_y, v_sigma = shares[1, 0, row], shares[1, 1, row], shares[1, 2, row]
        for column in range(side):
            u, u_x, u_sigma = shares[0, 0, column], shares[0, 1, column], shares[0, 2, column]
            i = row * side + column
            weight = pixels[ROOT_WEIGHTS, i]
            pixels[DERIVATIVES, i] = weight * quarter * u_x * v
            pixels[DERIVATIVES + 1, i] = weight * quarter * u * v_y
            pixels[DERIVATIVES + 2, i] = weight * quarter * (u * v_sigma + u_sigma * v)
            pixels[DERIVATIVES + 3, i] = weight * 0.5 * parameters[3] * u * v
            pixels[DERIVATIVES + 4, i] = weight * 2.0 * parameters[4]


@compiled
def minimize_squares(
    parameters: FloatArray,
    pixels: FloatArray,
    shares: FloatArray,
    matrices: FloatArray,
    vectors: FloatArray,
    free: IntArray,
) -> bool:
    """Move parameters to where ThunderSTORM ends.

    Parameters
    ----------
    parameters : ndarray of float64, shape (5,)
        Changed.
    pixels : ndarray of float64, shape (8, side * side)
        The window and the roots of the weights; the rest is filled in.
    shares, matrices, vectors : ndarray of float64
        Scratch space of shapes (2, 3, side), (2, 5, 5) and (9, 5).
    free : ndarray of int64, shape (5,)
        Scratch space.

    Returns
    -------
    bool
        False where the numbers overflow, which ThunderSTORM rejects.
    """
    target, lengths, scales = vectors[3], vectors[4], vectors[5]
    free_scales, step, last = vectors[6], vectors[7], vectors[8]
    length = evaluate(parameters, pixels, shares)
    region = 0.0
    damping = 0.0
    n_steps = 0
    first = True
    while True:
        n_steps += 1
        differentiate(parameters, pixels, shares)
        n = factorize(pixels[DERIVATIVES:N_ROWS], pixels[RESIDUAL], lengths, free, matrices, target)
        factor = matrices[0]
        for i in range(N_PARAMETERS):
            if not lengths[i] < np.inf:
                return False
            if first:
                scales[i] = lengths[i] if lengths[i] != 0.0 else 1.0
        if first:
            region = FIRST_REGION * scaled_length(scales, parameters, N_PARAMETERS)
        largest_cosine = 0.0
        for j in range(n):
            product = 0.0
            for i in range(j + 1):
                product += factor[i, j] * target[i]
            largest_cosine = max(largest_cosine, abs(product) / (lengths[free[j]] * length))
        if largest_cosine <= FINE_TOLERANCE or length == 0.0:
            return True
        for i in range(N_PARAMETERS):
            scales[i] = max(scales[i], lengths[i])
            last[i] = parameters[i]
        for i in range(n):
            free_scales[i] = scales[free[i]]
        last_length = length
        gain = 0.0
        while gain < SMALLEST_ACCEPTED_GAIN:
            damping = step_within(matrices, target, free_scales, n, region, damping, vectors, step)
            put(last, parameters)
            for i in range(n):
                parameters[free[i]] += step[i]
            step_length = scaled_length(free_scales, step, n)
            if first:
                region = min(region, step_length)
            length = evaluate(parameters, pixels, shares)
            reduction = 1.0 - (length / last_length) ** 2 if 0.1 * length < last_length else -1.0
            linear = 0.0
            for i in range(n):
                linear += (dot(factor[i, i:n], step[i:n]) / last_length) ** 2
            damped = damping * (step_length / last_length) ** 2
            expected = linear + 2.0 * damped
            gain = reduction / expected if expected != 0.0 else 0.0
            if gain != gain:
                return False
            if gain <= 0.25:
                shrink = 0.5
                if reduction < 0.0:
                    shrink = 0.5 * (linear + damped) / (linear + damped - 0.5 * reduction)
                if 0.1 * length >= last_length or shrink < 0.1:
                    shrink = 0.1
                region = shrink * min(region, 10.0 * step_length)
                damping /= shrink
            elif damping == 0.0 or gain >= 0.75:
                region = 2.0 * step_length
                damping *= 0.5
            if gain >= SMALLEST_ACCEPTED_GAIN:
                first = False
                arrived = True
                for i in range(N_PARAMETERS):
                    change = abs(parameters[i] - last[i])
                    size = max(abs(parameters[i]), abs(last[i]))
                    arrived &= change <= TOLERANCE * size or change <= TOLERANCE
                if arrived or n_steps >= MAX_STEPS:
                    return True
            else:
                put(last, parameters)
            small = FINE_TOLERANCE * scaled_length(scales, parameters, N_PARAMETERS)
            unchanged = abs(reduction) <= FINE_TOLERANCE and expected <= FINE_TOLERANCE and gain <= 2.0
            if unchanged or region <= small:
                return True


@compiled
def fit_squares(
    pixels_adu: FloatArray,
    rows: IntArray,
    columns: IntArray,
    radius_px: int,
    initial_sigma_px: float,
    weighted: bool,
    results: FloatArray,
    accepted: NDArray[np.bool_],
) -> None:
    """Fit an integrated Gaussian on a constant background around each pixel given.

    Parameters
    ----------
    pixels_adu : ndarray of float64, shape (height, width)
        ADU above the base level, not below 0.
    rows, columns : ndarray of int64, shape (n,)
        Middles of the windows, which must lie in the frame.
    radius_px : int
    initial_sigma_px : float
    weighted : bool
        Weigh each pixel by 1 / its value, at most 1000 / the window's largest value; else all alike.
    results : ndarray of float64, shape (n, 6)
        Filled: x, y, sigma (pixels of the frame), intensity, offset, standard deviation of the residual
        (ADU).
    accepted : ndarray of bool, shape (n,)
        Filled: whether the steps converged, and x and y are within the radius from the middle.
    """
    side = 2 * radius_px + 1
    pixels = np.empty((N_ROWS, side * side))
    shares = np.empty((2, 3, side))
    matrices = np.empty((2, N_PARAMETERS, N_PARAMETERS))
    vectors = np.empty((9, N_PARAMETERS))
    free = np.empty(N_PARAMETERS, dtype=np.int64)
    parameters = np.empty(N_PARAMETERS)
    for index in range(rows.size):
        top, left = rows[index] - radius_px, columns[index] - radius_px
        window = pixels[WINDOW].reshape((side, side))
        put_all(pixels_adu[top : top + side, left : left + side], window)
        low, high = window.min(), window.max()
        pixels[ROOT_WEIGHTS] = 1.0
        if weighted:
            pixels[ROOT_WEIGHTS] = np.sqrt(1.0 / np.maximum(pixels[WINDOW], SMALLEST_WEIGHED * high))
        parameters[:2] = 0.0
        parameters[2] = initial_sigma_px
        parameters[3] = math.sqrt((high - low) * 2.0 * math.pi * initial_sigma_px * initial_sigma_px)
        parameters[4] = math.sqrt(low)
        converged = minimize_squares(parameters, pixels, shares, matrices, vectors, free)
        accepted[index] = converged and abs(parameters[0]) <= radius_px and abs(parameters[1]) <= radius_px
        pixels[ROOT_WEIGHTS] = 1.0
        evaluate(parameters, pixels, shares)
        results[index, 0] = columns[index] + parameters[0]
        results[index, 1] = rows[index] + parameters[1]
        results[index, 2] = abs(parameters[2])
        results[index, 3] = parameters[3] * parameters[3]
        results[index, 4] = parameters[4] * parameters[4]
        results[index, 5] = np.std(pixels[RESIDUAL])
