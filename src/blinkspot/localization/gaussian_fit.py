"""The compiled fit of an integrated Gaussian to small windows of pixels.

The model of a pixel's mean count is the Gaussian's integral over the pixel (Smith et al. 2010, Nature
Methods 7:373)::

    mean = background + amplitude * share(column; x, sigma) * share(row; y, sigma) + extra
    share(i; c, sigma) = (erf((i + 1/2 - c) / (sigma sqrt 2)) - erf((i - 1/2 - c) / (sigma sqrt 2))) / 2

The extra counts of a pixel are known: the variance of its read noise, where pixels differ in that (Huang et
al. 2013, Nature Methods 10:653). The five parameters stand in one order throughout: x, y, sigma (pixels),
amplitude, background (counts). The background is last so that it can be left out by solving for the first
four.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from blinkspot.localization._compiling import compiled

FloatArray = NDArray[np.float64]

N_PARAMETERS = 5
N_RESULTS = 8

# A Gaussian narrower than this has all its light in one pixel; one wider than half the window is background.
SMALLEST_SIGMA_PX = 0.3
LARGEST_SIGMA_WINDOWS = 0.5

MAX_STEPS = 100
TOLERANCE = 1e-4
FIRST_DAMPING = 1e-3
LARGEST_DAMPING = 1e10
# A Poisson likelihood needs a mean above 0: this part of the window's largest pixel at the least.
FLOOR = 1e-4
# Pixels below this part of the largest weigh as if they were it: ThunderSTORM's cap.
SMALLEST_WEIGHED = 1e-3


@compiled
def pixel_shares(centre: float, sigma: float, shares: FloatArray) -> None:
    """Integrate a Gaussian over the pixels 0, 1, 2, ... of one axis, and differentiate the integrals.

    Parameters
    ----------
    centre, sigma : float
        The Gaussian, pixels.
    shares : ndarray of float64, shape (5, n)
        Filled with the share of the Gaussian in each pixel, its derivatives by centre and by sigma, and its
        second derivatives by centre and sigma and by sigma twice. That by centre twice is the one by sigma
        over sigma (the heat equation).
    """
    inverse = 1.0 / sigma
    root_half = math.sqrt(0.5)
    height = inverse / math.sqrt(2.0 * math.pi)
    left = (-0.5 - centre) * inverse
    left_erf = math.erf(left * root_half)
    left_density = height * math.exp(-0.5 * left * left)
    for i in range(shares.shape[1]):
        right = (i + 0.5 - centre) * inverse
        right_erf = math.erf(right * root_half)
        right_density = height * math.exp(-0.5 * right * right)
        shares[0, i] = 0.5 * (right_erf - left_erf)
        shares[1, i] = left_density - right_density
        shares[2, i] = left * left_density - right * right_density
        left_bend = left * left - 1.0
        right_bend = right * right - 1.0
        shares[3, i] = (left_bend * left_density - right_bend * right_density) * inverse
        shares[4, i] = (
            (left_bend - 1.0) * left * left_density - (right_bend - 1.0) * right * right_density
        ) * inverse
        left, left_erf, left_density = right, right_erf, right_density


@compiled
def linearize(
    window: FloatArray,
    extra: FloatArray,
    weights: FloatArray,
    poisson: bool,
    parameters: FloatArray,
    shares: tuple[FloatArray, FloatArray],
    gradient: FloatArray,
    expected: FloatArray,
    observed: FloatArray,
) -> float:
    """Evaluate the loss of a window, its gradient and two curvatures.

    The loss is half the Poisson deviance, ``sum(mean - z + z log(z / mean))``, or half the squares,
    ``sum(weight * (mean - z)^2) / 2``.

    Parameters
    ----------
    window : ndarray of float64, shape (rows, columns)
        Counts, for Poisson not below 0. The centre of the first pixel is the origin of x and y.
    extra : ndarray of float64, shape (rows, columns)
        Known part of the mean counts.
    weights : ndarray of float64, shape (rows, columns)
        Weights of the squares; not used for Poisson.
    poisson : bool
        Which loss.
    parameters : ndarray of float64, shape (5,)
    shares : two ndarrays of float64, shape (5, columns) and (5, rows)
        Filled for x and y as by :func:`pixel_shares`.
    gradient : ndarray of float64, shape (5,), filled
    expected : ndarray of float64, shape (5, 5)
        Lower triangle filled with a curvature that is never negative: the Fisher information, or the
        Gauss-Newton matrix.
    observed : ndarray of float64, shape (5, 5)
        Lower triangle filled with the second derivatives.

    Returns
    -------
    float
        The loss.
    """
    x_shares, y_shares = shares
    pixel_shares(parameters[0], parameters[2], x_shares)
    pixel_shares(parameters[1], parameters[2], y_shares)
    sigma, amplitude, background = parameters[2], parameters[3], parameters[4]
    gradient[:] = 0.0
    expected[:] = 0.0
    observed[:] = 0.0
    loss = 0.0
    for row in range(window.shape[0]):
        v, v_c, v_s, v_cs, v_ss = y_shares[:, row]
        for column in range(window.shape[1]):
            u, u_c, u_s, u_cs, u_ss = x_shares[:, column]
            mean = background + amplitude * u * v + extra[row, column]
            z = window[row, column]
            if poisson:
                ratio = z / mean
                loss += mean - z
                if z > 0.0:
                    loss += z * math.log(ratio)
                slope = 1.0 - ratio
                expected_bend = 1.0 / mean
                observed_bend = ratio / mean
            else:
                expected_bend = observed_bend = weights[row, column]
                slope = observed_bend * (mean - z)
                loss += 0.5 * slope * (mean - z)
            by_sigma = u_s * v + u * v_s
            derivatives = (amplitude * u_c * v, amplitude * u * v_c, amplitude * by_sigma, u * v, 1.0)
            for i in range(N_PARAMETERS):
                gradient[i] += slope * derivatives[i]
                for j in range(i + 1):
                    product = derivatives[i] * derivatives[j]
                    expected[i, j] += expected_bend * product
                    observed[i, j] += observed_bend * product
            slope_amplitude = slope * amplitude
            observed[0, 0] += slope_amplitude * u_s * v / sigma
            observed[1, 0] += slope_amplitude * u_c * v_c
            observed[1, 1] += slope_amplitude * u * v_s / sigma
            observed[2, 0] += slope_amplitude * (u_cs * v + u_c * v_s)
            observed[2, 1] += slope_amplitude * (u * v_cs + u_s * v_c)
            observed[2, 2] += slope_amplitude * (u_ss * v + 2.0 * u_s * v_s + u * v_ss)
            observed[3, 0] += slope * u_c * v
            observed[3, 1] += slope * u * v_c
            observed[3, 2] += slope * by_sigma
    return loss


@compiled
def _solve(
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
def _minimize(
    window: FloatArray,
    extra: FloatArray,
    weights: FloatArray,
    poisson: bool,
    parameters: FloatArray,
    floor: float,
    shares: tuple[FloatArray, FloatArray],
    vectors: FloatArray,
    matrices: FloatArray,
) -> bool:
    """Take Levenberg-Marquardt steps from ``parameters`` to the optimum, sigma and amplitude above 0.

    A step follows the second derivatives where they bend upwards (Newton), else the expected curvature. The
    background stays at or above ``floor``. Returns whether the steps converged on a plausible molecule in the
    window. ``vectors`` (4, 5) and ``matrices`` (5, 5, 5) are scratch space.
    """
    rows, columns = window.shape
    gradient, trial_gradient, step, trial = vectors[0], vectors[1], vectors[2], vectors[3]
    expected, trial_expected = matrices[0], matrices[1]
    observed, trial_observed, factor = matrices[2], matrices[3], matrices[4]
    loss = linearize(window, extra, weights, poisson, parameters, shares, gradient, expected, observed)
    damping = FIRST_DAMPING
    for _ in range(MAX_STEPS):
        # A background on its floor that would go below is left out, else it would bend the other steps.
        on_floor = parameters[4] <= floor and gradient[4] > 0.0
        size = N_PARAMETERS - 1 if on_floor else N_PARAMETERS
        if not (
            _solve(observed, damping, gradient, size, factor, step)
            or _solve(expected, damping, gradient, size, factor, step)
        ):
            damping *= 10.0
            continue
        trial[0] = parameters[0] - min(max(step[0], -1.0), 1.0)
        trial[1] = parameters[1] - min(max(step[1], -1.0), 1.0)
        trial[2] = min(max(parameters[2] - step[2], 0.5 * parameters[2]), 2.0 * parameters[2])
        trial[3] = max(parameters[3] - step[3], 0.1 * parameters[3])
        trial[4] = max(parameters[4] - step[4], floor)
        if not (-0.5 <= trial[0] <= columns - 0.5 and -0.5 <= trial[1] <= rows - 0.5):
            return False
        # Strong damping makes any step small.
        arrived = (
            damping <= 1.0
            and abs(trial[0] - parameters[0]) < TOLERANCE
            and abs(trial[1] - parameters[1]) < TOLERANCE
            and abs(trial[2] - parameters[2]) < TOLERANCE * parameters[2]
            and abs(trial[3] - parameters[3]) < TOLERANCE * parameters[3]
        )
        trial_loss = linearize(
            window, extra, weights, poisson, trial, shares, trial_gradient, trial_expected, trial_observed
        )
        if trial_loss <= loss:
            loss = trial_loss
            parameters[:] = trial
            gradient, trial_gradient = trial_gradient, gradient
            expected, trial_expected = trial_expected, expected
            observed, trial_observed = trial_observed, observed
            damping *= 0.1
        else:
            damping *= 10.0
        if arrived:
            return bool(SMALLEST_SIGMA_PX <= parameters[2] <= LARGEST_SIGMA_WINDOWS * max(rows, columns))
        if not damping < LARGEST_DAMPING:
            return False
    return False


@compiled
def _position_variances(
    window: FloatArray,
    extra: FloatArray,
    weights: FloatArray,
    poisson: bool,
    parameters: FloatArray,
    shares: tuple[FloatArray, FloatArray],
    vectors: FloatArray,
    matrices: FloatArray,
) -> tuple[float, float, float]:
    """Predict the variances of x and y at the optimum, pixels^2, and the standard deviation of the residual.

    For maximum likelihood: the inverse of the observed information (Efron & Hinkley 1978, Biometrika 65:457).
    Its expectation is the Fisher information of the Cramer-Rao bound; where photons are few it is the
    better guide to the error of the fit at hand. For weighted least squares: the sandwich ``A^-1 B A^-1``
    (White 1982, Econometrica 50:1), A being the loss's second derivatives, ``B = J' W V W J``, J the
    derivatives of the means, W the weights and V the variances of the pixels: the fitted mean plus the mean
    residual, since weights from noisy pixels pull the fit below the data. NaN where the window does not
    determine the parameters. ``weights`` are overwritten.
    """
    gradient, right, to_x, to_y = vectors[0], vectors[1], vectors[2], vectors[3]
    x_shares, y_shares = shares
    expected, observed, spread, factor = matrices[0], matrices[1], matrices[2], matrices[3]
    linearize(window, extra, weights, poisson, parameters, shares, gradient, expected, observed)
    total = 0.0
    squares = 0.0
    for row in range(window.shape[0]):
        for column in range(window.shape[1]):
            mean = parameters[4] + parameters[3] * x_shares[0, column] * y_shares[0, row] + extra[row, column]
            residual = window[row, column] - mean
            total += residual
            squares += residual * residual
    mean_residual = total / window.size
    residual_std = math.sqrt(max(squares / window.size - mean_residual**2, 0.0))
    right[:] = 0.0
    right[0] = 1.0
    determined = _solve(observed, 0.0, right, N_PARAMETERS, factor, to_x)
    right[0], right[1] = 0.0, 1.0
    if not (determined and _solve(observed, 0.0, right, N_PARAMETERS, factor, to_y)):
        return np.nan, np.nan, residual_std
    if poisson:
        return to_x[0], to_y[1], residual_std
    for row in range(window.shape[0]):
        for column in range(window.shape[1]):
            mean = parameters[4] + parameters[3] * x_shares[0, column] * y_shares[0, row] + extra[row, column]
            weights[row, column] *= weights[row, column] * max(mean + mean_residual, 0.0)
    linearize(window, extra, weights, False, parameters, shares, gradient, spread, observed)
    variance_x = 0.0
    variance_y = 0.0
    for i in range(N_PARAMETERS):
        for j in range(N_PARAMETERS):
            entry = spread[max(i, j), min(i, j)]
            variance_x += to_x[i] * entry * to_x[j]
            variance_y += to_y[i] * entry * to_y[j]
    return variance_x, variance_y, residual_std


@compiled
def fit_windows(
    counts: NDArray[np.float32],
    extra: NDArray[np.float32],
    start: NDArray[np.float32],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    window_px: int,
    initial_sigma_px: float,
    poisson: bool,
    results: FloatArray,
    converged: NDArray[np.bool_],
) -> None:
    """Fit a window around each pixel given; at the frame's border it is the part that exists.

    Parameters
    ----------
    counts : ndarray of float32, shape (height, width)
        The pixels that are fitted, with variance equal to mean.
    extra : ndarray of float32, shape (height, width) or (0, 0)
        Known part of their means; (0, 0) for none.
    start : ndarray of float32, shape (height, width)
        The pixels that the start values are taken from.
    rows, columns : ndarray of int64, shape (n,)
        Middles of the windows.
    window_px : int
        Side of the window, odd.
    initial_sigma_px : float
    poisson : bool
        Maximum likelihood; else least squares with ThunderSTORM's weights, 1 / pixel but at most
        1000 / largest pixel.
    results : ndarray of float64, shape (n, 8)
        Filled: x, y, sigma (pixels of the frame), amplitude, background (counts), variances of x and y
        (square pixels), standard deviation of the residual (counts).
    converged : ndarray of bool, shape (n,)
        Filled: False where there is no molecule; its row of results is then not to be used.
    """
    height, width = counts.shape
    reach = window_px // 2
    pixels = np.zeros((3, window_px * window_px))
    axes = np.empty((2, 5 * window_px))
    vectors = np.empty((4, N_PARAMETERS))
    matrices = np.empty((5, N_PARAMETERS, N_PARAMETERS))
    parameters = np.empty(N_PARAMETERS)
    for index in range(rows.size):
        converged[index] = False
        top, bottom = max(rows[index] - reach, 0), min(rows[index] + reach + 1, height)
        left, right = max(columns[index] - reach, 0), min(columns[index] + reach + 1, width)
        shape = (bottom - top, right - left)
        window = pixels[0, : shape[0] * shape[1]].reshape(shape)
        weights = pixels[1, : shape[0] * shape[1]].reshape(shape)
        known = pixels[2, : shape[0] * shape[1]].reshape(shape)
        if extra.size > 0:
            known[:] = extra[top:bottom, left:right]
        shares = (
            axes[0, : 5 * shape[1]].reshape((5, shape[1])),
            axes[1, : 5 * shape[0]].reshape((5, shape[0])),
        )
        # Read noise may push a count below 0, where a Poisson likelihood is not defined.
        lowest = 0.0 if poisson else -np.inf
        window[:] = np.maximum(counts[top:bottom, left:right], lowest)
        largest = window.max()
        start_low = float(start[top:bottom, left:right].min())
        start_high = float(start[top:bottom, left:right].max())
        if not (largest > 0.0 and start_high > start_low):
            continue
        weights[:] = 1.0 / np.maximum(window, SMALLEST_WEIGHED * largest)
        parameters[0] = columns[index] - left
        parameters[1] = rows[index] - top
        parameters[2] = initial_sigma_px
        parameters[3] = (start_high - start_low) * 2.0 * math.pi * initial_sigma_px**2
        parameters[4] = max(start_low, 0.01 * largest)
        floor = FLOOR * largest
        if not _minimize(window, known, weights, poisson, parameters, floor, shares, vectors, matrices):
            continue
        x, y = left + parameters[0], top + parameters[1]
        if max(abs(x - columns[index]), abs(y - rows[index])) > reach:
            continue
        variance_x, variance_y, residual_std = _position_variances(
            window, known, weights, poisson, parameters, shares, vectors, matrices
        )
        if not variance_x + variance_y < np.inf:
            continue
        results[index, :2] = x, y
        results[index, 2:5] = parameters[2:5]
        results[index, 5:8] = variance_x, variance_y, residual_std
        converged[index] = True
