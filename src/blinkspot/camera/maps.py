"""The maps of an sCMOS camera, whose every pixel has an offset, a read noise and a gain of its own.

The model of a pixel (Huang et al. 2013, Nature Methods 10:653)::

    ADU = offset + gain * electrons + N(0, variance)

with Poisson electrons. Maps come from a calibration: mean and variance of a long dark movie, and the slope of
variance over mean at several levels of light.
"""

from __future__ import annotations

import hashlib
import io
import os
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blinkspot.errors import BlinkspotError, in_brief
from blinkspot.files.whole_files import written_whole
from blinkspot.safety.limits import check_piece
from blinkspot.safety.tiff import read_pictures

FloatArray = NDArray[np.float32]

# Name of the map in sentences, its unit, and limits wider than any camera.
_MAPS = {
    "offset_adu": ("offset", "ADU", -1e6, 1e6),
    "variance_adu2": ("variance", "ADU^2", 0.0, 1e12),
    "adu_per_electron": ("gain", "ADU per electron", 1e-6, 1e6),
}
# What is lost of an offset where it is moved to and fro, ADU.
_ROUNDED_ADU = 1e-3
_TIFF_SUFFIXES = (".tif", ".tiff")


@dataclass(frozen=True, eq=False)
class CameraMaps:
    """Offset, read noise and gain, pixel by pixel.

    Maps are equal where their values are, wherever they came from.

    Attributes
    ----------
    offset_adu : ndarray of float32, (Y, X)
        Mean of the pixel without light, ADU.
    variance_adu2 : ndarray of float32, (Y, X)
        Variance of its read noise, ADU^2.
    adu_per_electron : ndarray of float32, (Y, X)
        Its gain, ADU per electron.
    source : str or None
        Name of the file that they came from.

    Raises
    ------
    BlinkspotError
        If the maps differ in shape or hold values that no camera has.
    """

    offset_adu: FloatArray
    variance_adu2: FloatArray
    adu_per_electron: FloatArray
    source: str | None = None

    def __post_init__(self) -> None:
        for name, (word, *_) in _MAPS.items():
            values = _picture(getattr(self, name), word)
            values.setflags(write=False)
            object.__setattr__(self, name, values)
        shapes = {name: getattr(self, name).shape for name in _MAPS}
        first = shapes["offset_adu"]
        if len(set(shapes.values())) > 1 or len(first) != 2 or 0 in first:
            raise BlinkspotError(
                f"The camera's maps of offset, variance and gain must be three pictures of one size, not of "
                f"the shapes {', '.join(map(str, shapes.values()))}."
            )
        for name, (word, unit, low, high) in _MAPS.items():
            values = getattr(self, name)
            good = (values >= np.float32(low)) & (values <= np.float32(high))
            if not good.all():
                row, column = np.argwhere(~good)[0]
                raise BlinkspotError(
                    f"The {word} map of {self.source or 'the camera'} must hold numbers from {low:g} to "
                    f"{high:g} {unit}, but {np.count_nonzero(~good)} of its pixels do not (the first is row "
                    f"{row}, column {column}: {values[row, column]:g}): give them the values of their "
                    "neighbours, and check the order offset, variance, gain."
                )

    @property
    def shape(self) -> tuple[int, int]:
        """(Y, X), pixels."""
        height, width = self.offset_adu.shape
        return height, width

    @cached_property
    def digest(self) -> str:
        """SHA-256 of shape and values, hexadecimal."""
        sha = hashlib.sha256(repr(self.shape).encode())
        for name in _MAPS:
            sha.update(getattr(self, name).astype("<f4").tobytes())
        return sha.hexdigest()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CameraMaps):
            return NotImplemented
        return self is other or self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    @property
    def mean_offset_adu(self) -> float:
        """Mean of the offset over the pixels, ADU."""
        return float(self.offset_adu.mean(dtype=np.float64))

    def window(self, top: int, left: int, height: int, width: int) -> CameraMaps:
        """Return the maps of a part of the chip.

        Parameters
        ----------
        top, left : int
            First row and column of the window, from 0.
        height, width : int
            Its size, pixels.

        Raises
        ------
        BlinkspotError
            If it reaches beyond the maps.
        """
        rows, columns = self.shape
        if not (0 <= top <= top + height <= rows and 0 <= left <= left + width <= columns) or not (
            height > 0 and width > 0
        ):
            raise BlinkspotError(
                f"A window of {height} x {width} pixels from row {top}, column {left} (from 0) is not within "
                f"the camera's maps of {rows} x {columns} pixels: give the row and column of the chip at "
                "which the movie begins."
            )
        part = (slice(top, top + height), slice(left, left + width))
        return replace(self, **{name: getattr(self, name)[part] for name in _MAPS})

    def transposed(self) -> CameraMaps:
        """Return the maps with rows and columns exchanged."""
        return replace(self, **{name: getattr(self, name).T for name in _MAPS})

    def moved_to(self, offset_adu: float) -> CameraMaps:
        """Return the maps with all offsets moved alike, so that their mean is ``offset_adu``.

        The pattern of a chip lasts; its baseline moves with temperature and read-out mode.
        """
        return replace(self, offset_adu=self.offset_adu + np.float32(offset_adu - self.mean_offset_adu))

    def differ_by_level(self, other: CameraMaps) -> bool:
        """Tell whether other maps differ from these by their level alone; see :meth:`moved_to`."""
        # One pixel has no pattern to be known by.
        if self.shape != other.shape or self.shape == (1, 1) or self == other:
            return False
        moved = other.moved_to(self.mean_offset_adu)
        return (
            np.array_equal(self.variance_adu2, other.variance_adu2)
            and np.array_equal(self.adu_per_electron, other.adu_per_electron)
            and np.allclose(self.offset_adu, moved.offset_adu, rtol=1e-6, atol=_ROUNDED_ADU)
        )

    def as_array(self) -> FloatArray:
        """Return offset, variance and gain as one array of float32, (3, Y, X)."""
        return np.stack([getattr(self, name) for name in _MAPS])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the maps as a new ``.npy`` file that :func:`read_maps` reads.

        Raises
        ------
        BlinkspotError
            If the file exists already or cannot be written.
        """
        content = self.as_file()
        with written_whole(path, len(content)) as temporary:
            temporary.write_bytes(content)

    def as_file(self) -> bytes:
        """Return the content of the ``.npy`` file that :func:`read_maps` reads."""
        # Made in memory: NumPy does not notice where a disk is full at the last bytes of a file.
        content = io.BytesIO()
        np.save(content, self.as_array())
        return content.getvalue()


def _picture(given: Any, word: str) -> FloatArray:
    """Return a map as an array of its own; NaN where it is masked, which is refused as such."""
    try:
        masked = np.ma.getmask(given)
        values = np.asarray(given)
        if values.dtype.kind not in "fiu":
            raise TypeError("no real numbers")
        with np.errstate(over="ignore"):
            picture = np.array(values, dtype=np.float32, order="C")
    except (TypeError, ValueError, RuntimeError) as error:  # each kind of array has its own
        raise BlinkspotError(
            f"The camera's {word} map must be a picture of real numbers, not {in_brief(given, 40)!r}."
        ) from error
    picture[masked] = np.nan
    return picture


def read_maps(path: str | os.PathLike[str]) -> CameraMaps:
    """Read maps of offset (ADU), variance (ADU^2) and gain (ADU per electron), in this order.

    Parameters
    ----------
    path : path
        An array (3, Y, X) as ``.npy``, or a TIFF of three pages.

    Raises
    ------
    BlinkspotError
        If the file cannot be read or holds something else.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in (".npy", *_TIFF_SUFFIXES):
        raise BlinkspotError(f"The maps {path} must be a NumPy file (.npy) or a TIFF of three pages (.tif).")
    try:
        values = _array(path) if suffix == ".npy" else read_pictures(path, joined=True)
    except BlinkspotError:
        raise
    except OSError as error:
        raise BlinkspotError(
            f"The camera's maps {path} cannot be read: {error.strerror or 'the file is damaged'}."
        ) from error
    except Exception as error:  # parsers of damaged files raise whatever they stumble over
        raise BlinkspotError(
            f"The camera's maps {path} cannot be read: they are damaged, or no {suffix} file."
        ) from error
    if values.dtype.kind not in "fiu" or values.ndim != 3 or len(values) != 3:
        raise BlinkspotError(
            f"The camera's maps {path} must be three pictures (offset, variance, gain) of real numbers, "
            f"but the file holds an array of shape {values.shape} and type {values.dtype}."
        )
    offset_adu, variance_adu2, adu_per_electron = values
    return CameraMaps(offset_adu, variance_adu2, adu_per_electron, path.name)


def _array(path: Path) -> NDArray[Any]:
    """Read an array of numbers; a file of NumPy's that holds anything else is not unpacked."""
    _check_description(path)
    # Mapped first: a size that the file does not have is refused before it is made.
    mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    check_piece(mapped.shape, mapped.dtype, path, "maps")
    return np.array(mapped)


def _check_description(path: Path) -> None:
    """Check how NumPy's file describes its array, a text that Python's parser reads.

    Nested brackets take the parser long, and then all its room. An array of numbers needs two pairs: of the
    description as a whole, and of its shape.
    """
    with path.open("rb") as file:
        start = file.read(8)
        length = int.from_bytes(file.read(2 if start[6:7] == b"\x01" else 4), "little")
        described = file.read(min(length, 1 << 16))  # NumPy reads no longer one
    if sum(described.count(sign) for sign in (b"(", b"[", b"{")) > 2:
        raise ValueError("no array of numbers")
