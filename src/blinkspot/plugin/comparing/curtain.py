"""A curtain between two layers at the same place: one is seen left of a line, the other one right of it."""

from __future__ import annotations

from napari.components import ViewerModel
from psygnal import Signal
from qtpy.compat import isalive

from blinkspot.plugin.comparing.arrangement import Pair, name_layer
from blinkspot.plugin.comparing.clip import LayerClip, Side
from blinkspot.plugin.comparing.curtain_line import CurtainLine
from blinkspot.plugin.comparing.of_viewer import OfViewer
from blinkspot.plugin.layers.napari_canvas import canvas_widget


class Curtain:
    """Shows the first layer left of a line that the user drags, and the second one right of it.

    Signals
    -------
    left : None
        The user has asked, at the line, to leave.
    """

    in_grid = False
    left = Signal()

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = OfViewer(viewer)
        self._clips: list[LayerClip] = []
        self.line: CurtainLine | None = None

    def enter(self, pair: Pair, overlays: Pair | None) -> None:
        """Clip the layers, with what lies over them, and show the line."""
        viewer = self._viewer()
        canvas = canvas_widget(viewer)
        self._remove_clips()
        for layers in (pair, overlays or ()):
            for layer, side in zip(layers, Side, strict=False):
                self._clips.append(LayerClip(viewer, layer, side))
        for layer, corner in zip(pair, ("top_left", "top_right"), strict=True):
            name_layer(layer, corner)
        if self.line is None:
            self.line = CurtainLine(canvas)
            self.line.moved.connect(self._move)
            self.line.left.connect(self.left.emit)
            self.line.setFocus()
        self._move(self.line.fraction)

    def leave(self) -> None:
        """Show all of the layers, and no line."""
        self._remove_clips()
        line, self.line = self.line, None
        if line is not None and isalive(line):  # type: ignore[no-untyped-call]
            line.hide()
            line.deleteLater()

    def _move(self, fraction: float) -> None:
        for clip in self._clips:
            clip.move(fraction)

    def _remove_clips(self) -> None:
        clips, self._clips = self._clips, []
        for clip in clips:
            clip.remove()
