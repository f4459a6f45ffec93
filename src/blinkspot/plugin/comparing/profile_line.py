"""The line in the picture along which light is plotted: a shapes layer of one line."""

from __future__ import annotations

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Shapes

from blinkspot.movies.line_profile import Line
from blinkspot.plugin.layers.movies import ROLE, Place

_COLOUR = "#ffd400"
_WIDTH_PX = 0.3


def compile_lines() -> None:
    """Have napari compile what it draws lines by: many seconds, once per installation.

    For a worker's thread; else the window would stand still when its first line appears.
    """
    line = np.array([[0.0, 0.0], [1.0, 1.0]])
    layer = Shapes([line], shape_type="line", edge_width=_WIDTH_PX, ndim=2)
    layer.mode = "direct"
    layer.selected_data = {0}
    layer.data = [line + 1.0]


def add_line(viewer: ViewerModel, source: Image, line: Line) -> Shapes:
    """Add a line over a movie; its ends can be dragged at once."""
    layer: Shapes = viewer.add_shapes(
        [np.array([line.start, line.end])],
        shape_type="line",
        name=f"{source.name} profile",
        edge_color=_COLOUR,
        edge_width=_WIDTH_PX,
        metadata={ROLE: "profile"},
        **Place.of(source).of_picture(1.0),
    )
    layer.mode = "direct"
    layer.selected_data = {0}
    return layer


def line_in(layer: Shapes) -> Line | None:
    """Return the line drawn last, None where there is none."""
    if not layer.data:
        return None
    ends = np.asarray(layer.data[-1], float)[[0, -1]]
    start, end = ends[:, -2:]
    return Line((float(start[0]), float(start[1])), (float(end[0]), float(end[1])))


def move_line(layer: Shapes, start_px: tuple[float, float], end_px: tuple[float, float]) -> None:
    """Move both ends of the line by so many pixels, y and x."""
    line = line_in(layer)
    if line is not None:
        moved = np.add([line.start, line.end], [start_px, end_px])
        layer.data = [*layer.data[:-1], moved]
        layer.selected_data = {len(layer.data) - 1}
