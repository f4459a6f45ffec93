"""What the benchmarks measure with: clean frames, the posterior's mean picture, ghosts."""

from __future__ import annotations

import dataclasses
import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.special import ive, ndtr

from blinkspot import LocalizationTable
from blinkspot.evaluation import PRESETS
from blinkspot.evaluation.scoring.picture_scores import psnr_db

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def support(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import a module of benchmarks/support by name."""
    monkeypatch.syspath_prepend(BENCHMARKS)

    def module(name: str) -> ModuleType:
        return importlib.import_module(f"support.{name}")

    return module


@pytest.mark.parametrize(("name", "expected_db"), [("low120", 24.3), ("yfp4_bg100", 29.1)])
def test_what_the_clean_frames_leave_is_the_noise_of_the_camera(
    shared_data: Path, support: Any, name: str, expected_db: float
) -> None:
    clean_frames = support("clean_frames")
    shared = importlib.import_module("support").truth_movie(name)
    clean = clean_frames.clean_frames(shared.truth, clean_frames.settings_of(name), 300)
    noisy = shared.camera.photoelectrons(shared.movie.frames(0, 300)).astype(np.float64)
    noise = noisy - clean
    assert abs(noise.mean()) < 4 * noise.std() / np.sqrt(noise.size)
    bright = clean > np.quantile(clean, 0.99)
    assert abs(noise[bright].mean()) < 4 * noise[bright].std() / np.sqrt(bright.sum())
    for pixels in (bright, ~bright):
        assert np.mean(noise[pixels] ** 2) / np.mean(2.0 * clean[pixels]) == pytest.approx(1.0, abs=0.01)
    assert psnr_db(noisy, clean) == pytest.approx(expected_db, abs=0.05)


def test_a_movie_whose_truth_is_not_complete_has_no_clean_frames(support: Any) -> None:
    with pytest.raises(ValueError, match="blinking_low60 are not known"):
        support("clean_frames").settings_of("blinking_low60")


def test_bessel_function_is_that_of_scipy(support: Any) -> None:
    x = np.geomspace(1e-3, 1e4, 500)
    ours = [support("posterior").log_bessel_i1(value) for value in x]
    np.testing.assert_allclose(ours, np.log(ive(1, x)) + x, atol=1e-6)


def test_likelihood_of_an_em_register_is_a_law(support: Any) -> None:
    posterior = support("posterior")

    def density(z: float, mean: float) -> float:
        # What the likelihood leaves out does not depend on the mean.
        log = posterior.log_likelihood(posterior.EM_REGISTER, z, 0.0, mean)
        return float(np.exp(log - z) / np.sqrt(z))

    for mean in (0.5, 3.0, 12.0):
        nothing = np.exp(posterior.log_likelihood(posterior.EM_REGISTER, 0.0, 0.0, mean))
        something = quad(density, 0.0, 120.0, args=(mean,), limit=200)[0]
        assert nothing + something == pytest.approx(1.0, abs=1e-6)
        first_moment = quad(lambda z, m=mean: z * density(z, m), 0.0, 120.0, limit=200)[0]
        assert first_moment == pytest.approx(mean, rel=1e-6)


def test_likelihood_of_a_bin_sums_the_poisson_law(support: Any) -> None:
    posterior = support("posterior")

    def poisson(number: int, mean: float) -> float:
        return float(np.exp(number * np.log(mean) - mean) / np.prod(np.arange(1.0, number + 1)))

    ratio = np.exp(
        posterior.log_likelihood(posterior.BINNED_POISSON, 4.0, 7.0, 6.0)
        - posterior.log_likelihood(posterior.BINNED_POISSON, 4.0, 7.0, 3.0)
    )
    expected = sum(poisson(n, 6.0) for n in range(4, 8)) / sum(poisson(n, 3.0) for n in range(4, 8))
    assert ratio == pytest.approx(expected)


def test_mean_picture_is_that_of_a_grid_over_the_posterior(support: Any) -> None:
    posterior = support("posterior")
    size, sigma, background, low, high = 13, 1.06, 5.0, 120.0, 240.0
    random = np.random.default_rng(3)

    def shares(centres: np.ndarray) -> np.ndarray:
        edges = (np.arange(size + 1) - 0.5 - centres[:, np.newaxis]) / sigma
        return np.diff(ndtr(np.clip(edges, -5.0, 5.0)), axis=1)

    x, y, photons = 6.2, 5.9, 150.0
    clean = photons * np.outer(shares(np.array([y]))[0], shares(np.array([x]))[0]) + background
    counts = random.poisson(clean / 2.0).astype(float)
    molecule = np.array([[x, y, sigma, photons]])
    lowest, highest = np.array([-0.5, -0.5, sigma, low]), np.array([12.5, 12.5, sigma, high])
    halves = posterior.sample_frame(
        posterior.QUASI_POISSON,
        counts,
        np.full(counts.shape, 2.0),
        background,
        molecule,
        lowest,
        highest,
        500,
        20_000,
        1,
    )

    offsets = np.linspace(-1.0, 1.0, 61)
    spots = np.einsum("iy,jx->ijyx", shares(y + offsets), shares(x + offsets)).reshape(-1, size**2)
    brightness = np.linspace(low, high, 41)
    logs, images = [], []
    for value in brightness:
        mean = value * spots + background
        logs.append(counts.ravel() @ np.log(mean).T - mean.sum(axis=1) / 2.0)
    weights = np.exp(np.array(logs) - np.max(logs))
    weights[[0, -1]] /= 2.0
    for value, weight in zip(brightness, weights, strict=True):
        images.append(weight @ (value * spots + background))
    grid = (np.sum(images, axis=0) / weights.sum()).reshape(size, size)

    posterior_spread = np.sum((grid - clean) ** 2)
    assert np.sum((halves.mean(axis=0) - grid) ** 2) < 0.005 * posterior_spread


def test_molecules_blink_for_whole_frames(support: Any) -> None:
    blinking = support("blinking")
    settings = dataclasses.replace(PRESETS["low-light"], frames=600, size_px=64, seed=5)
    movie, blinks = blinking.blinking_movie("blinking", settings)
    assert np.mean(blinks.off - blinks.on) == pytest.approx(4.0, rel=0.1)
    assert len(movie.truth) / 600 == pytest.approx(settings.molecules_at_once, rel=0.1)
    assert set(movie.truth.column("photons")) <= set(blinks.molecules["photons"])
    noise = movie.noisy - movie.clean
    assert np.mean(noise**2) / np.mean(2.0 * movie.clean) == pytest.approx(1.0, abs=0.01)
    light = movie.clean.sum() - settings.background_photons * movie.clean.size
    # Molecules at the border send some 3 % of all light past it.
    assert 0.95 < light / movie.truth.column("photons").sum() < 0.99


def test_ghosts_are_counted_where_no_molecule_explains_them(support: Any) -> None:
    blinking = support("blinking")
    dtype = [("x_nm", float), ("y_nm", float)]
    blinks = blinking.Blinks(
        np.array([(1000.0, 1000.0), (5000.0, 5000.0)], dtype), np.array([10, 20]), np.array([12, 24])
    )
    bright = [(f, *blinks.molecules[i]) for i, (a, b) in enumerate([(10, 12), (20, 24)]) for f in range(a, b)]
    neighbour = (24, 5150.0, 5000.0)
    movie = support("trainings").Movie(
        "none",
        dataclasses.make_dataclass("Stack", ["n_frames"])(40),
        PRESETS["low-light"],
        LocalizationTable(pd.DataFrame([*bright, neighbour], columns=["frame", "x_nm", "y_nm"])),
        np.zeros((1, 1, 1)),
    )
    found = [
        (9, 1050.0, 1000.0),  # a ghost before the first blink
        (12, 1000.0, 1150.0),  # too far to be one
        (24, 5080.0, 5000.0),  # the neighbour explains it
        (11, 1000.0, 1000.0),  # the molecule itself
        (28, 5000.0, 5000.0),  # five frames after the last bright one: chance
    ]
    table = LocalizationTable(pd.DataFrame(found, columns=["frame", "x_nm", "y_nm"]))
    rates = blinking.ghost_rates(table, movie, blinks)
    assert rates.adjacent == pytest.approx(1 / 4)
    # The first blink has distances 5 to 10 on either side of it, and so has the second: 24 dark frames.
    assert rates.chance == pytest.approx(1 / 24)


def test_a_long_blink_is_sampled_as_a_short_one_is(support: Any) -> None:
    """A movie without any blink: the one that is said to be there shines for next to no time."""
    shape, factor, background = (90, 16, 16), 2.0, 15.0
    first, second = np.full(shape, background / factor), np.full(shape, factor)
    everywhere = np.ones(shape[1:])
    blink = np.array([[8.0, 8.0, 1.3, 1500.0, 2.0, 88.0]])
    limits = np.array([7.5, 7.5, 1.2, 500.0]), np.array([8.5, 8.5, 1.6, 1500.0])
    chain = support("blink_posterior").sample_movie(
        0, first, second, background * everywhere, blink, everywhere, everywhere, *limits, 30.0, 200, 20, 1
    )
    assert chain.mean() == pytest.approx(background, rel=1e-3)
