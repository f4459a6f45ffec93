"""The paper's network: four rotated half-plane U-Nets (Laine et al. 2019, NeurIPS).

One U-Net, whose every convolution looks upwards only, sees the frame in four rotations. Its output is moved
down by one row, so that it covers the open half plane above a pixel, and turned back. Together the four
half planes cover all neighbours and leave the pixel itself out; moved further, they leave out a wider square.

Beyond the border the last pixel goes on. Zeros there would tell the network where the border is: it learned
from crops of 64 pixels, each of whose pixels has one near, and failed in the middle of a frame of 256.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from blinkspot.denoising.networks.base import WHOLE, BlindSpotNetwork, PreciseConvolution


class _UpwardConvolution(nn.Module):
    """A 3x3 convolution that sees its own row and the two above."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(n_in, n_out, 3)

    def forward(self, features: Tensor) -> Tensor:
        return F.leaky_relu(self.convolution(F.pad(features, (1, 1, 2, 0), mode="replicate")), 0.1)


def _moved_down(features: Tensor, rows: int) -> Tensor:
    return F.pad(features, (0, 0, rows, -rows))


def _pooled(features: Tensor) -> Tensor:
    # Moved down first: else a pooled pixel would hold the row below the upper one of its two.
    # The first row, which stays, may see itself: the last move comes after.
    return F.max_pool2d(F.pad(features, (0, 0, 1, -1), mode="replicate"), 2)


class _UpwardUNet(nn.Module):
    def __init__(self, n_in: int, channels: int, levels: int, moved_by: int) -> None:
        super().__init__()
        self.moved_by = moved_by
        self.first = _UpwardConvolution(n_in, channels)
        self.encoders = nn.ModuleList(_UpwardConvolution(channels, channels) for _ in range(levels))
        self.bottom = _UpwardConvolution(channels, channels)
        self.decoders = nn.ModuleList()
        width = channels
        for level in reversed(range(levels)):
            skip = channels if level else n_in
            self.decoders.append(
                nn.Sequential(
                    _UpwardConvolution(width + skip, 2 * channels),
                    _UpwardConvolution(2 * channels, 2 * channels),
                )
            )
            width = 2 * channels

    def forward(self, frames: Tensor) -> Tensor:
        skips = [frames]
        features = self.first(frames)
        for encoder in self.encoders:
            features = _pooled(encoder(features))
            skips.append(features)
        skips.pop()
        features = self.bottom(features)
        for decoder in self.decoders:
            features = F.interpolate(features, scale_factor=2.0, mode="nearest")
            features = decoder(torch.cat((features, skips.pop()), dim=1))
        return _moved_down(features, self.moved_by)


class LaineNetwork(BlindSpotNetwork):
    """Four rotated half-plane U-Nets, joined pixel by pixel.

    Neighbouring frames enter the half planes beside the centre frame, and once more by a branch of their own
    that sees them whole: the half planes leave out the place of the pixel itself in every frame.

    Parameters
    ----------
    context_frames : int
        Neighbouring frames on each side.
    channels : int
        Feature channels of the encoder; 48 in the paper.
    blind_spot_radius_px : int
        0: the pixel alone is unseen; r: the square of 2 r + 1 pixels around it.
    outputs : int
        Numbers for each pixel.
    levels : int
        Poolings; 5 in the paper.
    """

    pixels_at_once = 8192
    pixels_in_hand = 1 << 18

    def __init__(
        self,
        context_frames: int,
        channels: int,
        blind_spot_radius_px: int = 0,
        outputs: int = 2,
        levels: int = 5,
    ) -> None:
        super().__init__(context_frames, channels, blind_spot_radius_px, outputs)
        self.unet = _UpwardUNet(2 * context_frames + 1, channels, levels, blind_spot_radius_px + 1)
        self.alignment_px = 2**levels
        # Rows that the deepest path can look up: two convolutions and a shift on the way down at each
        # scale, two convolutions on the way up; rounded up to whole pooled pixels.
        reach = (
            2 * 2
            + 1
            + blind_spot_radius_px
            + sum((2 + 1 + 4 + 1) * 2**level for level in range(levels))
            + 2 * 2**levels
        )
        self.halo_px = -(-reach // self.alignment_px) * self.alignment_px
        n_features = 4 * 2 * channels
        self.context: nn.Module | None = None
        if context_frames:
            self.context = nn.Sequential(
                nn.Conv2d(2 * context_frames, channels, 3, padding=1),
                nn.LeakyReLU(0.1),
                nn.Conv2d(channels, channels, 3, padding=1),
            )
            n_features += channels
        self.head = nn.Sequential(
            nn.Conv2d(n_features, 8 * channels, 1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(8 * channels, 2 * channels, 1),
            nn.LeakyReLU(0.1),
            PreciseConvolution(2 * channels, outputs),
        )

    def forward(self, frames: Tensor, rows: slice = WHOLE) -> Tensor:
        """Map ``(N, 2 * context_frames + 1, Y, X)`` to ``(N, outputs, Y, X)``, or to some rows of that.

        Y and X may be of any size.
        """
        height, width = frames.shape[-2:]
        padding = (0, -width % self.alignment_px, 0, -height % self.alignment_px)
        padded = F.pad(frames, padding)
        features = [
            torch.rot90(self.unet(torch.rot90(padded, turns, (2, 3))), -turns, (2, 3)) for turns in range(4)
        ]
        if self.context is not None:
            before, _, after = padded.tensor_split((self.context_frames, self.context_frames + 1), dim=1)
            features.append(self.context(torch.cat((before, after), dim=1)))
        return cast(Tensor, self.head(torch.cat(features, dim=1))[..., :height, :width][..., rows, :])
