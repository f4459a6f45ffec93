"""A denoised movie on its way into the viewer."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image
from numpy.typing import NDArray

from blinkspot.camera import FloatArray
from blinkspot.movies.stack import Stack
from blinkspot.plugin.denoise.denoising_steps import DenoisingTask, FramesReady
from blinkspot.plugin.jobs.notify import warn
from blinkspot.plugin.layers.lineage import Ancestor
from blinkspot.plugin.layers.live_layer import add_result
from blinkspot.plugin.layers.movies import (
    DONE,
    PROVENANCE,
    ROLE,
    STACK,
    STACK_DATA,
    UNIT,
    Place,
    contrast_limits,
    frame_shown,
    stack_of,
    why_not_a_movie,
)
from blinkspot.plugin.layers.redrawing import redraw
from blinkspot.plugin.session import Session


@dataclass(frozen=True)
class Request:
    """A task of the Denoise dock.

    Attributes
    ----------
    source : Image
        Layer of the noisy movie.
    place : Place
        Where it lay when the job began.
    task : DenoisingTask
        What is done.
    on_the_fly : bool
        Whether a frame is computed when one looks at it.
    """

    source: Image
    place: Place
    task: DenoisingTask
    on_the_fly: bool = False

    @property
    def name(self) -> str:
        """Name of the result's layer."""
        what = "posterior variance" if self.task.is_variance else "denoised"
        frames = " (as you look)" if self.on_the_fly else self.task.frames_text
        return f"{self.source.name} {what}{frames}"


def tell_if_other(request: Request, layer: Image) -> None:
    """Warn where the movie was given other data while it was denoised: the result is none of these."""
    source, movie = request.source, request.task.movie
    if why_not_a_movie(source) is not None or stack_of(source).data is not movie.data:
        warn(
            f"{source.name!r} was given other data while it was denoised: {layer.name!r} is of what it held "
            "before. Denoise it again."
        )


class GrowingLayer:
    """A denoised movie in memory whose frames appear in the viewer as they are done.

    The worker calls :meth:`write`, the window everything else.
    """

    def __init__(self, viewer: ViewerModel, session: Session, request: Request) -> None:
        self._viewer = viewer
        self._session = session
        self._request = request
        self._ready = request.task.start
        # Zeros that nobody has touched take no memory yet.
        self._data: NDArray[np.float32] = np.zeros(request.task.shape, np.float32)
        self._name = ""  # that the layer was given
        self.layer: Image | None = None

    def write(self, first: int, frames: FloatArray) -> None:
        """Keep denoised frames (n, Y, X), the first of which has the index ``first`` in the movie."""
        start = first - self._request.task.start
        self._data[start : start + len(frames)] = frames

    def show(self, ready: FramesReady) -> None:
        """Show the frames that are new; the layer appears with the first of them."""
        self._ready = ready.stop
        if self.layer is None:
            done = Stack(self._data[: ready.stop - self._request.task.start])
            more = None if self._is_whole else done.n_frames
            self.layer = add_denoised(
                self._viewer, self._session, self._request, self._data, done, done_so_far=more
            )
            self._name = self.layer.name
            return
        self._count()
        if ready.start <= frame_shown(self._viewer, self._request.source) < ready.stop:
            redraw(self.layer)

    @property
    def _is_whole(self) -> bool:
        return self._ready == self._request.task.stop

    def _count(self) -> None:
        """Have it known of the layer how many frames are there, as long as others are still to come."""
        assert self.layer is not None
        if self._is_whole:
            self.layer.metadata.pop(DONE, None)
        else:
            self.layer.metadata[DONE] = self._ready - self._request.task.start

    def cut(self) -> None:
        """Keep only the frames that are done, and say so in the name, unless the user has given another."""
        task = self._request.task
        if self.layer is None or self._is_whole:
            return
        self.layer.metadata.pop(DONE, None)
        done = dataclasses.replace(task, stop=self._ready)
        self.layer.data = self._data[: done.shape[0]].copy()
        if self.layer.name == self._name:
            self.layer.name = dataclasses.replace(self._request, task=done).name
        self.layer.metadata[PROVENANCE] = done.provenance


def add_denoised(
    viewer: ViewerModel,
    session: Session,
    request: Request,
    data: Any,
    done: Stack,
    stack: Stack | None = None,
    done_so_far: int | None = None,
) -> Image:
    """Add the layer of a denoised movie, named after its source and lying where the source lies.

    A variance is no movie: it is displayed by itself, and no dock offers it.

    Parameters
    ----------
    data : array-like, (n, Y, X)
        The frames asked for, ADU (a variance: ADU squared).
    done : Stack
        Those of them that there are; a variance is displayed accordingly.
    stack : Stack, optional
        The file behind ``data``, where there is one.
    done_so_far : int, optional
        How many frames there are, where the others are still to come.
    """
    metadata: dict[str, Any] = {PROVENANCE: request.task.provenance}
    if done_so_far is not None:
        metadata[DONE] = done_so_far
    if stack is not None:
        metadata |= {STACK: stack, STACK_DATA: data}
    where = request.place.of_frames(request.task.start)
    if request.task.is_variance:
        metadata |= {ROLE: "variance", UNIT: "ADU^2"}
        session.comparison.restore()
        layer: Image = viewer.add_image(
            data,
            name=request.name,
            contrast_limits=contrast_limits(done),
            colormap="viridis",
            metadata=metadata,
            **where,
        )
        session.lineage.set_source(layer, Ancestor(request.source))
        return layer
    metadata[UNIT] = "ADU"
    layer = add_result(viewer, request.source, data, request.name, "denoised", where, **metadata)
    session.add_denoised(request.source, layer)
    return layer
