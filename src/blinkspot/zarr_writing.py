"""A new movie as a zarr store: an OME-Zarr image of one level, whose frames are compressed one by one."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blinkspot.files import written_whole

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
    array : zarr array, (T, Y, X)
        Empty, in chunks of whole frames.
    writing : ThreadPoolExecutor
        Where it is written. An interruption reaches this thread at once, that one never: when it has been
        waited for, nothing is being written any more and the store can be removed.
    """

    def __init__(self, array: Any, writing: ThreadPoolExecutor) -> None:
        self._array = array
        self._writing = writing
        self._chunk = np.empty(array.chunks, array.dtype)
        self._filled = 0
        self._start = 0

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


@contextlib.contextmanager
def new_zarr(
    path: Path,
    shape: tuple[int, int, int],
    dtype: np.dtype[Any],
    pixel_size_nm: float | None,
    provenance: dict[str, Any] | None,
) -> Iterator[ZarrFrames]:
    """Make a zarr store that appears when the block ends well; all frames must be in it by then.

    Zarr version 3, OME-Zarr 0.5 (https://ngff.openmicroscopy.org/0.5), zarr's default compression. The
    room is checked for pixels that do not shrink.

    Raises
    ------
    BlinkspotError
        If the store exists, its folder cannot be written to, or the disk has too little room.
    """
    frame_bytes = max(1, shape[1] * shape[2] * dtype.itemsize)
    frames_per_chunk = max(1, min(shape[0], round(_CHUNK_BYTES / frame_bytes)))
    attributes = {"ome": _image(path.stem, pixel_size_nm), OURS: {"provenance": provenance}}
    with (
        written_whole(path, math.prod(shape) * dtype.itemsize) as temporary,
        ThreadPoolExecutor(1, "zarr writing") as writing,
    ):
        array = writing.submit(_new_array, temporary, shape, dtype, frames_per_chunk, attributes).result()
        yield ZarrFrames(array, writing)


def _new_array(
    path: Path,
    shape: tuple[int, int, int],
    dtype: np.dtype[Any],
    frames_per_chunk: int,
    attributes: dict[str, Any],
) -> Any:
    """Make a group of these attributes, and an empty array in it."""
    import zarr  # here, for it takes long to load

    group = zarr.create_group(path, zarr_format=3, attributes=attributes)
    return group.create_array(
        LEVEL,
        shape=shape,
        dtype=dtype,
        chunks=(frames_per_chunk, *shape[1:]),
        dimension_names=("t", "y", "x"),
        # A folder for every chunk, the default, takes twice the time to write and to read.
        chunk_key_encoding={"name": "default", "separator": "."},
        # So that a chunk that is missing has been lost.
        config={"write_empty_chunks": True},
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
