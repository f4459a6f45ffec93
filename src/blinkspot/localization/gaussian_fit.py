"""The compiled fit of an integrated Gaussian to small windows of pixels.

The model of a pixel's mean count is the Gaussian's integral over the pixel (Smith et al. 2010, Nature
Methods 7:373)::

    mean = background + amplitude * share(column; x, sigma_x) * share(row; y, sigma_y) + extra
    share(i; c, sigma) = (erf((i + 1/2 - c) / (sigma sqrt 2)) - erf((i - 1/2 - c) / (sigma sqrt 2))) / 2

The extra counts of a pixel are known: the variance of its read noise, where pixels differ in that (Huang et
al. 2013, Nature Methods 10:653). The parameters stand in one order throughout: x, y, sigma (pixels; two of
them, sigma_x and sigma_y, for an elliptical Gaussian), amplitude, background (counts). The background is last
so that it can be left out by solving for those before it.

All but the solver stands in one file: numba keeps a compiled function as long as that function's own file is
unchanged (see :func:`~blinkspot.localization._compiling.compiled`).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from blinkspot.localization._compiling import compiled
from blinkspot.localization.kernel_maths import solve_damped

FloatArray = NDArray[np.float64]

MOST_PARAMETERS = 6
N_RESULTS = 12

# The losses.
POISSON, LEAST_SQUARES, WEIGHTED_SQUARES = 0, 1, 2

# A Gaussian narrower than this has all its light in one pixel; one wider than half the window is background.
SMALLEST_SIGMA_PX = 0.3
LARGEST_SIGMA_WINDOWS = 0.5

MAX_STEPS = 100
# A step this small, or the first after it, ends the search: Newton's steps square what is missing.
NEWTON_TOLERANCE = 1e-3
TOLERANCE = 1e-4
BACKGROUND_MATTERS = 0.1
FIRST_DAMPING = 1e-3
LARGEST_DAMPING = 1e10
# A Poisson likelihood needs a mean above 0: this part of the window's largest pixel at the least.
FLOOR = 1e-4
# Pixels below this part of the largest weigh as if they were it: ThunderSTORM's cap.
SMALLEST_WEIGHED = 1e-3
# A width known better than this is fixed.
SMALLEST_SIGMA_STD_PX = 1e-6


@compiled
def pixel_shares(centre: float, sigma: float, shares: FloatArray) -> None:
    """Integrate a Gaussian over the pixels 0, 1, 2, ... of one axis, and differentiate the integrals.

    Parameters
    ----------
    centre, sigma : float
        The Gaussian, pixels.
    shares : ndarray of float64, shape (n, 5)
        Filled, for each pixel, with the share of the Gaussian, its derivatives by centre and by sigma, and
        its second derivatives by centre and sigma and by sigma twice. That by centre twice is the one by
        sigma over sigma (the heat equation).
    """
    inverse = 1.0 / sigma
    root_half = math.sqrt(0.5)
    height = inverse / math.sqrt(2.0 * math.pi)
    left = (-0.5 - centre) * inverse
    left_erf = math.erf(left * root_half)
    left_density = height * math.exp(-0.5 * left * left)
    for i in range(shares.shape[0]):
        right = (i + 0.5 - centre) * inverse
        right_erf = math.erf(right * root_half)
        right_density = height * math.exp(-0.5 * right * right)
        shares[i, 0] = 0.5 * (right_erf - left_erf)
        shares[i, 1] = left_density - right_density
        shares[i, 2] = left * left_density - right * right_density
        left_bend = left * left - 1.0
        right_bend = right * right - 1.0
        shares[i, 3] = (left_bend * left_density - right_bend * right_density) * inverse
        shares[i, 4] = (
            (left_bend - 1.0) * left * left_density - (right_bend - 1.0) * right * right_density
        ) * inverse
        left, left_erf, left_density = right, right_erf, right_density


@compiled
def linearize(
    window: FloatArray,
    extra: FloatArray,
    weights: FloatArray,
    poisson: bool,
    expected: bool,
    sigma_prior: tuple[float, float],
    parameters: FloatArray,
    shares: tuple[FloatArray, FloatArray],
    gradient: FloatArray,
    curvature: FloatArray,
) -> float:
    """Evaluate the loss of a window, its gradient and its curvature.

    The loss is the Poisson likelihood's, ``sum(mean - z log(mean))``, or half the squares,
    ``sum(weight * (mean - z)^2) / 2``; and ``(sigma - s)^2 w / 2`` for every width of which something is
    known.

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
    expected : bool
        Whether the curvature is the one that is never negative, the Fisher information or the Gauss-Newton
        matrix, and not the second derivatives.
    sigma_prior : (float, float)
        The width that is expected, s, pixels, and 1 / variance of that, w.
    parameters : ndarray of float64, shape (5,) or (6,)
        Six for an elliptical Gaussian.
    shares : two ndarrays of float64, shape (columns, 5) and (rows, 5)
        Filled for x and y as by :func:`pixel_shares`.
    gradient : ndarray of float64, shape (n,), filled
    curvature : ndarray of float64, shape (n, n)
        Lower triangle filled.

    Returns
    -------
    float
        The loss.
    """
    x_shares, y_shares = shares
    n = parameters.size
    sigma_x, sigma_y = parameters[2], parameters[n - 3]
    amplitude, background = parameters[n - 2], parameters[n - 1]
    pixel_shares(parameters[0], sigma_x, x_shares)
    pixel_shares(parameters[1], sigma_y, y_shares)
    # The model is a product of a function of the column and one of the row, so sums over a row's pixels, of
    # the loss's slopes and bends times functions of the column, are all that a row adds. In names: x and y
    # the position, s and t the widths along x and y, a the amplitude, b the background.
    bent = 0.0 if expected else 1.0
    loss: float = 0.0
    g_x = g_y = g_s = g_t = g_a = g_b = 0.0
    xx = xy = yy = xs = ys = ss = xt = yt = st = tt = 0.0
    xa = ya = sa = ta = aa = xb = yb = sb = tb = ab = bb = 0.0
    for row in range(window.shape[0]):
        v, v_y, v_t = y_shares[row, 0], y_shares[row, 1], y_shares[row, 2]
        slopes = slopes_u = slopes_x = slopes_s = slopes_xs = slopes_ss = 0.0
        bends = bends_u = bends_x = bends_s = 0.0
        bends_uu = bends_ux = bends_us = bends_xx = bends_xs = bends_ss = 0.0
        for column in range(window.shape[1]):
            u, u_x, u_s = x_shares[column, 0], x_shares[column, 1], x_shares[column, 2]
            mean = background + amplitude * u * v + extra[row, column]
            z = window[row, column]
            if poisson:
                inverse = 1.0 / mean
                ratio = z * inverse
                loss += mean
                if z > 0.0:
                    loss -= z * math.log(mean)
                slope = 1.0 - ratio
                bend = inverse if expected else ratio * inverse
            else:
                bend = weights[row, column]
                slope = bend * (mean - z)
                loss += 0.5 * slope * (mean - z)
            slopes += slope
            slopes_u += slope * u
            slopes_x += slope * u_x
            slopes_s += slope * u_s
            slopes_xs += slope * x_shares[column, 3]
            slopes_ss += slope * x_shares[column, 4]
            bend_u, bend_x, bend_s = bend * u, bend * u_x, bend * u_s
            bends += bend
            bends_u += bend_u
            bends_x += bend_x
            bends_s += bend_s
            bends_uu += bend_u * u
            bends_ux += bend_x * u
            bends_us += bend_s * u
            bends_xx += bend_x * u_x
            bends_xs += bend_x * u_s
            bends_ss += bend_s * u_s
        g_x += slopes_x * v
        g_y += slopes_u * v_y
        g_s += slopes_s * v
        g_t += slopes_u * v_t
        g_a += slopes_u * v
        g_b += slopes
        v_v, v_yv, v_tv = v * v, v_y * v, v_t * v
        xx += amplitude * bends_xx * v_v + bent * slopes_s * v / sigma_x
        xy += amplitude * bends_ux * v_yv + bent * slopes_x * v_y
        yy += amplitude * bends_uu * v_y * v_y + bent * slopes_u * v_t / sigma_y
        xs += amplitude * bends_xs * v_v + bent * slopes_xs * v
        ys += amplitude * bends_us * v_yv + bent * slopes_s * v_y
        ss += amplitude * bends_ss * v_v + bent * slopes_ss * v
        xt += amplitude * bends_ux * v_tv + bent * slopes_x * v_t
        yt += amplitude * bends_uu * v_y * v_t + bent * slopes_u * y_shares[row, 3]
        st += amplitude * bends_us * v_tv + bent * slopes_s * v_t
        tt += amplitude * bends_uu * v_t * v_t + bent * slopes_u * y_shares[row, 4]
        xa += amplitude * bends_ux * v_v + bent * slopes_x * v
        ya += amplitude * bends_uu * v_yv + bent * slopes_u * v_y
        sa += amplitude * bends_us * v_v + bent * slopes_s * v
        ta += amplitude * bends_uu * v_tv + bent * slopes_u * v_t
        aa += bends_uu * v_v
        xb += bends_x * v
        yb += bends_u * v_y
        sb += bends_s * v
        tb += bends_u * v_t
        ab += bends_u * v
        bb += bends
    expected_sigma, precision = sigma_prior
    off_s, off_t = sigma_x - expected_sigma, sigma_y - expected_sigma
    loss += 0.5 * precision * off_s * off_s
    gradient[0], gradient[1] = amplitude * g_x, amplitude * g_y
    curvature[0, 0], curvature[1, 0], curvature[1, 1] = amplitude * xx, amplitude * xy, amplitude * yy
    if n == MOST_PARAMETERS:
        loss += 0.5 * precision * off_t * off_t
        gradient[2] = amplitude * g_s + precision * off_s
        gradient[3] = amplitude * g_t + precision * off_t
        curvature[2, 0], curvature[2, 1] = amplitude * xs, amplitude * ys
        curvature[2, 2] = amplitude * ss + precision
        curvature[3, 0], curvature[3, 1], curvature[3, 2] = amplitude * xt, amplitude * yt, amplitude * st
        curvature[3, 3] = amplitude * tt + precision
        curvature[4, 2], curvature[4, 3] = sa, ta
        curvature[5, 2], curvature[5, 3] = amplitude * sb, amplitude * tb
    else:
        gradient[2] = amplitude * (g_s + g_t) + precision * off_s
        curvature[2, 0], curvature[2, 1] = amplitude * (xs + xt), amplitude * (ys + yt)
        curvature[2, 2] = amplitude * (ss + 2.0 * st + tt) + precision
        curvature[3, 2] = sa + ta
        curvature[4, 2] = amplitude * (sb + tb)
    gradient[n - 2], gradient[n - 1] = g_a, g_b
    curvature[n - 2, 0], curvature[n - 2, 1], curvature[n - 2, n - 2] = xa, ya, aa
    curvature[n - 1, 0], curvature[n - 1, 1] = amplitude * xb, amplitude * yb
    curvature[n - 1, n - 2], curvature[n - 1, n - 1] = ab, bb
    return loss


@compiled
def _minimize(
    window: FloatArray,
    extra: FloatArray,
    weights: FloatArray,
    poisson: bool,
    sigma_prior: tuple[float, float],
    parameters: FloatArray,
    floor: float,
    shares: tuple[FloatArray, FloatArray],
    vectors: FloatArray,
    matrices: FloatArray,
) -> bool:
    """Take Levenberg-Marquardt steps from ``parameters`` to the optimum, sigma and amplitude above 0.

    A step follows the second derivatives where they bend upwards (Newton), else the expected curvature. The
    background stays at or above ``floor``. Returns whether the steps converged on a plausible molecule in the
    window; ``matrices[0]`` then holds the second derivatives there. ``vectors`` (4, 6) and ``matrices``
    (3, 6, 6) are scratch space.
    """
    rows, columns = window.shape
    n = parameters.size
    gradient, trial_gradient, step, trial = vectors[0, :n], vectors[1, :n], vectors[2, :n], vectors[3, :n]
    curvature, trial_curvature, factor = matrices[0, :n, :n], matrices[1, :n, :n], matrices[2, :n, :n]
    loss = linearize(
        window, extra, weights, poisson, False, sigma_prior, parameters, shares, gradient, curvature
    )
    newton = True
    damping = FIRST_DAMPING
    for _ in range(MAX_STEPS):
        # A background on its floor that would go below is left out, else it would bend the other steps.
        on_floor = parameters[n - 1] <= floor and gradient[n - 1] > 0.0
        size = n - 1 if on_floor else n
        if not solve_damped(curvature, damping, gradient, size, factor, step):
            if newton:
                newton = False
                linearize(
                    window,
                    extra,
                    weights,
                    poisson,
                    True,
                    sigma_prior,
                    parameters,
                    shares,
                    gradient,
                    curvature,
                )
            else:
                damping *= 10.0
            continue
        largest = 0.0
        for i in range(n):
            trial[i] = parameters[i] - step[i]
        for i in range(2):
            trial[i] = min(max(trial[i], parameters[i] - 1.0), parameters[i] + 1.0)
            largest = max(largest, abs(trial[i] - parameters[i]))
        for i in range(2, n - 1):
            # An amplitude may start far too low or too high, a width hardly.
            lowest, highest = (0.5, 2.0) if i < n - 2 else (0.1, np.inf)
            trial[i] = min(max(trial[i], lowest * parameters[i]), highest * parameters[i])
            largest = max(largest, abs(trial[i] - parameters[i]) / parameters[i])
        trial[n - 1] = max(trial[n - 1], floor)
        # Under a bright molecule a dim background is the last to arrive, and matters least.
        largest = max(largest, BACKGROUND_MATTERS * abs(trial[n - 1] - parameters[n - 1]) / trial[n - 1])
        if not (-0.5 <= trial[0] <= columns - 0.5 and -0.5 <= trial[1] <= rows - 0.5):
            return False
        # Strong damping makes any step small.
        arrived = damping <= 1.0 and largest < TOLERANCE
        if newton and damping <= FIRST_DAMPING and largest < NEWTON_TOLERANCE:
            parameters[:] = trial
            return _plausible(parameters, rows, columns)
        trial_loss = linearize(
            window,
            extra,
            weights,
            poisson,
            False,
            sigma_prior,
            trial,
            shares,
            trial_gradient,
            trial_curvature,
        )
        if trial_loss <= loss:
            loss = trial_loss
            parameters[:] = trial
            gradient[:] = trial_gradient
            curvature[:] = trial_curvature
            newton = True
            damping *= 0.1
        else:
            damping *= 10.0
        if arrived:
            return newton and _plausible(parameters, rows, columns)
        if not damping < LARGEST_DAMPING:
            return False
    return False


@compiled
def _plausible(parameters: FloatArray, rows: int, columns: int) -> bool:
    for i in range(2, parameters.size - 2):
        if not SMALLEST_SIGMA_PX <= parameters[i] <= LARGEST_SIGMA_WINDOWS * max(rows, columns):
            return False
    return True


@compiled
def _variances(
    window: FloatArray,
    extra: FloatArray,
    weights: FloatArray,
    poisson: bool,
    sigma_prior: tuple[float, float],
    parameters: FloatArray,
    shares: tuple[FloatArray, FloatArray],
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
        x_shares, y_shares = shares
        pixel_shares(parameters[0], parameters[2], x_shares)
        pixel_shares(parameters[1], parameters[n - 3], y_shares)
        variance = np.empty(window.shape)
        missing = 0.0
        for row in range(window.shape[0]):
            for column in range(window.shape[1]):
                mean = parameters[n - 1] + parameters[n - 2] * x_shares[column, 0] * y_shares[row, 0]
                variance[row, column] = mean + extra[row, column]
                missing += window[row, column] - variance[row, column]
        missing /= window.size
        for row in range(window.shape[0]):
            for column in range(window.shape[1]):
                weights[row, column] *= weights[row, column] * max(variance[row, column] + missing, 0.0)
        linearize(window, extra, weights, False, True, sigma_prior, parameters, shares, unit, spread)
    for k in range(n):
        unit[:] = 0.0
        unit[k] = 1.0
        if not solve_damped(curvature, 0.0, unit, n, factor, solution):
            return False
        variances[k] = solution[k]
        if not poisson:
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
    axes = np.empty((2, window_px, 5))
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
        shares = (axes[0, : shape[1]], axes[1, : shape[0]])
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
            known[:] = extra[top:bottom, left:right]
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
        if not _minimize(
            window, known, weights, poisson, sigma_prior, parameters, floor, shares, vectors, matrices
        ):
            continue
        x, y = left + parameters[0], top + parameters[1]
        if max(abs(x - columns[index]), abs(y - rows[index])) > reach:
            continue
        result = results[index]
        if not _variances(
            window, known, weights, poisson, sigma_prior, parameters, shares, vectors, matrices, variances
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
