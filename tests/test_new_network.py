"""The weights that a training begins with."""

import math
from typing import Any

import pytest
import torch
from torch import nn

from blinkspot.denoising.networks import NETWORKS, NetworkName
from blinkspot.denoising.settings import TrainingSettings
from blinkspot.denoising.training import new_network
from blinkspot.denoising.training.new_network import untrained_network


def settings(network: NetworkName = "dilated", seed: int = 5) -> TrainingSettings:
    return TrainingSettings(network=network, channels=8, context_frames=1, blind_spot_radius_px=0, seed=seed)


def weights(of: TrainingSettings) -> list[torch.Tensor]:
    return list(untrained_network(of).state_dict().values())


def test_a_neighbour_that_draws_from_torchs_generator_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alone = weights(settings())
    build = new_network.build_network

    def build_beside_another_thread(*arguments: Any) -> Any:
        torch.rand(3)
        return build(*arguments)

    monkeypatch.setattr(new_network, "build_network", build_beside_another_thread)
    assert all(torch.equal(one, other) for one, other in zip(alone, weights(settings()), strict=True))


@pytest.mark.parametrize("network", NETWORKS)
def test_the_seed_is_that_of_torchs_own_first_weights(network: NetworkName) -> None:
    drawn = [
        module for module in untrained_network(settings(network)).modules() if isinstance(module, nn.Conv2d)
    ]
    torch.manual_seed(5)
    for module in drawn:
        bound = 1 / math.sqrt(module.weight[0].numel())
        for parameter in (module.weight, module.bias):
            assert parameter is not None
            assert torch.equal(parameter, nn.init.uniform_(torch.empty_like(parameter), -bound, bound))


def test_another_seed_gives_other_weights() -> None:
    assert not torch.equal(weights(settings())[0], weights(settings(seed=6))[0])
