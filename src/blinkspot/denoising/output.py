"""Denoise a movie into a file."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Generator
from types import TracebackType
from typing import Any, Literal, Self, get_args

import numpy as np

from blinkspot.camera import Camera, FloatArray
from blinkspot.denoising.denoiser import Denoiser
from blinkspot.denoising.frame_stream import checked_range
from blinkspot.denoising.noise import ESTIMATES, Estimate
from blinkspot.errors import BlinkspotError
from blinkspot.movies.identity import movie_identity
from blinkspot.movies.resumable_writing import ResumableStackWriter
from blinkspot.movies.stack import Stack, as_stack
from blinkspot.progress import Progress, Stopwatch
from blinkspot.provenance import provenance

Units = Literal["adu", "photons"]


class DenoisedFile:
    """A denoised movie on its way into a file; a context manager.

    What is denoised is kept when that ends early, and gone on with when the same frames are denoised into
    the same file again, by the same model and in the same way; see
    :class:`~blinkspot.movies.resumable_writing.ResumableStackWriter`. On the same kind of device, the file is
    then to the bit what it would have been without the break; the date in it is that of the beginning.

    Parameters
    ----------
    denoiser, movie, path, estimate, units, restart
        See :func:`denoise_to_file`.
    start, stop : int
        First frame to denoise, and the one after the last; the whole movie by default.

    Raises
    ------
    BlinkspotError
        See :func:`denoise_to_file`.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        movie: Stack | Any,
        path: str | os.PathLike[str],
        estimate: Estimate = "posterior-mean",
        units: Units = "adu",
        *,
        start: int = 0,
        stop: int | None = None,
        restart: bool = False,
    ) -> None:
        if estimate not in ESTIMATES:
            raise BlinkspotError(f"There is no estimate {estimate!r}: choose one of {', '.join(ESTIMATES)}.")
        if units not in get_args(Units):
            # Else the file would hold one unit and say another.
            raise BlinkspotError(
                f"There is no unit {units!r} of denoised frames: choose one of {', '.join(get_args(Units))}."
            )
        movie = as_stack(movie)
        self._denoiser, self._movie = denoiser, movie
        self._estimate, self._units = estimate, units
        self._start, self._stop = checked_range(movie, start, stop)
        record = made_by(denoiser, movie, estimate, units, self._start, self._stop)
        self._writer = ResumableStackWriter(
            path,
            (self._stop - self._start, movie.height, movie.width),
            pixel_size_nm=denoiser.camera.pixel_size_nm,
            provenance=record,
            identity={
                "movie": movie_identity(movie),
                "model": [denoiser.digest(), denoiser.provenance],
                "estimate": estimate,
                "unit": units,
                "range of frames": [self._start, self._stop],
                "camera": denoiser.camera.identity(),
                "version of napari-blinkspot": record["version"],
            },
            restart=restart,
        )

    @property
    def note(self) -> str:
        """From entering on: what happened to what there was of the movie; empty where there was nothing."""
        return self._writer.note

    @property
    def kept(self) -> str:
        """After an early end: how much is kept, in a sentence; empty where nothing is."""
        frames, of = self._writer.frames_secured, self._writer.shape[0]
        if frames == 0 or not self._writer.kept_in.is_dir():
            return ""
        return (
            f"Stopped after {frames} of {of} frames, which are kept in {self._writer.kept_in}: "
            "denoise into the same file again to go on."
        )

    def __enter__(self) -> Self:
        self._writer.__enter__()
        return self

    def denoise(self) -> Generator[Progress, None, None]:
        """Denoise what is still missing, and write it; to be run in the ``with`` block."""
        first, total = self._writer.frames_written, self._writer.shape[0]
        if first == total:
            yield dataclasses.replace(Stopwatch("denoising", total).at(total), done_before=total)
            return
        # The same frames are computed together as without the break.
        begin = first - first % self._denoiser.frames_at_once(self._movie)
        for chunk in self._denoiser.denoise(
            self._movie, self._start + begin, self._stop, estimate=self._estimate
        ):
            known = max(0, self._start + first - chunk.start)
            frames = in_units(chunk.frames, self._denoiser.camera, self._estimate, self._units)
            self._writer.write(frames[known:])
            yield dataclasses.replace(
                chunk.progress, done=begin + chunk.progress.done, total=total, done_before=begin
            )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._writer.__exit__(kind, error, traceback)


def denoise_to_file(
    denoiser: Denoiser,
    movie: Stack | Any,
    path: str | os.PathLike[str],
    estimate: Estimate = "posterior-mean",
    units: Units = "adu",
    start: int = 0,
    stop: int | None = None,
    *,
    restart: bool = False,
) -> Generator[Progress, None, None]:
    """Denoise frames into a new float32 movie, in a stream.

    Ended early in whatever way, it goes on where it was when it is called again in the same way; see
    :class:`DenoisedFile`.

    Parameters
    ----------
    denoiser : Denoiser
        Trained model.
    movie : Stack or array
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
    restart : bool
        Remove what is kept of this file, and begin anew.

    Raises
    ------
    BlinkspotError
        If the suffix, the estimate or the unit is another, the result exists already, is being written or
        cannot be written, there are no such frames, or the movie cannot be denoised.
    """
    file = DenoisedFile(denoiser, movie, path, estimate, units, start=start, stop=stop, restart=restart)
    with file:
        yield from file.denoise()


def made_by(
    denoiser: Denoiser, movie: Stack, estimate: Estimate, units: Units, start: int, stop: int
) -> dict[str, Any]:
    """Return the provenance of a denoised movie; for the parameters see :func:`denoise_to_file`."""
    return provenance(
        "denoise",
        camera=denoiser.camera,
        settings={"estimate": estimate, "start": start, "stop": stop, "units": units},
        seed=denoiser.provenance.get("seed"),
        source=None if movie.path is None else movie.path.name,
        model=denoiser.provenance,
    )


def in_units(frames: FloatArray, camera: Camera, estimate: Estimate, units: Units) -> FloatArray:
    """Bring denoised frames (n, Y, X) from photoelectrons (a variance: their squares) to other units."""
    if units == "photons" or not len(frames):
        return frames
    if estimate == "posterior-variance":
        adu_per_photoelectron = camera.adu(np.ones_like(frames[0])) - camera.adu(np.zeros_like(frames[0]))
        squared: FloatArray = frames * adu_per_photoelectron**2
        return squared
    return camera.adu(frames)
