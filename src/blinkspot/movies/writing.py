"""Write a movie in a stream: as a TIFF that ImageJ opens, or as a zarr store."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from blinkspot.errors import BlinkspotError
from blinkspot.files.whole_files import written_whole
from blinkspot.movies.new_movie import Frames, NewMovie
from blinkspot.movies.tiff_writing import make_tiff, tiff_bytes, tiff_frames
from blinkspot.movies.zarr_writing import make_zarr, zarr_bytes, zarr_frames

_DTYPES = (np.uint8, np.uint16, np.float32)  # what ImageJ shows


@dataclass(frozen=True)
class MovieFormat:
    """How a movie is written.

    Attributes
    ----------
    needed_bytes : callable
        Size that a movie takes at most.
    make : callable
        Makes the file or folder of a movie whose pixels are still missing.
    frames : callable
        Opens it to write the frames from a certain one on; raises
        :class:`~blinkspot.movies.new_movie.DamagedMovieError` where those before are not there.
    """

    needed_bytes: Callable[[NewMovie], int]
    make: Callable[[Path, NewMovie], None]
    frames: Callable[[Path, NewMovie, int], contextlib.AbstractContextManager[Frames]]


_TIFF = MovieFormat(tiff_bytes, make_tiff, tiff_frames)
_FORMATS = {".tif": _TIFF, ".tiff": _TIFF, ".zarr": MovieFormat(zarr_bytes, make_zarr, zarr_frames)}


def check_movie_name(path: str | os.PathLike[str]) -> Path:
    """Check that the name of a movie to be written says in which format.

    Raises
    ------
    BlinkspotError
        If it does not.
    """
    path = Path(path)
    if path.suffix.lower() not in _FORMATS:
        raise BlinkspotError(
            f"The movie {path} is written as TIFF or as zarr: choose a name that ends in .tif or .zarr."
        )
    return path


class StackWriter:
    """Writes a new movie, a few frames at a time; a context manager.

    The suffix chooses the format: ``.tif`` or ``.tiff`` (an ImageJ TIFF, above 4 GB a BigTIFF) or ``.zarr``
    (a folder: an OME-Zarr image whose chunks are single frames, or a few small ones). The movie comes to bear
    its name only when the block ends well and all frames are in it.

    Parameters
    ----------
    path : path
        The file or folder to make. It must not exist.
    shape : tuple of int
        (T, Y, X) of the whole movie.
    dtype : dtype
        uint8, uint16 or float32: what ImageJ can show.
    pixel_size_nm : float, optional
        Size of a pixel, nm.
    provenance : dict, optional
        What made the movie, JSON-ready; it goes into the movie (ImageJ shows it as Info).

    Raises
    ------
    BlinkspotError
        If the suffix is another; on entering, if the movie exists, its folder cannot be written to or the
        disk has too little room; on writing, if the disk fills up.

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
        self.path = check_movie_name(path)
        self.shape = shape
        self.dtype = np.dtype(dtype)
        if self.dtype not in _DTYPES:
            raise ValueError(f"movies are written as uint8, uint16 or float32, not {self.dtype}")
        self.frames_written = 0
        self._movie = NewMovie(self.path.stem, shape, self.dtype, pixel_size_nm, provenance)
        self._format = _FORMATS[self.path.suffix.lower()]
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._frames = self._open.enter_context(self._opened())
        return self

    @contextlib.contextmanager
    def _opened(self) -> Iterator[Frames]:
        with written_whole(self.path, self._format.needed_bytes(self._movie)) as temporary:
            self._format.make(temporary, self._movie)
            with self._format.frames(temporary, self._movie, 0) as frames:
                yield frames

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
        self._frames.append(self._converted(values))
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
    """Write a movie that is already there, (T, Y, X), as a new TIFF or zarr store; see :class:`StackWriter`.

    ``dtype`` is the movie's own by default where that can be written, else float32.
    """
    shape = tuple(movie.shape)
    if len(shape) != 3:
        raise BlinkspotError(f"A movie of shape {shape} cannot be written: it needs the axes time, y and x.")
    own = np.dtype(movie.dtype)
    chosen = dtype or (own if own in _DTYPES else np.float32)
    frames_at_once = max(1, (64 << 20) // max(1, shape[1] * shape[2] * own.itemsize))
    with StackWriter(path, shape, chosen, pixel_size_nm=pixel_size_nm, provenance=provenance) as writer:
        for start in range(0, shape[0], frames_at_once):
            writer.write(movie[start : start + frames_at_once])
    return Path(path)
