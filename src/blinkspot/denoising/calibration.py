"""Take off what bias a finished training has left: the denoised movie keeps the light of the noisy one."""

from __future__ import annotations

from collections.abc import Generator, Iterable

import numpy as np
import torch
from torch import Tensor

from blinkspot.denoising.batches import split_batch
from blinkspot.denoising.devices import fast_precision
from blinkspot.denoising.prior import PriorNetwork

# In the darkest pixels a weight of 1 / mean would grow without bound.
_LEAST_SHARE_OF_MEAN = 0.05
_SINGULAR = 1e-4


def calibrate(model: PriorNetwork, batches: Iterable[Tensor]) -> Generator[None, None, tuple[float, float]]:
    """Find the straight line that makes the prior's means right on average, in the dark and in the light.

    With the prior mean m and the count z, which m does not depend on, a and b solve
    ``sum (z - a - b m) = 0`` and ``sum (z - a - b m) / m = 0``: the estimating equations of a Poisson
    regression with identity link (McCullagh and Nelder 1989, chapter 9), the weights fixed at 1 / m.

    Parameters
    ----------
    model : PriorNetwork
        Trained.
    batches : iterable of Tensor
        Frames or parts of them; see :mod:`blinkspot.denoising.batches`.

    Returns
    -------
    (float, float)
        a, counts, and b; (0, 1) where there is nothing to mend.
    """
    sums = np.zeros(5)  # of 1, m, 1 / m, z, z / m
    least = _LEAST_SHARE_OF_MEAN * model.scaling.mean_counts
    device = next(model.parameters()).device
    for batch in batches:
        counts, read_counts = split_batch(batch.to(device), model.network.context_frames)
        with torch.inference_mode(), fast_precision(device):
            prior = model(counts.contiguous(memory_format=torch.channels_last), read_counts)
        mean = prior.single_mean
        light = counts[:, model.network.context_frames]
        if read_counts is not None:
            light, mean = light - read_counts, mean - read_counts
        z, m = light.cpu().double(), mean.cpu().double()
        weight = 1.0 / m.clamp_min(least)
        sums += [z.numel(), m.sum(), weight.sum(), z.sum(), (z * weight).sum()]
        yield
    n, m_sum, weight_sum, z_sum, weighted_z_sum = sums
    determinant = weight_sum * m_sum - n * n
    if determinant < _SINGULAR * n * n:  # a flat picture tells one number only
        return float((z_sum - m_sum) / n), 1.0
    return (
        float((weighted_z_sum * m_sum - z_sum * n) / determinant),
        float((weight_sum * z_sum - n * weighted_z_sum) / determinant),
    )
