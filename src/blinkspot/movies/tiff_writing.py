"""A new TIFF movie, in a form that ImageJ (and so ThunderSTORM) opens as frames."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import tifffile
from numpy.typing import NDArray

from blinkspot.movies.new_movie import DamagedMovieError, NewMovie

# A classic TIFF counts bytes in 32 bits; what is left over is for the list of pages.
LARGEST_CLASSIC_TIFF_BYTES = 4_000_000_000
_BYTES_PER_PAGE_ENTRY = 512


class TiffFrames:
    """Takes the frames of a TIFF movie, one after another.

    Parameters
    ----------
    file : binary file
        Open for writing at the place of the first pixel that is still to come.
    n_written : int
        Frames before that place.
    """

    def __init__(self, file: BinaryIO, n_written: int) -> None:
        self.file = file
        self._n_written = n_written

    def append(self, frames: NDArray[Any]) -> None:
        """Write frames (n, Y, X) of the movie's pixel type."""
        self.file.write(np.ascontiguousarray(frames).data)
        self._n_written += len(frames)

    def secure(self) -> int:
        """Have what is written reach the disk; return how many frames, from the first, are there then."""
        self.file.flush()
        os.fsync(self.file.fileno())
        return self._n_written


def tiff_bytes(movie: NewMovie) -> int:
    """Return the size that a movie has as a TIFF, or a little more."""
    return movie.n_bytes + movie.shape[0] * _BYTES_PER_PAGE_ENTRY


def make_tiff(path: Path, movie: NewMovie) -> None:
    """Make a TIFF of the whole movie, in which the pixels are still missing: holes, where the disk has them.

    Below 4 GB it is an ImageJ TIFF (T frames, 1 slice, 1 channel, unit micron), above it a BigTIFF.
    """
    layout: dict[str, Any] = {
        "data": None,
        "shape": movie.shape,
        "dtype": movie.dtype,
        "photometric": "minisblack",
    }
    for_imagej = tiff_bytes(movie) < LARGEST_CLASSIC_TIFF_BYTES
    describe = _imagej_description if for_imagej else _plain_description
    layout |= describe(movie.pixel_size_nm, movie.provenance)
    with tifffile.TiffWriter(path, imagej=for_imagej, bigtiff=not for_imagej) as tif:
        tif.write(**layout)


@contextlib.contextmanager
def tiff_frames(path: Path, movie: NewMovie, first: int) -> Iterator[TiffFrames]:
    """Open a TIFF of :func:`make_tiff` to write the frames from ``first`` on.

    Raises
    ------
    DamagedMovieError
        If it is not the whole file of that movie.
    """
    offset = _place_of_pixels(path, movie)
    with path.open("r+b") as file:
        file.seek(offset + first * movie.frame_bytes)
        yield TiffFrames(file, first)


def _place_of_pixels(path: Path, movie: NewMovie) -> int:
    try:
        with tifffile.TiffFile(path) as tif:
            page = tif.pages.first
            found = (page.imagelength, page.imagewidth), page.dtype
            offset = int(page.dataoffsets[0])
    except Exception as error:  # tifffile raises nearly anything on a damaged file
        if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
            raise  # the disk's: the file may be whole
        raise DamagedMovieError from error
    if found != (movie.shape[1:], movie.dtype) or path.stat().st_size < offset + movie.n_bytes:
        raise DamagedMovieError
    return offset


def _imagej_description(pixel_size_nm: float | None, provenance: dict[str, Any] | None) -> dict[str, Any]:
    """Return tifffile's options; ImageJ keeps the size of a pixel as pixels per its own unit."""
    metadata: dict[str, Any] = {"axes": "TYX"}
    options: dict[str, Any] = {"metadata": metadata}
    if pixel_size_nm is not None:
        metadata["unit"] = "micron"
        options["resolution"] = (1e3 / pixel_size_nm,) * 2
    if provenance is not None:
        metadata["Info"] = json.dumps(provenance)
    return options


def _plain_description(pixel_size_nm: float | None, provenance: dict[str, Any] | None) -> dict[str, Any]:
    metadata: dict[str, Any] = {"axes": "TYX"}
    options: dict[str, Any] = {"metadata": metadata}
    if pixel_size_nm is not None:
        options["resolution"] = (1e7 / pixel_size_nm,) * 2
        options["resolutionunit"] = "CENTIMETER"
    if provenance is not None:
        metadata["provenance"] = provenance
    return options
