"""The photon limit of a simulated movie; ``photon_limit.py`` tells the method."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blinkspot import Camera, LocalizationTable, Stack
from blinkspot.evaluation import SimulationSettings
from blinkspot.evaluation.simulation import FWHM_PER_SIGMA

from .clean_frames import clean_frames
from .posterior import BINNED_POISSON, EM_REGISTER, QUASI_POISSON, sample_frame

FloatArray = NDArray[np.float64]

LAWS = ("quasi-Poisson", "exact")
_SCATTER_PX = 1.0


@dataclass(frozen=True)
class Limit:
    """The photon limit of one movie under one law of its noise.

    Attributes
    ----------
    psnr_db, error_db : float
        Of the posterior mean, sampling noise taken off, and its standard error over frames.
    from_truth_db, scattered_db : float
        Of the chain that starts at the truth, and of the other.
    first_halves_db : float
        Of the first halves of the chains, half as long.
    frames : (T, Y, X) float32
        The posterior mean itself, photoelectrons.
    """

    psnr_db: float
    error_db: float
    from_truth_db: float
    scattered_db: float
    first_halves_db: float
    frames: NDArray[np.float32]


def photon_limit(
    movie: Stack,
    truth: LocalizationTable,
    settings: SimulationSettings,
    law: str,
    *,
    sweeps: int = 1000,
    frames: int | None = None,
    seed: int = 0,
) -> Limit:
    """Return the photon limit of a simulated movie whose frames are independent.

    Parameters
    ----------
    movie : Stack
        The noisy movie.
    truth : LocalizationTable
        Every molecule of every frame.
    settings : SimulationSettings
        What it was simulated with: background, camera, and the ranges of brightness and width.
    law : {"quasi-Poisson", "exact"}
        Law of the noise.
    sweeps : int
        Of each chain, over all molecules of a frame; a third as many go before.
    frames : int, optional
        Use the first so many only.
    seed : int
        Of all random numbers.
    """
    clean = clean_frames(truth, settings, movie.n_frames)
    used = movie.n_frames if frames is None else min(frames, movie.n_frames)
    kind, first, second = observed(movie.frames(0, used), settings.camera, law)
    random = np.random.default_rng(seed)
    lowest, highest = prior_range(settings)
    pictures = np.empty((used, *movie.shape[1:]), np.float32)
    squares = np.empty((used, 4))  # of the pooled mean without sampling noise, the two chains, first halves
    for frame in range(used):
        halves = np.concatenate(
            [
                sample_frame(
                    kind,
                    first[frame],
                    second[frame],
                    settings.background_photons,
                    start,
                    lowest,
                    highest,
                    sweeps // 3,
                    sweeps,
                    int(random.integers(2**31)),
                )
                for start in _starts(truth.in_frame(frame), settings, random)
            ]
        )
        pictures[frame] = halves.mean(axis=0)
        squares[frame] = _squares(halves, clean[frame])
    span = float(np.ptp(clean))
    resampled = squares[random.integers(used, size=(1000, used)), 0].mean(axis=1)
    figures = [_decibels(span, value) for value in squares.mean(axis=0)]
    error = float(np.std([_decibels(span, value) for value in resampled]))
    return Limit(figures[0], error, *figures[1:], frames=pictures)


def observed(adu: NDArray[Any], camera: Camera, law: str) -> tuple[int, FloatArray, FloatArray]:
    """Return the law of the noise and what it needs of each pixel; see ``support.posterior``."""
    photoelectrons = camera.photoelectrons(adu).astype(np.float64)
    if law == "quasi-Poisson":
        factor = camera.excess_noise_factor
        return QUASI_POISSON, photoelectrons / factor, np.full(adu.shape, factor)
    if camera.em_gain > 1:
        return EM_REGISTER, photoelectrons, np.full(adu.shape, camera.photoelectrons_per_adu)
    half = 0.5 * camera.photoelectrons_per_adu
    # A whole number on an edge between two bins may belong to either; take the upper one.
    lower_edge, upper_edge = photoelectrons - half - 1e-4, photoelectrons + half - 1e-4
    return BINNED_POISSON, np.maximum(0.0, np.ceil(lower_edge)), np.ceil(upper_edge) - 1.0


def prior_range(settings: SimulationSettings) -> tuple[FloatArray, FloatArray]:
    """Return the lowest and the highest x, y, sigma (pixels) and photons."""
    height, width = settings.shape_px
    sigmas = np.array(settings.fwhm_nm) / FWHM_PER_SIGMA / settings.camera.pixel_size_nm
    low, high = settings.photons
    return np.array([-0.5, -0.5, sigmas[0], low]), np.array([width - 0.5, height - 0.5, sigmas[1], high])


def _starts(
    molecules: LocalizationTable, settings: SimulationSettings, random: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Return the true molecules of a frame, (n, 4), and scattered ones."""
    pixel = settings.camera.pixel_size_nm
    truth = np.column_stack(
        [
            molecules.column("x_nm") / pixel - 0.5,
            molecules.column("y_nm") / pixel - 0.5,
            molecules.column("sigma_nm") / pixel,
            molecules.column("photons"),
        ]
    )
    lowest, highest = prior_range(settings)
    scattered = random.uniform(lowest, highest, truth.shape)
    scattered[:, :2] = truth[:, :2] + random.normal(0.0, _SCATTER_PX, (len(truth), 2))
    # A truth file's rounding may put a molecule just outside its range.
    return np.clip(truth, lowest, highest), np.clip(scattered, lowest, highest)


def _squares(halves: FloatArray, clean: FloatArray) -> FloatArray:
    """Return mean squared errors: pooled without sampling noise, of each chain, of the first halves.

    The variance of the mean of four half chains is a quarter of that of one half chain.
    """
    sampling = float(np.var(halves, axis=0, ddof=1).mean()) / 4.0
    pooled = float(np.mean((halves.mean(axis=0) - clean) ** 2)) - sampling
    chains = [float(np.mean((halves[part].mean(axis=0) - clean) ** 2)) for part in ([0, 1], [2, 3], [0, 2])]
    return np.array([pooled, *chains])


def _decibels(span: float, square: float) -> float:
    return 10.0 * math.log10(span**2 / square)
