"""Reported uncertainties against errors whose law is known; the cut and the chance pairs by quadrature."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import erf

from blinkspot.errors import BlinkspotError
from blinkspot.evaluation import calibration_figure, draw_calibration, uncertainty_calibration
from blinkspot.evaluation.scoring.truncated_errors import (
    PairedErrors,
    _kept,
    _log_likelihood,
    coverage_expected,
    fit_error_scale,
)
from blinkspot.localization import LocalizationTable


def tables(n, true_over_reported, seed=0, false=0, frames=200, axes=None, missed=0.2, side_nm=20_000.0):
    """Return localizations with normal errors, and the molecules; ``axes``: uncertainty of y over x."""
    random = np.random.default_rng(seed)
    frame = random.integers(0, frames, n)
    x, y = random.uniform(0, side_nm, (2, n))
    along_x = np.exp(random.normal(math.log(15.0), 0.3, n))
    along_y = along_x * (axes or 1.0)
    reported = np.column_stack([along_x, along_y])
    errors = true_over_reported * reported * random.normal(size=(n, 2))
    seen = random.random(n) >= missed
    places = np.concatenate(
        [np.column_stack([x, y])[seen] + errors[seen], random.uniform(0, side_nm, (false, 2))]
    )
    reported = np.concatenate([reported[seen], np.full((false, 2), 15.0)])
    columns = {
        "frame": np.concatenate([frame[seen], random.integers(0, frames, false)]),
        "x_nm": places[:, 0],
        "y_nm": places[:, 1],
        "uncertainty_nm": np.sqrt(np.mean(reported**2, axis=1)),
    }
    if axes:
        columns |= {"uncertainty_x_nm": reported[:, 0], "uncertainty_y_nm": reported[:, 1]}
    truth = LocalizationTable.from_columns({"frame": frame, "x_nm": x, "y_nm": y})
    return LocalizationTable.from_columns(columns), truth


@pytest.mark.parametrize("axes", [None, 1.6])
@pytest.mark.parametrize(
    ("true_over_reported", "tolerance_nm"), [(1.0, 100.0), (1.0, 45.0), (1.4, 100.0), (0.7, 50.0)]
)
def test_the_ratio_is_found_whatever_the_tolerance_cuts(true_over_reported, tolerance_nm, axes):
    found, truth = tables(6000, true_over_reported, axes=axes)
    told = uncertainty_calibration(found, truth, tolerance_nm)
    assert told.ratio_error < 0.03
    assert told.ratio == pytest.approx(1.0 / true_over_reported, abs=4 * told.ratio_error)


def test_chance_pairs_do_not_move_the_ratio():
    found, truth = tables(8000, 1.25, false=20_000, missed=0.5)
    told = uncertainty_calibration(found, truth, 200.0)
    rms = math.sqrt(np.mean(told.normalised_errors**2))
    assert rms > 1.4
    assert told.ratio == pytest.approx(0.8, abs=4 * told.ratio_error)
    assert told.ratio_error < 0.02
    # Of 4,000 molecules missed, those with one of 100 false localizations of their frame within 200 nm.
    expected = 4000 * 100 * math.pi * 200.0**2 / 20_000.0**2
    assert told.chance * told.pairs == pytest.approx(expected, rel=0.3)


def test_the_standard_error_is_what_repetitions_scatter_by():
    random = np.random.default_rng(0)
    told = []
    for _ in range(40):
        errors = 20.0 * random.normal(size=(600, 2))
        errors = errors[np.hypot(*errors.T) < 55.0]
        told.append(
            fit_error_scale(PairedErrors(errors, np.full_like(errors, 20.0), np.arange(len(errors)), 55.0))
        )
    scatter = np.std([math.log(each.scale) for each in told])
    assert np.median([each.relative_error for each in told]) == pytest.approx(scatter, rel=0.3)
    assert np.mean([each.scale for each in told]) == pytest.approx(1.0, abs=0.03)


def test_errors_that_go_together_make_the_standard_error_larger():
    random = np.random.default_rng(0)
    molecule = np.repeat(np.arange(400), 10)
    errors = 10.0 * random.normal(size=(400, 2))[molecule]
    pairs = PairedErrors(errors, np.full((4000, 2), 10.0), molecule, 100.0)
    alone = PairedErrors(errors, pairs.uncertainty_nm, np.arange(4000), 100.0)
    expected = 1.0 / math.sqrt(4 * 400)  # of a Rayleigh law's scale: 1 / sqrt(4 n)
    assert fit_error_scale(pairs).relative_error == pytest.approx(expected, rel=0.15)
    assert fit_error_scale(alone).relative_error == pytest.approx(expected / math.sqrt(10), rel=0.15)


@given(along=st.floats(0.1, 2.0), across=st.floats(0.1, 2.0), logit=st.floats(-5, 2))
def test_the_density_sums_to_one_within_the_tolerance(along, across, logit):
    nodes, weights = np.polynomial.legendre.leggauss(80)
    radius, angle = 5.0 * (nodes + 1.0), np.linspace(0.0, 2.0 * np.pi, 240, endpoint=False)
    places = np.stack([np.outer(radius, np.cos(angle)), np.outer(radius, np.sin(angle))], axis=-1).reshape(
        -1, 2
    )
    uncertainty = np.broadcast_to([10.0 * along, 10.0 * across], places.shape)
    pairs = PairedErrors(places, uncertainty, np.zeros(len(places), int), 10.0)
    density = np.exp(_log_likelihood(pairs, 0.0, logit)).reshape(len(radius), len(angle))
    total = 5.0 * weights @ (radius * density.mean(axis=1) * 2.0 * np.pi)
    assert total == pytest.approx(1.0, abs=1e-3)


def test_what_the_tolerance_keeps_of_a_round_law_is_rayleighs():
    sigma = np.array([[1.0, 1.0], [3.0, 3.0]])
    expected = 1.0 - np.exp(-(5.0**2) / (2.0 * sigma[:, 0] ** 2))
    np.testing.assert_allclose(_kept(sigma, 5.0), expected, rtol=1e-12)
    np.testing.assert_allclose(_kept(sigma * [1.0, 1.0 + 1e-9], 5.0), expected, rtol=1e-6)


def test_shares_expected_within_uncertainties():
    wide = PairedErrors(np.zeros((10, 2)), np.full((10, 2), 5.0), np.arange(10), 1e4)
    limits = (1.0, 2.0, 3.0)
    np.testing.assert_allclose(
        coverage_expected(wide, limits, 0.0), [erf(limit / math.sqrt(2)) for limit in limits], atol=1e-6
    )
    # Against errors drawn from the law, cut and mixed.
    random = np.random.default_rng(0)
    uncertainty = np.array([20.0, 30.0])
    errors = random.normal(size=(400_000, 2)) * uncertainty
    errors = errors[np.hypot(*errors.T) <= 50.0]
    angle, radius = random.uniform(0, 2 * np.pi, 100_000), 50.0 * np.sqrt(random.random(100_000))
    chance = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
    narrow = PairedErrors(errors[:1], uncertainty[np.newaxis], np.zeros(1, int), 50.0)
    for limit, share in zip(limits, coverage_expected(narrow, limits, 0.3), strict=True):
        drawn = [np.mean(np.abs(each / uncertainty) <= limit) for each in (errors, chance)]
        assert share == pytest.approx(0.7 * drawn[0] + 0.3 * drawn[1], abs=2e-3)


def test_coverage_of_true_uncertainties_is_as_expected_and_of_small_ones_below():
    told = uncertainty_calibration(*tables(6000, 1.0), 60.0)
    for each in told.coverage:
        assert each.share == pytest.approx(each.expected, abs=4 * each.share_error + 1e-3)
        assert each.normal == pytest.approx(erf(each.uncertainties / math.sqrt(2)))
    bold = uncertainty_calibration(*tables(6000, 1.5), 100.0).coverage[0]
    assert bold.share == pytest.approx(erf(1 / 1.5 / math.sqrt(2)), abs=0.02)


def test_bins_tell_where_the_uncertainty_is_wrong():
    found, truth = tables(8000, 1.0)
    wrong = found.column("uncertainty_nm").copy()
    wrong[wrong > 15.0] *= 0.5
    columns = {name: found.column(name) for name in found.data}
    told = uncertainty_calibration(
        LocalizationTable.from_columns({**columns, "uncertainty_nm": wrong}), truth, 150.0
    )
    assert sum(each.pairs for each in told.bins) == told.pairs
    assert len(told.bins) == 8
    reported = [each.reported_nm for each in told.bins]
    assert reported == sorted(reported)
    # The narrowest were the middle ones, twice as large in truth.
    ratios = {each.reported_nm: each.true_error_nm / each.reported_nm for each in told.bins}
    assert ratios[min(ratios)] > 1.6
    honest = uncertainty_calibration(found, truth, 150.0).bins
    for each in honest:
        assert each.true_error_nm == pytest.approx(each.reported_nm, abs=4 * each.true_error_error_nm)
        assert each.rms_error_nm == pytest.approx(each.reported_nm, abs=4 * each.rms_error_error_nm + 0.3)


def test_a_tolerance_too_narrow_to_tell_gives_no_ratio():
    told = uncertainty_calibration(*tables(4000, 3.0), 20.0).as_dict()
    assert told["ratio"] is told["ratio_error"] is None
    json.dumps(told, allow_nan=False)


def test_molecules_in_the_border_are_left_out():
    found, truth = tables(4000, 1.0, side_nm=10_000.0)
    whole = uncertainty_calibration(found, truth)
    inner = uncertainty_calibration(found, truth, border_nm=1000.0, field_nm=(10_000.0, 10_000.0))
    assert inner.pairs == pytest.approx(0.64 * whole.pairs, rel=0.05)


def test_the_optimal_matching_is_used_where_asked():
    found, truth = tables(4000, 1.0, frames=5, side_nm=5000.0)
    counts = [uncertainty_calibration(found, truth, matching=way).pairs for way in ("nearest", "optimal")]
    assert counts[1] > counts[0]


def test_tables_that_do_not_tell_are_refused():
    found, truth = tables(4000, 1.0)
    with pytest.raises(BlinkspotError, match="reports no uncertainties"):
        uncertainty_calibration(truth, truth)
    with pytest.raises(BlinkspotError, match=r"Only 0 localizations .* within 1e-06 nm"):
        uncertainty_calibration(found, truth, 1e-6)
    with pytest.raises(BlinkspotError, match="Only 0 localizations"):
        uncertainty_calibration(found.chosen(np.zeros(len(found), bool)), truth)
    few = found.chosen(np.arange(len(found)) < 30)
    with pytest.raises(BlinkspotError, match="50 are needed"):
        uncertainty_calibration(few, truth)


def test_the_picture_shows_the_bins_and_the_errors(tmp_path):
    told = uncertainty_calibration(*tables(3000, 1.3), 100.0)
    against_reported, in_units = calibration_figure(told).axes
    bars = against_reported.containers[0]
    np.testing.assert_allclose(bars[0].get_xdata(), [each.reported_nm for each in told.bins])
    np.testing.assert_allclose(bars[0].get_ydata(), [each.true_error_nm for each in told.bins])
    assert f"{told.ratio:.3f} ± {told.ratio_error:.3f}" in against_reported.texts[-1].get_text()
    steps = [patch.get_data() for patch in in_units.patches]
    for axis, step in enumerate(steps):
        within = np.mean(np.abs(told.normalised_errors[:, axis]) <= 5.0)
        assert np.sum(step.values * np.diff(step.edges)) == pytest.approx(within)
    for name in ("a.png", "a.svg"):
        draw_calibration(told, tmp_path / name, {"step": "calibration"})
        assert (tmp_path / name).stat().st_size > 10_000
    with pytest.raises(BlinkspotError, match="exists already"):
        draw_calibration(told, tmp_path / "a.png")
    with pytest.raises(BlinkspotError, match=r"as \.png or \.svg"):
        draw_calibration(told, tmp_path / "a.pdf")
