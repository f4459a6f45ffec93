"""What a TIFF file may not do to its reader: pages in a ring, values that are not there, pictures that burst.

tifffile believes what a file says of itself; what follows is looked at before tifffile acts on it.
"""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast
from xml.etree import ElementTree

import numpy as np
import PIL.Image
import tifffile
from numpy.typing import NDArray

from blinkspot.errors import BlinkspotError
from blinkspot.limits import MOST_BYTES_AT_ONCE, MOST_FRAMES, check_movie_size, check_piece
from blinkspot.micro_manager_safety import check_micro_manager

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
_MOST_COMPARED_PAGES = 1000

_COMPRESSION = tifffile.COMPRESSION
# Each is decoded into the room that the page's shape gives it, and never more.
_STREAMS = (
    _COMPRESSION.NONE,
    _COMPRESSION.LZW,
    _COMPRESSION.ADOBE_DEFLATE,
    _COMPRESSION.DEFLATE,
    _COMPRESSION.PACKBITS,
    _COMPRESSION.LZMA,
    _COMPRESSION.ZSTD,
)
# Pictures with a size of their own, by Pillow's names of their formats.
_PICTURES: dict[int, str] = {
    _COMPRESSION.JPEG: "JPEG",
    _COMPRESSION.JPEG2000: "JPEG2000",
    _COMPRESSION.APERIO_JP2000_YCBC: "JPEG2000",
    _COMPRESSION.APERIO_JP2000_RGB: "JPEG2000",
    _COMPRESSION.PNG: "PNG",
}

Decode = Callable[[bytes, int], Any]


def check_pages(tif: tifffile.TiffFile, path: Path) -> None:
    """Walk along the file's list of pages, and check that it ends and that its values fit into the file.

    Where the pages turn out not to be all alike, tifffile then sorts them by a way of ours.

    Parameters
    ----------
    tif : tifffile.TiffFile
        Just opened.
    path : Path
        Its file.

    Raises
    ------
    BlinkspotError
        If the list comes back to a page that it has passed, or its pages claim more than the file has.
    """
    try:
        at = tif.pages.first.offset
    except LookupError:
        return  # no pages, which is told later
    _walk(path, at, _form(tif.byteorder, tif.tiff.is_bigtiff), _end_of_frames_in_one_piece(tif))
    # What tifffile calls where pages are not all alike.
    vars(tif)["_series_generic"] = partial(_series_generic, tif)


def _series_generic(tif: tifffile.TiffFile) -> list[tifffile.TiffPageSeries] | None:
    """Sort pages by what they are, as tifffile does.

    It compares each page with all before, which takes minutes where there are 100,000.
    """
    if len(tif.pages) <= _MOST_COMPARED_PAGES:
        return tifffile.TiffFile._series_generic(tif)
    alike: dict[int, list[tifffile.TiffPage | tifffile.TiffFrame]] = {}
    for index in range(len(tif.pages)):
        page = cast(tifffile.TiffPage, tif.pages.get(index, aspage=True))
        if page.shape:
            alike.setdefault(page.hash, []).append(page)
    return [
        tifffile.TiffPageSeries(
            pages, (len(pages), *pages[0].shape), pages[0].dtype, "I" + pages[0].axes, kind="generic"
        )
        for pages in alike.values()
    ]


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
        _check_pages_from_start(path)


def _check_pages_from_start(path: Path) -> None:
    with path.open("rb") as file:
        head = file.read(16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or len(head) < 16:
        return  # which tifffile refuses
    big = struct.unpack_from(f"{order}H", head, 2)[0] == 43
    at = struct.unpack_from(f"{order}Q", head, 8)[0] if big else struct.unpack_from(f"{order}I", head, 4)[0]
    _walk(path, at, _form(order, big))


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


def _walk(path: Path, at: int, form: _Form, end_of_frames: int | None = None) -> None:
    """Walk along the list of pages from the first one's place on."""
    size = path.stat().st_size
    order, entry = form.order, form.entry
    count_bytes, entry_bytes, link_bytes = form.count_bytes, entry.itemsize, form.link_bytes
    usual_bytes = count_bytes + _USUAL_TAGS * entry_bytes + link_bytes
    sub_pages = _SUB_PAGES.to_bytes(2, order)
    passed: set[int] = set()
    described, claimed = 0, 0.0
    with path.open("rb", buffering=0) as file:
        while 0 < at < size:
            if at in passed:
                raise _damaged(path, f"its list of pages comes back to page {len(passed)} and has no end")
            passed.add(at)
            file.seek(at)
            held = file.read(usual_bytes)
            n_tags = int.from_bytes(held[:count_bytes], order)
            if n_tags > _MOST_TAGS:
                return  # which tifffile refuses
            needed = count_bytes + n_tags * entry_bytes + link_bytes
            if len(held) < needed:
                held = _read(file, at, needed)
            if len(held) < needed:
                return  # cut short, which is told with the number of the frame
            entries = np.frombuffer(held, entry, n_tags, count_bytes)
            described += needed
            claimed += float(_TYPE_BYTES[entries["type"]] @ entries["count"].astype(np.float64))
            if described + claimed > 2 * size + _ROOM_FOR_SHARED_BYTES:
                raise _damaged(path, "its pages claim to have more values than the file has room for")
            if sub_pages in held:
                described += _bytes_of_sub_pages(file, entries, form, size, 2 * size - described)
            if described > 2 * size:
                raise _damaged(path, "its pages lie upon one another")
            at = int.from_bytes(held[needed - link_bytes : needed], order)
            if end_of_frames is not None and at >= end_of_frames:
                return  # as in ImageJ's files: neither tifffile nor we look at another page
            end_of_frames = None


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


def check_ome(tif: tifffile.TiffFile, path: Path) -> None:
    """Check what an OME file's XML says of its size, and of other files, before they are looked for.

    Raises
    ------
    BlinkspotError
        If it has more planes than a movie may have, parts in another folder, or parts whose list of pages
        has no end.
    """
    if not tif.is_ome:
        return
    try:
        root = ElementTree.fromstring(tif.ome_metadata or "")
    except ElementTree.ParseError:
        return  # no OME file then, to tifffile
    parts: set[str] = set()
    for element in root.iter():
        if element.tag.endswith("}Pixels"):
            _check_planes(element, path)
        name = element.get("FileName", "") if element.tag.endswith("}UUID") else ""
        if any(sign in name for sign in "/\\:\0") or name == "..":
            raise BlinkspotError(
                f"{path} names a part of its movie that lies in another folder, which is not opened: "
                "put all parts into one folder, and save the movie anew."
            )
        if name and name != path.name:
            parts.add(name)
    for part in parts:
        if (path.parent / part).is_file():
            _check_pages_from_start(path.parent / part)  # which tifffile will open, too


def _check_planes(pixels: ElementTree.Element, path: Path) -> None:
    planes = 1.0
    for axis in "TZC":
        length = pixels.get(f"Size{axis}", "1")
        planes *= float(length[:300]) if length.isascii() and length.isdigit() else 1.0
    if planes > MOST_FRAMES:
        raise BlinkspotError(
            f"{path} says that it has {planes:.3g} planes, where a movie may have {MOST_FRAMES:,}: "
            "it is damaged, or save it in parts."
        )


def check_layout(page: tifffile.TiffPage, shape: tuple[int, int, int], path: Path) -> None:
    """Check that frames can be read without taking more memory than a frame may.

    Parameters
    ----------
    page : tifffile.TiffPage
        Whose layout all pages have.
    shape : tuple of int
        (T, Y, X), of the movie.
    path : Path

    Raises
    ------
    BlinkspotError
        If frames or tiles are too large, or compressed in a way that is not supported.
    """
    dtype = np.dtype(page.dtype)
    check_movie_size(shape, dtype, path)
    if page.is_tiled:
        tile = (page.tiledepth, page.tilelength, page.tilewidth, page.samplesperpixel)
        check_piece(tile, dtype, path, "tiles")
    if page.compression not in (*_STREAMS, *_PICTURES):
        name = getattr(page.compression, "name", page.compression)
        raise BlinkspotError(
            f"{path} is compressed by {name}, which is not supported: save it anew as an uncompressed TIFF."
        )


def read_pictures(path: Path) -> NDArray[Any]:
    """Read the pictures of a small TIFF file, such as a mask, whole.

    Returns
    -------
    ndarray
        Of whatever shape and type they have.

    Raises
    ------
    BlinkspotError
        If they are larger than a frame of a movie may be, or the file does what it may not.
    Exception
        Of whatever kind, where the file is damaged.
    """
    check_before_opening(path)
    with tifffile.TiffFile(path) as tif:
        check_micro_manager(tif, path)
        check_pages(tif, path)
        check_ome(tif, path)
        series = tif.series[0]
        dtype = np.dtype(series.dtype)
        height, width = series.keyframe.imagelength, series.keyframe.imagewidth
        check_layout(series.keyframe, (max(1, len(series)), height, width), path)
        check_piece(series.shape, dtype, path, "pictures")
        kind = _PICTURES.get(series.keyframe.compression)
        for page in cast(list[tifffile.TiffPage], series.pages):
            for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
                if not 0 <= count <= tif.filehandle.size - offset:
                    raise ValueError("a part of a picture lies beyond the end of the file")
                if kind is not None:
                    tif.filehandle.seek(offset)
                    check_picture(tif.filehandle.read(count), dtype.itemsize, (kind,))
        return np.asarray(series.asarray())


def safe_decode(page: tifffile.TiffPage) -> Decode:
    """Return tifffile's decoder of a page's segments, which first looks at the size of pictures."""
    decode: Decode = page.decode
    kind = _PICTURES.get(page.compression)
    if kind is None:
        return decode
    itemsize = np.dtype(page.dtype).itemsize

    def decode_picture(data: bytes, segment: int) -> Any:
        check_picture(data, itemsize, (kind,))
        return decode(data, segment)

    return decode_picture


def check_picture(data: bytes, itemsize: int, kinds: tuple[str, ...]) -> str:
    """Check the size that a compressed picture gives itself; return its format, by Pillow's name.

    Raises
    ------
    ValueError
        If it is larger than a frame may be, or none of these formats.
    """
    try:
        with PIL.Image.open(io.BytesIO(data), formats=kinds) as picture:
            width, height = picture.size
            if width * height * max(itemsize, 4) > MOST_BYTES_AT_ONCE:
                raise ValueError(f"a picture of {height} x {width} pixels is too large")
            return picture.format or ""
    except PIL.Image.DecompressionBombError as error:
        raise ValueError("a picture that is far too large") from error
    except (OSError, SyntaxError) as error:
        raise ValueError("what it holds is not the picture that it should be") from error


def _damaged(path: Path, reason: str) -> BlinkspotError:
    return BlinkspotError(f"{path} is a damaged TIFF file ({reason}): copy it again from its source.")
