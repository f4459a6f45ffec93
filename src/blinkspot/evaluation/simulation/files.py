"""A simulated movie as files: the movie, its truth, its camera."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from blinkspot.camera.camera import maps_path
from blinkspot.errors import BlinkspotError
from blinkspot.evaluation.simulation.generate import simulate
from blinkspot.evaluation.simulation.settings import SimulationSettings
from blinkspot.files.whole_files import check_can_write
from blinkspot.localization import table_paths
from blinkspot.movies.writing import StackWriter
from blinkspot.progress import Progress
from blinkspot.provenance import provenance


@dataclass(frozen=True)
class SimulatedFiles:
    """Where a simulated movie lies.

    Attributes
    ----------
    movie : Path
        The movie, uint16 ADU.
    truth : Path
        ThunderSTORM CSV of the molecules of each frame.
    camera : Path
        TOML file of the camera.
    clean : Path or None
        The movie without noise, float32 ADU, where asked for.
    """

    movie: Path
    truth: Path
    camera: Path
    clean: Path | None


def simulate_to_files(
    settings: SimulationSettings, out_tif: str | os.PathLike[str], keep_clean: bool = False
) -> Generator[Progress, None, SimulatedFiles]:
    """Simulate a movie into OUT.tif, OUT_truth.csv and OUT_camera.toml, frames by frames.

    The movie comes to bear its name last, so where it is there, all of it is there.

    Parameters
    ----------
    settings : SimulationSettings
        What to simulate.
    out_tif : path
        The movie to make; the other files are named after it.
    keep_clean : bool
        Also write the movie without noise, OUT_clean.tif.

    Yields
    ------
    Progress
        In frames.

    Returns
    -------
    SimulatedFiles
        What was written.

    Raises
    ------
    BlinkspotError
        If the name does not end in .tif or .tiff, a file exists already or cannot be written.
    """
    movie = Path(out_tif)
    if movie.suffix.lower() not in (".tif", ".tiff"):
        raise BlinkspotError(f"The simulated movie {movie} is a TIFF: choose a name that ends in .tif.")
    files = SimulatedFiles(
        movie=movie,
        truth=movie.with_name(f"{movie.stem}_truth.csv"),
        camera=movie.with_name(f"{movie.stem}_camera.toml"),
        clean=movie.with_name(f"{movie.stem}_clean.tif") if keep_clean else None,
    )
    camera = settings.camera
    maps = [] if camera.maps is None else [maps_path(files.camera)]
    for path in (files.movie, *table_paths(files.truth), files.camera, *maps):
        check_can_write(path)
    shape = (settings.frames, *settings.shape_px)
    how = provenance("simulate", camera=camera, settings=settings.as_dict(), seed=settings.seed)
    with contextlib.ExitStack() as opened:
        noisy = opened.enter_context(
            StackWriter(movie, shape, np.uint16, pixel_size_nm=camera.pixel_size_nm, provenance=how)
        )
        clean = None
        if files.clean is not None:
            clean = opened.enter_context(
                StackWriter(files.clean, shape, pixel_size_nm=camera.pixel_size_nm, provenance=how)
            )
        job = simulate(settings)
        while True:
            try:
                chunk = next(job)
            except StopIteration as stop:
                truth = stop.value
                break
            noisy.write(chunk.frames)
            if clean is not None:
                clean.write(camera.adu(chunk.expectation))
            yield chunk.progress
        truth.save(files.truth)
        camera.save(files.camera)
    return files
