"""The integrated Gaussian that single molecules are fitted with, and the loss of its fit.

The model of a pixel's mean count is the Gaussian's integral over the pixel (Smith et al. 2010, Nature
Methods 7:373)::

    mean = background + amplitude * share(column; x, sigma_x) * share(row; y, sigma_y) + extra
    share(i; c, sigma) = (erf((i + 1/2 - c) / (sigma sqrt 2)) - erf((i - 1/2 - c) / (sigma sqrt 2))) / 2

The extra counts of a pixel are known: the variance of its read noise, where pixels differ in that (Huang et
al. 2013, Nature Methods 10:653). The parameters stand in one order throughout: x, y, sigma (pixels; two of
them, sigma_x and sigma_y, for an elliptical Gaussian), amplitude, background (counts). The background is last
so that it can be left out by solving for those before it.

Each loop over edges or pixels does one thing and calls nothing outside: so the compiler does several at once.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from blinkspot.localization._compiling import compiled
from blinkspot.localization.fitting.kernel_maths import complement_of_erf, exponential, logarithm

FloatArray = NDArray[np.float64]
Scratch = tuple[FloatArray, FloatArray, FloatArray]

MOST_PARAMETERS = 6


@compiled
def pixel_shares(centre: float, sigma: float, shares: FloatArray) -> None:
    """Integrate a Gaussian over the pixels 0, 1, 2, ... of one axis, and differentiate the integrals.

    Parameters
    ----------
    centre, sigma : float
        The Gaussian, pixels.
    shares : ndarray of float64, shape (8, n + 1)
        The first five rows are filled, for each of n pixels, with the share of the Gaussian, its derivatives
        by centre and by sigma, and its second derivatives by centre and sigma and by sigma twice. That by
        centre twice is the one by sigma over sigma (the heat equation). The rest is scratch space.
    """
    inverse = 1.0 / sigma
    half, height = 0.5 * math.sqrt(2.0), inverse / math.sqrt(2.0 * math.pi)
    place, density, integral = shares[5], shares[6], shares[7]
    for i in range(place.size):
        z = (i - 0.5 - centre) * inverse
        gaussian = exponential(-0.5 * z * z)
        tail = complement_of_erf(abs(z) * half, gaussian)
        place[i] = z
        density[i] = height * gaussian
        integral[i] = tail if z < 0.0 else 2.0 - tail
    share, by_centre, by_sigma = shares[0], shares[1], shares[2]
    by_both, by_sigma_twice = shares[3], shares[4]
    for i in range(place.size - 1):
        left, right = place[i], place[i + 1]
        left_density, right_density = density[i], density[i + 1]
        left_bend, right_bend = left * left - 1.0, right * right - 1.0
        share[i] = 0.5 * (integral[i + 1] - integral[i])
        by_centre[i] = left_density - right_density
        by_sigma[i] = left * left_density - right * right_density
        by_both[i] = (left_bend * left_density - right_bend * right_density) * inverse
        by_sigma_twice[i] = (
            (left_bend - 1.0) * left * left_density - (right_bend - 1.0) * right * right_density
        ) * inverse


@compiled
def _losses(
    counts: FloatArray,
    weights: FloatArray,
    poisson: bool,
    expected: bool,
    means: FloatArray,
    slopes: FloatArray,
    bends: FloatArray,
) -> float:
    """Return the loss; fill its derivatives by each pixel's mean, first and second. The means are lost."""
    for i in range(counts.size):
        if poisson:
            inverse = 1.0 / means[i]
            ratio = counts[i] * inverse
            slopes[i] = 1.0 - ratio
            bends[i] = inverse if expected else ratio * inverse
            means[i] -= counts[i] * logarithm(means[i])
        else:
            off = means[i] - counts[i]
            bends[i] = weights[i]
            slopes[i] = weights[i] * off
            means[i] = 0.5 * weights[i] * off * off
    loss = 0.0
    for i in range(counts.size):
        loss += means[i]
    return loss


@compiled
def linearize(
    window: FloatArray,
    extra: FloatArray,
    weights: FloatArray,
    poisson: bool,
    expected: bool,
    sigma_prior: tuple[float, float],
    parameters: FloatArray,
    scratch: Scratch,
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
    scratch : three ndarrays of float64, shape (8, columns + 1), (8, rows + 1) and (3, rows * columns)
        The first two filled for x and y as by :func:`pixel_shares`; the third is scratch space.
    gradient : ndarray of float64, shape (n,), filled
    curvature : ndarray of float64, shape (n, n)
        Lower triangle filled.

    Returns
    -------
    float
        The loss.
    """
    x_shares, y_shares, values = scratch
    n = parameters.size
    sigma_x, sigma_y = parameters[2], parameters[n - 3]
    amplitude, background = parameters[n - 2], parameters[n - 1]
    pixel_shares(parameters[0], sigma_x, x_shares)
    pixel_shares(parameters[1], sigma_y, y_shares)
    rows, columns = window.shape
    means, slope_values, bend_values = values[0], values[1], values[2]
    for row in range(rows):
        light = amplitude * y_shares[0, row]
        for column in range(columns):
            means[row * columns + column] = background + light * x_shares[0, column] + extra[row, column]
    loss: float = _losses(
        window.reshape(-1), weights.reshape(-1), poisson, expected, means, slope_values, bend_values
    )
    # The model is a product of a function of the column and one of the row, so sums over a row's pixels, of
    # the loss's slopes and bends times functions of the column, are all that a row adds. In names: x and y
    # the position, s and t the widths along x and y, a the amplitude, b the background.
    bent = 0.0 if expected else 1.0
    g_x = g_y = g_s = g_t = g_a = g_b = 0.0
    xx = xy = yy = xs = ys = ss = xt = yt = st = tt = 0.0
    xa = ya = sa = ta = aa = xb = yb = sb = tb = ab = bb = 0.0
    for row in range(rows):
        v, v_y, v_t = y_shares[0, row], y_shares[1, row], y_shares[2, row]
        slopes = slopes_u = slopes_x = slopes_s = slopes_xs = slopes_ss = 0.0
        bends = bends_u = bends_x = bends_s = 0.0
        bends_uu = bends_ux = bends_us = bends_xx = bends_xs = bends_ss = 0.0
        for column in range(columns):
            u, u_x, u_s = x_shares[0, column], x_shares[1, column], x_shares[2, column]
            slope, bend = slope_values[row * columns + column], bend_values[row * columns + column]
            slopes += slope
            slopes_u += slope * u
            slopes_x += slope * u_x
            slopes_s += slope * u_s
            slopes_xs += slope * x_shares[3, column]
            slopes_ss += slope * x_shares[4, column]
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
        yt += amplitude * bends_uu * v_y * v_t + bent * slopes_u * y_shares[3, row]
        st += amplitude * bends_us * v_tv + bent * slopes_s * v_t
        tt += amplitude * bends_uu * v_t * v_t + bent * slopes_u * y_shares[4, row]
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
