"""A step of the Levenberg-Marquardt method: the smallest linearized squares within a region of trust.

The method is that of MINPACK (Moré 1978, Lecture Notes in Mathematics 630:105), as ThunderSTORM runs it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from blinkspot.localization._compiling import compiled
from blinkspot.localization._copying import put

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

TRIES_OF_DAMPING = 11
TINY = 2.2250738585072014e-308


@compiled
def dot(one: FloatArray, other: FloatArray) -> float:
    """Return the scalar product of two vectors."""
    total = 0.0
    for i in range(one.size):
        total += one[i] * other[i]
    return total


@compiled
def _take_out(direction: FloatArray, vector: FloatArray) -> float:
    """Remove the part of a vector along a direction of length 1; return how long it was."""
    part = dot(direction, vector)
    for i in range(vector.size):
        vector[i] -= part * direction[i]
    return part


@compiled
def factorize(
    derivatives: FloatArray,
    residual: FloatArray,
    lengths: FloatArray,
    free: IntArray,
    matrices: FloatArray,
    target: FloatArray,
) -> int:
    """Factorize the derivatives that are independent into orthonormal ones and a triangle.

    By the modified method of Gram and Schmidt; derivatives and residual are overwritten.

    Returns the number n of such parameters; ``free[:n]`` are filled with them, ``matrices[0]`` (upper
    triangle) and ``target`` with the equations ``triangle @ step = target`` of the smallest squares,
    ``lengths`` with those of the derivatives.
    """
    factor, parts = matrices[0], matrices[1]
    n_parameters = derivatives.shape[0]
    for parameter in range(n_parameters):
        derivative = derivatives[parameter]
        lengths[parameter] = math.sqrt(dot(derivative, derivative))
    n_free = 0
    for parameter in range(n_parameters):
        direction = derivatives[parameter]
        squares = dot(direction, direction)
        if not squares > TINY:
            continue
        length = math.sqrt(squares)
        for i in range(direction.size):
            direction[i] /= length
        free[n_free] = parameter
        parts[n_free, parameter] = length
        for other in range(parameter + 1, n_parameters):
            parts[n_free, other] = _take_out(direction, derivatives[other])
        target[n_free] = _take_out(direction, residual)
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
def scaled_length(scales: FloatArray, step: FloatArray, n: int) -> float:
    """Return the length of a step's first ``n`` components, each times its scale."""
    squares = 0.0
    for i in range(n):
        squares += (scales[i] * step[i]) ** 2
    return math.sqrt(squares)


@compiled
def step_within(
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
    put(target[:n], step[:n])
    _solve_triangle(factor, step, n)
    length = scaled_length(scales, step, n)
    excess = length - region
    if excess <= 0.1 * region:
        return 0.0
    for j in range(n):
        gradient[j] = 0.0
        for i in range(j + 1):
            gradient[j] += factor[i, j] * target[i] / scales[j]
    steepness = math.sqrt(dot(gradient[:n], gradient[:n]))
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
        length = scaled_length(scales, step, n)
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
