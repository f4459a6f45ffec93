"""A frame with its neighbours in time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from blinkspot.camera import Camera, FloatArray
from blinkspot.errors import BlinkspotError
from blinkspot.movies.checks import check_finite
from blinkspot.movies.stack import Stack


def neighbours(frames: NDArray[np.int64], n_frames: int, context_frames: int) -> NDArray[np.int64]:
    """Return the indices of each frame's neighbourhood, ``(len(frames), 2 * context_frames + 1)``.

    Beyond an end of the movie the neighbour at the same distance on the other side stands in (frame 2 for
    frame -2 beside frame 0). The frame itself never does: its own pixels would be seen through the context.

    Raises
    ------
    BlinkspotError
        If the movie has too few frames.
    """
    check_length(n_frames, context_frames)
    offsets = np.arange(-context_frames, context_frames + 1)[None, :]
    indices = frames[:, None] + offsets
    outside = (indices < 0) | (indices >= n_frames)
    return np.where(outside, frames[:, None] - offsets, indices)


def check_length(n_frames: int, context_frames: int) -> None:
    """Raise BlinkspotError where a movie is too short for its context frames."""
    if n_frames < 2 * context_frames + 1:
        raise BlinkspotError(
            f"The movie has {n_frames} frame(s), too few for {context_frames} context frame(s) on each side: "
            "use fewer context frames."
        )


def counts_with_context(
    movie: Stack, camera: Camera, start: int, stop: int, context_frames: int
) -> FloatArray:
    """Read frames ``start`` to ``stop`` with their neighbours, as counts.

    Returns
    -------
    ndarray of float32, ``(stop - start, 2 * context_frames + 1, Y, X)``

    Raises
    ------
    BlinkspotError
        If a frame holds values that are not finite.
    """
    first = max(0, start - context_frames)
    frames = movie.frames(first, min(movie.n_frames, stop + context_frames))
    check_finite(movie, range(first, first + len(frames)), frames)
    return camera.counts(frames)[neighbours(np.arange(start, stop), movie.n_frames, context_frames) - first]
