"""Movies of single molecules whose truth is known.

The law is that of ThunderSTORM's generator (Ovesny et al. 2014, Bioinformatics 30:2389): molecules fall
at random on the field or a mask of it, each is an integrated Gaussian, pixels are Poisson, an EM register
multiplies n electrons to a Gamma variate of shape n. On top of it molecules may blink, for exponential times
that start and end anywhere within a frame, lie on structures, move and be unevenly lit.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blinkspot.errors import BlinkspotError
from blinkspot.evaluation.forward_model import record, spots_image
from blinkspot.evaluation.simulation.background import Background
from blinkspot.evaluation.simulation.motion import TINY_PHOTONS, Light, Movement
from blinkspot.evaluation.simulation.photophysics import Molecules, source_of
from blinkspot.evaluation.simulation.settings import SimulationSettings
from blinkspot.localization import LocalizationTable
from blinkspot.progress import Progress, Stopwatch
from blinkspot.provenance import provenance

FloatArray = NDArray[np.float64]
Columns = dict[str, NDArray[Any]]

_PIXELS_PER_CHUNK = 2**18  # less than 50 ms of random numbers
_FRAMES_PER_BLOCK = 500


@dataclass(frozen=True)
class SimulatedFrames:
    """Some consecutive frames of a simulated movie.

    Attributes
    ----------
    start : int
        Index of the first of them.
    frames : (n, Y, X) uint16
        What the camera records, ADU.
    expectation : (n, Y, X) float32
        Mean electrons of each pixel before multiplication (photoelectrons, and spurious ones if the camera
        has any): the movie without noise.
    progress : Progress
        How far the whole movie is, in frames.
    """

    start: int
    frames: NDArray[np.uint16]
    expectation: NDArray[np.float32]
    progress: Progress


def simulate(
    settings: SimulationSettings, chunk_frames: int | None = None
) -> Generator[SimulatedFrames, None, LocalizationTable]:
    """Simulate a movie, a few frames at a time.

    Memory holds one chunk, the molecules that shine (and those that will shine again), and the truth. The
    same settings give the same movie whatever the chunk.

    Parameters
    ----------
    settings : SimulationSettings
        What to simulate.
    chunk_frames : int, optional
        Frames per yielded value; by default as many as take less than 50 ms.

    Yields
    ------
    SimulatedFrames
        Consecutive frames.

    Returns
    -------
    LocalizationTable
        The truth: one row per molecule and frame. Where molecules blink, with a column ``molecule``, the
        same number in all frames of a molecule.

    Raises
    ------
    BlinkspotError
        If no part of the structure lies in the field, or ``chunk_frames`` is below 1.
    """
    if chunk_frames is not None and chunk_frames < 1:
        raise BlinkspotError(f"chunk_frames must be 1 or more, not {chunk_frames}.")
    height, width = settings.shape_px
    chunk = chunk_frames or max(1, _PIXELS_PER_CHUNK // (height * width))
    # Streams of their own, so that a change of the camera or the background leaves the molecules in place.
    for_molecules, for_noise, for_motion = np.random.default_rng(settings.seed).spawn(3)
    stopwatch = Stopwatch("simulating", settings.frames)
    source = source_of(settings, for_molecules)
    background = Background(settings)
    movement = Movement(settings, for_motion)
    truth = _Truth(settings)
    present = source.at_start()
    for start in range(0, settings.frames, chunk):
        stop = min(start + chunk, settings.frames)
        expectation = np.empty((stop - start, height, width), np.float32)
        frames = np.empty((stop - start, height, width), np.uint16)
        for frame in range(start, stop):
            present = np.concatenate([present, source.switched_on(frame)])
            light = movement.through(present, frame)
            source.moved(present, frame)
            mean = background.in_frame(frame) + _image(present, light, settings)
            expectation[frame - start] = mean
            frames[frame - start] = record(mean, settings.camera, for_noise)
            truth.add(present, light, background, frame)
            present = present[present["off"] > frame + 1]
        yield SimulatedFrames(start, frames, expectation, stopwatch.at(stop))
    return LocalizationTable(
        truth.table(),
        provenance=provenance(
            "simulate",
            camera=settings.camera,
            settings=settings.as_dict(),
            seed=settings.seed,
            movie_shape=[settings.frames, *settings.shape_px],
        ),
    )


def expected_photons(molecules: Molecules, photons: FloatArray, settings: SimulationSettings) -> FloatArray:
    """Return the mean image of some molecules, (Y, X) photons."""
    return spots_image(
        molecules["x_nm"],
        molecules["y_nm"],
        molecules["sigma_nm"],
        photons,
        settings.shape_px,
        settings.camera.pixel_size_nm,
    )


def _image(molecules: Molecules, light: Light, settings: SimulationSettings) -> FloatArray:
    """Return the mean image of molecules on their way, (Y, X) photons."""
    sigma_nm = np.broadcast_to(molecules["sigma_nm"], light.photons.shape)
    return spots_image(
        light.x_nm.ravel(),
        light.y_nm.ravel(),
        sigma_nm.ravel(),
        light.photons.ravel(),
        settings.shape_px,
        settings.camera.pixel_size_nm,
    )


class _Truth:
    """Gathers the rows of the truth, frame by frame."""

    def __init__(self, settings: SimulationSettings) -> None:
        self._settings = settings
        self._field = settings.field
        self._moves = settings.motion_nm_per_sqrt_frame > 0 or any(settings.drift_nm_per_frame)
        self._names = ["frame", "x_nm", "y_nm", "sigma_nm", "photons", "background_photons"]
        if settings.mean_on_frames > 0:
            self._names.append("molecule")
        # Of many frames together, since arrays of a few rows take more room than the rows.
        self._blocks: list[Columns] = []
        self._frames: list[Columns] = []

    def add(self, molecules: Molecules, light: Light, background: Background, frame: int) -> None:
        """Add what is present in a frame."""
        columns: Columns = {
            "x_nm": light.centre_of(light.x_nm),
            "y_nm": light.centre_of(light.y_nm),
            "sigma_nm": molecules["sigma_nm"],
            "photons": light.in_all,
            "molecule": molecules["number"],
        }
        if self._settings.mean_off_frames > 0:
            columns = _one_row_each(columns)
        counted = columns["photons"] >= self._settings.min_truth_photons
        if self._moves:
            counted &= self._field.contains(columns["x_nm"], columns["y_nm"])
        columns = {name: values[counted] for name, values in columns.items()}
        columns["frame"] = np.full(len(columns["x_nm"]), frame)
        columns["background_photons"] = background.under(columns["x_nm"], columns["y_nm"], frame)
        self._frames.append(columns)
        if len(self._frames) == _FRAMES_PER_BLOCK:
            self._close_block()

    def table(self) -> pd.DataFrame:
        """Return all rows."""
        self._close_block()
        return pd.DataFrame(self._joined(self._blocks))

    def _close_block(self) -> None:
        if self._frames:
            self._blocks.append(self._joined(self._frames))
            self._frames = []

    def _joined(self, parts: list[Columns]) -> Columns:
        return {name: np.concatenate([part[name] for part in parts]) for name in self._names}


def _one_row_each(columns: Columns) -> Columns:
    """Join the blinks that one molecule has in a frame: their light adds up."""
    numbers, first, which = np.unique(columns["molecule"], return_index=True, return_inverse=True)
    if len(numbers) == len(which):
        return columns
    weights = columns["photons"] + TINY_PHOTONS
    summed = np.bincount(which, weights)
    joined = {name: np.bincount(which, columns[name] * weights) / summed for name in ("x_nm", "y_nm")}
    photons = np.bincount(which, columns["photons"])
    return {**joined, "sigma_nm": columns["sigma_nm"][first], "photons": photons, "molecule": numbers}
