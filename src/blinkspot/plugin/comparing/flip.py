"""One of two layers at the same place, and the other one at the press of a key: blinking by hand."""

from __future__ import annotations

from napari.components import ViewerModel
from psygnal import Signal
from qtpy.compat import isalive

from blinkspot.plugin.comparing.arrangement import Pair, name_layer
from blinkspot.plugin.comparing.flip_button import FlipButton
from blinkspot.plugin.comparing.of_viewer import OfViewer
from blinkspot.plugin.layers.napari_canvas import canvas_widget


class Flip:
    """Shows one of two layers, first the first one.

    Signals
    -------
    left : None
        The user has asked, at the button, to leave.
    """

    in_grid = False
    left = Signal()

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = OfViewer(viewer)
        self._pair: Pair | None = None
        self._overlays: Pair | None = None
        self._shown = 0
        self.button: FlipButton | None = None

    def enter(self, pair: Pair, overlays: Pair | None) -> None:
        """Show one of the layers, with what lies over it."""
        viewer = self._viewer()
        if self.button is None:
            self.button = FlipButton(canvas_widget(viewer))
            self.button.clicked.connect(self.flip)
            self.button.left.connect(self.left.emit)
            self.button.setFocus()
        self._pair, self._overlays = pair, overlays
        for layer in pair:
            name_layer(layer)
        self._show()

    def leave(self) -> None:
        """Take the button away."""
        self._pair, self._overlays, self._shown = None, None, 0
        button, self.button = self.button, None
        if button is not None and isalive(button):  # type: ignore[no-untyped-call]
            button.hide()
            button.deleteLater()

    def flip(self) -> None:
        """Show the other layer."""
        self._shown = 1 - self._shown
        self._show()

    def _show(self) -> None:
        for layers in (self._pair, self._overlays):
            for index, layer in enumerate(layers or ()):
                layer.visible = index == self._shown
        if self.button is not None:
            self.button.say(("noisy", "denoised")[self._shown])
