"""Computes what the window looks at: the newest frame first, what is left behind not at all."""

from __future__ import annotations

import weakref
from functools import partial
from typing import TYPE_CHECKING

from napari.layers import Image
from qtpy.QtCore import QObject, QTimer

from blinkspot.plugin.comparing.of_viewer import OfViewer
from blinkspot.plugin.denoise.on_the_fly import steps
from blinkspot.plugin.denoise.on_the_fly.sign import WaitingSign
from blinkspot.plugin.denoise.on_the_fly.window_frames import WindowFrames
from blinkspot.plugin.jobs.latest_only import LatestOnly
from blinkspot.plugin.jobs.notify import tell, tell_error
from blinkspot.plugin.layers.movies import frame_index
from blinkspot.plugin.layers.redrawing import redraw
from blinkspot.plugin.widgets.following import follow

if TYPE_CHECKING:  # importing the first takes seconds
    from blinkspot.denoising import DenoisedFrames
    from blinkspot.plugin.session import Session

_BLOCKS_AHEAD = 2
_REST_MS = 50
"""How long nothing is done before frames are computed ahead: what was waited for is drawn first."""


class FrameComputer(QObject):
    """Computes the frames of a layer that napari asks for, and shows them when they are there.

    At most one computation runs; it is dropped, within a part of a frame, when another frame is looked at.
    While nothing is waited for, and no dock is at work, the next frames in the direction of the slider are
    computed ahead, with one core left to the window.

    Parameters
    ----------
    viewer : OfViewer
    session : Session
        Its parent: it must not keep the frames alive, but be there for as long as they are.
    frames : WindowFrames
        Data of a layer, or of several: napari's copies of a layer share it.
    """

    def __init__(self, viewer: OfViewer, session: Session, frames: WindowFrames) -> None:
        super().__init__(session)
        self._viewer = viewer
        self._session = session
        self._frames = weakref.ref(frames)
        self._in_hand: int | None = None  # the first frame of the block that is computed
        self._is_awaited = False
        # Where layers show nothing yet; several where they lie at different times.
        self._missing: set[int] = set()
        self._at = -1
        self._step = 1
        self._told = ""
        self._told_of: int | None = None  # the first frame of the block that it was told of
        self._has_told_of_many = False
        self._sign = WaitingSign(viewer(), self)
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST_MS)
        self._rest.timeout.connect(self._go_ahead)
        self._computing = LatestOnly(self)
        self._computing.answered.connect(self._on_computed)
        self._computing.failed.connect(self._on_failed)
        frames.looked_at.connect(self._on_looked_at)
        frames.many_looked_at.connect(self._on_many_looked_at)
        follow(self, viewer().layers.events.removed, self._on_removed)
        follow(self, viewer().layers.events.inserted, self._on_inserted)

    def _layers(self) -> list[Image]:
        frames = self._frames()
        return [layer for layer in self._viewer().layers if isinstance(layer, Image) and layer.data is frames]

    def _on_looked_at(self, index: int, is_there: bool) -> None:
        # What is left behind, and what was only read, is not computed.
        self._missing &= {frame_index(self._viewer(), layer) for layer in self._layers()}
        if index != self._at:
            self._step = 1 if index > self._at else -1
            self._at = index
        # It may have come since it was read, and another layer may find it there: who found nothing still has
        # to be shown it.
        if not is_there:
            self._missing.add(index)
        self._has_told_of_many = False
        self._go_on()

    def _go_on(self) -> None:
        """Compute the frame that is looked at, else one ahead, else nothing any more."""
        frames = self._frames()
        target = None if frames is None else self._target(frames.computed)
        if frames is None or target is None:
            self._drop()
            return
        block = frames.computed.block_of(target)
        self._is_awaited = not self._missing.isdisjoint(block)
        if self._is_awaited:
            self._rest.stop()
            self._sign.begin(f"Denoising frame {target}...")
            self._begin(frames.computed, target, cores_left=0)
        elif block.start != self._in_hand:
            self._drop()
            self._rest.start()

    def _go_ahead(self) -> None:
        frames = self._frames()
        target = None if frames is None else self._target(frames.computed)
        if frames is not None and target is not None and not self._is_awaited:
            self._begin(frames.computed, target, cores_left=1)

    def _begin(self, frames: DenoisedFrames, index: int, cores_left: int) -> None:
        first = frames.block_of(index).start
        if first != self._in_hand:
            self._in_hand = first
            self._computing.ask_job(partial(steps.compute, frames, index, cores_left))

    def _target(self, frames: DenoisedFrames) -> int | None:
        if self._missing:
            return self._at if self._at in self._missing else next(iter(self._missing))
        block = frames.block_of(self._at)
        # Never so many that one of them pushes out what is looked at.
        has_room = frames.frames_kept >= min(len(frames), (_BLOCKS_AHEAD + 2) * len(block))
        for _ in range(_BLOCKS_AHEAD if has_room and not self._session.is_busy else 0):
            ahead = block.stop if self._step > 0 else block.start - 1
            if not 0 <= ahead < len(frames):
                break
            if frames.cached(ahead) is None:
                return ahead
            block = frames.block_of(ahead)
        return None

    def _drop(self) -> None:
        self._rest.stop()
        self._sign.end()
        self._computing.forget()
        self._in_hand = None

    def _on_computed(self, _: object) -> None:
        frames, first = self._frames(), self._in_hand
        self._in_hand = None
        if frames is None or first is None or not self._is_awaited:
            self._go_on()
            return
        self._missing.difference_update(frames.computed.block_of(first))
        if first == self._told_of:
            self._told = ""  # what was amiss is mended, and may be amiss again
        self._sign.end()
        for layer in self._layers():
            redraw(layer)
        # The value under the mouse is another, though the mouse has not moved.
        cursor = self._viewer().cursor
        cursor.events.position(value=cursor.position)

    def _on_failed(self, error: Exception) -> None:
        first, self._in_hand = self._in_hand, None
        self._sign.end()
        if self._is_awaited and str(error) != self._told:
            self._told, self._told_of = str(error), first
            tell_error(error, "Denoising on the fly")

    def _on_many_looked_at(self) -> None:
        layers = self._layers()
        if layers and not self._has_told_of_many:
            self._has_told_of_many = True
            tell(
                f"{layers[0].name!r} is denoised frame by frame, as one looks at them: this view of many "
                "frames at once has only those that were looked at. Choose 'All frames' to denoise the rest."
            )

    def _on_removed(self, event: object) -> None:
        if not self._layers():
            self._drop()

    def _on_inserted(self, event: object) -> None:
        # napari does not read again what is put back.
        if self._missing and self._layers():
            self._go_on()
