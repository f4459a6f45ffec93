"""How many of the localizations of a denoised movie are molecules.

What is left of the noise has its spots, too. Simulated frames show how many of each brightness there are
besides the molecules, and so which part of what was found in the movie cannot be molecules.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_BINS = 12
_FEWEST_IN_A_BIN = 30
# Some of each brightness stay, so that the law knows them.
_SMALLEST = 0.02


@dataclass(frozen=True)
class Credibility:
    """The probability to be a molecule.

    Attributes
    ----------
    edges : ndarray of float64, shape (n - 1,)
        Photons between one bin and the next, ascending.
    probability : ndarray of float64, shape (n,)
        In each bin.
    """

    edges: FloatArray
    probability: FloatArray

    def of(self, photons: FloatArray) -> FloatArray:
        """Return the probability of localizations of so many photons, shape (n,)."""
        return self.probability[np.searchsorted(self.edges, photons)]


ALL_ARE_MOLECULES = Credibility(np.zeros(0), np.ones(1))


def measure_credibility(
    found: FloatArray, found_frames: int, false: FloatArray, false_frames: int
) -> Credibility:
    """Learn it from the photons of all that was found, and of what noise alone makes.

    Parameters
    ----------
    found, false : ndarray of float64, shape (n,)
        Photons of the localizations in the movie, and of those in simulated frames that are no molecule.
    found_frames, false_frames : int
        In how many frames.
    """
    number = min(_BINS, len(found) // _FEWEST_IN_A_BIN)
    if number < 1:
        return ALL_ARE_MOLECULES
    edges = np.unique(np.quantile(found, np.linspace(0.0, 1.0, number + 1)[1:-1]))
    there, noise = (
        np.bincount(np.searchsorted(edges, photons), minlength=len(edges) + 1) / frames
        for photons, frames in ((found, found_frames), (false, false_frames))
    )
    return Credibility(edges, np.clip(1.0 - noise / np.maximum(there, 1e-12), _SMALLEST, 1.0))
