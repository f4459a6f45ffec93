"""The compiled fit of an integrated Gaussian to a small window of pixels.

The model of a pixel's mean, in counts, is the integral over the pixel's area (Smith et al. 2010, Nature Methods 7:373)::

    mean = background + photons * share(column; x, sigma) * share(row; y, sigma)
    share(i; c, sigma) = (erf((i + 1/2 - c) / (sigma sqrt 2)) - erf((i - 1/2 - c) / (sigma sqrt 2))) / 2

Its five parameters stand in this order everywhere here: x, y, sigma (pixels), amplitude, background (counts). The background is
last so that it can be left out of a step by solving for the first four.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from blinkspot.localization._compiling import compiled

FloatArray = NDArray[np.float64]

N_PARAMETERS = 5

# A Gaussian narrower than this has all its light in one pixel; one wider than half the window is background.
SMALLEST_SIGMA_PX = 0.3

MAX_STEPS = 60
# Fisher scoring converges linearly, a few times closer at each step: the last step bounds what is left.
TOLERANCE = 1e-4
FIRST_DAMPING = 1e-3
LARGEST_DAMPING = 1e10
# The mean is kept above this part of the window's largest pixel: a Poisson likelihood needs a mean above 0.
FLOOR = 1e-4


@compiled
def pixel_shares(
    first: float,
    centre: float,
    sigma: float,
    share: FloatArray,
    by_centre: FloatArray,
    by_sigma: FloatArray,
) -> None:
    """Integrate a Gaussian over the pixels of one axis, and differentiate the integrals.

    Parameters
    ----------
    first : float
        Position of the centre of the first pixel.
    centre, sigma : float
        The Gaussian, in pixels.
    share, by_centre, by_sigma : ndarray of float64, shape (n,)
        Filled with the share of the Gaussian in each pixel and its derivatives by centre and sigma.
    """
    left = first - 0.5 - centre
    scale = 1.0 / (math.sqrt(2.0) * sigma)
    height = 1.0 / (math.sqrt(2.0 * math.pi) * sigma)
    left_erf = math.erf(left * scale)
    left_density = height * math.exp(-((left * scale) ** 2))
    for i in range(share.size):
        right = left + 1.0
        right_erf = math.erf(right * scale)
        right_density = height * math.exp(-((right * scale) ** 2))
        share[i] = 0.5 * (right_erf - left_erf)
        by_centre[i] = left_density - right_density
        by_sigma[i] = (left * left_density - right * right_density) / sigma
        left, left_erf, left_density = right, right_erf, right_density


@compiled
def linearize(
    window: FloatArray,
    weights: FloatArray,
    poisson: bool,
    parameters: FloatArray,
    axes: FloatArray,
    gradient: FloatArray,
    curvature: FloatArray,
) -> float:
    """Evaluate the loss of a window with its gradient and curvature.

    The loss is half the Poisson deviance, ``sum(mean - z + z log(z / mean))``, with the Fisher information as its curvature; or
    half the weighted sum of squares, ``sum(weight * (mean - z)^2) / 2``, with the Gauss-Newton matrix.

    Parameters
    ----------
    window : ndarray of float64, shape (rows, columns)
        Counts. For Poisson none is below 0. Its first pixel is the origin of x and y.
    weights : ndarray of float64, shape (rows, columns)
        Weights of the squares; not looked at for Poisson.
    poisson : bool
        Which loss.
    parameters : ndarray of float64, shape (5,)
    axes : ndarray of float64, shape (6, longest side of a window)
        Scratch space.
    gradient, curvature : ndarray of float64, shape (5,) and (5, 5)
        Filled; of the curvature the lower triangle.

    Returns
    -------
    float
        The loss.
    """
    rows, columns = window.shape
    x_share, x_centre, x_sigma = axes[0, :columns], axes[1, :columns], axes[2, :columns]
    y_share, y_centre, y_sigma = axes[3, :rows], axes[4, :rows], axes[5, :rows]
    pixel_shares(0.0, parameters[0], parameters[2], x_share, x_centre, x_sigma)
    pixel_shares(0.0, parameters[1], parameters[2], y_share, y_centre, y_sigma)
    amplitude, background = parameters[3], parameters[4]
    gradient[:] = 0.0
    curvature[:] = 0.0
    loss = 0.0
    for row in range(rows):
        for column in range(columns):
            share = x_share[column] * y_share[row]
            mean = background + amplitude * share
            z = window[row, column]
            if poisson:
                loss += mean - z
                if z > 0.0:
                    loss += z * math.log(z / mean)
                slope = 1.0 - z / mean
                curve = 1.0 / mean
            else:
                curve = weights[row, column]
                slope = curve * (mean - z)
                loss += 0.5 * slope * (mean - z)
            d0 = amplitude * x_centre[column] * y_share[row]
            d1 = amplitude * x_share[column] * y_centre[row]
            d2 = amplitude * (x_sigma[column] * y_share[row] + x_share[column] * y_sigma[row])
            derivatives = (d0, d1, d2, share, 1.0)
            for i in range(N_PARAMETERS):
                gradient[i] += slope * derivatives[i]
                scaled = curve * derivatives[i]
                for j in range(i + 1):
                    curvature[i, j] += scaled * derivatives[j]
    return loss


@compiled
def solve(
    curvature: FloatArray,
    damping: float,
    right: FloatArray,
    size: int,
    factor: FloatArray,
    solution: FloatArray,
) -> bool:
    """Solve the first ``size`` damped equations by Cholesky's method.

    Parameters
    ----------
    curvature : ndarray of float64, shape (5, 5)
        Lower triangle of a symmetric matrix.
    damping : float
        The diagonal is multiplied by 1 + damping (Marquardt 1963).
    right : ndarray of float64, shape (5,)
        Right-hand side.
    size : int
        Number of equations; the rest of the solution is 0.
    factor : ndarray of float64, shape (5, 5)
        Scratch space.
    solution : ndarray of float64, shape (5,)
        Filled.

    Returns
    -------
    bool
        False where the matrix is not positive definite.
    """
    for i in range(size):
        for j in range(i + 1):
            total = curvature[i, j]
            if i == j:
                total *= 1.0 + damping
            for k in range(j):
                total -= factor[i, k] * factor[j, k]
            if i == j:
                if not total > 0.0:
                    return False
                factor[i, i] = math.sqrt(total)
            else:
                factor[i, j] = total / factor[j, j]
    solution[:] = 0.0
    for i in range(size):
        total = right[i]
        for k in range(i):
            total -= factor[i, k] * solution[k]
        solution[i] = total / factor[i, i]
    for i in range(size - 1, -1, -1):
        total = solution[i]
        for k in range(i + 1, size):
            total -= factor[k, i] * solution[k]
        solution[i] = total / factor[i, i]
    return True


@compiled
def minimize(
    window: FloatArray,
    weights: FloatArray,
    poisson: bool,
    parameters: FloatArray,
    floor: float,
    axes: FloatArray,
    vectors: FloatArray,
    matrices: FloatArray,
) -> bool:
    """Minimize a window's loss by Levenberg-Marquardt steps that keep sigma, amplitude and background positive.

    Parameters
    ----------
    window, weights, poisson, axes
        As for :func:`linearize`.
    parameters : ndarray of float64, shape (5,)
        The start; overwritten by the optimum.
    floor : float
        Smallest background.
    vectors, matrices : ndarray of float64, shape (4, 5) and (3, 5, 5)
        Scratch space.

    Returns
    -------
    bool
        Whether the steps converged on a molecule whose centre is in the window.
    """
    rows, columns = window.shape
    largest_sigma = 0.5 * max(rows, columns)
    gradient, trial_gradient, step, trial = vectors[0], vectors[1], vectors[2], vectors[3]
    curvature, trial_curvature, factor = matrices[0], matrices[1], matrices[2]
    loss = linearize(window, weights, poisson, parameters, axes, gradient, curvature)
    damping = FIRST_DAMPING
    for _ in range(MAX_STEPS):
        # A background that rests on its floor and would go below is left out, else it would bend the other steps.
        resting = parameters[4] <= floor and gradient[4] > 0.0
        size = N_PARAMETERS - 1 if resting else N_PARAMETERS
        if not solve(curvature, damping, gradient, size, factor, step):
            damping *= 10.0
            if damping > LARGEST_DAMPING:
                return False
            continue
        trial[0] = parameters[0] - min(max(step[0], -1.0), 1.0)
        trial[1] = parameters[1] - min(max(step[1], -1.0), 1.0)
        trial[2] = min(max(parameters[2] - step[2], 0.5 * parameters[2]), 2.0 * parameters[2])
        trial[3] = max(parameters[3] - step[3], 0.1 * parameters[3])
        trial[4] = max(parameters[4] - step[4], floor)
        if not (-0.5 <= trial[0] <= columns - 0.5 and -0.5 <= trial[1] <= rows - 0.5):
            return False
        small = (
            abs(trial[0] - parameters[0]) < TOLERANCE
            and abs(trial[1] - parameters[1]) < TOLERANCE
            and abs(trial[2] - parameters[2]) < TOLERANCE * parameters[2]
            and abs(trial[3] - parameters[3]) < TOLERANCE * parameters[3]
        )
        trial_loss = linearize(window, weights, poisson, trial, axes, trial_gradient, trial_curvature)
        if trial_loss <= loss:
            loss = trial_loss
            parameters[:] = trial
            gradient[:] = trial_gradient
            curvature[:] = trial_curvature
            # Strong damping makes any step small.
            if small and damping <= 1.0:
                return SMALLEST_SIGMA_PX <= parameters[2] <= largest_sigma
            damping *= 0.1
        else:
            if small and damping <= 1.0:
                return SMALLEST_SIGMA_PX <= parameters[2] <= largest_sigma
            damping *= 10.0
            if not damping < LARGEST_DAMPING:
                return False
    return False


@compiled
def position_variances(
    window: FloatArray,
    weights: FloatArray,
    poisson: bool,
    parameters: FloatArray,
    axes: FloatArray,
    vectors: FloatArray,
    matrices: FloatArray,
) -> tuple[float, float]:
    """Predict the variances of x and y of a fit, for pixels whose variance is their mean.

    For maximum likelihood this is the Cramer-Rao bound, the inverse of the Fisher information (Smith et al. 2010). For weighted
    least squares it is the sandwich ``A^-1 B A^-1`` with ``A = J' W J`` and ``B = J' W V W J``, J the derivatives of the means, W the
    weights and V the means (White 1982, Econometrica 50:1): the weights are those of noisy pixels, not the inverse variances.

    Parameters
    ----------
    window, weights, poisson, axes
        As for :func:`linearize`; ``weights`` are overwritten.
    parameters : ndarray of float64, shape (5,)
        The optimum.
    vectors, matrices : ndarray of float64, shape (4, 5) and (3, 5, 5)
        Scratch space.

    Returns
    -------
    variance_x, variance_y : float
        Square pixels; NaN where the window does not determine the parameters.
    """
    unused, right, by_x, by_y = vectors[0], vectors[1], vectors[2], vectors[3]
    curvature, spread, factor = matrices[0], matrices[1], matrices[2]
    linearize(window, weights, poisson, parameters, axes, unused, curvature)
    right[:] = 0.0
    right[0] = 1.0
    determined = solve(curvature, 0.0, right, N_PARAMETERS, factor, by_x)
    right[0], right[1] = 0.0, 1.0
    determined = determined and solve(curvature, 0.0, right, N_PARAMETERS, factor, by_y)
    if not determined:
        return np.nan, np.nan
    if poisson:
        return by_x[0], by_y[1]
    rows, columns = window.shape
    for row in range(rows):
        for column in range(columns):
            mean = parameters[4] + parameters[3] * axes[0, column] * axes[3, row]
            weights[row, column] *= weights[row, column] * mean
    linearize(window, weights, poisson, parameters, axes, unused, spread)
    variance_x = 0.0
    variance_y = 0.0
    for i in range(N_PARAMETERS):
        for j in range(N_PARAMETERS):
            entry = spread[max(i, j), min(i, j)]
            variance_x += by_x[i] * entry * by_x[j]
            variance_y += by_y[i] * entry * by_y[j]
    return variance_x, variance_y


@compiled
def _residual_std(window: FloatArray, parameters: FloatArray, axes: FloatArray) -> float:
    rows, columns = window.shape
    total = 0.0
    squares = 0.0
    for row in range(rows):
        for column in range(columns):
            residual = window[row, column] - parameters[4] - parameters[3] * axes[0, column] * axes[3, row]
            total += residual
            squares += residual * residual
    mean = total / window.size
    return math.sqrt(max(squares / window.size - mean * mean, 0.0))


@compiled
def fit_windows(
    counts: NDArray[np.float32],
    start: NDArray[np.float32],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    window_px: int,
    initial_sigma_px: float,
    poisson: bool,
    results: FloatArray,
    converged: NDArray[np.bool_],
) -> None:
    """Fit a window around each pixel given; at the frame's border the window is the part that exists.

    Parameters
    ----------
    counts : ndarray of float32, shape (height, width)
        The pixels that are fitted, with variance equal to mean.
    start : ndarray of float32, shape (height, width)
        The pixels that the start values are taken from.
    rows, columns : ndarray of int64, shape (n,)
        Middles of the windows.
    window_px : int
        Side of the window, odd.
    initial_sigma_px : float
    poisson : bool
        Maximum likelihood; else weighted least squares with ThunderSTORM's weights, 1 / pixel but at most 1000 / largest pixel.
    results : ndarray of float64, shape (n, 8)
        Filled: x, y, sigma (pixels of the frame), amplitude, background (counts), variances of x and y (square pixels), standard deviation
        of the residual (counts).
    converged : ndarray of bool, shape (n,)
        Filled: False where there is no molecule to be had; its result is then not to be used.
    """
    height, width = counts.shape
    reach = window_px // 2
    space = np.empty((2, window_px * window_px))
    axes = np.empty((6, window_px))
    vectors = np.empty((4, N_PARAMETERS))
    matrices = np.empty((3, N_PARAMETERS, N_PARAMETERS))
    parameters = np.empty(N_PARAMETERS)
    for index in range(rows.size):
        converged[index] = False
        top, bottom = max(rows[index] - reach, 0), min(rows[index] + reach + 1, height)
        left, right = max(columns[index] - reach, 0), min(columns[index] + reach + 1, width)
        n_pixels = (bottom - top) * (right - left)
        window = space[0, :n_pixels].reshape(bottom - top, right - left)
        weights = space[1, :n_pixels].reshape(bottom - top, right - left)
        largest = 0.0
        lowest_start, highest_start = np.inf, -np.inf
        for y in range(top, bottom):
            for x in range(left, right):
                value = float(counts[y, x])
                # Read noise may push a count below 0, where a Poisson likelihood is not defined.
                window[y - top, x - left] = max(value, 0.0) if poisson else value
                largest = max(largest, value)
                lowest_start = min(lowest_start, start[y, x])
                highest_start = max(highest_start, start[y, x])
        floor = FLOOR * largest
        if not (floor > 0.0 and highest_start > lowest_start):
            continue
        for y in range(bottom - top):
            for x in range(right - left):
                weights[y, x] = 1.0 / max(window[y, x], 1e-3 * largest)
        parameters[0] = columns[index] - left
        parameters[1] = rows[index] - top
        parameters[2] = initial_sigma_px
        parameters[3] = (highest_start - lowest_start) * 2.0 * math.pi * initial_sigma_px**2
        parameters[4] = max(float(lowest_start), 0.01 * largest)
        if not minimize(window, weights, poisson, parameters, floor, axes, vectors, matrices):
            continue
        x, y = left + parameters[0], top + parameters[1]
        if abs(x - columns[index]) > reach or abs(y - rows[index]) > reach:
            continue
        variance_x, variance_y = position_variances(
            window, weights, poisson, parameters, axes, vectors, matrices
        )
        if not variance_x + variance_y < np.inf:
            continue
        results[index, 0] = x
        results[index, 1] = y
        results[index, 2:5] = parameters[2:5]
        results[index, 5] = variance_x
        results[index, 6] = variance_y
        results[index, 7] = _residual_std(window, parameters, axes)
        converged[index] = True
