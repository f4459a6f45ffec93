"""What several compiled kernels compute in the same way; see :mod:`._compiling` for how they may."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from blinkspot.localization._compiling import compiled, one_of_many

FloatArray = NDArray[np.float64]

# Which curvature of a loss is asked for: the expected one, never negative, or its second derivatives.
EXPECTED, OBSERVED = one_of_many(True), one_of_many(False)

_INVERSE_LOG_2, _LOG_2 = 1.4426950408889634, 0.6931471805599453
_LOG_2_HIGH, _LOG_2_LOW = float.fromhex("0x1.62e42fee00000p-1"), float.fromhex("0x1.a39ef35793c76p-33")
# Added to a number below 2^51, it leaves no room for a fraction.
_ROUNDING_SHIFT = 1.5 * 2.0**52
_BITS_OF_ROOT_HALF = 0x3FE6A09E667F3BCD


@compiled
def solve_damped(
    matrix: FloatArray, damping: float, right: FloatArray, size: int, factor: FloatArray, solution: FloatArray
) -> bool:
    """Solve the first ``size`` equations, the diagonal times 1 + damping, by Cholesky's method.

    The rest of the solution is 0. Returns False where the matrix (lower triangle) is not positive definite.
    """
    if not factorize(matrix, damping, size, factor):
        return False
    solve_factored(factor, right, size, solution)
    return True


@compiled
def factorize(matrix: FloatArray, damping: float, size: int, factor: FloatArray) -> bool:
    """Fill Cholesky's factor (lower triangle) of the matrix of :func:`solve_damped`; False as there.

    Its diagonal is filled with one over it.
    """
    for i in range(size):
        for j in range(i + 1):
            rest = matrix[i, j] * (1.0 + damping) if i == j else matrix[i, j]
            for k in range(j):
                rest -= factor[i, k] * factor[j, k]
            if i == j:
                if not rest > 0.0:
                    return False
                factor[i, i] = 1.0 / math.sqrt(rest)
            else:
                factor[i, j] = rest * factor[j, j]
    return True


@compiled
def solve_factored(factor: FloatArray, right: FloatArray, size: int, solution: FloatArray) -> None:
    """Solve equations whose factor is known from :func:`factorize`; the rest of the solution is 0."""
    solution[:] = 0.0
    for i in range(size):
        rest = right[i]
        for k in range(i):
            rest -= factor[i, k] * solution[k]
        solution[i] = rest * factor[i, i]
    for i in range(size - 1, -1, -1):
        rest = solution[i]
        for k in range(i + 1, size):
            rest -= factor[k, i] * solution[k]
        solution[i] = rest * factor[i, i]


@compiled
def inverse_diagonal(factor: FloatArray, size: int, solution: FloatArray, diagonal: FloatArray) -> None:
    """Fill the diagonal of the inverse of a matrix whose factor is known; ``solution`` is scratch space.

    With the factor L it is the squares of each column of the inverse of L, summed.
    """
    for k in range(size):
        solution[k] = factor[k, k]
        squares = solution[k] * solution[k]
        for i in range(k + 1, size):
            rest = 0.0
            for j in range(k, i):
                rest -= factor[i, j] * solution[j]
            solution[i] = rest * factor[i, i]
            squares += solution[i] * solution[i]
        diagonal[k] = squares


@compiled
def exponential(x: float) -> float:
    """Compute exp(x) for x from -700 (beyond it as there) to 0, to 4e-16 of it.

    Unlike a call of the C library it becomes part of the loop around it, several numbers at once.
    """
    x = max(x, -700.0)
    # To the nearest whole number, which then stands in the last bits.
    shifted = x * _INVERSE_LOG_2 + _ROUNDING_SHIFT
    halvings = shifted - _ROUNDING_SHIFT
    # In two parts, the first of which has bits to spare for the product.
    rest = (x - halvings * _LOG_2_HIGH) - halvings * _LOG_2_LOW
    series = 1.0 / 479001600.0
    series = series * rest + 1.0 / 39916800.0
    series = series * rest + 1.0 / 3628800.0
    series = series * rest + 1.0 / 362880.0
    series = series * rest + 1.0 / 40320.0
    series = series * rest + 1.0 / 5040.0
    series = series * rest + 1.0 / 720.0
    series = series * rest + 1.0 / 120.0
    series = series * rest + 1.0 / 24.0
    series = series * rest + 1.0 / 6.0
    series = series * rest + 0.5
    series = series * rest + 1.0
    series = series * rest + 1.0
    exponent = np.float64(shifted).view(np.int64) << 52
    power: float = np.int64(exponent + (1023 << 52)).view(np.float64)
    return series * power


@compiled
def logarithm(x: float) -> float:
    """Compute the natural logarithm of a normal number above 0 to 4e-16 of it; see :func:`exponential`.

    The number is a power of 2 times m, from sqrt(1/2) to sqrt(2); ``log m = 2 artanh((m - 1) / (m + 1))``.
    """
    bits = np.float64(x).view(np.int64)
    exponent = (bits - _BITS_OF_ROOT_HALF) >> 52
    mantissa = np.int64(bits - (exponent << 52)).view(np.float64)
    s = (mantissa - 1.0) / (mantissa + 1.0)
    square = s * s
    series = 1.0 / 19.0
    series = series * square + 1.0 / 17.0
    series = series * square + 1.0 / 15.0
    series = series * square + 1.0 / 13.0
    series = series * square + 1.0 / 11.0
    series = series * square + 1.0 / 9.0
    series = series * square + 1.0 / 7.0
    series = series * square + 1.0 / 5.0
    series = series * square + 1.0 / 3.0
    return np.float64(exponent) * _LOG_2 + (2.0 * s + 2.0 * s * square * series)


@compiled
def complement_of_erf(x: float, gaussian: float) -> float:
    """Compute erfc(x) of x >= 0 to 7e-16 of it, given exp(-x^2).

    ``(1 + 2 x) exp(x^2) erfc(x)`` is a polynomial in ``(x - 3) / (x + 3)`` (Shepherd & Laframboise 1981,
    Mathematics of Computation 36:249), here of degree 22, from a Chebyshev expansion at 40 digits.
    """
    t = (x - 3.0) / (x + 3.0)
    series = -3.1813541434969274e-09
    series = series * t - 7.641962892589975e-09
    series = series * t + 2.7843881265502222e-08
    series = series * t + 8.765881411730558e-08
    series = series * t - 1.205414228648938e-07
    series = series * t - 5.963983625522741e-07
    series = series * t + 3.3669790806407595e-07
    series = series * t + 3.454294770277738e-06
    series = series * t - 7.187883834404266e-07
    series = series * t - 2.0089997833284275e-05
    series = series * t + 4.94412434222366e-06
    series = series * t + 0.00012509531076254534
    series = series * t - 0.00010515831297813128
    series = series * t - 0.0007798312797290158
    series = series * t + 0.0018886900977441495
    series = series * t + 0.0025293916672051724
    series = series * t - 0.023770514891530075
    series = series * t + 0.06830802735638397
    series = series * t - 0.11927366341676002
    series = series * t + 0.12964515870228346
    series = series * t - 0.04756229435342038
    series = series * t - 0.13562110612457576
    series = series * t + 1.2530080582697296
    return gaussian * series / (1.0 + 2.0 * x)
