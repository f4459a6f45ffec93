"""What the Denoise dock has done in another thread to denoise into a file, which goes on after a break."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blinkspot.movies.stack import Stack, open_stack
from blinkspot.plugin import backend
from blinkspot.plugin.denoise import denoising_steps
from blinkspot.plugin.denoise.denoising_steps import DenoisingTask


@dataclass(frozen=True)
class Begun:
    """The file has been opened; ``note`` says what happened to what there was of it."""

    note: str


class IntoFile:
    """A task whose result goes into a new file.

    Parameters
    ----------
    task : DenoisingTask
        What is done.
    path : Path
        The file, TIFF or zarr store.

    Attributes
    ----------
    kept : str
        After an early end: how much is kept, in a sentence; empty where nothing is.
    """

    def __init__(self, task: DenoisingTask, path: Path) -> None:
        self.task = task
        self.path = path
        self.kept = ""

    def run(self) -> Generator[Any, None, Stack]:
        """Denoise; yield progress, warnings and, once, :class:`Begun`.

        Returns
        -------
        Stack
            The file, opened lazily.
        """
        denoising = yield from backend.loading()
        task = self.task
        yield from denoising_steps.check(task)
        file = denoising.DenoisedFile(
            task.model, task.movie, self.path, task.estimate, start=task.start, stop=task.stop
        )
        try:
            with file:
                yield Begun(file.note)
                yield from denoising_steps.look_at_likeness(task)
                yield from denoising_steps.with_warnings(task.model, file.denoise())
        finally:
            self.kept = file.kept
        return open_stack(self.path)
