"""Fit the two defocus curves to the widths of beads, each bead at a height of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter
from scipy.optimize import brentq, least_squares

from blinkspot.localization.astigmatism.beads import BeadWidths
from blinkspot.localization.astigmatism.calibration import DefocusCurve

FloatArray = NDArray[np.float64]

ROUNDS = 6
# A round is the last one where no bead moves by more, nm.
STILL_NM = 0.05
# Of the logarithm of the widths, between its extremes: below, a microscope is not astigmatic.
SMALLEST_SWING = 0.2
# A bead that strays from the curves this many times farther than most do is something else.
FARTHEST_BEAD = 3.0
# What a width scatters beside its photons, in parts of it; residuals beyond count less.
USUAL_SCATTER = 0.02
# Heights tried for each bead and frame, for the error of z.
Z_STEP_NM = 1.0


@dataclass(frozen=True)
class CalibratedBeads:
    """Two curves and how well the beads lie on them.

    Attributes
    ----------
    x, y : DefocusCurve
        They cross at height 0.
    z_range_nm : (float, float)
        Where at least half of the beads have known widths.
    n_beads : int
    residual_x, residual_y : float
        Standard deviation of the widths from the curves, in parts of them.
    z_error_nm : float
        Standard deviation of a bead's height, by its two widths in one frame, from where the stage says that
        it is; by the median absolute deviation.
    measured : dict of list of float
        Medians of the beads' widths, a step of the stage apart: ``z_nm``, ``sigma_x_nm``, ``sigma_y_nm``.
    """

    x: DefocusCurve
    y: DefocusCurve
    z_range_nm: tuple[float, float]
    n_beads: int
    residual_x: float
    residual_y: float
    z_error_nm: float
    measured: dict[str, list[float]]


def crossings_nm(beads: BeadWidths, stage_nm: FloatArray) -> FloatArray:
    """Return for each bead the height on the stage at which its two widths are equal; NaN where none is.

    Of several crossings, the one where the spot is smallest: noise far from the focus crosses, too.
    """
    found = np.full(len(beads), np.nan)
    for bead in range(len(beads)):
        known = np.flatnonzero(np.isfinite(beads.sigma_x_nm[bead]))
        sigma_x, sigma_y = beads.sigma_x_nm[bead, known], beads.sigma_y_nm[bead, known]
        ratio = median_filter(np.log(sigma_x / sigma_y), 3, mode="nearest")
        places = np.flatnonzero(np.diff(np.sign(ratio)) != 0)
        if len(places) == 0 or min(ratio.max(), -ratio.min()) < 0.5 * SMALLEST_SWING:
            continue
        place = places[np.argmin(sigma_x[places] * sigma_y[places])]
        near = slice(max(place - 2, 0), place + 4)
        slope, offset = np.polyfit(stage_nm[known[near]], np.log(sigma_x / sigma_y)[near], 1)
        at = -offset / slope if slope else np.nan
        steps = np.abs(np.diff(stage_nm[:2]))[0]
        if np.abs(at - stage_nm[known[place]]) <= 3 * steps:
            found[bead] = at
    return found


def align_and_fit(beads: BeadWidths, stage_nm: FloatArray, range_nm: float) -> CalibratedBeads:
    """Fit the curves to all beads, then each bead's height to the curves, in turn.

    Parameters
    ----------
    beads : BeadWidths
        Whose widths cross.
    stage_nm : ndarray, shape (frames,)
        Height of a bead in each frame, up to a constant of its own.
    range_nm : float
        Heights beyond this, on either side, are not used.

    Returns
    -------
    CalibratedBeads
    """
    focus_nm = crossings_nm(beads, stage_nm)
    x, y = DefocusCurve(130.0, -200.0, 400.0), DefocusCurve(130.0, 200.0, 400.0)
    for _ in range(ROUNDS):
        z = stage_nm - focus_nm[:, None]
        used = np.abs(z) <= range_nm
        x = _fitted(z[used], beads.sigma_x_nm[used], beads.relative_error_x[used])
        y = _fitted(z[used], beads.sigma_y_nm[used], beads.relative_error_y[used])
        shift_nm = _crossing(x, y)
        x, y = x.moved(-shift_nm), y.moved(-shift_nm)
        moved = np.array(
            [_offset(beads, bead, z[bead] - shift_nm, x, y, range_nm) for bead in range(len(beads))]
        )
        focus_nm += shift_nm + moved
        strays = _strays(beads, stage_nm - focus_nm[:, None], x, y, range_nm)
        if strays.any():
            beads, focus_nm = beads.chosen(~strays), focus_nm[~strays]
        elif np.abs(moved - np.median(moved)).max() < STILL_NM:
            break
    z = stage_nm - focus_nm[:, None]
    return _judged(beads, z, x, y, range_nm)


def _fitted(z_nm: FloatArray, sigma_nm: FloatArray, relative_error: FloatArray) -> DefocusCurve:
    """Fit a curve to widths, by least squares of their logarithms that outliers pull little (soft L1)."""
    known = np.isfinite(sigma_nm)
    z, logarithm = z_nm[known], np.log(sigma_nm[known])
    weight = 1.0 / np.hypot(relative_error[known], USUAL_SCATTER)

    def residuals(parameters: FloatArray) -> Any:
        log_sigma, centre, depth, cubic, quartic, quintic, sextic = parameters
        t = (z - centre) / depth
        square = 1.0 + t**2 * (1.0 + t * (cubic + t * (quartic + t * (quintic + t * sextic))))
        return weight * (log_sigma + 0.5 * np.log(np.maximum(square, 1e-3)) - logarithm)

    # Where the spot is narrowest, by the tenth of the widths that are smallest.
    smallest = np.argsort(logarithm)[: max(1, len(z) // 10)]
    start = [logarithm[smallest].mean(), np.median(z[smallest]), 400.0, 0.0, 0.0, 0.0, 0.0]
    found = least_squares(
        residuals,
        start,
        x_scale=[0.1, 50.0, 50.0, 0.1, 0.1, 0.1, 0.1],
        bounds=([2.5, -5e3, 50.0, *(-50.0,) * 4], [7.5, 5e3, 5e3, *(50.0,) * 4]),
        loss="soft_l1",
    )
    log_sigma, *others = found.x.tolist()
    return DefocusCurve(float(np.exp(log_sigma)), *others)


def _crossing(x: DefocusCurve, y: DefocusCurve) -> float:
    """Return the height between the foci at which the curves cross."""
    low, high = sorted((x.centre_nm, y.centre_nm))

    def difference(z: float) -> float:
        return float(np.log(x.at(z) / y.at(z)))

    if not difference(low) * difference(high) < 0.0:
        return 0.5 * (low + high)
    return float(brentq(difference, low, high, xtol=1e-3))


def _residuals(
    beads: BeadWidths, z_nm: FloatArray, x: DefocusCurve, y: DefocusCurve
) -> tuple[FloatArray, FloatArray]:
    return np.log(beads.sigma_x_nm / x.at(z_nm)), np.log(beads.sigma_y_nm / y.at(z_nm))


def _offset(
    beads: BeadWidths, bead: int, z_nm: FloatArray, x: DefocusCurve, y: DefocusCurve, range_nm: float
) -> float:
    """Return how much lower than ``z_nm`` a bead's widths say that it is, over all frames, nm."""
    known = np.isfinite(beads.sigma_x_nm[bead]) & (np.abs(z_nm) <= range_nm)
    z = z_nm[known]
    log_x, log_y = np.log(beads.sigma_x_nm[bead, known]), np.log(beads.sigma_y_nm[bead, known])
    weight_x = 1.0 / np.hypot(beads.relative_error_x[bead, known], USUAL_SCATTER)
    weight_y = 1.0 / np.hypot(beads.relative_error_y[bead, known], USUAL_SCATTER)

    def residuals(offset: FloatArray) -> Any:
        off_x = weight_x * (np.log(x.at(z - offset[0])) - log_x)
        off_y = weight_y * (np.log(y.at(z - offset[0])) - log_y)
        return np.nan_to_num(np.concatenate([off_x, off_y]))

    found = least_squares(residuals, [0.0], bounds=(-200.0, 200.0), loss="soft_l1")
    return float(found.x[0])


def _strays(
    beads: BeadWidths, z_nm: FloatArray, x: DefocusCurve, y: DefocusCurve, range_nm: float
) -> NDArray[np.bool_]:
    """Tell which beads lie far off the curves; shape (beads,)."""
    off_x, off_y = _residuals(beads, z_nm, x, y)
    off = np.where(np.abs(z_nm) <= range_nm, np.hypot(off_x, off_y), np.nan)
    per_bead = np.nanmedian(off, axis=1)
    strays: NDArray[np.bool_] = per_bead > FARTHEST_BEAD * np.median(per_bead)
    return strays


def _judged(
    beads: BeadWidths, z_nm: FloatArray, x: DefocusCurve, y: DefocusCurve, range_nm: float
) -> CalibratedBeads:
    known = np.isfinite(beads.sigma_x_nm) & (np.abs(z_nm) <= range_nm)
    lowest = [z[ok].min() for z, ok in zip(z_nm, known, strict=True)]
    highest = [z[ok].max() for z, ok in zip(z_nm, known, strict=True)]
    z_range = (float(np.median(lowest)), float(np.median(highest)))
    off_x, off_y = _residuals(beads, z_nm, x, y)
    heights = np.arange(z_range[0], z_range[1] + Z_STEP_NM, Z_STEP_NM)
    curve_x, curve_y = np.log(x.at(heights)), np.log(y.at(heights))
    errors = []
    for log_x, log_y, z in zip(
        np.log(beads.sigma_x_nm[known]), np.log(beads.sigma_y_nm[known]), z_nm[known], strict=True
    ):
        errors.append(heights[np.argmin((curve_x - log_x) ** 2 + (curve_y - log_y) ** 2)] - z)
    return CalibratedBeads(
        x,
        y,
        z_range,
        len(beads),
        _spread(off_x[known]),
        _spread(off_y[known]),
        _spread(np.array(errors)),
        _medians(beads, z_nm, known),
    )


def _medians(beads: BeadWidths, z_nm: FloatArray, known: NDArray[np.bool_]) -> dict[str, list[float]]:
    """Return the medians over bins of height as wide as the stage's step."""
    step = abs(z_nm[0, 1] - z_nm[0, 0])
    bins = np.round(z_nm[known] / step).astype(np.int64)
    values = {"z_nm": z_nm, "sigma_x_nm": beads.sigma_x_nm, "sigma_y_nm": beads.sigma_y_nm}
    return {
        name: [float(np.median(each[known][bins == place])) for place in np.unique(bins)]
        for name, each in values.items()
    }


def _spread(values: FloatArray) -> float:
    """Return the standard deviation by the median absolute one, which outliers do not move."""
    return float(1.4826 * np.median(np.abs(values)))
