"""A viewer that is not kept alive by what works in it."""

from __future__ import annotations

import weakref

from napari.components import ViewerModel


class OfViewer:
    """Returns a viewer when called.

    A session lives for as long as its viewer: what it holds must not keep the viewer alive, but is never
    called after it.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._reference = weakref.ref(viewer)

    def __call__(self) -> ViewerModel:
        """Return the viewer."""
        viewer = self._reference()
        assert viewer is not None
        return viewer
