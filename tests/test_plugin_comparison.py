"""Side by side and back: the viewer is afterwards as it was."""

import gc
import weakref

import numpy as np
import pytest

from blinkspot.errors import BlinkspotError
from blinkspot.plugin.comparing.view import ComparisonView


@pytest.fixture
def viewer(make_napari_viewer):
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(900, 500)
    for name in ("noisy", "other", "hidden", "denoised"):
        viewer.add_image(np.random.default_rng(0).random((5, 20, 30)), name=name)
    viewer.layers["hidden"].visible = False
    return viewer


@pytest.fixture
def comparison(viewer):
    return ComparisonView(viewer)


def state(viewer):
    grid, camera = viewer.canvas.grid, viewer.scene.camera
    return {
        "layers": [(layer.name, layer.visible, layer.name_overlay.visible) for layer in viewer.layers],
        "grid": (grid.enabled, grid.stride, grid.shape, grid.spacing),
        "zoom": round(camera.zoom, 6),
        "centre": tuple(round(value, 6) for value in camera.center),
    }


def cells(viewer):
    """Return the visible layers' cells by name."""
    grid = viewer.canvas.grid
    return {
        layer.name: grid.position(index, viewer.layers)
        for index, layer in enumerate(viewer.layers)
        if layer.visible
    }


def test_two_layers_get_a_cell_each_and_all_others_are_hidden(viewer, comparison):
    comparison.show(viewer.layers["noisy"], viewer.layers["denoised"])
    assert viewer.canvas.grid.enabled
    assert viewer.canvas.grid.actual_shape(viewer.layers) == (1, 2)
    assert cells(viewer) == {"noisy": (0, 0), "denoised": (0, 1)}


def test_both_cells_share_the_camera_and_show_the_whole_movie(viewer, comparison, qtbot):
    comparison.show(viewer.layers["noisy"], viewer.layers["denoised"])
    qtbot.wait(100)
    canvas = viewer.window._qt_viewer.canvas
    assert len(canvas.grid_cameras) == 2
    viewer.scene.camera.center = (0, 4.0, 7.0)
    qtbot.wait(100)
    rects = [camera._view.camera.rect for camera in canvas.grid_cameras]
    assert rects[0] == rects[1]
    viewer.reset_view()
    qtbot.wait(100)
    rect = canvas.grid_cameras[0]._view.camera.rect
    assert rect.width >= 30
    assert rect.height >= 20


def test_going_back_restores_everything(viewer, comparison):
    viewer.scene.camera.zoom = 60.0
    viewer.scene.camera.center = (0, 3.0, 4.0)
    viewer.canvas.grid.stride = 2
    before = state(viewer)
    comparison.show(viewer.layers["denoised"], viewer.layers["noisy"])
    # A user who has zoomed in goes on looking at the same place.
    assert viewer.scene.camera.zoom == 60.0
    viewer.scene.camera.zoom = 3.0
    comparison.restore()
    assert state(viewer) == before
    assert not comparison.active


def test_what_lies_over_a_layer_goes_with_it(viewer, comparison):
    before = [layer.name for layer in viewer.layers]
    overlays = tuple(
        viewer.add_points(np.zeros((1, 3)), name=f"over {name}") for name in ("noisy", "denoised")
    )
    comparison.show(viewer.layers["noisy"], viewer.layers["denoised"])
    comparison.lay_over(overlays)
    assert cells(viewer) == {
        "noisy": (0, 0),
        "over noisy": (0, 0),
        "denoised": (0, 1),
        "over denoised": (0, 1),
    }
    viewer.layers.remove(overlays[0])
    assert cells(viewer)["denoised"] == (0, 1)
    viewer.layers.remove(overlays[1])
    comparison.restore()
    assert [layer.name for layer in viewer.layers] == before


def test_removing_one_of_the_two_goes_back(viewer, comparison):
    changes = []
    comparison.changed.connect(changes.append)
    comparison.show(viewer.layers["noisy"], viewer.layers["denoised"])
    viewer.layers.remove("denoised")
    assert not viewer.canvas.grid.enabled
    assert [(layer.name, layer.visible) for layer in viewer.layers] == [
        ("noisy", True),
        ("other", True),
        ("hidden", False),
    ]
    assert changes == [True, False]


def test_a_layer_added_meanwhile_stays_when_going_back(viewer, comparison):
    comparison.show(viewer.layers["noisy"], viewer.layers["denoised"])
    viewer.add_image(np.zeros((20, 30)), name="picture")
    assert cells(viewer)["picture"] == (0, 2)
    comparison.restore()
    assert [layer.name for layer in viewer.layers] == ["noisy", "other", "hidden", "denoised", "picture"]
    assert viewer.layers["picture"].visible


def test_a_new_layer_that_cannot_be_compared_in_this_way_is_shown_with_all_others(
    viewer, comparison, monkeypatch
):
    comparison.show(viewer.layers["noisy"], viewer.layers["denoised"], "Curtain")
    new = viewer.add_image(np.zeros((5, 20, 30)), name="new")

    def refuse(*_):
        raise BlinkspotError("not here")

    monkeypatch.setattr(comparison.curtain, "enter", refuse)
    comparison.take_in(viewer.layers["noisy"], new)
    assert not comparison.active
    assert {layer.name for layer in viewer.layers if layer.visible} == {"noisy", "other", "denoised", "new"}


def test_another_pair_can_be_shown_at_once(viewer, comparison):
    before = state(viewer)
    comparison.show(viewer.layers["noisy"], viewer.layers["denoised"])
    comparison.show(viewer.layers["noisy"], viewer.layers["other"])
    assert cells(viewer) == {"noisy": (0, 0), "other": (0, 1)}
    comparison.restore()
    assert state(viewer) == before


def test_all_layers_can_be_removed(viewer, comparison):
    comparison.show(viewer.layers["noisy"], viewer.layers["denoised"])
    viewer.layers.clear()
    assert not comparison.active


def test_grids_that_are_shown_no_more_are_let_go_of(viewer, comparison, qtbot):
    canvas, grids = viewer.window._qt_viewer.canvas, []
    for _ in range(4):
        comparison.show(viewer.layers["noisy"], viewer.layers["denoised"])
        grids.append(weakref.ref(canvas.grid))
        viewer.add_image(np.zeros((20, 30)), name="picture")  # a third cell: napari makes another grid
        qtbot.wait(50)
        comparison.restore()
        viewer.layers.remove("picture")
    gc.collect()
    alive = [grid for grid in grids if grid() is not None]
    assert len(alive) <= 1
    assert canvas.grid.parent is canvas.central_widget
