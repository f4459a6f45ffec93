"""Training steps that are recorded once and played: what the learner makes of it, with or without a GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from blinkspot.denoising import TrainingSettings
from blinkspot.denoising.prior import InputScaling, PriorNetwork
from blinkspot.denoising.settings import resolved
from blinkspot.denoising.training import learner
from blinkspot.denoising.training.learner import Learner
from blinkspot.denoising.training.new_network import untrained_network
from blinkspot.denoising.workers import Workers
from blinkspot.progress import finish

N_STEPS = 6


class Replay:
    """Stands in for a recording: computes anew, into the same tensors as before, as a GPU's does."""

    made = 0

    def __init__(self, function: Callable[[Tensor], tuple[Tensor, ...]], example: Tensor) -> None:
        type(self).made += 1
        self._function, self._input = function, example.clone()
        self._output = function(self._input)

    @property
    def shape(self) -> torch.Size:
        return self._input.shape

    def play(self, given: Tensor) -> tuple[Tensor, ...]:
        self._input.copy_(given)
        for kept, new in zip(self._output, self._function(self._input), strict=True):
            kept.copy_(new)
        return self._output


class Unwilling:
    def __init__(self, *_: object) -> None:
        raise RuntimeError("CUDA error: operation not permitted when stream is capturing")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    Replay.made = 0
    yield
    torch.set_num_threads(before)


def batches(n_crops: int = 4) -> list[Tensor]:
    random = np.random.default_rng(5)
    return [
        torch.from_numpy(random.poisson(20.0, (n_crops, 1, 24, 24)).astype(np.float32))
        for _ in range(N_STEPS)
    ]


def new_learner(records: bool) -> Learner:
    settings = resolved(TrainingSettings(channels=4, context_frames=0, blind_spot_radius_px=0, seed=3))
    model = PriorNetwork(untrained_network(settings), InputScaling(9.0, 1.0, 20.0), settings.components)
    made = Learner(model, Workers(torch.device("cpu")))
    made._records = records
    return made


def learned(records: bool, crops: list[Tensor]) -> tuple[list[float], Tensor]:
    taking = new_learner(records)
    losses = [finish(taking.step(batch, 1e-3)) for batch in crops]
    return losses, torch.cat([weights.flatten() for weights in taking.averaged.parameters()])


def test_played_steps_learn_what_computed_ones_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learner, "Recording", Replay)
    losses, weights = learned(True, batches())
    expected_losses, expected = learned(False, batches())
    assert Replay.made == 1
    assert losses == expected_losses
    assert torch.equal(weights, expected)
    assert len(set(losses)) == N_STEPS


def test_batches_of_another_shape_are_recorded_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learner, "Recording", Replay)
    crops = batches(4)[:2] + batches(3)[:2]
    assert learned(True, crops)[0] == learned(False, crops)[0]
    assert Replay.made == 2


def test_what_cannot_be_recorded_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learner, "Recording", Unwilling)
    losses, weights = learned(True, batches())
    expected_losses, expected = learned(False, batches())
    assert losses == expected_losses
    assert torch.equal(weights, expected)


def test_where_the_memory_does_not_suffice_nothing_is_kept_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    class Cramped(Replay):
        def play(self, given: Tensor) -> tuple[Tensor, ...]:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(learner, "Recording", Cramped)
    taking = new_learner(True)
    losses = [finish(taking.step(batch, 1e-3)) for batch in batches()]
    assert taking._recording is None
    assert Cramped.made == 1
    assert losses == pytest.approx(learned(False, batches())[0], rel=1e-5)


def test_on_a_processor_nothing_is_recorded() -> None:
    settings = resolved(TrainingSettings(channels=4, context_frames=0, blind_spot_radius_px=0))
    model = PriorNetwork(untrained_network(settings), InputScaling(9.0, 1.0, 20.0), settings.components)
    assert not Learner(model, Workers(torch.device("cpu")))._records
