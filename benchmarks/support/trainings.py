"""Trained models, each trained once though several rows of a table ask for it, and what they cost."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blinkspot import Camera, Denoiser, LocalizationTable, Stack, Training, TrainingSettings, as_stack
from blinkspot.camera import FloatArray
from blinkspot.evaluation import SimulationSettings, simulate
from blinkspot.progress import finish


def use_threads(count: int) -> None:
    """Have torch compute with so many threads, which wait as blinkspot tells them to."""
    import torch  # after blinkspot: torch's threads learn how to wait when it is loaded

    torch.set_num_threads(count)


@dataclass
class Cost:
    """Processor seconds (all threads of this process) and seconds of a block of code."""

    cpu_s: float = 0.0
    wall_s: float = 0.0


@contextmanager
def measured() -> Iterator[Cost]:
    """Measure what the block costs."""
    cost = Cost()
    cpu, wall = time.process_time(), time.perf_counter()
    yield cost
    cost.cpu_s, cost.wall_s = time.process_time() - cpu, time.perf_counter() - wall


@dataclass(frozen=True)
class Movie:
    """A movie with truth.

    Attributes
    ----------
    name : str
        Its name; two movies of one name are the same.
    stack : Stack
        As recorded, ADU.
    settings : SimulationSettings
        What it was simulated with.
    truth : LocalizationTable
        Its molecules.
    clean : (T, Y, X) float
        The expectation, photoelectrons.
    """

    name: str
    stack: Stack
    settings: SimulationSettings
    truth: LocalizationTable
    clean: NDArray[np.floating]

    @property
    def camera(self) -> Camera:
        """The camera that recorded it."""
        return self.settings.camera

    @property
    def noisy(self) -> FloatArray:
        """The movie as recorded, photoelectrons."""
        return self.camera.photoelectrons(self.stack.frames(0, self.stack.n_frames))


@dataclass(frozen=True)
class Denoised:
    """A movie denoised, with the model that did it and the cost of its training.

    Attributes
    ----------
    frames : (T, Y, X) float32
        Photoelectrons.
    """

    frames: FloatArray
    model: Denoiser
    cost: Cost

    @property
    def steps(self) -> int:
        """Training steps of the model kept."""
        return int(self.model.provenance["steps"])


@dataclass
class Trainings:
    """Trains models of one time limit and seed, and keeps what they made of their movies."""

    minutes: float
    seed: int
    made: dict[Any, Denoised] = field(default_factory=dict)

    def denoised(self, movie: Movie, **settings: Any) -> Denoised:
        """Train on a movie with those :class:`TrainingSettings` and denoise it."""
        key = (movie.name, *sorted(settings.items()))
        if key not in self.made:
            chosen = TrainingSettings(minutes=self.minutes, seed=self.seed, **settings)
            with measured() as cost:
                model = finish(Training(movie.stack, movie.camera, chosen).run())
            frames = np.concatenate([chunk.frames for chunk in model.denoise(movie.stack)])
            self.made[key] = Denoised(frames, model, cost)
        return self.made[key]


def simulated(name: str, settings: SimulationSettings) -> Movie:
    """Simulate a movie and keep all of it."""
    noisy: list[NDArray[np.uint16]] = []
    clean: list[NDArray[np.float32]] = []
    steps = simulate(settings)
    while True:
        try:
            chunk = next(steps)
        except StopIteration as stop:
            return Movie(name, as_stack(np.concatenate(noisy)), settings, stop.value, np.concatenate(clean))
        noisy.append(chunk.frames)
        clean.append(chunk.expectation)
