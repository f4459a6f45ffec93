"""The search for the optimum of one window's fit."""

from __future__ import annotations

import numpy as np

from blinkspot.localization._compiling import compiled
from blinkspot.localization._copying import put, put_all
from blinkspot.localization.fitting.gaussian_model import FloatArray, Scratch, linearize
from blinkspot.localization.fitting.kernel_maths import EXPECTED, OBSERVED, solve_damped

# A Gaussian narrower than this has all its light in one pixel; one wider than half the window is background.
SMALLEST_SIGMA_PX = 0.3
LARGEST_SIGMA_WINDOWS = 0.5

MAX_STEPS = 100
# A step this small, or the first after it, ends the search: Newton's steps square what is missing.
NEWTON_TOLERANCE = 1e-3
TOLERANCE = 1e-4
BACKGROUND_MATTERS = 0.1
FIRST_DAMPING = 1e-3
# Less would hardly change a step that has failed.
DAMPING_AFTER_FAILURE = 1.0
LARGEST_DAMPING = 1e10


@compiled
def minimize(
    window: FloatArray,
    extra: FloatArray,
    weights: FloatArray,
    poisson: bool,
    sigma_prior: tuple[float, float],
    parameters: FloatArray,
    floor: float,
    scratch: Scratch,
    vectors: FloatArray,
    matrices: FloatArray,
) -> bool:
    """Take Levenberg-Marquardt steps from ``parameters`` to the optimum, sigma and amplitude above 0.

    A step follows the second derivatives where they bend upwards (Newton), else the expected curvature. The
    background stays at or above ``floor``. Returns whether the steps converged on a plausible molecule in the
    window; ``matrices[0]`` then holds the second derivatives there. ``scratch`` is as for :func:`linearize`;
    ``vectors`` (4, 6) and ``matrices`` (3, 6, 6) are scratch space, too.
    """
    rows, columns = window.shape
    n = parameters.size
    gradient, trial_gradient, step, trial = vectors[0, :n], vectors[1, :n], vectors[2, :n], vectors[3, :n]
    curvature, trial_curvature, factor = matrices[0, :n, :n], matrices[1, :n, :n], matrices[2, :n, :n]
    loss = linearize(
        window, extra, weights, poisson, OBSERVED, sigma_prior, parameters, scratch, gradient, curvature
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
                    EXPECTED,
                    sigma_prior,
                    parameters,
                    scratch,
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
            put(trial, parameters)
            return _plausible(parameters, rows, columns)
        trial_loss = linearize(
            window,
            extra,
            weights,
            poisson,
            OBSERVED,
            sigma_prior,
            trial,
            scratch,
            trial_gradient,
            trial_curvature,
        )
        if trial_loss <= loss:
            loss = trial_loss
            put(trial, parameters)
            put(trial_gradient, gradient)
            put_all(trial_curvature, curvature)
            newton = True
            damping *= 0.1
        else:
            damping = max(10.0 * damping, DAMPING_AFTER_FAILURE)
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
