"""From a zarr store, ours or another's, to frames that are read when asked for."""

from __future__ import annotations

import itertools
import math
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from blinkspot.errors import BlinkspotError, in_brief
from blinkspot.movies.lazy_frames import AnyArray, LazyFrames
from blinkspot.movies.metadata import own_provenance, provenance_hints
from blinkspot.movies.tiff_reading import check_pixel_type
from blinkspot.movies.zarr_metadata import Axes, attributes_of, find_array, find_axes, is_array
from blinkspot.movies.zarr_safety import ChunkFiles, check_chunk, check_pieces, chunk_files
from blinkspot.movies.zarr_writing import OURS
from blinkspot.safety.limits import check_movie_size, check_piece

# Chunks of other programs may hold many frames, and frames are asked for one after another, with context
# several times: what was decoded is kept for a while.
_KEPT_BYTES = 16 << 20


@dataclass(frozen=True)
class ZarrMovie:
    """Frames of a zarr store and what the store says of them.

    Attributes
    ----------
    frames : LazyFrames
        (T, Y, X).
    time_axis : str
        'T' where the store says that the first axis is time.
    camera_hints, metadata : dict
        As :func:`~blinkspot.movies.metadata.read_metadata` gives them for a TIFF.
    """

    frames: LazyFrames
    time_axis: str
    camera_hints: dict[str, float]
    metadata: dict[str, Any]


def read_zarr(store: Path) -> ZarrMovie:
    """Open a zarr store, of version 2 or 3, without reading its pixels.

    It is an array, or the group of an OME-Zarr image of any version, whose full resolution is read.

    Parameters
    ----------
    store : Path
        Its folder.

    Raises
    ------
    BlinkspotError
        If it is no zarr store, is damaged, or does not hold one movie of one colour.
    """
    found = find_array(store)
    files = chunk_files(found.folder)
    array = _open_array(found.folder, store)
    check_pixel_type(array.dtype, store)
    axes = find_axes(found.names or _names_in(array), array.shape, store)
    _check_size(array, axes, store)
    frames = ZarrFrames(store, found.folder, array, axes, files)
    ours = attributes_of(store).get(OURS)
    if ours is not None:
        frames.check_all_there()
    made_by = own_provenance(ours.get("provenance") if isinstance(ours, dict) else None)
    hints = provenance_hints(made_by)
    if found.pixel_size_nm is not None:
        hints["pixel_size_nm"] = found.pixel_size_nm
    return ZarrMovie(frames, axes.time_name, hints, {"provenance": made_by} if made_by else {})


class ZarrFrames(LazyFrames):
    """Frames in the chunks of a zarr array.

    Parameters
    ----------
    store : Path
        What the user opened.
    folder : Path
        Folder of the array.
    array : zarr array
        Its axes may be in any order.
    axes : Axes
        Which of them are time, y and x.
    files : ChunkFiles
        How the chunks lie in its files.
    """

    def __init__(self, store: Path, folder: Path, array: Any, axes: Axes, files: ChunkFiles) -> None:
        super().__init__((array.shape[axes.time], array.shape[axes.y], array.shape[axes.x]), array.dtype)
        self._store = store
        self._folder = folder
        self._array = array
        self._axes = axes
        self._files = files
        self._frames_per_chunk = int(array.chunks[axes.time])
        block_bytes = self._frames_per_chunk * self.shape[1] * self.shape[2] * self.dtype.itemsize
        self._block = lru_cache(max(1, _KEPT_BYTES // block_bytes))(self._read_block)

    def read(self, start: int, stop: int) -> AnyArray:
        """Read the chunks that hold these frames, save those that are still kept."""
        frames = np.empty((stop - start, *self.shape[1:]), self.dtype)
        at = start
        while at < stop:
            number, offset = divmod(at, self._frames_per_chunk)
            part = self._block(number)[offset : offset + stop - at]
            frames[at - start : at - start + len(part)] = part
            at += len(part)
        return frames

    def _read_block(self, number: int) -> AnyArray:
        """Read the frames (n, Y, X) of the chunks with that number along time."""
        # What zarr does not find, it takes for pixels that were never written.
        if not is_array(self._folder):
            raise BlinkspotError(f"{self._store} can no longer be read: check that it is still there.")
        start = number * self._frames_per_chunk
        chosen: list[int | slice] = [0] * self._array.ndim
        chosen[self._axes.time] = slice(start, min(start + self._frames_per_chunk, self.shape[0]))
        chosen[self._axes.y] = chosen[self._axes.x] = slice(None)
        try:
            self._check_chunks(number)
            pixels = np.asarray(self._array[tuple(chosen)], self.dtype)
        except Exception as error:  # codecs raise whatever they stumble over
            raise BlinkspotError(
                f"Frame {start + 1} (counting from 1) of {self._store} cannot be read ({in_brief(error)}): "
                "the store is damaged; copy it again from its source."
            ) from error
        order = np.argsort(np.argsort([self._axes.time, self._axes.y, self._axes.x]))
        return pixels.transpose(order)

    def _check_chunks(self, number: int) -> None:
        """Check that the chunks of that number along time do not burst."""
        lengths = self._array.chunks
        counts = [-(-length // chunk) for length, chunk in zip(self._array.shape, lengths, strict=True)]
        places = [range(count) for count in counts]
        places[self._axes.time] = range(number, number + 1)
        if self._files.shard is not None:
            places = [
                range(place.start // chunks, (place.stop - 1) // chunks + 1)
                for place, chunks in zip(places, self._files.shard, strict=True)
            ]
        chunk_bytes = math.prod(lengths) * self.dtype.itemsize
        for place in itertools.product(*places):
            path = self._folder / self._array.metadata.encode_chunk_key(place)
            check_chunk(path, self._files, chunk_bytes)

    def check_all_there(self) -> None:
        """Check that no chunk of an array that we wrote is missing, which zarr itself cannot tell.

        Raises
        ------
        BlinkspotError
            If one is: the store was copied in part.
        """
        others = (0,) * (self._array.ndim - 1)
        n_chunks = -(-self.shape[0] // self._frames_per_chunk)
        key = self._array.metadata.encode_chunk_key
        if "/" in key((0, *others)):
            return  # another program has written it anew, and may leave out chunks of zeros
        there = set(os.listdir(self._folder))
        missing = next((number for number in range(n_chunks) if key((number, *others)) not in there), None)
        if missing is not None:
            frame = missing * self._frames_per_chunk + 1
            raise BlinkspotError(
                f"{self._store} is not whole: frame {frame} (counting from 1) is not there; "
                "copy it again from its source."
            )


def _open_array(folder: Path, store: Path) -> Any:
    import zarr  # here, for it takes long to load

    try:
        return zarr.open_array(folder, mode="r")
    except Exception as error:  # metadata of whatever kind, codecs not known here
        raise BlinkspotError(
            f"{store} is a zarr store that cannot be read ({in_brief(error)}): "
            "it is damaged or of a kind not supported."
        ) from error


def _check_size(array: Any, axes: Axes, store: Path) -> None:
    """Check the sizes that a store gives its frames and chunks, before anything of that size is made."""
    dtype = np.dtype(array.dtype)
    check_movie_size([array.shape[axis] for axis in (axes.time, axes.y, axes.x)], dtype, store)
    check_piece([array.chunks[axis] for axis in range(array.ndim)], dtype, store, "chunks")
    # All chunks of a frame are read together.
    block = (min(array.chunks[axes.time], array.shape[axes.time]), array.shape[axes.y], array.shape[axes.x])
    check_piece(block, dtype, store, "frames in chunks")
    check_pieces(array.shape, array.chunks, axes.time, store)


def _names_in(array: Any) -> tuple[str, ...] | None:
    """Return the names that an array itself gives its axes, as zarr 3 does, or xarray in zarr 2."""
    attributes = array.metadata.attributes
    names = getattr(array.metadata, "dimension_names", None)
    if not names and isinstance(attributes, dict):
        names = attributes.get("_ARRAY_DIMENSIONS")
    if not isinstance(names, (list, tuple)) or len(names) != array.ndim:
        return None
    return tuple("" if name is None else str(name) for name in names)
