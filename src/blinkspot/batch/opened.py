"""Movies and models that several steps use one after another: opened once in a process."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from blinkspot.errors import BlinkspotError
from blinkspot.movies.lazy_frames import JoinedFrames
from blinkspot.movies.recorded import open_denoised, open_recorded
from blinkspot.movies.stack import Stack

if TYPE_CHECKING:  # importing it takes seconds
    from blinkspot.denoising import Denoiser


def opened_movie(path: Path) -> Stack:
    """Open a movie that must be as recorded; see :func:`~blinkspot.movies.recorded.open_recorded`."""
    return _movie(path, _changed(path))


def opened_denoised(path: Path) -> Stack:
    """Open a denoised movie in ADU; see :func:`~blinkspot.movies.recorded.open_denoised`."""
    return _denoised(path, _changed(path))


def opened_model(path: Path, device: str = "cpu") -> Denoiser:
    """Load a model; see :meth:`.Denoiser.load`.

    Parameters
    ----------
    path : Path
    device : {"auto", "cpu", "cuda", "mps"}
        Where it is to run.
    """
    return _model(path, _changed(path), device)


def opened_movies(paths: tuple[Path, ...]) -> Stack:
    """Open movies of one frame size as one movie, their frames one after another.

    Raises
    ------
    BlinkspotError
        If they differ in the size or the type of their pixels.
    """
    movies = [opened_movie(path) for path in paths]
    first = movies[0]
    if len(movies) == 1:
        return first
    for movie in movies:
        if (movie.shape[1:], movie.dtype) != (first.shape[1:], first.dtype):
            raise BlinkspotError(
                "One model for all movies is trained on frames of one size and pixel type, but "
                f"{movie.name_within} has {movie.height} x {movie.width} pixels of {movie.dtype}, and "
                f"{first.name_within} {first.height} x {first.width} of {first.dtype}: "
                "train one model for each."
            )
    return Stack(JoinedFrames([movie.data for movie in movies]), None, False, first.camera_hints)


def _changed(path: Path) -> int | None:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return None  # whoever opens it says what is wrong


@lru_cache(maxsize=4)
def _movie(path: Path, changed: int | None) -> Stack:
    return open_recorded(path)


@lru_cache(maxsize=4)
def _denoised(path: Path, changed: int | None) -> Stack:
    return open_denoised(path)


@lru_cache(maxsize=2)
def _model(path: Path, changed: int | None, device: str) -> Denoiser:
    from blinkspot.denoising import Denoiser
    from blinkspot.denoising.devices import pick_device

    return Denoiser.load(path, str(pick_device(device)))  # type: ignore[arg-type]
