"""The prior of each pixel, as a network tells it from the pixel's neighbours."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from blinkspot.denoising.networks import BlindSpotNetwork

# alpha from 0.02 (nothing known: the pixel speaks for itself) to 2e6 (the neighbours know the rate).
_LOG_ALPHA_MIDDLE = 0.5 * (math.log(2e6) + math.log(0.02))
_LOG_ALPHA_REACH = 0.5 * (math.log(2e6) - math.log(0.02))
# At the start, alpha is about 10, whatever the data.
_LOG_ALPHA_START = math.atanh((math.log(10.0) - _LOG_ALPHA_MIDDLE) / _LOG_ALPHA_REACH) * _LOG_ALPHA_REACH


@dataclass(frozen=True)
class InputScaling:
    """Brings counts to the network's scale.

    Attributes
    ----------
    root_mean, root_std : float
        Mean and standard deviation of the variance-stabilised counts, 2 sqrt(z + 3/8) (Anscombe 1948).
    mean_counts : float
        Mean of the counts.
    """

    root_mean: float
    root_std: float
    mean_counts: float

    @classmethod
    def of(cls, counts: Tensor) -> InputScaling:
        """Measure the scaling on counts of any shape."""
        roots = _stabilised(counts)
        return cls(
            float(roots.mean()), max(float(roots.std()), 1e-3), max(float(counts.clamp_min(0.0).mean()), 1e-3)
        )


def _stabilised(counts: Tensor) -> Tensor:
    return 2.0 * torch.sqrt(counts.clamp_min(0.0) + 0.375)


class PriorNetwork(nn.Module):
    """A blind-spot network with its scaling: counts in, Gamma prior out.

    Parameters
    ----------
    network : BlindSpotNetwork
        Gives two unbounded numbers for each pixel.
    scaling : InputScaling
        Measured on a sample of the movie.
    """

    def __init__(self, network: BlindSpotNetwork, scaling: InputScaling) -> None:
        super().__init__()
        self.network = network
        self.scaling = scaling

    def forward(self, counts: Tensor) -> tuple[Tensor, Tensor]:
        """Return the prior's mean and log alpha, each ``(N, Y, X)``, for counts ``(N, 2c + 1, Y, X)``.

        Both are float32 also under autocast.
        """
        scaling = self.scaling
        raw = self.network((_stabilised(counts) - scaling.root_mean) / scaling.root_std).float()
        mean = scaling.mean_counts * F.softplus(raw[:, 0]) + 1e-6
        bounded = torch.tanh((raw[:, 1] + _LOG_ALPHA_START) / _LOG_ALPHA_REACH)
        return mean, _LOG_ALPHA_MIDDLE + _LOG_ALPHA_REACH * bounded
