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
    """A convolution of a frame and its neighbours in time, whose kernel has the hole in the centre frame.

    Parameters
    ----------
    context_frames : int
        Neighbouring frames on each side.
    channels : int
        Feature channels.
    spacing, radius : int
        See :func:`holed_kernel`.
    """

    def __init__(self, context_frames: int, channels: int, spacing: int, radius: int) -> None:
        n_frames = 2 * context_frames + 1
        super().__init__(n_frames, channels, 2 * spacing - 1, padding=spacing - 1)
        hole = torch.ones(n_frames, *self.kernel_size)
        hole[context_frames] = holed_kernel(spacing, radius)
        self.register_buffer("hole", hole, persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        """Map ``(N, 2 * context_frames + 1, Y, X)`` to ``(N, channels, Y, X)``."""
        return F.conv2d(frames, self.weight * cast(Tensor, self.hole), self.bias, padding=self.padding)
