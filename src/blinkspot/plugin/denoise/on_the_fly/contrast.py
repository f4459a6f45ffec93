"""A contrast that a frame which is still to come does not change."""

from __future__ import annotations

from typing import Any

from napari.layers import Image

_OF_NOTHING = (0.0, 1.0)
"""What napari makes of a frame without any number."""


def keep_contrast(layer: Image) -> None:
    """Keep a layer's contrast, and so that of its movie, where napari takes it from a frame still to come.

    Parameters
    ----------
    layer : Image
        Of :class:`.WindowFrames`.
    """
    kept = tuple(layer.contrast_limits)

    def on_changed(event: Any) -> None:
        nonlocal kept
        changed: Image = event.source
        limits = tuple(changed.contrast_limits)
        if limits == _OF_NOTHING and getattr(changed.data, "is_awaited", False):
            changed.contrast_limits = kept
        else:
            kept = limits

    layer.events.contrast_limits.connect(on_changed)
