import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from molecules import deviance_half, mean_counts, shares, snapshots
from scipy.optimize import approx_fprime, minimize, minimize_scalar
from scipy.stats import poisson

from blinkspot.localization.fitting.gaussian_model import linearize, pixel_shares
from blinkspot.localization.fitting.kernel_maths import (
    complement_of_erf,
    exponential,
    logarithm,
    solve_damped,
)
from blinkspot.localization.fitting.molecules import fit_molecules

PLAUSIBLE = st.tuples(
    st.floats(1.0, 5.0),
    st.floats(1.0, 5.0),
    st.floats(0.6, 2.5),
    st.floats(20.0, 5000.0),
    st.floats(0.1, 100.0),
).map(np.array)


ELLIPTICAL = st.tuples(
    st.floats(1.0, 5.0),
    st.floats(1.0, 5.0),
    st.floats(0.6, 2.5),
    st.floats(0.6, 2.5),
    st.floats(20.0, 5000.0),
    st.floats(0.1, 100.0),
).map(np.array)
NOTHING_KNOWN = (1.0, 0.0)


def evaluate(window, parameters, poisson, weights=None, extra=None, prior=NOTHING_KNOWN):
    """Loss, gradient, expected curvature and second derivatives."""
    n = len(parameters)
    rows, columns = window.shape
    scratch = (np.empty((8, columns + 1)), np.empty((8, rows + 1)), np.empty((3, window.size)))
    weights = np.ones_like(window) if weights is None else weights
    extra = np.zeros_like(window) if extra is None else extra
    curvatures = []
    for expected in (True, False):
        gradient, curvature = np.empty(n), np.zeros((n, n))
        loss = linearize(
            window, extra, weights, poisson, expected, prior, parameters, scratch, gradient, curvature
        )
        lower = np.tril_indices(n)
        curvature.T[lower] = curvature[lower]
        curvatures.append(curvature)
    return loss, gradient, *curvatures


def fit_one(counts, row, column, **how):
    return fit_molecules(counts, np.array([row]), np.array([column]), **how)


def weighted_squares(parameters, window):
    weights = 1 / np.maximum(window, window.max() / 1000)
    return 0.5 * (weights * (mean_counts(parameters, window.shape) - window) ** 2).sum()


def squares(parameters, window):
    return 0.5 * ((mean_counts(parameters, window.shape) - window) ** 2).sum() / window.mean()


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


def shares_and_derivatives(centre, sigma):
    values = np.empty((8, 8))
    pixel_shares(centre, sigma, values)
    return values[:5, :7]


@given(st.floats(-1.0, 8.0), st.floats(0.3, 4.0))
@settings(max_examples=100, deadline=None)
def test_shares_and_their_derivatives_match_scipy(centre, sigma):
    values = shares_and_derivatives(centre, sigma)
    np.testing.assert_allclose(values[0], shares(7, centre, sigma), atol=1e-14)
    h = 1e-5
    by_centre = (shares(7, centre + h, sigma) - shares(7, centre - h, sigma)) / (2 * h)
    by_sigma = (shares(7, centre, sigma + h) - shares(7, centre, sigma - h)) / (2 * h)
    np.testing.assert_allclose(values[1], by_centre, atol=1e-8)
    np.testing.assert_allclose(values[2], by_sigma, atol=1e-8)
    more, less = shares_and_derivatives(centre, sigma + h), shares_and_derivatives(centre, sigma - h)
    np.testing.assert_allclose(values[3], (more[1] - less[1]) / (2 * h), atol=1e-6)
    np.testing.assert_allclose(values[4], (more[2] - less[2]) / (2 * h), atol=1e-6)
    more, less = shares_and_derivatives(centre + h, sigma), shares_and_derivatives(centre - h, sigma)
    np.testing.assert_allclose(values[2] / sigma, (more[1] - less[1]) / (2 * h), atol=1e-6)


@given(st.one_of(PLAUSIBLE, ELLIPTICAL), st.booleans(), st.integers(0, 100), st.floats(0.0, 100.0))
@settings(max_examples=100, deadline=None)
def test_gradient_and_second_derivatives_match_finite_differences(parameters, poisson, seed, precision):
    n = len(parameters)
    window = np.random.default_rng(seed).poisson(mean_counts(parameters, (6, 7))).astype(float)
    parameters = parameters * np.array([1.02, 0.97, 1.05, 0.95, 0.9, 1.1])[[0, 1, 2, *range(9 - n, 6)]]
    weights = 1 / np.maximum(window, 1.0)
    extra = np.random.default_rng(seed).uniform(0.0, 3.0, window.shape)
    prior = (1.3, precision)
    loss, gradient, _, observed = evaluate(window, parameters, poisson, weights, extra, prior)
    mean = mean_counts(parameters, (6, 7)) + extra
    squares = 0.5 * (weights * (mean - window) ** 2).sum()
    expected_loss = (mean - window * np.log(mean)).sum() if poisson else squares
    expected_loss += 0.5 * precision * np.square(parameters[2 : n - 2] - 1.3).sum()
    assert loss == pytest.approx(expected_loss, rel=1e-9, abs=1e-9)
    steps = 1e-5 * parameters
    around = [
        [evaluate(window, parameters + sign * step, poisson, weights, extra, prior) for sign in (1, -1)]
        for step in np.diag(steps)
    ]
    numeric = [(more[0] - less[0]) / (2 * step) for (more, less), step in zip(around, steps, strict=True)]
    scale = np.sqrt(np.abs(np.diag(observed))) + 1e-6
    np.testing.assert_allclose(
        gradient / scale, np.array(numeric) / scale, atol=1e-4 * (1 + abs(loss) ** 0.5)
    )
    numeric_second = np.stack(
        [(more[1] - less[1]) / (2 * step) for (more, less), step in zip(around, steps, strict=True)]
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
    assert loss == pytest.approx((window - window * np.log(window)).sum(), rel=1e-9, abs=1e-6)
    assert np.abs(gradient / np.sqrt(np.diag(expected))).max() < 1e-6


@pytest.mark.parametrize("method", ["mle", "lsq", "wlsq"])
@pytest.mark.parametrize(("photons", "background"), [(150.0, 3.0), (800.0, 30.0), (3000.0, 5.0)])
def test_the_optimum_is_that_of_scipy(method, photons, background):
    _, _, pictures = snapshots(5, 12, photons=photons, background=background, sigma=1.2, em=False)
    loss = {"mle": deviance_half, "lsq": squares, "wlsq": weighted_squares}[method]
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
        assert loss(fitted, window) <= loss(best, window) + 1e-5 * (1 + abs(loss(best, window)))
        np.testing.assert_allclose(fitted[:3], best[:3], atol=1e-3)
        assert fitted[3] == pytest.approx(best[3], rel=2e-3)
        compared += 1
    assert compared >= 11


@pytest.mark.parametrize("method", ["mle", "lsq", "wlsq"])
@given(
    st.floats(4.6, 7.4), st.floats(4.6, 7.4), st.floats(0.8, 2.2), st.floats(50.0, 1e4), st.floats(0.5, 200.0)
)
@example(5.0, 5.0, 0.875, 6175.0, 0.5)
@settings(max_examples=50, deadline=None)
def test_a_picture_without_noise_gives_its_parameters_back(method, x, y, sigma, amplitude, background):
    truth = np.array([x, y, sigma, amplitude, background])
    picture = mean_counts(truth, (13, 13)).astype(np.float32)
    fits = fit_one(picture, round(y), round(x), method=method)
    found = np.array([fits.x[0], fits.y[0], fits.sigma[0], fits.amplitude[0], fits.background[0]])
    # 32-bit pixels of a faint molecule on a bright background hold its shape to about 1e-4.
    np.testing.assert_allclose(found[:3], truth[:3], atol=5e-3)
    np.testing.assert_allclose(found[3:], truth[3:], rtol=0.03)
    assert fits.goodness.residual_std[0] < 0.01 * amplitude


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


@pytest.mark.parametrize("method", ["mle", "lsq", "wlsq"])
@given(st.integers(0, 2**32 - 1), st.floats(-3.0, 3.0), st.floats(0.01, 30.0))
@settings(max_examples=100, deadline=None)
def test_whatever_the_pixels_a_fit_that_is_reported_is_sound(method, seed, offset, spread):
    picture = np.random.default_rng(seed).normal(offset, spread, (9, 9)).astype(np.float32)
    fits = fit_one(picture, 4, 4, method=method)
    for value in (fits.x, fits.y, fits.sigma, fits.amplitude, fits.background, fits.goodness.residual_std):
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


@given(st.floats(0.8, 2.0), st.floats(0.8, 2.0), st.floats(5.6, 6.4), st.floats(200.0, 1e4))
@settings(max_examples=50, deadline=None)
def test_an_ellipse_without_noise_gives_its_two_widths_back(sigma_x, sigma_y, x, amplitude):
    truth = np.array([x, 6.1, sigma_x, sigma_y, amplitude, 10.0])
    fits = fit_one(mean_counts(truth, (13, 13)).astype(np.float32), 6, 6, elliptical=True)
    found = [fits.x[0], fits.y[0], fits.sigma_x[0], fits.sigma_y[0]]
    np.testing.assert_allclose(found, truth[:4], atol=5e-3)
    assert fits.amplitude[0] == pytest.approx(amplitude, rel=0.02)
    assert fits.sigma[0] == pytest.approx(math.sqrt(sigma_x * sigma_y), abs=5e-3)


def test_a_fixed_width_stays_and_a_known_one_lies_between():
    picture = snapshots(8, 1, photons=150.0, background=5.0, sigma=1.4, em=False)[2][0]
    free = fit_one(picture, 6, 6)
    fixed = fit_one(picture, 6, 6, initial_sigma_px=1.1, sigma_std_px=0.0)
    known = fit_one(picture, 6, 6, initial_sigma_px=1.1, sigma_std_px=0.1)
    assert fixed.sigma[0] == pytest.approx(1.1, abs=1e-6)
    assert min(1.1, free.sigma[0]) < known.sigma[0] < max(1.1, free.sigma[0])
    # What is known beforehand adds to what the pixels tell: in inverse variances, to first order.
    told = 1 / free.variance_sigma_x[0] + 1 / 0.1**2
    assert known.variance_sigma_x[0] == pytest.approx(1 / told, rel=0.15)
    assert fixed.variance_amplitude[0] < known.variance_amplitude[0] < free.variance_amplitude[0]


def test_a_known_width_is_the_maximum_of_likelihood_and_prior():
    picture = snapshots(9, 1, photons=150.0, background=5.0, sigma=1.4, em=False)[2][0]
    window = picture[3:10, 3:10].astype(float)

    def loss(parameters, window):
        return deviance_half(parameters, window) + 0.5 * (parameters[2] - 1.1) ** 2 / 0.2**2

    fits = fit_one(picture, 6, 6, initial_sigma_px=1.1, sigma_std_px=0.2)
    fitted = np.array([fits.x[0] - 3, fits.y[0] - 3, fits.sigma[0], fits.amplitude[0], fits.background[0]])
    best = reference_optimum(loss, window, fitted * np.array([1.01, 0.99, 1.05, 0.95, 1.0]))
    np.testing.assert_allclose(fitted[:3], best[:3], atol=1e-3)


@given(st.integers(0, 1000), st.booleans())
@settings(max_examples=40, deadline=None)
def test_goodness_is_that_of_the_poisson_law(seed, with_extra):
    random = np.random.default_rng(seed)
    picture = snapshots(seed, 1, photons=300.0, background=4.0, sigma=1.2, em=False)[2][0]
    extra = random.uniform(0.0, 6.0, picture.shape).astype(np.float32) if with_extra else None
    known = np.zeros(picture.shape) if extra is None else extra.astype(float)
    picture = (picture + random.poisson(known)).astype(np.float32)
    fits = fit_one(picture, 6, 6, extra=extra, start=(picture - known).astype(np.float32))
    parameters = np.array([fits.x[0], fits.y[0], fits.sigma[0], fits.amplitude[0], fits.background[0]])
    part = np.s_[3:10, 3:10]
    z, mean = picture[part].astype(float), (mean_counts(parameters, picture.shape) + known)[part]
    saturated = poisson.logpmf(z, np.maximum(z, 1e-300)).sum()
    fitted = poisson.logpmf(z, mean).sum()
    alone = -minimize_scalar(
        lambda level: -poisson.logpmf(z, level + known[part]).sum(), bounds=(1e-6, 100.0), method="bounded"
    ).fun
    assert fits.goodness.deviance[0] == pytest.approx(2 * (saturated - fitted), rel=1e-6)
    assert fits.goodness.log_likelihood_ratio[0] == pytest.approx(fitted - alone, rel=1e-5)
    assert fits.goodness.residual_std[0] == pytest.approx((z - mean).std(), rel=1e-6)
    assert fits.goodness.n_pixels[0] == 49


@given(st.integers(1, 6), st.integers(0, 10**6), st.floats(0.0, 10.0))
@settings(max_examples=50, deadline=None)
def test_damped_equations_are_solved_as_numpy_does(size, seed, damping):
    random = np.random.default_rng(seed)
    root = random.normal(size=(6, 6))
    matrix, right = root @ root.T + 0.1 * np.eye(6), random.normal(size=6)
    solution = np.full(6, np.nan)
    assert solve_damped(np.tril(matrix), damping, right, size, np.empty((6, 6)), solution)
    damped = matrix[:size, :size] + damping * np.diag(np.diag(matrix)[:size])
    np.testing.assert_allclose(solution[:size], np.linalg.solve(damped, right[:size]), rtol=1e-6, atol=1e-8)
    assert (solution[size:] == 0.0).all()
    assert not solve_damped(-matrix, damping, right, size, np.empty((6, 6)), solution)


@given(st.floats(-700.0, 0.0))
@example(-1e-12)
def test_the_exponential_is_that_of_the_library(x):
    assert exponential(x) == pytest.approx(math.exp(x), rel=4e-16, abs=0.0)
    assert exponential(-1e6 + x) == pytest.approx(0.0, abs=1e-300)


@given(st.floats(1e-300, 1e300))
@example(1.0)
@example(math.sqrt(0.5))
@example(np.nextafter(1.0, 0.0))
def test_the_logarithm_is_that_of_the_library(x):
    assert logarithm(x) == pytest.approx(math.log(x), rel=1e-15, abs=0.0)


@given(st.floats(0.0, 30.0))
def test_the_complement_of_the_error_function_is_that_of_the_library(x):
    assert complement_of_erf(x, math.exp(-x * x)) == pytest.approx(math.erfc(x), rel=1e-13, abs=6e-16)
