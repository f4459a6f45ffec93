"""Which picture of the kept part predicts the held-out photons best.

The held-out counts of a pixel have the mean m (1 - p) / p, where m is the mean of the kept ones. A picture
that estimates m by m' has the Poisson log-likelihood ``z log m' - m'`` (up to what no picture changes), m'
scaled so. It is compared with that of the movie's mean over time, which knows nothing of molecules, per
held-out photon, in nat. Behind an EM register, z being half a number of photons, it is a quasi-likelihood
(Wedderburn 1974, Biometrika 61:439): its differences are those of a Poisson movie of half the light.

A single noisy pixel that is 0 would rule out any photon. So the noisy picture is mixed with the mean over
time, as much as predicts best; no other picture is helped in this way. All are at least a twentieth of the
mean.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d

FloatArray = NDArray[np.float64]

LEAST_SHARE_OF_MEAN = 0.05
_SMALLEST_MEAN = 1e-6
NOISY_SHARES = (0.02, 0.05, 0.1, 0.2, 0.4)
FILTER_SIGMA_PX = 1.0
FILTER_SIGMA_FRAMES = 0.9
FILTER_REACH_FRAMES = 4


@dataclass(frozen=True)
class Prediction:
    """How well a picture predicts the held-out photons.

    Attributes
    ----------
    picture : str
        ``"noisy"``, ``"gaussian"`` or ``"denoised"``.
    gain : float
        Log-likelihood over that of the movie's mean over time, per held-out photon, nat.
    error : float
        Its standard error, by leaving out blocks of frames.
    setting : str
        What was chosen for it, for the reader; empty where nothing was.
    """

    picture: str
    gain: float
    error: float
    setting: str = ""


@dataclass
class PictureJudge:
    """Sums log-likelihoods over the frames of a movie.

    Parameters
    ----------
    mean : ndarray of float64, shape (Y, X)
        Mean over time of the kept counts.
    kept_share : float
    read_counts : float or ndarray
        Read noise that the movie's counts hold.
    photons_per_count : float
    blocks : int
        Blocks of frames, for errors.
    """

    mean: FloatArray
    kept_share: float
    read_counts: float | NDArray[np.float32]
    photons_per_count: float
    blocks: int
    _gains: dict[tuple[str, str], FloatArray] = field(default_factory=dict)
    _photons: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        self._photons = np.zeros(self.blocks)

    @staticmethod
    def around(start: int, stop: int, n_frames: int) -> tuple[int, int]:
        """Return the frames that filters need to judge those from ``start`` to just before ``stop``."""
        return max(0, start - FILTER_REACH_FRAMES), min(n_frames, stop + FILTER_REACH_FRAMES)

    def add(
        self,
        blocks: NDArray[np.int64],
        held_out: NDArray[np.float32],
        around: NDArray[np.float32],
        first: int,
        denoised: NDArray[np.float32] | None,
    ) -> None:
        """Judge the pictures of n successive frames.

        Parameters
        ----------
        blocks : ndarray of int64, shape (n,)
            The block that each frame belongs to.
        held_out : ndarray of float32, shape (n, Y, X)
            Counts.
        around : ndarray of float32, shape (m, Y, X)
            Kept counts of these frames, from index ``first`` on, and of those around them.
        first : int
        denoised : ndarray of float32, shape (n, Y, X), optional
            Kept counts, denoised.
        """
        these = slice(first, first + len(held_out))
        light = held_out - np.float32(1.0 - self.kept_share) * self.read_counts
        np.add.at(self._photons, blocks, self.photons_per_count * light.sum(axis=(1, 2), dtype=np.float64))
        for share in NOISY_SHARES:
            mixed = self.mean + share * (around[these] - self.mean)
            self._note("noisy", f"{share:g} of it, the rest the mean over time", blocks, held_out, mixed)
        smooth = gaussian_filter(around, (0.0, FILTER_SIGMA_PX, FILTER_SIGMA_PX))
        name = f"sigma {FILTER_SIGMA_PX:g} px"
        self._note("gaussian", name, blocks, held_out, smooth[these])
        smooth = gaussian_filter1d(
            smooth, FILTER_SIGMA_FRAMES, axis=0, mode="nearest", radius=FILTER_REACH_FRAMES
        )
        self._note("gaussian", f"{name}, {FILTER_SIGMA_FRAMES:g} frames", blocks, held_out, smooth[these])
        if denoised is not None:
            self._note("denoised", "", blocks, held_out, denoised)

    def predictions(self) -> tuple[Prediction, ...]:
        """Return the judgement of each picture, each with the setting that predicts best."""
        best: dict[str, Prediction] = {}
        total = float(self._photons.sum())
        for (picture, setting), gains in self._gains.items():
            gain = float(gains.sum()) / total if total > 0 else float("nan")
            if picture not in best or gain > best[picture].gain:
                best[picture] = Prediction(picture, gain, self._error(gains), setting)
        return tuple(best.values())

    def _error(self, gains: FloatArray) -> float:
        used = self._photons > 0
        n = int(used.sum())
        if n < 2:
            return float("nan")
        left = (gains.sum() - gains[used]) / (self._photons.sum() - self._photons[used])
        return float(np.sqrt((n - 1) / n * np.sum((left - left.mean()) ** 2)))

    def _note(
        self,
        picture: str,
        setting: str,
        blocks: NDArray[np.int64],
        held_out: NDArray[np.float32],
        estimate: NDArray[np.floating],
    ) -> None:
        scale = (1.0 - self.kept_share) / self.kept_share
        reference = np.maximum(self.mean, _SMALLEST_MEAN)
        over = np.maximum(estimate, np.maximum(LEAST_SHARE_OF_MEAN * self.mean, _SMALLEST_MEAN))
        # The logarithm of the scale is in both, and so falls out.
        gains = held_out * np.log(over / reference) - scale * (over - reference)
        sums = self._gains.setdefault((picture, setting), np.zeros(self.blocks))
        np.add.at(sums, blocks, gains.sum(axis=(1, 2), dtype=np.float64))
