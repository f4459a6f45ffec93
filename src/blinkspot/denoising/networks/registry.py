"""Networks by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import torch

from blinkspot.denoising.networks.base import BlindSpotNetwork
from blinkspot.denoising.networks.dilated import DilatedNetwork
from blinkspot.denoising.networks.laine import LaineNetwork

NetworkName = Literal["dilated", "laine"]
NETWORKS: tuple[NetworkName, ...] = get_args(NetworkName)

_BUILDERS: dict[NetworkName, Callable[[int, int, int, int], BlindSpotNetwork]] = {
    "dilated": DilatedNetwork,
    "laine": LaineNetwork,
}
# laine: as in the paper. dilated: measured at equal processor time, see docs/denoiser_choice.md.
_DEFAULT_CHANNELS: dict[NetworkName, int] = {"dilated": 16, "laine": 48}


def default_channels(name: NetworkName) -> int:
    """Return the number of feature channels that a network has unless told otherwise."""
    return _DEFAULT_CHANNELS[name]


def build_network(
    name: NetworkName,
    context_frames: int,
    channels: int,
    blind_spot_radius_px: int = 0,
    outputs: int = 2,
) -> BlindSpotNetwork:
    """Make an untrained network.

    Parameters
    ----------
    name : {"dilated", "laine"}
        Which network.
    context_frames : int
        Neighbouring frames on each side, 0 to 2.
    channels : int
        Feature channels.
    blind_spot_radius_px : int
        0: a pixel alone is unseen by its own output; r: the square of 2 r + 1 pixels around it.
    outputs : int
        Numbers for each pixel.
    """
    # torch draws weights, which are replaced, of the numbers that whoever calls this may have seeded.
    with torch.random.fork_rng(devices=[]):
        return _BUILDERS[name](context_frames, channels, blind_spot_radius_px, outputs)
