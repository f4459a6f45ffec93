"""Trained models, kept in a folder: what took hours is not done twice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from blinkspot import Camera, Denoiser, Stack, Training, TrainingSettings
from blinkspot.camera import FloatArray
from blinkspot.denoising.noise import Estimate
from blinkspot.progress import finish

from ..trainings import measured


@dataclass(frozen=True)
class Trained:
    """A model, and what its training cost.

    Attributes
    ----------
    model : Denoiser
    steps : int
        Training steps of the model kept.
    settled : bool
        Whether the training ended by itself.
    cpu_s : float
        Processor seconds, all threads.
    """

    model: Denoiser
    steps: int
    settled: bool
    cpu_s: float


@dataclass(frozen=True)
class Models:
    """Trains a model for each movie, or takes it from the folder.

    Attributes
    ----------
    folder : Path
        Where models are kept.
    minutes : float or None
        The longest training; None: until the loss has settled, or some 10,000 steps.
    seed : int
    device : str
        Where to train.
    """

    folder: Path
    minutes: float | None
    seed: int
    device: str

    def trained(self, name: str, movie: Stack, camera: Camera, **settings: Any) -> Trained:
        """Train on a movie with those :class:`TrainingSettings`, besides time limit, seed and device.

        Two movies of one name are taken for the same.
        """
        parts = [name, *(f"{setting}={value}" for setting, value in sorted(settings.items()))]
        path = self.folder / f"{' '.join(parts).replace('/', ' ')}.blinkspot"
        if path.exists():
            model = Denoiser.load(path)
            how = model.provenance["benchmark"]
            return Trained(model, int(model.provenance["steps"]), how["settled"], how["cpu_s"])
        chosen = TrainingSettings(
            **{"minutes": self.minutes, "seed": self.seed, "device": self.device, **settings}
        )
        training = Training(movie, camera, chosen)
        with measured() as cost:
            model = finish(training.run())
        model.provenance["benchmark"] = {"settled": training.settled, "cpu_s": cost.cpu_s}
        model.save(path)
        return Trained(model, int(model.provenance["steps"]), training.settled, cost.cpu_s)


def denoised(movie: Stack, model: Denoiser, estimate: Estimate = "posterior-mean") -> FloatArray:
    """Denoise a whole movie; photoelectrons, (T, Y, X)."""
    return np.concatenate([chunk.frames for chunk in model.denoise(movie, estimate=estimate)])
