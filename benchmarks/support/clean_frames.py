"""The shared simulated movies without their noise, and the peak signal-to-noise ratio against them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from blinkspot.evaluation import PRESETS, SimulationSettings
from blinkspot.evaluation.simulation import expected_photons

from . import TruthMovie

FloatArray = NDArray[np.float64]

# What ThunderSTORM's generator was told for each movie. The blinking movie is not among them: its truth
# leaves out the molecules with fewer than 15 photons in a frame, so its expectation cannot be told from the
# truth.
SETTINGS = {
    "default": PRESETS["default"],
    "low120": PRESETS["low120"],
    "yfp3_bg100": PRESETS["yfp3"],
    "yfp4_bg100": PRESETS["yfp4"],
}
_MOLECULE = np.dtype([("x_nm", float), ("y_nm", float), ("sigma_nm", float)])


def settings_of(name: str) -> SimulationSettings:
    """Return what a shared movie was simulated with.

    Raises
    ------
    ValueError
        If it is not one whose expectation is known.
    """
    if name not in SETTINGS:
        raise ValueError(f"The clean frames of {name} are not known: choose one of {', '.join(SETTINGS)}.")
    return SETTINGS[name]


def clean_frames(shared: TruthMovie) -> FloatArray:
    """Return the expectation of a shared simulated movie.

    Parameters
    ----------
    shared : TruthMovie
        One of :data:`SETTINGS`.

    Returns
    -------
    (T, Y, X) float64
        Mean photoelectrons of each pixel: integrated Gaussians within 5 sigma, as ThunderSTORM's generator
        draws them, and the background.
    """
    settings = settings_of(shared.name)
    clean: FloatArray = np.empty(shared.movie.shape)
    for frame in range(len(clean)):
        rows = shared.truth.in_frame(frame)
        molecules = np.empty(len(rows), _MOLECULE)
        for name in molecules.dtype.names or ():
            molecules[name] = rows.column(name)
        clean[frame] = expected_photons(molecules, rows.column("photons"), settings)
    clean += settings.background_photons
    return clean


def psnr_db(frames: NDArray[np.floating], clean: NDArray[np.floating]) -> float:
    """Return the range of the clean movie over the root mean square error against it, decibels."""
    error = np.sqrt(np.mean(np.square(frames - clean, dtype=np.float64)))
    return float(20.0 * np.log10(np.ptp(clean) / error))
