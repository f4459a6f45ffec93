"""The published formulas against the integral, the Fisher information and each other; the step with them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from molecules import cramer_rao_std, mean_counts
from scipy.integrate import quad

from blinkspot.cli import main
from blinkspot.cli.step_options import parse_step
from blinkspot.errors import BlinkspotError
from blinkspot.localization import LocalizationTable, read_table
from blinkspot.localization.processing import UncertaintyFormula, process, recorded_steps
from blinkspot.localization.uncertainty import (
    approximate_likelihood_factor,
    closed_form_uncertainty,
    least_squares_factor,
    likelihood_factor,
)
from blinkspot.progress import finish

FORMULAS = ("thompson", "mortensen-lsq", "mortensen-mle", "rieger")
CAMERA = {"pixel_size_nm": 100.0, "em_gain": 1.0, "read_noise_electrons": 0.0}
NAMES = ("sigma_nm", "photons", "background_photons")


def computed(formula, sigma, photons, background, pixel, excess=1.0, other=None):
    arrays = [np.array([value], dtype=float) for value in (sigma, photons, background)]
    other_sigma = None if other is None else np.array([float(other)])
    return float(closed_form_uncertainty(formula, *arrays, pixel, excess, other_sigma)[0])


def table_of(camera=CAMERA, valid=True, **columns):
    n = len(next(iter(columns.values())))
    return LocalizationTable.from_columns(
        {"frame": np.arange(n), "x_nm": np.ones(n), "y_nm": np.ones(n), **columns},
        uncertainty_is_valid=valid,
        provenance={} if camera is None else {"camera": camera},
    )


# -- the formulas


@given(st.floats(-6, 6))
def test_the_factor_of_maximum_likelihood_is_mortensens_integral(log_tau):
    tau = 10.0**log_tau
    # As in the paper, and with the 1 drawn into the integral, which loses no digits.
    integral, _ = quad(lambda t: -np.log(t) * t / (t + tau), 0, 1, epsabs=0, epsrel=1e-11)
    assert likelihood_factor(np.array([tau]))[0] == pytest.approx(1 / integral, rel=1e-8)
    if tau > 1e-3:
        direct, _ = quad(lambda t: np.log(t) / (1 + t / tau), 0, 1)
        assert 1 + direct == pytest.approx(integral, abs=1e-7)


def test_without_background_no_photon_is_lost():
    nothing = np.zeros(1)
    assert likelihood_factor(nothing)[0] == approximate_likelihood_factor(nothing)[0] == 1.0
    assert least_squares_factor(nothing)[0] == pytest.approx(16 / 9)
    for formula in ("mortensen-mle", "rieger", "thompson"):
        assert computed(formula, 130, 400, 0, 100) ** 2 == pytest.approx((130**2 + 100**2 / 12) / 400)


def test_thompson_as_in_the_paper():
    """Equation 17 of Thompson 2002, with the background's variance for b squared."""
    s, a, n, b = 130.0, 100.0, 250.0, np.sqrt(7.0)
    expected = (s**2 + a**2 / 12) / n + 8 * np.pi * s**4 * b**2 / (a**2 * n**2)
    assert computed("thompson", s, n, b**2, a) ** 2 == pytest.approx(expected)


@given(st.floats(-3, 2))
def test_riegers_formula_comes_near_to_mortensens(log_tau):
    tau = np.array([10.0**log_tau])
    near = np.sqrt(approximate_likelihood_factor(tau) / likelihood_factor(tau))[0]
    assert near == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("background", [0.01, 1.0, 10.0, 100.0])
@pytest.mark.parametrize("sigma_px", [1.0, 1.5, 3.0])
def test_maximum_likelihood_against_the_fisher_information(background, sigma_px):
    """In a window that holds all of the light; the formula's Gaussian is not quite the pixels' integral."""
    photons, middle = 800.0, 20.0
    parameters = np.array([middle + 0.2, middle - 0.3, sigma_px, photons, background])
    bound = cramer_rao_std(parameters, (41, 41))[:2].mean()
    assert computed("mortensen-mle", sigma_px, photons, background, 1.0) == pytest.approx(bound, rel=0.01)
    assert computed("rieger", sigma_px, photons, background, 1.0) == pytest.approx(bound, rel=0.03)


@pytest.mark.parametrize("formula", FORMULAS)
@given(st.floats(60, 300), st.floats(20, 5000), st.floats(0, 200), st.floats(50, 200), st.floats(1.01, 3.0))
def test_what_all_formulas_have_in_common(formula, sigma, photons, background, pixel, factor):
    plain = computed(formula, sigma, photons, background, pixel)
    # Lengths scale; the excess noise multiplies the variance; an ellipse is a stretched circle.
    scaled = computed(formula, sigma * factor, photons, background, pixel * factor)
    assert scaled == pytest.approx(plain * factor, rel=1e-9)
    excess = computed(formula, sigma, photons, background, pixel, factor)
    assert excess == pytest.approx(plain * np.sqrt(factor), rel=1e-9)
    assert computed(formula, sigma, photons, background, pixel, other=sigma) == pytest.approx(plain)
    # More photons are better, more background worse.
    assert computed(formula, sigma, photons * factor, background, pixel) < plain
    assert computed(formula, sigma, photons, (background + 1) * factor, pixel) > plain


def test_an_ellipse_against_the_fisher_information():
    """The mean counts of an ellipse, differentiated by x."""
    ellipse = np.array([20.2, 19.7, 2.0, 3.5, 600.0, 4.0])
    step = np.array([1e-4, 0, 0, 0, 0, 0])
    slope = (mean_counts(ellipse + step, (41, 41)) - mean_counts(ellipse - step, (41, 41))) / 2e-4
    bound = 1 / np.sqrt((slope**2 / mean_counts(ellipse, (41, 41))).sum())
    assert computed("mortensen-mle", 2.0, 600.0, 4.0, 1.0, other=3.5) == pytest.approx(bound, rel=0.01)


@pytest.mark.parametrize("formula", FORMULAS)
def test_without_photons_nothing_is_known(formula):
    assert computed(formula, 130, 0, 5, 100) == computed(formula, 130, -3, 5, 100) == np.inf
    assert computed(formula, 130, 500, -2, 100) == computed(formula, 130, 500, 0, 100)
    assert np.isnan(computed(formula, np.nan, 500, 2, 100))
    assert np.isnan(computed(formula, 130, np.nan, 2, 100))


# -- the step


@pytest.mark.parametrize("formula", FORMULAS)
def test_the_step_replaces_the_uncertainty_and_records_it(formula, tmp_path):
    columns = {
        "sigma_nm": [130.0, 150.0],
        "photons": [400.0, 90.0],
        "background_photons": [5.0, 2.0],
        "uncertainty_nm": [1.0, 2.0],
    }
    camera = {**CAMERA, "em_gain": 150.0, "read_noise_electrons": 60.0}
    table = table_of(camera, **columns)
    step = parse_step(f"uncertainty formula={formula}")
    done = finish(process(table, [step]))
    # Variance of the read noise, photoelectrons squared, over the excess noise factor.
    background = np.array([5.0, 2.0]) + 0.4**2 / 2
    arrays = (np.array(columns["sigma_nm"]), np.array(columns["photons"]), background)
    expected = closed_form_uncertainty(formula, *arrays, 100.0, 2.0)
    np.testing.assert_allclose(done.column("uncertainty_nm"), expected)
    np.testing.assert_array_equal(table.column("uncertainty_nm"), [1.0, 2.0])
    done.save(tmp_path / "done.csv")
    read = read_table(tmp_path / "done.csv")
    assert recorded_steps(read) == [step]
    assert read.provenance["processing"][0]["used"] == {"pixel_size_nm": 100.0, "excess_noise_factor": 2.0}


def test_the_command_line_knows_the_step(tmp_path, capsys):
    columns = {"sigma_nm": [130.0], "photons": [400.0], "background_photons": [5.0]}
    table_of(None, **columns).save(tmp_path / "table.csv")
    command = ["process", str(tmp_path / "table.csv"), "-o", str(tmp_path / "out.csv"), "--step"]
    with pytest.raises(SystemExit) as ended:
        main([*command, "uncertainty formula=rieger"])
    assert ended.value.code == 2
    assert "does not tell the camera's pixel_size_nm" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="0"):
        main([*command, "uncertainty formula=rieger pixel_size_nm=80 em_gain=1"])
    read = read_table(tmp_path / "out.csv").column("uncertainty_nm")[0]
    assert read == pytest.approx(computed("rieger", 130, 400, 5, 80), rel=1e-4)


def test_each_axis_has_its_own_width():
    table = table_of(
        sigma_nm=[160.0],
        sigma_x_nm=[120.0],
        sigma_y_nm=[200.0],
        photons=[300.0],
        background_photons=[3.0],
        uncertainty_x_nm=[1.0],
        uncertainty_y_nm=[1.0],
    )
    done = finish(UncertaintyFormula().apply(table)).data.iloc[0]
    assert done.uncertainty_x_nm == pytest.approx(computed("rieger", 120, 300, 3, 100, other=200))
    assert done.uncertainty_y_nm == pytest.approx(computed("rieger", 200, 300, 3, 100, other=120))
    assert done.uncertainty_nm == pytest.approx(
        np.hypot(done.uncertainty_x_nm, done.uncertainty_y_nm) / 2**0.5
    )


def test_uncertainties_of_the_axes_do_not_outlive_that_of_both():
    columns = {"sigma_nm": [160.0], "photons": [300.0], "background_photons": [3.0]}
    table = table_of(**columns, uncertainty_x_nm=[1.0], uncertainty_y_nm=[1.0], uncertainty_z_nm=[30.0])
    done = finish(UncertaintyFormula().apply(table)).data
    assert not {"uncertainty_x_nm", "uncertainty_y_nm"} & set(done.columns)
    assert done.uncertainty_z_nm[0] == 30.0


def test_merged_frames_bring_their_background():
    """Of four frames merged, the formula is that of one frame of four times the exposure."""
    table = table_of(sigma_nm=[130.0], photons=[400.0], background_photons=[5.0], detections=[4.0])
    done = finish(UncertaintyFormula().apply(table)).column("uncertainty_nm")[0]
    assert done == pytest.approx(computed("rieger", 130, 400, 20, 100))


def test_a_formula_makes_no_uncertainty_valid():
    table = table_of(valid=False, sigma_nm=[130.0], photons=[400.0], background_photons=[5.0])
    assert not finish(UncertaintyFormula().apply(table)).uncertainty_is_valid


def test_a_formula_does_not_inherit_the_calibration_of_fits_on_denoised_pixels():
    table = table_of(sigma_nm=[130.0], photons=[400.0], background_photons=[5.0])
    made_by = {**table.provenance, "settings": {"fit_on": "denoised"}, "uncertainty_calibration": {}}
    calibrated = LocalizationTable(table.data, True, made_by)
    assert not finish(UncertaintyFormula().apply(calibrated)).uncertainty_is_valid
    on_raw = LocalizationTable(table.data, True, {**made_by, "settings": {"fit_on": "raw"}})
    assert finish(UncertaintyFormula().apply(on_raw)).uncertainty_is_valid


def test_camera_from_the_settings():
    columns = {"sigma_nm": [130.0], "photons": [400.0], "background_photons": [5.0]}
    step = UncertaintyFormula("mortensen-mle", pixel_size_nm=80.0, em_gain=100.0)
    done = finish(step.apply(table_of(None, **columns))).column("uncertainty_nm")[0]
    assert done == pytest.approx(computed("mortensen-mle", 130, 400, 5, 80, 2.0))


def test_an_empty_table_stays_one():
    done = finish(
        UncertaintyFormula(pixel_size_nm=100.0, em_gain=1).apply(LocalizationTable.from_columns({}))
    )
    assert len(done) == 0


@pytest.mark.parametrize("missing", NAMES)
def test_a_column_that_is_missing_is_named(missing):
    columns = {name: [100.0] for name in NAMES if name != missing}
    with pytest.raises(
        BlinkspotError, match=f"needs the column {missing}, of which this table knows nothing"
    ):
        finish(UncertaintyFormula().apply(table_of(**columns)))


def test_what_is_not_known_of_the_camera_is_asked_for():
    columns = {name: [100.0] for name in NAMES}
    with pytest.raises(BlinkspotError, match="does not tell the camera's pixel_size_nm: give it"):
        finish(UncertaintyFormula().apply(table_of(None, **columns)))
    with pytest.raises(BlinkspotError, match="does not tell the camera's em_gain: give it"):
        finish(UncertaintyFormula().apply(table_of({"pixel_size_nm": 100.0}, **columns)))


@pytest.mark.parametrize(
    "bad", [{"formula": "quan"}, {"pixel_size_nm": 0.0}, {"pixel_size_nm": "wide"}, {"em_gain": 0.5}]
)
def test_settings_are_checked(bad):
    with pytest.raises(BlinkspotError, match=f"^uncertainty: {next(iter(bad))} must be"):
        UncertaintyFormula(**bad)
