"""Heights by astigmatism: against the simulated truth, the Cramer-Rao bound in float64, and scipy."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
import tifffile
from astigmatic import (
    CALIBRATION,
    CAMERA,
    PIXEL_NM,
    bead_stack,
    cramer_rao_std,
    loss_at,
    mean_at,
    movie_of_molecules,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.optimize import brentq, minimize
from test_docs import json_keys

from blinkspot import BlinkspotError, Camera, Localizer, LocalizerSettings, finish, read_table
from blinkspot.cli.app import main
from blinkspot.localization.astigmatism import (
    AstigmatismCalibration,
    CalibrationSettings,
    DefocusCurve,
    calibrate,
    fit_heights,
)
from blinkspot.localization.astigmatism.height_model import linearize
from blinkspot.localization.fitting.molecules import fit_molecules
from blinkspot.localization.table import OPTIONAL_COLUMNS

WINDOW = 15
N = 3000


def curves_px():
    return np.array(
        [
            [c.sigma_nm / PIXEL_NM, c.centre_nm, c.depth_nm, c.cubic, c.quartic, c.quintic, c.sextic]
            for c in (CALIBRATION.x, CALIBRATION.y)
        ]
    )


def pictures_of(z, photons, background, seed, *, em=False, n=N):
    """Pictures of molecules as one tall frame of counts, and the true x and y within a picture."""
    random = np.random.default_rng(seed)
    x, y = WINDOW // 2 + random.uniform(-0.5, 0.5, (2, n))
    mean = np.stack(
        [mean_at(np.array([x[i], y[i], z, photons, background]), (WINDOW, WINDOW)) for i in range(n)]
    )
    counts = random.poisson(mean).astype(np.float64)
    if em:
        counts = np.where(counts > 0, random.gamma(np.maximum(counts, 1.0)), 0.0) / 2
    return x, y, counts.reshape(-1, WINDOW).astype(np.float32)


def fit_all(frame, calibration=CALIBRATION, **more):
    n = len(frame) // WINDOW
    rows = WINDOW // 2 + WINDOW * np.arange(n)
    columns = np.full(n, WINDOW // 2)
    return fit_heights(frame, rows, columns, calibration, PIXEL_NM, window_px=WINDOW, **more)


# -- the curves and their file

curves = st.builds(
    DefocusCurve,
    st.floats(80, 200),
    st.floats(-400, 400),
    st.floats(250, 800),
    st.floats(-0.3, 0.3),
    st.floats(0.05, 0.5),
    st.floats(-0.01, 0.01),
    st.floats(0.0, 0.1),
)


@given(curves, st.floats(-700, 700))
def test_curve_is_the_formula_and_its_slope_the_derivative(curve, z):
    t = (z - curve.centre_nm) / curve.depth_nm
    powers = [1, 0, 1, curve.cubic, curve.quartic, curve.quintic, curve.sextic]
    expected = curve.sigma_nm * np.sqrt(np.polynomial.Polynomial(powers)(t))
    assert curve.at(z) == pytest.approx(expected)
    assert curve.slope(z) == pytest.approx((curve.at(z + 0.01) - curve.at(z - 0.01)) / 0.02, abs=1e-5)


@settings(max_examples=30, deadline=None)
@given(curves, curves, st.floats(-900, -100), st.floats(100, 900), st.floats(0.5, 1.0), st.text(max_size=9))
def test_file_gives_back_what_was_saved(tmp_path_factory, x, y, low, high, factor, name):
    path = tmp_path_factory.mktemp("saved") / "calibration.toml"
    about = {"movie": {"name": name, "shape": [1, 2, 3]}, "seed": None}
    measured = {"z_nm": [-1.5, 2.0], "sigma_x_nm": [140.25, 150.0], "sigma_y_nm": [151.0, 139.0]}
    saved = AstigmatismCalibration(x, y, (low, high), 1234.5, factor, measured, {"beads": 7}, about)
    saved.save(path)
    loaded = AstigmatismCalibration.load(path)
    assert loaded == saved
    assert loaded.measured == measured
    assert loaded.findings == {"beads": 7}
    assert loaded.provenance == about
    with pytest.raises(BlinkspotError, match="exists"):
        saved.save(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "cannot be read"),
        ("sigma =", "not valid TOML"),
        ("[camera]\npixel_size_nm = 100\n", "not an astigmatism calibration"),
        ("[astigmatism]\nz_range_nm = [-1, 1]\nx = 3\ny = 4\n", "not an astigmatism calibration"),
        (("depth_nm = 400.0", "depth_nm = 0.0"), "depth_nm must be a number between 10"),
        (("depth_nm = 400.0", "depth_nm = nan"), "depth_nm must be a number between 10"),
        (("depth_nm = 400.0", "depth_nm = true"), "depth_nm must be a number between 10"),
        (("[-600.0, 600.0]", "[600.0, -600.0]"), "lower one first"),
        (("[-600.0, 600.0]", "600.0"), "lower one first"),
        (("factor = 1.0", "factor = 7.9"), "between 0.1 and 2"),
        (("quartic = 0.1", "quartic = -5.0"), "not defined from -600 to 600 nm"),
        (("sigma_nm", "sigma_um"), "not an astigmatism calibration"),
    ],
)
def test_bad_file_is_told_in_a_sentence(tmp_path, text, words):
    path = tmp_path / "calibration.toml"
    if isinstance(text, tuple):
        CALIBRATION.save(tmp_path / "good.toml")
        good = (tmp_path / "good.toml").read_text()
        assert text[0] in good
        text = good.replace(*text)
    if text is not None:
        path.write_text(text)
    with pytest.raises(BlinkspotError, match=words):
        AstigmatismCalibration.load(path)


# -- the fit


def evaluated(window, parameters, *, expected=False):
    """Loss, gradient and curvature of the compiled likelihood."""
    rows, columns = window.shape
    gradient, curvature = np.empty(5), np.empty((5, 5))
    shares = (np.empty((8, columns + 1)), np.empty((8, rows + 1)))
    known = np.zeros_like(window)
    loss = linearize(window, known, curves_px(), expected, parameters, shares, gradient, curvature)
    return loss, gradient, curvature


@pytest.mark.parametrize("z", [-450.0, -10.0, 380.0])
def test_gradient_and_curvature_are_the_likelihoods(z):
    true = np.array([6.2, 7.4, z, 900.0, 6.0])
    window = np.random.default_rng(5).poisson(mean_at(true, (13, 14))).astype(np.float64)
    at = true + np.array([0.2, -0.1, 30.0, 50.0, 1.0])
    steps = np.array([1e-3, 1e-3, 0.3, 0.5, 0.01])
    loss, gradient, curvature = evaluated(window, at)
    assert loss == pytest.approx(loss_at(at, window))
    for i, step in enumerate(np.diag(steps)):
        difference = (loss_at(at + step, window) - loss_at(at - step, window)) / (2 * steps[i])
        assert gradient[i] == pytest.approx(difference, rel=1e-3, abs=1e-3 / steps[i])
        bends = (evaluated(window, at + step)[1] - evaluated(window, at - step)[1]) / (2 * steps[i])
        np.testing.assert_allclose(curvature[i, : i + 1], bends[: i + 1], rtol=1e-3, atol=1e-4)


def test_information_is_the_curvature_where_the_counts_are_the_means():
    at = np.array([6.2, 7.4, 120.0, 900.0, 6.0])
    mean = mean_at(at, (13, 14))
    observed, expected = evaluated(mean, at)[2], evaluated(mean, at, expected=True)[2]
    np.testing.assert_allclose(np.tril(observed), np.tril(expected), rtol=1e-9, atol=1e-9)
    bound = cramer_rao_std(at, (13, 14))
    whole = np.tril(expected) + np.tril(expected, -1).T
    np.testing.assert_allclose(np.sqrt(np.diag(np.linalg.inv(whole))), bound, rtol=1e-5)


@pytest.mark.parametrize("z", [-480.0, 150.0])
def test_fit_finds_the_deepest_of_all_optima(z):
    _, _, frame = pictures_of(z, 700.0, 5.0, seed=2, n=4)
    fits = fit_all(frame)
    for i, index in enumerate(fits.candidate):
        window = frame[index * WINDOW :][:WINDOW].astype(np.float64)
        lowest = min(
            minimize(
                lambda p, window=window: loss_at(p * [1, 1, 100, 100, 1], window),
                [7.0, 7.0, start / 100, 7.0, 5.0],
                method="L-BFGS-B",
                bounds=[(4, 10), (4, 10), (-6, 6), (0.5, 50), (0.1, 50)],
            ).fun
            for start in (-450.0, -150.0, 150.0, 450.0)
        )
        own = np.array(
            [fits.x[i], fits.y[i] - WINDOW * index, fits.z_nm[i], fits.amplitude[i], fits.background[i]]
        )
        assert loss_at(own, window) <= lowest + 1e-3


@pytest.mark.parametrize(
    ("z", "photons", "background"),
    [
        (0.0, 500.0, 5.0),
        (-300.0, 1000.0, 5.0),
        (250.0, 2000.0, 50.0),
        (-450.0, 5000.0, 20.0),
        (500.0, 5000.0, 5.0),
    ],
)
def test_error_of_z_is_the_cramer_rao_bound_and_the_reported_one(z, photons, background):
    x, _, frame = pictures_of(z, photons, background, seed=7)
    fits = fit_all(frame)
    assert len(fits) > 0.99 * N
    middle = (WINDOW - 1) / 2
    bound = cramer_rao_std(np.array([middle, middle, z, photons, background]), (WINDOW, WINDOW))
    errors = fits.z_nm - z
    assert errors.std() / bound[2] == pytest.approx(1.0, abs=0.05)
    assert abs(errors.mean()) < 0.1 * bound[2]
    assert errors.std() / np.sqrt(fits.variance_z_nm2.mean()) == pytest.approx(1.0, abs=0.05)
    assert (errors / np.sqrt(fits.variance_z_nm2)).std() == pytest.approx(1.0, abs=0.06)
    assert (fits.x - x[fits.candidate]).std() / bound[0] == pytest.approx(1.0, abs=0.05)


def test_error_with_an_em_register_is_the_reported_one():
    _, _, frame = pictures_of(-200.0, 2000.0, 10.0, seed=8, em=True)
    fits = fit_all(frame)
    # Counts of half the electrons, whose variance is their mean.
    bound = cramer_rao_std(np.array([7.0, 7.0, -200.0, 1000.0, 5.0]), (WINDOW, WINDOW))
    assert (fits.z_nm + 200.0).std() / bound[2] == pytest.approx(1.0, abs=0.06)
    assert (fits.z_nm + 200.0).std() / np.sqrt(fits.variance_z_nm2.mean()) == pytest.approx(1.0, abs=0.06)


def test_known_counts_of_noisy_pixels_are_no_part_of_the_molecule():
    _, _, frame = pictures_of(150.0, 3000.0, 5.0, seed=9, n=800)
    random = np.random.default_rng(0)
    extra = np.where(random.random(frame.shape) < 0.1, 100.0, 1.0).astype(np.float32)
    noisy = frame + random.poisson(extra).astype(np.float32)
    fits = fit_all(noisy, extra=extra, start=noisy - extra)
    errors = fits.z_nm - 150.0
    assert abs(errors.mean()) < 4 * errors.std() / np.sqrt(len(fits))
    assert fits.background.mean() == pytest.approx(5.0, abs=0.2)
    assert errors.std() / np.sqrt(fits.variance_z_nm2.mean()) == pytest.approx(1.0, abs=0.1)


def test_molecules_beyond_the_range_are_left_out():
    _, _, frame = pictures_of(430.0, 5000.0, 5.0, seed=10, n=300)
    narrow = AstigmatismCalibration(CALIBRATION.x, CALIBRATION.y, (-300.0, 300.0))
    assert len(fit_all(frame)) == 300
    assert len(fit_all(frame, narrow)) == 0


def test_refractive_index_factor_scales_height_and_its_uncertainty():
    _, _, frame = pictures_of(-100.0, 2000.0, 5.0, seed=11, n=50)
    flat = AstigmatismCalibration(CALIBRATION.x, CALIBRATION.y, (-600.0, 600.0), 1500.0, 0.8)
    own, scaled = fit_all(frame), fit_all(frame, flat)
    np.testing.assert_allclose(scaled.z_nm, 0.8 * own.z_nm)
    np.testing.assert_allclose(scaled.variance_z_nm2, 0.64 * own.variance_z_nm2)
    np.testing.assert_allclose(scaled.sigma_x, own.sigma_x)


def test_molecule_at_the_border_is_fitted_on_the_pixels_that_exist():
    picture = np.random.default_rng(1).poisson(mean_at(np.array([2.0, 1.0, 200.0, 8000.0, 5.0]), (30, 30)))
    fits = fit_heights(
        picture.astype(np.float32), np.array([1]), np.array([2]), CALIBRATION, PIXEL_NM, window_px=15
    )
    assert abs(fits.z_nm[0] - 200.0) < 5 * np.sqrt(fits.variance_z_nm2[0]) < 150.0
    assert abs(fits.y[0] - 1.0) < 5 * np.sqrt(fits.variance_y[0])


# -- the calibration


@pytest.mark.parametrize("z_step_nm", [25.0, -40.0])
def test_calibration_finds_the_curves_of_the_beads(z_step_nm):
    stack = bead_stack(1, z_step_nm=z_step_nm)
    found = finish(calibrate(stack, CAMERA, CalibrationSettings(z_step_nm)))
    heights = np.linspace(-500, 500, 51)
    for axis in ("x", "y"):
        own, true = getattr(found, axis), getattr(CALIBRATION, axis)
        np.testing.assert_allclose(own.at(heights), true.at(heights), rtol=0.005)
        assert own.sigma_nm == pytest.approx(true.sigma_nm, rel=0.005)
        assert own.centre_nm == pytest.approx(true.centre_nm, abs=15.0)
    assert found.findings["beads"] == found.findings["beads_seen"] == 9
    assert found.findings["long_axis_above_focus"] == "x"
    assert max(found.findings["residual_x"], found.findings["residual_y"]) < 0.01
    assert -605 < found.z_range_nm[0] < -520
    assert 520 < found.z_range_nm[1] < 605
    z_nm = np.array(found.measured["z_nm"])
    assert np.diff(z_nm) == pytest.approx(abs(z_step_nm), abs=12.0)
    np.testing.assert_allclose(found.measured["sigma_x_nm"], CALIBRATION.x.at(z_nm), rtol=0.02)
    np.testing.assert_allclose(found.measured["sigma_y_nm"], CALIBRATION.y.at(z_nm), rtol=0.02)
    assert found.provenance["settings"]["z_step_nm"] == z_step_nm
    assert found.provenance["camera"] == CAMERA.as_dict()


def test_step_of_the_wrong_sign_turns_the_heights_over():
    stack = bead_stack(1)
    found = finish(calibrate(stack, CAMERA, CalibrationSettings(-25.0)))
    assert found.findings["long_axis_above_focus"] == "y"
    heights = np.linspace(-500, 500, 51)
    np.testing.assert_allclose(found.x.at(heights), CALIBRATION.x.at(-heights), rtol=0.005)


def test_gaussian_beads_as_dim_as_molecules_have_the_same_curves():
    dim = CalibrationSettings(25.0, molecule_photons=1000.0, molecule_background_photons=10.0)
    found = finish(calibrate(bead_stack(1), CAMERA, dim))
    heights = np.linspace(-500, 500, 51)
    np.testing.assert_allclose(found.x.at(heights), CALIBRATION.x.at(heights), rtol=0.015)
    np.testing.assert_allclose(found.y.at(heights), CALIBRATION.y.at(heights), rtol=0.015)


def test_beads_with_a_halo_are_fitted_as_the_dim_molecules_are():
    """A wide halo counts less the more background there is, so the width that fits depends on the light."""
    wide = {
        axis: dataclasses.replace(getattr(CALIBRATION, axis), sigma_nm=325.0, depth_nm=900.0) for axis in "xy"
    }
    halo = dataclasses.replace(CALIBRATION, **wide)
    stack = bead_stack(1, photons=40000.0) + (bead_stack(1, photons=15000.0, calibration=halo) - 100)
    photons, background = 700.0, 20.0
    like = {"molecule_photons": photons, "molecule_background_photons": background}
    dim = finish(calibrate(stack, CAMERA, CalibrationSettings(25.0, **like)))
    bright = finish(calibrate(stack, CAMERA, CalibrationSettings(25.0)))
    place = np.array([7])

    def fitted(total):
        core = mean_at(np.array([7.0, 7.0, 0.0, total * 8 / 11, background]), (15, 15))
        ring = mean_at(np.array([7.0, 7.0, 0.0, total * 3 / 11, 0.0]), (15, 15), halo)
        return fit_molecules((core + ring).astype(np.float32), place, place, elliptical=True, window_px=15)

    # The photons of a molecule are those that its fit gives.
    total = brentq(lambda total: fitted(total).amplitude[0] - photons, photons, 2 * photons)
    sigma_nm = fitted(total).sigma_x[0] * PIXEL_NM
    assert dim.x.at(0.0) == pytest.approx(sigma_nm, rel=0.01)
    assert bright.x.at(0.0) > 1.03 * sigma_nm


def test_calibration_bears_a_few_spots_that_are_no_beads():
    stack = bead_stack(2).astype(np.float64)
    random = np.random.default_rng(3)
    spot = mean_at(np.array([7.0, 7.0, 0.0, 30000.0, 0.0]), (15, 15))
    # One in place of a bead that stays in focus, and a hot pixel.
    stack[:, 9:24, 9:24] = 100 + random.poisson(20 + np.broadcast_to(spot, (61, 15, 15)))
    stack[:, 48, 30] = 5000
    found = finish(calibrate(stack.astype(np.uint16), CAMERA, CalibrationSettings(25.0)))
    heights = np.linspace(-500, 500, 51)
    assert found.findings["beads"] >= 7
    np.testing.assert_allclose(found.x.at(heights), CALIBRATION.x.at(heights), rtol=0.01)
    np.testing.assert_allclose(found.y.at(heights), CALIBRATION.y.at(heights), rtol=0.01)


ROUND = AstigmatismCalibration(CALIBRATION.x.moved(220.0), CALIBRATION.x.moved(220.0), (-600.0, 600.0))


@pytest.mark.parametrize(
    ("stack", "words"),
    [
        (lambda: bead_stack(1, beads_per_side=1), "Only 1 isolated beads can be followed"),
        (lambda: np.random.default_rng(0).poisson(20, (30, 64, 64)) + 100, "Only 0 isolated beads"),
        (lambda: bead_stack(1, calibration=ROUND), "cylindrical lens"),
        (lambda: bead_stack(1, n_frames=5), "only 5 frames"),
        (lambda: np.full((20, 32, 32), np.nan), r"Frame 1 \(counting from 1\) of the bead stack holds NaN"),
        (lambda: np.full((20, 32, 32), 100.0), "Only 0 isolated beads"),
    ],
)
def test_bad_bead_stack_is_told_in_a_sentence(stack, words):
    with pytest.raises(BlinkspotError, match=words):
        finish(calibrate(stack(), CAMERA, CalibrationSettings(25.0)))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"z_step_nm": 0.0}, "z step must be"),
        ({"z_step_nm": float("nan")}, "z step must be"),
        ({"z_step_nm": 25.0, "range_nm": 20.0}, "100 to 5000 nm"),
        ({"z_step_nm": 25.0, "window_nm": 12.0}, "500 to 5000 nm"),
        ({"z_step_nm": 25.0, "molecule_photons": 500.0}, "belong together"),
        ({"z_step_nm": 25.0, "molecule_background_photons": 5.0}, "belong together"),
        ({"z_step_nm": 25.0, "molecule_photons": 0.0, "molecule_background_photons": 5.0}, "50 photons"),
        ({"z_step_nm": 25.0, "molecule_photons": 500.0, "molecule_background_photons": 0.0}, "above 0"),
        ({"z_step_nm": 25.0, "refractive_index_factor": 0.0}, "between 0.1 and 2"),
    ],
)
def test_bad_settings_of_a_calibration_are_told(values, words):
    with pytest.raises(BlinkspotError, match=words):
        CalibrationSettings(**values)


# -- the localizer and the command line


@pytest.mark.parametrize(
    "values", [{"fit": "lsq"}, {"widths": "free"}, {"preset": "thunderstorm"}, {"false_per_frame": 0.1}]
)
def test_settings_that_contradict_a_calibration_are_told(values):
    with pytest.raises(BlinkspotError, match="do without astigmatism"):
        LocalizerSettings(astigmatism=CALIBRATION, **values)


@given(st.floats(20.0, 300.0))
def test_window_is_the_odd_number_of_pixels_next_to_the_calibrations(pixel_size_nm):
    window_px = CALIBRATION.window_px(pixel_size_nm)
    assert window_px % 2 == 1
    assert window_px == 5 or abs(window_px * pixel_size_nm - CALIBRATION.window_nm) <= 1.001 * pixel_size_nm


def matched(table, truth):
    """Return the rows that are nearest to the true molecules, in their order."""
    data = table.data
    rows = []
    for frame, x, y, _ in truth:
        distance = np.hypot(data["x_nm"] - x, data["y_nm"] - y).where(data["frame"] == frame)
        assert distance.min() < 50.0
        rows.append(distance.idxmin())
    return data.loc[rows]


def test_table_of_a_movie_holds_heights_that_are_true():
    movie, truth = movie_of_molecules()
    table = finish(Localizer(CAMERA, LocalizerSettings(astigmatism=CALIBRATION)).localize(movie))
    assert [name for name in table.data if name in OPTIONAL_COLUMNS[:6]] == list(OPTIONAL_COLUMNS[:6])
    rows = matched(table, truth)
    pull = (rows["z_nm"] - truth[:, 3]) / rows["uncertainty_z_nm"]
    assert np.sqrt((pull**2).mean()) == pytest.approx(1.0, abs=0.25)
    np.testing.assert_allclose(rows["sigma_x_nm"], CALIBRATION.x.at(rows["z_nm"].to_numpy()))
    json.dumps(table.provenance, allow_nan=False)
    record = table.provenance["settings"]
    assert record["astigmatism"]["x"]["centre_nm"] == -220.0
    # The calibration has widths and a window of its own.
    assert set(record).isdisjoint({"widths", "initial_sigma_px", "fit_window_px"})
    idle = LocalizerSettings(astigmatism=CALIBRATION, initial_sigma_px=2.0, fit_window_px=5)
    assert finish(Localizer(CAMERA, idle).localize(movie)).data.equals(table.data)


def test_one_frame_gives_what_the_movie_gives():
    movie, _ = movie_of_molecules(2)
    localizer = Localizer(CAMERA, LocalizerSettings(astigmatism=CALIBRATION))
    alone = localizer.localize_frame(movie[0], width=finish(localizer.learn_width(movie)))
    both = finish(localizer.localize(movie))
    np.testing.assert_array_equal(alone.column("z_nm"), both.in_frame(0).column("z_nm"))


def test_command_line_calibrates_and_localizes(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    movie, truth = movie_of_molecules(6)
    tifffile.imwrite("beads.tif", bead_stack(1))
    tifffile.imwrite("movie.tif", movie)
    camera = "--pixel-size-nm 100 --offset-adu 100 --electrons-per-adu 1 --json"

    def run(words, status):
        with pytest.raises(SystemExit, match=f"^{status}$"):
            main([*words.split(), *camera.split()])
        return capsys.readouterr()

    out = run("calibrate-astigmatism beads.tif -o c.toml --z-step-nm 25 --picture c.png", 0).out
    assert list(json.loads(out)) == json_keys("calibrate-astigmatism")
    with Image.open("c.png") as picture:
        assert json.loads(picture.text["Description"])["step"] == "calibrate-astigmatism"
    run("localize movie.tif -o found.csv --astigmatism c.toml", 0)
    run("localize movie.tif -o found.hdf5 --astigmatism c.toml", 0)
    header = Path("found.csv").read_text().splitlines()[0]
    assert '"z [nm]","uncertainty_z [nm]","sigma1 [nm]","sigma2 [nm]"' in header
    for name in ("found.csv", "found.hdf5"):
        rows = matched(read_table(name, pixel_size_nm=100.0), truth)
        assert np.abs(rows["z_nm"] - truth[:, 3]).max() < 60.0
    for words, sentence in [
        ("calibrate-astigmatism beads.tif -o c.toml --z-step-nm 25", "exists"),
        ("calibrate-astigmatism beads.tif -o d.toml --z-step-nm 0", "z step"),
        ("calibrate-astigmatism beads.tif -o d.toml --z-step-nm 25 --picture c.pdf", "as .png or .svg"),
        ("localize movie.tif -o other.csv --astigmatism none.toml", "cannot be read"),
        ("localize movie.tif -o other.csv --astigmatism c.toml --fit wlsq", "maximum likelihood"),
    ]:
        error = run(words, 2).err
        assert re.search(sentence, error)
        assert "Traceback" not in error


def test_camera_of_other_pixels_gives_the_same_heights():
    """Widths are in nm, so a movie of another pixel size needs no calibration of its own."""
    movie, _ = movie_of_molecules(2)
    settings = LocalizerSettings(astigmatism=CALIBRATION)
    half = AstigmatismCalibration(
        DefocusCurve(65.0, -220.0, 400.0, 0.1, 0.1),
        DefocusCurve(65.0, 220.0, 400.0, -0.1, 0.1),
        (-600, 600),
        750.0,
    )
    fine = Camera(pixel_size_nm=50.0, offset_adu=100.0)
    own = finish(Localizer(CAMERA, settings).localize(movie))
    other = finish(Localizer(fine, LocalizerSettings(astigmatism=half)).localize(movie))
    np.testing.assert_allclose(other.column("z_nm"), own.column("z_nm"), atol=1e-6)
    np.testing.assert_allclose(other.column("x_nm"), own.column("x_nm") / 2)


def test_a_movie_of_other_pixels_is_refused():
    calibrated = dataclasses.replace(CALIBRATION, provenance={"camera": {"pixel_size_nm": 100.0}})
    calibrated.check_pixel_size(100.4)
    with pytest.raises(BlinkspotError, match="pixels of 100 nm, and the movie's are of 117 nm"):
        calibrated.check_pixel_size(117.0)
