"""The key that flips between noisy and denoised, of the viewer's own keymap."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from napari.components import ViewerModel

from blinkspot.plugin.comparing.flip_button import FLIP_KEY

if TYPE_CHECKING:
    from blinkspot.plugin.session import Session


def bind_flip_key(viewer: ViewerModel, session: Session) -> None:
    """Have a key flip for as long as the viewer lives; a key that the user has bound stays the user's."""
    reference = weakref.ref(session)

    def flip(viewer: ViewerModel) -> None:
        """Flip between noisy and denoised (Blinkspot)."""
        session = reference()
        if session is not None:
            session.flip(viewer)

    bound = {str(key) for keymap in (viewer.keymap, viewer.class_keymap) for key in keymap}
    if FLIP_KEY not in bound:
        viewer.bind_key(FLIP_KEY, flip)
