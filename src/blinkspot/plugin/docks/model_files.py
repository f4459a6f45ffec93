"""Models of files, read and written in another thread. Nothing here knows Qt or a layer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from blinkspot.plugin import backend

if TYPE_CHECKING:  # importing it imports torch, which takes seconds
    from blinkspot.denoising import Denoiser


def load_model(path: Path) -> Denoiser:
    """Load a model file."""
    model: Denoiser = backend.denoising().Denoiser.load(path)
    return model


def save_model(model: Denoiser, path: Path) -> Path:
    """Save a model as a new file."""
    model.save(path)
    return path
