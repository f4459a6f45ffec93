"""The compiled fit of an astigmatic Gaussian, whose widths follow from its height, to windows of pixels.

The model of a pixel's mean count is that of :mod:`blinkspot.localization.gaussian_fit`, with the widths on
their defocus curves (see :class:`~blinkspot.localization.astigmatism.calibration.DefocusCurve`)::

    mean = background + amplitude * share(column; x, sigma_x(z)) * share(row; y, sigma_y(z)) + extra

So z is a parameter of the Poisson likelihood like x and y (Aristov et al. 2018, Nature Communications 9:2409;
Li et al. 2018, Nature Methods 15:367), and its error is read off the information. The parameters stand in one
order throughout: x, y (pixels), z (nm), amplitude, background (counts).

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

N_PARAMETERS = 5
N_RESULTS = 2 * N_PARAMETERS

MAX_STEPS = 100
# A step this small, or the first after it, ends the search: Newton's steps square what is missing.
NEWTON_TOLERANCE = 1e-3
TOLERANCE = 1e-4
FIRST_DAMPING = 1e-3
LARGEST_DAMPING = 1e10
# A Poisson likelihood needs a mean above 0: this part of the window's largest pixel at the least.
FLOOR = 1e-4
# Heights from which the search may start, and how far it may leave the calibrated range, in parts of it.
N_STARTS = 13
MARGIN = 0.1
# Longest step of the height, in depths of focus; and the flattest a curve may get outside of its range.
LONGEST_STEP = 0.5
SMALLEST_SQUARE = 0.05


@compiled
def _width(curve: FloatArray, z: float) -> tuple[float, float, float]:
    """Return a defocus curve's width at z, pixels, and its first and second derivative by z."""
    sigma, centre, depth = curve[0], curve[1], curve[2]
    cubic, quartic, quintic, sextic = curve[3], curve[4], curve[5], curve[6]
    t = (z - centre) / depth
    square = 1.0 + t * t * (1.0 + t * (cubic + t * (quartic + t * (quintic + t * sextic))))
    if not square > SMALLEST_SQUARE:
        return sigma * math.sqrt(SMALLEST_SQUARE), 0.0, 0.0
    slope = t * (2.0 + t * (3.0 * cubic + t * (4.0 * quartic + t * (5.0 * quintic + t * 6.0 * sextic))))
    bend = 2.0 + t * (6.0 * cubic + t * (12.0 * quartic + t * (20.0 * quintic + t * 30.0 * sextic)))
    slope, bend = slope / depth, bend / (depth * depth)
    root = math.sqrt(square)
    return (
        sigma * root,
        0.5 * sigma * slope / root,
        sigma * (0.5 * bend - 0.25 * slope * slope / square) / root,
    )


@compiled
def _axis_shares(centre: float, width: tuple[float, float, float], shares: FloatArray) -> None:
    """Integrate a Gaussian over the pixels 0, 1, 2, ... of one axis, and differentiate by centre and height.

    ``shares``, of shape (n, 6), is filled with the share u and its derivatives u_c, u_z, u_cc, u_cz, u_zz.
    """
    sigma, slope, bend = width
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
        by_sigma = left * left_density - right * right_density
        left_bend = left * left - 1.0
        right_bend = right * right - 1.0
        by_both = (left_bend * left_density - right_bend * right_density) * inverse
        by_sigma_twice = (
            (left_bend - 1.0) * left * left_density - (right_bend - 1.0) * right * right_density
        ) * inverse
        shares[i, 0] = 0.5 * (right_erf - left_erf)
        shares[i, 1] = left_density - right_density
        shares[i, 2] = by_sigma * slope
        shares[i, 3] = by_sigma * inverse
        shares[i, 4] = by_both * slope
        shares[i, 5] = by_sigma_twice * slope * slope + by_sigma * bend
        left, left_erf, left_density = right, right_erf, right_density


@compiled
def linearize(
    window: FloatArray,
    extra: FloatArray,
    curves: FloatArray,
    expected: bool,
    parameters: FloatArray,
    shares: tuple[FloatArray, FloatArray],
    gradient: FloatArray,
    curvature: FloatArray,
) -> float:
    """Evaluate minus the Poisson log-likelihood, ``sum(mean - n log(mean))``, its gradient and its curvature.

    Parameters
    ----------
    window : ndarray of float64, shape (rows, columns)
        Counts, not below 0. The centre of the first pixel is the origin of x and y.
    extra : ndarray of float64, shape (rows, columns)
        Known part of the mean counts.
    curves : ndarray of float64, shape (2, 7)
        Defocus curves along x and y: sigma (pixels), centre, depth (nm), cubic, quartic, quintic, sextic.
    expected : bool
        Whether the curvature is the Fisher information, which is never negative, and not the second
        derivatives.
    parameters : ndarray of float64, shape (5,)
    shares : two ndarrays of float64, shape (columns, 6) and (rows, 6)
        Scratch space.
    gradient : ndarray of float64, shape (5,), filled
    curvature : ndarray of float64, shape (5, 5)
        Lower triangle filled.

    Returns
    -------
    float
        The loss.
    """
    x_shares, y_shares = shares
    z, amplitude, background = parameters[2], parameters[3], parameters[4]
    _axis_shares(parameters[0], _width(curves[0], z), x_shares)
    _axis_shares(parameters[1], _width(curves[1], z), y_shares)
    gradient[:] = 0.0
    curvature[:] = 0.0
    loss: float = 0.0
    bent = 0.0 if expected else amplitude
    for row in range(window.shape[0]):
        v, v_y, v_z = y_shares[row, 0], y_shares[row, 1], y_shares[row, 2]
        v_yy, v_yz, v_zz = y_shares[row, 3], y_shares[row, 4], y_shares[row, 5]
        for column in range(window.shape[1]):
            u, u_x, u_z = x_shares[column, 0], x_shares[column, 1], x_shares[column, 2]
            share = u * v
            mean = background + amplitude * share + extra[row, column]
            count = window[row, column]
            inverse = 1.0 / mean
            ratio = count * inverse
            loss += mean
            if count > 0.0:
                loss -= count * math.log(mean)
            slope = 1.0 - ratio
            bend = inverse if expected else ratio * inverse
            by_x, by_y = amplitude * u_x * v, amplitude * u * v_y
            by_z = amplitude * (u_z * v + u * v_z)
            gradient[0] += slope * by_x
            gradient[1] += slope * by_y
            gradient[2] += slope * by_z
            gradient[3] += slope * share
            gradient[4] += slope
            curvature[0, 0] += bend * by_x * by_x
            curvature[1, 0] += bend * by_x * by_y
            curvature[1, 1] += bend * by_y * by_y
            curvature[2, 0] += bend * by_x * by_z
            curvature[2, 1] += bend * by_y * by_z
            curvature[2, 2] += bend * by_z * by_z
            curvature[3, 0] += bend * by_x * share
            curvature[3, 1] += bend * by_y * share
            curvature[3, 2] += bend * by_z * share
            curvature[3, 3] += bend * share * share
            curvature[4, 0] += bend * by_x
            curvature[4, 1] += bend * by_y
            curvature[4, 2] += bend * by_z
            curvature[4, 3] += bend * share
            curvature[4, 4] += bend
            if bent > 0.0:
                pull = slope * bent
                curvature[0, 0] += pull * x_shares[column, 3] * v
                curvature[1, 0] += pull * u_x * v_y
                curvature[1, 1] += pull * u * v_yy
                curvature[2, 0] += pull * (x_shares[column, 4] * v + u_x * v_z)
                curvature[2, 1] += pull * (u_z * v_y + u * v_yz)
                curvature[2, 2] += pull * (x_shares[column, 5] * v + 2.0 * u_z * v_z + u * v_zz)
                curvature[3, 0] += slope * u_x * v
                curvature[3, 1] += slope * u * v_y
                curvature[3, 2] += slope * (u_z * v + u * v_z)
    return loss


@compiled
def _minimize(
    window: FloatArray,
    extra: FloatArray,
    curves: FloatArray,
    z_limits: tuple[float, float],
    parameters: FloatArray,
    floor: float,
    shares: tuple[FloatArray, FloatArray],
    vectors: FloatArray,
    matrices: FloatArray,
) -> bool:
    """Take Levenberg-Marquardt steps from ``parameters`` to the optimum, the amplitude above 0.

    A step follows the second derivatives where they bend upwards (Newton), else the expected curvature. The
    background stays at or above ``floor``, the height within the limits. Returns whether the steps converged;
    ``matrices[0]`` then holds the second derivatives there. ``vectors`` (4, 5) and ``matrices`` (3, 5, 5) are
    scratch space.
    """
    rows, columns = window.shape
    gradient, trial_gradient, step, trial = vectors[0], vectors[1], vectors[2], vectors[3]
    curvature, trial_curvature, factor = matrices[0], matrices[1], matrices[2]
    depth = 0.5 * (curves[0, 2] + curves[1, 2])
    loss = linearize(window, extra, curves, False, parameters, shares, gradient, curvature)
    newton = True
    damping = FIRST_DAMPING
    for _ in range(MAX_STEPS):
        # A background on its floor that would go below is left out, else it would bend the other steps.
        on_floor = parameters[4] <= floor and gradient[4] > 0.0
        if not solve_damped(curvature, damping, gradient, 4 if on_floor else 5, factor, step):
            if newton:
                newton = False
                linearize(window, extra, curves, True, parameters, shares, gradient, curvature)
            else:
                damping *= 10.0
                if not damping < LARGEST_DAMPING:
                    return False
            continue
        for i in range(2):
            trial[i] = parameters[i] - min(max(step[i], -1.0), 1.0)
        longest = LONGEST_STEP * depth
        trial[2] = parameters[2] - min(max(step[2], -longest), longest)
        trial[2] = min(max(trial[2], z_limits[0]), z_limits[1])
        trial[3] = max(parameters[3] - step[3], 0.1 * parameters[3])
        trial[4] = max(parameters[4] - step[4], floor)
        largest = max(abs(trial[0] - parameters[0]), abs(trial[1] - parameters[1]))
        largest = max(largest, abs(trial[2] - parameters[2]) / depth)
        largest = max(largest, abs(trial[3] - parameters[3]) / parameters[3])
        if not (-0.5 <= trial[0] <= columns - 0.5 and -0.5 <= trial[1] <= rows - 0.5):
            return False
        # Strong damping makes any step small.
        arrived = damping <= 1.0 and largest < TOLERANCE
        if newton and damping <= FIRST_DAMPING and largest < NEWTON_TOLERANCE:
            parameters[:] = trial
            return True
        trial_loss = linearize(window, extra, curves, False, trial, shares, trial_gradient, trial_curvature)
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
            return newton
        if not damping < LARGEST_DAMPING:
            return False
    return False


@compiled
def _guess_position(picture: NDArray[np.float32], row: int, column: int, parameters: FloatArray) -> None:
    """Set x and y: the centre of the light above the window's edge in its 5 x 5 middle pixels."""
    height, width = picture.shape
    edge = 0.0
    n_edge = 0
    for y in range(height):
        for x in range(width):
            if y in (0, height - 1) or x in (0, width - 1):
                edge += picture[y, x]
                n_edge += 1
    background = edge / n_edge
    light = light_x = light_y = 0.0
    for y in range(max(row - 2, 0), min(row + 3, height)):
        for x in range(max(column - 2, 0), min(column + 3, width)):
            value = max(picture[y, x] - background, 0.0)
            light += value
            light_x += value * (x - column)
            light_y += value * (y - row)
    shift_x = shift_y = 0.0
    if light > 0.0:
        shift_x, shift_y = light_x / light, light_y / light
    parameters[0] = column + shift_x
    parameters[1] = row + shift_y


@compiled
def _guess_height(
    window: FloatArray,
    extra: FloatArray,
    curves: FloatArray,
    z_range: tuple[float, float],
    floor: float,
    parameters: FloatArray,
    shares: tuple[FloatArray, FloatArray],
) -> None:
    """Set height, amplitude and background: the likeliest of some heights, light by least squares in each."""
    x_shares, y_shares = shares
    n = window.size
    lowest = np.inf
    for k in range(N_STARTS):
        z = z_range[0] + (z_range[1] - z_range[0]) * k / (N_STARTS - 1)
        _axis_shares(parameters[0], _width(curves[0], z), x_shares)
        _axis_shares(parameters[1], _width(curves[1], z), y_shares)
        total = total_share = squares = products = 0.0
        for row in range(window.shape[0]):
            for column in range(window.shape[1]):
                share = x_shares[column, 0] * y_shares[row, 0]
                value = window[row, column] - extra[row, column]
                total += value
                total_share += share
                squares += share * share
                products += share * value
        amplitude = (products - total * total_share / n) / (squares - total_share * total_share / n)
        amplitude = max(amplitude, 10.0 * floor)
        background = max((total - amplitude * total_share) / n, floor)
        loss = 0.0
        for row in range(window.shape[0]):
            for column in range(window.shape[1]):
                mean = background + amplitude * x_shares[column, 0] * y_shares[row, 0] + extra[row, column]
                loss += mean - window[row, column] * math.log(mean)
        if loss < lowest:
            lowest = loss
            parameters[2], parameters[3], parameters[4] = z, amplitude, background


@compiled
def fit_windows(
    counts: NDArray[np.float32],
    extra: NDArray[np.float32],
    start: NDArray[np.float32],
    frames: NDArray[np.int64],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    window_px: int,
    curves: FloatArray,
    z_low: float,
    z_high: float,
    results: FloatArray,
    converged: NDArray[np.bool_],
) -> None:
    """Fit a window around each pixel given; at the frame's border it is the part that exists.

    Parameters
    ----------
    counts : ndarray of float32, shape (n_frames, height, width)
        The pixels that are fitted, with variance equal to mean.
    extra : ndarray of float32, shape (height, width) or (0, 0)
        Known part of their means; (0, 0) for none.
    start : ndarray of float32, shape (n_frames, height, width)
        The pixels that the first position is taken from.
    frames, rows, columns : ndarray of int64, shape (n,)
        Middles of the windows.
    window_px : int
        Side of the window, odd.
    curves : ndarray of float64, shape (2, 7)
        As in :func:`linearize`.
    z_low, z_high : float
        The calibrated range, nm.
    results : ndarray of float64, shape (n, 10)
        Filled: x, y (pixels of the frame), z (nm), amplitude, background (counts), and the variances of these
        five: the inverse of the observed information (Efron & Hinkley 1978, Biometrika 65:457).
    converged : ndarray of bool, shape (n,)
        Filled: False where there is no molecule within the calibrated range; its row of results is then not
        to be used.
    """
    height, width = counts.shape[1:]
    reach = window_px // 2
    pixels = np.zeros((2, window_px * window_px))
    axes = np.empty((2, window_px, 6))
    vectors = np.empty((4, N_PARAMETERS))
    matrices = np.empty((3, N_PARAMETERS, N_PARAMETERS))
    parameters = np.empty(N_PARAMETERS)
    unit, solution = vectors[0], vectors[1]
    z_range = (z_low, z_high)
    margin = MARGIN * (z_high - z_low)
    z_limits = (z_low - margin, z_high + margin)
    for index in range(rows.size):
        converged[index] = False
        picture, start_picture = counts[frames[index]], start[frames[index]]
        top, bottom = max(rows[index] - reach, 0), min(rows[index] + reach + 1, height)
        left, right = max(columns[index] - reach, 0), min(columns[index] + reach + 1, width)
        shape = (bottom - top, right - left)
        window = pixels[0, : shape[0] * shape[1]].reshape(shape)
        known = pixels[1, : shape[0] * shape[1]].reshape(shape)
        shares = (axes[0, : shape[1]], axes[1, : shape[0]])
        largest = 0.0
        for row in range(shape[0]):
            for column in range(shape[1]):
                # Read noise may push a count below 0, where a Poisson likelihood is not defined.
                window[row, column] = max(float(picture[top + row, left + column]), 0.0)
                largest = max(largest, window[row, column])
        if not 0.0 < largest < np.inf:
            continue
        if extra.size > 0:
            known[:] = extra[top:bottom, left:right]
        floor = FLOOR * largest
        row, column = rows[index] - top, columns[index] - left
        _guess_position(start_picture[top:bottom, left:right], row, column, parameters)
        _guess_height(window, known, curves, z_range, floor, parameters, shares)
        if not _minimize(window, known, curves, z_limits, parameters, floor, shares, vectors, matrices):
            continue
        x, y = left + parameters[0], top + parameters[1]
        if max(abs(x - columns[index]), abs(y - rows[index])) > reach:
            continue
        if not z_low <= parameters[2] <= z_high:
            continue
        result = results[index]
        result[0], result[1] = x, y
        result[2:5] = parameters[2:]
        for k in range(N_PARAMETERS):
            unit[:] = 0.0
            unit[k] = 1.0
            if not solve_damped(matrices[0], 0.0, unit, N_PARAMETERS, matrices[2], solution):
                break
            result[N_PARAMETERS + k] = solution[k]
            converged[index] = k == N_PARAMETERS - 1
