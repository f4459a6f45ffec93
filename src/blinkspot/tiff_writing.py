"""A new TIFF movie, in a form that ImageJ (and so ThunderSTORM) opens as frames."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import tifffile
from numpy.typing import NDArray

from blinkspot.files import written_whole

# A classic TIFF counts bytes in 32 bits; what is left over is for the list of pages.
LARGEST_CLASSIC_TIFF_BYTES = 4_000_000_000
_BYTES_PER_PAGE_ENTRY = 512


class TiffFrames:
    """Takes the frames of a TIFF movie, one after another.

    Parameters
    ----------
    file : binary file
        Open for writing at the place of the first pixel.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file = file

    def append(self, frames: NDArray[Any]) -> None:
        """Write frames (n, Y, X) of the movie's pixel type."""
        self.file.write(np.ascontiguousarray(frames).data)


@contextlib.contextmanager
def new_tiff(
    path: Path,
    shape: tuple[int, int, int],
    dtype: np.dtype[Any],
    pixel_size_nm: float | None,
    provenance: dict[str, Any] | None,
) -> Iterator[TiffFrames]:
    """Make a TIFF file that appears when the block ends well; all frames must be in it by then.

    Below 4 GB it is an ImageJ TIFF (T frames, 1 slice, 1 channel, unit micron), above it a BigTIFF.

    Raises
    ------
    BlinkspotError
        If the file exists, its folder cannot be written to, or the disk has too little room.
    """
    file_bytes = math.prod(shape) * dtype.itemsize + shape[0] * _BYTES_PER_PAGE_ENTRY
    with written_whole(path, file_bytes) as temporary:
        layout: dict[str, Any] = {
            "data": None,  # all but the pixels is written: holes in the file until they come
            "shape": shape,
            "dtype": dtype,
            "photometric": "minisblack",
            "returnoffset": True,
        }
        for_imagej = file_bytes < LARGEST_CLASSIC_TIFF_BYTES
        describe = _imagej_description if for_imagej else _plain_description
        layout |= describe(pixel_size_nm, provenance)
        with tifffile.TiffWriter(temporary, imagej=for_imagej, bigtiff=not for_imagej) as tif:
            placed = tif.write(**layout)
        assert placed is not None  # since returnoffset
        with temporary.open("r+b") as file:
            file.seek(int(placed[0]))
            yield TiffFrames(file)


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
