"""The first convolution of a blind-spot network: offsets that could reach the blind spot are left out."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def lattice_spacings(radius: int) -> tuple[int, int]:
    """Return the two least spacings whose lattices miss the blind spot around each of their pixels."""
    return 2 * radius + 2, 2 * radius + 3


def holed_kernel(spacing: int, radius: int) -> Tensor:
    """Return which offsets the first convolution sees: 1, or 0 for those that could reach the blind spot.

    Parameters
    ----------
    spacing : int
        Distance d between the pixels of a lattice.
    radius : int
        The blind spot's radius, pixels; 0 is the pixel alone.

    Returns
    -------
    Tensor, (2 d - 1, 2 d - 1)
    """
    offsets = torch.arange(1 - spacing, spacing)
    # Distance from an offset to the nearest multiple of d.
    near = torch.minimum(offsets % spacing, -offsets % spacing) <= radius
    return (~(near[:, None] & near[None, :])).float()


class HoledConvolution(nn.Conv2d):
    """A convolution of the centre frame whose kernel has the hole."""

    def __init__(self, channels: int, spacing: int, radius: int) -> None:
        super().__init__(1, channels, 2 * spacing - 1, padding=spacing - 1)
        self.register_buffer("hole", holed_kernel(spacing, radius), persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        """Map ``(N, 1, Y, X)`` to ``(N, channels, Y, X)``."""
        return F.conv2d(frames, self.weight * cast(Tensor, self.hole), self.bias, padding=self.padding)
