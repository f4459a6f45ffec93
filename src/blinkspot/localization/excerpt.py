"""Some rows of a large table: those of a stretch of frames."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blinkspot.paced import in_parts
from blinkspot.progress import Progress, Stopwatch


@dataclass(frozen=True, eq=False)
class Excerpt:
    """Rows of a table.

    Attributes
    ----------
    rows : ndarray of int64, shape (n,)
        Ascending. A row of the table's first frame and one of its last are always among them, so that these
        show how far the movie goes.
    first_frame, last_frame : int
        Of the stretch of frames whose rows they are, all of them but where one frame alone has too many.
    is_whole : bool
        Whether they are all rows of the table.
    """

    rows: NDArray[np.int64]
    first_frame: int
    last_frame: int
    is_whole: bool


def rows_around(frame: NDArray[np.int64], around: int, most: int) -> Generator[Progress, None, Excerpt]:
    """Choose the rows of as many frames around one as have no more than so many rows.

    Where one frame alone has more, they are evenly spread among its rows.

    Parameters
    ----------
    frame : ndarray of int64, shape (n,)
        Frame of each row, from 0 on.
    around : int
        The frame in the middle; where there is none such, the nearest that there is.
    most : int
        Rows, at least 1; up to two more come with the ends of the movie.

    Yields
    ------
    Progress
    """
    clock = Stopwatch("choosing", 1.0)
    yield clock.at(0.0)
    last = int(frame.max()) if len(frame) else 0
    if len(frame) <= most:
        return Excerpt(np.arange(len(frame)), 0, last, True)
    around = min(max(around, 0), last)
    counts = np.zeros(last + 1, np.int64)

    def count(part: slice) -> None:
        some = frame[part]
        lowest = int(some.min())
        found = np.bincount(some - lowest)
        counts[lowest : lowest + len(found)] += found

    yield from in_parts(count, len(frame), clock, (0.0, 0.5))
    below = np.concatenate([[0], np.cumsum(counts)])
    # The longest stretch of the same number of frames before and after that is not too many rows.
    reaches = np.arange(max(around, last - around) + 1)
    firsts, ends = np.maximum(around - reaches, 0), np.minimum(around + reaches, last) + 1
    longest = int(np.searchsorted(below[ends] - below[firsts], most, side="right")) - 1
    first, end = (around, around + 1) if longest < 0 else (int(firsts[longest]), int(ends[longest]))
    chosen: list[NDArray[np.int64]] = []

    def choose(part: slice) -> None:
        some = frame[part]
        chosen.append(np.flatnonzero((some >= first) & (some < end)) + part.start)

    yield from in_parts(choose, len(frame), clock, (0.5, 1.0))
    rows = np.concatenate(chosen)
    if len(rows) > most:
        rows = rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]
    ends_of_movie = (int(frame.argmin()), int(frame.argmax()))
    return Excerpt(np.union1d(rows, ends_of_movie), first, end - 1, False)
