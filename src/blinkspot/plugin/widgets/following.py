"""Napari's events, followed by Qt objects for as long as they live."""

from __future__ import annotations

import weakref
from collections.abc import Callable

from napari.utils.events import EventEmitter
from qtpy.compat import isalive
from qtpy.QtCore import QObject


def follow(owner: QObject, emitter: EventEmitter, method: Callable[..., None]) -> None:
    """Call a method of ``owner`` at each event of napari's for as long as the Qt object lives.

    napari's own connection would go on calling a widget whose window is gone.
    """
    reference = weakref.ref(owner)
    name = method.__name__

    def call(event: object) -> None:
        # Looked up anew each time, for a strong reference would keep the owner alive; and asked here, for the
        # owner's ``destroyed`` signal comes too late where Python's garbage collector destroys it.
        alive = reference()
        if alive is None or not isalive(alive):  # type: ignore[no-untyped-call]
            emitter.disconnect(call)
        else:
            getattr(alive, name)(event)

    emitter.connect(call)
