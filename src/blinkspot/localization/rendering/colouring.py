"""The colours of a column: its values, their range and name, and the hues that stand for them."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import minimum_filter1d, uniform_filter1d

from blinkspot.errors import BlinkspotError
from blinkspot.localization.table import LocalizationTable

LOW_PERCENTILE, HIGH_PERCENTILE = 1.0, 99.0
N_HUES = 256

_ROWS_FOR_RANGE = 2**20
_UNITS = ("nm", "photons")
_FIRST_HUE, _LAST_HUE = 270.0, 15.0  # degrees
_LIGHTNESS = 0.72
_FINE_STEPS, _SMOOTHED_STEPS = 1024, 121


def column_values(table: LocalizationTable, column: str) -> NDArray[Any]:
    """Return a column to colour by.

    Raises
    ------
    BlinkspotError
        If the table has no such column, or has rows but no finite value in it.
    """
    if column not in table.data.columns:
        names = ", ".join(table.data.columns)
        raise BlinkspotError(f"This table has no column {column} to colour by: choose one of {names}.")
    values = table.column(column)
    if len(values) and not np.isfinite(values).any():
        raise BlinkspotError(f"The column {column} holds no values in this table: colour by another one.")
    return values


def column_range(values: NDArray[Any], limits: tuple[float, float] | None) -> tuple[float, float]:
    """Return the values at the ends of the colours: as given, else percentiles of those that are finite.

    Of a long column a part, evenly spread, stands for the whole.

    Raises
    ------
    BlinkspotError
        If what is given is not finite and ascending.
    """
    if limits is not None:
        low, high = limits
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise BlinkspotError(
                f"The range of the colours is two numbers, the lower one first, not {low:g} and {high:g}."
            )
        return float(low), float(high)
    some = values[:: max(1, len(values) // _ROWS_FOR_RANGE)]
    if not np.isfinite(some).any():
        some = values
    some = some[np.isfinite(some)]
    if not len(some):
        return 0.0, 1.0
    low, high = np.percentile(some, (LOW_PERCENTILE, HIGH_PERCENTILE))
    return (float(low), float(high)) if low < high else (float(low) - 0.5, float(low) + 0.5)


def column_label(column: str) -> str:
    """Return a column's name for a reader, with its unit in parentheses: ``"z (nm)"``."""
    name, _, unit = column.rpartition("_")
    if name and unit in _UNITS:
        return f"{name.replace('_', ' ')} ({unit})"
    return column.replace("_", " ")


@lru_cache(maxsize=1)
def hues() -> NDArray[np.float32]:
    """Return the colours, from blue at the low end over green to red, all equally light.

    Only then does brightness mean density and nothing else. They lie at one lightness of Oklab (Ottosson
    2020, "A perceptual color space for image processing"), as saturated as sRGB allows without a kink, and at
    equal distances.

    Returns
    -------
    ndarray of float32, shape (256, 3)
        sRGB, from 0 to 1.
    """
    angle = np.radians(np.linspace(_FIRST_HUE, _LAST_HUE, _FINE_STEPS))
    chromas = np.linspace(0.0, 0.4, 401)[:, None]
    linear = _linear_rgb(chromas * np.cos(angle), chromas * np.sin(angle))
    shown = ((linear >= 0.0) & (linear <= 1.0)).all(axis=-1)
    most = chromas[np.argmin(shown, axis=0) - 1, 0]  # the last before the first that cannot be shown
    # The mean of minima over the same width never exceeds the value itself.
    chroma = uniform_filter1d(minimum_filter1d(most, _SMOOTHED_STEPS), _SMOOTHED_STEPS)
    a, b = chroma * np.cos(angle), chroma * np.sin(angle)
    way = np.concatenate([[0.0], np.hypot(np.diff(a), np.diff(b)).cumsum()])
    places = np.linspace(0.0, way[-1], N_HUES)
    chosen = _linear_rgb(np.interp(places, way, a), np.interp(places, way, b)).clip(0.0, 1.0)
    hues: NDArray[np.float32] = np.where(
        chosen <= 0.0031308, 12.92 * chosen, 1.055 * chosen ** (1 / 2.4) - 0.055
    ).astype(np.float32)
    return hues


def _linear_rgb(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Linear sRGB of Oklab's two axes of colour, at the lightness of all our colours."""
    cones = np.stack(
        [
            _LIGHTNESS + 0.3963377774 * a + 0.2158037573 * b,
            _LIGHTNESS - 0.1055613458 * a - 0.0638541728 * b,
            _LIGHTNESS - 0.0894841775 * a - 1.2914855480 * b,
        ],
        axis=-1,
    )
    to_rgb = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    rgb: NDArray[np.float64] = cones**3 @ to_rgb.T
    return rgb
