"""Noisy against denoised: what is said must follow from what is there."""

import dataclasses
import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from blinkspot.camera import Camera
from blinkspot.errors import BlinkspotError
from blinkspot.evaluation import (
    PRESETS,
    ComparisonSettings,
    check_residuals,
    compare,
    held_out_settings,
    measure_resolution,
    score,
    simulate,
    summary,
    uncertainty_calibration,
    verdict,
)
from blinkspot.evaluation.held_out.check import THRESHOLD_STEP, THRESHOLDS
from blinkspot.evaluation.scoring.curve import Curve
from blinkspot.evaluation.scoring.resampling import best_f1_gain, held_out_f1
from blinkspot.localization import LocalizationTable, Localizer, LocalizerSettings
from blinkspot.movies.stack import as_stack
from blinkspot.progress import finish

SETTINGS = dataclasses.replace(
    PRESETS["low-light"], frames=100, size_px=(36, 44), density_per_um2=0.2, seed=3
)
CAMERA = SETTINGS.camera


@pytest.fixture(scope="module")
def movie():
    """Return a dim movie, the same without noise, both in ADU, and the truth."""
    chunks, truth = [], None
    job = simulate(SETTINGS)
    while truth is None:
        try:
            chunks.append(next(job))
        except StopIteration as stop:
            truth = stop.value
    frames = np.concatenate([chunk.frames for chunk in chunks])
    clean = CAMERA.adu(np.concatenate([chunk.expectation for chunk in chunks]))
    return frames, clean, truth


@pytest.fixture(scope="module")
def against_clean(movie):
    noisy, clean, truth = movie
    return finish(compare(noisy, clean, CAMERA, truth))


def test_a_movie_without_noise_is_better(against_clean):
    gain = against_clean.denoised.truthful.gain
    assert gain.low > 0.2
    assert gain.low < gain.value < gain.high
    assert gain.value == pytest.approx(against_clean.denoised.best_f1 - against_clean.noisy.best_f1)
    assert against_clean.denoised is against_clean.denoised_fit_denoised
    assert verdict(against_clean).startswith("Denoising helped: the best F1 rose from 0.")
    assert f"{gain.value:+.3f}" in verdict(against_clean)


def test_a_movie_with_noise_is_worse(movie):
    noisy, clean, truth = movie
    # Noise is worse than no noise, whichever of the two is called denoised: three times a camera's, so
    # that molecules are lost and not only displaced, which fits on the movie without noise would mend.
    noisier = clean + 3.0 * (noisy - clean)
    comparison = finish(compare(clean, noisier.astype(np.float32), CAMERA, truth))
    assert comparison.denoised.truthful.gain.high < 0
    assert verdict(comparison).startswith("Denoising hurt: the best F1 fell from 0.")


def test_the_same_movie_makes_no_difference(movie):
    noisy, _, truth = movie
    comparison = finish(compare(noisy, noisy, CAMERA, truth))
    for route in comparison.routes[1:]:
        gain = route.truthful.gain
        assert (gain.value, gain.low, gain.high) == (0.0, 0.0, 0.0)
        np.testing.assert_array_equal(route.picture, comparison.noisy.picture)
    assert "made no difference" in verdict(comparison)


def test_a_short_movie_makes_no_claim(movie):
    noisy, clean, truth = movie
    early = truth.chosen(truth.column("frame") < 30)
    comparison = finish(compare(noisy[:30], clean[:30], CAMERA, early))
    assert comparison.denoised.truthful.gain.low is None
    assert "too short" in verdict(comparison)
    assert "Denoising helped" not in verdict(comparison)


@pytest.mark.parametrize("name", ["noisy", "denoised_fit_raw", "denoised_fit_denoised"])
def test_a_route_scores_as_a_localizer_with_its_threshold(movie, against_clean, name):
    noisy, clean, truth = movie
    route = getattr(against_clean, name)
    fit_on = "denoised" if name == "denoised_fit_denoised" else "raw"
    denoised = None if name == "noisy" else as_stack(clean)
    for threshold, scores in (
        (1.0, route.truthful.at_default),
        (route.threshold, route.truthful.at_best),
    ):
        localizer = Localizer(CAMERA, LocalizerSettings(threshold=threshold, fit_on=fit_on))
        found = finish(localizer.localize(as_stack(noisy), denoised))
        assert scores.as_dict() == pytest.approx(score(found, truth).as_dict())
    assert len(route.table) == scores.true_positives + scores.false_positives
    assert route.truthful.at_best.f1 >= route.truthful.at_default.f1
    assert route.truthful.best_f1_held_out <= route.truthful.at_best.f1
    assert route.table.uncertainty_is_valid == (fit_on == "raw")


def test_the_search_goes_lower_where_the_best_is_at_its_bound(movie, against_clean):
    noisy, clean, truth = movie
    # On the noisy movie the best threshold is near 1, far below this default.
    settings = ComparisonSettings(localizer=LocalizerSettings(threshold=2.0), search_threshold=2.0)
    comparison = finish(compare(noisy, clean, CAMERA, truth, settings))
    assert comparison.noisy.search_threshold < 2.0
    assert comparison.noisy.best_f1 == pytest.approx(against_clean.noisy.best_f1, abs=0.01)
    assert comparison.noisy.truthful.at_default.f1 < comparison.noisy.best_f1 - 0.05


def test_without_truth_nothing_is_said_of_correctness(movie, against_clean):
    noisy, clean, _ = movie
    comparison = finish(compare(noisy, clean, CAMERA))
    for route, scored in zip(comparison.routes, against_clean.routes, strict=True):
        assert route.truthful is None
        assert route.threshold == 1.0
        assert len(route.table) == route.n_default == scored.n_default
        sigma = route.table.column("sigma_nm")
        assert (route.sigma.mean_nm, route.sigma.std_nm) == (sigma.mean(), sigma.std())
        assert (np.diff(route.counts) <= 0).all()
        at_default = np.interp(0.0, np.log(route.counted_thresholds), route.counts)
        assert at_default == pytest.approx(route.n_default, rel=0.1)
    words = verdict(comparison)
    assert f"{comparison.noisy.n_default:,} localizations" in words
    assert "without the truth" in words
    for claim in ("F1", "helped", "hurt", "better"):
        assert claim not in words
    assert comparison.truth_picture is None


def test_the_example_is_a_frame_of_the_movie_with_everything_in_it(movie, against_clean):
    noisy, clean, truth = movie
    example = against_clean.example
    np.testing.assert_allclose(example.noisy, CAMERA.photoelectrons(noisy[example.frame]))
    np.testing.assert_allclose(example.denoised, CAMERA.photoelectrons(clean[example.frame]))
    there = truth.in_frame(example.frame)
    assert len(there) >= np.median(np.bincount(truth.column("frame"), minlength=100))
    for detections in (example.noisy_detections, example.denoised_detections):
        assert detections.is_true.sum() + len(detections.missed) == len(there)
    # Places are in pixels whose first centre is 0.
    places = {tuple(np.round(place, 6)) for place in example.noisy_detections.missed}
    truth_px = np.column_stack([there.column("y_nm"), there.column("x_nm")]) / 100.0 - 0.5
    assert places <= {tuple(np.round(place, 6)) for place in truth_px}
    for window, length in ((example.rows, 36), (example.columns, 44)):
        assert 0 <= window.start < window.stop <= length


def test_progress_goes_forward_to_the_end_and_can_be_closed(movie):
    noisy, clean, truth = movie
    values = []
    finish(compare(noisy, clean, CAMERA, truth), values.append)
    fractions = [value.fraction for value in values]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert len(values) > 100
    job = compare(noisy, clean, CAMERA, truth)
    next(job)
    job.close()


def test_the_summary_holds_all_scores(against_clean):
    figures = summary(against_clean)
    assert figures["better_denoised_route"] == "denoised_fit_denoised"
    for route in against_clean.routes:
        of_route = figures["routes"][route.name]
        assert of_route["at_best"] == route.truthful.at_best.as_dict()
        assert of_route["at_default"] == route.truthful.at_default.as_dict()
        assert max(of_route["curve"]["f1"]) == route.truthful.at_best.f1
        assert of_route["calibration"] == route.truthful.calibration.as_dict()
        assert of_route["bias"] == route.truthful.bias.as_dict()
        resolution = against_clean.checks.resolution[route.name].as_dict()
        assert figures["checks"]["resolution"][route.name] == resolution
    assert figures["routes"]["noisy"]["gain_in_best_f1"] is None
    assert figures["judgement"] == "helped"
    assert figures["checks"]["residuals"]["compared_with"] == "denoised movie"
    assert "not_measured" in figures["checks"]["held_out"]


def test_the_checks_are_those_of_the_single_functions(movie, against_clean):
    noisy, clean, truth = movie
    residuals = finish(check_residuals(as_stack(noisy), CAMERA, as_stack(clean)))
    assert against_clean.checks.residuals.variance == residuals.variance
    for route in against_clean.routes:
        found = against_clean.checks.resolution[route.name]
        assert found.nena.precision_nm == finish(measure_resolution(route.table)).nena.precision_nm
        alone = uncertainty_calibration(route.table, truth)
        assert route.truthful.calibration.ratio == pytest.approx(alone.ratio, nan_ok=True)


def test_holding_out_needs_a_model_or_time(movie):
    noisy, clean, _ = movie
    with pytest.raises(BlinkspotError, match="needs the model"):
        compare(noisy, clean, CAMERA, settings=ComparisonSettings(held_out=held_out_settings()))


def test_the_default_threshold_is_among_those_of_the_held_out_check():
    lowest = held_out_settings(LocalizerSettings(threshold=1.5)).localizer.threshold
    assert lowest < 1.0
    assert np.min(np.abs(lowest * THRESHOLD_STEP ** np.arange(THRESHOLDS) - 1.5)) < 1e-12


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda noisy, clean, truth: (noisy, clean[:50], truth), "same movie"),
        (lambda noisy, clean, truth: (noisy[:50], clean[:50], truth), "reaches to frame"),
        (lambda noisy, clean, truth: (noisy, clean, LocalizationTable.from_columns({})), "empty"),
    ],
)
def test_what_does_not_belong_together_is_refused(movie, change, words):
    noisy, clean, truth = change(*movie)
    with pytest.raises(BlinkspotError, match=words):
        compare(noisy, clean, CAMERA, truth)


@pytest.mark.parametrize("stated", [{}, {"em_gain": 75.0}, {"em_gain": 300.0}, {"offset_adu": 50.0}])
def test_movies_that_are_exchanged_are_refused_whatever_is_said_of_the_camera(movie, stated):
    noisy, _, truth = movie
    smooth = gaussian_filter(noisy.astype(np.float32), (0, 2, 2))
    camera = dataclasses.replace(CAMERA, **stated)
    with pytest.raises(BlinkspotError, match="seem to be exchanged"):
        compare(smooth, noisy, camera, truth)
    compare(noisy, smooth, camera, truth)


def test_photons_in_the_place_of_the_noisy_movie_are_refused_and_not_in_that_of_the_denoised(movie):
    noisy, _, truth = movie
    photons = CAMERA.photoelectrons(gaussian_filter(noisy.astype(np.float32), (0, 2, 2)))
    with pytest.raises(BlinkspotError, match="seem to be exchanged"):
        compare(photons, noisy, CAMERA, truth)
    compare(noisy, photons, CAMERA, truth)


def test_settings_out_of_range_are_refused():
    with pytest.raises(BlinkspotError, match="lowest threshold"):
        ComparisonSettings(search_threshold=1.5)
    with pytest.raises(BlinkspotError, match="block"):
        ComparisonSettings(frames_per_block=0)


def curve_of(pairs, found, truth, thresholds=(1.0,)) -> Curve:
    """Return a curve of given counts; pairs and found of shape (thresholds, frames)."""
    return Curve(np.array(thresholds), np.array(pairs), np.array(found), np.array(truth), ())


@pytest.mark.parametrize("frames_alike", [1, 10])
def test_the_interval_is_as_wide_as_chance(frames_alike):
    # Each frame has 20 molecules and 20 localizations, so F1 is the share of pairs, whose variance is known;
    # where ten frames are copies of one, there is a tenth of the evidence.
    random = np.random.default_rng(8)
    share, n_frames, per_frame = 0.7, 2000, 20
    curves = []
    for _ in range(2):
        pairs = np.repeat(random.binomial(per_frame, share, n_frames // frames_alike), frames_alike)
        full = np.full(n_frames, per_frame)
        curves.append(curve_of([pairs], [full], full))
    gain = best_f1_gain(*curves, frames_per_block=10, seed=1)
    std = math.sqrt(2 * share * (1 - share) * frames_alike / (per_frame * n_frames))
    assert gain.low < gain.value < gain.high
    assert gain.high - gain.low == pytest.approx(2 * 1.96 * std, rel=0.2)
    assert gain == best_f1_gain(*curves, frames_per_block=10, seed=1)


def test_held_out_f1_uses_the_threshold_of_the_other_half():
    # First half: threshold 0 is best (4 of 4 pairs, F1 1); second half: threshold 1 (3 of 3, against 1 of 3).
    pairs = [[2, 2, 1, 0], [1, 0, 2, 1]]
    found = [[2, 2, 2, 1], [2, 1, 2, 1]]
    truth = [2, 2, 2, 1]
    curve = curve_of(pairs, found, truth, thresholds=(1.0, 2.0))
    # Second half at the first's choice: 1 pair, 3 found, 3 there. First at the second's: 1 pair, 3 found,
    # 4 there.
    assert held_out_f1(curve) == pytest.approx(2 * (1 + 1) / (3 + 3 + 3 + 4))
    assert curve.f1.max() == pytest.approx(2 * 5 / (7 + 7))


def test_the_camera_sets_the_scale_of_the_pictures(movie):
    noisy, clean, _ = movie
    camera = Camera(**(CAMERA.as_dict() | {"pixel_size_nm": 50.0}))
    comparison = finish(compare(noisy, clean, camera))
    assert comparison.noisy.picture.shape == (90, 110)
