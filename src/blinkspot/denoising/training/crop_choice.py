"""Which crops a training learns from, and with how many neighbouring frames."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Generator

import numpy as np
import torch

from blinkspot.camera import Camera
from blinkspot.denoising.batches import CropSource, light_of
from blinkspot.denoising.frames import ChosenFrames, choose_frames
from blinkspot.denoising.prior import InputScaling, PriorNetwork
from blinkspot.denoising.settings import MAX_CONTEXT_FRAMES, TrainingSettings
from blinkspot.denoising.training.context_choice import choose_context
from blinkspot.denoising.training.learner import Learner
from blinkspot.denoising.training.new_network import untrained_network
from blinkspot.denoising.workers import Workers
from blinkspot.movies.stack import Stack
from blinkspot.progress import Progress

# The small network that tells how many context frames help.
_PROBE_CHANNELS = 8
_PROBE_CROP_PX = 32
_PROBE_CROPS = 16
_PROBE_SHARE = 0.15  # of the minutes that a training may last


def choose_crops(
    movie: Stack,
    camera: Camera,
    settings: TrainingSettings,
    used: TrainingSettings,
    workers: Workers,
    device: torch.device,
) -> Generator[Progress, None, tuple[CropSource, int]]:
    """Choose the frames to learn from, and the context frames unless they are decided.

    Parameters
    ----------
    movie : Stack
        Noisy movie.
    camera : Camera
        That recorded it.
    settings, used : TrainingSettings
        As asked for, and with what is decided by now.
    workers : Workers
        On that device.
    device : torch.device
        Where the network learns.

    Returns
    -------
    CropSource
    int
        Context frames on each side.

    Raises
    ------
    BlinkspotError
        If the movie cannot be used.
    """
    most = min(MAX_CONTEXT_FRAMES, (movie.n_frames - 1) // 2)
    context = used.context_frames
    chosen = yield from choose_frames(movie, settings, most if context is None else context)
    region = settings.region_px
    of_crops = camera if region is None else camera.window(*region)
    if context is None:
        context = 0
        if most > 0:
            context = yield from _probed(movie, of_crops, settings, used, chosen, most, workers, device)
    return CropSource(chosen, movie.n_frames, of_crops, settings, context), context


def _probed(
    movie: Stack,
    camera: Camera,
    settings: TrainingSettings,
    used: TrainingSettings,
    chosen: ChosenFrames,
    most: int,
    workers: Workers,
    device: torch.device,
) -> Generator[Progress, None, int]:
    """Let a small network tell how many context frames help."""
    settings = dataclasses.replace(settings, crop_size_px=_PROBE_CROP_PX, batch_size=_PROBE_CROPS)
    source = CropSource(chosen, movie.n_frames, camera, settings, most)
    sample = light_of(torch.cat(source.validation_batches(np.random.default_rng(settings.seed))), most)
    probe = dataclasses.replace(
        used, network="dilated", context_frames=most, channels=_PROBE_CHANNELS, components=1
    )
    model = PriorNetwork(untrained_network(probe), InputScaling.of(sample))
    learner = Learner(on_device(model, device), workers)
    limit_s = math.inf if settings.minutes is None else _PROBE_SHARE * 60.0 * settings.minutes
    return (yield from choose_context(source, learner, settings.seed, limit_s))


def on_device(model: PriorNetwork, device: torch.device) -> PriorNetwork:
    """Move a model to where it is to learn."""
    return model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]
