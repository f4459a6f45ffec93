"""Which movie it is, wherever its file lies."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from blinkspot.stack import Stack


def movie_identity(movie: Stack) -> dict[str, Any]:
    """Return what tells a movie from others, JSON-ready: its shape, and a digest of three of its frames."""
    pixels = hashlib.sha256()
    for index in sorted({0, movie.n_frames // 2, movie.n_frames - 1}):
        pixels.update(np.ascontiguousarray(movie.frame(index)).tobytes())
    return {"shape": list(movie.shape), "pixels": pixels.hexdigest()}
