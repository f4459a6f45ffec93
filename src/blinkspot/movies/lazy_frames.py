"""Movies that stay on the disk: array-likes of shape (T, Y, X) that read only the frames asked for.

Each read opens the file anew and keeps no state, so any number of threads may read at once and no file
stays open. Plain reads are used rather than a memory map, whose pages would count as our memory, and
rather than one zarr chunk per page, whose cost per frame is many times that of reading it.
"""

from __future__ import annotations

import contextlib
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import DTypeLike, NDArray

from blinkspot.errors import BlinkspotError, in_brief

AnyArray = NDArray[Any]


class LazyFrames(ABC):
    """Frames that are read when asked for; indexed like an array, the first axis being the frame.

    Attributes
    ----------
    shape : tuple of int
        (T, Y, X).
    dtype : numpy.dtype
        What reading returns, in native byte order.
    """

    ndim = 3

    def __init__(self, shape: tuple[int, int, int], dtype: DTypeLike) -> None:
        self.shape = shape
        self.dtype: np.dtype[Any] = np.dtype(dtype).newbyteorder("=")

    @abstractmethod
    def read(self, start: int, stop: int) -> AnyArray:
        """Read the frames from ``start`` to just before ``stop``: a new array (stop - start, Y, X).

        Raises
        ------
        BlinkspotError
            If the file no longer holds these frames whole, or they cannot be decoded.
        """

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def size(self) -> int:
        """Number of pixels of all frames."""
        return math.prod(self.shape)

    def __getitem__(self, key: Any) -> AnyArray:
        """Index as NumPy does; only the frames that the first index selects are read."""
        keys = list(key) if isinstance(key, tuple) else [key]
        if any(entry is Ellipsis for entry in keys):
            at = next(place for place, entry in enumerate(keys) if entry is Ellipsis)
            keys[at : at + 1] = [slice(None)] * (self.ndim - len(keys) + 1)
        first, *rest = keys
        inner = (slice(None), *rest)
        if isinstance(first, (int, np.integer)):
            index = range(self.shape[0])[int(first)]
            return np.asarray(self.read(index, index + 1)[inner][0])
        if isinstance(first, slice):
            start, stop, step = first.indices(self.shape[0])
            if step == 1:
                return np.asarray(self.read(start, max(start, stop))[inner])
            first = np.arange(start, stop, step)
        indices = np.arange(self.shape[0])[first]
        frames = np.empty((len(indices), *self.shape[1:]), self.dtype)
        for place, index in enumerate(indices):
            frames[place] = self.read(int(index), int(index) + 1)[0]
        return np.asarray(frames[inner])

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> AnyArray:
        """Read everything, for NumPy functions that are given the movie whole."""
        if copy is False:
            raise ValueError("a movie on the disk cannot become an array without a copy")
        return self.read(0, self.shape[0]).astype(dtype or self.dtype, copy=False)


class RawFrames(LazyFrames):
    """Uncompressed frames, each stored in one piece somewhere in a file.

    Parameters
    ----------
    path : Path
        The file.
    shape : tuple of int
        (T, Y, X).
    stored_dtype : dtype
        Pixel type in the file, with its byte order.
    offsets : ndarray of int64, (T,)
        Where in the file each frame begins, bytes.
    """

    def __init__(
        self, path: Path, shape: tuple[int, int, int], stored_dtype: DTypeLike, offsets: NDArray[np.int64]
    ) -> None:
        super().__init__(shape, stored_dtype)
        self._path = path
        self._stored_dtype = np.dtype(stored_dtype)
        self._offsets = offsets
        self._frame_bytes = shape[1] * shape[2] * self._stored_dtype.itemsize
        _check_all_there(path, offsets[:, None], np.array([[self._frame_bytes]]))

    def read(self, start: int, stop: int) -> AnyArray:
        """Read frames; those that lie back to back in the file come in one piece."""
        frames = np.empty((stop - start, *self.shape[1:]), self._stored_dtype)
        offsets = self._offsets[start:stop]
        run_starts = np.flatnonzero(np.diff(offsets, prepend=-1) != self._frame_bytes)
        with _opened(self._path) as file:
            for first, last in zip(run_starts, [*run_starts[1:], len(offsets)], strict=False):
                file.seek(int(offsets[first]))
                got = file.readinto(frames[first:last].reshape(-1).view(np.uint8))  # type: ignore[attr-defined]
                if got < (last - first) * self._frame_bytes:
                    raise _cut_short(self._path, start + int(first) + got // self._frame_bytes)
        if not self._stored_dtype.isnative:
            return frames.byteswap(inplace=True).view(self.dtype)
        return frames


class EncodedFrames(LazyFrames):
    """Frames in strips or tiles, compressed or not.

    Parameters
    ----------
    path : Path
        The file.
    shape : tuple of int
        (T, Y, X).
    dtype : dtype
        Pixel type.
    offsets, byte_counts : ndarray of int64, (T, S)
        Where each of a frame's S segments lies in the file; a byte count of 0 stands for a segment of zeros.
    decode : callable
        ``decode(data, segment_index)`` returns pixels (1, h, w, 1), place (_, _, y, x, _) and shape
        (_, h, w, _): tifffile's ``TiffPage.decode``, which keeps no state.
    """

    def __init__(
        self,
        path: Path,
        shape: tuple[int, int, int],
        dtype: DTypeLike,
        offsets: NDArray[np.int64],
        byte_counts: NDArray[np.int64],
        decode: Callable[[bytes, int], Any],
    ) -> None:
        super().__init__(shape, dtype)
        self._path = path
        self._offsets = offsets
        self._byte_counts = byte_counts
        self._decode = decode
        _check_all_there(path, offsets, byte_counts)

    def read(self, start: int, stop: int) -> AnyArray:
        """Read and decode frames."""
        frames = np.zeros((stop - start, *self.shape[1:]), self.dtype)
        with _opened(self._path) as file:
            for index in range(start, stop):
                self._decode_into(frames[index - start], file, index)
        return frames

    def _decode_into(self, frame: AnyArray, file: BinaryIO, index: int) -> None:
        """Fill one frame (Y, X) of zeros."""
        for segment, (offset, count) in enumerate(
            zip(self._offsets[index].tolist(), self._byte_counts[index].tolist(), strict=True)
        ):
            if count == 0:
                continue
            file.seek(offset)
            data = file.read(count)
            if len(data) < count:
                raise _cut_short(self._path, index)
            try:
                pixels, (_, _, y, x, _), (_, height, width, _) = self._decode(data, segment)
                target = frame[y : y + height, x : x + width]
                target[...] = pixels[0, : target.shape[0], : target.shape[1], 0]
            except Exception as error:  # decoders of damaged data raise whatever they stumble over
                raise BlinkspotError(
                    f"Frame {index + 1} (counting from 1) of {self._path} cannot be decoded "
                    f"({in_brief(error)}): the file is damaged or of a kind not supported; save it anew as "
                    "an uncompressed TIFF."
                ) from error


class JoinedFrames(LazyFrames):
    """Frames of several files, one after another; all of one frame shape and pixel type."""

    def __init__(self, parts: Sequence[LazyFrames]) -> None:
        ends = np.cumsum([len(part) for part in parts])
        super().__init__((int(ends[-1]), *parts[0].shape[1:]), parts[0].dtype)
        self._parts = list(parts)
        self._ends = ends

    def read(self, start: int, stop: int) -> AnyArray:
        """Read frames from as many files as hold them."""
        frames = np.empty((stop - start, *self.shape[1:]), self.dtype)
        at = start
        while at < stop:
            number = int(np.searchsorted(self._ends, at, side="right"))
            part, part_end = self._parts[number], int(self._ends[number])
            part_start = part_end - len(part)
            until = min(stop, part_end)
            frames[at - start : until - start] = part.read(at - part_start, until - part_start)
            at = until
        return frames


def _check_all_there(path: Path, offsets: NDArray[np.int64], byte_counts: NDArray[np.int64]) -> None:
    """Check that the pieces of each frame (T, pieces) lie within the file.

    Raises
    ------
    BlinkspotError
        If they do not: the file is damaged, or was cut short.
    """
    if (offsets < 0).any() or (byte_counts < 0).any():
        raise BlinkspotError(f"{path} is a damaged TIFF file (it counts below 0): copy it again.")
    # Signed sums could come out below 0.
    ends = offsets.astype(np.uint64) + byte_counts.astype(np.uint64)
    missing = np.flatnonzero((ends > path.stat().st_size).any(axis=1))
    if len(missing):
        raise _cut_short(path, int(missing[0]))


def _cut_short(path: Path, frame: int) -> BlinkspotError:
    return BlinkspotError(
        f"{path} is cut short: frame {frame + 1} (counting from 1) is not whole; "
        "copy it again from its source."
    )


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading in the block, or say that it cannot be read."""
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise BlinkspotError(
            f"{path} can no longer be read ({error.strerror}): check that the file is still there."
        ) from error
