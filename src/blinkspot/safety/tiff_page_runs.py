"""Pages of a TIFF file whose descriptions follow one another at equal distances: looked at all at once.

Where frames lie in one block, the descriptions of all pages lie in one, too, and going from each to the next
takes longer than all else of opening a large movie.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, BinaryIO, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

_FARTHEST_BYTES = 1 << 12
_MOST_BYTES = 1 << 20
_FEWEST_PAGES = 8
_LONGEST_REST = 255


class Run(NamedTuple):
    """Pages that follow one another in the list of pages, and at equal distances in the file.

    Attributes
    ----------
    places : sequence of int
        Where each is described.
    descriptions : ndarray, (n, bytes of a description) uint8
        The same tags, types and numbers of values in each.
    following : int
        Where the last of them says that the next page is.
    """

    places: Sequence[int]
    descriptions: NDArray[np.uint8]
    following: int


class PageRuns:
    """Finds pages that are described like the one before them.

    Parameters
    ----------
    file : file
        Open to be read; its position is changed.
    order : 'little' or 'big'
        Of the bytes of a number.
    """

    def __init__(self, file: BinaryIO, order: Literal["little", "big"]) -> None:
        self._file = file
        self._order = order
        # More and more while all are alike: what is read in vain has been earned before.
        self._pages_ahead = _FEWEST_PAGES
        # Where pages are not alike, or far from one another, looking at each is done soonest.
        self._rest = self._longest_rest = 0

    def after(self, page: bytes, entries: NDArray[Any], at: int, following: int) -> Run:
        """Return pages after one, not necessarily all that belong to its run.

        Parameters
        ----------
        page : bytes
            Description of that page, with nothing behind it.
        entries : ndarray
            The entries of that description: 'tag', 'type', 'count' and 'value'.
        at, following : int
            Where it and the next page are described.
        """
        distance = following - at
        if self._rest or not len(page) <= distance <= _FARTHEST_BYTES:
            self._rest = max(0, self._rest - 1)
            return Run((), np.empty((0, len(page)), np.uint8), following)
        wanted = min(self._pages_ahead, _MOST_BYTES // distance)
        self._file.seek(following)
        read = np.frombuffer(self._file.read(wanted * distance), np.uint8)
        rows = read[: len(read) // distance * distance].reshape(-1, distance)[:, : len(page)]
        links = self._links(rows, entries)
        places = following + distance * np.arange(len(rows) + 1, dtype=np.uint64)
        fixed = _fixed(page, entries)
        alike = (rows[:, fixed] == np.frombuffer(page, np.uint8)[fixed]).all(axis=1)
        # A page belongs to them if it is like the first one and the page before it leads there.
        alike[1:] &= links[:-1] == places[1:-1]
        n = len(rows) if alike.all() else int(np.argmin(alike))
        self._pages_ahead = 4 * wanted if n == wanted else _FEWEST_PAGES
        self._longest_rest = 0 if n == wanted else min(2 * self._longest_rest + 1, _LONGEST_REST)
        self._rest = self._longest_rest
        return Run(places[:n].tolist(), rows[:n], int(links[n - 1]) if n else following)

    def _links(self, rows: NDArray[np.uint8], entries: NDArray[Any]) -> NDArray[Any]:
        link_bytes = entries.dtype["value"].itemsize
        kind = np.dtype(f"{'<' if self._order == 'little' else '>'}u{link_bytes}")
        return np.ascontiguousarray(rows[:, -link_bytes:]).view(kind)[:, 0].astype(np.uint64)


def _fixed(page: bytes, entries: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which bytes of a description say what tags, types and numbers of values there are."""
    entry_bytes, link_bytes = entries.dtype.itemsize, entries.dtype["value"].itemsize
    fixed = np.ones(len(page), bool)
    fixed[-link_bytes:] = False
    of_entries = fixed[len(page) - link_bytes - len(entries) * entry_bytes : -link_bytes]
    of_entries.reshape(len(entries), entry_bytes)[:, -link_bytes:] = False
    return fixed
