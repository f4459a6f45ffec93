"""Denoising on the fly, driven as a user drives it."""

import numpy as np
import pytest
from test_plugin_helpers import CAMERA, add_movie, click, model, movie, notifications, open_dock, wait_for_end

from blinkspot.plugin.session import session_of
from blinkspot.stack import Stack

NAME = "movie denoised (as you look)"


@pytest.fixture
def dock(viewer):
    dock = open_dock(viewer, "Denoise")
    session_of(viewer).add_model("trained", model())
    return dock


def add_on_the_fly(qtbot, viewer, dock, **more):
    layer = add_movie(viewer, **more)
    dock.frames.setCurrentText("As you look")
    click(qtbot, dock.run_button)
    wait_for_end(qtbot, dock)
    return layer, viewer.layers[NAME]


def test_x(qtbot, viewer, dock):
    layer, denoised = add_on_the_fly(qtbot, viewer, dock)
    viewer.dims.set_current_step(0, 3)
    qtbot.waitUntil(lambda: np.isfinite(denoised._slice.image.raw).all())
    expected = CAMERA.adu(model().denoise_frame(Stack(movie()), 3))
    np.testing.assert_allclose(denoised._slice.image.raw, expected, rtol=1e-3)
