"""A curve through noisy readings: smoothed as far as the readings themselves ask for."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from blinkspot.localization._compiling import compiled

FloatArray = NDArray[np.float64]

# Of the first value and slope before anything is read, in units of the readings.
_WIDE = 1e6
# Logarithms of the variances that are tried, in units of the readings' variance.
_LOG_STEPS = (-24.0, -14.0, -11.0, -8.0, -6.0, -4.0, -2.0, 0.0, 4.0, 10.0)
_SEARCH = {"xatol": 0.1, "fatol": 0.05, "maxfev": 80}


def smoothed(readings: FloatArray, variances: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Smooth a series of readings by the local linear trend model.

    The level makes random steps around a slope that makes random steps itself. The variances of both are
    those that make the readings most likely, so that a slow drift is smoothed strongly, a restless one
    hardly, and gaps are bridged (Durbin & Koopman 2012, Time Series Analysis by State Space Methods, chapters
    2 to 4 and 7: Kalman filter, fixed-interval smoother, maximum likelihood).

    Parameters
    ----------
    readings : ndarray of float64, shape (n,)
    variances : ndarray of float64, shape (n,)
        Of the readings; inf where nothing was read.

    Returns
    -------
    level, variance : ndarray of float64, shape (n,)
    """
    read = np.isfinite(variances)
    readings = np.where(read, readings, 0.0)
    variances = np.where(read, variances, np.inf)
    if not read.any():
        return np.zeros(len(readings)), np.full(len(readings), np.inf)
    # The search runs in units of the readings' noise, so that it needs no scale.
    unit = float(np.median(variances[read]))
    offset = float(np.mean(readings[read]))
    scaled, noise = (readings - offset) / np.sqrt(unit), variances / unit

    def cost(log_steps: FloatArray) -> float:
        clipped = np.clip(log_steps, _LOG_STEPS[0], _LOG_STEPS[-1])
        beyond = float(np.sum((log_steps - clipped) ** 2))
        return beyond - _log_likelihood(scaled, noise, np.exp(clipped[0]), np.exp(clipped[1]))

    # The likelihood may have two hills: the search begins at the best place of a coarse grid.
    starts = [np.array(start) for start in itertools.product(_LOG_STEPS, _LOG_STEPS)]
    found = minimize(cost, min(starts, key=cost), method="Nelder-Mead", options=_SEARCH)
    level_step, slope_step = np.exp(np.clip(found.x, _LOG_STEPS[0], _LOG_STEPS[-1]))
    level, variance = _smooth(scaled, noise, float(level_step), float(slope_step))
    return level * np.sqrt(unit) + offset, variance * unit


@compiled
def _log_likelihood(
    readings: FloatArray, variances: FloatArray, level_step: float, slope_step: float
) -> float:
    level, slope = 0.0, 0.0
    p_ll, p_ls, p_ss = _WIDE, 0.0, _WIDE
    total = 0.0
    for index in range(len(readings)):
        if np.isfinite(variances[index]):
            spread = p_ll + variances[index]
            miss = readings[index] - level
            total -= 0.5 * (np.log(spread) + miss * miss / spread)
            gain_l, gain_s = p_ll / spread, p_ls / spread
            level += gain_l * miss
            slope += gain_s * miss
            p_ss -= gain_s * p_ls
            p_ls -= gain_l * p_ls
            p_ll -= gain_l * p_ll
        level += slope
        p_ll += 2.0 * p_ls + p_ss + level_step
        p_ls += p_ss
        p_ss += slope_step
    return total


@compiled
def _smooth(
    readings: FloatArray, variances: FloatArray, level_step: float, slope_step: float
) -> tuple[FloatArray, FloatArray]:
    """Filter forwards, then smooth backwards (Durbin & Koopman 2012, section 4.4)."""
    n = len(readings)
    states = np.empty((n, 2))
    spreads = np.empty((n, 3))
    level, slope = 0.0, 0.0
    p_ll, p_ls, p_ss = _WIDE, 0.0, _WIDE
    for index in range(n):
        states[index] = level, slope
        spreads[index] = p_ll, p_ls, p_ss
        if np.isfinite(variances[index]):
            spread = p_ll + variances[index]
            miss = readings[index] - level
            gain_l, gain_s = p_ll / spread, p_ls / spread
            level += gain_l * miss
            slope += gain_s * miss
            p_ss -= gain_s * p_ls
            p_ls -= gain_l * p_ls
            p_ll -= gain_l * p_ll
        level += slope
        p_ll += 2.0 * p_ls + p_ss + level_step
        p_ls += p_ss
        p_ss += slope_step
    smooth, variance = np.empty(n), np.empty(n)
    r_l, r_s = 0.0, 0.0
    n_ll, n_ls, n_ss = 0.0, 0.0, 0.0
    for index in range(n - 1, -1, -1):
        p_ll, p_ls, p_ss = spreads[index]
        # r and N of the step after, taken back through the transition (level + slope, slope).
        a_l, a_s = r_l, r_l + r_s
        m_ll, m_ls, m_ss = n_ll, n_ll + n_ls, n_ll + 2.0 * n_ls + n_ss
        if np.isfinite(variances[index]):
            spread = p_ll + variances[index]
            miss = readings[index] - states[index, 0]
            gain_l, gain_s = p_ll / spread, p_ls / spread
            # L = I - gain * (1, 0): r = (1, 0)' miss / spread + L' a, N = (1, 0)(1, 0)' / spread + L' M L.
            r_l = miss / spread + (1.0 - gain_l) * a_l - gain_s * a_s
            r_s = a_s
            keep = 1.0 - gain_l
            n_ll = 1.0 / spread + keep * keep * m_ll - 2.0 * keep * gain_s * m_ls + gain_s * gain_s * m_ss
            n_ls = keep * m_ls - gain_s * m_ss
            n_ss = m_ss
        else:
            r_l, r_s = a_l, a_s
            n_ll, n_ls, n_ss = m_ll, m_ls, m_ss
        smooth[index] = states[index, 0] + p_ll * r_l + p_ls * r_s
        variance[index] = p_ll - (p_ll * p_ll * n_ll + 2.0 * p_ll * p_ls * n_ls + p_ls * p_ls * n_ss)
    return smooth, np.maximum(variance, 0.0)
