"""What is kept of a training beside the model that it is to make, so that the same command goes on."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from blinkspot.denoising.checkpoint import new_checkpoint_of, read_checkpoint
from blinkspot.denoising.denoiser import Denoiser
from blinkspot.errors import BlinkspotError

# What a model and a checkpoint of one training have in common.
_OF_ONE_TRAINING = ("asked_for", "camera", "source", "seed")


def checkpoint_beside(model: Path) -> Path:
    """Return the file in which the training of a model is kept until it has ended."""
    return model.with_name(f"{model.name}.checkpoint")


def steps_kept(checkpoint: Path) -> int:
    """Return how many steps of a training a checkpoint holds.

    Raises
    ------
    BlinkspotError
        If the file cannot be read, or is no checkpoint.
    """
    numbers, _ = read_checkpoint(checkpoint)
    return int(numbers["state"]["step"])


def discard(checkpoint: Path) -> None:
    """Remove a checkpoint, and what a killed process has left of a new one; what cannot be removed stays."""
    for path in (checkpoint, new_checkpoint_of(checkpoint)):
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def clear_finished(model: Path) -> None:
    """Remove what is left beside a model whose process was killed right after it had named it."""
    checkpoint = checkpoint_beside(model)
    if not os.path.lexists(model):
        return
    if not checkpoint.exists():
        discard(checkpoint)
        return
    with contextlib.suppress(BlinkspotError):
        made, kept = Denoiser.load(model).provenance, read_checkpoint(checkpoint)[0]["best"] or {}
        if made.get("finished") and all(made.get(name) == kept.get(name) for name in _OF_ONE_TRAINING):
            discard(checkpoint)
