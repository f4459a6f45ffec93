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
from blinkspot.tiff_page_kinds import PageKinds
from blinkspot.tiff_page_runs import PageRuns

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
    size = path.stat().st_size
    order, entry = form.order, form.entry
    count_bytes, entry_bytes, link_bytes = form.count_bytes, entry.itemsize, form.link_bytes
    usual_bytes = count_bytes + _USUAL_TAGS * entry_bytes + link_bytes
    sub_pages = _SUB_PAGES.to_bytes(2, order)
    kinds = PageKinds(order)
    passed: set[int] = set()
    described, claimed = 0, 0.0
    with path.open("rb", buffering=0) as file:
        runs = PageRuns(file, order)
        while 0 < at < size:
            if at in passed:
                raise _endless(path, len(passed))
            passed.add(at)
            file.seek(at)
            held = file.read(usual_bytes)
            n_tags = int.from_bytes(held[:count_bytes], order)
            if n_tags > _MOST_TAGS:
                return kinds  # which tifffile refuses
            needed = count_bytes + n_tags * entry_bytes + link_bytes
            if len(held) < needed:
                held = _read(file, at, needed)
            if len(held) < needed:
                return kinds  # cut short, which is told with the number of the frame
            entries = np.frombuffer(held, entry, n_tags, count_bytes)
            kinds.add(at, held, entries, count_bytes)
            described += needed
            claims = float(_TYPE_BYTES[entries["type"]] @ entries["count"].astype(np.float64))
            claimed += claims
            _check_room(path, described, claimed, size)
            has_sub_pages = sub_pages in held and _SUB_PAGES in entries["tag"]
            if has_sub_pages:
                described += _bytes_of_sub_pages(file, entries, form, size, 2 * size - described)
                _check_room(path, described, claimed, size)
            page_at, at = at, int.from_bytes(held[needed - link_bytes : needed], order)
            if end_of_frames is not None and at >= end_of_frames:
                return kinds  # as in ImageJ's files: neither tifffile nor we look at another page
            end_of_frames = None
            if has_sub_pages:
                continue
            run = runs.after(held[:needed], entries, page_at, at)
            if not run.places:
                continue
            if not passed.isdisjoint(run.places):
                passed.update(itertools.takewhile(lambda place: place not in passed, run.places))
                raise _endless(path, len(passed))
            passed.update(run.places)
            kinds.add_alike(run.places, run.descriptions, entries, count_bytes)
            described += len(run.places) * needed
            claimed += len(run.places) * claims
            _check_room(path, described, claimed, size)
            at = run.following
    return kinds


def _endless(path: Path, n_pages: int) -> BlinkspotError:
    return _damaged(path, f"its list of pages comes back to page {n_pages} and has no end")


def _check_room(path: Path, described: int, claimed: float, size: int) -> None:
    if described + claimed > 2 * size + _ROOM_FOR_SHARED_BYTES:
        raise _damaged(path, "its pages claim to have more values than the file has room for")
    if described > 2 * size:
        raise _damaged(path, "its pages lie upon one another")


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
