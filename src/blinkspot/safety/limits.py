"""How large a movie may be: what lies beyond is no movie, and would take all memory before that was told."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from blinkspot.errors import BlinkspotError

MOST_BYTES_AT_ONCE = 1 << 28
"""Bytes of a frame, or of what is decoded with it: 134 million pixels of 16 bits; no camera has more."""
MOST_FRAMES = 10_000_000
"""Frames of a movie: almost three hours at a kilohertz."""


def check_movie_size(shape: Sequence[int], dtype: np.dtype[Any], source: object) -> None:
    """Check the size that a file gives its movie, before anything of that size is made.

    Parameters
    ----------
    shape : sequence of int
        (T, Y, X).
    dtype : dtype
        Pixel type.
    source : path
        The file, for the sentence.

    Raises
    ------
    BlinkspotError
        If the frames are larger, or there are more of them, than any camera gives.
    """
    n_frames, height, width = (int(length) for length in shape)
    if min(n_frames, height, width) < 1:
        raise BlinkspotError(
            f"{source} says that it has no pixels ({n_frames} x {height} x {width}): it is damaged."
        )
    if height * width * dtype.itemsize > MOST_BYTES_AT_ONCE:
        raise BlinkspotError(
            f"{source} says that its frames have {height} x {width} pixels, which no camera gives: "
            "it is damaged, or save a part of each frame."
        )
    if n_frames > MOST_FRAMES:
        raise BlinkspotError(
            f"{source} says that it has {n_frames} frames, where a movie may have {MOST_FRAMES:,}: "
            "it is damaged, or save it in parts."
        )


def check_piece(shape: Sequence[int], dtype: np.dtype[Any], source: object, what: str) -> None:
    """Check the size of what has to be decoded as a whole: a tile, or a chunk.

    Raises
    ------
    BlinkspotError
        If it is more than :data:`MOST_BYTES_AT_ONCE`.
    """
    if math.prod(int(length) for length in shape) * dtype.itemsize > MOST_BYTES_AT_ONCE:
        raise BlinkspotError(
            f"{source} has {what} of {' x '.join(map(str, shape))} pixels, which would have to be decoded at "
            "once: it is damaged, or save it anew in smaller ones."
        )
