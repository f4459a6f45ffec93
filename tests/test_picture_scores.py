"""Pictures against clean ones: closed forms, scikit-image; signal over background; photons and widths."""

import json
import math
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.filters import threshold_isodata
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from blinkspot.errors import BlinkspotError
from blinkspot.evaluation import (
    molecule_bias,
    movie_signal_to_background,
    picture_scores,
    score,
    signal_to_background,
)
from blinkspot.evaluation.scoring.picture_scores import psnr_db
from blinkspot.localization import LocalizationTable
from blinkspot.progress import finish


@pytest.fixture(scope="module")
def movies():
    """A clean movie of spots on a background, and a noisy one, dimmed and shifted."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:45, :37]
    clean = np.empty((6, 45, 37))
    for frame in clean:
        frame[:] = 20.0
        for _ in range(4):
            row, column = random.uniform(0, 45), random.uniform(0, 37)
            frame += 80.0 * np.exp(-((y - row) ** 2 + (x - column) ** 2) / 4.0)
    return 0.7 * clean + 11.0 + random.normal(0, 3.0, clean.shape), clean


def test_psnr_is_that_of_scikit_image(movies):
    noisy, clean = movies
    expected = peak_signal_noise_ratio(clean, noisy, data_range=np.ptp(clean))
    scores = finish(picture_scores(noisy, clean))
    assert scores.psnr_db == pytest.approx(expected, abs=1e-9)
    assert psnr_db(noisy, clean) == pytest.approx(expected, abs=1e-9)
    assert scores.data_range == np.ptp(clean)


def test_scale_invariant_psnr_is_that_after_the_best_line(movies):
    noisy, clean = movies
    slope, level = np.polyfit(noisy.ravel(), clean.ravel(), 1)
    scores = finish(picture_scores(noisy, clean))
    assert scores.scale_invariant_psnr_db == pytest.approx(psnr_db(slope * noisy + level, clean), abs=1e-9)
    assert scores.contrast == pytest.approx(np.polyfit(clean.ravel(), noisy.ravel(), 1)[0])
    assert scores.contrast == pytest.approx(0.7, abs=0.02)
    assert scores.light == pytest.approx(noisy.sum() / clean.sum())


@pytest.mark.parametrize("pixels_at_once", [1, 37 * 8, 2**16])
def test_structural_similarity_is_that_of_whole_frames(movies, monkeypatch, pixels_at_once):
    monkeypatch.setattr(sys.modules[psnr_db.__module__], "_PIXELS_AT_ONCE", pixels_at_once)
    noisy, clean = movies
    expected = [
        structural_similarity(
            *pair,
            data_range=np.ptp(clean),
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        for pair in zip(noisy, clean, strict=True)
    ]
    assert finish(picture_scores(noisy, clean)).ssim == pytest.approx(np.mean(expected), abs=1e-12)


@given(scale=st.floats(0.01, 100), shift=st.floats(-1e4, 1e4))
def test_the_unit_does_not_matter(movies, scale, shift):
    noisy, clean = movies
    here = finish(picture_scores(noisy, clean)).as_dict()
    there = finish(picture_scores(scale * noisy + shift, scale * clean + shift, offset=shift)).as_dict()
    assert there.pop("data_range") == pytest.approx(scale * here.pop("data_range"), rel=1e-6)
    assert there == pytest.approx(here, rel=1e-5)


def test_a_denoiser_that_only_dims_loses_no_scale_invariant_decibel(movies):
    _, clean = movies
    scores = finish(picture_scores(0.5 * clean + 3.0, clean))
    assert scores.psnr_db < 30.0
    assert scores.scale_invariant_psnr_db > 120.0
    assert scores.contrast == pytest.approx(0.5)


def test_the_same_movie_is_perfect(movies):
    _, clean = movies
    scores = finish(picture_scores(clean, clean))
    assert scores.psnr_db == scores.scale_invariant_psnr_db == math.inf
    assert scores.ssim == pytest.approx(1.0)
    assert scores.as_dict()["psnr_db"] is None
    json.dumps(scores.as_dict(), allow_nan=False)


def test_frames_too_small_for_a_window_have_no_similarity():
    clean = np.arange(2 * 10 * 30, dtype=float).reshape(2, 10, 30)
    assert math.isnan(finish(picture_scores(clean + 1.0, clean)).ssim)


def test_progress_goes_from_the_first_frame_to_the_whole(movies):
    said = list(picture_scores(*movies))
    fractions = [each.fraction for each in said]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert len(said) >= 12


def test_movies_that_cannot_be_compared_are_refused(movies):
    noisy, clean = movies
    with pytest.raises(BlinkspotError, match="give the clean movie of the same frames"):
        finish(picture_scores(noisy[:5], clean))
    with pytest.raises(BlinkspotError, match="is the same everywhere"):
        finish(picture_scores(noisy, np.ones_like(clean)))
    broken = noisy.copy()
    broken[3, 2, 1] = np.nan
    with pytest.raises(BlinkspotError, match="frame 4"):
        finish(picture_scores(broken, clean))


# -- signal over background


def test_two_levels_are_told_apart():
    picture = np.full((20, 20), 10.0)
    picture[3:6, 3:6] = 50.0
    separated = signal_to_background(picture, offset=2.0)
    assert (separated.threshold, separated.signal, separated.background) == (30.0, 48.0, 8.0)
    assert separated.ratio == 6.0


@given(seed=st.integers(0, 1000))
def test_the_threshold_is_one_of_those_of_scikit_image(seed):
    random = np.random.default_rng(seed)
    picture = np.concatenate([random.poisson(10, 900), random.poisson(40, random.integers(20, 300))])
    threshold = signal_to_background(picture).threshold
    low, high = picture[picture <= threshold], picture[picture > threshold]
    assert threshold == pytest.approx((low.mean() + high.mean()) / 2)
    # Theirs is the lower edge of the bin, here the whole number, in which the mean of the means lies.
    assert math.floor(threshold) in threshold_isodata(
        picture, nbins=int(np.ptp(picture)) + 1, return_all=True
    )


def test_frames_without_signal_have_no_ratio():
    assert math.isnan(signal_to_background(np.full((4, 4), 3.0)).ratio)
    dark = signal_to_background(np.array([100.0, 100.0, 130.0]), offset=100.0)
    assert dark.signal == pytest.approx(30.0)
    assert math.isnan(dark.ratio)
    blank = finish(movie_signal_to_background(np.full((3, 4, 4), 3.0)))
    assert (blank.frames, math.isnan(blank.mean)) == (0, True)


def test_of_a_movie_it_is_the_mean_over_the_frames():
    frames = np.full((3, 10, 10), 10.0)
    frames[0, 2, 2], frames[1, 2, 2] = 40.0, 80.0
    found = finish(movie_signal_to_background(frames))
    assert (found.frames, found.mean, found.std) == (2, 6.0, 2.0)


def test_noise_alone_has_a_ratio_above_one():
    random = np.random.default_rng(0)
    ratio = signal_to_background(100.0 + random.normal(0, 10, 100_000)).ratio
    # Half a normal law lies sqrt(2 / pi) standard deviations from its middle on average.
    shift = 10.0 * math.sqrt(2 / math.pi)
    assert ratio == pytest.approx((100 + shift) / (100 - shift), rel=0.005)


# -- photons and widths of molecules


def molecules(n: int, photons, sigma, seed: int = 0, frames: int = 100):
    random = np.random.default_rng(seed)
    x, y = random.uniform(0, 10_000, (2, n))
    frame = np.sort(random.integers(0, frames, n))
    made_of = {
        "frame": frame,
        "x_nm": x,
        "y_nm": y,
        "photons": np.full(n, 500.0),
        "sigma_nm": np.full(n, 120.0),
    }
    seen = {**made_of, "photons": 500.0 * photons(random, n), "sigma_nm": 120.0 * sigma(random, n)}
    return LocalizationTable.from_columns(seen), LocalizationTable.from_columns(made_of)


def test_median_ratios_of_photons_and_widths():
    found, truth = molecules(
        4001, lambda random, n: random.normal(0.9, 0.2, n), lambda random, n: random.normal(1.1, 0.1, n)
    )
    bias = molecule_bias(found, truth)
    assert bias.pairs > 3990
    assert bias.photons_ratio == pytest.approx(np.median(found.column("photons")) / 500.0, abs=1e-3)
    # The median of n normal values has the standard error sqrt(pi / 2) sigma / sqrt(n).
    expected = math.sqrt(math.pi / 2 / 4001)
    assert bias.photons_ratio_error == pytest.approx(0.2 * expected, rel=0.25)
    assert bias.sigma_ratio_error == pytest.approx(0.1 * expected, rel=0.25)
    assert abs(bias.sigma_ratio - 1.1) < 4 * bias.sigma_ratio_error


def test_what_goes_together_in_a_frame_makes_the_error_larger():
    def flickering(random, n):
        return np.repeat(random.normal(1.0, 0.2, 100), n // 100)

    found, truth = molecules(4000, flickering, lambda random, n: np.ones(n))
    frame = np.repeat(np.arange(100), 40)
    found, truth = (
        LocalizationTable.from_columns({**{name: each.column(name) for name in each.data}, "frame": frame})
        for each in (found, truth)
    )
    expected = 0.2 * math.sqrt(math.pi / 2 / 100)
    assert molecule_bias(found, truth).photons_ratio_error == pytest.approx(expected, rel=0.35)


def test_values_that_are_not_known_have_no_ratio():
    found, truth = molecules(10, lambda random, n: np.ones(n), lambda random, n: np.full(n, np.nan))
    bias = molecule_bias(found, truth).as_dict()
    assert bias["photons_ratio"] == 1.0
    assert bias["sigma_ratio"] is bias["sigma_ratio_error"] is None
    nothing = molecule_bias(LocalizationTable.from_columns({}), truth).as_dict()
    assert (nothing["pairs"], nothing["photons_ratio"]) == (0, None)


def test_photons_and_widths_of_molecules_in_the_border_do_not_count():
    places = {"frame": [0, 1, 2], "x_nm": [50.0, 900.0, 1000.0], "y_nm": [900.0, 900.0, 1100.0]}
    truth = LocalizationTable.from_columns({**places, "photons": [100.0] * 3, "sigma_nm": [130.0] * 3})
    found = LocalizationTable.from_columns({**places, "photons": [10.0, 90.0, 95.0], "sigma_nm": [130.0] * 3})
    field = {"border_nm": 100.0, "field_nm": (2000.0, 2000.0)}
    bias = molecule_bias(found, truth, **field)
    assert bias.pairs == score(found, truth, **field).true_positives == 2
    assert bias.photons_ratio == pytest.approx(0.925)
