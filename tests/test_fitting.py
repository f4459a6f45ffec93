import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from molecules import deviance_half, mean_counts, shares, snapshots
from scipy.optimize import approx_fprime, minimize

from blinkspot.localization.fitting import fit_molecules
from blinkspot.localization.gaussian_fit import linearize, pixel_shares

PLAUSIBLE = st.tuples(
    st.floats(1.0, 5.0),
    st.floats(1.0, 5.0),
    st.floats(0.6, 2.5),
    st.floats(20.0, 5000.0),
    st.floats(0.1, 100.0),
).map(np.array)


def evaluate(window, parameters, poisson, weights=None, extra=None):
    gradient, expected, observed = np.empty(5), np.empty((5, 5)), np.empty((5, 5))
    scratch = (np.empty((5, window.shape[1])), np.empty((5, window.shape[0])))
    weights = np.ones_like(window) if weights is None else weights
    extra = np.zeros_like(window) if extra is None else extra
    loss = linearize(window, extra, weights, poisson, parameters, scratch, gradient, expected, observed)
    lower = np.tril_indices(5)
    for matrix in (expected, observed):
        matrix.T[lower] = matrix[lower]
    return loss, gradient, expected, observed


def fit_one(counts, row, column, **how):
    return fit_molecules(counts, np.array([row]), np.array([column]), **how)


def weighted_squares(parameters, window):
    weights = 1 / np.maximum(window, window.max() / 1000)
    return 0.5 * (weights * (mean_counts(parameters, window.shape) - window) ** 2).sum()


def reference_optimum(loss, window, start):
    """The optimum by scipy, with sigma, amplitude and background positive as the fit has them."""
    floor = 1e-4 * window.max()
    scale = np.array([1.0, 1.0, 1.0, start[3], max(start[4], 1.0)])
    bounds = [(-0.5, 6.5), (-0.5, 6.5), (0.1, 7.0), (1e-3, None), (floor / scale[4], None)]
    best = minimize(
        lambda scaled: loss(scaled * scale, window),
        start / scale,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": 2000, "maxfun": 100_000, "ftol": 1e-15, "gtol": 1e-9},
    )
    best = minimize(
        lambda scaled: loss(scaled * scale, window),
        best.x,
        method="Nelder-Mead",
        bounds=bounds,
        options={"xatol": 1e-7, "fatol": 1e-12, "maxiter": 5000, "maxfev": 10_000},
    )
    return best.x * scale


@given(st.floats(-1.0, 8.0), st.floats(0.3, 4.0))
@settings(max_examples=100, deadline=None)
def test_shares_and_their_derivatives_match_scipy(centre, sigma):
    values = np.empty((5, 7))
    pixel_shares(centre, sigma, values)
    np.testing.assert_allclose(values[0], shares(7, centre, sigma), atol=1e-14)
    h = 1e-5
    by_centre = (shares(7, centre + h, sigma) - shares(7, centre - h, sigma)) / (2 * h)
    by_sigma = (shares(7, centre, sigma + h) - shares(7, centre, sigma - h)) / (2 * h)
    np.testing.assert_allclose(values[1], by_centre, atol=1e-8)
    np.testing.assert_allclose(values[2], by_sigma, atol=1e-8)
    more, less = np.empty((5, 7)), np.empty((5, 7))
    pixel_shares(centre, sigma + h, more)
    pixel_shares(centre, sigma - h, less)
    np.testing.assert_allclose(values[3], (more[1] - less[1]) / (2 * h), atol=1e-6)
    np.testing.assert_allclose(values[4], (more[2] - less[2]) / (2 * h), atol=1e-6)
    pixel_shares(centre + h, sigma, more)
    pixel_shares(centre - h, sigma, less)
    np.testing.assert_allclose(values[2] / sigma, (more[1] - less[1]) / (2 * h), atol=1e-6)


@given(PLAUSIBLE, st.booleans(), st.integers(0, 100))
@settings(max_examples=60, deadline=None)
def test_gradient_and_second_derivatives_match_finite_differences(parameters, poisson, seed):
    window = np.random.default_rng(seed).poisson(mean_counts(parameters, (6, 7))).astype(float)
    parameters = parameters * np.array([1.02, 0.97, 1.05, 0.9, 1.1])
    weights = 1 / np.maximum(window, 1.0)
    loss, gradient, _, observed = evaluate(window, parameters, poisson, weights)
    mean = mean_counts(parameters, (6, 7))
    if poisson:
        positive = window > 0
        expected_loss = (mean - window).sum() + (
            window[positive] * np.log(window[positive] / mean[positive])
        ).sum()
    else:
        expected_loss = 0.5 * (weights * (mean - window) ** 2).sum()
    assert loss == pytest.approx(expected_loss, rel=1e-9, abs=1e-9)
    steps = 1e-5 * parameters
    numeric = [
        (
            evaluate(window, parameters + step, poisson, weights)[0]
            - evaluate(window, parameters - step, poisson, weights)[0]
        )
        / (2 * step.sum())
        for step in np.diag(steps)
    ]
    scale = np.sqrt(np.abs(np.diag(observed))) + 1e-6
    np.testing.assert_allclose(gradient / scale, np.array(numeric) / scale, atol=1e-4 * (1 + loss**0.5))
    numeric_second = np.stack(
        [
            (
                evaluate(window, parameters + step, poisson, weights)[1]
                - evaluate(window, parameters - step, poisson, weights)[1]
            )
            / (2 * step.sum())
            for step in np.diag(steps)
        ]
    )
    largest = np.abs(observed).max(axis=0) + 1e-9
    np.testing.assert_allclose(observed / largest, numeric_second / largest, atol=1e-4)


@given(PLAUSIBLE)
@settings(max_examples=30, deadline=None)
def test_without_noise_the_two_curvatures_agree_and_are_the_information(parameters):
    window = mean_counts(parameters)
    loss, gradient, expected, observed = evaluate(window, parameters, True)
    jacobian = approx_fprime(parameters, lambda p: mean_counts(p).ravel(), 1e-7 * parameters)
    np.testing.assert_allclose(expected, observed, rtol=1e-6, atol=1e-9 * np.abs(expected).max())
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    information = jacobian.T / window.ravel() @ jacobian
    np.testing.assert_allclose(information / scale, expected / scale, atol=1e-4)
    assert loss == pytest.approx(0.0, abs=1e-6)
    assert np.abs(gradient / np.sqrt(np.diag(expected))).max() < 1e-6


@pytest.mark.parametrize("method", ["mle", "wlsq"])
@pytest.mark.parametrize(("photons", "background"), [(150.0, 3.0), (800.0, 30.0), (3000.0, 5.0)])
def test_the_optimum_is_that_of_scipy(method, photons, background):
    _, _, pictures = snapshots(5, 12, photons=photons, background=background, sigma=1.2, em=False)
    loss = {"mle": deviance_half, "wlsq": weighted_squares}[method]
    compared = 0
    for picture in pictures:
        fits = fit_one(picture, 6, 6, method=method)
        if not len(fits.x):
            continue
        window = picture[3:10, 3:10].astype(float)
        fitted = np.array(
            [fits.x[0] - 3, fits.y[0] - 3, fits.sigma[0], fits.amplitude[0], fits.background[0]]
        )
        best = reference_optimum(loss, window, fitted * np.array([1.01, 0.99, 1.05, 0.95, 1.0]))
        assert loss(fitted, window) <= loss(best, window) + 1e-5
        np.testing.assert_allclose(fitted[:3], best[:3], atol=1e-3)
        assert fitted[3] == pytest.approx(best[3], rel=2e-3)
        compared += 1
    assert compared >= 11


@pytest.mark.parametrize("method", ["mle", "wlsq"])
@given(
    st.floats(4.6, 7.4), st.floats(4.6, 7.4), st.floats(0.8, 2.2), st.floats(50.0, 1e4), st.floats(0.5, 200.0)
)
@settings(max_examples=50, deadline=None)
def test_a_picture_without_noise_gives_its_parameters_back(method, x, y, sigma, amplitude, background):
    truth = np.array([x, y, sigma, amplitude, background])
    picture = mean_counts(truth, (13, 13)).astype(np.float32)
    fits = fit_one(picture, round(y), round(x), method=method)
    found = np.array([fits.x[0], fits.y[0], fits.sigma[0], fits.amplitude[0], fits.background[0]])
    # 32-bit pixels of a faint molecule on a bright background hold its shape to about 1e-4.
    np.testing.assert_allclose(found[:3], truth[:3], atol=5e-3)
    np.testing.assert_allclose(found[3:], truth[3:], rtol=0.03)
    assert fits.residual_std[0] < 0.01 * amplitude


@pytest.mark.parametrize(("row", "column"), [(0, 0), (0, 6), (12, 1), (6, 12)])
def test_at_the_border_the_pixels_that_exist_are_fitted(row, column):
    truth = np.array([column + 0.2, row - 0.1, 1.2, 1000.0, 5.0])
    fits = fit_one(mean_counts(truth, (13, 13)).astype(np.float32), row, column)
    np.testing.assert_allclose([fits.x[0], fits.y[0], fits.sigma[0]], truth[:3], atol=2e-3)
    assert fits.amplitude[0] == pytest.approx(1000.0, rel=1e-2)
    # Half of the light is missing, and with it precision across the border.
    inside = fit_one(mean_counts(np.array([6.2, 5.9, 1.2, 1000.0, 5.0]), (13, 13)).astype(np.float32), 6, 6)
    assert fits.variance_x[0] + fits.variance_y[0] > 1.5 * (inside.variance_x[0] + inside.variance_y[0])


@pytest.mark.parametrize("method", ["mle", "wlsq"])
@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((9, 9)),
        np.full((9, 9), 5.0),
        np.full((9, 9), -5.0),
        np.tile(np.arange(9.0), (9, 1)),
        np.eye(9)[4][:, None] * np.eye(9)[4] * 1e6,
        np.full((9, 9), np.inf),
        np.full((1, 1), 3.0),
    ],
    ids=["dark", "flat", "negative", "slope", "one hot pixel", "infinite", "one pixel"],
)
def test_what_is_no_molecule_gives_no_fit_and_no_error(method, picture):
    middle = picture.shape[0] // 2
    assert len(fit_one(picture.astype(np.float32), middle, middle, method=method).x) == 0


@pytest.mark.parametrize("method", ["mle", "wlsq"])
@given(st.integers(0, 2**32 - 1), st.floats(-3.0, 3.0), st.floats(0.01, 30.0))
@settings(max_examples=100, deadline=None)
def test_whatever_the_pixels_a_fit_that_is_reported_is_sound(method, seed, offset, spread):
    picture = np.random.default_rng(seed).normal(offset, spread, (9, 9)).astype(np.float32)
    fits = fit_one(picture, 4, 4, method=method)
    for value in (fits.x, fits.y, fits.sigma, fits.amplitude, fits.background, fits.residual_std):
        assert np.isfinite(value).all()
    assert (np.abs(fits.x - 4) <= 3).all()
    assert (np.abs(fits.y - 4) <= 3).all()
    assert (fits.amplitude > 0).all()
    assert (fits.background >= 0).all()
    assert ((fits.sigma >= 0.3) & (fits.sigma <= 3.5)).all()
    assert (fits.variance_x + fits.variance_y > 0).all()


def test_the_start_may_come_from_another_picture():
    _, _, pictures = snapshots(3, 1, photons=500.0, background=5.0, sigma=1.2, em=False)
    smooth = mean_counts(np.array([6.0, 6.0, 1.2, 500.0, 5.0]), (13, 13)).astype(np.float32)
    one, other = fit_one(pictures[0], 6, 6), fit_one(pictures[0], 6, 6, start=smooth)
    assert one.x[0] == pytest.approx(other.x[0], abs=1e-3)
    assert one.amplitude[0] == pytest.approx(other.amplitude[0], rel=1e-3)


def test_more_than_30000_fits_a_second():
    _, _, pictures = snapshots(1, 200, photons=150.0, background=5.0, sigma=1.1, em=True)
    # Pictures side by side make one frame of 200 molecules.
    frame = np.concatenate(pictures, axis=1)
    columns = 6 + 13 * np.arange(200)
    rows = np.full(200, 6)
    fit_molecules(frame, rows, columns)
    seconds = []
    for _ in range(10):
        start = time.thread_time()
        fits = fit_molecules(frame, rows, columns)
        seconds.append(time.thread_time() - start)
    assert len(fits.x) / min(seconds) > 30_000
