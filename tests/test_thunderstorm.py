"""ThunderSTORM's analysis, beside its own result files and each part beside scipy."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from molecules import mean_counts
from scipy.ndimage import correlate1d, maximum_filter
from scipy.optimize import approx_fprime, least_squares, minimize
from scipy.spatial import cKDTree
from scipy.special import erf

from blinkspot import BlinkspotError, Camera, open_stack, read_table
from blinkspot.camera.maps import CameraMaps
from blinkspot.localization.detection import Candidates
from blinkspot.localization.thunderstorm import (
    ThunderstormSettings,
    base_level_removed,
    find_candidates,
    fit_candidates,
    likelihood,
    localize_frame,
    position_uncertainty,
)
from blinkspot.localization.thunderstorm import least_squares as squares
from blinkspot.localization.thunderstorm.candidates import wavelet_filter
from blinkspot.localization.thunderstorm.error_function import error_function

EM_150 = Camera(100.0, 100.0, 12.0, 150.0)
CAMERAS = {
    "default": Camera(80.0, 414.0, 3.6),
    "low120": EM_150,
    "yfp3_bg100": EM_150,
    "yfp4_bg100": Camera(100.0, 100.0, 12.0, 100.0),
    "blinking_low60": EM_150,
}
# The rest is in benchmarks/thunderstorm_preset.py.
FRAMES_COMPARED = 40
ONE_TO_ONE = Camera(1.0, 0.0, 1.0)


# -- its own results


def frames_as_thunderstorm(folder: Path, name: str, fit: str) -> np.ndarray:
    """Rows of frame, x, y, sigma, photons, background, its spread, uncertainty."""
    movie, how = open_stack(folder / f"{name}.tif"), ThunderstormSettings(fit=fit)
    rows = []
    for index, frame in enumerate(movie.frames(0, FRAMES_COMPARED)):
        found = list(localize_frame(frame, CAMERAS[name], how).values())[:7]
        rows.append(np.column_stack([np.full(len(found[0]), float(index)), *found]))
    return np.concatenate(rows)


def thunderstorms(folder: Path, name: str, fit: str) -> np.ndarray:
    table = read_table(folder / f"{name}_thunderstorm_{fit}.csv").data
    return table[table["frame"] < FRAMES_COMPARED].to_numpy()[:, :8]


@pytest.mark.parametrize("fit", ["mle", "wlsq"])
@pytest.mark.parametrize("name", CAMERAS)
def test_results_are_thunderstorms(shared_data: Path, name: str, fit: str) -> None:
    ours = frames_as_thunderstorm(shared_data / "simulated", name, fit)
    theirs = thunderstorms(shared_data / "simulated", name, fit)
    assert len(ours) == len(theirs)
    frames_apart = np.array([1e9, 1.0, 1.0])
    distance, nearest = cKDTree(ours[:, :3] * frames_apart).query(theirs[:, :3] * frames_apart)
    # A fit whose light is all in one pixel has no position within it: rounding decides.
    assert (distance <= 2.0).mean() >= (1.0 if fit == "mle" else 0.995)
    # Far below what anything but the same steps would give.
    assert np.median(distance) < 1e-5
    assert np.quantile(distance, 0.98) < 1e-4
    assert len(set(nearest[distance <= 2.0])) == (distance <= 2.0).sum()
    same = ours[nearest[distance <= 2.0]], theirs[distance <= 2.0]
    for column in (3, 4, 6, 7):
        relative = np.abs(same[0][:, column] / same[1][:, column] - 1.0)
        assert (relative <= 0.02).mean() >= 0.995
    # The background may be 0, and is written with five decimals.
    assert (np.abs(same[0][:, 5] - same[1][:, 5]) <= 0.02 * same[1][:, 5] + 1e-4).mean() >= 0.995


def test_rows_are_in_thunderstorms_order(shared_data: Path) -> None:
    ours = frames_as_thunderstorm(shared_data / "simulated", "yfp3_bg100", "wlsq")
    theirs = thunderstorms(shared_data / "simulated", "yfp3_bg100", "wlsq")
    np.testing.assert_allclose(ours[:, 1:3], theirs[:, 1:3], atol=1e-3)


# -- candidates


def noisy(seed: int, shape: tuple[int, int] = (40, 33)) -> np.ndarray:
    return np.random.default_rng(seed).poisson(20.0, shape).astype(np.float32)


def smooth(picture: np.ndarray, taps: list[int]) -> np.ndarray:
    kernel = np.array(taps) / 16
    for axis in (0, 1):
        picture = correlate1d(picture, kernel, axis=axis, mode="constant")
    return picture


@pytest.mark.parametrize("shape", [(40, 33), (7, 9), (1, 5)])
def test_filter_is_two_convolutions_of_the_extended_frame(shape: tuple[int, int]) -> None:
    picture = noisy(0, shape)
    extended = np.pad(picture.astype(np.float64), 4, mode="edge")
    first = smooth(extended, [1, 4, 6, 4, 1])
    second = smooth(first, [1, 0, 4, 0, 6, 0, 4, 0, 1])
    response, noise = wavelet_filter(picture)
    np.testing.assert_allclose(response, (first - second)[4:-4, 4:-4], atol=2e-5)
    assert noise == pytest.approx((picture - first[4:-4, 4:-4]).std(), rel=1e-6)


@pytest.mark.parametrize("border_px", [1, 3])
def test_candidates_are_the_maxima_above_the_threshold(border_px: int) -> None:
    picture = noisy(1)
    response, noise = wavelet_filter(picture)
    expected = (response == maximum_filter(response, 3)) & (response >= 0.2 * noise)
    inner = np.zeros_like(expected)
    inner[border_px:-border_px, border_px:-border_px] = True
    found = find_candidates(picture, 0.2, border_px)
    assert len(found) > 10
    assert set(zip(found.rows, found.columns, strict=True)) == set(
        zip(*np.nonzero(expected & inner), strict=True)
    )
    np.testing.assert_allclose(found.strength, response[found.rows, found.columns] / noise, rtol=1e-6)
    assert (np.diff(found.columns) >= 0).all()


def test_both_of_two_equal_neighbours_are_candidates() -> None:
    picture = np.zeros((21, 20), dtype=np.float32)
    picture[10, 9:11] = 100.0
    found = find_candidates(picture)
    assert sorted(zip(found.rows.tolist(), found.columns.tolist(), strict=True)) == [(10, 9), (10, 10)]


def test_flat_and_small_frames_hold_no_candidates() -> None:
    assert len(find_candidates(np.full((20, 20), 7.0, dtype=np.float32))) == 0
    assert len(find_candidates(noisy(2, (6, 30)))) == 0


# -- camera


def test_base_level_is_subtracted() -> None:
    adu = np.array([[110, 105], [101, 100]], dtype=np.uint16)
    np.testing.assert_array_equal(base_level_removed(adu, EM_150), [[10, 5], [1, 0]])
    # A frame that goes below the base level is raised as a whole.
    np.testing.assert_array_equal(base_level_removed(adu - 3, EM_150), [[10, 5], [1, 0]])


def bad_frames() -> list[np.ndarray]:
    endless = np.ones((8, 8))
    endless[2, 3] = np.inf
    return [endless, endless * np.nan, np.ones((3, 8, 8)), np.ones((0, 8))]


@pytest.mark.parametrize("frame", bad_frames())
def test_bad_frames_are_refused(frame: np.ndarray) -> None:
    with np.errstate(invalid="ignore"), pytest.raises(BlinkspotError, match="frame"):
        localize_frame(frame, EM_150)


def test_camera_maps_are_refused() -> None:
    ones = np.ones((8, 8), dtype=np.float32)
    with pytest.raises(BlinkspotError, match="maps"):
        localize_frame(ones, Camera(maps=CameraMaps(ones, ones, ones)))


# -- fits

SIDE = 7


def one_molecule(seed: int, photons: float = 400.0, background: float = 10.0) -> np.ndarray:
    truth = np.array([7.0, 6.8, 1.3, photons, background])
    return np.random.default_rng(seed).poisson(mean_counts(truth, (15, 15))).astype(np.float64)


def fit_at(picture: np.ndarray, row: int, column: int, **how) -> dict[str, float]:
    candidate = Candidates(np.array([row]), np.array([column]), np.ones(1))
    found = fit_candidates(picture.astype(np.float32), candidate, ONE_TO_ONE, ThunderstormSettings(**how))
    return {name: float(values[0]) for name, values in found.items()}


def parameters_of(found: dict[str, float], row: int, column: int) -> np.ndarray:
    """Our test model's parameters of a fit, in its window."""
    return np.array(
        [
            found["x_nm"] - 0.5 - (column - 3),
            found["y_nm"] - 0.5 - (row - 3),
            found["sigma_nm"],
            found["photons"],
            found["background_photons"],
        ]
    )


@given(st.floats(-6.0, 6.0))
def test_error_function(z: float) -> None:
    assert error_function(z) == pytest.approx(float(erf(z)), abs=1.3e-7)


INSIDE = st.tuples(
    st.floats(-2.0, 2.0),
    st.floats(-2.0, 2.0),
    st.floats(0.6, 3.0),
    st.floats(2.0, 50.0),
    st.floats(0.5, 10.0),
).map(np.array)


def expected_pixels(parameters: np.ndarray) -> np.ndarray:
    x, y, sigma, root_intensity, root_offset = parameters
    return mean_counts(np.array([x + 3, y + 3, sigma, root_intensity**2, root_offset**2]))


@given(INSIDE)
@settings(max_examples=50, deadline=None)
def test_model_is_the_integrated_gaussian(parameters: np.ndarray) -> None:
    means = np.empty((SIDE, SIDE))
    likelihood.expect(parameters, np.empty((2, SIDE)), means)
    np.testing.assert_allclose(means, expected_pixels(parameters), atol=2e-7 * parameters[3] ** 2)


@given(INSIDE, st.integers(0, 100))
@settings(max_examples=50, deadline=None)
def test_residual_and_its_derivatives(parameters: np.ndarray, seed: int) -> None:
    random = np.random.default_rng(seed)
    pixels = np.empty((squares.N_ROWS, SIDE * SIDE))
    pixels[squares.WINDOW] = random.poisson(30.0, SIDE * SIDE)
    pixels[squares.ROOT_WEIGHTS] = random.uniform(0.1, 2.0, SIDE * SIDE)
    shares = np.empty((2, 3, SIDE))

    def residual(values: np.ndarray) -> np.ndarray:
        return pixels[squares.ROOT_WEIGHTS] * (pixels[squares.WINDOW] - expected_pixels(values).ravel())

    length = squares.evaluate(parameters, pixels, shares)
    squares.differentiate(parameters, pixels, shares)
    scale = parameters[3] ** 2
    np.testing.assert_allclose(pixels[squares.RESIDUAL], residual(parameters), atol=1e-6 * scale + 1e-6)
    assert length == pytest.approx(np.linalg.norm(residual(parameters)), rel=1e-5, abs=1e-4)
    numeric = -approx_fprime(parameters, residual, 1e-6).T
    np.testing.assert_allclose(pixels[squares.DERIVATIVES :], numeric, rtol=1e-3, atol=1e-4 * scale + 1e-3)


@pytest.mark.parametrize("fit", ["lsq", "wlsq"])
@pytest.mark.parametrize("seed", range(5))
def test_least_squares_end_at_the_optimum(fit: str, seed: int) -> None:
    picture = one_molecule(seed)
    window = picture[4:11, 4:11]
    weights = 1 / np.maximum(window, window.max() / 1000) if fit == "wlsq" else np.ones_like(window)

    def residual(parameters: np.ndarray) -> np.ndarray:
        return (np.sqrt(weights) * (mean_counts(parameters) - window)).ravel()

    best = least_squares(residual, [3, 3, 1.3, 400, 10], x_scale=[1, 1, 1, 100, 10], xtol=1e-12, ftol=1e-12)
    found = fit_at(picture, 7, 7, fit=fit)
    np.testing.assert_allclose(parameters_of(found, 7, 7), best.x, rtol=1e-4, atol=1e-4)
    rest = window - mean_counts(best.x)
    assert found["background_std_photons"] == pytest.approx(rest.std(), rel=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_simplex_ends_near_the_optimum(seed: int) -> None:
    picture = one_molecule(seed)
    window = picture[4:11, 4:11]

    def loss(parameters: np.ndarray) -> float:
        mean = mean_counts(parameters)
        return float((mean - window * np.log(mean)).sum())

    start = np.array([3.0, 3.0, 1.3, 400.0, 10.0])
    best = minimize(
        loss, start, method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-9, "maxiter": 5000}
    )
    found = parameters_of(fit_at(picture, 7, 7, fit="mle"), 7, 7)
    # It stops where the corners agree within some 1e-4.
    assert 0.0 <= loss(found) - best.fun < 2e-3
    np.testing.assert_allclose(found[:3], best.x[:3], atol=5e-3)


def simplex_of_all_axes(window: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, int]:
    """Algorithm AS 47 in plain words, with every axis and every evaluation; ours leaves some out."""
    steps = np.full(15, 0.001)
    steps[[0, 1, 3, 4, 5]] = 1.0, 1.0, 0.1, 3000.0, 10.0
    counted = 0

    def value(point: np.ndarray) -> float:
        nonlocal counted
        counted += 1
        mean = np.empty_like(window)
        likelihood.expect(point[[0, 1, 3, 4, 5]], np.empty((2, SIDE)), mean)
        return float((mean - window * np.log(mean)).sum())

    scale, left = 1.0, 10
    while True:
        corners = np.vstack([start + scale * np.diag(steps), start])
        values = np.array([value(corner) for corner in corners])
        while True:
            best, worst = int(values.argmin()), int(values.argmax())
            centroid = (corners.sum(axis=0) - corners[worst]) / 15
            reflected = 2 * centroid - corners[worst]
            at_reflected = value(reflected)
            better_than = int((at_reflected < values).sum())
            if at_reflected < values[best]:
                farther = 2 * reflected - centroid
                at_farther = value(farther)
                if at_reflected < at_farther:
                    corners[worst], values[worst] = reflected, at_reflected
                else:
                    corners[worst], values[worst] = farther, at_farther
            elif better_than > 1:
                corners[worst], values[worst] = reflected, at_reflected
            else:
                nearer = (centroid + (reflected if better_than else corners[worst])) / 2
                at_nearer = value(nearer)
                if at_nearer <= (at_reflected if better_than else values[worst]):
                    corners[worst], values[worst] = nearer, at_nearer
                elif better_than:
                    corners[worst], values[worst] = reflected, at_reflected
                else:
                    corners = (corners + corners[best]) / 2
                    values = np.array([value(corner) for corner in corners])
                    continue
            left -= 1
            if left == 0:
                left = 10
                if ((values - values.mean()) ** 2).sum() <= 1.5e-7:
                    break
        start, lowest = corners[values.argmin()].copy(), values.min()
        for axis in range(15):
            for sign in (1, -1):
                tried = start.copy()
                tried[axis] += sign * 0.001 * steps[axis]
                if value(tried) < lowest:
                    break
            else:
                continue
            break
        else:
            return start, counted
        start, scale = tried, 0.001


@pytest.mark.parametrize("seed", range(5))
def test_idle_axes_take_part_in_the_simplex(seed: int) -> None:
    """The corners that our simplex does not evaluate are counted, and hold it back."""
    window = np.ascontiguousarray(one_molecule(seed)[4:11, 4:11])
    low = window.min()
    intensity = (window.max() - low) * 2 * math.pi * 1.6**2
    start = np.zeros(15)
    start[[3, 4, 5]] = 1.6, math.sqrt(intensity), math.sqrt(low)
    expected, counted = simplex_of_all_axes(window, start)
    point = start[[0, 1, 3, 4, 5]]
    scratch = np.empty((16, 5)), np.empty(16), np.empty((3, 5)), np.empty((2, SIDE)), np.empty((SIDE, SIDE))
    evaluations = likelihood.maximize_likelihood(point, window, *scratch)
    assert evaluations == counted
    np.testing.assert_allclose(point, expected[[0, 1, 3, 4, 5]], rtol=1e-6, atol=1e-6)


def test_empty_pixel_pins_the_background_of_squares() -> None:
    picture = one_molecule(4, background=5.0)
    picture[4, 4] = 0.0
    for fit in ("lsq", "wlsq"):
        assert fit_at(picture, 7, 7, fit=fit)["background_photons"] == 0.0
    assert fit_at(picture, 7, 7, fit="mle")["background_photons"] > 1.0


def test_fit_that_leaves_its_window_is_dropped() -> None:
    far = mean_counts(np.array([11.0, 7.0, 1.3, 5000.0, 10.0]), (15, 15))
    candidate = Candidates(np.array([7, 7]), np.array([7, 11]), np.array([1.0, 2.0]))
    for fit in ("mle", "lsq"):
        found = fit_candidates(far.astype(np.float32), candidate, ONE_TO_ONE, ThunderstormSettings(fit=fit))
        assert found["detection_strength"].tolist() == [2.0]
        assert found["x_nm"][0] == pytest.approx(11.5, abs=0.01)


@pytest.mark.parametrize("fit", ["mle", "lsq", "wlsq"])
def test_units(fit: str) -> None:
    """The same electrons through two cameras give the same molecule; squares have no unit of their own."""
    picture = one_molecule(6)
    plain = localize_frame(picture, ONE_TO_ONE, ThunderstormSettings(fit=fit))
    camera = Camera(120.0, 50.0, 2.0, 64.0)
    other = localize_frame(picture * 32.0 + 50.0, camera, ThunderstormSettings(fit=fit))
    assert len(plain["x_nm"]) > 0
    for name in ("photons", "background_photons", "background_std_photons", "detection_strength"):
        np.testing.assert_allclose(other[name], plain[name], rtol=2e-4, atol=1e-9)
    for name in ("x_nm", "y_nm", "sigma_nm"):
        np.testing.assert_allclose(other[name], 120.0 * plain[name], rtol=1e-5)


@pytest.mark.parametrize("fit", ["mle", "wlsq"])
def test_frame_may_be_fitted_in_parts(fit: str) -> None:
    pixels, how = noisy(8), ThunderstormSettings(fit=fit, threshold=0.1)
    found = find_candidates(pixels, how.threshold)
    parts = [
        fit_candidates(
            pixels, Candidates(found.rows[a], found.columns[a], found.strength[a]), ONE_TO_ONE, how
        )
        for a in (slice(0, 4), slice(4, 4), slice(4, None))
    ]
    whole = localize_frame(pixels, ONE_TO_ONE, how)
    assert len(whole["x_nm"]) > 4
    for name, values in whole.items():
        np.testing.assert_array_equal(np.concatenate([part[name] for part in parts]), values)


@pytest.mark.parametrize("fit", ["mle", "wlsq"])
def test_fit_radius(fit: str) -> None:
    """A wider window holds more of a wide molecule."""
    truth = np.array([15.2, 14.9, 2.5, 20000.0, 10.0])
    picture = mean_counts(truth, (31, 31))
    found = localize_frame(picture, ONE_TO_ONE, ThunderstormSettings(fit=fit, fit_radius_px=7))
    index = int(found["photons"].argmax())
    values = [found[name][index] for name in ("x_nm", "y_nm", "sigma_nm", "photons", "background_photons")]
    np.testing.assert_allclose(values, [15.7, 15.4, *truth[2:]], rtol=2e-3)


# -- uncertainty


def test_uncertainty_by_hand() -> None:
    arrays = (np.array([130.0]), np.array([800.0]), np.array([6.0]))
    em, ccd = EM_150, Camera(100.0, 0.0, 1.0, 1.0, read_noise_electrons=1.5)
    light_em, light_ccd = (2 * 130**2 + 100**2 / 12) / 800, (130**2 + 100**2 / 12) / 800

    def tau(spread: float) -> float:
        return 2 * math.pi * spread**2 * (130**2 + 100**2 / 12) / (800 * 100**2)

    def corrected(t: float) -> float:
        return 1 + 4 * t + math.sqrt(2 * t / (1 + 4 * t))

    old = 8 * math.pi * 130**4 * 6**2 / (100 * 800) ** 2
    for fit in ("mle", "wlsq"):
        assert position_uncertainty(*arrays, em, fit)[0] ** 2 == pytest.approx(light_em * corrected(tau(6.0)))
        assert position_uncertainty(*arrays, ccd, fit)[0] ** 2 == pytest.approx(
            light_ccd * corrected(tau(7.5))
        )
    assert position_uncertainty(*arrays, em, "lsq")[0] ** 2 == pytest.approx(
        light_em * (16 / 9 + 4 * tau(6.0))
    )
    for fit in ("mle", "lsq", "wlsq"):
        assert position_uncertainty(*arrays, em, fit, "1.3")[0] ** 2 == pytest.approx(light_em + old)
        assert position_uncertainty(*arrays, ccd, fit, "1.3")[0] ** 2 == pytest.approx(light_ccd + old)


def test_old_formula_can_be_asked_for() -> None:
    picture = one_molecule(7)
    new = localize_frame(picture, ONE_TO_ONE)
    old = localize_frame(picture, ONE_TO_ONE, ThunderstormSettings(uncertainty="1.3"))
    np.testing.assert_array_equal(old["x_nm"], new["x_nm"])
    expected = position_uncertainty(
        new["sigma_nm"], new["photons"], new["background_std_photons"], ONE_TO_ONE, "mle", "1.3"
    )
    np.testing.assert_allclose(old["uncertainty_nm"], expected)
    assert (old["uncertainty_nm"] != new["uncertainty_nm"]).all()


def test_no_photons_no_position() -> None:
    assert position_uncertainty(np.array([130.0]), np.zeros(1), np.ones(1), EM_150)[0] == np.inf


# -- settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fit", "em"),
        ("uncertainty", "1.2"),
        ("threshold", 0.0),
        ("threshold", math.nan),
        ("fit_radius_px", 1),
        ("fit_radius_px", 16),
        ("initial_sigma_px", 0.1),
        ("initial_sigma_px", 4.0),
    ],
)
def test_settings_out_of_range_are_refused(name: str, value: object) -> None:
    with pytest.raises(BlinkspotError, match=name.partition("_")[0]):
        dataclasses.replace(ThunderstormSettings(), **{name: value})
