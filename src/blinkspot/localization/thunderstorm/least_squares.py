"""ThunderSTORM's least squares: the Levenberg-Marquardt method as it runs there.

The method is that of MINPACK (Moré 1978, Lecture Notes in Mathematics 630:105): a step minimizes the
linearized squares within a region of trust, whose size follows how well the last step was predicted. Where a
window has several optima, the steps decide which is reported.

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
from blinkspot.localization.kernel_maths import error_function

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
TRIES_OF_DAMPING = 11
TINY = 2.2250738585072014e-308
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
def _product(one: FloatArray, other: FloatArray) -> float:
    total = 0.0
    for i in range(one.size):
        total += one[i] * other[i]
    return total


@compiled
def _take_out(direction: FloatArray, vector: FloatArray) -> float:
    """Remove the part of a vector along a direction of length 1; return how long it was."""
    part = _product(direction, vector)
    for i in range(vector.size):
        vector[i] -= part * direction[i]
    return part


@compiled
def _factorize(
    pixels: FloatArray, lengths: FloatArray, free: IntArray, matrices: FloatArray, target: FloatArray
) -> int:
    """Factorize the derivatives that are independent into orthonormal ones and a triangle.

    By the modified method of Gram and Schmidt; derivatives and residual are overwritten.

    Returns the number n of such parameters; ``free[:n]`` are filled with them, ``matrices[0]`` (upper
    triangle) and ``target`` with the equations ``triangle @ step = target`` of the smallest squares,
    ``lengths`` with those of the derivatives.
    """
    factor, parts = matrices[0], matrices[1]
    for parameter in range(N_PARAMETERS):
        derivative = pixels[DERIVATIVES + parameter]
        lengths[parameter] = math.sqrt(_product(derivative, derivative))
    n_free = 0
    for parameter in range(N_PARAMETERS):
        direction = pixels[DERIVATIVES + parameter]
        squares = _product(direction, direction)
        if not squares > TINY:
            continue
        length = math.sqrt(squares)
        for i in range(direction.size):
            direction[i] /= length
        free[n_free] = parameter
        parts[n_free, parameter] = length
        for other in range(parameter + 1, N_PARAMETERS):
            parts[n_free, other] = _take_out(direction, pixels[DERIVATIVES + other])
        target[n_free] = _take_out(direction, pixels[RESIDUAL])
        n_free += 1
    for i in range(n_free):
        for j in range(i, n_free):
            factor[i, j] = parts[i, free[j]]
    return n_free


@compiled
def _solve_triangle(factor: FloatArray, step: FloatArray, n: int) -> None:
    """Solve ``factor x = step`` in place."""
    for i in range(n - 1, -1, -1):
        for j in range(i + 1, n):
            step[i] -= factor[i, j] * step[j]
        step[i] /= factor[i, i]


@compiled
def _solve_damped(
    matrices: FloatArray, target: FloatArray, damping: FloatArray, n: int, row: FloatArray, step: FloatArray
) -> None:
    """Minimize ``|triangle @ step - target|^2 + |damping * step|^2`` by Givens rotations.

    ``matrices[1]`` is filled with the triangle of both, ``row`` is scratch space.
    """
    factor, damped = matrices[0], matrices[1]
    for i in range(n):
        step[i] = target[i]
        for j in range(i, n):
            damped[i, j] = factor[i, j]
    for i in range(n):
        for j in range(n):
            row[j] = damping[i] if i == j else 0.0
        rest = 0.0
        for j in range(i, n):
            if row[j] == 0.0:
                continue
            length = math.hypot(damped[j, j], row[j])
            cosine, sine = damped[j, j] / length, row[j] / length
            damped[j, j] = length
            step[j], rest = cosine * step[j] + sine * rest, cosine * rest - sine * step[j]
            for k in range(j + 1, n):
                above = damped[j, k]
                damped[j, k] = cosine * above + sine * row[k]
                row[k] = cosine * row[k] - sine * above
    _solve_triangle(damped, step, n)


@compiled
def _scaled_length(scales: FloatArray, step: FloatArray, n: int) -> float:
    squares = 0.0
    for i in range(n):
        squares += (scales[i] * step[i]) ** 2
    return math.sqrt(squares)


@compiled
def _step_within(
    matrices: FloatArray,
    target: FloatArray,
    scales: FloatArray,
    n: int,
    region: float,
    damping: float,
    vectors: FloatArray,
    step: FloatArray,
) -> float:
    """Find the damping whose step is as long as the region of trust, within a tenth; ``step`` is filled.

    Moré's iteration, with 0 as the lower bound: ThunderSTORM's problem always has parameters without effect.
    Returns the damping, 0 where the undamped step is short enough.
    """
    factor, damped = matrices[0], matrices[1]
    gradient, roots, row = vectors[0], vectors[1], vectors[2]
    step[:n] = target[:n]
    _solve_triangle(factor, step, n)
    length = _scaled_length(scales, step, n)
    excess = length - region
    if excess <= 0.1 * region:
        return 0.0
    for j in range(n):
        gradient[j] = 0.0
        for i in range(j + 1):
            gradient[j] += factor[i, j] * target[i] / scales[j]
    steepness = math.sqrt(_product(gradient[:n], gradient[:n]))
    low = 0.0
    high = max(steepness / region, TINY)
    damping = min(high, damping)
    if damping == 0.0:
        damping = steepness / length
    for _ in range(TRIES_OF_DAMPING):
        damping = damping if damping != 0.0 else max(TINY, 0.001 * high)
        for i in range(n):
            roots[i] = math.sqrt(damping) * scales[i]
        _solve_damped(matrices, target, roots, n, row, step)
        length = _scaled_length(scales, step, n)
        last_excess, excess = excess, length - region
        if abs(excess) <= 0.1 * region or (low == 0.0 and excess <= last_excess < 0.0):
            break
        squares = 0.0
        for j in range(n):
            roots[j] = scales[j] * scales[j] * step[j] / length
        for j in range(n):
            roots[j] /= damped[j, j]
            for i in range(j + 1, n):
                roots[i] -= damped[j, i] * roots[j]
            squares += roots[j] * roots[j]
        if excess > 0.0:
            low = max(low, damping)
        else:
            high = min(high, damping)
        damping = max(low, damping + excess / (region * squares))
    return damping


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
        n = _factorize(pixels, lengths, free, matrices, target)
        factor = matrices[0]
        for i in range(N_PARAMETERS):
            if not lengths[i] < np.inf:
                return False
            if first:
                scales[i] = lengths[i] if lengths[i] != 0.0 else 1.0
        if first:
            region = FIRST_REGION * _scaled_length(scales, parameters, N_PARAMETERS)
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
            damping = _step_within(matrices, target, free_scales, n, region, damping, vectors, step)
            parameters[:] = last
            for i in range(n):
                parameters[free[i]] += step[i]
            step_length = _scaled_length(free_scales, step, n)
            if first:
                region = min(region, step_length)
            length = evaluate(parameters, pixels, shares)
            reduction = 1.0 - (length / last_length) ** 2 if 0.1 * length < last_length else -1.0
            linear = 0.0
            for i in range(n):
                linear += (_product(factor[i, i:n], step[i:n]) / last_length) ** 2
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
                parameters[:] = last
            small = FINE_TOLERANCE * _scaled_length(scales, parameters, N_PARAMETERS)
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
        window[:] = pixels_adu[top : top + side, left : left + side]
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
