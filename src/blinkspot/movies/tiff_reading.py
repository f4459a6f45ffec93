"""From a TIFF file of any flavour to frames that are read when asked for."""

from __future__ import annotations

import logging
import os
import struct
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from blinkspot.errors import BlinkspotError, in_brief
from blinkspot.movies.lazy_frames import EncodedFrames, JoinedFrames, LazyFrames, RawFrames
from blinkspot.movies.metadata import read_metadata
from blinkspot.safety.micro_manager import check_micro_manager
from blinkspot.safety.tiff import are_pages_of_one, check_layout, check_ome, safe_decode
from blinkspot.safety.tiff_page_kinds import Kind, PageKinds, check_alike
from blinkspot.safety.tiff_page_list import check_before_opening, check_pages, check_pages_from_start
from blinkspot.safety.tiff_sorting import sort_many_pages_quickly

# What tifffile logs of a damaged file, our own errors say; without a handler Python would print it as well.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

Page = tifffile.TiffPage | tifffile.TiffFrame
# What tifffile calls movies that may be spread over files, and those whose pages it has sorted by their kind.
_OF_SEVERAL_FILES, _SORTED = ("ome", "mmstack"), "generic"


@dataclass(frozen=True)
class TiffMovie:
    """Frames of a TIFF file (or a single picture: one frame) and what the file says of them.

    Attributes
    ----------
    frames : LazyFrames
        (T, Y, X).
    time_axis : str
        Letter that the file gives the first axis ('T', 'Z', 'Q', ...); empty for a single picture.
    camera_hints, metadata : dict
        As :func:`~blinkspot.movies.metadata.read_metadata` gives them.
    """

    frames: LazyFrames
    time_axis: str
    camera_hints: dict[str, float]
    metadata: dict[str, Any]


def read_tiff(path: Path, *, alone: bool = True) -> TiffMovie:
    """Open a TIFF file without reading its pixels.

    Parameters
    ----------
    path : Path
        The file.
    alone : bool
        False where the file is one of several in a folder: then an OME file's references to its
        neighbours are not followed, since each neighbour has its own turn.

    Raises
    ------
    BlinkspotError
        If the file is no TIFF, is cut short, or does not hold one movie of one colour.
    """
    try:
        flavours: dict[str, Any] = {} if alone else {"is_ome": False, "is_mmstack": False}
        check_before_opening(path)
        with tifffile.TiffFile(path, **flavours) as tif:
            return _movie(tif, path)
    except BlinkspotError:
        raise
    except OSError as error:
        raise BlinkspotError(f"{path} cannot be read ({error.strerror or error}).") from error
    except Exception as error:  # parsers of damaged files raise whatever they stumble over
        if _has_tiff_signature(path):
            raise BlinkspotError(
                f"{path} is a damaged TIFF file ({in_brief(error)}): copy it again from its source."
            ) from error
        raise BlinkspotError(
            f"{path} is not a TIFF file: save the movie as TIFF, from ImageJ say."
        ) from error


def _has_tiff_signature(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def _movie(tif: tifffile.TiffFile, path: Path) -> TiffMovie:
    check_micro_manager(tif, path)
    kinds = check_pages(tif, path)
    sort_many_pages_quickly(tif)
    check_ome(tif, path)
    try:
        series = _series(tif, path)
    except RuntimeError:  # where tifffile sees that a page is unlike the others, but not which
        check_alike(map(kinds.of, kinds.places), path)
        raise
    _check_alike(tif, series, kinds, path)
    frames, time_axis = _frames(series, path)
    _check_no_frame_lost(tif, path, len(frames))
    camera_hints, metadata = read_metadata(tif)
    return TiffMovie(frames, time_axis, camera_hints, metadata)


def _check_alike(
    tif: tifffile.TiffFile, series: list[tifffile.TiffPageSeries], kinds: PageKinds, path: Path
) -> None:
    """Check that all frames are stored alike, and that none was sorted out for being unlike the others."""
    kind = series[0].kind
    if kinds.are_alike and kind not in (*_OF_SEVERAL_FILES, _SORTED):
        return
    pages = [page for one in series for page in one.pages]
    if kind == _SORTED:
        kinds.check_none_left_out((page.offset for page in pages if page is not None), path)
    of_files = {tif.filehandle.path: kinds}  # in an OME file, of others too

    def kind_of(page: Page | None) -> Kind | None:
        if page is None:
            return None
        file = page.parent.filehandle.path
        if file not in of_files:
            of_files[file] = check_pages_from_start(Path(file))
        return of_files[file].of(page.offset)

    check_alike(map(kind_of, pages), path)


def _series(tif: tifffile.TiffFile, path: Path) -> list[tifffile.TiffPageSeries]:
    """Return the series that make up the movie: one, or many of one equal page each."""
    every = tif.series
    if not every:
        raise BlinkspotError(f"{path} holds no pictures: it is empty or was cut short.")
    if len(every) > 1 and are_pages_of_one(every):
        return list(every)  # a page was appended per frame, each declared as a picture of its own
    movies = [one for one in every if one.ndim > 2]
    if len(movies) > 1:
        sizes = " and ".join(" x ".join(map(str, one.shape)) for one in movies[:2])
        raise BlinkspotError(
            f"{path} holds {len(movies)} movies ({sizes}, ...): save each as a file of its own."
        )
    if not movies and len(every) > 1:
        raise BlinkspotError(
            f"{path} holds {len(every)} pictures of different sizes or kinds: "
            "a movie needs frames of one size."
        )
    return movies or list(every)


def _frames(series: list[tifffile.TiffPageSeries], path: Path) -> tuple[LazyFrames, str]:
    """Return the frames of the series and the letter of their first axis."""
    first = series[0]
    lengths = {
        axis: length
        for axis, length in zip(first.axes, first.shape, strict=True)
        if length > 1 or axis in "YX"
    }
    if "S" in lengths:
        raise BlinkspotError(
            f"{path} is a colour (RGB) picture: convert it to one channel of grey values first."
        )
    others = [axis for axis in lengths if axis not in "YX"]
    if len(others) > 1:
        named = ", ".join(f"{axis} = {lengths[axis]}" for axis in others)
        raise BlinkspotError(
            f"{path} has {len(others)} axes besides Y and X ({named}) where a movie has one, time: "
            "save one channel and one plane of it."
        )
    if len(lengths) != len(others) + 2 or list(lengths)[-2:] != ["Y", "X"]:
        raise BlinkspotError(f"{path} has the axes {first.axes} where a movie has T, Y and X: save it anew.")
    height, width = lengths["Y"], lengths["X"]
    check_pixel_type(first.dtype, path)
    n_frames = len(series) * (lengths[others[0]] if others else 1)
    time_axis = others[0] if others else ("I" if len(series) > 1 else "")
    shape = (n_frames, height, width)
    check_layout(first.keyframe, shape, path)
    if len(series) == 1 and first.dataoffset is not None:
        stored = _stored_dtype(first.keyframe)
        offsets = first.dataoffset + np.arange(n_frames, dtype=np.int64) * height * width * stored.itemsize
        return RawFrames(path, shape, stored, offsets), time_axis
    found = [page for one in series for page in one.pages]
    pages = [page for page in found if page is not None]
    # tifffile names files by their real paths.
    folder = Path(os.path.realpath(path)).parent
    if any(Path(file).parent != folder for file in {page.parent.filehandle.path for page in pages}):
        raise BlinkspotError(
            f"{path} names a part of its movie that lies in another folder: it is not opened."
        )
    if len(pages) < len(found):
        raise BlinkspotError(
            f"{path} lacks frame {found.index(None) + 1} (counting from 1): it lies in another file "
            "that is missing, or was never written."
        )
    if len(pages) != n_frames or first.keyframe.shaped != (1, 1, height, width, 1):
        raise BlinkspotError(
            f"{path} holds several frames in one page, in a layout that is not supported: "
            "save it anew from ImageJ."
        )
    return _paged_frames(pages, first.keyframe), time_axis


def check_pixel_type(dtype: np.dtype[Any] | None, source: object) -> None:
    """Check that pixels are whole or real numbers.

    Raises
    ------
    BlinkspotError
        If they are anything else.
    """
    if dtype is None or dtype.kind not in "uif":
        raise BlinkspotError(
            f"{source} has pixels of type {dtype}, where whole or real numbers (uint16, float32) are needed."
        )


def _stored_dtype(page: tifffile.TiffPage) -> np.dtype[Any]:
    return np.dtype(page.dtype).newbyteorder(page.parent.byteorder)


def _paged_frames(pages: list[Page], keyframe: tifffile.TiffPage) -> LazyFrames:
    """Return frames that lie in one page each; OME movies may be spread over several files."""
    parts = [
        _paged_frames_of_file(Path(file), list(group), keyframe)
        for file, group in groupby(pages, key=lambda page: page.parent.filehandle.path)
    ]
    return parts[0] if len(parts) == 1 else JoinedFrames(parts)


def _paged_frames_of_file(path: Path, pages: list[Page], keyframe: tifffile.TiffPage) -> LazyFrames:
    shape = (len(pages), keyframe.imagelength, keyframe.imagewidth)
    # Whether a page is in one piece depends on its own offsets too, which the keyframe cannot tell.
    if keyframe.is_final and all(_in_one_piece(page) for page in pages):
        starts = np.array([page.dataoffsets[0] for page in pages], dtype=np.int64)
        return RawFrames(path, shape, _stored_dtype(keyframe), starts)
    offsets = np.array([page.dataoffsets for page in pages], dtype=np.int64)
    byte_counts = np.array([page.databytecounts for page in pages], dtype=np.int64)
    return EncodedFrames(path, shape, _stored_dtype(keyframe), offsets, byte_counts, safe_decode(keyframe))


def _in_one_piece(page: Page) -> bool:
    """Whether the strips of an uncompressed page follow one another."""
    offsets, counts = page.dataoffsets, page.databytecounts
    return all(offsets[k] + counts[k] == offsets[k + 1] for k in range(len(offsets) - 1))


def _check_no_frame_lost(tif: tifffile.TiffFile, path: Path, n_frames: int) -> None:
    """Check that the frames found are all that the file announces.

    A file cut off within its directory of pages still opens, with the pages up to there.
    """
    announced = n_frames
    if tif.is_imagej:
        announced = int((tif.imagej_metadata or {}).get("images", n_frames))
    elif tif.is_shaped:
        shape = (tif.shaped_metadata or ({},))[0].get("shape", ())
        announced = max(n_frames, int(np.prod(shape[:-2])) if len(tif.series) == 1 and len(shape) > 2 else 0)
    if announced > n_frames:
        raise BlinkspotError(
            f"{path} is cut short: it announces {announced} frames and holds {n_frames}; "
            "copy it again from its source."
        )
    if tif.is_imagej:
        return  # all frames are where the first page says, and there: the other pages need no look
    link = tif.pages.next_page_offset
    if link is None:
        return
    tif.filehandle.seek(link)
    link_bytes = tif.filehandle.read(tif.tiff.offsetsize)
    if len(link_bytes) < tif.tiff.offsetsize or struct.unpack(tif.tiff.offsetformat, link_bytes)[0] != 0:
        raise BlinkspotError(
            f"{path} is cut short: its list of pages breaks off after frame {n_frames} (counting from 1); "
            "copy it again from its source."
        )
