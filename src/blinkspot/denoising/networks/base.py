"""What every blind-spot network offers to training and prediction."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import cast

import torch
from torch import Tensor, nn

WHOLE = slice(None)


class BlindSpotNetwork(nn.Module, ABC):
    """A network whose output at a pixel of the centre frame does not depend on that pixel.

    Nor on the other pixels of its blind spot, where that is wider.

    Input: ``(N, 2 * context_frames + 1, Y, X)``, the frame to denoise in the middle, its neighbours in time
    around it. Neighbouring frames are seen whole: their noise is independent of the centre frame's.
    Output: ``(N, outputs, Y, X)``, unbounded; of the rows that are asked for.

    Attributes
    ----------
    context_frames : int
        Neighbouring frames on each side.
    channels : int
        Feature channels.
    blind_spot_radius_px : int
        0: the pixel alone is unseen; r: the square of 2 r + 1 pixels around it, for noise that neighbouring
        pixels share.
    outputs : int
        Numbers for each pixel.
    halo_px : int
        A tile cut with this many pixels around it gives the same output inside as the whole frame.
    alignment_px : int
        Tiles must begin and end at multiples of this.
    pixels_at_once : int
        Pixels of one training step that are computed in one go, so that a laptop needs a few tenths
        of a second at most and a job can be stopped in between.
    pixels_in_hand : int
        Pixels that are predicted at the same time or wait for it, at most: about a gigabyte.
    """

    halo_px: int
    alignment_px: int
    pixels_at_once: int
    pixels_in_hand: int

    def __init__(self, context_frames: int, channels: int, blind_spot_radius_px: int, outputs: int) -> None:
        super().__init__()
        self.context_frames = context_frames
        self.channels = channels
        self.blind_spot_radius_px = blind_spot_radius_px
        self.outputs = outputs

    @abstractmethod
    def forward(self, frames: Tensor, rows: slice = WHOLE) -> Tensor:
        """Map ``(N, 2 * context_frames + 1, Y, X)`` to ``(N, outputs, Y, X)``, or to some rows of that.

        The rows of a tile's halo need not be computed to the end.
        """


class PreciseConvolution(nn.Conv2d):
    """A 1x1 convolution in float32, whatever the precision around it.

    In bfloat16 the outputs of a flat background fall on one of the few numbers nearby, up to 0.2 % off.
    """

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__(n_in, n_out, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Map ``(N, n_in, Y, X)`` to ``(N, n_out, Y, X)``."""
        n, n_in, height, width = features.shape
        with torch.autocast(features.device.type, enabled=False):
            # As a product of matrices, and the weights first: torch's convolution, with so few outputs, takes
            # five times as long and leaves them interleaved, which is slow for all that comes after.
            pixels = features.to(self.weight.dtype).permute(0, 2, 3, 1).reshape(n, height * width, n_in)
            weights = self.weight.view(-1, n_in).expand(n, -1, -1)
            bias = cast(Tensor, self.bias)[:, None]
            return torch.baddbmm(bias, weights, pixels.mT).view(n, -1, height, width)
