"""The network that a training begins with."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from blinkspot.denoising.batches import light_of
from blinkspot.denoising.networks import BlindSpotNetwork, build_network
from blinkspot.denoising.prior import InputScaling, PriorNetwork, outputs_for
from blinkspot.denoising.settings import TrainingSettings

if TYPE_CHECKING:
    from blinkspot.denoising.denoiser import Denoiser


def untrained_network(settings: TrainingSettings) -> BlindSpotNetwork:
    """Return a new network of settings in which nothing is left open."""
    assert settings.context_frames is not None
    assert settings.blind_spot_radius_px is not None
    assert settings.channels is not None
    network = build_network(
        settings.network,
        settings.context_frames,
        settings.channels,
        settings.blind_spot_radius_px,
        outputs_for(settings.components),
    )
    _draw_weights(network, settings.seed)
    return network


def _draw_weights(network: BlindSpotNetwork, seed: int) -> None:
    """Give a network torch's usual first weights (He et al. 2015, uniform), from a generator of its own.

    All threads share torch's global one: of two trainings that begin at the same time each would miss some of
    the numbers of its seed.
    """
    random = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_uniform_(module.weight, a=math.sqrt(5), generator=random)
            assert module.bias is not None
            largest = 1 / math.sqrt(module.weight[0].numel())
            nn.init.uniform_(module.bias, -largest, largest, generator=random)


def model_to_train(start: Denoiser | None, used: TrainingSettings, validation: list[Tensor]) -> PriorNetwork:
    """Return the model that a training begins with.

    Parameters
    ----------
    start : Denoiser or None
        Model to go on from; a new one unless given.
    used : TrainingSettings
        With the context frames decided.
    validation : list of Tensor
        Crops, see :mod:`blinkspot.denoising.batches`, that tell a new model how light the movie is.
    """
    if start is not None:
        return start.trainable_model()
    assert used.context_frames is not None  # chosen by now
    scaling = InputScaling.of(light_of(torch.cat(validation), used.context_frames))
    return PriorNetwork(untrained_network(used), scaling, used.components, used.loss == "squared-error")
