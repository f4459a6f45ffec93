"""A training that runs into a fault of the numbers, of the memory or of the GPU."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from blinkspot.denoising import Denoiser, Training, TrainingSettings
from blinkspot.denoising.training.learner import Learner
from blinkspot.errors import BlinkspotError
from blinkspot.evaluation import PRESETS, simulate
from blinkspot.movies.stack import Stack, as_stack
from blinkspot.progress import finish

CAMERA = PRESETS["low-light"].camera
QUICK = TrainingSettings(
    epochs=6, crop_size_px=24, batch_size=4, channels=4, context_frames=1, device="cpu", seed=2
)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """A step is one part, whoever has set the number of threads before: parts are counted here."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def movie() -> Stack:
    settings = dataclasses.replace(PRESETS["low-light"], frames=40, size_px=32, density_per_um2=0.3, seed=8)
    return as_stack(np.concatenate([chunk.frames for chunk in simulate(settings)]))


@pytest.fixture(scope="module")
def unharmed(movie: Stack) -> Training:
    training = Training(movie, CAMERA, QUICK)
    finish(training.run())
    return training


class Faulty:
    """Has the network's forward pass do something else at certain calls of training steps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, then: Callable[[Faulty, Any], None]) -> None:
        self.calls = 0
        apply = Learner._gradients

        def gradients(learner: Learner, part: torch.Tensor, of: int) -> Any:
            self.calls += 1
            then(self, part)
            loss, found = apply(learner, part, of)
            return (math.nan, found) if self.makes_nan else (loss, found)

        self.makes_nan = False
        monkeypatch.setattr(Learner, "_gradients", gradients)


def weights_equal(one: Denoiser, other: Denoiser) -> bool:
    return one.digest() == other.digest()


def nan_at(*steps: int) -> Callable[[Faulty, Any], None]:
    def then(faulty: Faulty, _: Any) -> None:
        faulty.makes_nan = faulty.calls in steps

    return then


def test_a_loss_that_is_no_number_restarts_from_the_best_with_smaller_steps(
    movie: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    Faulty(monkeypatch, nan_at(15, 40))
    gone_back: list[float] = []
    back = Learner.go_back_to

    def go_back_to(learner: Learner, weights: Any) -> None:
        back(learner, weights)
        assert training.best is not None
        state = learner.averaged.state_dict()
        assert all(torch.equal(state[name], value) for name, value in training.best.weights().items())
        assert training._state is not None
        gone_back.append(training._state.schedule.largest)

    monkeypatch.setattr(Learner, "go_back_to", go_back_to)
    training = Training(movie, CAMERA, QUICK)
    made = finish(training.run())
    assert gone_back == [QUICK.learning_rate, QUICK.learning_rate / 2]
    assert training._state is not None
    assert training._state.schedule.largest == QUICK.learning_rate / 4
    assert made.provenance["validation_loss"] == min(
        past.validation_loss or math.inf for past in training.history
    )


def test_the_third_time_it_says_so_and_keeps_the_best(movie: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    Faulty(monkeypatch, nan_at(15, 20, 25))
    training = Training(movie, CAMERA, QUICK)
    with pytest.raises(BlinkspotError) as told:
        finish(training.run())
    sentence = str(told.value)
    assert "no longer a number, again after going on 2 times from the best weights" in sentence
    assert sentence.count(". ") == 0
    assert training.best is not None
    assert np.isfinite(training.best.denoise_frame(movie, 3)).all()


def test_without_a_model_yet_it_says_so_at_once(movie: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    Faulty(monkeypatch, nan_at(3))
    with pytest.raises(BlinkspotError, match="not a number from the beginning"):
        finish(Training(movie, CAMERA, QUICK).run())


def test_weights_that_are_no_numbers_are_given_up(movie: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gradient may be NaN where the loss is not: then the validation finds it."""
    apply, calls = Learner._gradients, 0

    def gradients(learner: Learner, part: torch.Tensor, of: int) -> Any:
        nonlocal calls
        calls += 1
        loss, found = apply(learner, part, of)
        return loss, tuple(torch.full_like(each, math.nan) for each in found) if calls == 20 else found

    monkeypatch.setattr(Learner, "_gradients", gradients)
    training = Training(movie, CAMERA, QUICK)
    made = finish(training.run())
    assert training._state is not None
    assert training._state.schedule.diverged == 1
    assert np.isfinite(made.denoise_frame(movie, 3)).all()
    assert math.isfinite(made.provenance["validation_loss"])


def test_a_restart_is_kept_in_the_checkpoint(
    movie: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Faulty(monkeypatch, nan_at(15, 30))
    whole = Training(movie, CAMERA, QUICK)
    finish(whole.run())
    Faulty(monkeypatch, nan_at())
    monkeypatch.undo()
    Faulty(monkeypatch, nan_at(15, 30))
    broken = Training(movie, CAMERA, QUICK)
    run = broken.run(tmp_path / "c")
    while broken._state is None or broken._state.schedule.diverged < 2:
        next(run)
    run.close()
    monkeypatch.undo()
    resumed = Training(movie, CAMERA, QUICK)
    made = finish(resumed.run(resume=tmp_path / "c"))
    assert resumed._state is not None
    assert resumed._state.schedule.diverged == 2
    assert whole.best is not None
    assert weights_equal(made, whole.best)


MEMORY_ERRORS = {
    "numpy": MemoryError("Unable to allocate 9.31 GiB"),
    "torch on Linux": RuntimeError(
        "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: you tried "
        "to allocate 36 bytes. Error code 12 (Cannot allocate memory)"
    ),
    "torch on Windows": RuntimeError(
        "DefaultCPUAllocator: not enough memory: you tried to allocate 36 bytes."
    ),
    "a GPU": torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."),
}


@pytest.mark.parametrize("name", ["torch on Linux", "a GPU"])
def test_with_little_memory_it_computes_fewer_crops_at_a_time(
    movie: Stack, unharmed: Training, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    shown: list[int] = []
    apply = Learner._apply

    def cramped(learner: Learner, model: Any, batch: torch.Tensor) -> Any:
        shown.append(len(batch))
        if len(batch) > 1:
            raise MEMORY_ERRORS[name]
        return apply(learner, model, batch)

    monkeypatch.setattr(Learner, "_apply", cramped)
    training = Training(movie, CAMERA, dataclasses.replace(QUICK, epochs=1))
    made = finish(training.run())
    first = unharmed.history[0].validation_loss
    assert first is not None
    assert made.provenance["validation_loss"] == pytest.approx(first, abs=0.02)
    failed = [number for number, crops in enumerate(shown) if crops > 1]
    assert max(failed) < len(shown) / 2  # what failed once is not tried again and again
    assert training.history[0].validation_loss == pytest.approx(first, abs=1e-4)


def test_with_too_little_for_one_crop_it_says_so(movie: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    def cramped(*_: Any) -> Any:
        raise MEMORY_ERRORS["torch on Linux"]

    monkeypatch.setattr(Learner, "_apply", cramped)
    with pytest.raises(BlinkspotError, match=r"not enough memory to train on crops of 24 x 24 pixels.*close"):
        finish(Training(movie, CAMERA, QUICK).run())


LOST = {
    "error": RuntimeError("CUDA error: unspecified launch failure\nCUDA kernel errors might be..."),
    "class": getattr(torch, "AcceleratorError", RuntimeError)("CUDA error: device-side assert triggered"),
}


@pytest.fixture
def as_if_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the processor be taken for a device that may be lost."""
    for module in ("devices", "training.training"):
        monkeypatch.setattr(f"blinkspot.denoising.{module}.can_be_lost", lambda _: True)


@pytest.mark.usefixtures("as_if_on_a_gpu")
@pytest.mark.parametrize(("name", "at"), [("error", 2), ("class", 35)])
def test_a_lost_gpu_ends_no_training(
    movie: Stack, unharmed: Training, monkeypatch: pytest.MonkeyPatch, name: str, at: int
) -> None:
    lost, error = False, LOST[name]

    def then(faulty: Faulty, _: Any) -> None:
        nonlocal lost
        if faulty.calls == at:
            lost = True
            raise error

    Faulty(monkeypatch, then)
    training = Training(movie, CAMERA, QUICK)
    made = finish(training.run())
    assert lost
    assert made.device.type == "cpu"
    # On the same kind of device, it is what it would have been.
    assert unharmed.best is not None
    assert weights_equal(made, unharmed.best)
    new = [warning for warning in training.warnings if warning not in unharmed.warnings]
    assert len(new) == 1
    assert new[0].startswith(f"The GPU does not answer any more ({str(error).splitlines()[0]})")
    assert len(set(training.warnings)) == len(training.warnings)


def no_gpu_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have torch see a GPU that answers every question with an error, as it is after a CUDA error."""

    def answer(*_: Any, **__: Any) -> Any:
        raise LOST["class"]

    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda *_, **__: torch.device("cuda"))
    for module in (torch.accelerator, torch.cuda):
        for name in ("current_stream", "is_current_stream_capturing", "synchronize", "current_device"):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, answer)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)


@pytest.mark.usefixtures("as_if_on_a_gpu")
def test_steps_on_the_processor_ask_nothing_of_a_gpu_that_is_lost(
    movie: Stack, unharmed: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    def then(faulty: Faulty, _: Any) -> None:
        if faulty.calls == 20:
            no_gpu_answers(monkeypatch)
            raise LOST["class"]

    Faulty(monkeypatch, then)
    made = finish(Training(movie, CAMERA, QUICK).run())
    assert unharmed.best is not None
    assert weights_equal(made, unharmed.best)


@pytest.mark.usefixtures("as_if_on_a_gpu")
def test_what_goes_wrong_on_the_processor_afterwards_is_told(
    movie: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    def then(faulty: Faulty, _: Any) -> None:
        if faulty.calls in (20, 30):
            raise LOST["error"]

    Faulty(monkeypatch, then)
    with pytest.raises(RuntimeError, match="CUDA error"):
        finish(Training(movie, CAMERA, QUICK).run())
