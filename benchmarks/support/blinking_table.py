"""A plausible table of blinking molecules, made without a movie."""

from __future__ import annotations

import numpy as np
import pandas as pd

from blinkspot.localization import LocalizationTable
from blinkspot.localization.table import COLUMNS

PSF_NM = 130.0
MEAN_ON_FRAMES = 3.0


def blinking_table(
    n_rows: int, *, frames: int = 10_000, side_nm: float = 25_600.0, window: int = 1, seed: int = 1
) -> tuple[LocalizationTable, LocalizationTable]:
    """Make a table of molecules that shine once, for some frames.

    Positions are Gaussian about the molecule's with the reported uncertainty, PSF / sqrt(photons). Molecules
    lie on lines, as on filaments, with a tenth anywhere.

    Parameters
    ----------
    n_rows : int
        About so many rows.
    frames : int
        Length of the movie.
    side_nm : float
        Side of the field.
    window : int
        Errors of a molecule are moving averages over so many frames, as of a movie denoised with
        ``(window - 1) / 2`` context frames; 1: independent.
    seed : int

    Returns
    -------
    LocalizationTable
        Sorted by frame.
    LocalizationTable
        The molecules: true positions, first frames.
    """
    rng = np.random.default_rng(seed)
    n = max(1, round(n_rows / MEAN_ON_FRAMES))
    on = rng.geometric(1.0 / MEAN_ON_FRAMES, n)
    first = rng.integers(0, frames, n)
    truth = rng.uniform(0, side_nm, (n, 2))
    on_line = rng.uniform(size=n) < 0.9
    # Lines 1 micrometre apart, 40 nm wide.
    truth[on_line, 1] = np.round(truth[on_line, 1] / 1000.0) * 1000.0 + rng.normal(0, 20.0, on_line.sum())
    molecule = np.repeat(np.arange(n), on)
    place = np.arange(len(molecule)) - np.repeat(np.cumsum(on) - on, on)
    frame = first[molecule] + place
    brightness = rng.gamma(4.0, 75.0, n) + 50.0
    photons = brightness[molecule] * rng.uniform(0.7, 1.3, len(molecule))
    uncertainty = PSF_NM / np.sqrt(photons)
    columns = np.empty((len(COLUMNS), len(molecule)))
    columns[0] = frame
    for axis in (0, 1):
        noise = rng.standard_normal(len(molecule) + n * (window - 1))
        if window > 1:
            # Each molecule has noise of its own, window - 1 frames longer than it shines.
            start = np.cumsum(on + window - 1) - (on + window - 1)
            at = start[molecule] + place
            noise = sum(noise[at + offset] for offset in range(window)) / np.sqrt(window)
        columns[1 + axis] = truth[molecule, axis] + noise * uncertainty
    columns[3] = PSF_NM + rng.normal(0, 10.0, len(molecule))
    columns[4] = photons
    columns[5] = 10.0
    columns[6] = 3.2
    columns[7] = uncertainty
    columns[8] = photons / 50.0
    columns = columns[:, np.argsort(frame, kind="stable")]
    columns = columns[:, columns[0] < frames]
    data = pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))
    molecules = {"frame": first, "x_nm": truth[:, 0], "y_nm": truth[:, 1]}
    return LocalizationTable(data), LocalizationTable.from_columns(molecules)
