"""A movie, opened lazily: what every other part reads frames from."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from blinkspot.errors import BlinkspotError
from blinkspot.movies.lazy_frames import JoinedFrames
from blinkspot.movies.tiff_reading import check_pixel_type, read_tiff
from blinkspot.movies.writing import StackWriter, write_stack
from blinkspot.movies.zarr_metadata import is_zarr
from blinkspot.movies.zarr_reading import read_zarr

if TYPE_CHECKING:  # slow to import, and not needed for what is read from files
    import dask.array

__all__ = ["Stack", "StackWriter", "as_stack", "open_stack", "write_stack"]

# A viewer reads a whole chunk to show one frame: large enough to keep the graph of a long movie small,
# small enough to read in about a millisecond.
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, eq=False)
class Stack:
    """A movie of shape (T, Y, X), read a few frames at a time.

    Attributes
    ----------
    data : array-like, (T, Y, X)
        NumPy, dask or zarr array, or :class:`~blinkspot.movies.lazy_frames.LazyFrames`. Reading it is
        thread-safe.
    path : Path or None
        The file or folder that it came from.
    axes_guessed : bool
        True where nothing said that the first axis is time.
    camera_hints : dict
        Settings of :class:`~blinkspot.camera.Camera` that the file states, by name.
    metadata : dict
        ``"provenance"``, where the file is one of ours, and ``"camera_name"``, where the file has one.
    """

    data: Any
    path: Path | None = None
    axes_guessed: bool = True
    camera_hints: dict[str, float] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(T, Y, X)."""
        n_frames, height, width = self.data.shape
        return int(n_frames), int(height), int(width)

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return self.shape[0]

    @property
    def height(self) -> int:
        """Rows of a frame, pixels."""
        return self.shape[1]

    @property
    def width(self) -> int:
        """Columns of a frame, pixels."""
        return self.shape[2]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Pixel type, in native byte order."""
        dtype: np.dtype[Any] = np.dtype(self.data.dtype)
        return dtype.newbyteorder("=")

    @property
    def name(self) -> str:
        """What to call the movie at the beginning of a sentence."""
        return str(self.path) if self.path is not None else "The movie"

    @property
    def name_within(self) -> str:
        """The same, where it does not begin the sentence."""
        return str(self.path) if self.path is not None else "the movie"

    def frames(self, start: int, stop: int) -> NDArray[Any]:
        """Read the frames from ``start`` to just before ``stop``.

        Returns
        -------
        ndarray, (stop - start, Y, X)
            In the movie's own pixel type.

        Raises
        ------
        IndexError
            If the range is not within the movie.
        BlinkspotError
            If the file is damaged there.
        """
        if not 0 <= start <= stop <= self.n_frames:
            raise IndexError(f"frames {start} to {stop} are not within 0 to {self.n_frames}")
        return np.asarray(self.data[start:stop], dtype=self.dtype)

    def frame(self, index: int) -> NDArray[Any]:
        """Read one frame, (Y, X)."""
        frame: NDArray[Any] = self.frames(index, index + 1)[0]
        return frame

    def selected(self, indices: Sequence[int] | NDArray[np.integer[Any]]) -> NDArray[Any]:
        """Read the frames at ``indices``, in that order: (len(indices), Y, X)."""
        chosen = np.empty((len(indices), self.height, self.width), self.dtype)
        for place, index in enumerate(indices):
            chosen[place] = self.frame(int(index))
        return chosen

    def as_dask(self) -> dask.array.Array:
        """Return a dask array (T, Y, X), chunked by frames, for a viewer."""
        import dask.array

        if isinstance(self.data, dask.array.Array):
            return self.data
        frame_bytes = max(1, self.height * self.width * self.dtype.itemsize)
        frames_per_chunk = max(1, min(self.n_frames, CHUNK_BYTES // frame_bytes))
        lazy: dask.array.Array = dask.array.from_array(  # type: ignore[no-untyped-call]
            self.data,
            chunks=(frames_per_chunk, self.height, self.width),
            name=False,  # naming by content would read the whole movie
            meta=np.empty((0, 0, 0), self.dtype),
        )
        return lazy


def open_stack(path: str | os.PathLike[str]) -> Stack:
    """Open a TIFF file, a folder of TIFF files or a zarr store, without reading its pixels.

    A single axis besides Y and X is taken for time whatever the file calls it
    (:attr:`Stack.axes_guessed`). The files of a folder follow one another in natural order (``frame2`` before
    ``frame10``).

    Parameters
    ----------
    path : path
        TIFF file of any flavour (plain, ImageJ, OME, BigTIFF, compressed), a folder of them, or the folder of
        a zarr array or OME-Zarr image.

    Raises
    ------
    BlinkspotError
        If that is not one grey-value movie of at least two frames, or is damaged.
    """
    path = Path(path)
    if not path.exists():
        raise BlinkspotError(f"{path} does not exist: check the name.")
    if path.is_dir():
        stack = _open_store(path) if is_zarr(path) else _open_folder(path)
    else:
        stack = _open_file(path)
    if stack.n_frames < 2:
        raise BlinkspotError(
            f"{path} holds a single picture of {stack.height} x {stack.width} pixels: "
            "a movie has at least two frames."
        )
    return stack


def _open_file(path: Path) -> Stack:
    movie = read_tiff(path)
    return Stack(movie.frames, path, movie.time_axis != "T", movie.camera_hints, movie.metadata)


def _open_store(path: Path) -> Stack:
    movie = read_zarr(path)
    return Stack(movie.frames, path, movie.time_axis != "T", movie.camera_hints, movie.metadata)


def _open_folder(folder: Path) -> Stack:
    paths = sorted(
        (
            entry
            for entry in folder.iterdir()
            if entry.suffix.lower() in (".tif", ".tiff") and not entry.name.startswith(".")
        ),
        key=lambda entry: _natural_key(entry.name),
    )
    if not paths:
        raise BlinkspotError(
            f"The folder {folder} holds no TIFF files (.tif, .tiff) and is no zarr store: choose another one."
        )
    if len(paths) == 1:
        return _open_file(paths[0])
    movies = [read_tiff(path, alone=False) for path in paths]
    first = movies[0].frames
    for path, movie in zip(paths, movies, strict=True):
        if (movie.frames.shape[1:], movie.frames.dtype) != (first.shape[1:], first.dtype):
            raise BlinkspotError(
                f"{path} holds frames of {_described(movie.frames)} but {paths[0].name} holds "
                f"{_described(first)}: keep only the files of one movie in the folder."
            )
    # The order of files is an order in time; within a file it is what the file says.
    axes_guessed = any(movie.time_axis not in ("T", "") for movie in movies)
    return Stack(
        JoinedFrames([movie.frames for movie in movies]),
        folder,
        axes_guessed,
        movies[0].camera_hints,
        movies[0].metadata,
    )


def _described(frames: Any) -> str:
    return f"{frames.shape[1]} x {frames.shape[2]} pixels, {frames.dtype}"


def _natural_key(name: str) -> list[tuple[int, int, str]]:
    """Sort key by which numbers in names count as numbers."""
    parts = re.split(r"(\d+)", name.lower())
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts]


def _is_numpy_type(dtype: object) -> bool:
    """Tell whether a pixel type is one of NumPy's; torch has its own."""
    try:
        return dtype is not None and np.dtype(dtype) is not None  # type: ignore[call-overload]
    except TypeError:
        return False


def as_stack(movie: Any) -> Stack:
    """Make a stack of an array (T, Y, X) of whatever library; a stack is returned as it is.

    Axes of length 1 before the last two are dropped.

    Parameters
    ----------
    movie : Stack, or NumPy, dask or zarr array, or the data of a napari layer

    Raises
    ------
    BlinkspotError
        If it is not a movie of at least two frames of real numbers.
    """
    if isinstance(movie, Stack):
        return movie
    if isinstance(movie, np.ma.MaskedArray) and np.ma.is_masked(movie):
        # Nothing here knows a mask: what lies under it would be taken for light.
        raise BlinkspotError("The movie has pixels that are masked: fill them first, by their neighbours.")
    if not (hasattr(movie, "shape") and _is_numpy_type(getattr(movie, "dtype", None))):
        try:
            movie = np.asarray(movie)
        except (RuntimeError, TypeError, ValueError) as error:  # the first: torch's, of what has a gradient
            raise BlinkspotError(
                "The movie is no array: give frames of one size, in the processor's memory."
            ) from error
    check_pixel_type(np.dtype(movie.dtype), "The movie")
    shape = tuple(int(length) for length in movie.shape)
    if 0 in shape:
        raise BlinkspotError(f"The movie is empty: its shape is {shape}.")
    if len(shape) > 3 and any(length == 1 for length in shape[:-2]):
        if not isinstance(movie, np.ndarray):
            import dask.array

            movie = dask.array.asarray(movie)  # type: ignore[no-untyped-call]
        long = tuple(length for length in shape[:-2] if length > 1)
        movie = movie.reshape((*(long or (1,)), *shape[-2:]))
        shape = movie.shape
    if len(shape) == 2 or (len(shape) == 3 and shape[0] == 1):
        raise BlinkspotError(
            f"The movie is a single picture of shape {shape}: a movie has at least two frames."
        )
    if len(shape) != 3:
        raise BlinkspotError(
            f"The movie has the shape {shape}, where a movie has three axes (time, y, x): "
            "choose one channel and plane."
        )
    return Stack(movie)
