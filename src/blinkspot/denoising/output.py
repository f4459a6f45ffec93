"""Denoise a movie into a file."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Literal

import numpy as np

from blinkspot.camera import Camera, FloatArray
from blinkspot.denoising.denoiser import Denoiser
from blinkspot.denoising.noise import Estimate
from blinkspot.errors import BlinkspotError
from blinkspot.progress import Progress
from blinkspot.provenance import provenance
from blinkspot.stack import Stack
from blinkspot.stack_writing import StackWriter

Units = Literal["adu", "photons"]


def denoise_to_file(
    denoiser: Denoiser,
    movie: Stack,
    path: str | os.PathLike[str],
    estimate: Estimate = "posterior-mean",
    units: Units = "adu",
    start: int = 0,
    stop: int | None = None,
) -> Generator[Progress, None, None]:
    """Denoise frames into a new float32 movie, in a stream.

    Parameters
    ----------
    denoiser : Denoiser
        Trained model.
    movie : Stack
        Movie in ADU of the model's camera.
    path : path
        TIFF (``.tif``) or zarr store (``.zarr``) to make.
    estimate : {"posterior-mean", "map", "blind", "posterior-variance"}
        See :func:`blinkspot.denoising.noise.estimate_counts`.
    units : {"adu", "photons"}
        ``adu``: the input's units, so that any program reads the file with the same camera settings;
        ``photons``: photoelectrons. A variance is in their squares.
    start, stop : int
        First frame, and the one after the last; the whole movie by default.

    Raises
    ------
    BlinkspotError
        If the suffix is another, the result exists already or cannot be written, there are no such frames,
        or the movie cannot be denoised.
    """
    stop = movie.n_frames if stop is None else stop
    if not 0 <= start < stop <= movie.n_frames:
        raise BlinkspotError(
            f"There are no frames {start} to {stop - 1}: {movie.name_within} has the frames 0 to "
            f"{movie.n_frames - 1}."
        )
    record = provenance(
        "denoise",
        camera=denoiser.camera,
        settings={"estimate": estimate, "start": start, "stop": stop, "units": units},
        seed=denoiser.provenance.get("seed"),
        source=None if movie.path is None else movie.path.name,
        model=denoiser.provenance,
    )
    camera = denoiser.camera
    shape = (stop - start, movie.height, movie.width)
    with StackWriter(path, shape, pixel_size_nm=camera.pixel_size_nm, provenance=record) as writer:
        for chunk in denoiser.denoise(movie, start, stop, estimate):
            writer.write(_in_units(chunk.frames, camera, estimate, units))
            yield chunk.progress


def _in_units(frames: FloatArray, camera: Camera, estimate: Estimate, units: Units) -> FloatArray:
    if units == "photons" or not len(frames):
        return frames
    if estimate == "posterior-variance":
        adu_per_photoelectron = camera.adu(np.ones_like(frames[0])) - camera.adu(np.zeros_like(frames[0]))
        squared: FloatArray = frames * adu_per_photoelectron**2
        return squared
    return camera.adu(frames)
