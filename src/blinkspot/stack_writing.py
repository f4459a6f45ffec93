"""Write a movie in a stream, in a form that ImageJ (and so ThunderSTORM) opens as frames."""

from __future__ import annotations

import contextlib
import json
import math
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import tifffile
from numpy.typing import ArrayLike, DTypeLike, NDArray

from blinkspot.errors import BlinkspotError
from blinkspot.files import written_whole

# A classic TIFF counts bytes in 32 bits; what is left over is for the list of pages.
LARGEST_CLASSIC_TIFF_BYTES = 4_000_000_000
_BYTES_PER_PAGE_ENTRY = 512
_IMAGEJ_DTYPES = (np.uint8, np.uint16, np.float32)


class StackWriter:
    """Writes a new TIFF movie, a few frames at a time; a context manager.

    Below 4 GB the file is an ImageJ TIFF (T frames, 1 slice, 1 channel, unit micron), above it a BigTIFF.
    The file comes to bear its name only when the block ends well and all frames are in it.

    Parameters
    ----------
    path : path
        The file to make. It must not exist.
    shape : tuple of int
        (T, Y, X) of the whole movie.
    dtype : dtype
        uint8, uint16 or float32: what ImageJ can show.
    pixel_size_nm : float, optional
        Size of a pixel, nm.
    provenance : dict, optional
        What made the movie, JSON-ready; it goes into the file (ImageJ shows it as Info).

    Raises
    ------
    BlinkspotError
        On entering, if the file exists, its folder cannot be written to or the disk has too little room; on
        writing, if the disk fills up.

    Examples
    --------
    >>> with StackWriter("denoised.tif", (300, 128, 128)) as writer:  # doctest: +SKIP
    ...     writer.write(frames)
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        shape: tuple[int, int, int],
        dtype: DTypeLike = np.float32,
        *,
        pixel_size_nm: float | None = None,
        provenance: dict[str, Any] | None = None,
    ) -> None:
        self.path = Path(path)
        self.shape = shape
        self.dtype = np.dtype(dtype)
        if self.dtype not in _IMAGEJ_DTYPES:
            raise ValueError(f"ImageJ shows uint8, uint16 and float32 stacks, not {self.dtype}")
        self.frames_written = 0
        self._pixel_size_nm = pixel_size_nm
        self._provenance = provenance
        self._open = contextlib.ExitStack()

    @property
    def _data_bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def _file_bytes(self) -> int:
        return self._data_bytes + self.shape[0] * _BYTES_PER_PAGE_ENTRY

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as opening:
            temporary = opening.enter_context(written_whole(self.path, self._file_bytes))
            data_offset = self._write_pages(temporary)
            self._file = opening.enter_context(temporary.open("r+b"))
            self._file.seek(data_offset)
            self._open = opening.pop_all()
        return self

    def _write_pages(self, temporary: Path) -> int:
        """Write all but the pixels and return where these go (holes in the file until then)."""
        layout: dict[str, Any] = {
            "data": None,
            "shape": self.shape,
            "dtype": self.dtype,
            "photometric": "minisblack",
            "returnoffset": True,
        }
        for_imagej = self._file_bytes < LARGEST_CLASSIC_TIFF_BYTES
        if for_imagej:
            # ImageJ keeps the size of a pixel as pixels per its own unit.
            metadata: dict[str, Any] = {"axes": "TYX"}
            if self._pixel_size_nm is not None:
                metadata["unit"] = "micron"
                layout["resolution"] = (1e3 / self._pixel_size_nm,) * 2
            if self._provenance is not None:
                metadata["Info"] = json.dumps(self._provenance)
        else:
            metadata = {"axes": "TYX"}
            if self._pixel_size_nm is not None:
                layout["resolution"] = (1e7 / self._pixel_size_nm,) * 2
                layout["resolutionunit"] = "CENTIMETER"
            if self._provenance is not None:
                metadata["provenance"] = self._provenance
        with tifffile.TiffWriter(temporary, imagej=for_imagej, bigtiff=not for_imagej) as tif:
            placed = tif.write(metadata=metadata, **layout)
        assert placed is not None  # since returnoffset
        return int(placed[0])

    def write(self, frames: ArrayLike) -> None:
        """Append frames.

        Parameters
        ----------
        frames : array-like, (n, Y, X)
            Converted to the file's pixel type; for whole-number types rounded and clipped to its range.
        """
        values = np.asarray(frames)
        if values.ndim != 3 or values.shape[1:] != self.shape[1:]:
            raise ValueError(f"frames of shape {values.shape} do not fit a movie of shape {self.shape}")
        if self.frames_written + len(values) > self.shape[0]:
            raise ValueError(f"more frames than the {self.shape[0]} that were announced")
        self._file.write(np.ascontiguousarray(self._converted(values)).data)
        self.frames_written += len(values)

    def _converted(self, values: NDArray[Any]) -> NDArray[Any]:
        if self.dtype.kind == "f" or values.dtype == self.dtype:
            return np.asarray(values, self.dtype)
        limits = np.iinfo(self.dtype)
        return np.asarray(np.clip(np.rint(values), limits.min, limits.max), self.dtype)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None and self.frames_written < self.shape[0]:
            unfinished = ValueError(f"only {self.frames_written} of {self.shape[0]} frames were written")
            self._open.__exit__(ValueError, unfinished, None)
            raise unfinished
        self._open.__exit__(kind, error, traceback)


def write_stack(
    path: str | os.PathLike[str],
    movie: Any,
    *,
    dtype: DTypeLike | None = None,
    pixel_size_nm: float | None = None,
    provenance: dict[str, Any] | None = None,
) -> Path:
    """Write a movie that is already there, (T, Y, X), as a new TIFF; see :class:`StackWriter`.

    ``dtype`` is the movie's own by default where ImageJ knows it, else float32.
    """
    shape = tuple(movie.shape)
    if len(shape) != 3:
        raise BlinkspotError(f"A movie of shape {shape} cannot be written: it needs the axes time, y and x.")
    own = np.dtype(movie.dtype)
    chosen = dtype or (own if own in _IMAGEJ_DTYPES else np.float32)
    frames_at_once = max(1, (64 << 20) // max(1, shape[1] * shape[2] * own.itemsize))
    with StackWriter(path, shape, chosen, pixel_size_nm=pixel_size_nm, provenance=provenance) as writer:
        for start in range(0, shape[0], frames_at_once):
            writer.write(movie[start : start + frames_at_once])
    return Path(path)
