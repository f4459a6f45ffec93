"""Take off what bias a training has left: the denoised movie keeps the light of the noisy one."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from blinkspot.denoising.batches import LARGEST_PART_PX, split_batch
from blinkspot.denoising.devices import fast_precision
from blinkspot.denoising.noise import Prior
from blinkspot.denoising.prior import PriorNetwork
from blinkspot.denoising.workers import Workers

# In the darkest pixels a weight of 1 / mean would grow without bound.
_LEAST_SHARE_OF_MEAN = 0.05
_LARGEST_SLOPE_ERROR = 0.01
# A model that has learned the movie is off by some percent; one that has not by anything, also below 0, and
# a line through its means would make a picture of its mistakes.
_TRUSTED_SLOPES = (0.8, 1.25)


@dataclass(frozen=True)
class Calibration:
    """The line ``offset + slope * m`` that a model's prior means m are taken along.

    Attributes
    ----------
    offset : float
        Counts.
    slope : float
        1 where only the mean is corrected.
    measured_slope : float or None
        What the pixels ask for; None where they are too few, or too alike, to tell it within 1 %.
    """

    offset: float
    slope: float
    measured_slope: float | None

    @property
    def warning(self) -> str | None:
        """What a measured slope that is not used says, in one sentence; None where all is well."""
        if self.measured_slope in (None, self.slope):
            return None
        return (
            "The model has not learned the movie: where its prior mean rises by 1, the movie rises by "
            f"{self.measured_slope:.2g}, so that only the overall brightness was corrected; train longer."
        )


def calibrate(
    model: PriorNetwork, batches: Iterable[Tensor], workers: Workers
) -> Generator[None, None, Calibration]:
    """Find the straight line that makes the prior's means right on average, in the dark and in the light.

    With the prior mean m, the count z, which m does not depend on, and the weight w = 1 / m (bounded where m
    is near 0), a and b solve ``sum (z - a - b m) = 0`` and ``sum w (z - a - b m) = 0``: the estimating
    equations of a Poisson regression with identity link (McCullagh and Nelder 1989, chapter 9), the weights
    fixed.

    Parameters
    ----------
    model : PriorNetwork
        Trained.
    batches : iterable of Tensor
        Frames or parts of them; see :mod:`blinkspot.denoising.batches`.
    workers : Workers
        Compute the batches.

    Returns
    -------
    Calibration
        a and b; b is 1 where the pixels are too few, or too alike, to tell it within 1 %, or where it is
        too far from 1 to be the small bias of a model that has learned the movie.
    """
    in_hand = max(1, model.network.pixels_in_hand // LARGEST_PART_PX**2)
    sums = yield from workers.every(partial(_sums_of, model), batches, in_hand)
    return line(np.sum(sums, axis=0))


def _sums_of(model: PriorNetwork, batch: Tensor) -> NDArray[np.float64]:
    device = next(model.parameters()).device
    counts, read_counts = split_batch(batch.to(device), model.network.context_frames)
    with torch.inference_mode(), fast_precision(device):
        prior = model(counts.contiguous(memory_format=torch.channels_last), read_counts)
        return sums_for_line(model, counts[:, model.network.context_frames], read_counts, prior)


def sums_for_line(
    model: PriorNetwork, counts: Tensor, read_counts: Tensor | None, prior: Prior
) -> NDArray[np.float64]:
    """Return what :func:`line` takes, of pixels ``(n, Y, X)`` and the prior that a model gave them."""
    mean = prior.single_mean
    if read_counts is not None:
        counts, mean = counts - read_counts, mean - read_counts
    least = _LEAST_SHARE_OF_MEAN * model.scaling.mean_counts
    return _sums(counts.cpu().double().numpy(), mean.cpu().double().numpy(), least)


def _sums(z: NDArray[np.float64], m: NDArray[np.float64], least: float) -> NDArray[np.float64]:
    w = 1.0 / np.maximum(m, least)
    return np.array([z.size, m.sum(), (m * m).sum(), z.sum(), w.sum(), (w * m).sum(), (w * z).sum()])


def line(sums: NDArray[np.float64]) -> Calibration:
    """Solve for a and b.

    Parameters
    ----------
    sums : ndarray, (7,)
        Sums of 1, m, m^2, z, w, w m and w z. Where pixels were summed more than once, divide by how often:
        the sums also say how many pixels there are to tell a slope.
    """
    n, m, m2, z, w, wm, wz = sums
    # Standard error of a slope where the noise has the variance of the mean count.
    spread = m2 - m * m / n
    if spread <= 0 or m / n / spread > _LARGEST_SLOPE_ERROR**2:
        return Calibration(float((z - m) / n), 1.0, None)
    determinant = w * m - n * wm
    slope = float((w * z - n * wz) / determinant)
    if not _TRUSTED_SLOPES[0] <= slope <= _TRUSTED_SLOPES[1]:
        return Calibration(float((z - m) / n), 1.0, slope)
    return Calibration(float((wz * m - z * wm) / determinant), slope, slope)
