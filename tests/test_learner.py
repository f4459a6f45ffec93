"""A step in parts is the step that torch's own loop would take."""

import copy

import pytest
import torch

from blinkspot.denoising.networks import build_network
from blinkspot.denoising.noise import loss_of
from blinkspot.denoising.prior import InputScaling, PriorNetwork, outputs_for
from blinkspot.denoising.training.learner import Learner
from blinkspot.denoising.workers import Workers
from blinkspot.progress import finish


@pytest.mark.parametrize(("threads", "crops"), [(1, 4), (2, 5)])
def test_steps_are_those_of_a_plain_loop(monkeypatch, threads, crops):
    monkeypatch.setattr("blinkspot.denoising.devices.uses_bfloat16", lambda device: False)
    torch.manual_seed(1)
    network = build_network("dilated", 1, 4, 0, outputs_for(2))
    model = PriorNetwork(network, InputScaling(4.0, 1.0, 3.0), 2).to(memory_format=torch.channels_last)
    plain = copy.deepcopy(model)
    optimiser = torch.optim.AdamW(plain.parameters(), lr=1e-3, weight_decay=1e-4, foreach=False)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with Workers(torch.device("cpu")) as workers:
            learner = Learner(model, workers)
            for _ in range(3):
                batch = torch.poisson(torch.rand(crops, 3, 24, 24) * 8)
                found = finish(learner.step(batch, 1e-3))
                optimiser.zero_grad()
                loss = loss_of(batch[:, 1], plain(batch), "gamma-poisson").mean()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(plain.parameters(), 1.0)
                optimiser.step()
                assert found == pytest.approx(loss.item(), rel=1e-5)
    finally:
        torch.set_num_threads(before)
    for ours, theirs in zip(model.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=3e-5)
