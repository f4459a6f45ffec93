"""The order in which localizations are looked at: by frame, then by position."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blinkspot.localization._compiling import compiled, read_only
from blinkspot.localization._copying import put
from blinkspot.localization.table import LocalizationTable
from blinkspot.paced import gathered, in_parts, waited_for
from blinkspot.progress import Progress, Stopwatch

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class FrameOrder:
    """Rows of a table by frame, within a frame by x, then y, then uncertainty, then photons.

    So what is worked out in this order does not depend on the order of the rows, save where two rows agree in
    all of these.

    Attributes
    ----------
    rows : ndarray of int64, shape (n,)
    starts : ndarray of int64, shape (frames + 1,)
        Frame number i of those that have rows is ``rows[starts[i]:starts[i + 1]]``.
    """

    rows: IntArray
    starts: IntArray

    @property
    def n_frames(self) -> int:
        """Number of frames that have rows."""
        return len(self.starts) - 1


def order_by_frame(
    table: LocalizationTable, clock: Stopwatch, done: tuple[float, float]
) -> Generator[Progress, None, FrameOrder]:
    """Return the rows of a table in the order of frames and positions."""
    frames = table.column("frame")
    rows: IntArray = np.arange(len(table), dtype=np.int64)
    if (frames[1:] < frames[:-1]).any():
        rows = yield from waited_for(lambda: np.argsort(frames, kind="stable"), clock, done[0])
        frames = yield from gathered(frames, rows, clock, done[0])
    starts = np.flatnonzero(
        np.concatenate(([True], frames[1:] != frames[:-1], [True])) if len(rows) else [True]
    )
    keys = [read_only(table.column(name)) for name in ("x_nm", "y_nm", "uncertainty_nm", "photons")]

    def sort(part: slice) -> None:
        _sort_frames(rows, starts, part.start, part.stop, *keys)

    yield from in_parts(sort, len(starts) - 1, clock, done, at_first=16)
    return FrameOrder(rows, starts)


@compiled
def _sort_frames(
    rows: IntArray,
    starts: IntArray,
    first: int,
    last: int,
    x: FloatArray,
    y: FloatArray,
    uncertainty: FloatArray,
    photons: FloatArray,
) -> None:
    """Sort each frame's part of ``rows`` in place."""
    for frame in range(first, last):
        begin, end = starts[frame], starts[frame + 1]
        here = rows[begin:end].copy()
        here = here[np.argsort(x[here], kind="mergesort")]
        # What has the same x, mostly nothing, is sorted by insertion.
        for i in range(1, end - begin):
            row, j = here[i], i - 1
            while j >= 0 and x[here[j]] == x[row]:
                other = here[j]
                if y[other] != y[row]:
                    later = y[other] > y[row]
                elif uncertainty[other] != uncertainty[row]:
                    later = uncertainty[other] > uncertainty[row]
                else:
                    later = photons[other] > photons[row]
                if not later:
                    break
                here[j + 1] = other
                j -= 1
            here[j + 1] = row
        put(here, rows[begin:end])


def compile_ordering() -> None:
    """Have the compiled function ready."""
    ones: Any = read_only(np.ones(1))
    _sort_frames(np.zeros(1, np.int64), np.array([0, 1]), 0, 1, ones, ones, ones, ones)
