"""Denoising that runs out of memory, or loses its GPU, midway."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch

from blinkspot.camera import Camera
from blinkspot.denoising import Denoiser, frame_stream
from blinkspot.denoising.frame_stream import FrameStream
from blinkspot.denoising.networks import build_network
from blinkspot.denoising.prior import InputScaling, PriorNetwork, outputs_for
from blinkspot.errors import BlinkspotError
from blinkspot.hardware_faults import is_lost_gpu, is_out_of_memory
from blinkspot.movies.stack import as_stack

CAMERA = Camera(offset_adu=100.0, electrons_per_adu=1.0)
MOVIE = as_stack(np.random.default_rng(2).poisson(20.0, (12, 96, 80)).astype(np.uint16) + 100)
LOST = RuntimeError("CUDA error: unspecified launch failure\nCompile with `TORCH_USE_CUDA_DSA`")


def denoiser() -> Denoiser:
    """Return a small model that nobody has trained: what it estimates is of no matter here."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = build_network("dilated", 1, 4, 0, outputs_for(1))
        light = 20.0 + torch.rand(2, 8, 8)
    model = PriorNetwork(network, InputScaling.of(light), 1)
    return Denoiser(model, "dilated", CAMERA, {})


def all_frames(model: Denoiser) -> np.ndarray:
    chunks = [chunk for chunk in model.denoise(MOVIE) if len(chunk.frames)]
    assert [chunk.start for chunk in chunks] == np.cumsum([0, *(len(c.frames) for c in chunks)])[:-1].tolist()
    fractions = [chunk.progress.fraction for chunk in model.denoise(MOVIE)]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    return np.concatenate([chunk.frames for chunk in chunks])


@pytest.mark.parametrize("error", [MemoryError(), torch.cuda.OutOfMemoryError("CUDA out of memory")])
@pytest.mark.parametrize(("most_pixels", "after"), [(40_000, 0), (9_000, 0), (9_000, 1)])
def test_with_little_memory_parts_are_smaller_and_the_result_the_same(
    monkeypatch: pytest.MonkeyPatch, error: Exception, most_pixels: int, after: int
) -> None:
    expected = all_frames(denoiser())
    calls = 0
    computed = FrameStream._computed

    def cramped(stream: FrameStream, of_prior: Any, part: Any) -> Any:
        nonlocal calls
        calls += 1
        _, _, height, width = part.counts.shape
        if calls > after and len(part.counts) * height * width > most_pixels:
            raise error
        return computed(stream, of_prior, part)

    monkeypatch.setattr(FrameStream, "_computed", cramped)
    monkeypatch.setitem(frame_stream._PIXELS_AT_ONCE, "cpu", 45_000)
    np.testing.assert_allclose(all_frames(denoiser()), expected, rtol=2e-2)
    np.testing.assert_array_less(np.abs(all_frames(denoiser()) / expected - 1).mean(), 2e-3)


def test_without_memory_for_the_smallest_part_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def cramped(*_: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(FrameStream, "_computed", cramped)
    with pytest.raises(BlinkspotError) as told:
        all_frames(denoiser())
    assert str(told.value).startswith(
        "There is not enough memory to denoise the movie, not even in parts of "
    )
    assert str(told.value).endswith("close other programs, or choose another device.")


@pytest.mark.parametrize("at", [1, 4])
def test_a_lost_gpu_is_told_once_and_the_processor_goes_on(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    monkeypatch.setitem(frame_stream._PIXELS_AT_ONCE, "cpu", 2 * 96 * 80)
    expected = all_frames(denoiser())
    # The processor stands for a device that may be lost, and what is on it cannot be had afterwards.
    monkeypatch.setattr("blinkspot.denoising.devices.can_be_lost", lambda _: True)
    model = denoiser()
    on_gpu, calls = model._model, 0

    def lost(*_: Any) -> None:
        nonlocal calls
        calls += 1
        if calls >= at:
            raise LOST

    on_gpu.register_forward_pre_hook(lost)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(all_frames(model), expected)
    (told,) = model.warnings
    assert told.startswith(
        "The GPU does not answer any more (CUDA error: unspecified launch failure): the work"
    )
    assert model._model is not on_gpu
    assert model.digest() == denoiser().digest()
    assert model.on_processor().digest() == denoiser().digest()


def test_an_error_of_the_gpu_is_no_lost_gpu_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    model = denoiser()
    model._model.register_forward_pre_hook(lambda *_: (_ for _ in ()).throw(LOST))
    with pytest.raises(RuntimeError, match="CUDA error"):
        all_frames(model)
    assert model.warnings == []


@pytest.mark.parametrize(
    ("error", "memory", "gpu"),
    [
        (MemoryError(), True, False),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes."), True, False),
        (RuntimeError("CUDA error: out of memory"), True, False),
        (RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"), True, False),
        (RuntimeError("cuBLAS error: CUBLAS_STATUS_ALLOC_FAILED"), True, False),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), False, True),
        (LOST, False, True),
        (RuntimeError("shape mismatch"), False, False),
        (ValueError("CUDA error"), False, False),
        (OSError("out of memory"), False, False),
    ],
)
def test_errors_of_the_machine_are_told_from_ours(error: Exception, memory: bool, gpu: bool) -> None:
    assert (is_out_of_memory(error), is_lost_gpu(error)) == (memory, gpu)
