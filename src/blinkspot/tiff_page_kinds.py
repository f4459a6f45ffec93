"""Whether all pages of a TIFF movie are stored alike: tifffile looks at few of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from blinkspot.errors import BlinkspotError

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _SAMPLES, _PREDICTOR, _FORMAT = 256, 257, 258, 259, 277, 317, 339
_FILL_ORDER, _TILE_WIDTH, _TILE_HEIGHT = 266, 322, 323
# What a page is that does not say it (TIFF 6.0, sections 8 and 19).
_UNSAID = {_BITS: 1, _COMPRESSION: 1, _FILL_ORDER: 1, _SAMPLES: 1, _PREDICTOR: 1, _FORMAT: 1}
_TAGS = (_WIDTH, _HEIGHT, *_UNSAID, _TILE_WIDTH, _TILE_HEIGHT)
_NAMES = {
    _BITS: "BitsPerSample",
    _COMPRESSION: "Compression",
    _FORMAT: "SampleFormat",
    _SAMPLES: "SamplesPerPixel",
    _PREDICTOR: "Predictor",
    _FILL_ORDER: "FillOrder",
    _TILE_WIDTH: "TileWidth",
    _TILE_HEIGHT: "TileLength",
}
# Bytes of a whole number by its type's number in TIFF.
_WHOLE_BYTES = {1: 1, 3: 2, 4: 4, 16: 8}

Kind = dict[int, int | str]


class PageKinds:
    """How the pages of a file are stored, each told once.

    Parameters
    ----------
    order : 'little' or 'big'
        Of the bytes of a number.
    """

    def __init__(self, order: Literal["little", "big"]) -> None:
        self._order = order
        self._first: Kind | None = None
        self._unlike: dict[int, Kind] = {}
        # Nearly all pages are described alike, so that little has to be looked at.
        self._places: dict[bytes, list[slice]] = {}
        self._known: dict[bytes, Kind] = {}

    def add(self, at: int, held: bytes, entries: NDArray[Any], entries_at: int) -> None:
        """Note a page.

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
        tags = entries["tag"].tobytes()
        places = self._places.get(tags)
        if places is None:
            size = entries.dtype.itemsize
            ours = (entries_at + size * np.flatnonzero(np.isin(entries["tag"], _TAGS))).tolist()
            places = self._places[tags] = [slice(place, place + size) for place in ours]
        told = b"".join([held[place] for place in places])
        kind = self._known.get(told)
        if kind is None:
            kind = self._known[told] = self._kind(entries)
        if self._first is None:
            self._first = kind
        elif kind is not self._first and kind != self._first:
            self._unlike[at] = kind

    def check_alike(self, pages: Iterable[int], path: Path) -> None:
        """Check that the pages of a movie are stored alike.

        Parameters
        ----------
        pages : iterable of int
            Where each is described, by frames.
        path : Path
            The file, for the error.

        Raises
        ------
        BlinkspotError
            If one is not like the first of them.
        """
        if not self._unlike or self._first is None:
            return
        kinds = [self._unlike.get(at, self._first) for at in pages]
        for frame, kind in enumerate(kinds, start=1):
            if kind != kinds[0]:
                raise BlinkspotError(
                    f"{path} holds frames of different sizes or kinds: frame {frame} (counting from 1) is "
                    f"{_said(kind, kinds[0])} and the first {_said(kinds[0], kind)}; save the frames of one "
                    "kind as a file of its own."
                )

    def _kind(self, entries: NDArray[Any]) -> Kind:
        kind: Kind = dict(_UNSAID)
        for entry in entries[np.isin(entries["tag"], _TAGS)]:
            n_bytes = _WHOLE_BYTES.get(int(entry["type"]), 0) if entry["count"] == 1 else 0
            value = int.from_bytes(entry["value"].tobytes()[:n_bytes], self._order)
            # Several values, one for each colour, lie elsewhere in the file: how many says enough.
            kind[int(entry["tag"])] = value if n_bytes else f"of {entry['count']} values"
        return kind


def _said(kind: Kind, other: Kind) -> str:
    """Return in words what one kind is that another is not."""
    if (kind.get(_HEIGHT), kind.get(_WIDTH)) != (other.get(_HEIGHT), other.get(_WIDTH)):
        return f"{kind.get(_HEIGHT)} x {kind.get(_WIDTH)} pixels"
    for tag, name in _NAMES.items():
        if kind.get(tag) != other.get(tag):
            return f"of {name} {kind.get(tag)}"
    return "of another kind"
