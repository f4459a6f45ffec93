"""Which movie it is, wherever its file lies."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from blinkspot.movies.stack import Stack

_FRAMES = 16


def movie_identity(movie: Stack, dtype: DTypeLike | None = None) -> dict[str, Any]:
    """Return what tells a movie from others, JSON-ready: its shape, and a digest of some of its frames.

    Parameters
    ----------
    movie : Stack
    dtype : dtype, optional
        Pixel type of the file that it is written into, where that is another than its own.
    """
    pixels = hashlib.sha256()
    # The first and the last among them; all would take as long to read as a huge movie is.
    for index in sorted(set(np.linspace(0, movie.n_frames - 1, _FRAMES).round().astype(int).tolist())):
        pixels.update(np.ascontiguousarray(movie.frame(index), dtype).tobytes())
    return {"shape": list(movie.shape), "pixels": pixels.hexdigest()}
