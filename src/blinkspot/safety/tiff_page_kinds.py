"""Whether all pages of a TIFF movie are stored alike: tifffile looks at few of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from blinkspot.errors import BlinkspotError

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _SAMPLES, _PREDICTOR, _FORMAT = 256, 257, 258, 259, 277, 317, 339
_SUBFILE, _FILL_ORDER, _ROWS, _TILE_WIDTH, _TILE_HEIGHT = 254, 266, 278, 322, 323
# What a page is that does not say it (TIFF 6.0, sections 8 and 19).
_UNSAID = {_BITS: 1, _COMPRESSION: 1, _FILL_ORDER: 1, _SAMPLES: 1, _PREDICTOR: 1, _FORMAT: 1}
_NAMES = {
    _BITS: "BitsPerSample",
    _COMPRESSION: "Compression",
    _FORMAT: "SampleFormat",
    _SAMPLES: "SamplesPerPixel",
    _PREDICTOR: "Predictor",
    _FILL_ORDER: "FillOrder",
    _ROWS: "RowsPerStrip",
    _TILE_WIDTH: "TileWidth",
    _TILE_HEIGHT: "TileLength",
}
_SMALL_COPY = 1
_SIZE = (_HEIGHT, _WIDTH, _SAMPLES)
_TAGS = (_SUBFILE, _WIDTH, _HEIGHT, *_NAMES)
# Two numbers for one thing: of Deflate, JPEG 2000, and whole numbers of unsigned or unknown kind.
_SAME = {(_COMPRESSION, 32946): 8, (_COMPRESSION, 33005): 34712, (_FORMAT, 4): 1}
# Bytes of a whole number by its type's number in TIFF.
_WHOLE_BYTES = {1: 1, 3: 2, 4: 4, 6: 1, 8: 2, 9: 4, 13: 4, 16: 8, 17: 8, 18: 8}

Kind = dict[int, int | str]


class PageKinds:
    """How the pages in a file's list of pages are stored.

    Parameters
    ----------
    order : 'little' or 'big'
        Of the bytes of a number.
    """

    def __init__(self, order: Literal["little", "big"]) -> None:
        self._order = order
        self._kinds: dict[int, Kind] = {}
        # Nearly all pages are described alike, so that little has to be looked at.
        self._places: dict[bytes, list[slice]] = {}
        self._known: dict[bytes, Kind] = {}

    def add(self, at: int, held: bytes, entries: NDArray[Any], entries_at: int) -> None:
        """Note the next page.

        Parameters
        ----------
        at : int
            Where it is described in the file.
        held : bytes
            The description.
        entries : ndarray
            The entries of the description: 'tag', 'type', 'count' and 'value'.
        entries_at : int
            Where they begin in ``held``.
        """
        told = b"".join([held[place] for place in self._places_of(entries, entries_at)])
        kind = self._known.get(told)
        if kind is None:
            kind = self._known[told] = self._kind(entries)
        self._kinds[at] = kind

    def add_alike(
        self, places: Sequence[int], descriptions: NDArray[np.uint8], entries: NDArray[Any], entries_at: int
    ) -> None:
        """Note the next pages, which have the tags, types and numbers of values of a page noted before.

        Parameters
        ----------
        places : sequence of int
            Where each is described.
        descriptions : ndarray, (n, bytes of a description) uint8
            The descriptions.
        entries : ndarray
            The entries of the page noted before.
        entries_at : int
            Where they begin in a description.
        """
        ours = np.zeros(descriptions.shape[1], bool)
        for place in self._places_of(entries, entries_at):
            ours[place] = True
        told = descriptions[:, ours]
        as_the_first = (told == told[0]).all(axis=1).tolist()
        for number, at in enumerate(places):
            if number and as_the_first[number]:
                self._kinds[at] = self._kinds[places[0]]
            else:
                held = descriptions[number].tobytes()
                self.add(at, held, np.frombuffer(held, entries.dtype, len(entries), entries_at), entries_at)

    def _places_of(self, entries: NDArray[Any], entries_at: int) -> list[slice]:
        """Return where in a description that is which tells how a page is stored."""
        tags = entries["tag"].tobytes()
        places = self._places.get(tags)
        if places is None:
            size = entries.dtype.itemsize
            ours = (entries_at + size * np.flatnonzero(np.isin(entries["tag"], _TAGS))).tolist()
            places = self._places[tags] = [slice(place, place + size) for place in ours]
        return places

    @property
    def are_alike(self) -> bool:
        """Whether all pages are stored in the same way."""
        kinds = list(self._known.values())
        return all(_said(kind, kinds[0]) is None for kind in kinds)

    @property
    def places(self) -> list[int]:
        """Where each page is described, in their order."""
        return list(self._kinds)

    def of(self, at: int) -> Kind | None:
        """Return how a page is stored; None where it is not in the list of pages."""
        return self._kinds.get(at)

    def check_none_left_out(self, frames: Iterable[int], path: Path) -> None:
        """Check that none of the pages that are not among a movie's frames seems to be one of them.

        Parameters
        ----------
        frames : iterable of int
            Where each is described.
        path : Path
            The file, for the error.

        Raises
        ------
        BlinkspotError
            If one lies between them and is no small copy, or is of their size.
        """
        numbers = {at: number for number, at in enumerate(self._kinds, start=1)}
        within = {numbers[at] for at in frames if at in numbers}
        if not within:
            return
        kinds = dict(enumerate(self._kinds.values(), start=1))
        first, last = min(within), max(within)
        usual = kinds[first]
        left_out = [n for n, kind in kinds.items() if n not in within and kind[_SUBFILE] != _SMALL_COPY]
        between = [n for n in left_out if first < n < last]
        # As many as frames may be copies that are not marked as such.
        if len(within) > 2 and len(between) >= len(within) - 1:
            between = []
        # Before and behind them other pictures may be, but none of their size.
        frames_too = [n for n in left_out if all(kinds[n].get(tag) == usual.get(tag) for tag in _SIZE)]
        if between or frames_too:
            number = (between or frames_too)[0]
            raise _unlike(path, "page", number, kinds[number], usual)

    def _kind(self, entries: NDArray[Any]) -> Kind:
        kind: Kind = {_SUBFILE: 0, **_UNSAID}
        # Of a tag that is there twice, the first counts.
        for entry in entries[np.isin(entries["tag"], _TAGS)][::-1]:
            tag, held = int(entry["tag"]), entry["value"].tobytes()
            n_bytes = _WHOLE_BYTES.get(int(entry["type"]), 0) if entry["count"] == 1 else 0
            if 0 < n_bytes <= len(held):
                value = int.from_bytes(held[:n_bytes], self._order)
                kind[tag] = _SAME.get((tag, value), value)
            else:
                # Several values, one for each colour, lie elsewhere in the file: how many says enough.
                kind[tag] = f"of {entry['count']} values"
        height, rows = kind.get(_HEIGHT), kind.get(_ROWS)
        if isinstance(height, int) and _TILE_WIDTH not in kind:
            kind[_ROWS] = min(height, rows) if isinstance(rows, int) else height
        return kind


def check_alike(frames: Iterable[Kind | None], path: Path) -> None:
    """Check that the frames of a movie are stored alike.

    Parameters
    ----------
    frames : iterable of Kind or None
        How each is stored, None where this is not known.
    path : Path
        The file, for the error.

    Raises
    ------
    BlinkspotError
        If one is not like the first of them.
    """
    first: Kind | None = None
    for number, kind in enumerate(frames, start=1):
        if kind is None or kind is first:
            continue
        if first is None:
            first = kind
        elif _said(kind, first) is not None:
            raise _unlike(path, "frame", number, kind, first)


def _unlike(path: Path, what: str, number: int, kind: Kind, usual: Kind) -> BlinkspotError:
    return BlinkspotError(
        f"{path} holds pictures of different sizes or kinds: {what} {number} (counting from 1) is "
        f"{_said(kind, usual) or 'of another kind'} and others are {_said(usual, kind) or 'alike'}; "
        "save those of one kind as a file of their own."
    )


def _said(kind: Kind, other: Kind) -> str | None:
    """Return in words what one kind is that another is not; None where both are the same."""
    if (kind.get(_HEIGHT), kind.get(_WIDTH)) != (other.get(_HEIGHT), other.get(_WIDTH)):
        return f"{kind.get(_HEIGHT)} x {kind.get(_WIDTH)} pixels"
    for tag, name in _NAMES.items():
        if kind.get(tag) != other.get(tag):
            return f"of {name} {kind.get(tag)}"
    return None
