"""How much of a molecule's light fits on a denoised movie find.

A denoiser draws what it is not sure of towards the background: of dim molecules on a bright background a
fit finds a quarter of the light. So that simulated molecules come out as bright as those of the movie, they
have the light that comes out so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

# Simulated molecules of the pilot are up to so many times as bright as what was found.
BRIGHTEST = 8.0
_FAINTEST = 0.5
_BINS = 12
_FEWEST_IN_A_BIN = 10


@dataclass(frozen=True)
class Shrinkage:
    """The light that is found of molecules.

    Attributes
    ----------
    log_true, log_found : ndarray of float64, shape (n,)
        Logarithms of true and, in the middle, found photons; both ascend. Empty: all light is found.
    """

    log_true: FloatArray
    log_found: FloatArray

    def true_photons(self, found: FloatArray) -> FloatArray:
        """Return the light of which ``found`` photons are found, at most ``BRIGHTEST`` times as much.

        Beyond what was simulated, the share that is found stays.
        """
        if not len(self.log_true):
            return found
        share = self.log_true - self.log_found
        factor = np.exp(np.interp(np.log(found), self.log_found, share))
        bright: FloatArray = found * np.clip(factor, _FAINTEST, BRIGHTEST)
        return bright


EVERYTHING_FOUND = Shrinkage(np.zeros(0), np.zeros(0))


def measure_shrinkage(true: FloatArray, found: FloatArray) -> Shrinkage:
    """Learn it from molecules of known light, ``true`` and ``found`` photons of each, shape (n,)."""
    order = np.argsort(true)
    bins = np.array_split(order, max(1, min(_BINS, len(order) // _FEWEST_IN_A_BIN)))
    if len(order) < 2 * _FEWEST_IN_A_BIN:
        return EVERYTHING_FOUND
    log_true = np.array([np.median(np.log(true[each])) for each in bins])
    log_found = np.array([np.median(np.log(found[each])) for each in bins])
    # More light is never found as less: where noise says so, a bin is passed over.
    rising = np.concatenate([[True], np.diff(np.maximum.accumulate(log_found)) > 0.0])
    return Shrinkage(log_true[rising], log_found[rising])
