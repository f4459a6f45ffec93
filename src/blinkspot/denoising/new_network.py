"""The network that a training begins with."""

from __future__ import annotations

import torch

from blinkspot.denoising.networks import BlindSpotNetwork, build_network
from blinkspot.denoising.prior import outputs_for
from blinkspot.denoising.settings import TrainingSettings


def untrained_network(settings: TrainingSettings) -> BlindSpotNetwork:
    """Return a new network of settings in which nothing is left open."""
    assert settings.context_frames is not None
    assert settings.blind_spot_radius_px is not None
    assert settings.channels is not None
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        return build_network(
            settings.network,
            settings.context_frames,
            settings.channels,
            settings.blind_spot_radius_px,
            outputs_for(settings.components),
        )
