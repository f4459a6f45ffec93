"""Movies of single molecules whose truth is known.

The law is that of ThunderSTORM's generator (Ovesny et al. 2014, Bioinformatics 30:2389): molecules fall
uniformly on the field, each is an integrated Gaussian, pixels are Poisson, an EM register multiplies n
electrons to a Gamma variate of shape n. On top of it, molecules may blink: shine for an exponential time
that starts and ends anywhere within a frame.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blinkspot.camera import Camera
from blinkspot.errors import BlinkspotError
from blinkspot.evaluation.forward_model import record, spots_image
from blinkspot.localization import LocalizationTable
from blinkspot.progress import Progress, Stopwatch
from blinkspot.provenance import provenance

FloatArray = NDArray[np.float64]

FWHM_PER_SIGMA = math.sqrt(8.0 * math.log(2.0))
LARGEST_NUMBER_OF_MOLECULES = 1e5
LARGEST_NUMBER_OF_PHOTONS = 1e9
_PIXELS_PER_CHUNK = 2**19  # about 50 ms of random numbers

_MOLECULE = np.dtype(
    [
        ("x_nm", np.float64),
        ("y_nm", np.float64),
        ("sigma_nm", np.float64),
        ("photons", np.float64),  # in a frame through which it shines
        ("on", np.float64),  # frames since the movie's start
        ("off", np.float64),
    ]
)
Molecules = np.ndarray[tuple[int], np.dtype[np.void]]


@dataclass(frozen=True)
class SimulationSettings:
    """What is simulated. The defaults are ThunderSTORM's, on a smaller field.

    Attributes
    ----------
    frames : int
        Number of frames.
    size_px : int or (int, int)
        Height and width of a frame, pixels; one number for a square.
    camera : Camera
        Pixel size, offset, conversion, EM gain and read noise.
    density_per_um2 : float
        Molecules shining at one moment, per square micrometre: so molecules per frame where the frames are
        independent.
    fwhm_nm : (float, float)
        Range of the full width at half maximum of a spot, nm; uniform.
    photons : (float, float)
        Range of the photons that a molecule gives in a full frame; uniform.
    background_photons : float
        Photons per pixel and frame besides the molecules.
    mean_on_frames : float
        Mean of the exponential time for which a molecule shines, frames. 0: every frame has molecules of its
        own, each shining for exactly that frame.
    min_truth_photons : float
        A blinking molecule that gives fewer photons than this in a frame does not count as present there.
    seed : int
        Seed of all random numbers, 0 or more.

    Raises
    ------
    BlinkspotError
        If a value is out of its range.
    """

    frames: int = 300
    size_px: int | tuple[int, int] = 128
    camera: Camera = field(default=Camera(pixel_size_nm=80.0, offset_adu=414.0, electrons_per_adu=3.6))
    density_per_um2: float = 0.1
    fwhm_nm: tuple[float, float] = (200.0, 350.0)
    photons: tuple[float, float] = (700.0, 900.0)
    background_photons: float = 30.0
    mean_on_frames: float = 0.0
    min_truth_photons: float = 15.0
    seed: int = 1

    def __post_init__(self) -> None:
        if self.frames < 1:
            raise BlinkspotError(f"A simulated movie needs at least 1 frame, not {self.frames}.")
        if min(self.shape_px) < 8:
            raise BlinkspotError(
                f"A simulated frame must be at least 8 pixels high and wide, not {self.size_px}."
            )
        for name in ("density_per_um2", "background_photons", "mean_on_frames", "min_truth_photons"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise BlinkspotError(f"The simulation's {name} must be 0 or more, not {value}.")
        switched_on = self.molecules_at_once / (self.mean_on_frames or 1.0)
        molecules = max(self.molecules_at_once, switched_on)
        if molecules > LARGEST_NUMBER_OF_MOLECULES:
            raise BlinkspotError(
                f"The simulation would have {molecules:.2g} molecules in a frame, of at most "
                f"{LARGEST_NUMBER_OF_MOLECULES:g}: choose a lower density_per_um2 or a longer mean_on_frames."
            )
        if self.background_photons > LARGEST_NUMBER_OF_PHOTONS:
            raise BlinkspotError(
                f"The simulation's background_photons must be at most {LARGEST_NUMBER_OF_PHOTONS:g}, "
                f"not {self.background_photons:g}."
            )
        for name in ("fwhm_nm", "photons"):
            low, high = getattr(self, name)
            if not 0 < low <= high <= LARGEST_NUMBER_OF_PHOTONS:
                raise BlinkspotError(
                    f"The simulation's {name} must be a range between 0 and {LARGEST_NUMBER_OF_PHOTONS:g}, "
                    f"not {low} to {high}."
                )
        if self.seed < 0:
            raise BlinkspotError(f"The simulation's seed must be 0 or more, not {self.seed}.")

    @property
    def shape_px(self) -> tuple[int, int]:
        """Height and width of a frame, pixels."""
        return self.size_px if isinstance(self.size_px, tuple) else (self.size_px, self.size_px)

    @property
    def extent_nm(self) -> tuple[float, float]:
        """Height and width of the field, nm."""
        height, width = self.shape_px
        return height * self.camera.pixel_size_nm, width * self.camera.pixel_size_nm

    @property
    def molecules_at_once(self) -> float:
        """Mean number of molecules that shine at one moment."""
        height_nm, width_nm = self.extent_nm
        return self.density_per_um2 * height_nm * width_nm * 1e-6


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
        Mean photoelectrons of each pixel: the movie without noise.
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

    Memory holds one chunk and the truth. The same settings give the same movie whatever the chunk.

    Parameters
    ----------
    settings : SimulationSettings
        What to simulate.
    chunk_frames : int, optional
        Frames per yielded value; by default as many as take some 50 ms.

    Yields
    ------
    SimulatedFrames
        Consecutive frames.

    Returns
    -------
    LocalizationTable
        The truth: one row per molecule and frame.
    """
    height, width = settings.shape_px
    chunk = chunk_frames or max(1, _PIXELS_PER_CHUNK // (height * width))
    # Two streams, so that a change of the camera or the background leaves the molecules where they are.
    for_molecules, for_noise = np.random.default_rng(settings.seed).spawn(2)
    stopwatch = Stopwatch("simulating", settings.frames)
    present = _shining_at_start(settings, for_molecules)
    truth: list[pd.DataFrame] = []
    for start in range(0, settings.frames, chunk):
        stop = min(start + chunk, settings.frames)
        expectation = np.empty((stop - start, height, width), np.float32)
        frames = np.empty((stop - start, height, width), np.uint16)
        for frame in range(start, stop):
            present = np.concatenate([present, _switched_on(settings, frame, for_molecules)])
            photons = present["photons"] * _part_of_frame(present, frame)
            mean = settings.background_photons + expected_photons(present, photons, settings)
            expectation[frame - start] = mean
            frames[frame - start] = record(mean, settings.camera, for_noise)
            truth.append(_truth(present, photons, frame, settings))
            present = present[present["off"] > frame + 1]
        yield SimulatedFrames(start, frames, expectation, stopwatch.at(stop))
    return LocalizationTable(
        pd.concat(truth, ignore_index=True),
        provenance=provenance(
            "simulate",
            camera=settings.camera,
            settings=settings,
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


def _scattered(
    settings: SimulationSettings, on: FloatArray, off: FloatArray, random: np.random.Generator
) -> Molecules:
    """Give molecules that shine from ``on`` to ``off`` a place, a width and a brightness."""
    height_nm, width_nm = settings.extent_nm
    molecules = np.empty(len(on), _MOLECULE)
    molecules["x_nm"] = random.uniform(0.0, width_nm, len(on))
    molecules["y_nm"] = random.uniform(0.0, height_nm, len(on))
    molecules["sigma_nm"] = random.uniform(*settings.fwhm_nm, len(on)) / FWHM_PER_SIGMA
    molecules["photons"] = random.uniform(*settings.photons, len(on))
    molecules["on"] = on
    molecules["off"] = off
    return molecules


def _shining_at_start(settings: SimulationSettings, random: np.random.Generator) -> Molecules:
    """Return the molecules that shine already when the movie begins."""
    if settings.mean_on_frames == 0:
        return np.empty(0, _MOLECULE)
    # What is left of an exponential time is exponential again, with the same mean.
    off = random.exponential(settings.mean_on_frames, random.poisson(settings.molecules_at_once))
    return _scattered(settings, np.zeros_like(off), off, random)


def _switched_on(settings: SimulationSettings, frame: int, random: np.random.Generator) -> Molecules:
    """Return the molecules that begin to shine within a frame."""
    if settings.mean_on_frames == 0:
        on = np.full(random.poisson(settings.molecules_at_once), float(frame))
        return _scattered(settings, on, on + 1.0, random)
    on = frame + random.random(random.poisson(settings.molecules_at_once / settings.mean_on_frames))
    return _scattered(settings, on, on + random.exponential(settings.mean_on_frames, len(on)), random)


def _part_of_frame(molecules: Molecules, frame: int) -> FloatArray:
    """Return the part of a frame, 0 to 1, for which each molecule shines."""
    part: FloatArray = np.minimum(molecules["off"], frame + 1.0) - np.maximum(molecules["on"], float(frame))
    return part


def _truth(
    molecules: Molecules, photons: FloatArray, frame: int, settings: SimulationSettings
) -> pd.DataFrame:
    """Return the rows of the truth for one frame."""
    if settings.mean_on_frames > 0:
        counted = photons >= settings.min_truth_photons
        molecules, photons = molecules[counted], photons[counted]
    return pd.DataFrame(
        {
            "frame": np.full(len(molecules), frame, np.int64),
            "x_nm": molecules["x_nm"],
            "y_nm": molecules["y_nm"],
            "sigma_nm": molecules["sigma_nm"],
            "photons": photons,
            "background_photons": np.full(len(molecules), settings.background_photons),
        }
    )
