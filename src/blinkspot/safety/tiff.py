"""What a TIFF file may not do to its reader: too large frames, parts in other folders, pictures that burst.

tifffile believes what a file says of itself; what follows is looked at before tifffile acts on it.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast
from xml.etree import ElementTree

import numpy as np
import PIL.Image
import tifffile
from numpy.typing import NDArray

from blinkspot.errors import BlinkspotError
from blinkspot.safety.limits import MOST_BYTES_AT_ONCE, MOST_FRAMES, check_movie_size, check_piece
from blinkspot.safety.micro_manager import check_micro_manager
from blinkspot.safety.tiff_page_list import check_before_opening, check_pages, check_pages_from_start
from blinkspot.safety.tiff_sorting import sort_many_pages_quickly

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
            check_pages_from_start(path.parent / part)  # which tifffile will open, too


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
        stated: Any = page.compression  # of a damaged file, several numbers
        many = isinstance(stated, tuple)
        name = f"{len(stated)} methods at once" if many else getattr(stated, "name", stated)
        raise BlinkspotError(
            f"{path} is compressed by {name}, which is not supported: save it anew as an uncompressed TIFF."
        )


def read_pictures(path: Path, *, joined: bool = False) -> NDArray[Any]:
    """Read the pictures of a small TIFF file, such as a mask, whole.

    Parameters
    ----------
    path : Path
    joined : bool
        Read all pages where each is declared as a picture of its own, and they are alike; else the first.

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
        sort_many_pages_quickly(tif)
        check_ome(tif, path)
        first, every = tif.series[0], list(tif.series)
        if not (joined and len(every) > 1 and are_pages_of_one(every)):
            return _read_series(tif, first, path)
        check_piece((len(every), *first.shape), np.dtype(first.dtype), path, "pictures")
        return np.stack([_read_series(tif, one, path) for one in every])


def are_pages_of_one(series: Sequence[tifffile.TiffPageSeries]) -> bool:
    """Tell whether pages were appended one by one, each declared as a picture of its own, and are alike."""
    return all(one.ndim == 2 and one.keyframe.hash == series[0].keyframe.hash for one in series)


def _read_series(tif: tifffile.TiffFile, series: tifffile.TiffPageSeries, path: Path) -> NDArray[Any]:
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
