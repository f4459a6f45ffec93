"""Shows a layer on one side of a vertical line on the canvas only, without touching its data.

napari's clipping planes do not help: the node of a 2D image has none. This filter works on what is drawn. So
it holds whatever the layer's data, scale, transform or axes are, it costs no copy, and neither zooming nor
scrolling through the frames moves the line.
"""

from __future__ import annotations

import weakref
from enum import IntEnum
from typing import Any

from napari.components import ViewerModel
from napari.layers import Layer
from vispy.visuals.filters.base_filter import Filter
from vispy.visuals.shaders import Function, Varying

from blinkspot.plugin.layers.napari_canvas import node_of

_VERTEX = "void keep_position() { $position = gl_Position; }"
# In normalised device coordinates the canvas reaches from -1 to 1, of whatever size and resolution it is.
_FRAGMENT = """
void clip_side() {
    if (($position.x / $position.w - $line) * $side < 0.0)
        discard;
}
"""


class Side(IntEnum):
    """The side of the line on which a layer is seen."""

    LEFT = -1
    RIGHT = 1


class _SideFilter(Filter):  # type: ignore[misc]
    """Discards what lies on one side of a vertical line."""

    def __init__(self, side: Side) -> None:
        super().__init__(
            vcode=Function(_VERTEX), vhook="post", vpos=1, fcode=Function(_FRAGMENT), fhook="pre", fpos=1
        )
        position = Varying("position", "vec4")
        self.vshader["position"] = position
        self.fshader["position"] = position
        self.fshader["side"] = float(side)
        self.move(0.5)

    def move(self, fraction: float) -> None:
        self.fshader["line"] = 2.0 * fraction - 1.0


class LayerClip:
    """Shows a layer on one side of a line, until :meth:`remove`.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer with the layer.
    layer : Layer
        Any that napari draws with one node; of images larger than the graphics card's largest texture, which
        napari cuts into tiles, tiles that are made later are not clipped.
    side : Side
        On which side of the line it is seen.

    Raises
    ------
    BlinkspotError
        If there is no canvas to clip on.
    """

    def __init__(self, viewer: ViewerModel, layer: Layer, side: Side) -> None:
        self._viewer, self._layer = weakref.ref(viewer), weakref.ref(layer)
        self._filter = _SideFilter(side)
        self._node: Any = None
        self._attach()
        # napari shows other data, or the same in 3D, by another node, made by a listener before this one.
        layer.events.set_data.connect(self._attach, position="last")

    def move(self, fraction: float) -> None:
        """Put the line at a fraction of the canvas's width."""
        self._filter.move(fraction)
        if self._node is not None:
            self._node.update()

    def remove(self) -> None:
        """Show all of the layer again."""
        layer = self._layer()
        if layer is not None:
            layer.events.set_data.disconnect(self._attach)
        self._detach()

    def _attach(self, event: object = None) -> None:
        viewer, layer = self._viewer(), self._layer()
        if viewer is None or layer is None or layer not in viewer.layers:
            return
        node = node_of(viewer, layer)
        if node is not self._node:
            self._detach()
            node.attach(self._filter)
            self._node = node

    def _detach(self) -> None:
        node, self._node = self._node, None
        if node is not None:
            node.detach(self._filter)
            node.update()
