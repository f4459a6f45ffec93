"""The shared simulated movies without their noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from blinkspot import LocalizationTable
from blinkspot.evaluation import PRESETS, SimulationSettings
from blinkspot.evaluation.simulation import expected_photons

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


def clean_frames(truth: LocalizationTable, settings: SimulationSettings, n_frames: int) -> FloatArray:
    """Return the expectation of a simulated movie.

    Parameters
    ----------
    truth : LocalizationTable
        Every molecule of every frame.
    settings : SimulationSettings
        What the movie was simulated with.
    n_frames : int
        Length of the movie.

    Returns
    -------
    (n_frames, Y, X) float64
        Mean photoelectrons of each pixel: integrated Gaussians within 5 sigma, as ThunderSTORM's generator
        draws them, and the background.
    """
    clean: FloatArray = np.empty((n_frames, *settings.shape_px))
    for frame in range(n_frames):
        rows = truth.in_frame(frame)
        molecules = np.empty(len(rows), _MOLECULE)
        for name in molecules.dtype.names or ():
            molecules[name] = rows.column(name)
        clean[frame] = expected_photons(molecules, rows.column("photons"), settings)
    clean += settings.background_photons
    return clean
