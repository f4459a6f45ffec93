"""Two layers, noisy and denoised, and the frames that they have in common."""

from __future__ import annotations

import numpy as np
from napari.layers import Image, Layer

from blinkspot.errors import BlinkspotError
from blinkspot.movies.frame_comparison import FramePairs
from blinkspot.movies.stack import Stack
from blinkspot.plugin.layers.movies import ROLE, stack_of, why_not_a_movie

_FINISH = "Denoise the movie first: what is shown while a model is trained has one frame only."


def first_frame(noisy: Layer, denoised: Layer) -> int:
    """Return which frame of a noisy movie the first one of its denoised version is, by where they lie."""
    origin = np.zeros(3)
    return round(float(noisy.world_to_data(denoised.data_to_world(origin))[0]))


def movie_behind(layer: Image) -> Stack:
    """Return the frames of a layer of three axes; a single denoised frame is one, too, though not a movie.

    Raises
    ------
    BlinkspotError
        If the layer has other axes.
    """
    reason = why_not_a_movie(layer)
    if reason is None:
        return stack_of(layer)
    if layer.ndim != 3:
        raise BlinkspotError(reason)
    return Stack(layer.data)


def frame_pairs(noisy: Image, denoised: Image) -> FramePairs:
    """Return the frames of a movie and of its denoised version.

    Raises
    ------
    BlinkspotError
        If the two are not that.
    """
    if denoised.metadata.get(ROLE) == "preview":
        raise BlinkspotError(_FINISH)
    reason = why_not_a_movie(noisy)
    if reason is not None:
        raise BlinkspotError(reason)
    if not isinstance(denoised, Image) or denoised.ndim != 3:
        raise BlinkspotError(f"The layer {denoised.name!r} is no movie: choose the denoised version.")
    return FramePairs(stack_of(noisy), movie_behind(denoised), first_frame(noisy, denoised))
