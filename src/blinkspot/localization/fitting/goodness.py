"""How well fitted molecules explain their pixels, and how much better than background alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blinkspot.localization._compiling import compiled, read_only
from blinkspot.localization.fitting.kernel_maths import complement_of_erf, exponential, logarithm
from blinkspot.localization.fitting.p_value import FIRST_LOG_MEAN, NODES_PER_LOG, deviance_moments, p_values

FloatArray = NDArray[np.float64]

# A likelihood needs means above 0: this part of the window's largest pixel at the least.
FLOOR = 1e-4
NEWTON_STEPS = 20
TOLERANCE = 1e-6
# A pixel of 0 adds nothing, whatever its logarithm.
SMALLEST_NORMAL = 1e-300


@dataclass(frozen=True)
class Goodness:
    """Judgement of fitted molecules; all arrays of float64 and shape (n,).

    Attributes
    ----------
    residual_std : ndarray
        Standard deviation of pixels minus model, counts.
    deviance : ndarray
        ``2 sum(mean - z + z log(z / mean))``: twice the log-likelihood that the model lacks of one that meets
        every pixel.
    log_likelihood_ratio : ndarray
        Poisson log-likelihood of the molecule minus that of the likeliest constant background alone, natural
        logarithm.
    n_pixels : ndarray
        Pixels of the window: fewer at the frame's border.
    expected_deviance, deviance_variance : ndarray
        Mean and variance of the deviance from the true model, were it the one fitted.
    n_parameters : ndarray
        Numbers that the fit has chosen freely.
    """

    residual_std: FloatArray
    deviance: FloatArray
    log_likelihood_ratio: FloatArray
    n_pixels: FloatArray
    expected_deviance: FloatArray
    deviance_variance: FloatArray
    n_parameters: FloatArray

    @property
    def p_value(self) -> FloatArray:
        """Probability of a deviance at least as large, were the model right; see :mod:`.p_value`."""
        return p_values(self.deviance, self.expected_deviance, self.deviance_variance, self.n_parameters)


def judge_fits(
    counts: NDArray[np.float32],
    extra: NDArray[np.float32] | None,
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    window_px: int,
    fits: FloatArray,
    n_parameters: FloatArray | float = 5.0,
    has_register: bool = False,
    *,
    frames: NDArray[np.int64] | None = None,
) -> Goodness:
    """Compare the pixels of each window with the molecule fitted there, and with background alone.

    Parameters
    ----------
    counts : ndarray of float32, shape (height, width) or (n_frames, height, width)
        The frame, in counts whose variance equals their mean; or several.
    extra : ndarray of float32, shape (height, width), optional
        Known part of the means.
    rows, columns : ndarray of int64, shape (n,)
        Middles of the windows.
    window_px : int
        Side of the window, odd.
    fits : ndarray of float64, shape (n, 6)
        x, y, sigma_x, sigma_y (pixels), amplitude and background (counts).
    n_parameters : ndarray of float64, shape (n,), or float
        Numbers that each fit has chosen freely.
    has_register : bool
        Whether the counts come from an EM register, whose law they then have.
    frames : ndarray of int64, shape (n,), optional
        Index of the frame that each window is in, where there are several; the first unless given.

    Returns
    -------
    Goodness
    """
    judged = np.empty((len(rows), 7))
    _judge(
        as_frames(counts),
        known_part(extra),
        np.zeros(len(rows), dtype=np.int64) if frames is None else frames,
        rows,
        columns,
        window_px,
        np.ascontiguousarray(fits),
        deviance_moments(has_register),
        FIRST_LOG_MEAN,
        float(NODES_PER_LOG),
        judged,
    )
    judged[:, 6] = n_parameters
    return Goodness(*judged.T)


def as_frames(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """Return one frame or several as (n_frames, height, width) for the compiled functions."""
    frames = np.ascontiguousarray(pixels, dtype=np.float32)
    return read_only(frames if frames.ndim == 3 else frames[None])


def known_part(extra: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """Return the known counts of each pixel for the compiled functions, 0 x 0 where there are none."""
    known = np.empty((0, 0)) if extra is None else extra
    return read_only(np.ascontiguousarray(known, dtype=np.float32))


@compiled
def _axis_shares(centre: float, sigma: float, first: int, integral: FloatArray, shares: FloatArray) -> None:
    scale = math.sqrt(0.5) / sigma
    for i in range(integral.size):
        z = (first + i - 0.5 - centre) * scale
        tail = complement_of_erf(abs(z), exponential(-z * z))
        integral[i] = tail if z < 0.0 else 2.0 - tail
    for i in range(shares.size):
        shares[i] = 0.5 * (integral[i + 1] - integral[i])


@compiled
def _likeliest_background(window: FloatArray, known: FloatArray, start: float, floor: float) -> float:
    """Climb to the constant that is likeliest beside the known counts, by Newton's steps."""
    background = start
    for _ in range(NEWTON_STEPS):
        slope = bend = 0.0
        for i in range(window.size):
            mean = background + known[i]
            ratio = window[i] / mean
            slope += ratio - 1.0
            bend += ratio / mean
        if not bend > 0.0:
            return floor
        step = min(max(slope / bend, -0.5 * background), background)
        background = max(background + step, floor)
        if abs(step) < TOLERANCE * background:
            break
    return background


@compiled
def _judge(
    counts: NDArray[np.float32],
    extra: NDArray[np.float32],
    frames: NDArray[np.int64],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    window_px: int,
    fits: FloatArray,
    moments: FloatArray,
    first_log_mean: float,
    nodes_per_log: float,
    judged: FloatArray,
) -> None:
    height, width = counts.shape[1:]
    reach = window_px // 2
    axes = np.empty((3, window_px + 1))
    pixels = np.zeros((4, window_px * window_px))
    for index in range(rows.size):
        picture = counts[frames[index]]
        top, bottom = max(rows[index] - reach, 0), min(rows[index] + reach + 1, height)
        left, right = max(columns[index] - reach, 0), min(columns[index] + reach + 1, width)
        x_shares, y_shares = axes[0, : right - left], axes[1, : bottom - top]
        _axis_shares(fits[index, 0], fits[index, 2], left, axes[2, : right - left + 1], x_shares)
        _axis_shares(fits[index, 1], fits[index, 3], top, axes[2, : bottom - top + 1], y_shares)
        amplitude, background = fits[index, 4], fits[index, 5]
        n = x_shares.size * y_shares.size
        window, known, means, logs = pixels[0, :n], pixels[1, :n], pixels[2, :n], pixels[3, :n]
        i = 0
        largest = total = total_known = 0.0
        for row in range(top, bottom):
            for column in range(left, right):
                window[i] = max(picture[row, column], 0.0)
                if extra.size > 0:
                    known[i] = extra[row, column]
                largest = max(largest, window[i])
                total += window[i]
                total_known += known[i]
                i += 1
        floor = FLOOR * largest
        alone = max((total - total_known) / n, floor)
        if total_known > 0.0:
            alone = _likeliest_background(window, known, alone, floor)
        i = 0
        for row in range(y_shares.size):
            for column in range(x_shares.size):
                light = amplitude * x_shares[column] * y_shares[row]
                means[i] = max(background + light, floor) + known[i]
                i += 1
        for i in range(n):
            logs[i] = logarithm(means[i])
        residuals = squares = deviance = deviance_alone = expected = variance = 0.0
        for i in range(n):
            residuals += window[i] - means[i]
            squares += (window[i] - means[i]) ** 2
            place = (logs[i] - first_log_mean) * nodes_per_log
            place = min(max(place, 0.0), moments.shape[1] - 1.001)
            node = int(place)
            part = place - node
            expected += (1.0 - part) * moments[0, node] + part * moments[0, node + 1]
            variance += (1.0 - part) * moments[1, node] + part * moments[1, node + 1]
        # What each pixel adds to the two deviances stands where its mean and that one's logarithm were.
        for i in range(n):
            log_pixel = logarithm(max(window[i], SMALLEST_NORMAL))
            means[i] += window[i] * (log_pixel - logs[i] - 1.0)
            mean_alone = alone + known[i]
            logs[i] = mean_alone + window[i] * (log_pixel - logarithm(mean_alone) - 1.0)
        for i in range(n):
            deviance += means[i]
            deviance_alone += logs[i]
        judged[index, 0] = math.sqrt(max(squares / n - (residuals / n) ** 2, 0.0))
        judged[index, 1] = 2.0 * deviance
        judged[index, 2] = deviance_alone - deviance
        judged[index, 3] = n
        judged[index, 4] = expected
        judged[index, 5] = variance
