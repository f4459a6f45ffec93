"""Curtain, flip, difference, residual, line profile and scale bar, driven as a user drives them."""

import threading

import numpy as np
import pytest
from napari.utils.shortcuts import _default_shortcuts
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from scipy.ndimage import gaussian_filter, map_coordinates
from test_plugin_helpers import (
    CAMERA,
    add_movie,
    click,
    gated,
    model,
    movie,
    notifications,
    open_dock,
    wait_for_workers,
)

from blinkspot.denoising import Training, TrainingSettings
from blinkspot.movies.stack import Stack
from blinkspot.plugin.comparing import pixelwise_steps, profile, profile_steps
from blinkspot.plugin.comparing.clip import Side
from blinkspot.plugin.denoise.denoised_layer import GrowingLayer, Request
from blinkspot.plugin.denoise.denoising_steps import DenoisingTask, FramesReady
from blinkspot.plugin.layers.live_layer import LiveLayer
from blinkspot.plugin.layers.movies import Place
from blinkspot.plugin.session import session_of
from blinkspot.progress import finish

UM = {"scale": (1.0, 0.1, 0.1), "units": ("pixel", "um", "um")}
OTHER_SETTINGS = TrainingSettings(channels=8, epochs=4, crop_size_px=32, seed=5, context_frames=0)
LEFT, RIGHT, BOTH = (255, 0, 0), (0, 255, 0), (0, 0, 0)


@pytest.fixture
def dock(viewer):
    viewer.show()
    viewer.window.resize(1100, 700)
    return open_dock(viewer, "Denoise")


def add_pair(viewer, noisy=None, denoised=None, **more):
    """Add a movie and its denoised version."""
    layer = add_movie(viewer, **({} if noisy is None else {"data": noisy}), **{**UM, **more})
    if denoised is None:
        denoised = gaussian_filter(movie().astype(np.float32), (0, 1, 1))
    result = viewer.add_image(
        denoised, name="movie denoised", metadata={"blinkspot_role": "denoised"}, **{**UM, **more}
    )
    session_of(viewer).add_denoised(layer, result)
    return layer, result


def add_colours(viewer, **more):
    """Add a movie that is red all over, whose denoised version is green."""
    flat = np.full((5, 32, 32), 100, np.uint16)
    layer, result = add_pair(viewer, flat, flat.astype(np.float32), **more)
    for each, colour in ((layer, "red"), (result, "green")):
        each.contrast_limits, each.colormap = (0, 100), colour
    return layer, result


def canvas_of(viewer):
    return viewer.window._qt_viewer.canvas.native


def pixels(viewer):
    """Return the canvas as it is drawn, (Y, X, 3)."""
    QTest.qWait(50)
    return viewer.screenshot(canvas_only=True, flash=False)[..., :3]


def choose(dock, name):
    dock.compare.actions_by_name[name].trigger()


def choose_by_keys(qtbot, dock, downs):
    """Open the menu and choose in it without a mouse."""
    qtbot.keyClick(dock.compare.more_button, Qt.Key.Key_Space)
    qtbot.waitUntil(dock.compare.menu.isVisible, timeout=5000)
    for _ in range(downs):
        qtbot.keyClick(dock.compare.menu, Qt.Key.Key_Down)
    qtbot.keyClick(dock.compare.menu, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: not dock.compare.menu.isVisible(), timeout=5000)


def drag(qtbot, line, canvas, to_fraction):
    def at(fraction):
        return line.mapFromGlobal(canvas.mapToGlobal(QPoint(round(fraction * canvas.width()), 150)))

    start = line.fraction
    qtbot.mousePress(line, Qt.MouseButton.LeftButton, pos=at(start))
    for fraction in np.linspace(start, to_fraction, 5)[1:]:
        qtbot.mouseMove(line, at(fraction))
        qtbot.wait(10)
    qtbot.mouseRelease(line, Qt.MouseButton.LeftButton, pos=at(to_fraction))


def check_curtain(viewer, fraction):
    """Fail where not all that is seen left of the line is red, and green right of it."""
    shown = pixels(viewer)
    edge = fraction * shown.shape[1]
    seen = [
        set(map(tuple, part.reshape(-1, 3)))
        for part in (shown[150:-150, : int(edge) - 2], shown[150:-150, int(edge) + 3 :])
    ]
    assert LEFT in seen[0]
    assert RIGHT in seen[1]
    assert LEFT not in seen[1]
    assert RIGHT not in seen[0]


def state(viewer):
    grid, camera = viewer.canvas.grid, viewer.scene.camera
    return {
        "layers": [
            (layer.name, layer.visible, layer.name_overlay.visible, layer.name_overlay.position)
            for layer in viewer.layers
        ],
        "grid": (grid.enabled, grid.stride, grid.shape, grid.spacing),
        "zoom": round(camera.zoom, 6),
        "centre": tuple(round(value, 6) for value in camera.center),
    }


def test_the_curtain_is_dragged_over_what_is_drawn(qtbot, viewer, dock):
    layer, result = add_colours(viewer)
    viewer.add_image(np.zeros((32, 32)), name="other", **{**UM, "scale": (0.1, 0.1), "units": ("um", "um")})
    before = state(viewer)
    # The menu's second entry, by keys alone.
    choose_by_keys(qtbot, dock, 2)
    comparison = session_of(viewer).comparison
    line, canvas = comparison.curtain.line, canvas_of(viewer)
    assert viewer.window._qt_window.focusWidget() is line
    assert dock.compare.button.isChecked()
    assert dock.compare.button.text() == "Curtain"
    check_curtain(viewer, 0.5)
    drag(qtbot, line, canvas, 0.3)
    assert line.fraction == pytest.approx(0.3, abs=0.005)
    check_curtain(viewer, line.fraction)
    # It holds under zoom, slider and transposed axes, and in 3D.
    viewer.scene.camera.zoom *= 3.0
    viewer.dims.set_current_step(0, 3)
    check_curtain(viewer, line.fraction)
    viewer.dims.transpose()
    check_curtain(viewer, line.fraction)
    viewer.dims.ndisplay = 3
    result.rendering = layer.rendering = "mip"
    check_curtain(viewer, line.fraction)
    viewer.dims.ndisplay = 2
    viewer.dims.transpose()
    check_curtain(viewer, line.fraction)
    # And the keys.
    for key, fraction in ((Qt.Key.Key_End, 1.0), (Qt.Key.Key_PageUp, 0.9), (Qt.Key.Key_Left, 0.89)):
        qtbot.keyClick(line, key)
        assert line.fraction == pytest.approx(fraction)
    check_curtain(viewer, 0.89)
    viewer.window.resize(900, 600)
    check_curtain(viewer, 0.89)
    assert abs(line.geometry().center().x() - 0.89 * canvas.width()) <= 1.5
    qtbot.keyClick(line, Qt.Key.Key_Escape)
    assert state(viewer) == before
    assert not dock.compare.button.isChecked()
    # Nothing is clipped any more: what lies on top is seen whole.
    viewer.layers["other"].visible = False
    shown = pixels(viewer)
    assert not np.any((shown == LEFT).all(axis=-1))


def test_what_is_marked_in_one_movie_is_seen_on_its_side(viewer, dock):
    add_colours(viewer)
    session = session_of(viewer)
    everywhere = np.stack([np.zeros(900), *(axis.ravel() for axis in np.mgrid[1:31, 1:31])], axis=1)
    overlays = tuple(
        viewer.add_points(
            everywhere, size=3, symbol="square", face_color=colour, border_width=0, name=colour, **UM
        )
        for colour in ("blue", "magenta")
    )
    viewer.dims.set_current_step(0, 0)
    choose(dock, "Curtain")
    session.comparison.lay_over(overlays)
    shown = pixels(viewer)
    middle = shown.shape[1] // 2
    for side, colour in zip(Side, ((0, 0, 255), (255, 0, 255)), strict=True):
        left, right = shown[:, : middle - 2], shown[:, middle + 3 :]
        here, there = (left, right) if side is Side.LEFT else (right, left)
        assert np.any((here == colour).all(axis=-1))
        assert not np.any((there == colour).all(axis=-1))
    viewer.layers.remove(overlays[1])
    assert session.comparison.active
    # Laid over nothing, it is clipped no more.
    assert np.any((pixels(viewer)[:, middle + 3 :] == (0, 0, 255)).all(axis=-1))


@pytest.mark.parametrize("way", ["Side by side", "Curtain", "Flip"])
def test_a_movie_may_be_removed_from_every_comparison(qtbot, viewer, dock, way):
    layer, result = add_colours(viewer)
    choose(dock, way)
    viewer.layers.remove(result)
    assert not session_of(viewer).comparison.active
    assert not dock.compare.button.isChecked()
    assert layer.visible
    assert not layer.name_overlay.visible
    assert (pixels(viewer) == LEFT).all(axis=-1).mean() > 0.3
    with notifications() as told:
        click(qtbot, dock.compare.button)
    assert "no denoised movie" in told[0][1]


def test_one_way_follows_the_other(viewer, dock):
    add_colours(viewer)
    viewer.add_points(np.zeros((1, 3)), name="points", **UM)
    before = state(viewer)
    for way in ("Curtain", "Side by side", "Flip", "Curtain", "Flip", "Side by side"):
        choose(dock, way)
        comparison = session_of(viewer).comparison
        assert comparison.way == way
        assert viewer.canvas.grid.enabled == (way == "Side by side")
        assert (comparison.curtain.line is not None) == (way == "Curtain")
        assert (comparison.flip.button is not None) == (way == "Flip")
        assert viewer.layers["points"].visible == (way != "Side by side")
        checked = [name for name, action in dock.compare.actions_by_name.items() if action.isChecked()]
        assert checked == [way]
    choose(dock, "Side by side")
    assert state(viewer) == before


def test_flipping_by_key_and_button(qtbot, viewer, dock):
    add_colours(viewer)
    before = state(viewer)

    def seen():
        shown = pixels(viewer)
        return [bool(np.any((shown == colour).all(axis=-1))) for colour in (LEFT, RIGHT)]

    canvas = canvas_of(viewer)
    qtbot.keyClick(canvas, Qt.Key.Key_N)
    assert seen() == [True, False]
    assert dock.compare.button.text() == "Flip"
    zoom = viewer.scene.camera.zoom
    qtbot.keyClick(canvas, Qt.Key.Key_N)
    assert seen() == [False, True]
    button = session_of(viewer).comparison.flip.button
    assert button.text().startswith("denoised")
    click(qtbot, button)
    assert seen() == [True, False]
    # With the focus in the dock, or on the button, the key works, too.
    qtbot.keyClick(dock.compare.button, Qt.Key.Key_N)
    assert seen() == [False, True]
    qtbot.keyClick(button, Qt.Key.Key_Space)
    assert seen() == [True, False]
    assert viewer.scene.camera.zoom == zoom
    qtbot.keyClick(button, Qt.Key.Key_Escape)
    assert state(viewer) == before


def test_no_action_of_napari_has_the_key_that_flips():
    keys = {str(key) for keys in _default_shortcuts.values() for key in keys}
    assert "B" in keys
    assert "N" not in keys


def test_a_key_that_the_user_has_bound_stays_the_users(qtbot, viewer):
    pressed = []
    viewer.bind_key("N", pressed.append)
    viewer.show()
    open_dock(viewer, "Denoise")
    add_colours(viewer)
    qtbot.keyClick(canvas_of(viewer), Qt.Key.Key_N)
    assert len(pressed) == 1
    assert not session_of(viewer).comparison.active


def wait_for_layer(qtbot, viewer, name):
    qtbot.waitUntil(lambda: name in viewer.layers, timeout=20_000)
    return viewer.layers[name]


def test_difference_and_residual_are_those_computed_by_hand(qtbot, viewer, dock):
    noisy, denoised = add_pair(viewer)
    selected = set(viewer.layers.selection)
    localize = open_dock(viewer, "Localize")
    choose(dock, "Difference")
    difference = wait_for_layer(qtbot, viewer, "movie difference")
    choose(dock, "Residual")
    residual = wait_for_layer(qtbot, viewer, "movie residual")
    for index in (4, 31):
        viewer.dims.set_current_step(0, index)
        expected = denoised.data[index] - noisy.data[index].astype(float)
        np.testing.assert_allclose(difference._slice.image.raw, expected, atol=1e-3)
        # Behind the EM register a count is two photoelectrons, of which 12.5 ADU are one.
        counts, light = ((layer.data[index] - 100.0) / 12.5 / 2.0 for layer in (noisy, denoised))
        expected = (counts - light) / np.sqrt(np.maximum(light, 0.1))
        np.testing.assert_allclose(residual._slice.image.raw, expected, atol=1e-3)
    for layer in (difference, residual):
        low, high = layer.contrast_limits
        assert low == -high
        np.testing.assert_allclose(layer.colormap.map(0.5), 1.0, atol=0.05)
        np.testing.assert_allclose(layer.scale, noisy.scale)
        for choice in (dock.movies, localize.movies, localize.denoised):
            assert layer.name not in [choice.itemText(index) for index in range(choice.count())]
    assert set(viewer.layers.selection) == selected
    # Asked for again, it is shown, not made anew.
    difference.visible = False
    choose(dock, "Difference")
    assert difference.visible
    # They follow the data, and outlive it.
    denoised.data = denoised.data + np.float32(7.0)
    viewer.dims.set_current_step(0, 3)
    expected = denoised.data[3] - noisy.data[3].astype(float)
    np.testing.assert_allclose(difference._slice.image.raw, expected, atol=1e-3)
    viewer.layers.remove(noisy)
    viewer.layers.remove(denoised)
    viewer.dims.set_current_step(0, 5)
    assert len(viewer.layers) == 2


@pytest.fixture
def gate(monkeypatch):
    """What difference and residual wait for before they appear."""
    event = gated(monkeypatch, pixelwise_steps, "limit_of_frame")
    yield event
    event.set()


def test_difference_and_residual_are_of_what_was_changed_before_they_appeared(qtbot, viewer, dock, gate):
    noisy, denoised = add_pair(viewer)
    for name in ("Difference", "Residual"):
        choose(dock, name)
    denoised.data = denoised.data + np.float32(50.0)
    session_of(viewer).cameras.type(noisy, "offset_adu", 90.0)
    gate.set()
    difference = wait_for_layer(qtbot, viewer, "movie difference")
    residual = wait_for_layer(qtbot, viewer, "movie residual")
    index = viewer.dims.current_step[0]
    expected = denoised.data[index] - noisy.data[index].astype(float)
    np.testing.assert_allclose(difference._slice.image.raw, expected, atol=1e-3)
    counts, light = ((layer.data[index] - 90.0) / 12.5 / 2.0 for layer in (noisy, denoised))
    expected = (counts - light) / np.sqrt(np.maximum(light, 0.1))
    np.testing.assert_allclose(residual._slice.image.raw, expected, atol=1e-3)


def test_what_was_asked_for_twice_before_it_appears_is_one_layer(qtbot, viewer, dock, gate):
    add_pair(viewer)
    for name in ("Difference", "Residual") * 2:
        choose(dock, name)
    gate.set()
    for name in ("movie difference", "movie residual"):
        wait_for_layer(qtbot, viewer, name)
    wait_for_workers(qtbot)
    qtbot.wait(50)
    assert len(viewer.layers) == 4


def test_what_cannot_appear_may_be_asked_for_again(qtbot, viewer, dock, gate):
    noisy, denoised = add_pair(viewer)
    choose(dock, "Difference")
    denoised.data = denoised.data[:, :16]
    with notifications() as told:
        gate.set()
        qtbot.waitUntil(lambda: bool(told), timeout=20_000)
    assert "denoised version of the same movie" in told[0][1]
    denoised.data = noisy.data.astype(np.float32)
    choose(dock, "Difference")
    difference = wait_for_layer(qtbot, viewer, "movie difference")
    assert not difference._slice.image.raw.any()


def begin_to_denoise(viewer):
    """Add a movie whose first frames are denoised so far; return both layers and what does the rest."""
    noisy = add_movie(viewer, **UM)
    task = DenoisingTask(model(), Stack(noisy.data), None, 0, 40, "posterior-mean")
    growing = GrowingLayer(viewer, session_of(viewer), Request(noisy, Place.of(noisy), task))

    def go_on(start, stop):
        growing.write(start, noisy.data[start:stop] + np.float32(5.0))
        growing.show(FramesReady(start, stop))

    go_on(0, 10)
    return noisy, growing.layer, go_on


@pytest.mark.parametrize("visible", [True, False])
def test_the_difference_follows_a_movie_that_is_denoised_just_now(qtbot, viewer, dock, visible):
    _, denoised, go_on = begin_to_denoise(viewer)
    viewer.dims.set_current_step(0, 20)
    choose(dock, "Difference")
    difference = wait_for_layer(qtbot, viewer, "movie difference")
    denoised.visible = visible
    go_on(10, 40)
    np.testing.assert_allclose(difference._slice.image.raw, 5.0, atol=1e-3)


def test_a_range_of_frames_is_subtracted_from_its_own_frames(qtbot, viewer, dock):
    noisy = add_movie(viewer, **UM)
    some = gaussian_filter(movie()[10:14].astype(np.float32), (0, 1, 1))
    denoised = viewer.add_image(
        some, name="some", translate=(10, 0, 0), metadata={"blinkspot_role": "denoised"}, **UM
    )
    session_of(viewer).add_denoised(noisy, denoised)
    viewer.dims.set_current_step(0, 12)
    choose(dock, "Difference")
    difference = wait_for_layer(qtbot, viewer, "movie difference")
    assert difference.data.shape == (4, 32, 32)
    np.testing.assert_allclose(difference._slice.image.raw, some[2] - movie()[12].astype(float), atol=1e-3)


def residual_by(denoiser, index, frames=None):
    frames = movie() if frames is None else frames
    chunk = next(c for c in denoiser.predict(Stack(frames), index, index + 1) if len(c.mean))
    return (CAMERA.counts(frames[index]) - chunk.mean[0]) / np.sqrt(chunk.variance[0])


def test_with_its_model_the_residual_is_the_models_of_the_frame_shown(qtbot, viewer, dock):
    session = session_of(viewer)
    session.add_model("trained", model())
    noisy, denoised = add_pair(viewer)
    denoised.metadata["blinkspot_provenance"] = {"model": model().provenance}
    viewer.dims.set_current_step(0, 6)
    choose(dock, "Residual")
    residual = wait_for_layer(qtbot, viewer, "movie residual")
    np.testing.assert_allclose(residual.data[0], residual_by(model(), 6), rtol=1e-3, atol=1e-4)
    for index in (7, 8, 20):
        viewer.dims.set_current_step(0, index)
    qtbot.waitUntil(lambda: residual.translate[0] == 20, timeout=20_000)
    np.testing.assert_allclose(residual._slice.image.raw, residual_by(model(), 20), rtol=1e-3, atol=1e-4)
    viewer.layers.remove(noisy)
    viewer.dims.set_current_step(0, 2)


def test_the_residual_of_a_model_follows_data_that_are_replaced(qtbot, viewer, dock):
    session_of(viewer).add_model("trained", model())
    noisy, denoised = add_pair(viewer)
    denoised.metadata["blinkspot_provenance"] = {"model": model().provenance}
    choose(dock, "Residual")
    residual = wait_for_layer(qtbot, viewer, "movie residual")
    before = residual.data
    noisy.data = movie(seed=8)
    qtbot.waitUntil(lambda: residual.data is not before, timeout=20_000)
    expected = residual_by(model(), viewer.dims.current_step[0], movie(seed=8))
    np.testing.assert_allclose(residual.data[0], expected, rtol=1e-3, atol=1e-4)


def test_each_model_has_a_residual_of_its_own(qtbot, viewer, dock):
    session = session_of(viewer)
    noisy, denoised = add_pair(viewer)
    viewer.dims.set_current_step(0, 6)
    models = (model(), finish(Training(Stack(movie(60)), CAMERA, OTHER_SETTINGS).run()))
    for each, name in zip(models, ("movie residual", "movie residual [1]"), strict=True):
        session.add_model("trained", each)
        newer = viewer.add_image(
            denoised.data,
            metadata={"blinkspot_role": "denoised", "blinkspot_provenance": {"model": each.provenance}},
            **UM,
        )
        session.add_denoised(noisy, newer)
        choose(dock, "Residual")
        residual = wait_for_layer(qtbot, viewer, name)
        np.testing.assert_allclose(residual.data[0], residual_by(each, 6), rtol=1e-3, atol=1e-4)
    # Asked for again, it is shown, not made anew.
    residual.visible = False
    choose(dock, "Residual")
    assert residual.visible


def test_what_cannot_be_compared_is_told_in_a_sentence(qtbot, viewer, dock):
    noisy = add_movie(viewer, **UM)
    small = viewer.add_image(
        np.zeros((40, 16, 16), np.float32), name="small", metadata={"blinkspot_role": "denoised"}, **UM
    )
    session_of(viewer).add_denoised(noisy, small)
    for name in ("Difference", "Residual"):
        with notifications() as told:
            choose(dock, name)
        assert "denoised version of the same movie" in told[0][1]
        assert told[0][0] == "warning"
    assert len(viewer.layers) == 2


def open_profile(qtbot, viewer, dock):
    profile = session_of(viewer).profile
    choose(dock, "Line profile")
    # Once per installation, napari compiles what it draws lines by.
    qtbot.waitUntil(lambda: profile.panel is not None, timeout=60_000)
    qtbot.waitUntil(lambda: profile.panel.noisy.getData()[0] is not None, timeout=20_000)
    return profile


def check_profile(qtbot, viewer, profile, layers):
    """Fail where the curves do not come to be those of scipy along the line."""
    (start, end), index = profile.line.data[-1], viewer.dims.current_step[0]
    n = max(2, int(np.ceil(np.hypot(*(end - start)) / 0.5)) + 1)
    places = np.linspace(start, end, n).T

    def agree():
        for curve, layer in zip((profile.panel.noisy, profile.panel.denoised), layers, strict=True):
            distances, values = curve.getData()
            frame = (np.asarray(layer.data[index], float) - 100.0) * 12.0 / 150.0
            expected = map_coordinates(frame, places, order=1, mode="nearest")
            nm = np.linspace(0.0, 100.0 * np.hypot(*(end - start)), n)
            if len(values) != n or not np.allclose(values, expected, atol=1e-3, equal_nan=True):
                return False
            assert np.allclose(distances, nm)
        return True

    qtbot.waitUntil(agree, timeout=20_000)


def test_the_profile_follows_the_line_and_the_slider(qtbot, viewer, dock):
    layers = add_pair(viewer)
    viewer.dims.set_current_step(0, 7)
    profile = open_profile(qtbot, viewer, dock)
    middle = np.round(profile.line.data[0].mean(axis=0)).astype(int)
    # It lies across the brightest pixel of the middle half of the frame.
    part = layers[1].data[7, 8:24, 8:24]
    assert tuple(middle - 8) == np.unravel_index(part.argmax(), part.shape)
    check_profile(qtbot, viewer, profile, layers)
    axes = [profile.panel.plot.getAxis(side).labelText for side in ("bottom", "left")]
    assert axes == ["distance along the line (nm)", "photoelectrons"]
    profile.line.data = [np.array([[4.0, 5.0], [20.0, 27.5]])]
    check_profile(qtbot, viewer, profile, layers)
    viewer.dims.set_current_step(0, 12)
    check_profile(qtbot, viewer, profile, layers)
    qtbot.keyClick(profile.panel, Qt.Key.Key_Up)
    qtbot.keyClick(profile.panel, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    np.testing.assert_allclose(profile.line.data[0], [[3.0, 5.0], [19.0, 28.5]])
    check_profile(qtbot, viewer, profile, layers)
    dark = profile.panel.plot.backgroundBrush().color().lightness()
    viewer.theme = "light"
    assert profile.panel.plot.backgroundBrush().color().lightness() > dark + 100


def test_a_slow_disk_is_not_said_to_be_napari_that_compiles(qtbot, viewer, dock, monkeypatch):
    add_pair(viewer)
    asked = []
    monkeypatch.setattr(profile, "_LONG_MS", 1500)
    monkeypatch.setattr(profile, "compile_lines", lambda: asked.append(True))
    reading = gated(monkeypatch, profile_steps, "line_across_brightest")
    with notifications() as told:
        choose(dock, "Line profile")
        qtbot.waitUntil(lambda: asked != [], timeout=10_000)
        qtbot.wait(2000)
    assert told == []
    reading.set()
    qtbot.waitUntil(lambda: session_of(viewer).profile.panel is not None, timeout=60_000)


def test_the_window_does_not_stand_still_while_napari_compiles_lines(qtbot, viewer, dock, monkeypatch):
    add_pair(viewer)
    monkeypatch.setattr(profile, "_LONG_MS", 50)
    compiling = gated(monkeypatch, profile, "compile_lines")
    with notifications() as told:
        choose(dock, "Line profile")
        qtbot.waitUntil(lambda: any("once per installation" in text for _, text in told), timeout=10_000)
    assert session_of(viewer).profile.line is None
    compiling.set()
    qtbot.waitUntil(lambda: session_of(viewer).profile.panel is not None, timeout=60_000)


def test_the_profile_follows_a_movie_that_is_denoised_just_now(qtbot, viewer, dock):
    noisy, denoised, go_on = begin_to_denoise(viewer)
    viewer.dims.set_current_step(0, 20)
    profile = open_profile(qtbot, viewer, dock)
    check_profile(qtbot, viewer, profile, (noisy, denoised))
    go_on(10, 40)
    check_profile(qtbot, viewer, profile, (noisy, denoised))
    # Not any more once it is closed.
    viewer.layers.remove(profile.line)
    denoised.refresh()
    assert profile.panel is None


def test_the_profile_follows_the_frame_that_a_training_shows(qtbot, viewer):
    noisy, live = add_movie(viewer, **UM), LiveLayer(viewer)
    live.begin(noisy, Place.of(noisy))
    live.show(viewer.dims.current_step[0], movie()[7].astype(np.float32))
    profile = session_of(viewer).profile
    profile.show(noisy, live.layer)

    def seen():
        curves = (profile.panel.noisy, profile.panel.denoised) if profile.panel else ()
        return [len(curve.getData()[0] if curve.getData()[0] is not None else ()) > 0 for curve in curves]

    qtbot.waitUntil(lambda: seen() == [True, True], timeout=20_000)
    # The slider moves, and a little later the frame follows.
    viewer.dims.set_current_step(0, 12)
    qtbot.waitUntil(lambda: seen() == [True, False], timeout=20_000)
    live.show(12, movie()[12].astype(np.float32))
    qtbot.waitUntil(lambda: seen() == [True, True], timeout=20_000)


def test_the_profile_of_a_layer_that_is_no_movie_any_more_stays_empty(qtbot, viewer, dock, monkeypatch):
    noisy, _ = add_pair(viewer)
    profile = open_profile(qtbot, viewer, dock)
    wait_for_workers(qtbot)
    begun, gate, profiles = threading.Event(), threading.Event(), profile_steps.profiles

    def late(question):
        begun.set()
        assert gate.wait(30)
        return profiles(question)

    monkeypatch.setattr(profile_steps, "profiles", late)
    viewer.dims.set_current_step(0, 5)
    qtbot.waitUntil(begun.is_set, timeout=5000)
    noisy.data = movie()[0]
    viewer.dims.set_current_step(0, 6)
    gate.set()
    wait_for_workers(qtbot)
    qtbot.wait(50)
    assert profile.panel.noisy.getData()[0] is None


def test_the_profile_follows_an_end_while_it_is_dragged(qtbot, viewer, dock):
    layers = add_pair(viewer)
    profile = open_profile(qtbot, viewer, dock)
    profile.line.data = [np.array([[16.0, 10.0], [16.0, 22.0]])]
    profile.line.selected_data = {0}
    viewer.reset_view()
    qtbot.wait(100)
    canvas, camera = viewer.window._qt_viewer.canvas, viewer.scene.camera

    def at(y, x):
        height, width = canvas.size
        place = (np.array([y, x]) * 0.1 - camera.center[1:]) * camera.zoom + np.array([height, width]) / 2
        return QPoint(round(place[1]), round(place[0]))

    qtbot.mouseMove(canvas.native, at(16, 22))
    qtbot.mousePress(canvas.native, Qt.MouseButton.LeftButton, pos=at(16, 22))
    for y, x in ((15, 23), (12, 25), (10, 26)):
        qtbot.mouseMove(canvas.native, at(y, x))
        qtbot.wait(20)
    # Before the button is let go.
    np.testing.assert_allclose(profile.line.data[0], [[16.0, 10.0], [10.0, 26.0]], atol=0.3)
    check_profile(qtbot, viewer, profile, layers)
    qtbot.mouseRelease(canvas.native, Qt.MouseButton.LeftButton, pos=at(10, 26))


def test_the_profile_ends_with_its_line_its_plot_or_a_movie(qtbot, viewer, dock):
    window = viewer.window
    before = set(window.dock_widgets)

    def check_gone(profile):
        qtbot.waitUntil(lambda: profile.panel is None and profile.line is None, timeout=5000)
        assert "movie profile" not in viewer.layers
        assert set(window.dock_widgets) == before

    _, denoised = add_pair(viewer)
    profile = open_profile(qtbot, viewer, dock)
    profile.line.data = []
    qtbot.waitUntil(lambda: not len(profile.panel.noisy.getData()[0] or ()), timeout=5000)
    viewer.layers.remove(profile.line)
    check_gone(profile)
    profile = open_profile(qtbot, viewer, dock)
    profile.panel.parent().destroyOnClose()
    check_gone(profile)
    profile = open_profile(qtbot, viewer, dock)
    viewer.layers.remove(denoised)
    check_gone(profile)


def test_a_line_does_not_take_a_cell_beside_the_movies(qtbot, viewer, dock):
    add_pair(viewer)
    choose(dock, "Side by side")
    open_profile(qtbot, viewer, dock)
    assert not viewer.canvas.grid.enabled
    choose(dock, "Curtain")
    assert viewer.layers["movie profile"].visible


def test_the_scale_bar_appears_with_a_movie_that_tells_its_pixel_size(viewer, dock):
    overlay = viewer.canvas.overlays.scale_bar
    viewer.add_image(np.zeros((4, 32, 32)), name="of pixels")
    assert not overlay.visible
    add_movie(viewer, **UM)
    assert overlay.visible
    choose(dock, "Scale bar")
    assert not overlay.visible
    # Not again by itself.
    add_movie(viewer, **UM)
    assert not overlay.visible


def test_with_the_scale_bar_all_layers_are_measured_in_um(viewer, dock):
    layer = add_movie(viewer, scale=(1, 1, 1), translate=(0, 3, 4))
    other = viewer.add_points(np.array([[5.0, 6.0]]), name="of another plugin", rotate=30.0)
    known = viewer.add_image(np.zeros((32, 32)), scale=(0.1, 0.1), units=("um", "um"), name="in um")
    places = {each: np.array(each.data_to_world((3.0,) * each.ndim)) for each in (layer, other)}
    zoom, centre = viewer.scene.camera.zoom, viewer.scene.camera.center
    viewer.canvas.overlays.scale_bar.visible = False
    choose(dock, "Scale bar")
    assert viewer.canvas.overlays.scale_bar.visible
    for each, place in places.items():
        assert [str(unit) for unit in each.units[-2:]] == ["micrometer"] * 2
        # 100 nm a pixel.
        expected = place * np.array([1.0, 0.1, 0.1])[-each.ndim :]
        np.testing.assert_allclose(each.data_to_world((3.0,) * each.ndim), expected)
    np.testing.assert_allclose(known.scale, (0.1, 0.1))
    # What is seen is what was seen.
    assert viewer.scene.camera.zoom == pytest.approx(10.0 * zoom)
    np.testing.assert_allclose(viewer.scene.camera.center[1:], np.array(centre[1:]) / 10.0)


def test_a_movie_scaled_in_um_without_saying_so_stays_where_it_is(viewer, dock):
    layer = add_movie(viewer)
    choose(dock, "Scale bar")
    np.testing.assert_allclose(layer.scale, (1.0, 0.1, 0.1))
    assert str(layer.units[-1]) == "micrometer"


def test_without_a_pixel_size_there_is_no_scale_bar(viewer, dock):
    viewer.add_image(movie(), name="unknown")
    with notifications() as told:
        choose(dock, "Scale bar")
    assert "pixel size of 'unknown' is not known" in told[0][1]
    assert not viewer.canvas.overlays.scale_bar.visible
