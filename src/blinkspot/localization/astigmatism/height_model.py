"""The model of an astigmatic molecule's pixels, and its Poisson likelihood with two derivatives.

The model of a pixel's mean count is that of :mod:`blinkspot.localization.fitting.gaussian_model`, with the
widths on their defocus curves (see :class:`~blinkspot.localization.astigmatism.calibration.DefocusCurve`)::

    mean = background + amplitude * share(column; x, sigma_x(z)) * share(row; y, sigma_y(z)) + extra

So z is a parameter of the Poisson likelihood like x and y (Aristov et al. 2018, Nature Communications 9:2409;
Li et al. 2018, Nature Methods 15:367), and its error is read off the information. The parameters stand in one
order throughout: x, y (pixels), z (nm), amplitude, background (counts).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from blinkspot.localization._compiling import compiled
from blinkspot.localization.fitting.gaussian_model import pixel_shares

FloatArray = NDArray[np.float64]

N_PARAMETERS = 5
# The flattest a curve may get outside of its range.
SMALLEST_SQUARE = 0.05


@compiled
def width_at(curve: FloatArray, z: float) -> tuple[float, float, float]:
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
def axis_shares(centre: float, width: tuple[float, float, float], shares: FloatArray) -> None:
    """Integrate a Gaussian over the pixels 0, 1, 2, ... of one axis, and differentiate by centre and height.

    The first six rows of ``shares``, (8, n + 1), are filled with the share u and its derivatives u_c,
    u_z, u_cc, u_cz, u_zz; the rest is scratch space.
    """
    sigma, slope, bend = width
    pixel_shares(centre, sigma, shares)
    for i in range(shares.shape[1] - 1):
        by_sigma, by_both, by_sigma_twice = shares[2, i], shares[3, i], shares[4, i]
        shares[2, i] = by_sigma * slope
        shares[3, i] = by_sigma / sigma
        shares[4, i] = by_both * slope
        shares[5, i] = by_sigma_twice * slope * slope + by_sigma * bend


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
    shares : two ndarrays of float64, shape (8, columns + 1) and (8, rows + 1)
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
    axis_shares(parameters[0], width_at(curves[0], z), x_shares)
    axis_shares(parameters[1], width_at(curves[1], z), y_shares)
    gradient[:] = 0.0
    curvature[:] = 0.0
    loss: float = 0.0
    bent = 0.0 if expected else amplitude
    for row in range(window.shape[0]):
        v, v_y, v_z = y_shares[0, row], y_shares[1, row], y_shares[2, row]
        v_yy, v_yz, v_zz = y_shares[3, row], y_shares[4, row], y_shares[5, row]
        for column in range(window.shape[1]):
            u, u_x, u_z = x_shares[0, column], x_shares[1, column], x_shares[2, column]
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
                curvature[0, 0] += pull * x_shares[3, column] * v
                curvature[1, 0] += pull * u_x * v_y
                curvature[1, 1] += pull * u * v_yy
                curvature[2, 0] += pull * (x_shares[4, column] * v + u_x * v_z)
                curvature[2, 1] += pull * (u_z * v_y + u * v_yz)
                curvature[2, 2] += pull * (x_shares[5, column] * v + 2.0 * u_z * v_z + u * v_zz)
                curvature[3, 0] += slope * u_x * v
                curvature[3, 1] += slope * u * v_y
                curvature[3, 2] += slope * (u_z * v + u * v_z)
    return loss
