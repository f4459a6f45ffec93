"""Adding to the viewer's list of layers without disturbing what the user does there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from napari.components import ViewerModel
from napari.layers import Layer


def put_above(viewer: ViewerModel, layer: Layer, below: Layer) -> None:
    """Move a layer to just above another one in the list."""
    index, wanted = viewer.layers.index(layer), viewer.layers.index(below) + 1
    if index != wanted:
        viewer.layers.move(index, wanted)


@contextlib.contextmanager
def selection_kept(viewer: ViewerModel) -> Iterator[None]:
    """Leave selected what is: the user goes on working on that, not on the layers that are added."""
    selection = list(viewer.layers.selection)
    yield
    viewer.layers.selection = [layer for layer in selection if layer in viewer.layers]
