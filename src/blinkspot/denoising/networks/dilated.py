"""A light blind-spot network: a hole in the first kernel that dilation keeps open.

The first convolution of a branch is k x k with its centre weight fixed at zero, so it reaches offsets of
at most k // 2, never 0. Every later 3x3 convolution is dilated by k // 2 + 1, so it adds multiples of
k // 2 + 1 to the offset: the sum is never 0 again. Two branches (k = 3 and 5) leave out different pixels. The
idea of keeping a blind spot by dilation is that of Wu et al. 2020, "Unpaired learning of deep image
denoising", ECCV.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from blinkspot.denoising.networks.base import BlindSpotNetwork, pointwise_head

_KERNEL_SIZES = (3, 5)
_BLOCKS = 3


class _HoledConvolution(nn.Conv2d):
    """A convolution whose kernel is zero at its centre."""

    def __init__(self, n_out: int, size: int) -> None:
        super().__init__(1, n_out, size, padding=size // 2)
        hole = torch.ones(size, size)
        hole[size // 2, size // 2] = 0.0
        self.register_buffer("hole", hole, persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        weight = self.weight * cast(Tensor, self.hole)
        return F.conv2d(frames, weight, self.bias, padding=self.padding)


class _ResidualBlock(nn.Module):
    """Two dilated 3x3 convolutions around which the input passes unchanged."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation)
        self.second = nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation)

    def forward(self, features: Tensor) -> Tensor:
        hidden = self.first(F.leaky_relu(features, 0.1))
        return cast(Tensor, features + self.second(F.leaky_relu(hidden, 0.1)))


class _Branch(nn.Module):
    def __init__(self, channels: int, size: int, n_context: int) -> None:
        super().__init__()
        dilation = size // 2 + 1
        self.centre = _HoledConvolution(channels, size)
        self.context = nn.Conv2d(n_context, channels, size, padding=size // 2) if n_context else None
        self.blocks = nn.Sequential(*(_ResidualBlock(channels, dilation) for _ in range(_BLOCKS)))
        self.halo_px = size // 2 + 2 * _BLOCKS * dilation

    def forward(self, centre: Tensor, context: Tensor) -> Tensor:
        features = self.centre(centre)
        if self.context is not None:
            features = features + self.context(context)
        return cast(Tensor, self.blocks(features))


class DilatedNetwork(BlindSpotNetwork):
    """Two dilated blind-spot branches, joined pixel by pixel.

    Parameters
    ----------
    context_frames : int
        Neighbouring frames on each side.
    channels : int
        Feature channels of each branch.
    """

    alignment_px = 1
    pixels_at_once = 32768

    def __init__(self, context_frames: int, channels: int) -> None:
        super().__init__(context_frames, channels)
        branches = [_Branch(channels, size, 2 * context_frames) for size in _KERNEL_SIZES]
        self.halo_px = max(branch.halo_px for branch in branches)
        self.branches = nn.ModuleList(branches)
        self.head = pointwise_head(len(branches) * channels, channels)

    def forward(self, frames: Tensor) -> Tensor:
        """Map ``(N, 2 * context_frames + 1, Y, X)`` to ``(N, 2, Y, X)``."""
        centre, context = self.split(frames)
        features = torch.cat([branch(centre, context) for branch in self.branches], dim=1)
        return cast(Tensor, self.head(features))
