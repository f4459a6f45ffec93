"""What else a movie may be denoised with."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.restoration import denoise_nl_means

from blinkspot.camera import FloatArray

from ..noise2void import noise2void
from ..trainings import Movie

_BM3D_PEER = Path(__file__).parent.with_name("bm3d_peer.py")
GAUSSIAN_SIGMA_PX = 1.0


@dataclass(frozen=True)
class Peer:
    """One way to denoise a movie without our network.

    Attributes
    ----------
    name : str
        With its settings, which are the same for every movie.
    denoised : callable
        Takes a movie, returns photoelectrons, (T, Y, X).
    """

    name: str
    denoised: Callable[[Movie], FloatArray]


def peers(careamics: Path | None, bm3d: Path | None, cpu_s: float, threads: int) -> list[Peer]:
    """Return those that can run here.

    Parameters
    ----------
    careamics, bm3d : Path or None
        Interpreters of environments with CAREamics and with bm3d; without one, that peer is left out.
    cpu_s : float
        Processor time of Noise2Void's training.
    threads : int
        That compute.
    """
    found = [
        Peer(f"Gaussian filter, {GAUSSIAN_SIGMA_PX:g} px", _gaussian),
        Peer("non-local means on the Anscombe transform", _non_local_means),
    ]
    if bm3d is not None:
        found.append(Peer("BM3D on the Anscombe transform", lambda movie: _bm3d(movie, bm3d)))
    if careamics is not None:
        found.append(
            Peer(
                f"CAREamics Noise2Void, {cpu_s:.0f} s of processor time",
                lambda movie: noise2void(careamics, movie.noisy, cpu_s, threads, 0).frames,
            )
        )
    return found


def _gaussian(movie: Movie) -> FloatArray:
    return gaussian_filter(movie.noisy, (0.0, GAUSSIAN_SIGMA_PX, GAUSSIAN_SIGMA_PX))


def _non_local_means(movie: Movie) -> FloatArray:
    stable = _stabilized(movie)
    # The filter strength that scikit-image's documentation gives for a known standard deviation, here 1.
    made = [
        denoise_nl_means(frame, patch_size=5, patch_distance=6, h=0.6, sigma=1.0, fast_mode=True)
        for frame in stable
    ]
    return _restored(np.array(made, np.float32), movie)


def _bm3d(movie: Movie, python: Path) -> FloatArray:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.save(folder / "stable.npy", _stabilized(movie))
        subprocess.run([str(python), "-P", str(_BM3D_PEER), str(folder)], check=True)
        return _restored(np.load(folder / "denoised.npy"), movie)


def _stabilized(movie: Movie) -> FloatArray:
    """Return values whose noise has a standard deviation of 1 (Anscombe 1948, Biometrika 35:246)."""
    counts = movie.camera.counts_from_photoelectrons(movie.noisy)
    stable: FloatArray = (2.0 * np.sqrt(np.maximum(counts + 0.375, 0.0))).astype(np.float32)
    return stable


def _restored(stable: FloatArray, movie: Movie) -> FloatArray:
    """Undo the transform without bias.

    The closed-form approximation of the exact unbiased inverse, Makitalo & Foi 2011 (IEEE Transactions on
    Image Processing 20:2697).
    """
    d = np.maximum(stable, 1.0).astype(np.float64)
    root = np.sqrt(1.5)
    counts = d**2 / 4.0 + root / (4.0 * d) - 11.0 / (8.0 * d**2) + 5.0 * root / (8.0 * d**3) - 0.125
    return movie.camera.photoelectrons_from_counts(np.maximum(counts, 0.0).astype(np.float32))
