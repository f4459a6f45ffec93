import json

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.image import imread

from blinkspot.camera import Camera
from blinkspot.errors import BlinkspotError
from blinkspot.localization import LocalizationTable, Localizer, read_table, render, save_picture

PLACES = st.lists(st.tuples(st.floats(-50.0, 450.0), st.floats(-50.0, 350.0)), max_size=30)


def table_of(places):
    x, y = np.array(places, dtype=float).reshape(-1, 2).T
    return LocalizationTable.from_columns({"frame": np.zeros(len(x)), "x_nm": x, "y_nm": y})


@given(PLACES, st.sampled_from([10.0, 25.0, 33.0]))
@settings(max_examples=60, deadline=None)
def test_the_picture_is_the_mean_of_four_shifted_histograms(places, pixel):
    table = table_of(places)
    picture = render(table, pixel, extent_nm=(300.0, 400.0))
    height, width = int(np.ceil(300 / pixel)), int(np.ceil(400 / pixel))
    assert picture.shape == (height, width)
    assert picture.dtype == np.float32
    rows = np.floor(table.column("y_nm") / pixel).astype(int)
    columns = np.floor(table.column("x_nm") / pixel).astype(int)
    expected = np.zeros((height, width))
    for row in range(height):
        for column in range(width):
            for shift_y in (0, 1):
                for shift_x in (0, 1):
                    # The bin of two by two fine pixels that this pixel lies in, for one of the four shifts.
                    same_row = (rows == row) | (rows == row + 2 * shift_y - 1)
                    same_column = (columns == column) | (columns == column + 2 * shift_x - 1)
                    expected[row, column] += (same_row & same_column).sum() / 16
    np.testing.assert_allclose(picture, expected, atol=1e-6)


def test_a_molecule_far_inside_counts_one_and_lies_where_it_is():
    picture = render(table_of([(250.0, 110.0)]), 20.0, extent_nm=(400.0, 600.0))
    assert picture.shape == (20, 30)
    assert picture.sum() == pytest.approx(1.0)
    assert np.unravel_index(picture.argmax(), picture.shape) == (5, 12)


@pytest.mark.parametrize(("pixel_px", "magnification"), [(100.0, 5), (80.0, 3), (133.3, 7)])
def test_the_picture_of_a_movie_has_its_pixels_times_the_magnification(pixel_px, magnification):
    picture = render(table_of([]), pixel_px / magnification, extent_nm=(96 * pixel_px, 128 * pixel_px))
    assert picture.shape == (96 * magnification, 128 * magnification)


def test_without_an_extent_everything_is_shown():
    picture = render(table_of([(5.0, 5.0), (100.0, 59.9)]), 20.0)
    assert picture.shape == (3, 6)
    assert picture[2, 5] > 0


def test_an_empty_table_gives_an_empty_picture():
    assert render(table_of([]), 20.0, extent_nm=(100.0, 200.0)).sum() == 0
    assert render(table_of([])).shape == (1, 1)


@pytest.mark.parametrize("pixel", [0.0, -1.0, float("nan"), 1e-9, 1e-300, 5e-324])
def test_impossible_pictures_are_refused(pixel):
    with pytest.raises(BlinkspotError):
        render(table_of([(1e4, 1e4)]), pixel)
    with pytest.raises(BlinkspotError):
        render(table_of([]), 10.0, extent_nm=(0.0, 10.0))


def test_a_tiff_keeps_values_pixel_size_and_provenance(tmp_path):
    picture = render(table_of([(30.0, 30.0), (31.0, 30.0), (70.0, 50.0)]), 20.0, (100.0, 120.0))
    save_picture(picture, tmp_path / "p.tif", 20.0, {"step": "localize"})
    with tifffile.TiffFile(tmp_path / "p.tif") as file:
        np.testing.assert_array_equal(file.asarray(), picture)
        page = file.pages[0]
        for name in ("XResolution", "YResolution"):
            pixels, length = page.tags[name].value
            assert length / pixels == pytest.approx(20e-7)  # cm
        assert page.tags["ResolutionUnit"].value == tifffile.RESUNIT.CENTIMETER
        assert (
            file.imagej_metadata["unit"] == "cm"
        )  # ImageJ takes the unit from here, and none if it is absent
        assert json.loads(file.imagej_metadata["Info"])["step"] == "localize"


def test_a_png_is_stretched_and_keeps_provenance(tmp_path):
    picture = np.zeros((20, 30), dtype=np.float32)
    picture[5:15, :] = 1.0
    picture[0, 0] = 1000.0
    save_picture(picture, tmp_path / "p.png", 20.0, {"step": "localize"})
    shown = imread(tmp_path / "p.png")[..., :3].sum(axis=-1)
    assert shown.shape == (20, 30)
    assert shown[0, 0] >= shown[5, 3] - 0.05 > shown[18, 10]
    text = (tmp_path / "p.png").read_bytes()
    assert b'"step": "localize"' in text
    assert b"napari-blinkspot" in text


def test_one_bright_pixel_does_not_darken_the_png(tmp_path):
    picture = np.ones((40, 40), dtype=np.float32)
    picture[0, 0] = 1000.0
    save_picture(picture, tmp_path / "p.png", 20.0)
    shown = imread(tmp_path / "p.png")[..., :3].sum(axis=-1)
    assert shown[20, 20] == pytest.approx(shown[0, 0], abs=0.05)


@pytest.mark.parametrize("name", ["p.png", "p.tif"])
def test_an_empty_picture_can_be_saved(tmp_path, name):
    save_picture(np.zeros((3, 4), dtype=np.float32), tmp_path / name, 20.0)
    assert (tmp_path / name).stat().st_size > 0


@pytest.mark.parametrize("name", ["p.jpg", "p"])
def test_other_formats_are_refused(tmp_path, name):
    with pytest.raises(BlinkspotError, match=r"\.png or \.tif"):
        save_picture(np.zeros((3, 4), dtype=np.float32), tmp_path / name, 20.0)


@pytest.mark.parametrize("name", ["picture.tif", "picture.png"])
@pytest.mark.parametrize(
    ("picture", "pixel_size_nm", "words"),
    [
        (np.ones((4, 4)), 0, "must be larger than 0 nm, not 0"),
        (np.ones((4, 4)), -5.0, "must be larger than 0 nm, not -5.0"),
        (np.ones((4, 4)), None, "must be larger than 0 nm, not None"),
        (np.ones((2, 4, 4)), 20.0, "two axes"),
        (np.ones((0, 4)), 20.0, "at least one pixel"),
    ],
)
def test_what_is_no_picture_is_refused(tmp_path, name, picture, pixel_size_nm, words):
    with pytest.raises(BlinkspotError, match=words):
        save_picture(picture, tmp_path / name, pixel_size_nm)
    assert not list(tmp_path.iterdir())


def test_pictures_are_not_overwritten(tmp_path):
    save_picture(np.zeros((3, 4), dtype=np.float32), tmp_path / "p.png", 20.0)
    with pytest.raises(BlinkspotError, match="exists already"):
        save_picture(np.ones((3, 4), dtype=np.float32), tmp_path / "p.png", 20.0)


def test_the_picture_covers_the_movie_that_was_localized(tmp_path):
    camera = Camera(pixel_size_nm=100.0)
    frame = np.random.default_rng(0).poisson(20.0, (24, 40)).astype(np.float32)
    table = Localizer(camera).localize_frame(frame)
    assert table.movie_extent_nm == (2400.0, 4000.0)
    assert render(table, 20.0).shape == (120, 200)
    table.save(tmp_path / "t.csv")
    assert render(read_table(tmp_path / "t.csv"), 20.0).shape == (120, 200)
