"""A movie that is denoised in blocks of frames, in several places, and then put together."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable

import numpy as np

from blinkspot.camera import FloatArray
from blinkspot.denoising.denoiser import Denoiser
from blinkspot.denoising.frame_stream import checked_range
from blinkspot.denoising.noise import Estimate
from blinkspot.denoising.output import Units, in_units, made_by
from blinkspot.movies.stack import Stack
from blinkspot.movies.writing import StackWriter
from blinkspot.progress import Progress, Stopwatch


def denoise_block(
    denoiser: Denoiser,
    movie: Stack,
    start: int,
    stop: int,
    estimate: Estimate = "posterior-mean",
    units: Units = "adu",
) -> Generator[Progress, None, FloatArray]:
    """Denoise a range of frames to what they are, to the bit, where the whole movie is denoised.

    That is so because the same frames are computed together: up to so many more at either end.

    Parameters
    ----------
    denoiser, movie, estimate, units
        See :func:`.denoise_to_file`.
    start, stop : int
        First frame, and the one after the last.

    Yields
    ------
    Progress
        In frames.

    Returns
    -------
    ndarray of float32, (stop - start, Y, X)

    Raises
    ------
    BlinkspotError
        See :meth:`.Denoiser.denoise`.
    """
    start, stop = checked_range(movie, start, stop)
    at_once = denoiser.frames_at_once(movie)
    first = start - start % at_once
    last = min(movie.n_frames, -(-stop // at_once) * at_once)
    denoised = np.empty((last - first, movie.height, movie.width), np.float32)
    for chunk in denoiser.denoise(movie, first, last, estimate):
        at = chunk.start - first
        denoised[at : at + len(chunk.frames)] = in_units(chunk.frames, denoiser.camera, estimate, units)
        yield chunk.progress
    block: FloatArray = denoised[start - first : stop - first]
    return block


def join_blocks(
    denoiser: Denoiser,
    movie: Stack,
    path: str | os.PathLike[str],
    blocks: Iterable[FloatArray],
    estimate: Estimate = "posterior-mean",
    units: Units = "adu",
) -> Generator[Progress, None, None]:
    """Write the blocks of a whole movie, in their order, as :func:`.denoise_to_file` writes it.

    Parameters
    ----------
    denoiser, movie, path, estimate, units
        See :func:`.denoise_to_file`.
    blocks : iterable of ndarray of float32, (n, Y, X)
        As :func:`denoise_block` returns them; taken one at a time.

    Yields
    ------
    Progress
        In frames.

    Raises
    ------
    BlinkspotError
        If the file exists already or cannot be written.
    """
    record = made_by(denoiser, movie, estimate, units, 0, movie.n_frames)
    clock = Stopwatch("writing the denoised movie", movie.n_frames)
    with StackWriter(
        path, movie.shape, pixel_size_nm=denoiser.camera.pixel_size_nm, provenance=record
    ) as writer:
        for block in blocks:
            writer.write(block)
            yield clock.at(writer.frames_written)
