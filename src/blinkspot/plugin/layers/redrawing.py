"""Drawing a layer anew whose frames have changed where they are."""

from __future__ import annotations

from napari.layers import Image


def redraw(layer: Image) -> None:
    """Draw a layer anew; of a hidden one, which napari does not draw, have known what may be made of it."""
    if layer.visible:
        layer.refresh(extent=False, highlight=False)
    else:
        layer.events.set_data()
