"""A TIFF file's list of pages, in which each page tells where the next one is: walked along beforehand.

tifffile follows it without end where it comes back to itself, and believes what a page says of its values.
"""

from __future__ import annotations

import itertools
import math
import struct
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import tifffile
from numpy.typing import NDArray

from blinkspot.errors import BlinkspotError
from blinkspot.safety.tiff_page_kinds import PageKinds
from blinkspot.safety.tiff_page_runs import PageRuns

# Bytes of a value by its type's number in TIFF.
_TYPE_BYTES = np.ones(65536)
_TYPE_BYTES[:19] = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 1, 1, 8, 8, 8)
# Pages may share values, such as a resolution.
_ROOM_FOR_SHARED_BYTES = 1 << 26
_MOST_TAGS = 4096
_USUAL_TAGS = 24
_SUB_PAGES = 330
# Zeiss's LSM and Hamamatsu's NDPI.
_READ_AT_ONCE = (34412, 65420)


def check_pages(tif: tifffile.TiffFile, path: Path) -> PageKinds:
    """Walk along the file's list of pages, and check that it ends and that its values fit into the file.

    Parameters
    ----------
    tif : tifffile.TiffFile
        Just opened.
    path : Path
        Its file.

    Returns
    -------
    PageKinds
        How they are stored.

    Raises
    ------
    BlinkspotError
        If the list comes back to a page that it has passed, or its pages claim more than the file has.
    """
    form = _form(tif.byteorder, tif.tiff.is_bigtiff)
    try:
        at = tif.pages.first.offset
    except LookupError:
        return PageKinds(form.order)  # no pages, which is told later
    return _walk(path, at, form, _end_of_frames_in_one_piece(tif))


def check_before_opening(path: Path) -> None:
    """Check the list of pages where tifffile goes along it as soon as it opens the file.

    Raises
    ------
    BlinkspotError
        As :func:`check_pages`.
    OSError
        If the file cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(16)
        order: Literal["little", "big"] = "little" if start[:2] == b"II" else "big"
        big = int.from_bytes(start[2:4], order) == 43
        file.seek(min(int.from_bytes(start[8:] if big else start[4:8], order), path.stat().st_size))
        first_page = file.read(8 + _USUAL_TAGS * 20)
    if any(tag.to_bytes(2, order) in first_page for tag in _READ_AT_ONCE):
        check_pages_from_start(path)


def check_pages_from_start(path: Path) -> PageKinds:
    """Do as :func:`check_pages` for a file that is not opened yet.

    Returns
    -------
    PageKinds
        How its pages are stored.

    Raises
    ------
    BlinkspotError
        As :func:`check_pages`.
    OSError
        If the file cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or len(head) < 16:
        return PageKinds("little")  # which tifffile refuses
    big = struct.unpack_from(f"{order}H", head, 2)[0] == 43
    at = struct.unpack_from(f"{order}Q", head, 8)[0] if big else struct.unpack_from(f"{order}I", head, 4)[0]
    return _walk(path, at, _form(order, big))


@dataclass(frozen=True)
class _Form:
    """How numbers and entries are written in a file."""

    order: Literal["little", "big"]
    count_bytes: int
    link_bytes: int
    entry: np.dtype[Any]


def _form(order: str, big: bool) -> _Form:
    link_bytes = 8 if big else 4
    entry = np.dtype(
        [
            ("tag", f"{order}u2"),
            ("type", f"{order}u2"),
            ("count", f"{order}u{link_bytes}"),
            ("value", f"V{link_bytes}"),
        ]
    )
    return _Form("little" if order == "<" else "big", 8 if big else 2, link_bytes, entry)


def _walk(path: Path, at: int, form: _Form, end_of_frames: int | None = None) -> PageKinds:
    """Walk along the list of pages from the first one's place on; return how they are stored."""
    with path.open("rb", buffering=0) as file:
        return _Walk(path, file, form).along(at, end_of_frames)


@dataclass(frozen=True)
class _Page:
    """What describes a page: its bytes in the file, its entries among them, and where the next one is."""

    at: int
    described: bytes
    entries: NDArray[Any]
    following: int

    def claims(self) -> float:
        """Return how many bytes its values have, as it says."""
        return float(_TYPE_BYTES[self.entries["type"]] @ self.entries["count"].astype(np.float64))


class _Walk:
    """A walk along a list of pages, which keeps account of the places passed and of what they claim."""

    def __init__(self, path: Path, file: BinaryIO, form: _Form) -> None:
        self._path, self._file, self._form = path, file, form
        self._size = path.stat().st_size
        self._kinds = PageKinds(form.order)
        self._runs = PageRuns(file, form.order)
        self._sub_pages = _SUB_PAGES.to_bytes(2, form.order)
        self._passed: set[int] = set()
        self._described, self._claimed = 0, 0.0

    def along(self, at: int, end_of_frames: int | None) -> PageKinds:
        """Go from the page at a place to the last one."""
        while 0 < at < self._size:
            if at in self._passed:
                raise self._endless()
            self._passed.add(at)
            page = self._page(at)
            if page is None:
                break
            self._kinds.add(at, page.described, page.entries, self._form.count_bytes)
            self._account(len(page.described), page.claims())
            has_sub_pages = self._account_for_sub_pages(page)
            at = page.following
            if end_of_frames is not None and at >= end_of_frames:
                break  # as in ImageJ's files: neither tifffile nor we look at another page
            end_of_frames = None
            if not has_sub_pages:
                at = self._past_pages_alike(page)
        return self._kinds

    def _page(self, at: int) -> _Page | None:
        """Read what describes the page at a place; None where tifffile refuses it, or the file ends."""
        form = self._form
        self._file.seek(at)
        held = self._file.read(form.count_bytes + _USUAL_TAGS * form.entry.itemsize + form.link_bytes)
        n_tags = int.from_bytes(held[: form.count_bytes], form.order)
        if n_tags > _MOST_TAGS:
            return None
        needed = form.count_bytes + n_tags * form.entry.itemsize + form.link_bytes
        if len(held) < needed:
            held = _read(self._file, at, needed)
        if len(held) < needed:
            return None  # cut short, which is told with the number of the frame
        entries = np.frombuffer(held, form.entry, n_tags, form.count_bytes)
        following = int.from_bytes(held[needed - form.link_bytes : needed], form.order)
        return _Page(at, held[:needed], entries, following)

    def _account_for_sub_pages(self, page: _Page) -> bool:
        """Return whether there are pages within a page, and account for them."""
        # Most pages have none, which their bytes tell sooner than their entries.
        if self._sub_pages not in page.described or _SUB_PAGES not in page.entries["tag"]:
            return False
        room = 2 * self._size - self._described
        self._account(_bytes_of_sub_pages(self._file, page.entries, self._form, self._size, room), 0.0)
        return True

    def _past_pages_alike(self, page: _Page) -> int:
        """Take the pages alike that follow a page, at equal distances, at once; return where to go on."""
        run = self._runs.after(page.described, page.entries, page.at, page.following)
        if not run.places:
            return page.following
        if not self._passed.isdisjoint(run.places):
            self._passed.update(itertools.takewhile(lambda place: place not in self._passed, run.places))
            raise self._endless()
        self._passed.update(run.places)
        self._kinds.add_alike(run.places, run.descriptions, page.entries, self._form.count_bytes)
        self._account(len(run.places) * len(page.described), len(run.places) * page.claims())
        return run.following

    def _account(self, described: int, claimed: float) -> None:
        """Add bytes that describe pages and bytes that they claim; the file must have room for them."""
        self._described += described
        self._claimed += claimed
        if self._described + self._claimed > 2 * self._size + _ROOM_FOR_SHARED_BYTES:
            raise _damaged(self._path, "its pages claim to have more values than the file has room for")
        if self._described > 2 * self._size:
            raise _damaged(self._path, "its pages lie upon one another")

    def _endless(self) -> BlinkspotError:
        n_pages = len(self._passed)
        return _damaged(self._path, f"its list of pages comes back to page {n_pages} and has no end")


def _bytes_of_sub_pages(file: BinaryIO, entries: NDArray[Any], form: _Form, size: int, most: int) -> int:
    """Return how many bytes describe the pages within a page; enough to be refused if more than ``most``."""
    number = partial(int.from_bytes, byteorder=form.order)
    described = 0
    for entry in entries[entries["tag"] == _SUB_PAGES]:
        item_bytes = max(1, int(_TYPE_BYTES[entry["type"]]))
        n_bytes = item_bytes * int(entry["count"])
        value = entry["value"].tobytes()
        offsets = value if n_bytes <= form.link_bytes else _read(file, min(number(value), size), n_bytes)
        for k in range(0, min(n_bytes, len(offsets)), item_bytes):
            place = min(number(offsets[k : k + item_bytes]), size)
            n_tags = number(_read(file, place, form.count_bytes))
            n_tags = min(max(1, n_tags), _MOST_TAGS)
            described += form.count_bytes + n_tags * form.entry.itemsize + form.link_bytes
            if described > most:
                return described
    return described


def _end_of_frames_in_one_piece(tif: tifffile.TiffFile) -> int | None:
    """Return where the frames of ImageJ end that tifffile finds by the first page alone; else None.

    It does so where they follow one another within the file, and before the second page.
    """
    page = tif.pages.first
    if not (tif.is_imagej and page.is_final) or tif.is_shaped or tif.is_lsm or tif.is_ome:
        return None
    told = tif.imagej_metadata or {}
    counts = [told.get(name, 1) for name in ("frames", "slices", "channels", "images")]
    if not all(isinstance(count, int) and count > 0 for count in counts):
        return None
    n_images = max(math.prod(counts[:3]), counts[3])
    end = int(page.dataoffsets[0] + n_images * page.nbytes)
    return end if n_images > 1 and end <= tif.filehandle.size else None


def _read(file: BinaryIO, at: int, n_bytes: int) -> bytes:
    file.seek(at)
    return file.read(n_bytes)


def _damaged(path: Path, reason: str) -> BlinkspotError:
    return BlinkspotError(f"{path} is a damaged TIFF file ({reason}): copy it again from its source.")
