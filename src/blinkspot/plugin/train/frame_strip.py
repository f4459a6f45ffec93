"""The signal of a movie's frames over time, with those that a denoiser learns from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyqtgraph
from napari.components import ViewerModel
from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QWidget

from blinkspot.plugin.widgets.themed_plot import BLUE, ORANGE, ThemedPlot

if TYPE_CHECKING:  # importing it takes seconds
    from blinkspot.denoising import FrameSignals

_HEIGHT_PX = 50
_STEPS: dict[int, int] = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}


class FrameStrip(ThemedPlot):
    """Shows the signal of frames, and a range of them that the user drags.

    Signals
    -------
    dragged : (int, int)
        The user has let go of the range: its first and its last frame.
    """

    dragged = Signal(int, int)

    def __init__(self, viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(viewer, _HEIGHT_PX, parent)
        self._n_frames = 0
        self._all = self.plot.plot(pen=pyqtgraph.mkPen(BLUE, width=1))
        self._chosen = self.plot.plot(pen=None, symbol="o", symbolSize=4, symbolPen=None, symbolBrush=ORANGE)
        self.range = pyqtgraph.LinearRegionItem(
            brush=f"{ORANGE}20", pen=pyqtgraph.mkPen(ORANGE, width=2), swapMode="push"
        )
        self.plot.addItem(self.range)
        self.plot.hideAxis("left")
        self.range.sigRegionChangeFinished.connect(self._on_dragged)
        self.setToolTip(
            "Signal of each frame looked at: its mean above its background, ADU. Dots: the frames that are "
            "learned from, those with half the average signal or more. Drag an end of the range, or all of "
            "it, to keep the training to a part of the movie, such as after the first bleaching; or move its "
            "beginning with the left and right arrow keys, and with Shift its end."
        )
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Frames to learn from")
        self.clear()

    @property
    def chosen(self) -> list[int]:
        """The frames marked as chosen."""
        frames = self._chosen.getData()[0]
        return [] if frames is None else [int(frame) for frame in frames]

    def clear(self) -> None:
        """Show nothing."""
        self._n_frames = 0
        self._all.setData([], [])
        self._chosen.setData([], [])
        self.range.hide()

    def show_signals(
        self, everywhere: FrameSignals, chosen: FrameSignals, n_frames: int, within: tuple[int, int]
    ) -> None:
        """Show signals.

        Parameters
        ----------
        everywhere : FrameSignals
            Of the whole movie.
        chosen : FrameSignals
            Of the range, with the frames that are learned from.
        n_frames : int
            Length of the movie.
        within : (int, int)
            First and last frame of the range.
        """
        self._n_frames = n_frames
        self._all.setData(everywhere.frames, everywhere.signal)
        self._chosen.setData(chosen.frames[chosen.is_chosen], chosen.signal[chosen.is_chosen])
        self.plot.setRange(xRange=(0, n_frames - 1), padding=0.02)
        self.range.blockSignals(True)
        self.range.setBounds((0, n_frames - 1))
        self.range.setRegion(within)
        self.range.blockSignals(False)
        self.range.show()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Move an end of the range by a hundredth of the movie."""
        step = None if event is None else _STEPS.get(event.key())
        if event is None or step is None or not self._n_frames:
            super().keyPressEvent(event)
            return
        first, last = (float(end) for end in self.range.getRegion())
        moved = step * max(1, self._n_frames // 100)
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            last = min(max(last + moved, first), self._n_frames - 1)
        else:
            first = max(min(first + moved, last), 0)
        self.range.setRegion((first, last))

    def _on_dragged(self, *_: object) -> None:
        if self._n_frames:
            first, last = (round(float(end)) for end in self.range.getRegion())
            self.dragged.emit(first, last)
