"""The key that flips between noisy and denoised, of the viewer's own keymap."""

from __future__ import annotations

from collections.abc import Callable
from weakref import WeakMethod

from napari.components import ViewerModel

from blinkspot.plugin.comparing.flip_button import FLIP_KEY


def bind_flip_key(viewer: ViewerModel, flip_in: Callable[[ViewerModel], None]) -> None:
    """Have a key flip for as long as the viewer lives; a key that the user has bound stays the user's.

    Parameters
    ----------
    viewer : ViewerModel
        Which the key belongs to.
    flip_in : bound method
        What the key does, to that viewer. Its owner is not kept alive.
    """
    reference = WeakMethod(flip_in)

    def flip(viewer: ViewerModel) -> None:
        """Flip between noisy and denoised (Blinkspot)."""
        flip_there = reference()
        if flip_there is not None:
            flip_there(viewer)

    bound = {str(key) for keymap in (viewer.keymap, viewer.class_keymap) for key in keymap}
    if FLIP_KEY not in bound:
        viewer.bind_key(FLIP_KEY, flip)
