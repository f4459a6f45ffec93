"""What is kept of a training beside the model that it is to make, so that the same command goes on."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from pathlib import Path
from typing import Any

from blinkspot.camera import Camera
from blinkspot.denoising.denoiser import Denoiser
from blinkspot.denoising.settings import MAX_CONTEXT_FRAMES, TrainingSettings
from blinkspot.denoising.training.checkpoint import new_checkpoint_of, read_checkpoint, read_same_training
from blinkspot.denoising.training.new_network import untrained_network
from blinkspot.errors import BlinkspotError

# Weights, their average, two moments and the best model; the old file stays until the new one is whole.
_WEIGHTS_IN_CHECKPOINTS = 2 * 5


def checkpoint_beside(model: Path) -> Path:
    """Return the file in which the training of a model is kept until it has ended."""
    return model.with_name(f"{model.name}.checkpoint")


def room_bytes(used: TrainingSettings, camera: Camera) -> int:
    """Return the room on the disk that a model and its checkpoint take, at most."""
    context_frames = MAX_CONTEXT_FRAMES if used.context_frames is None else used.context_frames
    radius = used.blind_spot_radius_px or 0
    network = untrained_network(
        dataclasses.replace(used, context_frames=context_frames, blind_spot_radius_px=radius)
    )
    weights = sum(weight.numel() * weight.element_size() for weight in network.parameters())
    maps = 0 if camera.maps is None else camera.maps.as_array().nbytes
    return maps + weights * (1 + _WEIGHTS_IN_CHECKPOINTS)


def steps_kept(checkpoint: Path, identity: dict[str, Any]) -> int:
    """Return how many steps of the training of that identity a checkpoint holds.

    Raises
    ------
    BlinkspotError
        If the file cannot be read, or is no checkpoint of that training.
    """
    numbers, _ = read_same_training(checkpoint, identity)
    try:
        return int(numbers["state"]["step"])
    except (KeyError, OverflowError, TypeError, ValueError) as error:
        raise BlinkspotError(
            f"The checkpoint {checkpoint} is damaged: move it away, or begin anew by --restart."
        ) from error


def discard(checkpoint: Path) -> None:
    """Remove a checkpoint, and what a killed process has left of a new one; what cannot be removed stays."""
    for path in (checkpoint, new_checkpoint_of(checkpoint)):
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def discard_checkpoint_of_finished(model: Path) -> None:
    """Discard a checkpoint beside the model it has become: its process was killed right after naming that."""
    if not model.is_file():
        return
    checkpoint = checkpoint_beside(model)
    if not checkpoint.exists():
        discard(checkpoint)
        return
    # What is damaged is not taken for that model's.
    with contextlib.suppress(BlinkspotError, AttributeError, KeyError, TypeError, ValueError):
        denoiser, (kept, _) = Denoiser.load(model), read_checkpoint(checkpoint)
        made = {**denoiser.provenance, "camera": denoiser.camera.identity()}
        asked_for = json.loads(json.dumps(TrainingSettings(**kept["settings"]).chosen))
        # The last of these, a measured number, tells one movie from another.
        names = ("finished", "asked_for", "camera", "noise_ratio")
        if [made[name] for name in names] == [True, asked_for, kept["camera"], kept["noise_ratio"]]:
            discard(checkpoint)
