"""The Localize dock, driven as a user drives it."""

import re

import numpy as np
import pytest
from test_plugin_helpers import (
    CAMERA,
    add_movie,
    click,
    model,
    movie,
    notifications,
    open_dock,
    wait_for_end,
    wait_for_workers,
)

from blinkspot.evaluation import calibrate_uncertainties
from blinkspot.localization import (
    LocalizationTable,
    Localizer,
    LocalizerSettings,
    RenderSettings,
    picture_layer,
    read_table,
    render,
    render_coloured,
)
from blinkspot.movies.stack import Stack
from blinkspot.plugin.layers.movies import PROVENANCE, Place, movie_layer
from blinkspot.plugin.localize import localizing_steps
from blinkspot.plugin.session import session_of
from blinkspot.plugin.widgets import file_dialogs
from blinkspot.progress import finish


@pytest.fixture
def dock(viewer):
    return open_dock(viewer, "Localize")


def smoothed():
    """Return a movie that can stand for the denoised one: the mean over three frames."""
    frames = movie().astype(np.float32)
    return (np.roll(frames, 1, 0) + frames + np.roll(frames, -1, 0)) / 3


def add_denoised(viewer, source, **more):
    layer = viewer.add_image(
        smoothed(), name="movie denoised", scale=source.scale, metadata={"blinkspot_role": "denoised"}, **more
    )
    session_of(viewer).add_denoised(source, layer)
    return layer


def found(index, denoised=False, **settings):
    """Return the places (y, x) in pixels that the backend finds in a frame."""
    localizer = Localizer(CAMERA, LocalizerSettings(**settings))
    width = finish(localizer.learn_width(movie()))
    table = localizer.localize_frame(movie()[index], smoothed()[index] if denoised else None, width)
    return np.column_stack([table.column("y_nm"), table.column("x_nm")]) / 100.0 - 0.5


def preview(qtbot, dock, frame=None):
    """Switch the preview on and wait for what it finds."""
    if not dock.preview.box.isChecked():
        click(qtbot, dock.preview.box)
    qtbot.waitUntil(lambda: dock.preview.counts.text().startswith("Frame"), timeout=60_000)


def said(dock):
    """Return what is said below the preview, without its colours."""
    return re.sub("<[^>]*>", "", dock.preview.counts.text().replace("<br>", "; ").replace("&nbsp;", ""))


def wait_for_counts(qtbot, dock, text):
    qtbot.waitUntil(lambda: said(dock) == text, timeout=10_000)


def found_alone(index, places):
    return f"Frame {index}: ○ {len(places)} found"


def in_both(noisy, denoised):
    """Return how many places (y, x) in pixels are nearest to each other and within 50 nm times root 2."""
    distances = np.hypot(*(noisy[:, None] - denoised[None]).T).T * 100.0
    return sum(
        distances[i, j] < 50.0 * np.sqrt(2.0) and distances[:, j].argmin() == i
        for i, j in enumerate(distances.argmin(axis=1))
    )


def found_in(index, noisy, denoised):
    both = in_both(noisy, denoised)
    return (
        f"Frame {index}: ○ {both} in both, □ {len(noisy) - both} only noisy, "
        f"◇ {len(denoised) - both} only denoised"
    )


def test_a_denoised_movie_in_photons_is_not_taken_for_one_in_adu(viewer, dock):
    add_movie(viewer)
    for name, units in (("in photons", "photons"), ("in ADU", "adu")):
        made_by = {"step": "denoise", "settings": {"estimate": "posterior-mean", "units": units}}
        stack = Stack(smoothed().astype(np.float32), metadata={"provenance": made_by})
        data, state, _ = movie_layer(stack, name)
        viewer.add_image(data, **state)
    offered = [dock.denoised.itemText(index) for index in range(dock.denoised.count())]
    assert "in ADU" in offered
    assert "in photons" not in offered


def test_the_preview_circles_the_molecules_of_the_frame_on_both_movies(qtbot, viewer, dock):
    layer = add_movie(viewer)
    add_denoised(viewer, layer)
    viewer.dims.set_current_step(0, 12)
    preview(qtbot, dock)
    noisy, denoised = found(12), found(12, denoised=True, threshold=3.0)
    wait_for_counts(qtbot, dock, found_in(12, noisy, denoised))
    circles = viewer.layers["found in noisy"], viewer.layers["found in denoised"]
    for points, expected in zip(circles, (noisy, denoised), strict=True):
        np.testing.assert_allclose(points.data[:, 1:], expected, atol=1e-3)
        assert (points.data[:, 0] == 12).all()
        np.testing.assert_allclose(points.scale, layer.scale)
        # Those in both look so on both.
        shapes = [symbol.value for symbol in points.symbol]
        assert shapes.count("disc") == in_both(noisy, denoised)
        assert len(set(map(tuple, points.border_color))) == len(set(shapes))


def truth_table(provenance=None):
    """Return a truth of frame 12: what is found there but one, another one beside it, and one far away."""
    places = found(12)
    places = np.concatenate([places[1:], [[1.0, 30.0]]])
    columns = {"frame": np.full(len(places), 12), "photons": np.full(len(places), 400.0)}
    columns |= {name: (places[:, axis] + 0.5) * 100.0 for axis, name in enumerate(("y_nm", "x_nm"))}
    return LocalizationTable.from_columns(columns, provenance=provenance or {})


def add_truth(viewer, truth):
    places = np.column_stack(
        [truth.column("frame"), *(truth.column(n) / 100.0 - 0.5 for n in ("y_nm", "x_nm"))]
    )
    return viewer.add_points(
        places,
        features=truth.features,
        name="true molecules",
        visible=False,
        metadata={"blinkspot_role": "truth", PROVENANCE: truth.provenance},
    )


def test_with_the_truth_molecules_are_true_false_or_missed(qtbot, viewer, dock):
    layer = add_movie(viewer)
    add_denoised(viewer, layer)
    assert dock.truth.layer is None
    truth = add_truth(viewer, truth_table())
    viewer.dims.set_current_step(0, 12)
    preview(qtbot, dock)
    wait_for_counts(qtbot, dock, found_in(12, found(12), found(12, denoised=True, threshold=3.0)))
    dock.truth.choose(truth)
    known = len(found(12)) - 1
    qtbot.waitUntil(
        lambda: said(dock).startswith(f"Frame 12, noisy: ○ {known} true, □ 1 false, △ 1 missed; denoised: "),
        timeout=10_000,
    )
    points = viewer.layers["found in noisy"]
    shapes = np.array([symbol.value for symbol in points.symbol])
    np.testing.assert_allclose(points.data[shapes == "square", 1:], found(12)[:1], atol=1e-3)
    np.testing.assert_allclose(points.data[shapes == "triangle_up", 1:], [[1.0, 30.0]], atol=1e-3)
    viewer.dims.set_current_step(0, 13)
    wanted = f"Frame 13, noisy: ○ 0 true, □ {len(found(13))} false, △ 0 missed"
    qtbot.waitUntil(lambda: said(dock).startswith(wanted), timeout=10_000)
    viewer.layers.remove(truth)
    qtbot.waitUntil(lambda: "in both" in said(dock), timeout=10_000)


def test_the_truth_of_a_simulated_movie_is_chosen_by_itself(viewer, dock):
    made_by = {"step": "simulate", "seed": 8}
    stack = Stack(movie(), metadata={"provenance": made_by})
    data, state, _ = movie_layer(stack, "movie")
    foreign = add_truth(viewer, truth_table({"step": "simulate", "seed": 9}))
    viewer.add_image(data, **state)
    assert dock.truth.layer is None
    truth = add_truth(viewer, truth_table(made_by))
    assert dock.truth.layer is truth is not foreign
    viewer.layers.remove(truth)
    assert dock.truth.layer is None


def test_the_preview_follows_slider_settings_and_frame(qtbot, viewer, dock):
    add_movie(viewer)
    viewer.dims.set_current_step(0, 12)
    preview(qtbot, dock)
    dock.options.threshold.slider.setValue(40)
    assert dock.options.threshold.value == 2.0
    wait_for_counts(qtbot, dock, found_alone(12, found(12, threshold=2.0)))
    dock.options.threshold.number.setValue(1.5)
    assert dock.options.threshold.slider.value() == 30
    viewer.dims.set_current_step(0, 20)
    wait_for_counts(qtbot, dock, found_alone(20, found(20, threshold=1.5)))
    dock.options.fit.setCurrentIndex(2)
    places = found(20, threshold=1.5, fit="wlsq")
    points = viewer.layers["found in noisy"]
    qtbot.waitUntil(
        lambda: len(points.data) == len(places) and np.allclose(points.data[:, 1:], places, atol=1e-3),
        timeout=5000,
    )


def test_circles_that_the_user_has_hidden_follow_unseen(qtbot, viewer, dock):
    add_movie(viewer)
    viewer.dims.set_current_step(0, 12)
    preview(qtbot, dock)
    circles = viewer.layers["found in noisy"]
    before = len(circles.data)
    circles.visible = False  # by its eye in the layer list
    dock.options.threshold.number.setValue(5.0)
    wait_for_counts(qtbot, dock, found_alone(12, found(12, threshold=5.0)))
    circles.visible = True
    assert len(circles.data) == len(found(12, threshold=5.0)) < before


def test_molecules_are_accepted_by_the_number_of_false_ones(qtbot, viewer, dock):
    add_movie(viewer)
    viewer.dims.set_current_step(0, 12)
    preview(qtbot, dock)
    assert dock.options.false_per_frame.isHidden()
    dock.options.accept.setCurrentIndex(1)
    assert not dock.options.false_per_frame.isHidden()
    assert dock.options.threshold.isHidden()
    dock.options.false_per_frame.setValue(0.5)
    wait_for_counts(qtbot, dock, found_alone(12, found(12, false_per_frame=0.5)))
    # Only fits of the raw counts' likelihood can be tested.
    dock.options.fit.setCurrentIndex(1)
    qtbot.waitUntil(lambda: "needs maximum likelihood fits" in dock.preview.counts.text(), timeout=5000)


def test_widths_and_their_start_are_the_movies_unless_chosen(qtbot, dock):
    options = dock.options
    assert options.settings["noisy"]["widths"] == "learned"
    assert options.settings["noisy"]["initial_sigma_px"] is None
    assert options.sigma.text() == "σ: auto"
    options.sigma.setValue(1.25)
    options.widths.setCurrentIndex(2)
    assert options.settings["denoised"]["widths"] == "fixed"
    assert options.settings["denoised"]["initial_sigma_px"] == 1.25


def test_emitters_per_spot(qtbot, dock):
    options = dock.options
    assert options.settings["noisy"]["most_emitters"] == 1
    options.equal_photons.setChecked(True)
    assert not options.equal_photons.isEnabled()
    assert not options.settings["noisy"]["equal_photons"]
    with qtbot.waitSignal(options.changed):
        options.emitters.setValue(3)
    assert options.equal_photons.isEnabled()
    for name in ("noisy", "denoised"):
        chosen = LocalizerSettings(**options.settings[name])
        assert (chosen.most_emitters, chosen.equal_photons) == (3, True)


def test_switching_the_preview_off_hides_the_circles(qtbot, viewer, dock):
    add_movie(viewer)
    preview(qtbot, dock)
    click(qtbot, dock.preview.box)
    assert not viewer.layers["found in noisy"].visible
    assert dock.preview.counts.text() == ""
    preview(qtbot, dock)
    assert viewer.layers["found in noisy"].visible


def test_the_circles_go_with_their_movies_side_by_side(qtbot, viewer, dock):
    layer = add_movie(viewer)
    denoised = add_denoised(viewer, layer)
    preview(qtbot, dock)
    qtbot.waitUntil(lambda: "found in denoised" in viewer.layers)
    click(qtbot, dock.compare.button)
    grid = viewer.canvas.grid

    def cell(each):
        return grid.position(viewer.layers.index(each), viewer.layers)

    assert cell(layer) == cell(viewer.layers["found in noisy"]) == (0, 0)
    assert cell(denoised) == cell(viewer.layers["found in denoised"]) == (0, 1)
    click(qtbot, dock.compare.button)
    assert not grid.enabled


def test_deleting_the_circles_ends_the_preview(qtbot, viewer, dock):
    add_movie(viewer)
    preview(qtbot, dock)
    viewer.layers.remove("found in noisy")
    assert not dock.preview.box.isChecked()
    viewer.dims.set_current_step(0, 3)
    qtbot.wait(200)
    assert "found in noisy" not in viewer.layers


def test_a_setting_that_does_not_fit_is_said_beside_the_preview(qtbot, viewer, dock):
    add_movie(viewer)
    preview(qtbot, dock)
    with notifications() as shown:
        dock.options.sigma.setValue(9.0)
        qtbot.waitUntil(lambda: "initial sigma" in dock.preview.counts.text(), timeout=5000)
    assert shown == []


def test_a_denoised_movie_of_some_frames_is_found_by_its_place(qtbot, viewer, dock):
    layer = add_movie(viewer)
    part = viewer.add_image(
        smoothed()[10:15],
        name="part",
        scale=layer.scale,
        translate=(10, 0, 0),
        metadata={"blinkspot_role": "denoised"},
    )
    session_of(viewer).add_denoised(layer, part)
    viewer.dims.set_current_step(0, 12)
    preview(qtbot, dock)
    noisy, denoised = found(12), found(12, denoised=True, threshold=3.0)
    wait_for_counts(qtbot, dock, found_in(12, noisy, denoised))
    viewer.dims.set_current_step(0, 20)
    wait_for_counts(qtbot, dock, found_alone(20, found(20)))


def test_all_frames_give_a_table_as_features_and_a_picture_at_its_place(qtbot, viewer, dock):
    layer = add_movie(viewer, translate=(0, 1.0, 2.0))
    dock.picture.pixel.setValue(25.0)
    click(qtbot, dock.run_button)
    wait_for_end(qtbot, dock)
    points = viewer.layers["movie localizations (noisy)"]
    picture = viewer.layers["movie super-resolved (noisy)"]
    assert f"{len(points.data):,} in the noisy movie" in dock.job_bar.status.text()

    # The points of a frame are what the backend finds there, and the features are its table.
    at_12 = points.data[:, 0] == 12
    np.testing.assert_allclose(points.data[at_12, 1:], found(12), atol=1e-3)
    np.testing.assert_allclose(points.features["y_nm"], (points.data[:, 1] + 0.5) * 100.0, rtol=1e-4)
    assert {"photons", "sigma_nm", "uncertainty_nm", "detection_strength"} <= set(points.features)
    np.testing.assert_allclose(points.scale, layer.scale)

    # The picture covers just the movie: the outer corners of both lie in the same place.
    assert picture.data.shape == (128, 128)
    np.testing.assert_allclose(
        picture.data_to_world((-0.5, -0.5)), layer.data_to_world((0, -0.5, -0.5))[1:], atol=1e-6
    )
    np.testing.assert_allclose(
        picture.data_to_world((127.5, 127.5)), layer.data_to_world((0, 31.5, 31.5))[1:], atol=1e-6
    )
    assert picture.colormap.name == "inferno"
    # A localization and its bright pixel are at the same place of the world.
    y, x = picture.world_to_data(points.data_to_world(points.data[0])[1:])
    assert picture.data[round(y), round(x)] > 0
    assert viewer.layers.selection.active is points


@pytest.mark.parametrize("previewed", [False, True])
def test_both_movies_are_localized_and_their_pictures_compared(qtbot, viewer, dock, previewed):
    layer = add_movie(viewer)
    add_denoised(viewer, layer)
    if previewed:
        click(qtbot, dock.preview.box)
        qtbot.waitUntil(lambda: "found in denoised" in viewer.layers, timeout=20_000)
        click(qtbot, dock.compare.button)
    dock.target.setCurrentText("Both, to compare")
    click(qtbot, dock.run_button)
    wait_for_end(qtbot, dock)
    pictures = (
        viewer.layers["movie super-resolved (noisy)"],
        viewer.layers["movie super-resolved (denoised)"],
    )
    assert session_of(viewer).comparison.pair == pictures
    table = viewer.layers["movie localizations (denoised)"]
    np.testing.assert_allclose(
        table.data[table.data[:, 0] == 7, 1:], found(7, denoised=True, threshold=3.0), atol=1e-3
    )
    click(qtbot, dock.compare.button)
    assert not viewer.canvas.grid.enabled
    # All frames are marked now, and the one of the preview is no longer.
    assert not dock.preview.box.isChecked()
    assert not any(each.visible for each in viewer.layers if each.name.startswith("found in"))


def test_the_table_is_exported_as_thunderstorm_csv(qtbot, viewer, dock, tmp_path, monkeypatch):
    layer = add_movie(viewer)
    add_denoised(viewer, layer)
    assert not dock.export_button.isEnabled()
    dock.options.fit_on.setCurrentIndex(1)
    click(qtbot, dock.run_button)
    wait_for_end(qtbot, dock)
    said = dock.job_bar.status.text()
    path = tmp_path / "found.csv"
    monkeypatch.setattr(file_dialogs, "ask_save", lambda *_: path)
    click(qtbot, dock.export_button)
    qtbot.waitUntil(lambda: "Saved as" in dock.job_bar.status.text(), timeout=5000)
    table = read_table(path)
    points = viewer.layers["movie localizations (denoised)"]
    np.testing.assert_allclose(table.column("x_nm"), points.features["x_nm"], atol=0.01)
    assert "not calibrated" in said
    # A fit on denoised pixels has no valid uncertainty, and the file must say so.
    assert not table.uncertainty_is_valid
    assert "uncertainty_uncalibrated_nm" in points.features
    assert "uncertainty_nm" not in points.features
    with notifications() as shown:
        click(qtbot, dock.export_button)
        qtbot.waitUntil(lambda: bool(shown), timeout=5000)
    assert "exists already" in shown[0][1]


def test_fits_on_a_denoised_movie_in_photons_are_refused(qtbot, viewer, dock):
    in_photons = np.array(movie(), np.float32) - CAMERA.offset_adu
    add_movie(viewer)
    dock.denoised.choose(viewer.add_image(in_photons, name="by others"))
    dock.options.fit_on.setCurrentIndex(1)
    with notifications() as shown:
        click(qtbot, dock.run_button)
        qtbot.waitUntil(lambda: bool(shown), timeout=5000)
    assert "neither in photons nor without the offset" in shown[0][1]


def test_the_model_of_the_window_makes_uncertainties_true(qtbot, viewer, dock, monkeypatch):
    monkeypatch.setattr("blinkspot.evaluation.denoised_fits.simulated_errors.ERRORS_WANTED", 400)
    layer = add_movie(viewer)
    photons = np.concatenate([chunk.frames for chunk in model().denoise(Stack(movie()))])
    denoised = viewer.add_image(
        CAMERA.adu(photons),
        name="movie denoised",
        scale=layer.scale,
        metadata={"blinkspot_role": "denoised", PROVENANCE: {"model": model().provenance}},
    )
    session_of(viewer).add_denoised(layer, denoised)
    session_of(viewer).add_model("trained", model())
    dock.options.fit_on.setCurrentIndex(1)
    click(qtbot, dock.run_button)
    wait_for_end(qtbot, dock)
    said = dock.job_bar.status.text()
    features = viewer.layers["movie localizations (denoised)"].features
    localizer = Localizer(CAMERA, LocalizerSettings(fit_on="denoised", threshold=3.0))
    table = finish(localizer.localize(movie(), denoised.data))
    expected = finish(calibrate_uncertainties(table, denoised.data, model(), localizer))
    np.testing.assert_allclose(features["uncertainty_nm"], expected.column("uncertainty_nm"), rtol=1e-6)
    assert "calibrated" not in said


def test_a_new_denoised_movie_is_chosen_by_itself(viewer, dock):
    layer = add_movie(viewer)
    assert dock.denoised.layer is None
    denoised = add_denoised(viewer, layer)
    assert dock.denoised.layer is denoised
    viewer.layers.remove(denoised)
    assert dock.denoised.layer is None


def test_without_a_denoised_movie_the_noisy_one_is_named(viewer):
    dock = open_dock(viewer, "Localize")
    add_movie(viewer)
    assert dock.target.currentText() == "Noisy movie"
    denoised = add_movie(viewer, name="denoised")
    dock.movies.setCurrentIndex(0)
    dock.denoised.choose(denoised)
    assert dock.target.currentText() == "Denoised movie"
    dock.target.setCurrentText("Both, to compare")
    dock.denoised.choose(None)
    assert dock.target.currentText() == "Noisy movie"
    dock.denoised.choose(denoised)
    assert dock.target.currentText() == "Both, to compare"


def test_any_other_movie_may_be_named_as_the_denoised_one(viewer, dock):
    add_movie(viewer)
    mine = viewer.add_image(smoothed(), name="denoised elsewhere")
    viewer.add_image(np.zeros((30, 30)), name="a picture")
    listed = [dock.denoised.itemText(index) for index in range(dock.denoised.count())]
    assert listed == ["none: find them in the noisy movie", "denoised elsewhere"]
    dock.denoised.setCurrentIndex(1)
    assert dock.denoised.layer is mine


def test_a_denoised_movie_of_other_length_is_refused(qtbot, viewer, dock):
    layer = add_movie(viewer)
    short = viewer.add_image(smoothed()[:30], metadata={"blinkspot_role": "denoised"})
    session_of(viewer).add_denoised(layer, short)
    with notifications() as shown:
        click(qtbot, dock.run_button)
        wait_for_end(qtbot, dock)
    assert "(30, 32, 32)" in shown[0][1]


@pytest.mark.parametrize(
    "place",
    [
        {},
        {"scale": (1, 0.25, 0.25), "translate": (0, 4, 5)},
        {"scale": (1, 0.25, 0.25), "rotate": (0, 0, 30), "translate": (7, 4, 5)},
        {"scale": (2, 0.1, 0.1), "shear": (0, 0, 0.4), "affine": np.diag([1, 3.0, 2.0, 1])},
    ],
)
def test_a_picture_s_place_is_right_for_any_pixel_and_any_movie_s_place(place):
    from napari.layers import Image

    layer = Image(np.zeros((3, 10, 12)), **place)
    frames = Image(np.zeros((2, 10, 12)), **Place.of(layer).of_frames(1))
    np.testing.assert_allclose(frames.data_to_world((0.5, 3, 4)), layer.data_to_world((1.5, 3, 4)))
    for pixels in (0.1, 0.25, 1.0):
        picture = Image(
            np.zeros((round(10 / pixels), round(12 / pixels))), **Place.of(layer).of_picture(pixels)
        )
        for movie_corner, corner in (
            ((-0.5, -0.5), (-0.5, -0.5)),
            ((9.5, 11.5), (10 / pixels - 0.5, 12 / pixels - 0.5)),
        ):
            np.testing.assert_allclose(
                picture.data_to_world(corner), layer.data_to_world((0, *movie_corner))[1:], atol=1e-6
            )


def test_the_picture_is_the_backend_s(qtbot, viewer, dock):
    add_movie(viewer)
    click(qtbot, dock.run_button)
    wait_for_end(qtbot, dock)
    table = finish(Localizer(CAMERA).localize(Stack(movie())))
    picture = viewer.layers["movie super-resolved (noisy)"].data
    np.testing.assert_allclose(picture, render(table, 20.0, (3200.0, 3200.0)))


def test_a_coloured_picture_shows_time_where_the_molecules_are(qtbot, viewer, dock):
    layer = add_movie(viewer, translate=(0, 1.0, 2.0))
    dock.picture.method.setCurrentText("Gaussians of the uncertainty")
    dock.picture.colour_by.setCurrentText("Time")
    click(qtbot, dock.run_button)
    wait_for_end(qtbot, dock)
    picture = viewer.layers["movie super-resolved (noisy)"]
    assert picture.rgb
    settings = RenderSettings("gaussian", 20.0)
    table = finish(Localizer(CAMERA).localize(Stack(movie())))
    expected = render_coloured(table, "frame", settings, (3200.0, 3200.0))
    np.testing.assert_array_equal(picture.data, expected.rgb())
    low, high = expected.limits
    assert f"frame from {low:.4g} (blue) to {high:.4g} (red)" in dock.job_bar.status.text()
    np.testing.assert_allclose(
        picture.data_to_world((-0.5, -0.5)), layer.data_to_world((0, -0.5, -0.5))[1:], atol=1e-6
    )


@pytest.mark.parametrize("movie_pixel_nm", [100.0, 80.0, None])
def test_a_picture_s_layer_has_a_molecule_where_the_movie_has_it(movie_pixel_nm):
    from napari.layers import Image

    # In the middle of pixel (3, 5) of the movie, and of (17, 27) of a picture of a fifth of its pixels.
    pixel = movie_pixel_nm or 100.0
    y_nm, x_nm = 3.5 * pixel, 5.5 * pixel
    table = LocalizationTable.from_columns({"frame": [0], "y_nm": [y_nm], "x_nm": [x_nm]})
    data, arguments = picture_layer(
        render(table, pixel / 5, (10 * pixel, 10 * pixel), "histogram"), pixel / 5, movie_pixel_nm
    )
    picture = Image(data, **arguments)
    brightest = np.unravel_index(data.argmax(), data.shape)
    assert brightest == (17, 27)
    if movie_pixel_nm is None:
        expected = (y_nm, x_nm)
    else:
        expected = Image(np.zeros((10, 10)), scale=(pixel, pixel), units=("nm", "nm")).data_to_world((3, 5))
    np.testing.assert_allclose(picture.data_to_world(brightest), expected)
    assert [str(unit) for unit in picture.units] == ["nanometer", "nanometer"]


def test_the_preview_is_that_of_frames_that_come_later(qtbot, viewer, dock):
    # Those of a movie that is being denoised, say.
    source = add_movie(viewer)
    denoised = add_denoised(viewer, source)
    preview(qtbot, dock)
    expected = said(dock)
    frames = denoised.data.copy()
    denoised.data[:] = 0
    denoised.refresh()
    qtbot.waitUntil(lambda: said(dock) != expected, timeout=30_000)
    denoised.data[:] = frames
    denoised.refresh()
    qtbot.waitUntil(lambda: said(dock) == expected, timeout=30_000)


def test_the_preview_follows_data_that_are_replaced(qtbot, viewer, dock):
    layer = add_movie(viewer)
    viewer.dims.set_current_step(0, 3)
    preview(qtbot, dock)
    expected = said(dock)
    layer.data = movie()[::-1].copy()
    qtbot.waitUntil(lambda: said(dock) != expected, timeout=30_000)
    layer.data = movie()
    qtbot.waitUntil(lambda: said(dock) == expected, timeout=30_000)


def test_the_window_works_between_the_circles_of_both_movies(qtbot, viewer, dock):
    # Each layer takes napari some 20 ms.
    layer = add_movie(viewer)
    add_denoised(viewer, layer)
    preview(qtbot, dock)
    happened = []
    for kind in ("noisy", "denoised"):
        viewer.layers[f"found in {kind}"].events.data.connect(lambda _, kind=kind: happened.append(kind))
    # Called last, in the same turn.
    dock.preview._finding.answered.connect(lambda _: happened.append("turn over"))
    dock.options.threshold.slider.setValue(40)
    qtbot.waitUntil(lambda: "denoised" in happened, timeout=10_000)
    assert happened[happened.index("denoised") - 1] == "turn over"


def test_the_preview_ends_with_its_dock(qtbot, viewer, dock):
    add_movie(viewer)
    preview(qtbot, dock)
    viewer.window.remove_dock_widget(dock)
    # Not hidden: the next dock would have circles of its own.
    qtbot.waitUntil(lambda: [each.name for each in viewer.layers] == ["movie"])


def test_layers_that_take_turns_are_not_localized_anew(qtbot, viewer, dock, monkeypatch):
    source = add_movie(viewer)
    add_denoised(viewer, source)
    preview(qtbot, dock)
    flip = session_of(viewer).flip
    flip(viewer)
    qtbot.wait(200)
    wait_for_workers(qtbot)
    asked = []
    monkeypatch.setattr(localizing_steps, "localize_frame", asked.append)
    for _ in range(4):
        flip(viewer)
        qtbot.wait(100)
    assert asked == []
