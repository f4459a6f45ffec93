"""What napari is offered: manifest, menus, reader, writer, sample."""

import json
import sys
from pathlib import Path

import dask.array
import numpy as np
import pytest
import tifffile
import zarr
from napari.layers._layer_actions import _duplicate_layer
from npe2 import PluginManager, PluginManifest
from test_plugin_helpers import CAMERA, movie, notifications

import blinkspot
from blinkspot.localization import LocalizationTable, read_table
from blinkspot.movies.stack import open_stack
from blinkspot.movies.writing import write_stack
from blinkspot.plugin import launch
from blinkspot.plugin.layers.movies import PROVENANCE, ROLE, stack_of
from blinkspot.plugin.manifest.image_writer import write_image
from blinkspot.plugin.manifest.reader import get_reader
from blinkspot.plugin.manifest.writer import write_localizations
from blinkspot.provenance import provenance

MANIFEST = Path(blinkspot.__file__).parent / "napari.yaml"


@pytest.fixture
def tiff(tmp_path):
    return write_stack(tmp_path / "cells.tif", movie(), pixel_size_nm=108.0)


def test_the_manifest_is_valid_and_its_commands_exist():
    manifest = PluginManifest.from_file(MANIFEST)
    manifest.validate_imports()
    assert manifest.display_name == "Blinkspot"
    assert [widget.display_name for widget in manifest.contributions.widgets] == [
        "Train",
        "Denoise",
        "Localize",
        "Molecules",
        "Report",
    ]


def test_each_dock_opens_from_the_plugins_menu_and_from_layers_filter(viewer):
    from app_model.types import MenuItem
    from napari._app_model import get_app_model

    menus = get_app_model().menus
    commands = [
        f"napari-blinkspot.{name}" for name in ("train", "denoise", "localize", "molecules", "report")
    ]
    for menu in ("napari/layers/filter", "napari/plugins/napari-blinkspot"):
        items = [item.command.id for item in menus.get_menu(menu) if isinstance(item, MenuItem)]
        assert set(commands) <= set(items), menu
    for command in commands:
        get_app_model().commands.execute_command(command).result()
    assert {type(dock).__name__ for dock in viewer.window.dock_widgets.values()} >= {
        "TrainDock",
        "DenoiseDock",
        "LocalizeDock",
        "MoleculesDock",
        "ReportDock",
    }


def test_a_tiff_opens_lazily_with_its_scale(viewer, tiff):
    with notifications() as shown:
        (layer,) = viewer.open(str(tiff), plugin="napari-blinkspot")
    assert layer.name == "cells"
    assert isinstance(layer.data, dask.array.Array)
    assert layer.scale == pytest.approx([1.0, 0.108, 0.108])
    assert [str(unit) for unit in layer.units] == ["pixel", "micrometer", "micrometer"]
    assert layer.axis_labels == ("t", "y", "x")
    assert layer.metadata["path"] == str(tiff)
    assert stack_of(layer).path == tiff
    np.testing.assert_array_equal(layer.data[7].compute(), movie()[7])
    assert shown == []


def test_a_file_without_axes_is_said_to_be_taken_for_frames(viewer, tmp_path):
    path = tmp_path / "plain.tif"
    tifffile.imwrite(path, movie(), photometric="minisblack", metadata=None)
    with notifications() as shown:
        (layer,) = viewer.open(str(path), plugin="napari-blinkspot")
    assert layer.scale == pytest.approx([1, 1, 1])
    assert "40 planes are taken for frames" in shown[0][1]


def test_a_folder_opens_as_one_movie(viewer, tmp_path):
    for number in (10, 2, 1):
        tifffile.imwrite(tmp_path / f"frame{number}.tif", np.full((16, 16), number, np.uint16))
    (layer,) = viewer.open(str(tmp_path), plugin="napari-blinkspot")
    assert layer.data[:, 0, 0].compute().tolist() == [1, 2, 10]


def test_a_copy_of_a_movie_is_the_movie_of_the_same_file(viewer, tiff):
    (layer,) = viewer.open(str(tiff), plugin="napari-blinkspot")
    viewer.layers.selection.active = layer
    _duplicate_layer(viewer.layers)
    copied = viewer.layers["cells copy"]
    assert stack_of(copied) is stack_of(layer)
    copied.data = copied.data[::-1]
    assert stack_of(copied).path is None


def test_a_zarr_store_of_ours_opens_lazily_with_its_scale(viewer, tmp_path):
    made_by = provenance("denoise", camera=CAMERA)
    path = write_stack(tmp_path / "cells.zarr", movie(), pixel_size_nm=108.0, provenance=made_by)
    with notifications() as shown:
        (layer,) = viewer.open(str(path), plugin="napari-blinkspot")
    assert layer.name == "cells"
    assert isinstance(layer.data, dask.array.Array)
    assert layer.scale == pytest.approx([1.0, 0.108, 0.108])
    assert stack_of(layer).path == path
    assert layer.metadata[ROLE] == "denoised"
    np.testing.assert_array_equal(layer.data[7].compute(), movie()[7])
    assert shown == []


def test_zarr_stores_that_are_not_ours_are_left_to_others(tmp_path):
    zarr.create_array(tmp_path / "array.zarr", data=movie())
    image = {"axes": ["t", "y", "x"], "datasets": [{"path": "0"}]}
    group = zarr.create_group(tmp_path / "image.zarr", attributes={"multiscales": [image]})
    group.create_array("0", data=movie())
    (tmp_path / "empty.zarr").mkdir()
    (tmp_path / "broken.zarr").mkdir()
    (tmp_path / "broken.zarr" / "zarr.json").write_text("{")
    for path in tmp_path.iterdir():
        assert get_reader(str(path)) is None, path
    # The manifest claims no zarr files by name: that is for remote stores, which are not ours.
    (reader,) = PluginManifest.from_file(MANIFEST).contributions.readers
    assert reader.accepts_directories
    assert not any("zarr" in pattern for pattern in reader.filename_patterns)


def test_the_reader_leaves_other_files_to_others(tmp_path):
    (tmp_path / "notes").mkdir()
    assert get_reader(str(tmp_path / "notes")) is None
    assert get_reader("picture.png") is None
    assert get_reader(["a.tif", "b.tif"]) is None
    assert get_reader("a.TIF") is not None


def test_a_single_picture_is_refused_in_one_sentence(viewer, tmp_path):
    path = tmp_path / "one.tif"
    tifffile.imwrite(path, movie()[0])
    with pytest.raises(Exception, match="single picture"):
        viewer.open(str(path), plugin="napari-blinkspot")
    assert len(viewer.layers) == 0


def test_the_layer_s_own_data_counts_once_it_was_replaced(viewer, tiff):
    (layer,) = viewer.open(str(tiff), plugin="napari-blinkspot")
    layer.data = movie(12)
    assert stack_of(layer).n_frames == 12


def test_the_sample_brings_its_camera_and_its_truth(viewer):
    from blinkspot.plugin.session import session_of

    points, layer = viewer.open_sample("napari-blinkspot", "blinking")
    cameras = session_of(viewer).cameras
    cameras.ensure(layer)
    assert cameras.record(layer).camera == CAMERA
    assert cameras.record(layer).unknown == ()
    # A true molecule lies on a bright spot: the movie's mean there is above its mean elsewhere.
    frame, y, x = points.data[points.features["photons"].argmax()]
    row, column = round(y), round(x)
    around = layer.data[int(frame)].compute()[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2]
    assert around.mean() > 1.5 * layer.data.mean().compute()
    np.testing.assert_allclose(points.scale, layer.scale)


def test_localizations_are_saved_by_napari_as_a_thunderstorm_table(viewer, tmp_path):
    table = LocalizationTable.from_columns({"frame": [0, 3], "x_nm": [150.0, 250.0], "y_nm": [50.0, 60.0]})
    layer = viewer.add_points(np.zeros((2, 3)), features=table.data, name="found")
    path = tmp_path / "table.csv"
    written = viewer.layers.save(str(path), plugin="napari-blinkspot")
    assert written == [str(path)]
    again = read_table(path)
    np.testing.assert_allclose(again.column("x_nm"), [150.0, 250.0])
    np.testing.assert_array_equal(again.column("frame"), [0, 3])
    assert layer in viewer.layers


def test_points_that_are_no_localizations_are_not_saved(tmp_path):
    with pytest.raises(blinkspot.errors.BlinkspotError, match="holds no localizations"):
        write_localizations(str(tmp_path / "t.csv"), None, {"name": "dots", "features": {"a": [1]}})
    assert list(tmp_path.iterdir()) == []


def test_the_plugin_is_found_by_npe2():
    manager = PluginManager.instance()
    manager.discover()
    assert "napari-blinkspot" in manager


def test_the_window_of_the_gui_command_begins_with_training(qtbot, make_napari_viewer, monkeypatch, tmp_path):
    monkeypatch.setattr("napari.Viewer", lambda **_: make_napari_viewer(show=True))
    viewer, docks = launch.open_window(write_stack(tmp_path / "m.tif", movie(), pixel_size_nm=100.0))
    assert [layer.name for layer in viewer.layers] == ["m"]
    qtbot.waitUntil(lambda: not docks["Train"].visibleRegion().isEmpty(), timeout=5000)
    assert docks["Localize"].visibleRegion().isEmpty()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only there can a display be missing")
def test_the_gui_command_without_a_display_says_so(monkeypatch, capsys):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.argv", ["launch"])
    with pytest.raises(SystemExit) as ended:
        launch.main()
    assert ended.value.code == 2
    assert "there is no display" in capsys.readouterr().err


def test_napari_saves_a_denoised_movie_with_its_provenance_and_pixel_size(viewer, tmp_path):
    made_by = provenance("denoise", camera=CAMERA)
    data = dask.array.from_array(np.array(movie(), np.float64), chunks=(7, 32, 32))
    layer = viewer.add_image(data, name="denoised", metadata={ROLE: "denoised", PROVENANCE: made_by})
    viewer.layers.selection = [layer]
    for name in ("denoised.tif", "denoised.zarr"):
        path = tmp_path / name
        assert viewer.layers.save(str(path), plugin="napari-blinkspot", selected=True) == [str(path)]
        again = open_stack(path)
        assert again.dtype == np.float32
        np.testing.assert_array_equal(again.frames(0, 40), movie())
        assert again.metadata["provenance"] == made_by
        assert again.camera_hints["pixel_size_nm"] == CAMERA.pixel_size_nm
        with pytest.raises(blinkspot.errors.BlinkspotError, match="not overwritten"):
            write_image(str(path), layer.data, layer.as_layer_data_tuple()[1])


def test_the_sample_that_was_saved_is_the_same_movie(viewer, tmp_path):
    _, layer = viewer.open_sample("napari-blinkspot", "blinking")
    viewer.layers.selection = [layer]
    viewer.layers.save(str(tmp_path / "s.tif"), plugin="napari-blinkspot", selected=True)
    again, before = open_stack(tmp_path / "s.tif"), stack_of(layer)
    assert again.dtype == np.uint16
    np.testing.assert_array_equal(again.frames(0, 200), before.frames(0, 200))
    assert again.metadata["provenance"] == json.loads(json.dumps(before.metadata["provenance"]))
    assert again.camera_hints == pytest.approx(before.camera_hints)


@pytest.mark.parametrize("units", [("um", "um"), ("nm", "nm"), ("pixel", "pixel")])
def test_napari_saves_a_picture_with_the_size_of_its_pixels(viewer, tmp_path, units):
    picture = np.random.default_rng(0).random((20, 30)).astype(np.float32)
    scale = {"um": 0.02, "nm": 20.0, "pixel": 0.2}[units[0]]
    viewer.add_image(
        picture, name="p", scale=(scale, scale), units=units, metadata={ROLE: "picture", PROVENANCE: {"a": 1}}
    )
    viewer.layers.save(str(tmp_path / "p.tif"), plugin="napari-blinkspot")
    with tifffile.TiffFile(tmp_path / "p.tif") as file:
        np.testing.assert_array_equal(file.asarray(), picture)
        about = json.loads(file.imagej_metadata["Info"])
        expected = None if units[0] == "pixel" else pytest.approx(20.0)
        assert about == {"a": 1, "picture_pixel_size_nm": expected}
        if units[0] != "pixel":
            across, unit = file.pages[0].tags["XResolution"].value, file.pages[0].tags["ResolutionUnit"].value
            assert across[0] / across[1] == pytest.approx(1e7 / 20.0, rel=1e-5)
            assert unit == 3  # centimetres


@pytest.mark.parametrize(("kind", "brightest"), [(np.float32, 1.0), (np.uint16, 65535)])
def test_colours_of_another_type_are_saved_as_they_are_seen(tmp_path, kind, brightest):
    picture = np.arange(20 * 3, dtype=np.uint8).reshape(4, 5, 3)
    # A little brighter, which rounds to the same: the lower bits of 16 alone would be others.
    seen = ((picture + 0.3) * (brightest / 255.0)).astype(kind)
    write_image(str(tmp_path / "p.tif"), seen, {"name": "p", "rgb": True})
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "p.tif"), picture)


@pytest.mark.parametrize(("kind", "brightest"), [(np.int64, 255), (np.float64, 255.0), (np.uint16, 4095)])
def test_colours_that_do_not_fill_their_type_are_saved_as_napari_shows_them(
    viewer, tmp_path, kind, brightest
):
    picture = np.linspace(0, 255, 4 * 5 * 3).round().astype(np.uint8).reshape(4, 5, 3)
    viewer.add_image((picture * (brightest / 255)).round().astype(kind), name="p", rgb=True)
    viewer.layers.save(str(tmp_path / "p.tif"), plugin="napari-blinkspot")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "p.tif"), picture)


def test_a_coloured_picture_is_saved_in_its_colours(viewer, tmp_path):
    picture = np.random.default_rng(0).integers(0, 255, (20, 30, 3)).astype(np.uint8)
    viewer.add_image(picture, name="p", rgb=True, metadata={ROLE: "picture"})
    viewer.layers.save(str(tmp_path / "p.tif"), plugin="napari-blinkspot")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "p.tif"), picture)


def test_images_that_are_no_movies_are_left_to_others(tmp_path):
    for data, more in ((np.zeros((2, 3, 4, 5)), {}), ([np.zeros((4, 4)), np.zeros((2, 2))], {})):
        with pytest.raises(blinkspot.errors.BlinkspotError, match="use napari's own writer"):
            write_image(str(tmp_path / "x.tif"), data, {"name": "x", **more})
    with pytest.raises(blinkspot.errors.BlinkspotError, match="written as TIFF"):
        write_image(str(tmp_path / "x.zarr"), np.zeros((4, 4)), {"name": "x"})
    assert list(tmp_path.iterdir()) == []
