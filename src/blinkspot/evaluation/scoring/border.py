"""Molecules too near the border of a movie to be counted."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from blinkspot.errors import BlinkspotError
from blinkspot.localization import LocalizationTable


def field_of(*tables: LocalizationTable) -> tuple[float, float] | None:
    """Return height and width of the movie, nm, as the first table says that knows them."""
    return next((extent for table in tables if (extent := table.movie_extent_nm) is not None), None)


def check_border(border_nm: float, field_nm: tuple[float, float] | None) -> None:
    """Refuse a border that is none, or that leaves nothing of the field.

    Raises
    ------
    BlinkspotError
        If it is below 0 or not finite, the field is not known, or the border covers it.
    """
    if not (math.isfinite(border_nm) and border_nm >= 0.0):
        raise BlinkspotError(f"The border must be 0 nm or wider, not {border_nm} nm.")
    if border_nm == 0.0:
        return
    if field_nm is None:
        raise BlinkspotError(
            "Neither table says how large its movie is, so what lies in its border is not known: "
            "give the height and width of the field, nm."
        )
    if not all(math.isfinite(side) and side > 2.0 * border_nm for side in field_nm):
        height_nm, width_nm = field_nm
        raise BlinkspotError(
            f"A border of {border_nm:g} nm leaves nothing of a field that is {width_nm:g} nm wide and "
            f"{height_nm:g} nm high: choose a narrower one."
        )


def in_border(
    table: LocalizationTable, border_nm: float, field_nm: tuple[float, float] | None
) -> NDArray[np.bool_]:
    """Tell which rows lie less than ``border_nm`` from the edge of the field, or outside it, shape (n,).

    With a border of 0 none does.
    """
    if border_nm == 0.0 or field_nm is None:
        return np.zeros(len(table), bool)
    y, x = table.column("y_nm"), table.column("x_nm")
    height_nm, width_nm = field_nm
    nearest = np.minimum(np.minimum(x, width_nm - x), np.minimum(y, height_nm - y))
    outside: NDArray[np.bool_] = nearest < border_nm
    return outside
