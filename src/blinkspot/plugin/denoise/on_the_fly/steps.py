"""What denoising on the fly does in another thread. Nothing here knows Qt or a layer."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blinkspot.camera import FloatArray
from blinkspot.errors import BlinkspotError
from blinkspot.plugin import backend
from blinkspot.plugin.denoise import denoising_steps
from blinkspot.plugin.denoise.denoising_steps import DenoisingTask, DenoisingWarning
from blinkspot.progress import Progress

if TYPE_CHECKING:  # importing it takes seconds
    from blinkspot.denoising import DenoisedFrames


@dataclass(frozen=True)
class Prepared:
    """The frames of a movie, ready to be computed, and the one (Y, X) that was looked at first."""

    frames: DenoisedFrames
    first: FloatArray


def begin(task: DenoisingTask, index: int) -> Generator[Progress | DenoisingWarning, None, Prepared]:
    """Do what :func:`prepare` does; warn where the model has not learned a movie like this one."""
    prepared = yield from prepare(task, index)
    # A frame that cannot be read says so once somebody looks at it.
    with contextlib.suppress(BlinkspotError):
        yield from denoising_steps.look_at_likeness(task)
    return prepared


def prepare(task: DenoisingTask, index: int) -> Generator[Progress, None, Prepared]:
    """Check that a model fits a movie, and compute the first frame that is looked at.

    Parameters
    ----------
    task : DenoisingTask
        Of all frames.
    index : int
        The frame that the viewer shows.

    Raises
    ------
    BlinkspotError
        If the model does not fit, or the frame cannot be computed.
    """
    denoising = yield from backend.loading()
    yield from denoising_steps.check(task)
    frames: DenoisedFrames = denoising.DenoisedFrames(task.model, task.movie, task.estimate)
    yield from frames.compute(index)
    return Prepared(frames, frames[index])


def compute(frames: DenoisedFrames, index: int, cores_left: int) -> Generator[Progress, None, None]:
    """Compute a frame.

    Parameters
    ----------
    cores_left : int
        How many cores to leave to others; none for a frame that the window waits for.
    """
    backend.denoising(cores_left)
    yield from frames.compute(index)
