"""What several compiled kernels compute in the same way; see :mod:`._compiling` for how they may."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from blinkspot.localization._compiling import compiled

FloatArray = NDArray[np.float64]


@compiled
def solve_damped(
    matrix: FloatArray, damping: float, right: FloatArray, size: int, factor: FloatArray, solution: FloatArray
) -> bool:
    """Solve the first ``size`` equations, the diagonal times 1 + damping, by Cholesky's method.

    The rest of the solution is 0. Returns False where the matrix (lower triangle) is not positive definite.
    """
    for i in range(size):
        for j in range(i + 1):
            rest = matrix[i, j] * (1.0 + damping) if i == j else matrix[i, j]
            for k in range(j):
                rest -= factor[i, k] * factor[j, k]
            if i == j:
                if not rest > 0.0:
                    return False
                factor[i, i] = math.sqrt(rest)
            else:
                factor[i, j] = rest / factor[j, j]
    solution[:] = 0.0
    for i in range(size):
        rest = right[i]
        for k in range(i):
            rest -= factor[i, k] * solution[k]
        solution[i] = rest / factor[i, i]
    for i in range(size - 1, -1, -1):
        rest = solution[i]
        for k in range(i + 1, size):
            rest -= factor[k, i] * solution[k]
        solution[i] = rest / factor[i, i]
    return True


@compiled
def error_function(z: float) -> float:
    """Approximate erf to 1.2e-7 (Press et al. 1992, Numerical Recipes in C, section 6.2)."""
    t = 1.0 / (1.0 + 0.5 * abs(z))
    polynomial = 0.17087277
    polynomial = -0.82215223 + t * polynomial
    polynomial = 1.48851587 + t * polynomial
    polynomial = -1.13520398 + t * polynomial
    polynomial = 0.27886807 + t * polynomial
    polynomial = -0.18628806 + t * polynomial
    polynomial = 0.09678418 + t * polynomial
    polynomial = 0.37409196 + t * polynomial
    polynomial = 1.00002368 + t * polynomial
    return math.copysign(1.0 - t * math.exp(-z * z - 1.26551223 + t * polynomial), z)
