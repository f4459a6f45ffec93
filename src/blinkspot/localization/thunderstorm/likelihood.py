"""ThunderSTORM's maximum likelihood fit: the simplex method, stopped where ThunderSTORM stops it.

The method is that of Nelder & Mead (1965, Computer Journal 7:308) in O'Neill's version (1971, Applied
Statistics 20:338, algorithm AS 47), with a restart from a small simplex where a small step along an axis
still improves the result. It may end far from the optimum where photons are few, so that its steps have to be
followed one by one if its results are to be met.

ThunderSTORM hands 15 numbers to it, of which ten have no effect on the model. They cannot change a value, but
they add ten corners to the simplex, which holds back its moves. Here such corners have the five coordinates
that count, and are not evaluated where their value is known.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from blinkspot.localization._compiling import compiled
from blinkspot.localization._copying import put, put_all
from blinkspot.localization.thunderstorm.error_function import error_function

FloatArray = NDArray[np.float64]

# The parameters in their order: x, y, sigma (pixels), roots of intensity and offset (photons).
N_PARAMETERS = 5
N_AXES = 15
N_CORNERS = N_AXES + 1
# Axes of the parameters among all; the others are idle.
AXES = (0, 1, 3, 4, 5)
STEPS = (1.0, 1.0, 0.1, 3000.0, 10.0)
SMALL_STEP = 0.001
# Greatest sum of squared differences of the corners' values from their mean, at the end.
TOLERANCE = 1e-8 * N_AXES
MOVES_BETWEEN_CHECKS = 10
MAX_EVALUATIONS = 50_001
SMALLEST_LOG = -1e6


@compiled
def expect(parameters: FloatArray, shares: FloatArray, means: FloatArray) -> None:
    """Compute the mean photons of a window's pixels.

    Parameters
    ----------
    parameters : ndarray of float64, shape (5,)
        From the centre of the window.
    shares : ndarray of float64, shape (2, side)
        Filled with twice the share of the Gaussian in each column and row.
    means : ndarray of float64, shape (side, side)
        Filled.
    """
    side = means.shape[0]
    inverse = 1.0 / (math.sqrt(2.0) * parameters[2])
    for axis in range(2):
        left = error_function((-0.5 * side - parameters[axis]) * inverse)
        for i in range(side):
            right = error_function((i + 1 - 0.5 * side - parameters[axis]) * inverse)
            shares[axis, i] = right - left
            left = right
    quarter = 0.25 * parameters[3] * parameters[3]
    offset = parameters[4] * parameters[4]
    for row in range(side):
        for column in range(side):
            means[row, column] = offset + quarter * shares[0, column] * shares[1, row]


@compiled
def _evaluate(parameters: FloatArray, window: FloatArray, shares: FloatArray, means: FloatArray) -> float:
    """Return minus the logarithm of the Poisson likelihood, but for a constant."""
    expect(parameters, shares, means)
    total = 0.0
    for row in range(window.shape[0]):
        for column in range(window.shape[1]):
            mean = means[row, column]
            total += mean - window[row, column] * max(math.log(mean), SMALLEST_LOG)
    return total


@compiled
def _spread(
    start: FloatArray,
    scale: float,
    corners: FloatArray,
    values: FloatArray,
    window: FloatArray,
    shares: FloatArray,
    means: FloatArray,
) -> None:
    """Make the simplex of a point, its last corner, and one step from it along each axis."""
    value = _evaluate(start, window, shares, means)
    for corner in range(N_CORNERS):
        put(start, corners[corner])
        values[corner] = value
    for parameter in range(N_PARAMETERS):
        corner = AXES[parameter]
        corners[corner, parameter] += STEPS[parameter] * scale
        values[corner] = _evaluate(corners[corner], window, shares, means)


@compiled
def _improves_nearby(
    point: FloatArray, value: float, window: FloatArray, shares: FloatArray, means: FloatArray
) -> int:
    """Try a small step along each axis, both ways; where one is better, ``point`` is moved there.

    Returns the number of evaluations, negative where none was better.
    """
    for parameter in range(N_PARAMETERS):
        step = STEPS[parameter] * SMALL_STEP
        tried = 2 * AXES[parameter]
        point[parameter] += step
        if _evaluate(point, window, shares, means) < value:
            return tried + 1
        point[parameter] = point[parameter] - step - step
        if _evaluate(point, window, shares, means) < value:
            return tried + 2
        point[parameter] += step
    return -2 * N_AXES


@compiled
def _replace(corners: FloatArray, values: FloatArray, corner: int, point: FloatArray, value: float) -> None:
    for i in range(N_PARAMETERS):
        corners[corner, i] = point[i]
    values[corner] = value


@compiled
def _move(
    corners: FloatArray,
    values: FloatArray,
    best: int,
    points: FloatArray,
    window: FloatArray,
    shares: FloatArray,
    means: FloatArray,
) -> tuple[int, int]:
    """Replace the worst corner by a better point, or else draw all corners towards the best.

    Returns the corner that was replaced (-1 for all) and the number of evaluations.
    """
    centroid, reflected, other = points[0], points[1], points[2]
    worst = int(np.argmax(values))
    for i in range(N_PARAMETERS):
        total = 0.0
        for corner in range(N_CORNERS):
            total += corners[corner, i]
        centroid[i] = (total - corners[worst, i]) / N_AXES
        reflected[i] = centroid[i] + (centroid[i] - corners[worst, i])
    value = _evaluate(reflected, window, shares, means)
    if value < values[best]:
        for i in range(N_PARAMETERS):
            other[i] = centroid[i] + 2.0 * (reflected[i] - centroid[i])
        other_value = _evaluate(other, window, shares, means)
        if value < other_value:
            _replace(corners, values, worst, reflected, value)
        else:
            _replace(corners, values, worst, other, other_value)
        return worst, 2
    worse = 0
    for corner in range(N_CORNERS):
        worse += value < values[corner]
    if worse > 1:
        _replace(corners, values, worst, reflected, value)
        return worst, 1
    for i in range(N_PARAMETERS):
        towards = reflected[i] if worse == 1 else corners[worst, i]
        other[i] = centroid[i] + 0.5 * (towards - centroid[i])
    other_value = _evaluate(other, window, shares, means)
    if worse == 1 and value < other_value:
        _replace(corners, values, worst, reflected, value)
        return worst, 2
    if worse == 1 or other_value <= values[worst]:
        _replace(corners, values, worst, other, other_value)
        return worst, 2
    for corner in range(N_CORNERS):
        for i in range(N_PARAMETERS):
            corners[corner, i] = (corners[corner, i] + corners[best, i]) * 0.5
        values[corner] = _evaluate(corners[corner], window, shares, means)
    return -1, 2 + N_CORNERS


@compiled
def maximize_likelihood(
    point: FloatArray,
    window: FloatArray,
    corners: FloatArray,
    values: FloatArray,
    points: FloatArray,
    shares: FloatArray,
    means: FloatArray,
) -> int:
    """Move a point to where ThunderSTORM ends.

    Parameters
    ----------
    point : ndarray of float64, shape (5,)
        x and y from the centre of the window, sigma (pixels), roots of intensity and offset; changed.
    window : ndarray of float64, shape (side, side)
        Photons.
    corners, values, points, shares, means : ndarray of float64
        Scratch space of shapes (16, 5), (16,), (3, 5), (2, side) and (side, side).

    Returns
    -------
    int
        Evaluations of the likelihood as ThunderSTORM counts them.
    """
    evaluations = 0
    moves_left = MOVES_BETWEEN_CHECKS
    scale = 1.0
    while True:
        _spread(point, scale, corners, values, window, shares, means)
        evaluations += N_CORNERS
        best = int(np.argmin(values))
        while evaluations < MAX_EVALUATIONS:
            replaced, used = _move(corners, values, best, points, window, shares, means)
            evaluations += used
            if replaced < 0:
                best = int(np.argmin(values))
                continue
            if values[replaced] < values[best]:
                best = replaced
            moves_left -= 1
            if moves_left > 0 or evaluations > MAX_EVALUATIONS:
                continue
            moves_left = MOVES_BETWEEN_CHECKS
            mean = values.sum() / N_CORNERS
            squares = 0.0
            for corner in range(N_CORNERS):
                squares += (values[corner] - mean) ** 2
            if squares <= TOLERANCE:
                break
        put(corners[best], point)
        if evaluations > MAX_EVALUATIONS:
            return evaluations
        used = _improves_nearby(point, values[best], window, shares, means)
        evaluations += abs(used)
        if used < 0:
            return evaluations
        scale = SMALL_STEP


@compiled
def fit_likelihood(
    photons: FloatArray,
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    radius_px: int,
    initial_sigma_px: float,
    results: FloatArray,
    accepted: NDArray[np.bool_],
) -> None:
    """Fit an integrated Gaussian on a constant background around each pixel given.

    Parameters
    ----------
    photons : ndarray of float64, shape (height, width)
        Not below 0.
    rows, columns : ndarray of int64, shape (n,)
        Middles of the windows, which must lie in the frame.
    radius_px : int
    initial_sigma_px : float
    results : ndarray of float64, shape (n, 6)
        Filled: x, y, sigma (pixels of the frame), intensity, offset, standard deviation of the residual
        (photons).
    accepted : ndarray of bool, shape (n,)
        Filled: whether x and y are within the radius from the middle.
    """
    side = 2 * radius_px + 1
    window = np.empty((side, side))
    means = np.empty((side, side))
    shares = np.empty((2, side))
    corners = np.empty((N_CORNERS, N_PARAMETERS))
    values = np.empty(N_CORNERS)
    points = np.empty((3, N_PARAMETERS))
    point = np.empty(N_PARAMETERS)
    for index in range(rows.size):
        top, left = rows[index] - radius_px, columns[index] - radius_px
        put_all(photons[top : top + side, left : left + side], window)
        low = window.min()
        point[:2] = 0.0
        point[2] = initial_sigma_px
        point[3] = math.sqrt((window.max() - low) * 2.0 * math.pi * initial_sigma_px * initial_sigma_px)
        point[4] = math.sqrt(low)
        maximize_likelihood(point, window, corners, values, points, shares, means)
        accepted[index] = abs(point[0]) <= radius_px and abs(point[1]) <= radius_px
        expect(point, shares, means)
        results[index, 0] = columns[index] + point[0]
        results[index, 1] = rows[index] + point[1]
        results[index, 2] = abs(point[2])
        results[index, 3] = point[3] * point[3]
        results[index, 4] = point[4] * point[4]
        results[index, 5] = np.std(window - means)
