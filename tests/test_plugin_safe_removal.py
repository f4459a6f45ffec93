"""Layers are removed in the canvas's own OpenGL context: in another one, the next drawing may end Python."""

import numpy as np
import pytest
from qtpy.QtGui import QOpenGLContext

from blinkspot.plugin.session import session_of


@pytest.fixture
def contexts(make_napari_viewer, qtbot, monkeypatch):
    """A viewer that was drawn, and whether its canvas's context was current when layers were deleted."""
    viewer = make_napari_viewer(show=True)
    session_of(viewer)
    for name in ("movie", "denoised", "picture"):
        viewer.add_image(np.random.default_rng(0).random((3, 20, 30)), name=name)
    qtbot.wait(300)
    canvas = viewer.window._qt_viewer.canvas
    canvas.native.doneCurrent()
    seen = []

    def finish():
        current = QOpenGLContext.currentContext()
        seen.append(current is not None and current is canvas.native.context())

    monkeypatch.setattr(canvas._scene_canvas.context, "finish", finish)
    return viewer, seen


def test_several_layers_removed_one_after_the_other(contexts, qtbot):
    viewer, seen = contexts
    viewer.layers.remove("denoised")
    viewer.layers.remove("picture")
    qtbot.wait(100)
    viewer.layers.clear()
    assert len(seen) >= 3
    assert all(seen)
