"""What a movie that is to be written will be."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class NewMovie:
    """All of a movie but its pixels.

    Attributes
    ----------
    name : str
        What it is called, without a suffix.
    shape : tuple of int
        (T, Y, X).
    dtype : dtype
        Of its pixels.
    pixel_size_nm : float or None
        Size of a pixel, nm.
    provenance : dict or None
        What makes it, JSON-ready.
    """

    name: str
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    pixel_size_nm: float | None
    provenance: dict[str, Any] | None

    @property
    def frame_bytes(self) -> int:
        """Size of the pixels of a frame."""
        return self.shape[1] * self.shape[2] * self.dtype.itemsize

    @property
    def n_bytes(self) -> int:
        """Size of all pixels."""
        return math.prod(self.shape) * self.dtype.itemsize


class Frames(Protocol):
    """The pixels of a movie that is being written."""

    def append(self, frames: NDArray[Any]) -> None:
        """Write frames (n, Y, X) of the movie's pixel type."""

    def secure(self) -> int:
        """Have what is written reach the disk; return how many frames, from the first, are there then."""


class DamagedMovieError(Exception):
    """A movie that was begun does not hold the frames that it should."""
