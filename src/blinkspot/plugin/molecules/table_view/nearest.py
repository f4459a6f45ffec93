"""Which molecule is meant by a click. Nothing here knows Qt or a layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from blinkspot.localization import LocalizationTable


def nearest_row(
    table: LocalizationTable,
    rows: NDArray[np.int64] | None,
    place_nm: tuple[float, float],
    within_nm: float,
    frame: int | None = None,
) -> int | None:
    """Return the row of the molecule nearest to a place, None where none is near.

    Parameters
    ----------
    rows : (n,) int64 or None
        Those to choose from; None for all.
    place_nm : (y, x)
    within_nm : float
        The largest distance.
    frame : int, optional
        Of the molecule; any unless given.
    """
    if frame is not None:
        in_frame = np.flatnonzero(table.column("frame") == frame)
        rows = in_frame if rows is None else np.intersect1d(in_frame, rows, assume_unique=True)
    y, x = table.column("y_nm"), table.column("x_nm")
    if rows is not None:
        y, x = y[rows], x[rows]
    if not len(y):
        return None
    squares = (y - place_nm[0]) ** 2 + (x - place_nm[1]) ** 2
    best = int(squares.argmin())
    if squares[best] > within_nm**2:
        return None
    return best if rows is None else int(rows[best])
