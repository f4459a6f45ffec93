"""Uncertainties of fits on denoised movies, against truth and closed forms."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from astigmatic import CALIBRATION
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree
from scipy.spatial.distance import pdist, squareform

from blinkspot.camera import Camera
from blinkspot.camera.maps import CameraMaps
from blinkspot.errors import BlinkspotError
from blinkspot.evaluation import TooFewMolecules, calibrate_uncertainties, compare
from blinkspot.evaluation.denoised_fits.credibility import Credibility, measure_credibility
from blinkspot.evaluation.denoised_fits.error_law import ErrorLaw, fit_error_law
from blinkspot.evaluation.denoised_fits.fit_features import photons_nearby
from blinkspot.evaluation.denoised_fits.shrinkage import measure_shrinkage
from blinkspot.evaluation.denoised_fits.simulated_errors import SimulatedErrors, _Part
from blinkspot.evaluation.forward_model import recorded_adu, spots_image
from blinkspot.evaluation.matched_movies import MatchedFrames, numbered, placed, standing_alone
from blinkspot.localization import LocalizationTable, Localizer, LocalizerSettings
from blinkspot.localization.processing import Merge
from blinkspot.movies.stack import Stack
from blinkspot.progress import Stopwatch, finish

CAMERA = Camera(pixel_size_nm=100.0, offset_adu=100.0, electrons_per_adu=0.5)
ON_DENOISED = LocalizerSettings(fit_on="denoised", threshold=3.0)
SIZE, FRAMES, SIGMA_NM = 64, 48, 120.0


class RunningMean:
    """Stands for a denoiser with context: the mean of the frames around each.

    Of a molecule that shines all the while it holds 2 c + 1 times the photons that a fit takes it to hold.
    """

    def __init__(self, context_frames: int, camera: Camera = CAMERA) -> None:
        self.context_frames = context_frames
        self.camera = camera
        self.provenance: dict[str, Any] = {"context_frames": context_frames}

    def made(self, record: dict[str, Any]) -> bool:
        return record.get("model") == self.provenance

    def mean_adu(self, movie: np.ndarray) -> np.ndarray:
        c = self.context_frames
        indices = np.arange(len(movie))
        shifted = [movie[np.clip(indices + shift, 0, len(movie) - 1)] for shift in range(-c, c + 1)]
        return np.mean(shifted, axis=0, dtype=np.float64).astype(np.float32)

    def denoise(self, movie: Stack) -> Generator[Any, None, None]:
        photons = self.camera.photoelectrons(self.mean_adu(movie.frames(0, movie.n_frames)))
        clock = Stopwatch("denoising", movie.n_frames)
        for start in range(0, movie.n_frames, 8):
            part = photons[start : start + 8]
            yield SimpleNamespace(start=start, frames=part, progress=clock.at(start + len(part)))


def steady_movie(seed: int, photons: tuple[float, float] = (300.0, 900.0)) -> tuple[np.ndarray, np.ndarray]:
    """Return a movie in which the same molecules shine in all frames, ADU, and their places, nm."""
    random = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(np.arange(8, SIZE, 12), np.arange(8, SIZE, 12)), -1).reshape(-1, 2)
    places = (grid + random.uniform(0.0, 1.0, grid.shape)) * CAMERA.pixel_size_nm
    light = random.uniform(*photons, len(places))
    mean = 5.0 + spots_image(*places.T, np.full(len(places), SIGMA_NM), light, (SIZE, SIZE), 100.0)
    movie = recorded_adu(np.broadcast_to(mean, (FRAMES, SIZE, SIZE)), CAMERA, random)
    return movie.astype(np.float32), places


def squared_errors(table: LocalizationTable, places: np.ndarray) -> np.ndarray:
    found = table.data[["x_nm", "y_nm"]].to_numpy()
    distance, _ = cKDTree(places).query(found)
    assert (distance < 2.0 * SIGMA_NM).mean() > 0.98
    return np.where(distance < 2.0 * SIGMA_NM, distance**2 / 2.0, np.nan)


@pytest.fixture(scope="module", params=[0, 1, 2])
def calibrated(request):
    model = RunningMean(request.param)
    movie, places = steady_movie(7)
    denoised = model.mean_adu(movie)
    localizer = Localizer(CAMERA, ON_DENOISED)
    table = finish(localizer.localize(movie, denoised))
    return model, places, table, finish(calibrate_uncertainties(table, denoised, model, localizer, seed=3))


def test_uncertainties_become_true(calibrated):
    model, places, before, after = calibrated
    true = np.nanmean(squared_errors(after, places))
    assert np.sqrt(np.mean(after.column("uncertainty_nm") ** 2) / true) == pytest.approx(1.0, abs=0.07)
    shrunk = after.column("uncertainty_nm") / before.column("uncertainty_nm")
    assert np.median(shrunk) == pytest.approx((2 * model.context_frames + 1) ** -0.5, rel=0.07)
    assert after.uncertainty_is_valid
    assert not before.uncertainty_is_valid
    unchanged = [name for name in after.data.columns if not name.startswith("uncertainty")]
    pd.testing.assert_frame_equal(after.data[unchanged], before.data[unchanged])


def test_errors_of_neighbouring_frames_have_the_correlations_of_shared_photons(calibrated):
    model, _, _, after = calibrated
    window = 2 * model.context_frames + 1
    expected = [1.0 - lag / window for lag in range(1, window)]
    found = after.provenance["uncertainty_calibration"]["correlations"]
    np.testing.assert_allclose(found, expected, atol=0.08)


def test_merged_uncertainties_are_true_too(calibrated):
    _, places, _, after = calibrated
    # Many short blinks instead of few long ones, so that there are enough to tell.
    merged = finish(Merge(radius_nm=80.0, dark_frames=0, longest_frames=4).apply(after))
    whole = merged.column("detections") == 4
    true = np.nanmean(squared_errors(merged, places)[whole])
    reported = np.mean(merged.column("uncertainty_nm")[whole] ** 2)
    assert np.sqrt(reported / true) == pytest.approx(1.0, abs=0.12)


def test_seeds_repeat():
    model, (movie, _) = RunningMean(1), steady_movie(5)
    denoised, localizer = model.mean_adu(movie), Localizer(CAMERA, ON_DENOISED)
    table = finish(localizer.localize(movie, denoised))
    first, again, other = (
        finish(calibrate_uncertainties(table, denoised, model, localizer, seed=seed)) for seed in (1, 1, 2)
    )
    pd.testing.assert_frame_equal(first.data, again.data)
    assert not np.array_equal(first.column("uncertainty_nm"), other.column("uncertainty_nm"))
    np.testing.assert_allclose(first.column("uncertainty_nm"), other.column("uncertainty_nm"), rtol=0.2)


def test_a_pixel_size_a_little_off_the_models_changes_nothing_but_the_scale():
    model, (movie, _) = RunningMean(1), steady_movie(5)
    denoised = model.mean_adu(movie)
    medians = []
    for pixel_size_nm in (100.0, 100.9):
        localizer = Localizer(dataclasses.replace(CAMERA, pixel_size_nm=pixel_size_nm), ON_DENOISED)
        table = finish(localizer.localize(movie, denoised))
        after = finish(calibrate_uncertainties(table, denoised, model, localizer))
        medians.append(np.median(after.column("uncertainty_nm")) / pixel_size_nm)
    assert medians[1] == pytest.approx(medians[0], rel=0.1)


def test_progress_goes_on_and_the_axes_are_scaled_alike():
    model, (movie, _) = RunningMean(1), steady_movie(5)
    denoised = model.mean_adu(movie)
    localizer = Localizer(CAMERA, dataclasses.replace(ON_DENOISED, widths="elliptical"))
    table = finish(localizer.localize(movie, denoised))
    fractions: list[float] = []
    job = calibrate_uncertainties(table, denoised, model, localizer)
    after = finish(job, lambda value: fractions.append(value.fraction))
    assert fractions[0] == 0.0
    assert fractions[-1] == 1.0
    assert len(fractions) > 50
    factor = after.column("uncertainty_nm") / table.column("uncertainty_nm")
    for name in ("uncertainty_x_nm", "uncertainty_y_nm"):
        np.testing.assert_allclose(after.column(name), factor * table.column(name), rtol=1e-12)


# What cannot be calibrated


def prepared(**settings: Any) -> tuple[RunningMean, np.ndarray, LocalizationTable, Localizer]:
    model, (movie, _) = RunningMean(1), steady_movie(5)
    denoised = model.mean_adu(movie)
    localizer = Localizer(CAMERA, dataclasses.replace(ON_DENOISED, **settings))
    return model, denoised, finish(localizer.localize(movie, denoised)), localizer


def test_fits_on_the_recorded_movie_are_refused():
    model, denoised, table, localizer = prepared(fit_on="raw")
    with pytest.raises(BlinkspotError, match="have true uncertainties already"):
        calibrate_uncertainties(table, denoised, model, localizer)


def test_fits_of_heights_are_refused():
    model, denoised, table, localizer = prepared()
    heights = Localizer(CAMERA, dataclasses.replace(localizer.settings, astigmatism=CALIBRATION))
    with pytest.raises(BlinkspotError, match="without heights"):
        calibrate_uncertainties(table, denoised, model, heights)


@pytest.mark.parametrize(
    ("made_by", "words"),
    [
        ({"step": "denoise", "model": {"context_frames": 2}}, "by another model"),
        ({"step": "denoise", "model": {"context_frames": 1}, "settings": {"estimate": "map"}}, "'map'"),
    ],
)
def test_another_model_or_estimate_is_refused(made_by, words):
    model, denoised, table, localizer = prepared()
    stack = Stack(denoised, metadata={"provenance": made_by})
    with pytest.raises(BlinkspotError, match=words):
        calibrate_uncertainties(table, stack, model, localizer)


def test_the_model_that_made_the_movie_is_taken():
    model, denoised, table, localizer = prepared()
    made_by = {"step": "denoise", "model": {"context_frames": 1}, "settings": {"estimate": "posterior-mean"}}
    stack = Stack(denoised, metadata={"provenance": made_by})
    assert finish(calibrate_uncertainties(table, stack, model, localizer)).uncertainty_is_valid


def test_a_model_for_another_camera_is_refused():
    _, denoised, table, localizer = prepared()
    other = RunningMean(1, dataclasses.replace(CAMERA, electrons_per_adu=0.7))
    with pytest.raises(BlinkspotError, match=r"another camera \(its electrons_per_adu is 0.7, not 0.5\)"):
        calibrate_uncertainties(table, denoised, other, localizer)


def test_compare_refuses_a_wrong_model_before_it_localizes():
    _, denoised, _, _ = prepared()
    other = RunningMean(1, dataclasses.replace(CAMERA, electrons_per_adu=0.7))
    with pytest.raises(BlinkspotError, match="another camera"):
        compare(denoised, denoised, CAMERA, model=other)


@pytest.mark.parametrize("rows", [0, 1])
def test_too_few_molecules_are_said(rows):
    model, denoised, table, localizer = prepared()
    few = table.chosen(np.arange(len(table)) < rows)
    with pytest.raises(TooFewMolecules, match="of 200 needed"):
        finish(calibrate_uncertainties(few, denoised, model, localizer))


# The parts


def test_molecules_get_the_light_that_comes_out_as_what_was_found():
    random = np.random.default_rng(6)
    true = np.exp(random.uniform(np.log(20.0), np.log(2000.0), 4000))

    def found_of(photons):
        return photons**2 / (photons + 150.0)

    measured = measure_shrinkage(true, found_of(true) * random.lognormal(0.0, 0.2, len(true)))
    asked = np.geomspace(60.0, 1500.0, 20)
    np.testing.assert_allclose(measured.true_photons(found_of(asked)), asked, rtol=0.12)
    # Beyond what was seen the share stays.
    assert measured.true_photons(np.array([1e5]))[0] == pytest.approx(1e5, rel=0.15)


@pytest.mark.parametrize(("found_part", "factor"), [(0.05, 8.0), (0.5, 2.0), (5.0, 0.5)])
def test_no_molecule_gets_more_than_eight_times_its_light_or_less_than_half(found_part, factor):
    true = np.geomspace(20.0, 2000.0, 400)
    measured = measure_shrinkage(true, found_part * true)
    asked = np.array([0.01, 100.0, 1e6])
    np.testing.assert_allclose(measured.true_photons(asked), factor * asked)


@given(st.integers(0, 2**32 - 1), st.integers(20, 400))
@settings(max_examples=50, deadline=None)
def test_more_light_found_is_never_of_a_fainter_molecule_however_noisy_the_fits(seed, n):
    random = np.random.default_rng(seed)
    measured = measure_shrinkage(random.uniform(20.0, 30.0, n), random.lognormal(3.0, 0.5, n))
    assert (np.diff(measured.log_true) > 0.0).all()
    assert (np.diff(measured.log_found) > 0.0).all()


def test_light_is_left_as_it_is_where_too_few_molecules_tell():
    photons = np.array([10.0, 200.0])
    few = measure_shrinkage(np.full(19, 100.0), np.full(19, 20.0))
    np.testing.assert_array_equal(few.true_photons(photons), photons)


def test_what_noise_makes_as_often_is_no_molecule():
    random = np.random.default_rng(7)
    noise, molecules = random.exponential(20.0, 6000), random.normal(300.0, 30.0, 2000)
    measured = measure_credibility(np.concatenate([noise[:4000], molecules]), 100, noise[4000:], 50)
    at = measured.of(np.array([5.0, 20.0, 300.0, 400.0]))
    assert (at[:2] < 0.15).all()
    assert (at[2:] > 0.95).all()
    half = measure_credibility(np.concatenate([noise[:2000], noise[:2000]]), 100, noise[2000:3000], 50)
    assert np.mean(half.of(noise)) == pytest.approx(0.5, abs=0.06)
    assert (measure_credibility(noise[:20], 10, noise[:20], 10).of(noise) == 1.0).all()


def test_the_law_finds_variances_however_the_errors_are_spread():
    random = np.random.default_rng(1)
    features = random.uniform(0.0, 3.0, (20000, 2))
    variance = np.exp(0.5 * np.sin(features[:, 0]) - 0.8 * np.abs(features[:, 1] - 1.5))
    for draw in (random.exponential(1.0, 20000), random.gamma(0.3, 1 / 0.3, 20000)):
        law = fit_error_law(("a", "b"), features, variance * draw)
        deviation = np.abs(law.variance_ratio(features) / variance - 1.0)
        # Most where a variance has an edge between two knots.
        assert deviation.mean() < 0.05
        assert deviation.max() < 0.25
    beyond = law.variance_ratio(np.array([[-50.0, 1.0], [0.0, 1.0], [50.0, 1.0], [3.0, 1.0]]))
    assert beyond[0] == pytest.approx(beyond[1], rel=0.05)
    assert beyond[2] == pytest.approx(beyond[3], rel=0.05)


def simulated_errors(model: RunningMean | None = None, movie: np.ndarray | None = None) -> SimulatedErrors:
    """Return what is to collect the errors of fits on a denoised movie."""
    model = RunningMean(1) if model is None else model
    movie = steady_movie(5)[0] if movie is None else movie
    denoised, localizer = model.mean_adu(movie), Localizer(CAMERA, ON_DENOISED)
    table = finish(localizer.localize(movie, denoised))
    molecule = finish(numbered(table, SIGMA_NM))
    random = np.random.default_rng(3)
    return SimulatedErrors(table, molecule, SIGMA_NM, Stack(denoised), model, localizer, random)


class Bending(RunningMean):
    """Draws what is faint to the background, of 5 photons; what is bright less."""

    def mean_adu(self, movie: np.ndarray) -> np.ndarray:
        background = self.camera.adu(np.float32(5.0))
        light = super().mean_adu(movie) - background
        return np.float32(background + light * np.abs(light) / (np.abs(light) + 60.0))


def test_molecules_are_simulated_with_the_light_that_comes_out_as_what_was_found():
    errors = simulated_errors(Bending(1))
    finish(errors.law(Stopwatch("measuring", 1.0)))
    found = np.concatenate([part.found_photons for part in errors.parts])
    true = np.concatenate([part.true_photons for part in errors.parts])
    assert np.median(true) > 1.3 * np.median(found)
    assert np.median(found) == pytest.approx(np.median(errors.table.column("photons")), rel=0.1)


def test_frames_whose_context_is_not_simulated_have_no_say(monkeypatch):
    monkeypatch.setattr("blinkspot.evaluation.matched_movies.parts._FRAMES_TOGETHER", 12)
    errors = simulated_errors(RunningMean(2))
    finish(errors.law(Stopwatch("measuring", 1.0)))
    place = np.concatenate([part.frame for part in errors.parts]) % 12
    assert np.unique(place).tolist() == list(range(2, 10))


def test_molecules_that_are_simulated_stand_alone(monkeypatch):
    simulated = []

    def watched(rows, molecule, *more):
        simulated.append(rows.assign(molecule=molecule))
        return placed(rows, molecule, *more)

    monkeypatch.setattr("blinkspot.evaluation.denoised_fits.simulated_errors.placed", watched)
    # The same movie beside itself: each molecule has another one 500 nm away.
    movie, _ = steady_movie(5)
    finish(simulated_errors(movie=movie + np.roll(movie, 5, axis=2) - 110.0).law(Stopwatch("measuring", 1.0)))
    assert len(simulated) > 1
    for rows in simulated:
        for _, each in rows.groupby("frame"):
            near = squareform(pdist(each[["x_nm", "y_nm"]])) < 600.0
            other = np.not_equal.outer(each["molecule"].to_numpy(), each["molecule"].to_numpy())
            assert not (near & other).any()


def test_molecules_are_simulated_whole_and_as_often_as_they_are_some():
    errors = simulated_errors()
    errors.credibility = Credibility(np.array([100.0]), np.array([0.2, 1.0]))
    molecule = np.arange(6000) // 3
    faint = molecule < 1000
    chosen = errors._credible(np.where(faint, 50.0, 200.0), molecule)
    np.testing.assert_array_equal(chosen, np.repeat(chosen[::3], 3))
    assert chosen[faint].mean() == pytest.approx(0.2, abs=0.05)
    assert chosen[~faint].all()


def test_correlations_are_those_of_one_molecule_from_frame_to_frame():
    random, n = np.random.default_rng(8), 800
    # Of molecules that shine for two frames, one after the other: the error of one in four turns round.
    first = random.choice([-1.0, 1.0], (n, 2))
    second = np.where(np.arange(n)[:, np.newaxis] % 4 == 0, -first, first)
    none = np.zeros(0)
    part = _Part(
        features=np.empty((2 * n, 0)),
        relative=np.stack([first, second], axis=1).reshape(-1, 2),
        frame=np.arange(2 * n),
        molecule=np.arange(2 * n) // 2,
        true_photons=none,
        found_photons=none,
        false_photons=none,
    )
    errors = simulated_errors()
    errors.parts.append(part)
    # None is found two frames apart.
    assert errors.correlations(ErrorLaw((), (), (0.0,))) == [0.5, 1.0]


@given(
    rows=st.lists(
        st.tuples(st.integers(0, 12), st.integers(0, 3), st.floats(1.0, 100.0)),
        max_size=40,
        unique_by=lambda row: row[:2],
    ),
    context=st.integers(1, 3),
)
def test_photons_nearby_are_those_of_the_molecule_within_the_context(rows, context):
    frame, molecule, photons = (np.array([row[each] for row in rows]) for each in range(3))
    frame, molecule, photons = frame.astype(int), molecule.astype(int), photons.astype(float)
    expected = [
        sum(p for f, m, p in rows if m == own and abs(f - at) <= context)
        for at, own in zip(frame, molecule, strict=True)
    ]
    np.testing.assert_allclose(photons_nearby(frame, molecule, photons, context), expected, rtol=1e-12)


@settings(max_examples=50)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 12), st.integers(0, 2))
def test_chosen_molecules_stand_alone_and_no_more_could_be_chosen(seed, n, molecules, context):
    random = np.random.default_rng(seed)
    rows = pd.DataFrame({"frame": random.integers(0, 4, n), "sigma_nm": np.full(n, 100.0)})
    rows["x_nm"], rows["y_nm"] = random.uniform(0.0, 2500.0, (2, n))
    molecule = np.unique(random.integers(0, molecules, n), return_inverse=True)[1]
    chosen = standing_alone(rows, molecule, context, random)
    near = squareform(pdist(rows[["x_nm", "y_nm"]])) < 600.0
    near &= np.abs(np.subtract.outer(rows["frame"].to_numpy(), rows["frame"].to_numpy())) <= context
    near &= np.not_equal.outer(molecule, molecule)
    assert not near[np.ix_(chosen, chosen)].any()
    for each in np.unique(molecule):
        own = molecule == each
        assert chosen[own].all() or (not chosen[own].any() and near[np.ix_(own, chosen)].any())


def test_a_molecule_has_one_place_near_where_it_was_found():
    random = np.random.default_rng(3)
    n, molecule = 300, np.arange(300) // 6
    rows = pd.DataFrame({"frame": np.arange(n) % 6, "photons": random.uniform(10.0, 99.0, n)})
    rows["x_nm"], rows["y_nm"] = random.uniform(500.0, 5000.0, (2, 50))[:, molecule] + random.normal(
        0, 9, (2, n)
    )
    rows["sigma_nm"] = random.uniform(100.0, 140.0, n)
    there = placed(rows, molecule, (64, 64), 100.0, random)
    assert (there.groupby(molecule)[["x_nm", "y_nm", "sigma_nm"]].nunique() == 1).all(axis=None)
    found = [
        np.average(rows["x_nm"][molecule == m], weights=rows["photons"][molecule == m]) for m in range(50)
    ]
    moved = there["x_nm"].groupby(molecule).first() - found
    assert moved.abs().max() <= 50.0
    assert moved.std() == pytest.approx(100.0 / np.sqrt(12), rel=0.25)
    np.testing.assert_array_equal(there["photons"], rows["photons"])


def test_the_place_of_a_molecule_is_the_mean_by_its_light():
    random = np.random.default_rng(3)
    rows = pd.DataFrame({"frame": [0, 1], "photons": [10.0, 90.0], "sigma_nm": [100.0, 140.0]})
    rows = rows.assign(x_nm=[500.0, 600.0], y_nm=[800.0, 900.0])
    # Pixels so small that being moved by half of one is nothing.
    there = placed(rows, np.zeros(2, int), (10**6, 10**6), 0.01, random)
    for name, mean in (("x_nm", 590.0), ("y_nm", 890.0), ("sigma_nm", 136.0)):
        np.testing.assert_allclose(there[name], mean, atol=0.005)


def test_numbers_follow_molecules_through_frames():
    movie, places = steady_movie(2)
    table = finish(Localizer(CAMERA, LocalizerSettings(threshold=3.0)).localize(movie))
    numbers = finish(numbered(table, SIGMA_NM))
    _, nearest = cKDTree(places).query(table.data[["x_nm", "y_nm"]].to_numpy())
    long = np.isin(numbers, np.flatnonzero(np.bincount(numbers) > FRAMES // 2))
    assert long.mean() > 0.95
    assert len(np.unique(np.column_stack([numbers, nearest])[long], axis=0)) == len(np.unique(numbers[long]))


def test_the_background_is_what_the_movie_shows_beside_its_molecules():
    random = np.random.default_rng(4)
    slope = 20.0 + 10.0 * np.linspace(-1.0, 1.0, 96)[:, np.newaxis] * np.ones(96)
    rows = pd.DataFrame({"frame": [0, 0], "x_nm": [3000.0, 6500.0], "y_nm": [4000.0, 5000.0]})
    rows = rows.assign(sigma_nm=120.0, photons=[900.0, 300.0])
    shown = slope + spots_image(
        *(rows[name].to_numpy() for name in ("x_nm", "y_nm", "sigma_nm", "photons")), (96, 96), 100.0
    )
    matched = MatchedFrames(CAMERA, 1.2, rows, rows.iloc[:0])
    matched.add(shown)
    frames = [next(matched.recorded(random)) for _ in range(200)]
    photons = CAMERA.photoelectrons(np.mean(frames, axis=0))
    inside = (slice(12, -12), slice(12, -12))
    np.testing.assert_allclose(gaussian_filter(photons, 3.0)[inside], slope[inside], rtol=0.03)


@pytest.mark.parametrize("part", [0.9, 1.1])
def test_light_that_was_not_found_right_hardly_counts_as_background(part):
    random = np.random.default_rng(4)
    found = pd.DataFrame(
        {"frame": [0], "x_nm": [4850.0], "y_nm": [4850.0], "sigma_nm": 120.0, "photons": 3000.0}
    )
    light = (found[name].to_numpy() for name in ("x_nm", "y_nm", "sigma_nm"))
    matched = MatchedFrames(CAMERA, 1.2, found, found.iloc[:0])
    matched.add(20.0 + spots_image(*light, part * found["photons"].to_numpy(), (96, 96), 100.0))
    frames = [next(matched.recorded(random)) for _ in range(200)]
    photons = gaussian_filter(CAMERA.photoelectrons(np.mean(frames, axis=0)), 1.5)
    # As trustworthy as all other light, it would make the background there wrong by 0.44.
    assert photons[48, 48] / 20.0 == pytest.approx(1.0, abs=0.3)


def test_a_background_as_fine_as_molecules_is_kept_where_it_stays():
    random = np.random.default_rng(6)
    wave = 1.0 + 0.4 * np.sin(2.0 * np.pi * np.arange(64) / 12.0) * np.ones((64, 1))
    fading = 30.0 * 0.9 ** np.arange(10)
    rows = pd.DataFrame({"frame": np.repeat(np.arange(10), 4), "sigma_nm": 120.0, "photons": 500.0})
    rows["x_nm"], rows["y_nm"] = random.uniform(500.0, 5900.0, (2, 40))
    matched = MatchedFrames(CAMERA, 1.2, rows, rows.iloc[:0])
    for frame, level in enumerate(fading):
        own = rows[rows["frame"] == frame]
        light = (own[name].to_numpy() for name in ("x_nm", "y_nm", "sigma_nm", "photons"))
        matched.add(level * wave + spots_image(*light, (64, 64), 100.0))
    many = [np.mean(list(matched.recorded(random)), axis=0) for _ in range(100)]
    photons = CAMERA.photoelectrons(np.mean(many, axis=0))[12:-12, 12:-12].mean(axis=0)
    expected = gaussian_filter(wave, 1.2)[0, 12:-12] * fading.mean()
    np.testing.assert_allclose(photons, expected, rtol=0.03)


def test_a_camera_with_maps_records_pixel_by_pixel():
    random = np.random.default_rng(5)
    maps = CameraMaps(
        offset_adu=random.uniform(90.0, 110.0, (8, 8)).astype(np.float32),
        adu_per_electron=random.uniform(1.5, 2.5, (8, 8)).astype(np.float32),
        variance_adu2=random.uniform(1.0, 60.0, (8, 8)).astype(np.float32),
    )
    camera = Camera(pixel_size_nm=100.0, maps=maps)
    adu = recorded_adu(np.full((40000, 8, 8), 6.0), camera, random)
    np.testing.assert_allclose(adu.mean(axis=0), maps.offset_adu + 6.0 * maps.adu_per_electron, atol=0.25)
    # Rounding adds 1/12.
    variance = 6.0 * maps.adu_per_electron**2 + maps.variance_adu2 + 1.0 / 12.0
    np.testing.assert_allclose(adu.var(axis=0), variance, rtol=0.05)
