"""The line that takes off a model's bias, against its closed form."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blinkspot.denoising.calibration import _sums, line


def movie(n: int, seed: int, dark: float = 2.0, bright: float = 12.0):
    """True means and Poisson counts: mostly background, some light."""
    random = np.random.default_rng(seed)
    mean = np.where(random.random(n) < 0.9, dark, random.uniform(dark, bright, n))
    return mean, random.poisson(mean).astype(float)


def found(z, m, least=0.1):
    told = line(_sums(z, m, least))
    return told.offset, told.slope


@given(offset=st.floats(-0.3, 0.3), slope=st.floats(0.84, 1.2))
def test_a_linear_bias_is_undone(offset, slope):
    mean, z = movie(200_000, seed=4)
    told = (mean - offset) / slope
    a, b = found(z, told)
    # To within the noise of the counts.
    right = found(z, mean)
    assert a + b * told.mean() == pytest.approx(z.mean(), rel=1e-9)
    assert b / slope == pytest.approx(right[1], abs=0.02)
    assert b == pytest.approx(slope, abs=0.03)


def test_the_light_is_kept_in_the_dark_and_in_the_bright_fifth():
    mean, z = movie(4_000_000, seed=5)
    told = 0.2 + 0.93 * mean
    a, b = found(z, told)
    corrected = a + b * told
    for part in (mean <= 2.0, mean > np.quantile(mean, 0.97)):
        assert corrected[part].mean() == pytest.approx(mean[part].mean(), rel=0.002)
        assert told[part].mean() != pytest.approx(mean[part].mean(), rel=0.01)


def test_means_that_are_right_stay_so_where_most_of_them_are_nearly_zero():
    mean, z = movie(2_000_000, seed=6, dark=0.02, bright=24.0)
    a, b = found(z, mean, least=0.05 * mean.mean())
    assert a == pytest.approx(0.0, abs=0.001)
    assert b == pytest.approx(1.0, abs=0.005)


def test_too_few_or_too_like_pixels_move_the_mean_only():
    random = np.random.default_rng(7)
    for _ in range(20):
        mean = random.normal(5.0, 0.1, 1280)
        z = random.poisson(5.0, 1280).astype(float)
        a, b = found(z, mean)
        assert b == 1.0
        assert a == pytest.approx((z - mean).mean())
    assert found(np.full(100, 4.0), np.full(100, 3.0)) == (1.0, 1.0)


@pytest.mark.parametrize("slope", [-8.0, 0.5, 1.5, 9.0])
def test_a_slope_that_no_trained_model_has_moves_the_mean_only_and_is_said(slope):
    mean, z = movie(2_000_000, seed=8)
    m = mean.mean() + (mean - mean.mean()) / slope
    told = line(_sums(z, m, 0.1))
    assert told.measured_slope == pytest.approx(slope, rel=0.03)
    assert (told.offset, told.slope) == (pytest.approx(z.mean() - m.mean()), 1.0)
    assert f"{told.measured_slope:.2g}" in told.warning
    assert line(_sums(z, mean, 0.1)).warning is None
