"""Layers of different units in one viewer, all of which napari shows in one of these."""

import numpy as np
import pytest
from molecules_dock import molecules_px, ready, table
from test_plugin_helpers import click, movie, open_dock

from blinkspot.plugin.layers.movies import frame_index, frame_shown
from blinkspot.plugin.molecules.layers import frame_at
from blinkspot.plugin.train.region import region_drawn


@pytest.fixture
def seconds_and_um(viewer):
    """A movie measured in s and µm, beside another one measured in ms and nm: the viewer shows ms and nm."""
    layer = viewer.add_image(movie(), name="movie", scale=(0.05, 0.1, 0.1), units=("s", "um", "um"))
    viewer.add_image(movie(), name="other", scale=(50.0, 100.0, 100.0), units=("ms", "nm", "nm"))
    return layer


def test_the_frame_shown_is_the_one_that_napari_shows(viewer, seconds_and_um):
    for index in (0, 3, 39):
        viewer.dims.set_current_step(0, index)
        assert frame_index(viewer, seconds_and_um) == frame_shown(viewer, seconds_and_um) == index
        assert frame_at(viewer, seconds_and_um) == index
        np.testing.assert_array_equal(seconds_and_um._slice.image.raw, movie()[index])


def test_a_rectangle_in_nm_is_a_region_of_a_movie_in_um(viewer, seconds_and_um):
    corners = np.array([[200, 400], [200, 2500], [2300, 2500], [2300, 400]])
    viewer.add_shapes([corners], shape_type="rectangle", units=("nm", "nm"))
    assert region_drawn(viewer, seconds_and_um) == (2, 4, 22, 22)


def test_a_row_of_a_table_goes_to_its_molecule_and_a_click_to_its_row(qtbot, viewer):
    dock = open_dock(viewer, "Molecules")
    layer = ready(qtbot, viewer, dock, units=("pixel", "um", "um"))
    viewer.add_image(movie(), scale=(1.0, 100.0, 100.0), units=("pixel", "nm", "nm"))
    click(qtbot, dock.table_button)
    link = dock.table_link
    qtbot.waitUntil(lambda: link.panel is not None and link.panel.table.model().rowCount() == 3000)
    frame, y_px, x_px = molecules_px(table())[70]
    link._on_row_chosen(table(), 70)
    assert frame_shown(viewer, layer) == frame
    np.testing.assert_allclose(viewer.scene.camera.center[1:], (100.0 * y_px, 100.0 * x_px), atol=0.1)

    viewer.scene.camera.zoom = 1.0
    chosen = []
    link.panel.choose = lambda _, row: chosen.append(row)
    link._on_clicked((frame, 100.0 * y_px, 100.0 * x_px))
    link._on_clicked((frame, 100.0 * y_px, 100.0 * x_px + 1e5))
    assert chosen == [70]
