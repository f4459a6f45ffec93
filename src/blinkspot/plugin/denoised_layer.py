"""A denoised movie on its way into the viewer."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil  # type: ignore[import-untyped]
from napari.components import ViewerModel
from napari.layers import Image
from numpy.typing import NDArray

from blinkspot.camera import FloatArray
from blinkspot.plugin.live_layer import add_result
from blinkspot.plugin.movies import PROVENANCE, STACK, STACK_DATA, Place, frame_shown
from blinkspot.plugin.session import Session
from blinkspot.plugin.steps import FramesReady
from blinkspot.provenance import provenance
from blinkspot.stack import Stack

if TYPE_CHECKING:  # importing it takes seconds
    from blinkspot.denoising import Denoiser, Estimate

_SHARE_OF_FREE_MEMORY = 0.25


@dataclass(frozen=True)
class FrameRange:
    """Frames from ``start`` to just before ``stop`` of a movie of ``n_frames``."""

    start: int
    stop: int
    n_frames: int

    @property
    def name(self) -> str:
        """What to add to a layer's name: nothing for the whole movie."""
        if (self.start, self.stop) == (0, self.n_frames):
            return ""
        if self.stop == self.start + 1:
            return f" (frame {self.start})"
        return f" (frames {self.start}-{self.stop - 1})"


@dataclass(frozen=True)
class Request:
    """What is to be denoised.

    Attributes
    ----------
    source : Image
        Layer of the noisy movie.
    movie : Stack
        The noisy movie.
    place : Place
        Where it lay when the job began.
    model : Denoiser
        The model to use.
    frames : FrameRange
        The frames to denoise.
    estimate : {"posterior-mean", "map", "blind"}
        Which estimate; see :meth:`blinkspot.denoising.Denoiser.denoise`.
    """

    source: Image
    movie: Stack
    place: Place
    model: Denoiser
    frames: FrameRange
    estimate: Estimate

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the result."""
        return self.frames.stop - self.frames.start, self.movie.height, self.movie.width

    @property
    def name(self) -> str:
        """Name of the result's layer."""
        return f"{self.source.name} denoised{self.frames.name}"

    @property
    def fits_in_memory(self) -> bool:
        """Whether the result may be kept in memory."""
        needed = int(np.prod(self.shape, dtype=np.int64)) * np.dtype(np.float32).itemsize
        return bool(needed <= _SHARE_OF_FREE_MEMORY * psutil.virtual_memory().available)

    @property
    def provenance(self) -> dict[str, Any]:
        """What makes the result."""
        return provenance(
            "denoise",
            camera=self.model.camera,
            settings={
                "estimate": self.estimate,
                "start": self.frames.start,
                "stop": self.frames.stop,
                "units": "adu",
            },
            source=None if self.movie.path is None else self.movie.path.name,
            model=self.model.provenance,
        )


class GrowingLayer:
    """A denoised movie in memory whose frames appear in the viewer as they are done.

    The worker calls :meth:`write`, the window everything else.
    """

    def __init__(self, viewer: ViewerModel, session: Session, request: Request) -> None:
        self._viewer = viewer
        self._session = session
        self._request = request
        self._ready = request.frames.start
        # Zeros that nobody has touched take no memory yet.
        self._data: NDArray[np.float32] = np.zeros(request.shape, np.float32)
        self.layer: Image | None = None

    def write(self, first: int, frames: FloatArray) -> None:
        """Keep denoised frames (n, Y, X), the first of which has the index ``first`` in the movie."""
        start = first - self._request.frames.start
        self._data[start : start + len(frames)] = frames

    def show(self, ready: FramesReady) -> None:
        """Show the frames that are new; the layer appears with the first of them."""
        self._ready = ready.stop
        if self.layer is None:
            self.layer = add_denoised(self._viewer, self._session, self._request, self._data)
        elif ready.start <= frame_shown(self._viewer, self._request.source) < ready.stop:
            self.layer.refresh()

    def cut(self) -> None:
        """Keep only the frames that are done."""
        if self.layer is None or self._ready == self._request.frames.stop:
            return
        done = dataclasses.replace(self._request.frames, stop=self._ready)
        self.layer.data = self._data[: done.stop - done.start].copy()
        self.layer.name = dataclasses.replace(self._request, frames=done).name


def add_denoised(
    viewer: ViewerModel, session: Session, request: Request, data: Any, stack: Stack | None = None
) -> Image:
    """Add the layer of a denoised movie, named after its source and lying where the source lies.

    Parameters
    ----------
    data : array-like, (n, Y, X)
        The frames asked for, ADU.
    stack : Stack, optional
        The file behind ``data``, where there is one.
    """
    metadata: dict[str, Any] = {PROVENANCE: request.provenance}
    if stack is not None:
        metadata |= {STACK: stack, STACK_DATA: data}
    where = request.place.of_frames(request.frames.start)
    layer = add_result(viewer, request.source, data, request.name, "denoised", where, **metadata)
    session.add_denoised(request.source, layer)
    return layer
