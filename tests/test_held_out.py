"""Held-out photons: what the parts of a split know of each other, and the estimates against truth."""

import itertools
import json
import math
from collections.abc import Generator
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from blinkspot import (
    Camera,
    CameraMaps,
    LocalizationTable,
    LocalizerSettings,
    Stack,
    Training,
    TrainingSettings,
    as_stack,
    finish,
)
from blinkspot.errors import BlinkspotError
from blinkspot.evaluation import PRESETS, HeldOutSettings, check_held_out, simulate
from blinkspot.evaluation.forward_model import recorded_adu, spots_image
from blinkspot.evaluation.held_out import picture_sentence, sentence
from blinkspot.evaluation.held_out.background import FRAMES_TOGETHER, BackgroundMeter
from blinkspot.evaluation.held_out.check import _denoise as denoise_part
from blinkspot.evaluation.held_out.estimates import false_beside_simulated, false_molecules, true_shares
from blinkspot.evaluation.held_out.false_share import DIMMEST, fit_mixture, log_density
from blinkspot.evaluation.held_out.full_light import (
    OF_FALSE_IN_DENOISED,
    OF_FALSE_IN_NOISY,
    ExponentPrior,
    at_full_light,
    mixed_at_full_light,
)
from blinkspot.evaluation.held_out.pictures import PictureJudge
from blinkspot.evaluation.held_out.precision import products_of, within_tolerance
from blinkspot.evaluation.held_out.result import Estimate
from blinkspot.evaluation.held_out.simulated_false import (
    _drawn as drawn_molecules,
)
from blinkspot.evaluation.held_out.simulated_false import simulated_false
from blinkspot.evaluation.held_out.split import KeptMovie, localized
from blinkspot.evaluation.held_out.strata import SplitFigures
from blinkspot.evaluation.held_out.thinning import Thinning
from blinkspot.evaluation.held_out.window_light import WindowLight, measure_windows
from blinkspot.progress import Progress, Stopwatch

PHOTONS = Camera(offset_adu=100.0)
EM = Camera(offset_adu=100.0, electrons_per_adu=12.0, em_gain=150.0)
# Without some read noise, rounding whole electrons to such steps is no noise of its own.
STEPS = Camera(offset_adu=414.0, electrons_per_adu=3.6, read_noise_electrons=3.0)
READ = Camera(offset_adu=100.0, electrons_per_adu=0.5, read_noise_electrons=1.5)
RANDOM = np.random.default_rng(11)
CAMERAS = {"photons": PHOTONS, "em": EM, "steps": STEPS, "read": READ}


def flat(camera: Camera, mean: float, frames: int = 60, size: int = 64, seed: int = 1) -> np.ndarray:
    adu = recorded_adu(np.full((frames, size, size), mean), camera, np.random.default_rng(seed))
    return adu.astype(np.uint16)


def parts(camera: Camera, movie: np.ndarray, p: float) -> tuple[np.ndarray, np.ndarray, Thinning]:
    thinning = Thinning(as_stack(movie), camera, p, seed=5)
    return thinning.kept_counts(0, len(movie)), thinning.held_out_counts(0, len(movie)), thinning


# -- the split


@pytest.mark.parametrize("p", [0.3, 0.5, 0.8])
def test_photons_are_thinned_to_independent_poisson_numbers(p: float) -> None:
    kept, (first, second), thinning = parts(PHOTONS, flat(PHOTONS, 4.0), p)
    assert thinning.is_exact
    held = first + second
    np.testing.assert_array_equal(kept + held, PHOTONS.counts(flat(PHOTONS, 4.0)))
    for part, mean in ((kept, 4.0 * p), (first, 2.0 * (1 - p)), (second, 2.0 * (1 - p))):
        top = int(stats.poisson.ppf(0.999, mean))
        observed = np.bincount(np.minimum(part, top).astype(int).ravel(), minlength=top + 1)
        expected = stats.poisson.pmf(np.arange(top + 1), mean)
        expected[-1] += 1 - expected.sum()
        assert stats.chisquare(observed, expected * part.size).pvalue > 1e-4
    table = stats.contingency.crosstab(np.minimum(kept, 6).ravel(), np.minimum(held, 4).ravel()).count
    assert stats.chi2_contingency(table).pvalue > 1e-4
    table = stats.contingency.crosstab(np.minimum(first, 4).ravel(), np.minimum(second, 4).ravel()).count
    assert stats.chi2_contingency(table).pvalue > 1e-4


@pytest.mark.parametrize("p", [0.5, 0.7])
@pytest.mark.parametrize(("name", "mean"), [("em", 3.0), ("em", 40.0), ("steps", 30.0), ("read", 12.0)])
def test_parts_of_other_counts_do_not_know_of_each_other(name: str, mean: float, p: float) -> None:
    camera = CAMERAS[name]
    movie = flat(camera, mean)
    kept, (first, second), thinning = parts(camera, movie, p)
    assert not thinning.is_exact
    counts = camera.counts(movie).mean(dtype=float)
    rounding = (camera.photoelectrons_per_adu / camera.excess_noise_factor) ** 2 / 12
    held = first + second
    n = kept.size
    for part, share in ((kept, p), (held, 1 - p), (first, (1 - p) / 2), (second, (1 - p) / 2)):
        variance = share * (counts + rounding)
        assert part.mean(dtype=float) == pytest.approx(share * counts, abs=5 * math.sqrt(variance / n))
        assert part.var(dtype=float) == pytest.approx(variance, rel=0.02)
    a, b = ((part - part.mean(dtype=float)) / part.std(dtype=float) for part in (kept, held))
    sure = 5.0 / math.sqrt(n)
    assert abs(np.mean(a * b)) < sure
    # Nor does the held-out part know how bright the kept one is beyond the mean.
    assert abs(np.mean(a**2 * b)) < 2 * sure
    c, d = ((part - part.mean(dtype=float)) / part.std(dtype=float) for part in (first, second))
    assert abs(np.mean(c * d)) < sure
    assert abs(np.mean(a * c)) < sure


@pytest.mark.parametrize("p", [0.5, 0.8])
@pytest.mark.parametrize("camera", [PHOTONS, EM, READ])
def test_third_moments_of_the_parts(camera: Camera, p: float) -> None:
    kept, held, thinning = parts(camera, flat(camera, 20.0, frames=150), p)
    held_out = held.sum(axis=0, dtype=float)
    light = 20.0 / camera.excess_noise_factor
    share = np.array(light / (light + camera.read_counts))
    mean = (1 - p) * (light + camera.read_counts)
    assert np.mean((held_out - mean) ** 3) / mean == pytest.approx(thinning.third_moment(share), abs=0.06)
    deviation = kept - kept.mean(dtype=float)
    coupling = np.mean(deviation * (held_out - mean) ** 2) / deviation.var()
    assert coupling == pytest.approx(thinning.variance_coupling(share), abs=0.02)


def test_a_wrong_gain_shows_as_correlation() -> None:
    wrong = replace(EM, electrons_per_adu=18.0)
    kept, held, _ = parts(wrong, flat(EM, 20.0), 0.5)
    assert np.corrcoef(kept.ravel(), held.sum(axis=0).ravel())[0, 1] > 0.1


@given(start=st.integers(0, 11), length=st.integers(1, 4), p=st.sampled_from([0.4, 0.5, 0.75]))
@settings(max_examples=20, deadline=None)
def test_a_frame_is_split_alike_however_many_are_read(start: int, length: int, p: float) -> None:
    thinning = Thinning(as_stack(flat(EM, 3.0, frames=12, size=16)), EM, p, seed=3)
    stop = min(start + length, 12)
    np.testing.assert_array_equal(thinning.kept_counts(0, 12)[start:stop], thinning.kept_counts(start, stop))
    whole = thinning.held_out_counts(0, 12)[:, start:stop]
    np.testing.assert_array_equal(whole, thinning.held_out_counts(start, stop))
    everything = thinning.kept_counts(0, 12)[start:stop] + whole.sum(axis=0)
    np.testing.assert_allclose(everything, EM.counts(thinning.movie.frames(start, stop)), atol=1e-5)


@pytest.mark.parametrize("with_maps", [False, True])
def test_the_kept_part_is_a_movie_of_its_camera(with_maps: bool) -> None:
    camera = READ
    if with_maps:
        random = np.random.default_rng(2)
        maps = [random.uniform(low, high, (64, 64)) for low, high in ((95, 105), (1, 30), (1.5, 2.5))]
        camera = Camera(maps=CameraMaps(*maps))
    thinning = Thinning(as_stack(flat(camera, 30.0)), camera, 0.5, seed=1)
    kept, used = thinning.kept, thinning.kept_camera
    counts = used.counts(kept.frames(0, 60))
    np.testing.assert_allclose(counts, thinning.kept_counts(0, 60), rtol=1e-3, atol=1e-3)
    per_pixel = counts.astype(float)
    ratio = per_pixel.var(axis=0, ddof=1) / per_pixel.mean(axis=0)
    assert ratio.mean() == pytest.approx(1.0, abs=0.03)
    assert used.photoelectrons(kept.frames(0, 60)).mean() == pytest.approx(15.0, rel=0.01)
    assert camera.photoelectrons(thinning.rescaled.frames(0, 60)).mean() == pytest.approx(30.0, rel=0.01)


# -- the held-out light


def one_frame(
    places: list[tuple[float, float, float]], sigma: float, background: float, size: int = 24
) -> np.ndarray:
    x, y, light = (np.array(values) for values in zip(*places, strict=True))
    image = spots_image(x + 0.5, y + 0.5, np.full(len(x), sigma), light, (size, size), 1.0)
    return (image + background).astype(np.float32)


def measured(found, held_out: np.ndarray, thinning: Thinning, sigma: float = 1.2) -> WindowLight:
    x, y = (np.array(values, float) for values in zip(*found, strict=True))
    n = len(x)
    return measure_windows(
        held_out,
        np.full((1, *held_out.shape[-2:]), 2.0, np.float32),
        np.zeros(n, np.int64),
        x,
        y,
        np.full(n, sigma),
        np.full(n, 80.0),
        np.full(n, 2.0),
        np.ones(n),
        thinning,
        7,
    )


def test_light_and_displacement_of_a_molecule_beside_another() -> None:
    thinning = Thinning(as_stack(flat(PHOTONS, 4.0, 2, 24)), PHOTONS, 0.5, 1)
    picture = one_frame([(10.1, 11.05, 100.0), (14.0, 12.0, 60.0)], 1.2, 3.0)
    light = measured([(10.0, 11.0), (14.0, 12.0)], np.stack([picture, 2 * picture])[:, None], thinning)
    np.testing.assert_allclose(light.first, [100.0, 60.0], rtol=0.01)
    np.testing.assert_allclose(light.second, [200.0, 120.0], rtol=0.01)
    np.testing.assert_allclose(light.first_moments[0], [10.0, 5.0], rtol=0.03)
    # What the other one's displacement leaves over there is small.
    np.testing.assert_allclose(light.first_moments[1], [0.0, 0.0], atol=0.03 * 60.0)


def test_no_light_where_the_neighbour_explains_it_all() -> None:
    thinning = Thinning(as_stack(flat(PHOTONS, 4.0, 2, 24)), PHOTONS, 0.5, 1)
    picture = one_frame([(10.0, 11.0, 500.0)], 1.2, 3.0)
    light = measured([(10.0, 11.0), (13.0, 11.0)], np.stack([picture, picture])[:, None], thinning)
    assert abs(light.light[1]) < 2.0
    # But of two so near that they are one spot, both are lit.
    light = measured([(10.0, 11.0), (10.5, 11.0)], np.stack([picture, picture])[:, None], thinning)
    assert (light.light > 800.0).all()


def test_spread_of_the_light_is_as_predicted() -> None:
    random = np.random.default_rng(4)
    thinning = Thinning(as_stack(flat(PHOTONS, 4.0, 2, 24)), PHOTONS, 0.5, 1)
    n = 4000
    frames = np.arange(n)
    dark = random.poisson(1.0, (2, n, 9, 9)).astype(np.float32)
    spot = one_frame([(4.0, 4.0, 40.0)], 1.2, 0.0, 9)
    for picture, lit in ((dark, 0.0), (dark + random.poisson(spot, dark.shape), 80.0)):
        molecules = [np.full(n, value) for value in (4.0, 4.0, 1.2, 80.0, 2.0, 1.0)]
        light = measure_windows(picture, np.full((n, 9, 9), 2.0), frames, *molecules, thinning, 7)
        variance = light.dark_variance[0] + lit * light.variance_per_count[0]
        assert light.light.var() == pytest.approx(variance, rel=0.08)
        assert light.light.mean() == pytest.approx(lit, abs=4 * math.sqrt(variance / n))
        if lit:
            moments = (light.first_moments + light.second_moments).var(axis=0).mean()
            assert moments == pytest.approx(light.moment_variance[0], rel=0.08)
        else:
            skewness = light.dark_third_moment[0] / light.dark_variance[0] ** 1.5
            assert stats.skew(light.light) == pytest.approx(skewness, abs=0.16)


def test_background_is_that_between_the_blinks() -> None:
    meter = BackgroundMeter()
    frames = np.full((2 * FRAMES_TOGETHER, 20, 20), 2.0, np.float32)
    frames[FRAMES_TOGETHER:] = 3.0
    frames[::3, 8:14, 8:14] += 100.0
    for start in range(0, len(frames), 7):
        meter.add(frames[start : start + 7])
    background = meter.background()
    at = background.at(np.array([0, 40, 40]), np.array([10.0, 10.0, 19.4]), np.array([10.0, 10.0, -0.4]))
    np.testing.assert_allclose(at, [2.0, 3.0, 3.0])


# -- the share of false molecules


@given(skewness=st.floats(-1.5, 1.5), place=st.floats(-4.0, 6.0))
@settings(deadline=None)
def test_density_is_pearsons_type_three(skewness: float, place: float) -> None:
    expected = max(float(stats.pearson3.logpdf(place, skewness if abs(skewness) >= 0.02 else 0.0)), -80.0)
    assert float(log_density(np.array(place), np.array(skewness))) == pytest.approx(expected, abs=1e-6)


def lights(a: np.ndarray) -> WindowLight:
    zero = np.zeros(len(a))
    moments = np.zeros((len(a), 2))
    return WindowLight(a, zero, moments, moments, zero + 5.0, zero + 1.0, zero, zero, zero + 1.0)


@pytest.mark.parametrize(("share", "brightness"), [(0.1, 4.0), (0.5, 3.0), (0.9, 4.0)])
def test_share_of_false_molecules_of_a_known_mixture(share: float, brightness: float) -> None:
    random = np.random.default_rng(1)
    n = 4000
    lit = random.random(n) >= share
    a = np.where(lit, brightness * random.uniform(0.5, 1.5, n), 0.0) + random.standard_normal(n)
    mixture = finish(fit_mixture(lights(a), 1))
    assert mixture.false_share == pytest.approx(1 - lit.mean(), abs=0.03)
    # A probability means what it says.
    for low in (0.0, 0.25, 0.5, 0.75):
        these = (mixture.dark >= low) & (mixture.dark <= low + 0.25)
        if these.sum() > 100:
            assert 1 - lit[these].mean() == pytest.approx(mixture.dark[these].mean(), abs=0.1)


def test_mixture_is_the_likeliest() -> None:
    random = np.random.default_rng(2)
    a = np.where(random.random(800) < 0.4, 0.0, 2.5) + random.standard_normal(800)
    mixture = finish(fit_mixture(lights(a), 1))
    weights = np.full(mixture.likelihood.shape[1], 1 / mixture.likelihood.shape[1])
    for _ in range(5000):  # the EM algorithm, slow and sure
        weights = weights * (mixture.likelihood.T @ (1 / (mixture.likelihood @ weights))) / len(a)
    by_em = np.log(mixture.likelihood @ weights).sum()
    ours = np.log(mixture.likelihood @ mixture.weights).sum()
    assert ours > by_em - 1e-2
    assert mixture.weights.min() >= 0
    assert mixture.weights.sum() == pytest.approx(1.0)
    assert DIMMEST > 0


# -- errors, and the whole light


@given(sigma=st.floats(5.0, 60.0), tolerance=st.floats(20.0, 100.0))
@settings(deadline=None)
def test_errors_within_a_tolerance(sigma: float, tolerance: float) -> None:
    law = stats.rayleigh(scale=sigma)
    inside = law.cdf(tolerance)
    square = law.expect(lambda r: r**2, lb=0.0, ub=tolerance) / inside
    error, beyond = within_tolerance(np.array([sigma, 1.0]), np.array([2.0, 0.0]), tolerance)
    assert error == pytest.approx(math.sqrt(square), rel=1e-6)
    assert beyond == pytest.approx(law.sf(tolerance), abs=1e-9)


def test_products_of_two_parts_tell_the_errors_whatever_the_noise() -> None:
    random = np.random.default_rng(3)
    n, light, reported = 40_000, 100.0, 0.2
    d = random.normal(0.0, 1.3 * reported, (n, 2))
    lit = random.random(n) < 0.7
    first, second = (0.5 * light * 0.8 * (lit[:, None] * d) + random.normal(0, 8.0, (n, 2)) for _ in range(2))
    a, b = (0.5 * light * 0.8 * lit + random.normal(0, 5.0, n) for _ in range(2))
    zero = np.zeros(n)
    given = WindowLight(a, b, first, second, zero + light, zero + 50, zero, zero + 1, zero + 128.0)
    products = products_of(given, np.full(n, reported)).sum(axis=0)
    # Light at 0.8 of the promise is in both products squared.
    assert math.sqrt(products[0] / products[1]) == pytest.approx(1.3, rel=0.04)


def test_where_none_are_false_three_may_be() -> None:
    none = np.zeros(1)
    splits = tuple(
        SplitFigures(share, np.array([50.0]), none, none, math.nan, math.nan) for share in (0.5, 0.7, 0.8)
    )
    (false,) = false_molecules(splits, np.array([100]), OF_FALSE_IN_NOISY)
    assert (false.value, false.low, false.high) == (0.0, 0.0, 3.0)


@given(value=st.floats(0.1, 1e4), k=st.floats(-2.0, 4.0))
def test_a_power_law_is_extrapolated(value: float, k: float) -> None:
    shares = (0.5, 0.7)
    logs = np.log([value * share**-k for share in shares])
    vague = ExponentPrior(0.0, 1e3)
    assert at_full_light(shares, logs, np.array([1e-4, 1e-4]), vague).log == pytest.approx(
        math.log(value), abs=1e-3
    )
    sure = at_full_light(shares, logs, np.array([1e6, 1e-4]), ExponentPrior(k, 0.1))
    assert sure.log == pytest.approx(math.log(value), abs=1e-2)
    assert sure.deviation == pytest.approx(math.hypot(0.01, 0.1 * math.log(0.7)), rel=1e-3)


@given(
    times=st.floats(0.3, 3.0),
    at_whole=st.floats(50.0, 5e3),
    law=st.sampled_from([lambda p: p**-1.2, lambda p: math.exp(8.0 * (1.0 - p)), lambda p: 3.0 - 2.0 * p]),
)
def test_beside_simulated_movies_no_law_is_taken_for_granted(times: float, at_whole: float, law) -> None:
    shares = (0.5, 0.7, 0.8)
    simulated = np.array([[at_whole * law(p)] for p in (*shares, 1.0)])
    splits = tuple(
        SplitFigures(share, np.array([1e6]), times * each, 1e-6 * each**2, math.nan, math.nan)
        for share, each in zip(shares, simulated, strict=False)
    )
    (false,) = false_beside_simulated(splits, np.array([10**6]), simulated)
    assert false.value == pytest.approx(times * at_whole, rel=0.03)
    # At least what chance does to the number simulated in the whole light.
    assert math.log(false.high / false.low) > 2 * 1.96 / math.sqrt(at_whole)


@given(false=st.lists(st.floats(0.0, 100.0), min_size=2, max_size=8), few=st.integers(0, 2))
def test_what_is_false_never_rises_with_the_threshold(false: list[float], few: int) -> None:
    def estimates(values: list[float]) -> tuple[Estimate, ...]:
        count = np.array([*values, *[1.0] * few])
        found = np.array([1e3] * len(values) + [1.0] * few)
        splits = tuple(
            SplitFigures(share, found, count, np.zeros(len(count)), math.nan, math.nan)
            for share in (0.5, 0.8)
        )
        return false_molecules(splits, found.astype(np.int64), OF_FALSE_IN_NOISY)

    told, alone = estimates(false), [estimates([each])[0] for each in false]
    assert all(math.isnan(each.value) for each in told[len(false) :])
    for side in ("value", "low", "high"):
        sides = [getattr(each, side) for each in told[: len(false)]]
        assert sides == sorted(sides, reverse=True)
        # The nearest that does not rise keeps the sum.
        assert sum(sides) == pytest.approx(sum(getattr(each, side) for each in alone))
    rounding = 1e-9
    assert all(each.low - rounding <= each.value <= each.high + rounding for each in told[: len(false)])
    falling = sorted(false, reverse=True)
    values = [each.value for each in estimates(falling)[: len(false)]]
    assert values == pytest.approx([estimates([each])[0].value for each in falling])


def test_where_simulated_movies_are_unlike_the_movie_the_interval_says_so() -> None:
    shares, variances = (0.5, 0.7, 0.8), np.full(3, 0.05**2)
    tight, vague = ExponentPrior(0.0, 0.3), ExponentPrior(0.0, 1.5)
    priors = ((0.8, tight), (0.2, vague))
    slopes = -np.log(shares)
    like, unlike = (mixed_at_full_light(shares, k * slopes, variances, priors) for k in (0.1, -2.0))
    alone = at_full_light(shares, 0.1 * slopes, variances, tight)
    assert like.log == pytest.approx(alone.log, abs=0.01)
    assert like.deviation < 1.2 * alone.deviation
    # The line through the points has 0 at p = 1: so much the splits say themselves.
    assert abs(unlike.log) < unlike.deviation < 0.2
    # Both weights are those of Bayes, by numbers: each slope as likely as its prior, any value at p = 1.
    ks, values = np.meshgrid(np.linspace(-6, 6, 1201), np.linspace(-3, 3, 1201))
    density = sum(
        weight
        * stats.norm.pdf(ks, prior.mean, prior.deviation)
        * np.prod([stats.norm.pdf(-2.0 * x, values + ks * x, 0.05) for x in slopes], axis=0)
        for weight, prior in priors
    )
    mean = np.average(values, weights=density)
    assert unlike.log == pytest.approx(mean, abs=1e-3)
    deviation = math.sqrt(np.average((values - mean) ** 2, weights=density))
    assert unlike.deviation == pytest.approx(deviation, rel=1e-2)


# -- pictures


def test_gain_of_the_true_picture_is_the_information_in_it() -> None:
    random = np.random.default_rng(5)
    frames, p = 400, 0.5
    clean = np.full((frames, 16, 16), 2.0)
    clean[::4, 4:9, 4:9] += 10.0
    kept, held = random.poisson(p * clean), random.poisson((1 - p) * clean)
    kept, held = kept.astype(np.float32), held.astype(np.float32)
    mean = (p * clean).mean(axis=0)
    judge = PictureJudge(mean, p, 0.0, 1.0, 20)
    for start in range(0, frames, 40):
        blocks = np.full(40, start // 20)
        first, last = judge.around(start, start + 40, frames)
        true = (p * clean[start : start + 40]).astype(np.float32)
        judge.add(blocks, held[start : start + 40], kept[first:last], start - first, true)
    by_name = {each.picture: each for each in judge.predictions()}
    information = np.sum((1 - p) * (clean * np.log(p * clean / mean) - (clean - mean / p)))
    best = by_name["denoised"]
    assert best.gain == pytest.approx(information / ((1 - p) * clean.sum()), rel=0.03)
    assert 0 < best.error < 0.2 * best.gain
    assert best.gain > by_name["gaussian"].gain > 0
    assert best.gain > by_name["noisy"].gain > 0


# -- all of it, against truth


@pytest.fixture(scope="module")
def simulated() -> tuple[np.ndarray, LocalizationTable, Camera]:
    preset = replace(PRESETS["low120"], frames=150, size_px=96, seed=404)
    frames, job = [], simulate(preset)
    while True:
        try:
            frames.append(next(job).frames)
        except StopIteration as stop:
            return np.concatenate(frames), stop.value, preset.camera


def distances_nm(found: LocalizationTable, truth: LocalizationTable) -> np.ndarray:
    places = [
        np.column_stack([each.column("x_nm"), each.column("y_nm"), each.column("frame") * 1e6])
        for each in (found, truth)
    ]
    return cKDTree(places[1]).query(places[0])[0]


def test_false_molecules_and_errors_agree_with_the_truth(simulated) -> None:
    movie, truth, camera = simulated
    chosen = HeldOutSettings(localizer=LocalizerSettings(threshold=0.75))
    steps = check_held_out(movie, camera, None, chosen)
    found = finish(steps, lambda progress: 0.0 <= progress.fraction <= 1.0 or pytest.fail("no fraction"))
    (route,) = found.routes
    assert route.name == "noisy"
    away = distances_nm(route.table, truth)
    false = int(np.sum(away > 250.0))
    assert false > 300
    assert route.false[0].low < false < route.false[0].high
    assert route.false[0].high < 1.5 * route.false[0].low
    assert route.false_share[0].value == pytest.approx(route.false[0].value / len(route.table))
    near = away[away < 50.0]
    assert route.error_nm[0].value == pytest.approx(math.sqrt(np.mean(near**2)), rel=0.1)
    # Which molecules of the kept part are confirmed: nearly all of the true, nearly none of the false.
    away = distances_nm(route.kept_table, truth)
    assert np.nanmean(route.confirmed[away < 50.0]) > 0.9
    assert np.nanmean(route.confirmed[away > 250.0]) < 0.1
    assert not found.warnings
    assert not found.split_is_exact
    assert {each.picture for each in found.predictions} == {"noisy", "gaussian"}
    assert sentence(route).startswith(f"Of the {len(route.table):,} molecules at threshold 0.75, ")
    words = picture_sentence(found)
    assert "predicts the held-out photons best" in words
    assert " -0." not in words
    assert ("\N{MINUS SIGN}" in words) == any(round(each.gain, 4) < 0 for each in found.predictions)
    json.dumps(found.as_dict(), allow_nan=False)


def test_an_empty_movie_has_false_molecules_only() -> None:
    movie = flat(EM, 10.0, frames=80, size=96)
    chosen = HeldOutSettings(localizer=LocalizerSettings(threshold=0.8))
    (route,) = finish(check_held_out(movie, EM, None, chosen)).routes
    assert len(route.table) > 300
    assert route.false_share[0].high > 0.95
    assert route.false_share[0].value > 0.85
    assert route.confirmed_share < 0.05


def test_the_same_seed_gives_the_same_figures(simulated) -> None:
    movie, _, camera = simulated
    results = [
        finish(check_held_out(movie[:40], camera, None, HeldOutSettings(seed=seed))).as_dict()["routes"]
        for seed in (1, 1, 2)
    ]
    assert results[0] == results[1]
    assert results[0] != results[2]


def test_a_wrong_camera_is_told(simulated) -> None:
    movie, _, camera = simulated
    wrong = replace(camera, electrons_per_adu=1.5 * camera.electrons_per_adu)
    found = finish(check_held_out(movie[:40], wrong))
    assert len(found.warnings) == 1
    assert "correct the camera" in found.warnings[0]


# -- what cannot be used


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kept_shares": (0.7, 0.5)}, "kept shares"),
        ({"kept_shares": (0.5, 0.95)}, "kept shares"),
        ({"minutes": 0.0}, "minutes"),
        ({"tolerance_nm": -1.0}, "tolerance"),
        ({"tolerance_nm": 1e300}, "tolerance"),
        ({"seed": -1}, "seed"),
        ({"localizer": LocalizerSettings(preset="thunderstorm")}, "preset"),
        ({"localizer": LocalizerSettings(widths="elliptical")}, "elliptical"),
    ],
)
def test_settings_that_cannot_be(changes, words: str) -> None:
    with pytest.raises(BlinkspotError, match=words):
        HeldOutSettings(**changes)


def test_a_movie_that_is_too_short(simulated) -> None:
    movie, _, camera = simulated
    with pytest.raises(BlinkspotError, match="20 frames or more"):
        check_held_out(movie[:19], camera)


# -- with a model


class Dimming:
    """Stands for a denoiser: it smooths, and what is faint it draws to the background, of 5 photons."""

    context_frames = 0

    def __init__(self, camera: Camera) -> None:
        self.camera = camera
        self.provenance = {"model": "dimming"}

    def check_matches(self, movie: Stack, camera: Camera) -> None:
        assert camera == self.camera

    def denoise(self, movie: Stack) -> Generator[SimpleNamespace, None, None]:
        clock = Stopwatch("denoising", movie.n_frames)
        for index in range(movie.n_frames):
            light = self.camera.photoelectrons(movie.frames(index, index + 1)) - 5.0
            smooth = gaussian_filter(light, (0.0, 0.9, 0.9))
            frame = np.float32(5.0 + smooth**3 / (smooth**2 + 100.0))
            yield SimpleNamespace(start=index, frames=frame, progress=clock.at(index + 1))


AT_060 = HeldOutSettings(localizer=LocalizerSettings(threshold=0.6))


def test_false_molecules_of_simulated_splits_are_as_many_as_those_of_the_movie(simulated) -> None:
    pixels, truth, camera = simulated
    movie, model, thresholds = as_stack(pixels), Dimming(camera), 0.6 * 1.2 ** np.arange(4)
    false = []
    for share in (*AT_060.kept_shares, 1.0):
        with KeptMovie(Thinning(movie, camera, share, 9)) as kept:
            finish(kept.denoise(model, trained_here=share == 1.0))
            noisy = movie if share == 1.0 else kept.noisy
            table = finish(localized("denoised_fit_raw", noisy, kept.denoised, kept.camera, AT_060.localizer))
            denoised = as_stack(kept.denoised.frames(0, len(pixels)))
        strength = table.column("detection_strength")[distances_nm(table, truth) > 250.0]
        false.append([np.count_nonzero(strength >= threshold) for threshold in thresholds])
    said: list[Progress] = []
    likely = np.where(distances_nm(table, truth) > 250.0, 0.0, 1.0)
    job = simulated_false(table, likely, movie, denoised, camera, model, AT_060, thresholds)
    counts = finish(job, said.append)
    steps = [each.fraction for each in said if each.step.startswith("simulating")]
    assert all(later >= earlier for earlier, later in itertools.pairwise(steps))
    assert steps[-1] == 1.0
    of_movie, of_simulated = np.array(false, float), counts["denoised_fit_raw"]
    assert of_movie[-1, 0] > 300
    assert of_movie[0, 0] > 6 * of_movie[-1, 0]
    rises = [np.log(each[:-1] / each[-1]) for each in (of_movie, of_simulated)]
    np.testing.assert_allclose(rises[1], rises[0], atol=0.25)
    # At least so many are simulated as tell their number well.
    assert all(each[-1, 0] > 300 for each in counts.values())


def test_molecules_are_simulated_as_often_as_they_are_likely_to_be_some() -> None:
    strength = np.array([0.5, 0.6, 0.9, 1.1, 1.2, 3.0])
    # 4 are false, of which 1 is above 1: of the 3 and 2 that were found there, and of none above 2.
    false = tuple(Estimate(number, 0.0, 9.0) for number in (4.0, 1.0, math.nan))
    shares = true_shares(strength, np.array([0.5, 1.0, 2.0]), false)
    np.testing.assert_allclose(shares, [0.0, 0.0, 0.0, 0.5, 0.5, 1.0])
    molecule = np.array([0, 0, 1, 2, 2, 3])
    drawn = np.array([drawn_molecules(shares, molecule, RANDOM) for _ in range(2000)])
    np.testing.assert_allclose(drawn.mean(axis=0), [0.0, 0.0, 0.0, 0.5, 0.5, 1.0], atol=0.05)
    np.testing.assert_array_equal(drawn[:, 3], drawn[:, 4])


def test_false_molecules_of_a_denoised_movie_agree_with_the_truth(simulated) -> None:
    movie, truth, camera = simulated
    found = finish(check_held_out(movie[:80], camera, Dimming(camera), AT_060))
    assert found.routes[0].simulated_false is None
    for route in found.routes[1:]:
        false = int(np.sum(distances_nm(route.table, truth) > 250.0))
        assert route.false[0].low < false < route.false[0].high
        assert route.false[0].value == pytest.approx(false, rel=0.25)
        assert route.false[0].high < 2.0 * route.false[0].low
        assert route.as_dict()["simulated_false"] == route.simulated_false.tolist()
        # A power law, which is taken where nothing is simulated, knows less.
        by_power = false_molecules(route.splits, route.found, OF_FALSE_IN_DENOISED)[0]
        assert by_power.high / by_power.low > 1.1 * route.false[0].high / route.false[0].low


def test_false_molecules_of_a_model_with_context_follow_a_power_law(simulated) -> None:
    movie, _, camera = simulated
    model = Dimming(camera)
    model.context_frames = 1
    found = finish(check_held_out(movie[:40, :64, :64], camera, model, AT_060))
    for route in found.routes[1:]:
        assert route.simulated_false is None
        assert route.false == false_molecules(route.splits, route.found, OF_FALSE_IN_DENOISED)


def test_routes_of_a_denoised_movie(simulated) -> None:
    movie, _, camera = simulated
    part = as_stack(movie[:40, :48, :48])
    model = finish(Training(part, camera, TrainingSettings(epochs=1, channels=4, context_frames=0)).run())
    given = finish(check_held_out(part, camera, model))
    assert [each.name for each in given.routes] == ["noisy", "denoised_fit_raw", "denoised_fit_denoised"]
    assert given.denoised_by == "the model given"
    assert given.route("denoised_fit_denoised").table.provenance["settings"]["fit_on"] == "denoised"
    # What a model makes of a part, scaled up and down again, has the part's light.
    with KeptMovie(Thinning(part, camera, 0.5, 1)) as kept:
        finish(kept.denoise(model, trained_here=False))
        light = kept.camera.photoelectrons(kept.denoised.frames(0, 40)).mean()
        assert light == pytest.approx(0.5 * camera.photoelectrons(movie[:40, :48, :48]).mean(), rel=0.05)
        folder = kept.denoised.path.parent
    assert not folder.exists()


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_what_is_trained_on_a_part_knows_the_noise_of_rounding(monkeypatch, dtype) -> None:
    """The part's values are no whole ADU, but as noisy as those of the movie."""
    given = []

    def training(noisy, camera, _):
        given.append((camera, camera.counts(noisy.frames(0, 60)).astype(float)))
        raise InterruptedError

    monkeypatch.setattr("blinkspot.denoising.Training", training)
    kept = KeptMovie(Thinning(as_stack(flat(STEPS, 6.0).astype(dtype)), STEPS, 0.5, 1))
    with pytest.raises(InterruptedError):
        finish(denoise_part(kept, None, HeldOutSettings(minutes=1.0)))
    camera, counts = given[0]
    if dtype == np.uint16:
        assert counts.var() == pytest.approx(counts.mean(), rel=0.02)
    else:  # these may never have been rounded
        assert camera == kept.camera


def test_a_model_for_another_camera_is_refused(simulated) -> None:
    movie, _, camera = simulated
    part = as_stack(movie[:20, :32, :32])
    model = finish(Training(part, camera, TrainingSettings(epochs=1, channels=4, context_frames=0)).run())
    with pytest.raises(BlinkspotError, match="another camera"):
        check_held_out(part, replace(camera, em_gain=100.0), model)
