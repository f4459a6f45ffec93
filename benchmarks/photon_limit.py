"""How clean the best of all denoisers could make the shared movies: the limit that the photons set.

For each frame we sample the exact posterior of its molecules by Metropolis moves and average the pictures. No
estimate has a smaller expected squared error than that mean, whatever makes it. And our oracle knows more
than any denoiser can: the true number of molecules in the frame, the background, the shape of a spot, the
camera, and the ranges from which brightness and width were drawn (uniform). Its PSNR is therefore a generous
limit for whoever sees one frame at a time; as these movies' frames are independent, other frames hold
nothing more.

Likelihood, two ways: "quasi-Poisson" takes photoelectrons over the excess noise factor as Poisson counts, as
our denoiser does. "exact" is the register's law: Poisson electrons, each multiplied to an exponential
variate, so that z = (ADU - offset) * electrons_per_adu / em_gain has the density exp(-m - z) sqrt(m / z)
I1(2 sqrt(m z)) and the probability exp(-m) of being 0, where m is the mean; ADU are rounded, which matters
at 0 only. Without a register it is the Poisson law summed over the whole numbers that one ADU stands for.

Two chains, one from the truth and one from a start scattered by a pixel with brightness and width drawn anew,
must agree. Four half chains differ by what the sampling leaves; this is taken off the squared error. The
uncertainty is that of the mean over frames (bootstrap).
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from support import TruthMovie, print_table, truth_movie
from support.clean_frames import clean_frames, psnr_db, settings_of
from support.posterior import BINNED_POISSON, EM_REGISTER, QUASI_POISSON, sample_frame

from blinkspot.evaluation.simulation import FWHM_PER_SIGMA

FloatArray = NDArray[np.float64]

MOVIES = ("low120", "yfp4_bg100", "default", "yfp3_bg100")
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
    """

    psnr_db: float
    error_db: float
    from_truth_db: float
    scattered_db: float
    first_halves_db: float


def photon_limit(
    shared: TruthMovie,
    law: str,
    sweeps: int = 1000,
    frames: int | None = None,
    seed: int = 0,
    tell: Callable[[str], None] = print,
) -> Limit:
    """Return the photon limit of a movie.

    Parameters
    ----------
    shared : TruthMovie
        One whose clean frames are known.
    law : {"quasi-Poisson", "exact"}
        Law of the noise.
    sweeps : int
        Of each chain, over all molecules of a frame; a third as many go before.
    frames : int, optional
        Use the first so many only.
    seed : int
        Of all random numbers.
    tell : callable
        Gets a line now and then.
    """
    clean = clean_frames(shared)
    kind, first, second = _observed(shared, law)
    used = len(clean) if frames is None else min(frames, len(clean))
    random = np.random.default_rng(seed)
    background = settings_of(shared.name).background_photons
    lowest, highest = _prior(shared)
    squares = np.empty((used, 4))  # of the pooled mean without sampling noise, the two chains, first halves
    for frame in range(used):
        halves = np.concatenate(
            [
                sample_frame(
                    kind,
                    first[frame],
                    second[frame],
                    background,
                    start,
                    lowest,
                    highest,
                    sweeps // 3,
                    sweeps,
                    int(random.integers(2**31)),
                )
                for start in _starts(shared, frame, random)
            ]
        )
        squares[frame] = _squares(halves, clean[frame])
        if (frame + 1) % 50 == 0:
            tell(f"{shared.name}, {law}: {frame + 1} of {used} frames")
    span = float(np.ptp(clean))
    resampled = squares[random.integers(used, size=(1000, used)), 0].mean(axis=1)
    figures = [_decibels(span, value) for value in squares.mean(axis=0)]
    error = float(np.std([_decibels(span, value) for value in resampled]))
    return Limit(figures[0], error, *figures[1:])


def _observed(shared: TruthMovie, law: str) -> tuple[int, FloatArray, FloatArray]:
    """Return the law of the noise and what it needs of each pixel; see ``support.posterior``."""
    camera = shared.camera
    adu = shared.movie.frames(0, shared.movie.n_frames)
    photoelectrons = camera.photoelectrons(adu).astype(np.float64)
    if law == "quasi-Poisson":
        factor = camera.excess_noise_factor
        return QUASI_POISSON, photoelectrons / factor, np.full(adu.shape, factor)
    if camera.em_gain > 1:
        return EM_REGISTER, photoelectrons, np.full(adu.shape, camera.photoelectrons_per_adu)
    half = 0.5 * camera.photoelectrons_per_adu
    # A half is rounded up, so a whole number on the lower edge belongs to the bin.
    return (
        BINNED_POISSON,
        np.maximum(0.0, np.ceil(photoelectrons - half - 1e-4)),
        np.ceil(photoelectrons + half - 1e-4) - 1.0,
    )


def _prior(shared: TruthMovie) -> tuple[FloatArray, FloatArray]:
    """Return the lowest and the highest x, y, sigma (pixels) and photons."""
    settings = settings_of(shared.name)
    _, height, width = shared.movie.shape
    # The truth is written with five digits, so the ends of the ranges are moved a little.
    sigmas = np.array(settings.fwhm_nm) / FWHM_PER_SIGMA / shared.camera.pixel_size_nm
    if sigmas[0] < sigmas[1]:
        sigmas *= (1 - 1e-6, 1 + 1e-6)
    low, high = settings.photons
    return (
        np.array([-0.5, -0.5, sigmas[0], low - 0.01]),
        np.array([width - 0.5, height - 0.5, sigmas[1], high + 0.01]),
    )


def _starts(shared: TruthMovie, frame: int, random: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Return the true molecules of a frame, (n, 4), and scattered ones."""
    rows = shared.truth.in_frame(frame)
    pixel = shared.camera.pixel_size_nm
    truth = np.column_stack(
        [
            rows.column("x_nm") / pixel - 0.5,
            rows.column("y_nm") / pixel - 0.5,
            rows.column("sigma_nm") / pixel,
            rows.column("photons"),
        ]
    )
    lowest, highest = _prior(shared)
    truth = np.clip(truth, lowest, highest)
    scattered = random.uniform(lowest, highest, truth.shape)
    scattered[:, :2] = truth[:, :2] + random.normal(0.0, _SCATTER_PX, (len(truth), 2))
    return truth, np.clip(scattered, lowest, highest)


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


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--movies", nargs="+", choices=MOVIES, default=MOVIES[:2])
    parser.add_argument("--sweeps", type=int, default=1000, help="length of each chain")
    parser.add_argument("--frames", type=int, help="use the first so many frames")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rows = []
    for name in options.movies:
        shared = truth_movie(name)
        noisy = shared.camera.photoelectrons(shared.movie.frames(0, shared.movie.n_frames))
        noisy_db = psnr_db(noisy, clean_frames(shared))
        for law in LAWS:
            started = time.process_time()
            limit = photon_limit(shared, law, options.sweeps, options.frames, options.seed)
            rows.append(
                (
                    name,
                    noisy_db,
                    law,
                    limit.psnr_db,
                    limit.error_db,
                    limit.from_truth_db,
                    limit.scattered_db,
                    limit.first_halves_db,
                    time.process_time() - started,
                )
            )
    header = (
        "movie",
        "noisy dB",
        "law",
        "limit dB",
        "+-",
        "from truth",
        "scattered",
        "first halves",
        "CPU s",
    )
    print_table(header, rows)


if __name__ == "__main__":
    main()
