"""Frames that napari can show before they are there."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray
from psygnal import Signal

from blinkspot.camera import FloatArray
from blinkspot.errors import BlinkspotError
from blinkspot.movies.lazy_frames import LazyFrames
from blinkspot.plugin import backend

if TYPE_CHECKING:  # importing it takes seconds
    from blinkspot.denoising import DenoisedFrames


class WindowFrames(LazyFrames):
    """Denoised frames, computed when read; but the window's thread never waits, and reads what there is.

    There, a frame that is still to come is NaN, which napari draws as nothing: over its movie one sees the
    noisy frame until then. That is the right frame, and no denoised one. The picture before, held for as
    long as the new one takes, would be a smoother sight, but of another frame than the slider says, and so
    would be its values under the mouse and in whatever is computed from it.

    To be made in the window's thread.

    Parameters
    ----------
    frames : DenoisedFrames
        What computes them.

    Attributes
    ----------
    is_awaited : bool
        Whether the frame that the window's thread has read last was still to come.

    Signals
    -------
    looked_at : int, bool
        The window's thread has read a frame, and whether it was there.
    many_looked_at : None
        It has read several at once.
    """

    looked_at = Signal(int, bool)
    many_looked_at = Signal()

    def __init__(self, frames: DenoisedFrames) -> None:
        super().__init__(frames.shape, frames.dtype)
        self.computed = frames
        self.is_awaited = False
        self._window = threading.get_ident()

    def read(self, start: int, stop: int) -> FloatArray:
        """Return frames (n, Y, X): computed in a worker's thread, what there is of them in the window's."""
        if threading.get_ident() != self._window:
            backend.denoising()
            return self.computed.read(start, stop)
        if stop == start + 1:
            found = self.computed.cached(start)
            self.is_awaited = found is None
            self.looked_at.emit(start, found is not None)
            return self._what_there_is(start, stop) if found is None else found[None].copy()
        self.many_looked_at.emit()
        return self._what_there_is(start, stop)

    def _what_there_is(self, start: int, stop: int) -> FloatArray:
        nothing = np.float32(np.nan)
        shape = (stop - start, *self.shape[1:])
        if stop - start > self.computed.frames_kept:
            # As large as the movie: it may not fit into memory.
            return np.broadcast_to(nothing, shape)
        frames = np.full(shape, nothing)
        for index in range(start, stop):
            frame = self.computed.cached(index)
            if frame is not None:
                frames[index - start] = frame
        return frames

    def check_whole(self) -> None:
        """Check that whoever reads frames gets them all, whether they were looked at or not.

        Raises
        ------
        BlinkspotError
            In the window's thread: what is not computed yet must not get into a file, say.
        """
        if threading.get_ident() == self._window:
            raise BlinkspotError(
                "Only the frames that were looked at are denoised: save the movie with the Denoise dock's "
                "button, which computes all of them, or denoise 'All frames' there."
            )

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """Compute everything; in the window's thread, where that would take too long, refuse.

        Raises
        ------
        BlinkspotError
            See :meth:`check_whole`.
        """
        self.check_whole()
        return super().__array__(dtype, copy)

    def __deepcopy__(self, memo: object) -> Self:
        """Return the same frames: napari's copy of a layer shares what is computed."""
        return self
