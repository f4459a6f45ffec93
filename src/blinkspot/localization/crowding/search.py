"""The compiled search for the emitters of a group of spots: which there are, and where.

Emitters are added one by one where the pixels ask for them, and taken out again where they gain too little;
each time all are fitted anew by :mod:`.crowded_model`, whose parameters and pixels these are.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from blinkspot.localization._compiling import compiled
from blinkspot.localization._copying import put
from blinkspot.localization.crowding.misfit import misfit, poorness_of
from blinkspot.localization.crowding.model import (
    CONVERGED,
    PER_EMITTER,
    FloatArray,
    How,
    IntArray,
    Pixels,
    axis_shares,
    linearize,
    means_of,
    minimize,
    unknowns,
    without,
)
from blinkspot.localization.crowding.pixels import gather
from blinkspot.localization.fitting.kernel_maths import OBSERVED, factorize, inverse_diagonal

N_RESULTS = 16

LARGEST_SIGMA_WINDOWS = 0.5
# A likelihood needs means above 0: this part of the largest pixel at the least.
FLOOR = 1e-4


@compiled
def _best_addition(
    pixels: Pixels, means: FloatArray, x: float, y: float, reach: int, sigma: float
) -> tuple[float, float, float]:
    """Find where around a place one more emitter would gain most, by its score: x, y and amplitude.

    With the others held, an emitter of shape g and amplitude a adds ``a S - a^2 I / 2`` to the log-likelihood
    near a = 0, ``S = sum((z / mean - 1) g)``, ``I = sum(g^2 / mean)``: at most S^2 / 2 I, at a = S / I.
    """
    rows, columns, counts, _ = pixels
    far = math.ceil(3.0 * sigma)
    shape = np.empty((8, 2 * far + 2))
    axis_shares(float(far), sigma, 0, 2 * far, shape)
    row, column = round(y), round(x)
    best = best_x = best_y = best_amplitude = 0.0
    for i in range(rows.size):
        if abs(rows[i] - row) > reach or abs(columns[i] - column) > reach:
            continue
        score = information = 0.0
        for k in range(rows.size):
            down, along = rows[k] - rows[i], columns[k] - columns[i]
            if abs(down) <= far and abs(along) <= far:
                share = shape[0, down + far] * shape[0, along + far]
                score += (counts[k] / means[k] - 1.0) * share
                information += share * share / means[k]
        if score > 0.0 and score * score > best * information:
            best = score * score / information
            best_x, best_y = float(columns[i]), float(rows[i])
            best_amplitude = score / information
    return best_x, best_y, best_amplitude


@compiled
def _with_one_more(
    parameters: FloatArray, j: int, x: float, y: float, amplitude: float, sigma: float, split: bool
) -> FloatArray:
    """Return a start with one emitter more: at a place, or by splitting emitter j in its direction."""
    n = parameters.size // PER_EMITTER
    more = np.empty(parameters.size + PER_EMITTER)
    put(parameters[: 4 * n], more[: 4 * n])
    more[4 * n + 4] = parameters[4 * n]
    if split:
        along, down = x - parameters[4 * j], y - parameters[4 * j + 1]
        distance = max(math.sqrt(along * along + down * down), 1e-3)
        along, down = along * sigma / distance, down * sigma / distance
        x, y = parameters[4 * j] + along, parameters[4 * j + 1] + down
        more[4 * j] -= along
        more[4 * j + 1] -= down
        more[4 * j + 2] = sigma
        amplitude = more[4 * j + 3] = 0.5 * parameters[4 * j + 3]
    more[4 * n], more[4 * n + 1], more[4 * n + 2], more[4 * n + 3] = x, y, sigma, amplitude
    return more


@compiled
def _fit_seeds(
    pixels: Pixels, how: How, parameters: FloatArray, spot_of: IntArray
) -> tuple[FloatArray, IntArray, float]:
    """Fit emitters jointly, leaving out those that stand in the way of an optimum."""
    loss, culprit = minimize(pixels, how, parameters)
    while culprit != CONVERGED:
        parameters = without(parameters, culprit)
        spot_of = np.concatenate((spot_of[:culprit], spot_of[culprit + 1 :]))
        loss, culprit = minimize(pixels, how, parameters)
    return parameters, spot_of, loss


@compiled
def _grow(
    pixels: Pixels,
    how: How,
    parameters: FloatArray,
    spot_of: IntArray,
    loss: float,
    reach: int,
    most_emitters: int,
    least_gain: float,
    poor: float,
    law: FloatArray,
) -> tuple[FloatArray, IntArray, float]:
    """Add emitters one by one, where the fit is poorest, as long as the log-likelihood gains enough."""
    sigma = how[0]
    means = np.empty(pixels[0].size)
    tried = np.zeros(spot_of.max() + 1, dtype=np.bool_)
    while True:
        means_of(pixels, parameters, means)
        worst, place = poor, -1
        for j in range(spot_of.size):
            if tried[spot_of[j]] or (spot_of == spot_of[j]).sum() >= most_emitters:
                continue
            poorness = poorness_of(pixels, means, parameters, j, reach, how, law)
            if poorness > worst:
                worst, place = poorness, j
        if place < 0:
            return parameters, spot_of, loss
        tried[spot_of[place]] = True
        x, y, amplitude = _best_addition(
            pixels, means, parameters[4 * place], parameters[4 * place + 1], reach, sigma
        )
        if amplitude <= 0.0:
            continue
        best, best_loss = parameters, loss - least_gain
        # Either start may end in a worse optimum than the other.
        for split in (False, True):
            more = _with_one_more(parameters, place, x, y, amplitude, sigma, split)
            more_loss, culprit = minimize(pixels, how, more)
            if culprit == CONVERGED and more_loss < best_loss:
                best, best_loss = more, more_loss
        if best.size > parameters.size:
            parameters, loss = best, best_loss
            spot_of = np.concatenate((spot_of, spot_of[place : place + 1]))
            # What has changed here may let a neighbour succeed.
            tried[:] = False


@compiled
def _prune(
    pixels: Pixels, how: How, parameters: FloatArray, spot_of: IntArray, loss: float, least_gain: float
) -> tuple[FloatArray, IntArray, FloatArray]:
    """Take emitters away, the least needed first, that gain too little; return also what each gains."""
    while True:
        gains = np.empty(spot_of.size)
        for j in range(spot_of.size):
            # Without it, the others do what they can.
            loss_without, _ = minimize(pixels, how, without(parameters, j))
            gains[j] = loss_without - loss
        if spot_of.size <= 1:
            return parameters, spot_of, gains
        weakest = int(gains.argmin())
        if gains[weakest] >= least_gain:
            return parameters, spot_of, gains
        spot_of = np.concatenate((spot_of[:weakest], spot_of[weakest + 1 :]))
        parameters, spot_of, loss = _fit_seeds(pixels, how, without(parameters, weakest), spot_of)


@compiled
def _variances(pixels: Pixels, how: How, parameters: FloatArray, variances: FloatArray) -> bool:
    """Predict the variances of the parameters at the optimum: the inverse of the observed information."""
    unknown = unknowns(parameters.size // PER_EMITTER, how[3])
    size = unknown[-1] + 1
    gradient, curvature, factor = np.empty(size), np.empty((size, size)), np.empty((size, size))
    linearize(pixels, OBSERVED, how, parameters, unknown, gradient, curvature)
    if not factorize(curvature, 0.0, size, factor):
        return False
    diagonal, column = np.empty(size), np.empty(size)
    inverse_diagonal(factor, size, column, diagonal)
    for k in range(parameters.size):
        variances[k] = diagonal[unknown[k]]
    return True


@compiled
def resolve_group(
    counts: NDArray[np.float32],
    extra: NDArray[np.float32],
    light: FloatArray,
    owner: IntArray,
    rows: IntArray,
    columns: IntArray,
    seeds: FloatArray,
    window_px: int,
    sigma_prior: tuple[float, float],
    most_emitters: int,
    equal: bool,
    gains: tuple[float, float],
    poor: float,
    law: FloatArray,
    results: FloatArray,
    spots: IntArray,
) -> int:
    """Fit the emitters of a group of spots jointly, adding emitters one by one where the fit is poor.

    Parameters
    ----------
    counts, extra : ndarray of float32
        As for ``gaussian_fit.fit_windows``.
    light : ndarray of float64, shape (height, width)
        Counts of the emitters of other groups.
    owner : ndarray of int64, shape (height, width)
        Whose each pixel is; this group's are struck out.
    rows, columns : ndarray of int64, shape (n,)
        The spots' pixels.
    seeds : ndarray of float64, shape (n, 5)
        Their single fits: x, y, sigma, amplitude, background.
    window_px : int
        Side of a spot's window, odd.
    sigma_prior : (float, float)
        As for :func:`linearize`.
    most_emitters : int
        Of one spot.
    equal : bool
        Whether all emitters of the group are equally bright.
    gains : (float, float)
        Log-likelihood that an added emitter must gain, and that every emitter must keep.
    poor : float
        Misfit beyond which a fit is poor, standard deviations.
    law : ndarray of float64, shape (m, 3)
        Log of the mean, mean and variance of a pixel's deviance.
    results : ndarray of float64, shape (n * most_emitters, 16)
        Filled as by ``fit_windows``; then residual std, deviance, gain and number of pixels.
    spots : ndarray of int64, shape (n * most_emitters,)
        Filled with the spot that each emitter belongs to.

    Returns
    -------
    int
        Number of emitters; 0 where there is no joint fit.
    """
    reach = window_px // 2
    top, left = max(rows.min() - reach, 0), max(columns.min() - reach, 0)
    pixels = gather(counts, extra, light, owner, rows, columns, reach, top, left)
    floor = FLOOR * pixels[2].max()
    how = (sigma_prior[0], sigma_prior[1], LARGEST_SIGMA_WINDOWS * window_px, equal, floor)
    parameters = np.empty(4 * rows.size + 1)
    for j in range(rows.size):
        parameters[4 * j], parameters[4 * j + 1] = seeds[j, 0] - left, seeds[j, 1] - top
        parameters[4 * j + 2], parameters[4 * j + 3] = seeds[j, 2], seeds[j, 3]
    parameters[-1] = max(seeds[:, 4].min(), floor)
    parameters, spot_of, loss = _fit_seeds(pixels, how, parameters, np.arange(rows.size))
    if spot_of.size == 0:
        return 0
    parameters, spot_of, loss = _grow(
        pixels, how, parameters, spot_of, loss, reach, most_emitters, gains[0], poor, law
    )
    parameters, spot_of, gained = _prune(pixels, how, parameters, spot_of, loss, gains[1])
    variances = np.empty(parameters.size)
    if spot_of.size == 0 or not _variances(pixels, how, parameters, variances):
        return 0
    means = np.empty(pixels[0].size)
    means_of(pixels, parameters, means)
    n = 0
    for j in range(spot_of.size):
        x, y, sigma, amplitude = parameters[4 * j : 4 * j + 4]
        deviance, _, _, spread, n_pixels = misfit(pixels, means, x, y, reach, law)
        if n_pixels == 0:
            # It explains light at the edge of the group's pixels, from a place where none of them is.
            continue
        result = results[n]
        result[0], result[1], result[2], result[3] = left + x, top + y, sigma, sigma
        result[4], result[5] = amplitude, parameters[-1]
        result[6], result[7] = variances[4 * j], variances[4 * j + 1]
        result[8], result[9] = variances[4 * j + 2], variances[4 * j + 2]
        result[10], result[11] = variances[4 * j + 3], variances[-1]
        result[12], result[13], result[14], result[15] = spread, deviance, gained[j], n_pixels
        spots[n] = spot_of[j]
        n += 1
    return n
