"""The compiled fit of an integrated Gaussian to small windows of pixels.

The model and its parameters are those of :mod:`.gaussian_model`, the search for the optimum is
:mod:`.gaussian_solver`'s; here are start values and uncertainties, and the way from window to window.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from blinkspot.localization._compiling import compiled
from blinkspot.localization._copying import put_all
from blinkspot.localization.fitting.gaussian_model import (
    MOST_PARAMETERS,
    FloatArray,
    Scratch,
    linearize,
    pixel_shares,
)
from blinkspot.localization.fitting.gaussian_solver import minimize
from blinkspot.localization.fitting.kernel_maths import EXPECTED, factorize, inverse_diagonal, solve_factored

N_RESULTS = 12

# The losses.
POISSON, LEAST_SQUARES, WEIGHTED_SQUARES = 0, 1, 2

# A Poisson likelihood needs a mean above 0: this part of the window's largest pixel at the least.
FLOOR = 1e-4
# Pixels below this part of the largest weigh as if they were it: ThunderSTORM's cap.
SMALLEST_WEIGHED = 1e-3
# A width known better than this is fixed.
SMALLEST_SIGMA_STD_PX = 1e-6


@compiled
def _variances(
    window: FloatArray,
    extra: FloatArray,
    weights: FloatArray,
    poisson: bool,
    sigma_prior: tuple[float, float],
    parameters: FloatArray,
    scratch: Scratch,
    vectors: FloatArray,
    matrices: FloatArray,
    variances: FloatArray,
) -> bool:
    """Predict the variances of the parameters at the optimum; False where the window does not determine them.

    For maximum likelihood: the inverse of the observed information, which ``matrices[0]`` holds (Efron &
    Hinkley 1978, Biometrika 65:457). Its expectation is the Fisher information of the Cramer-Rao bound; where
    photons are few it is the better guide to the error of the fit at hand. For least squares: the sandwich
    ``A^-1 B A^-1`` (White 1982, Econometrica 50:1), A being the loss's second derivatives,
    ``B = J' W V W J``, J the derivatives of the means, W the weights and V the variances of the pixels: the
    fitted mean plus the mean residual, since weights from noisy pixels pull the fit below the data.
    ``weights`` are overwritten.
    """
    n = parameters.size
    curvature, spread, factor = matrices[0, :n, :n], matrices[1, :n, :n], matrices[2, :n, :n]
    unit, solution = vectors[0, :n], vectors[1, :n]
    if not poisson:
        x_shares, y_shares, _ = scratch
        pixel_shares(parameters[0], parameters[2], x_shares)
        pixel_shares(parameters[1], parameters[n - 3], y_shares)
        variance = np.empty(window.shape)
        missing = 0.0
        for row in range(window.shape[0]):
            for column in range(window.shape[1]):
                mean = parameters[n - 1] + parameters[n - 2] * x_shares[0, column] * y_shares[0, row]
                variance[row, column] = mean + extra[row, column]
                missing += window[row, column] - variance[row, column]
        missing /= window.size
        for row in range(window.shape[0]):
            for column in range(window.shape[1]):
                weights[row, column] *= weights[row, column] * max(variance[row, column] + missing, 0.0)
        linearize(window, extra, weights, poisson, EXPECTED, sigma_prior, parameters, scratch, unit, spread)
    if not factorize(curvature, 0.0, n, factor):
        return False
    if poisson:
        inverse_diagonal(factor, n, solution, variances)
        return True
    for k in range(n):
        unit[:] = 0.0
        unit[k] = 1.0
        solve_factored(factor, unit, n, solution)
        variances[k] = 0.0
        for i in range(n):
            for j in range(n):
                variances[k] += solution[i] * spread[max(i, j), min(i, j)] * solution[j]
    return True


@compiled
def _guess(
    picture: NDArray[np.float32],
    row: int,
    column: int,
    reach: int,
    sigma: float,
    parameters: FloatArray,
) -> None:
    """Set the start: the background from the window's edge, light and centre from the 5 x 5 middle pixels."""
    n = parameters.size
    height, width = picture.shape
    edge = 0.0
    n_edge = 0
    for y in range(height):
        for x in range(width):
            if max(abs(y - row), abs(x - column)) == reach:
                edge += picture[y, x]
                n_edge += 1
    background = edge / max(n_edge, 1)
    light = light_x = light_y = 0.0
    for y in range(max(row - 2, 0), min(row + 3, height)):
        for x in range(max(column - 2, 0), min(column + 3, width)):
            value = picture[y, x] - background
            light += value
            light_x += value * (x - column)
            light_y += value * (y - row)
    light = max(light, 2.0 * (picture[row, column] - background))
    parameters[0] = column + min(max(light_x / light, -0.5), 0.5)
    parameters[1] = row + min(max(light_y / light, -0.5), 0.5)
    parameters[2 : n - 2] = sigma
    parameters[n - 2] = light
    parameters[n - 1] = background


@compiled
def fit_windows(
    counts: NDArray[np.float32],
    extra: NDArray[np.float32],
    start: NDArray[np.float32],
    frames: NDArray[np.int64],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    window_px: int,
    initial_sigma_px: float,
    sigma_std_px: float,
    elliptical: bool,
    method: int,
    results: FloatArray,
    converged: NDArray[np.bool_],
) -> None:
    """Fit a window around each pixel given; at its frame's border it is the part that exists.

    Parameters
    ----------
    counts : ndarray of float32, shape (n_frames, height, width)
        The pixels that are fitted, with variance equal to mean.
    extra : ndarray of float32, shape (height, width) or (0, 0)
        Known part of their means; (0, 0) for none.
    start : ndarray of float32, shape (n_frames, height, width)
        The pixels that the start values are taken from.
    frames, rows, columns : ndarray of int64, shape (n,)
        Middles of the windows.
    window_px : int
        Side of the window, odd.
    initial_sigma_px : float
        The width to start from, and the one that is expected where ``sigma_std_px`` is finite.
    sigma_std_px : float
        How well the width is known: infinite for a free one, 0 for a fixed one.
    elliptical : bool
        Whether the widths along x and y differ.
    method : int
        ``POISSON`` for maximum likelihood, ``LEAST_SQUARES``, or ``WEIGHTED_SQUARES`` with ThunderSTORM's
        weights, 1 / pixel but at most 1000 / largest pixel. Least squares weigh 1 / mean pixel, so that a
        loss is comparable with what is known of the width.
    results : ndarray of float64, shape (n, 12)
        Filled: x, y, sigma_x, sigma_y (pixels of the frame), amplitude, background (counts), and the
        variances of these six.
    converged : ndarray of bool, shape (n,)
        Filled: False where there is no molecule; its row of results is then not to be used.
    """
    height, width = counts.shape[1:]
    reach = window_px // 2
    poisson = method == POISSON
    n = MOST_PARAMETERS if elliptical else MOST_PARAMETERS - 1
    pixels = np.zeros((3, window_px * window_px))
    axes = np.empty((2, 8 * (window_px + 1)))
    values = np.empty((3, window_px * window_px))
    vectors = np.empty((4, MOST_PARAMETERS))
    matrices = np.empty((3, MOST_PARAMETERS, MOST_PARAMETERS))
    parameters = np.empty(n)
    variances = np.empty(n)
    sigma_prior = (initial_sigma_px, 1.0 / max(sigma_std_px, SMALLEST_SIGMA_STD_PX) ** 2)
    for index in range(rows.size):
        converged[index] = False
        picture, start_picture = counts[frames[index]], start[frames[index]]
        top, bottom = max(rows[index] - reach, 0), min(rows[index] + reach + 1, height)
        left, right = max(columns[index] - reach, 0), min(columns[index] + reach + 1, width)
        shape = (bottom - top, right - left)
        window = pixels[0, : shape[0] * shape[1]].reshape(shape)
        weights = pixels[1, : shape[0] * shape[1]].reshape(shape)
        known = pixels[2, : shape[0] * shape[1]].reshape(shape)
        x_shares = axes[0, : 8 * (shape[1] + 1)].reshape((8, shape[1] + 1))
        y_shares = axes[1, : 8 * (shape[0] + 1)].reshape((8, shape[0] + 1))
        scratch = (x_shares, y_shares, values)
        # Read noise may push a count below 0, where a Poisson likelihood is not defined.
        lowest = 0.0 if poisson else -np.inf
        largest = -np.inf
        start_low, start_high = np.inf, -np.inf
        total = 0.0
        for row in range(shape[0]):
            for column in range(shape[1]):
                value = max(float(picture[top + row, left + column]), lowest)
                window[row, column] = value
                total += value
                largest = max(largest, value)
                value = float(start_picture[top + row, left + column])
                start_low = min(start_low, value)
                start_high = max(start_high, value)
        if not (0.0 < largest < np.inf and start_high > start_low):
            continue
        if extra.size > 0:
            put_all(extra[top:bottom, left:right], known)
        if not poisson:
            least = max(total / window.size, SMALLEST_WEIGHED * largest)
            for row in range(shape[0]):
                for column in range(shape[1]):
                    value = max(window[row, column], SMALLEST_WEIGHED * largest)
                    weights[row, column] = 1.0 / (value if method == WEIGHTED_SQUARES else least)
        row, column = rows[index] - top, columns[index] - left
        _guess(start_picture[top:bottom, left:right], row, column, reach, initial_sigma_px, parameters)
        parameters[n - 2] = max(parameters[n - 2], 0.01 * largest)
        parameters[n - 1] = max(parameters[n - 1], 0.01 * largest)
        floor = FLOOR * largest
        if not minimize(
            window, known, weights, poisson, sigma_prior, parameters, floor, scratch, vectors, matrices
        ):
            continue
        x, y = left + parameters[0], top + parameters[1]
        if max(abs(x - columns[index]), abs(y - rows[index])) > reach:
            continue
        result = results[index]
        if not _variances(
            window, known, weights, poisson, sigma_prior, parameters, scratch, vectors, matrices, variances
        ):
            continue
        if not variances[0] + variances[1] < np.inf:
            continue
        result[0], result[1], result[2], result[3] = x, y, parameters[2], parameters[n - 3]
        result[4], result[5] = parameters[n - 2], parameters[n - 1]
        result[6], result[7] = variances[0], variances[1]
        result[8], result[9] = variances[2], variances[n - 3]
        result[10], result[11] = variances[n - 2], variances[n - 1]
        converged[index] = True
