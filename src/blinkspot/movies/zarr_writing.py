"""A new movie as a zarr store: an OME-Zarr image of one level, whose frames are compressed one by one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blinkspot.files.whole_files import reach_disk
from blinkspot.movies.new_movie import DamagedMovieError, NewMovie

OURS = "napari-blinkspot"
"""Attribute by which a store of ours is known; it holds the provenance."""
LEVEL = "0"
"""Name of the array with the frames."""

# Small enough to read one frame at a time, large enough not to drown a disk in files.
_CHUNK_BYTES = 1_000_000


class ZarrFrames:
    """Takes the frames of a zarr array, one after another, and writes them by whole chunks.

    Parameters
    ----------
    folder : Path
        Folder of the array.
    array : zarr array, (T, Y, X)
        In chunks of whole frames.
    writing : ThreadPoolExecutor
        Where it is written. An interruption reaches this thread at once, that one never: when it has been
        waited for, nothing is being written any more and the store can be removed.
    first : int
        The first frame to write, which begins a chunk, or the end of the movie.
    """

    def __init__(self, folder: Path, array: Any, writing: ThreadPoolExecutor, first: int) -> None:
        self._folder = folder
        self._array = array
        self._writing = writing
        self._chunk = np.empty(array.chunks, array.dtype)
        self._filled = 0
        self._start = first
        self._secured = first

    def append(self, frames: NDArray[Any]) -> None:
        """Write frames (n, Y, X) of the movie's pixel type."""
        while len(frames):
            taken = min(len(self._chunk) - self._filled, len(frames))
            self._chunk[self._filled : self._filled + taken] = frames[:taken]
            self._filled += taken
            frames = frames[taken:]
            stop = self._start + self._filled
            if self._filled == len(self._chunk) or stop == self._array.shape[0]:
                block = self._chunk[: self._filled]
                self._writing.submit(self._array.__setitem__, slice(self._start, stop), block).result()
                self._start, self._filled = stop, 0

    def secure(self) -> int:
        """Have what is written reach the disk; return how many frames, from the first, are there then."""
        if self._secured < self._start:
            for start in range(self._secured, self._start, len(self._chunk)):
                reach_disk(self._folder / _chunk_name(start // len(self._chunk)))
            reach_disk(self._folder)
            self._secured = self._start
        return self._secured


def zarr_bytes(movie: NewMovie) -> int:
    """Return the size that a movie has as a zarr store if its pixels do not shrink."""
    return movie.n_bytes


def make_zarr(path: Path, movie: NewMovie) -> None:
    """Make a zarr store in which the pixels are still missing.

    Zarr version 3, OME-Zarr 0.5 (https://ngff.openmicroscopy.org/0.5), zarr's default compression.
    """
    with ThreadPoolExecutor(1, "zarr writing") as writing:
        writing.submit(_new_array, path, movie).result()


@contextlib.contextmanager
def zarr_frames(path: Path, movie: NewMovie, first: int) -> Iterator[ZarrFrames]:
    """Open a store of :func:`make_zarr` to write the frames from ``first`` on.

    Whatever else is in the folder of its array (chunks from there on, and what an end in the midst of writing
    may have left) is removed.

    Raises
    ------
    DamagedMovieError
        If it is not the store of that movie, or lacks frames before ``first``.
    """
    import zarr  # here, for it takes long to load

    folder = path / LEVEL
    try:
        # All chunks are written, those of zeros too: one that is missing has been lost.
        with zarr.config.set({"array.write_empty_chunks": True}):
            array = zarr.open_array(folder, mode="r+")
    except Exception as error:  # zarr raises nearly anything on a damaged store
        if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
            raise  # the disk's: the store may be whole
        raise DamagedMovieError from error
    expected = (movie.shape, movie.dtype, (_frames_per_chunk(movie), *movie.shape[1:]))
    if (array.shape, array.dtype, array.chunks) != expected:
        raise DamagedMovieError
    _keep_chunks(folder, movie, first)
    with ThreadPoolExecutor(1, "zarr writing") as writing:
        yield ZarrFrames(folder, array, writing, first)


def _keep_chunks(folder: Path, movie: NewMovie, first: int) -> None:
    """Check that the chunks of the frames before ``first`` are there, and remove all others."""
    chunks, more = divmod(first, _frames_per_chunk(movie))
    if more and first < movie.shape[0]:
        raise DamagedMovieError
    kept = {_chunk_name(number) for number in range(chunks + bool(more))}
    there = {entry.name for entry in folder.iterdir()}
    if not kept <= there:
        raise DamagedMovieError
    for name in there - kept - {"zarr.json"}:
        (folder / name).unlink()


def _chunk_name(number: int) -> str:
    return f"c.{number}.0.0"


def _frames_per_chunk(movie: NewMovie) -> int:
    return max(1, min(movie.shape[0], round(_CHUNK_BYTES / max(1, movie.frame_bytes))))


def _new_array(path: Path, movie: NewMovie) -> None:
    """Make a group of the movie's description, and an empty array in it."""
    import zarr  # here, for it takes long to load

    attributes = {"ome": _image(movie.name, movie.pixel_size_nm), OURS: {"provenance": movie.provenance}}
    zarr.create_group(path, zarr_format=3, attributes=attributes)
    # By itself: within the group, zarr would ask for hard links, which not every file system has.
    zarr.create_array(
        path / LEVEL,
        shape=movie.shape,
        dtype=movie.dtype,
        chunks=(_frames_per_chunk(movie), *movie.shape[1:]),
        dimension_names=("t", "y", "x"),
        # A folder for every chunk, the default, takes twice the time to write and to read.
        chunk_key_encoding={"name": "default", "separator": "."},
    )


def _image(name: str, pixel_size_nm: float | None) -> dict[str, Any]:
    """Return OME-Zarr's description of the movie."""
    pixel = 1.0 if pixel_size_nm is None else pixel_size_nm / 1e3
    unit = {} if pixel_size_nm is None else {"unit": "micrometer"}
    return {
        "version": "0.5",
        "multiscales": [
            {
                "name": name,
                "axes": [
                    {"name": "t", "type": "time"},
                    {"name": "y", "type": "space", **unit},
                    {"name": "x", "type": "space", **unit},
                ],
                "datasets": [
                    {
                        "path": LEVEL,
                        "coordinateTransformations": [{"type": "scale", "scale": [1.0, pixel, pixel]}],
                    }
                ],
            }
        ],
    }
