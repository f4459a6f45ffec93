"""The methods of drawing, against brute force in float64; colours, contrast, and what is drawn onto files."""

import json

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.image import imread
from scipy.special import ndtr

from blinkspot.errors import BlinkspotError
from blinkspot.localization import (
    ColouredPicture,
    Contrast,
    LocalizationTable,
    RenderSettings,
    draw,
    draw_coloured,
    render,
    render_coloured,
    save_picture,
)
from blinkspot.localization.rendering import drawing
from blinkspot.localization.rendering.colouring import column_label, hues
from blinkspot.progress import finish

EXTENT_NM = (300.0, 400.0)
PIXEL_NM = 25.0
METHODS = ["histogram", "ash", "gaussian"]
MOLECULES = st.lists(
    st.tuples(
        st.floats(-60.0, 460.0, allow_subnormal=False),
        st.floats(-60.0, 360.0, allow_subnormal=False),
        st.floats(1.0, 60.0),
        st.floats(-1000.0, 1000.0),
    ),
    min_size=1,
    max_size=25,
)


def table_of(molecules):
    x, y, sigma, z = np.array(molecules, dtype=float).reshape(-1, 4).T
    columns = {"frame": np.arange(len(x)), "x_nm": x, "y_nm": y, "uncertainty_nm": sigma, "z_nm": z}
    return LocalizationTable.from_columns(columns)


def gaussian_shares(centre_nm, sigma_nm, n_pixels, smallest_px=0.3):
    """Part of a Gaussian, cut at 4 sigma and made whole again, in each pixel along an axis."""
    sigma = max(sigma_nm, smallest_px * PIXEL_NM)
    edges = np.clip((np.arange(n_pixels + 1) * PIXEL_NM - centre_nm) / sigma, -4.0, 4.0)
    return np.diff(ndtr(edges)) / (ndtr(4.0) - ndtr(-4.0))


def triangle_shares(centre_nm, shifts, n_pixels):
    """Mean over the shifts of a histogram of bins of so many pixels, per pixel, along an axis."""
    pixel = int(np.floor(centre_nm / PIXEL_NM))
    shares = np.zeros(n_pixels)
    for shift in range(shifts):
        first = pixel - (pixel - shift) % shifts
        for other in range(max(first, 0), min(first + shifts, n_pixels)):
            shares[other] += 1.0 / shifts**2
    return shares


def brute_force(table, shares_of, weights=1.0):
    height, width = (int(length / PIXEL_NM) for length in EXTENT_NM)
    parts = np.broadcast_to(weights, len(table))
    rows = [shares_of(y, i, height) for i, y in enumerate(table.column("y_nm"))]
    columns = [shares_of(x, i, width) for i, x in enumerate(table.column("x_nm"))]
    return np.einsum("i,ir,ic->rc", parts, rows, columns)


@given(MOLECULES)
@settings(max_examples=40, deadline=None)
def test_gaussians_are_integrated_over_the_pixels(molecules):
    table = table_of(molecules)
    sigma = table.column("uncertainty_nm")
    expected = brute_force(table, lambda place, i, n: gaussian_shares(place, sigma[i], n))
    np.testing.assert_allclose(render(table, PIXEL_NM, EXTENT_NM, "gaussian"), expected, atol=2e-6)


@given(MOLECULES, st.integers(1, 6))
@settings(max_examples=40, deadline=None)
def test_shifted_histograms_are_averaged_for_any_number_of_shifts(molecules, shifts):
    table = table_of(molecules)
    expected = brute_force(table, lambda place, i, n: triangle_shares(place, shifts, n))
    np.testing.assert_allclose(render(table, PIXEL_NM, EXTENT_NM, "ash", shifts), expected, atol=2e-6)


@given(MOLECULES)
@settings(max_examples=30, deadline=None)
def test_the_histogram_is_numpy_s_and_that_of_one_shift(molecules):
    table = table_of(molecules)
    edges = [np.arange(0.0, length + 1.0, PIXEL_NM) for length in EXTENT_NM]
    inside = (table.column("y_nm") < EXTENT_NM[0]) & (table.column("x_nm") < EXTENT_NM[1])
    expected, _, _ = np.histogram2d(table.column("y_nm")[inside], table.column("x_nm")[inside], edges)
    np.testing.assert_array_equal(render(table, PIXEL_NM, EXTENT_NM, "histogram"), expected)
    np.testing.assert_array_equal(render(table, PIXEL_NM, EXTENT_NM, "ash", 1), expected)


def inner_table(n=3000, seed=0):
    rng = np.random.default_rng(seed)
    return LocalizationTable.from_columns(
        {
            "frame": np.sort(rng.integers(0, 500, n)),
            "x_nm": rng.uniform(500.0, 1500.0, n),
            "y_nm": rng.uniform(500.0, 1500.0, n),
            "uncertainty_nm": rng.gamma(4.0, 5.0, n),
            "photons": rng.uniform(100.0, 1000.0, n),
        }
    )


@pytest.mark.parametrize("method", METHODS)
def test_the_sum_is_the_number_of_molecules_inside(method):
    picture = render(inner_table(), 10.0, (2000.0, 2000.0), method, 4)
    assert picture.sum(dtype=float) == pytest.approx(3000.0, rel=1e-6)
    lost = render(table_of([(0.0, 1000.0, 20.0, 0.0)]), 10.0, (2000.0, 2000.0), "gaussian")
    assert lost.sum(dtype=float) == pytest.approx(0.5, rel=1e-5)  # the half that falls outside


@pytest.mark.parametrize("method", METHODS)
def test_the_centre_of_what_is_drawn_is_the_molecule(method):
    # To half a pixel for the histograms; Gaussians know the place within the pixel.
    y_nm, x_nm = 412.3, 655.8
    picture = render(table_of([(x_nm, y_nm, 30.0, 0.0)]), 10.0, (1000.0, 1200.0), method).astype(float)
    centres = [np.average((np.arange(n) + 0.5) * 10.0, weights=picture.sum(axis=1 - axis))
               for axis, n in enumerate(picture.shape)]  # fmt: skip
    np.testing.assert_allclose(centres, (y_nm, x_nm), atol=1e-3 if method == "gaussian" else 5.0)


def test_the_spread_of_a_gaussian_is_its_uncertainty_along_each_axis():
    table = LocalizationTable.from_columns(
        {"frame": [0], "x_nm": [1000.0], "y_nm": [1000.0], "uncertainty_nm": [99.0],
         "uncertainty_x_nm": [20.0], "uncertainty_y_nm": [60.0]}
    )  # fmt: skip
    picture = render(table, 5.0, (2000.0, 2000.0), "gaussian").astype(float)
    place = (np.arange(400) + 0.5) * 5.0 - 1000.0
    for axis, sigma in ((1, 60.0), (0, 20.0)):
        variance = (picture.sum(axis=axis) * place**2).sum()
        # A pixel adds a twelfth of its square; the cut at 4 sigma takes 0.1 %.
        assert variance == pytest.approx(sigma**2 + 25.0 / 12.0, rel=2e-3)


def test_molecules_without_an_uncertainty_are_as_wide_as_the_median():
    places = [(200.0, 150.0, sigma, 0.0) for sigma in (10.0, 20.0, 40.0)]
    broken = [(200.0, 150.0, sigma, 0.0) for sigma in (np.nan, np.inf, 0.0, -1.0)]
    whole = render(table_of([*places, *4 * [(200.0, 150.0, 20.0, 0.0)]]), 10.0, EXTENT_NM, "gaussian")
    np.testing.assert_allclose(render(table_of([*places, *broken]), 10.0, EXTENT_NM, "gaussian"), whole)
    with pytest.raises(BlinkspotError, match="no uncertainties"):
        render(table_of(broken), 10.0, EXTENT_NM, "gaussian")


@pytest.mark.parametrize("method", METHODS)
def test_far_away_and_very_wide_molecules_do_no_harm(method):
    table = table_of([(1e300, -1e300, 10.0, 0.0), (-1e300, 5.0, 10.0, 0.0), (200.0, 150.0, 1e9, 0.0)])
    picture = render(table, PIXEL_NM, EXTENT_NM, method)
    assert np.isfinite(picture).all()
    assert picture.sum() == pytest.approx(0.0 if method == "gaussian" else 1.0, abs=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_drawing_in_many_steps_gives_the_same_picture(method, monkeypatch):
    table = inner_table()
    whole = render(table, 10.0, (2000.0, 2000.0), method)
    monkeypatch.setattr(drawing, "_WORK_AT_ONCE", 2000)
    steps = []
    picture = finish(draw(table, RenderSettings(method, 10.0), (2000.0, 2000.0)), steps.append)
    np.testing.assert_array_equal(picture, whole)
    assert len(steps) > 5
    done = [step.done for step in steps]
    assert done == sorted(done)
    assert (done[0], done[-1]) == (0, len(table))


# -- settings


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"method": "voronoi"}, "one of the methods"),
        ({"pixel_size_nm": 10.0, "magnification": 5.0}, "one of the two"),
        ({"pixel_size_nm": float("inf")}, "larger than 0"),
        ({"magnification": -2.0}, "magnification"),
        ({"shifts": 0}, "shifts"),
        ({"shifts": 2.5}, "shifts"),
        ({"smallest_sigma_px": 0.0}, "smallest width"),
    ],
)
def test_impossible_settings_are_refused(wrong, words):
    with pytest.raises(BlinkspotError, match=words):
        RenderSettings(**wrong)


def test_a_magnification_divides_the_pixel_of_the_movie():
    table = LocalizationTable(
        inner_table().data, provenance={"camera": {"pixel_size_nm": 100.0}, "movie_shape": [5, 20, 30]}
    )
    assert finish(draw(table, RenderSettings(magnification=8.0))).shape == (160, 240)
    with pytest.raises(BlinkspotError, match="does not tell the size of the movie's pixels"):
        finish(draw(inner_table(), RenderSettings(magnification=8.0)))


def test_a_picture_larger_than_the_free_memory_is_refused(monkeypatch):
    from blinkspot.localization.rendering import settings as module

    monkeypatch.setattr(module.psutil, "virtual_memory", lambda: type("Free", (), {"available": 150_000}))
    assert render(inner_table(), 10.0, (1900.0, 1900.0)).size == 36_100
    with pytest.raises(BlinkspotError, match="too large"):
        render(inner_table(), 10.0, (2000.0, 2000.0))
    with pytest.raises(BlinkspotError, match="too large"):
        render_coloured(inner_table(), "frame", RenderSettings(pixel_size_nm=10.0), (1900.0, 1900.0))


# -- colours


@given(MOLECULES)
@settings(max_examples=30, deadline=None)
def test_the_mean_of_a_column_is_weighted_by_what_molecules_add(molecules):
    table = table_of(molecules)
    sigma, z = table.column("uncertainty_nm"), table.column("z_nm")

    def shares(place, i, n):
        return gaussian_shares(place, sigma[i], n)

    coloured = render_coloured(
        table, "z_nm", RenderSettings("gaussian", PIXEL_NM), EXTENT_NM, (-1000.0, 1000.0)
    )
    density = brute_force(table, shares)
    np.testing.assert_allclose(coloured.density, density, atol=2e-6)
    seen = density > 1e-3
    mean = brute_force(table, shares, z)[seen] / density[seen]
    np.testing.assert_allclose(coloured.mean[seen], mean, atol=4.0)
    assert np.isnan(coloured.mean[coloured.density == 0.0]).all()


@pytest.mark.parametrize("method", METHODS)
def test_a_coloured_picture_s_density_is_the_picture(method):
    table, chosen = inner_table(), RenderSettings(method, 20.0)
    coloured = render_coloured(table, "photons", chosen, (2000.0, 2000.0))
    np.testing.assert_array_equal(coloured.density, render(table, 20.0, (2000.0, 2000.0), method))
    np.testing.assert_allclose(coloured.limits, np.percentile(table.column("photons"), (1, 99)))
    weighted = np.nansum(coloured.mean.astype(float) * coloured.density)
    assert weighted == pytest.approx(table.column("photons").sum(), rel=1e-5)


def test_hue_is_the_column_and_brightness_the_density():
    density = np.array([[4.0, 4.0, 4.0], [2.0, 0.0, 8.0]], np.float32)
    mean = np.array([[0.0, 50.0, 100.0], [-30.0, np.nan, 250.0]], np.float32)
    picture = ColouredPicture(density, mean, "z_nm", (0.0, 100.0))
    _, white = Contrast().limits(density)
    expected = 255 * np.clip(density / white, 0, 1)[..., None] * hues()[[[0, 128, 255], [0, 0, 255]]]
    np.testing.assert_allclose(picture.rgb(), expected, atol=1.5)
    lifted = picture.rgb(Contrast(gamma=0.5))
    assert (lifted[1, 0] > picture.rgb()[1, 0]).all()
    assert (picture.rgb()[1, 1] == 0).all()
    assert picture.label == "z (nm)"


def test_the_colours_are_equally_light_and_equally_spaced():
    srgb = hues().astype(float)
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    # Oklab (Ottosson 2020), from linear sRGB.
    cones = np.cbrt(
        linear
        @ np.array(
            [
                [0.4122214708, 0.2119034982, 0.0883024619],
                [0.5363325363, 0.6806995451, 0.2817188376],
                [0.0514459929, 0.1073969566, 0.6299787005],
            ]
        )
    )
    lightness = cones @ [0.2104542553, 0.7936177850, -0.0040720468]
    a = cones @ [1.9779984951, -2.4285922050, 0.4505937099]
    b = cones @ [0.0259040371, 0.7827717662, -0.8086757660]
    np.testing.assert_allclose(lightness, lightness.mean(), atol=2e-3)
    steps = np.hypot(np.diff(a), np.diff(b))
    assert steps.std() / steps.mean() < 0.02
    assert np.hypot(a, b).min() > 0.1  # none is grey


@pytest.mark.parametrize("method", METHODS)
def test_molecules_without_a_value_are_left_out(method):
    places = [(110.0, 110.0, 5.0, 5.0), (280.0, 200.0, 5.0, np.nan), (110.0, 110.0, 5.0, 7.0)]
    table = table_of([*places, (280.0, 200.0, 5.0, np.inf)])
    picture = render_coloured(table, "z_nm", RenderSettings(method, PIXEL_NM), EXTENT_NM)
    assert picture.density.sum() == pytest.approx(2.0)
    assert picture.mean[4, 4] == pytest.approx(6.0)
    assert 5.0 <= picture.limits[0] < picture.limits[1] <= 7.0


def test_a_column_of_one_value_has_colours():
    picture = render_coloured(table_of([(100.0, 100.0, 9.0, 5.0)]), "z_nm", RenderSettings(), EXTENT_NM)
    assert picture.limits == (4.5, 5.5)
    assert render_coloured(inner_table().chosen(np.zeros(3000, bool)), "photons").rgb().sum() == 0


def test_impossible_colours_are_refused():
    for column, limits, words in (
        ("colour", None, "no column colour.*choose one of frame, x_nm"),
        ("sigma_nm", None, "holds no values"),
        ("photons", (5.0, 5.0), "lower one first"),
        ("photons", (0.0, float("nan")), "lower one first"),
    ):
        with pytest.raises(BlinkspotError, match=words):
            finish(draw_coloured(inner_table(), column, limits=limits))


@pytest.mark.parametrize(
    ("column", "label"),
    [
        ("frame", "frame"),
        ("uncertainty_z_nm", "uncertainty z (nm)"),
        ("photons", "photons"),
        ("background_photons", "background (photons)"),
        ("p_value", "p value"),
    ],
)
def test_labels_have_units(column, label):
    assert column_label(column) == label


# -- contrast


def test_so_many_of_the_filled_pixels_are_saturated():
    picture = np.zeros((300, 400), np.float32)
    picture[:100, :100] = np.random.default_rng(0).permutation(10_000).reshape(100, 100) + 5_000
    for percent in (0.0, 0.5, 5.0):
        black, white = Contrast(percent).limits(picture)
        assert black == 0.0
        assert (picture > white).sum() == pytest.approx(100 * percent, abs=1)
    # Dim tails are not filled pixels.
    picture[100:] = 1.0
    assert (picture > Contrast(5.0).limits(picture)[1]).sum() == pytest.approx(500, abs=1)
    assert Contrast().limits(np.zeros((3, 3), np.float32)) == (0.0, 1.0)
    large = np.tile(picture, (10, 10))
    assert Contrast(5.0).limits(large)[1] == pytest.approx(Contrast(5.0).limits(picture)[1], rel=0.01)


@pytest.mark.parametrize("wrong", [{"saturated_percent": 100.0}, {"saturated_percent": -1.0}, {"gamma": 0.0}])
def test_impossible_contrasts_are_refused(wrong):
    with pytest.raises(BlinkspotError):
        Contrast(**wrong)


# -- files


def coloured():
    return render_coloured(inner_table(), "frame", RenderSettings("ash", 10.0), (2000.0, 2400.0))


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("uncertainty [nm]", "uncertainty_nm"),
        ("uncertainty_xy [nm]", "uncertainty_nm"),
        ("intensity [photon]", "photons"),
        ("intensity", "photons"),
        ("photons", "photons"),
    ],
)
def test_a_column_to_colour_by_may_have_thunderstorms_name(name, column):
    picture = render_coloured(inner_table(), name)
    assert picture.column == column
    assert picture.limits == render_coloured(inner_table(), column).limits


def test_a_column_in_another_unit_is_none_of_ours():
    with pytest.raises(BlinkspotError, match=r"no column uncertainty \[px\] to colour by: choose"):
        render_coloured(inner_table(), "uncertainty [px]")


def test_a_coloured_tiff_is_rgb_with_its_pixel_size(tmp_path):
    picture = coloured()
    save_picture(picture, tmp_path / "p.tif", 10.0, {"step": "localize"}, contrast=Contrast(gamma=0.7))
    with tifffile.TiffFile(tmp_path / "p.tif") as file:
        np.testing.assert_array_equal(file.asarray(), picture.rgb(Contrast(gamma=0.7)))
        pixels, length = file.pages[0].tags["XResolution"].value
        assert length / pixels == pytest.approx(10e-7)
        about = json.loads(file.imagej_metadata["Info"])
    assert about["step"] == "localize"
    assert about["picture_colours"] == {"column": "frame", "limits": list(picture.limits)}
    assert about["picture_contrast"]["gamma"] == 0.7


def test_the_record_of_a_picture_names_what_had_a_say(tmp_path):
    assert RenderSettings().used() == {"method": "ash", "shifts": 2}
    assert RenderSettings("histogram", 25.0).used() == {"method": "histogram", "pixel_size_nm": 25.0}
    of_gaussians = {"method": "gaussian", "magnification": 5.0, "smallest_sigma_px": 0.3}
    assert RenderSettings("gaussian", magnification=5.0).used() == of_gaussians
    for each in (RenderSettings(), RenderSettings("gaussian", magnification=5.0)):
        assert RenderSettings(**each.used()) == each
    save_picture(np.ones((4, 4), np.float32), tmp_path / "p.tif", 10.0, {}, contrast=Contrast(gamma=0.7))
    with tifffile.TiffFile(tmp_path / "p.tif") as file:
        assert json.loads(file.imagej_metadata["Info"]) == {"picture_pixel_size_nm": 10.0}


def test_a_coloured_png_is_the_picture_beside_its_colours(tmp_path):
    picture = coloured()
    save_picture(picture, tmp_path / "p.png", 10.0)
    shown = np.rint(255 * imread(tmp_path / "p.png")[..., :3]).astype(int)
    np.testing.assert_array_equal(shown[:, :240], picture.rgb())
    bar = shown[:, 240:]
    # Red is the last frame, at the top; blue the first, below.
    for hue, rows in ((hues()[-1], slice(0, 20)), (hues()[0], slice(-20, None))):
        assert (np.abs(bar[rows] - 255 * hue).max(axis=-1) < 2).any()
    low = ColouredPicture(picture.density[:99], picture.mean[:99], "frame", picture.limits)
    save_picture(low, tmp_path / "low.png", 10.0)
    assert imread(tmp_path / "low.png").shape[:2] == (99, 240)


@pytest.mark.parametrize(("pixel_nm", "bar_nm", "length_px"), [(10.0, 500.0, 50), (13.0, 1000.0, 77)])
def test_the_scale_bar_is_so_many_pixels_long(tmp_path, pixel_nm, bar_nm, length_px):
    save_picture(np.zeros((200, 240), np.float32), tmp_path / "p.png", pixel_nm, scale_bar_nm=bar_nm)
    white = (imread(tmp_path / "p.png")[..., :3] == 1.0).all(axis=-1)
    longest = white.sum(axis=1).max()
    assert longest == length_px
    rows = np.flatnonzero(white.sum(axis=1) == length_px)
    assert (np.diff(rows) == 1).all()  # one solid block
    columns = np.flatnonzero(white[rows[0]])
    assert columns[-1] - columns[0] + 1 == length_px
    assert white[: rows[0]].any()  # the text, above


def test_scale_bars_that_do_not_fit_are_refused(tmp_path):
    picture = np.zeros((30, 40), np.float32)
    for name, length, words in (
        ("p.png", 1000.0, "1 µm does not fit into a picture that is 400 nm wide"),
        ("p.png", 1.0, "does not fit"),
        ("p.png", np.nan, "does not fit"),
        ("p.png", -np.inf, "does not fit"),
        ("p.tif", 100.0, "into .png files only"),
    ):
        with pytest.raises(BlinkspotError, match=words):
            save_picture(picture, tmp_path / name, 10.0, scale_bar_nm=length)
    assert not list(tmp_path.iterdir())
    for shape in ((1, 30), (8, 12)):
        save_picture(np.ones(shape, np.float32), tmp_path / f"{shape[0]}.png", 10.0, scale_bar_nm=100.0)
        assert imread(tmp_path / f"{shape[0]}.png").shape[:2] == shape
