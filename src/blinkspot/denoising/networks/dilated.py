"""A light blind-spot network: a hole in the first kernel that dilation keeps open.

The first convolution of a branch leaves out every offset that is a multiple of d along y and along x; with
its kernel of 2d - 1 pixels that is the centre alone. Every later 3x3 convolution is dilated by d, so it adds
multiples of d to the offset: the sum is never 0. Two branches (d = 2 and 3) leave out different neighbours.
A wider blind spot leaves out all offsets that a multiple of d brings within its radius; d is then larger.
The idea of keeping a blind spot by dilation is that of Wu et al. 2020, "Unpaired learning of deep image
denoising", ECCV.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from blinkspot.denoising.networks.base import WHOLE, BlindSpotNetwork, PreciseConvolution
from blinkspot.denoising.networks.holes import HoledConvolution, lattice_spacings

_BLOCKS = 3


class _ResidualBlock(nn.Module):
    """Two dilated 3x3 convolutions around which the input passes unchanged.

    One activation, between the two, as in Lim et al. 2017 (EDSR): a second one before the first convolution
    costs a tenth of the time and gains nothing.
    """

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation)
        self.second = nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation)

    def forward(self, features: Tensor) -> Tensor:
        hidden = F.leaky_relu(self.first(features), 0.1, inplace=True)
        return cast(Tensor, self.second(hidden).add_(features))


class _Branch(nn.Module):
    def __init__(self, context_frames: int, channels: int, spacing: int, radius: int) -> None:
        super().__init__()
        self.first = HoledConvolution(context_frames, channels, spacing, radius)
        self.blocks = nn.Sequential(*(_ResidualBlock(channels, spacing) for _ in range(_BLOCKS)))
        self.spacing = spacing
        self.halo_px = spacing - 1 + 2 * _BLOCKS * spacing

    def forward(self, frames: Tensor, rows: slice) -> Tensor:
        features, top = self.first(frames), 0
        start, stop, _ = rows.indices(frames.shape[-2])
        # What lies beyond the reach of the blocks to come is not computed further.
        for to_come, block in zip(range(_BLOCKS, 0, -1), self.blocks, strict=True):
            reach = 2 * self.spacing * to_come
            first = max(start - reach, 0)
            features, top = block(features[..., first - top : stop + reach - top, :]), first
        return cast(Tensor, features[..., start - top : stop - top, :])


class DilatedNetwork(BlindSpotNetwork):
    """Two dilated blind-spot branches, joined pixel by pixel.

    Parameters
    ----------
    context_frames : int
        Neighbouring frames on each side.
    channels : int
        Feature channels of each branch.
    blind_spot_radius_px : int
        0: the pixel alone is unseen; r: the square of 2 r + 1 pixels around it.
    outputs : int
        Numbers for each pixel.
    """

    alignment_px = 1
    pixels_at_once = 16384
    pixels_in_hand = 1 << 21

    def __init__(
        self, context_frames: int, channels: int, blind_spot_radius_px: int = 0, outputs: int = 2
    ) -> None:
        super().__init__(context_frames, channels, blind_spot_radius_px, outputs)
        branches = [
            _Branch(context_frames, channels, spacing, blind_spot_radius_px)
            for spacing in lattice_spacings(blind_spot_radius_px)
        ]
        self.halo_px = max(branch.halo_px for branch in branches)
        self.branches = nn.ModuleList(branches)
        self.head = nn.Sequential(
            nn.Conv2d(len(branches) * channels, channels, 1),
            nn.LeakyReLU(0.1, inplace=True),
            PreciseConvolution(channels, outputs),
        )

    def forward(self, frames: Tensor, rows: slice = WHOLE) -> Tensor:
        """Map ``(N, 2 * context_frames + 1, Y, X)`` to ``(N, outputs, Y, X)``, or to some rows of that."""
        features = [F.leaky_relu(branch(frames, rows), 0.1, inplace=True) for branch in self.branches]
        return cast(Tensor, self.head(torch.cat(features, dim=1)))
