"""The Gamma-Poisson likelihood and its estimates, against arbitrary precision and quadrature."""

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from blinkspot.denoising.noise import (
    Prior,
    estimate_counts,
    gamma_poisson_nll,
    gaussian_nll,
    loss_of,
    own_weight,
)

LOG_ALPHA = st.floats(float(np.log(1e-3)), float(np.log(1e7)))
MEAN = st.floats(-6.9, 13.8).map(np.exp).map(np.float32)
COUNTS = st.one_of(
    st.just(0.0),
    st.integers(0, 1_000_000).map(float),
    st.floats(-4.0, 13.8).map(np.exp).map(np.float32).map(float),
)


def exact_nll(z: float, mean: float, log_alpha: float) -> float:
    """The textbook sum with 60 digits, where no cancellation matters."""
    with mpmath.workdps(60):
        return float(textbook_nll(mpmath.mpf(z), mpmath.mpf(mean), mpmath.mpf(log_alpha)))


def prior_of(mean, log_alpha) -> Prior:
    """A prior of one law, for one pixel or a row of them."""
    mean, log_alpha = (value.reshape(1, 1, 1, -1) for value in (mean, log_alpha))
    return Prior(mean, log_alpha, torch.zeros_like(mean), log_alpha[:, 0])


def estimated(counts, mean, log_alpha, estimate) -> torch.Tensor:
    return estimate_counts(counts.reshape(1, 1, -1), prior_of(mean, log_alpha), estimate).flatten()


def as_tensors(*values: float, requires_grad: bool = False) -> list[torch.Tensor]:
    return [torch.tensor([value], dtype=torch.float32, requires_grad=requires_grad) for value in values]


@given(z=COUNTS, mean=MEAN, log_alpha=LOG_ALPHA)
def test_loss_is_exact_over_the_whole_range(z, mean, log_alpha):
    tensors = as_tensors(z, mean, log_alpha)
    z, mean, log_alpha = (float(tensor) for tensor in tensors)
    expected = exact_nll(z, mean, log_alpha)
    allowed = 3e-6 * (1.0 + abs(expected) + abs(z - mean))
    assert float(gamma_poisson_nll(*tensors)) == pytest.approx(expected, abs=allowed)


@given(z=COUNTS, log_ratio=st.floats(-0.5, 0.5), log_alpha=LOG_ALPHA)
def test_loss_is_exact_where_the_mean_is_near_the_counts(z, log_ratio, log_alpha):
    mean = max(z, 0.1) * np.exp(log_ratio)
    tensors = as_tensors(z, mean, log_alpha)
    z, mean, log_alpha = (float(tensor) for tensor in tensors)
    expected = exact_nll(z, mean, log_alpha)
    allowed = 3e-6 * (1.0 + abs(expected) + abs(z - mean))
    assert float(gamma_poisson_nll(*tensors)) == pytest.approx(expected, abs=allowed)


@given(z=COUNTS, mean=MEAN, log_alpha=LOG_ALPHA)
def test_gradients_follow_the_closed_form_and_are_finite(z, mean, log_alpha):
    (z_tensor,) = as_tensors(z)
    mean_tensor, log_alpha_tensor = as_tensors(mean, log_alpha, requires_grad=True)
    gamma_poisson_nll(z_tensor, mean_tensor, log_alpha_tensor).sum().backward()
    z, mean, alpha = z_tensor.item(), mean_tensor.item(), float(np.exp(log_alpha_tensor.item()))
    by_mean = alpha * (mean - z) / (mean * (alpha + mean))
    assert mean_tensor.grad.item() == pytest.approx(by_mean, rel=2e-3, abs=1e-6 * (1 + z) / mean)
    with mpmath.workdps(50):
        step = mpmath.mpf("1e-6")
        above = textbook_nll(z, mean, mpmath.mpf(log_alpha_tensor.item()) + step)
        below = textbook_nll(z, mean, mpmath.mpf(log_alpha_tensor.item()) - step)
        by_log_alpha = float((above - below) / (2 * step))
    allowed = 2e-6 * (1 + abs(z - mean))
    assert log_alpha_tensor.grad.item() == pytest.approx(by_log_alpha, rel=1e-2, abs=allowed)


def textbook_nll(z, mean, log_alpha):
    alpha = mpmath.exp(log_alpha)
    beta = alpha / mean
    return (
        -alpha * mpmath.log(beta)
        + (alpha + z) * mpmath.log(1 + beta)
        - mpmath.loggamma(alpha + z)
        + mpmath.loggamma(alpha)
        + mpmath.loggamma(z + 1)
    )


def test_whole_counts_have_the_negative_binomial_law():
    z = np.arange(200)
    alpha, mean = 3.7, 21.0
    nll = gamma_poisson_nll(
        torch.tensor(z, dtype=torch.float32),
        torch.full((200,), mean),
        torch.full((200,), float(np.log(alpha))),
    )
    expected = -stats.nbinom.logpmf(z, alpha, alpha / (alpha + mean))
    np.testing.assert_allclose(nll.numpy(), expected, rtol=1e-5, atol=1e-5)


def test_negative_counts_count_as_zero_in_the_loss():
    below, zero = (gamma_poisson_nll(*as_tensors(z, 2.0, 0.5)) for z in (-0.7, 0.0))
    assert below.item() == zero.item()


@pytest.mark.parametrize(("z", "mean", "alpha"), [(0.0, 0.8, 1.5), (7.0, 3.0, 2.5), (40.0, 55.0, 30.0)])
def test_estimates_are_those_of_the_posterior(z, mean, alpha):
    beta = alpha / mean
    rate = np.linspace(1e-9, 8 * (z + mean + 3), 400_001)
    posterior = stats.gamma.pdf(rate, alpha, scale=1 / beta) * stats.poisson.pmf(round(z), rate)
    tensors = as_tensors(z, mean, np.log(alpha))
    posterior_mean = integrate.trapezoid(rate * posterior, rate) / integrate.trapezoid(posterior, rate)
    assert estimated(*tensors, "posterior-mean").item() == pytest.approx(posterior_mean, rel=1e-4)
    assert estimated(*tensors, "map").item() == pytest.approx(rate[posterior.argmax()], abs=1e-3)
    assert estimated(*tensors, "blind").item() == pytest.approx(mean, rel=1e-6)


def test_the_mode_is_zero_where_the_posterior_falls_from_zero_on():
    assert estimated(*as_tensors(0.0, 1.0, np.log(0.5)), "map").item() == 0.0


@given(z=st.floats(-3.0, 1e4), mean=MEAN, log_alpha=LOG_ALPHA)
def test_the_gaussian_loss_is_the_normal_law_of_the_same_mean_and_variance(z, mean, log_alpha):
    tensors = as_tensors(z, mean, log_alpha)
    z, mean, alpha = (float(tensor) for tensor in (*tensors[:2], tensors[2].double().exp()))
    expected = -stats.norm.logpdf(z, mean, np.sqrt(mean + mean**2 / alpha))
    assert float(gaussian_nll(*tensors)) == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_a_pixels_own_weight_is_that_of_the_best_linear_estimate():
    # Prior variance over all variance, by which also the Gaussian model weighs a pixel.
    alpha, mean = 3.0, 12.0
    prior_variance = mean**2 / alpha
    weight = own_weight(torch.tensor(mean), torch.tensor(np.log(alpha)))
    assert float(weight) == pytest.approx(prior_variance / (prior_variance + mean), rel=1e-6)


@pytest.mark.parametrize(("z", "mean", "alpha"), [(0.0, 0.8, 1.5), (7.0, 3.0, 2.5), (40.0, 55.0, 30.0)])
def test_the_posterior_variance_is_that_of_the_posterior(z, mean, alpha):
    beta = alpha / mean
    expected = stats.gamma.var(alpha + z, scale=1 / (beta + 1))
    tensors = as_tensors(z, mean, np.log(alpha))
    assert estimated(*tensors, "posterior-variance").item() == pytest.approx(expected, rel=1e-5)


def test_the_posterior_variance_tells_the_error_of_the_posterior_mean():
    random = np.random.default_rng(0)
    alpha, mean = 4.0, 6.0
    rate = random.gamma(alpha, mean / alpha, 200_000)
    z = torch.tensor(random.poisson(rate), dtype=torch.float32)
    prior = torch.full_like(z, mean), torch.full_like(z, float(np.log(alpha)))
    error = estimated(z, *prior, "posterior-mean").numpy() - rate
    told = estimated(z, *prior, "posterior-variance").numpy()
    assert np.mean(error**2) == pytest.approx(told.mean(), rel=0.01)


SHARES = np.array([0.7, 0.2, 0.1])
ALPHAS = np.array([50.0, 4.0, 2.0])
MEANS = np.array([2.0, 9.0, 30.0])


def mixture(n: int, laws: int, single_alpha: float) -> Prior:
    share = SHARES[:laws] / SHARES[:laws].sum()
    values = (MEANS[:laws], np.log(ALPHAS[:laws]), np.log(share))
    tensors = [
        torch.tensor(value, dtype=torch.float32).view(1, laws, 1, 1).expand(1, laws, 1, n) for value in values
    ]
    return Prior(*tensors, torch.full((1, 1, n), float(np.log(single_alpha))))


@pytest.mark.parametrize("laws", [2, 3])
def test_a_mixtures_loss_is_that_of_the_sum_of_its_laws_and_of_the_single_law(laws):
    z = np.arange(150)
    share = SHARES[:laws] / SHARES[:laws].sum()
    alpha, mean = ALPHAS[:laws, None], MEANS[:laws, None]
    of_mixture = -np.log((share[:, None] * stats.nbinom.pmf(z, alpha, alpha / (alpha + mean))).sum(axis=0))
    overall = (share * MEANS[:laws]).sum()
    of_single = -stats.nbinom.logpmf(z, 1.3, 1.3 / (1.3 + overall))
    counts = torch.tensor(z, dtype=torch.float32).view(1, 1, -1)
    loss = loss_of(counts, mixture(len(z), laws, 1.3), "gamma-poisson").flatten()
    np.testing.assert_allclose(loss.numpy(), 0.5 * (of_mixture + of_single), rtol=2e-5, atol=2e-5)


def test_the_single_law_teaches_its_spread_only():
    prior = mixture(1, 2, 3.0)
    mean = prior.mean.clone().requires_grad_()
    single = prior.single_log_alpha.clone().requires_grad_()
    counts = torch.tensor([[[7.0]]])
    loss_of(counts, prior._replace(mean=mean, single_log_alpha=single), "gamma-poisson").sum().backward()
    share, alpha = SHARES[:2] / SHARES[:2].sum(), ALPHAS[:2]
    likelihood = share * stats.nbinom.pmf(7, alpha, alpha / (alpha + MEANS[:2]))
    by_mean = alpha * (MEANS[:2] - 7.0) / (MEANS[:2] * (alpha + MEANS[:2]))
    expected = 0.5 * likelihood / likelihood.sum() * by_mean
    np.testing.assert_allclose(mean.grad.flatten().numpy(), expected, rtol=1e-4)
    assert single.grad.item() != 0.0


def test_estimates_are_those_of_the_single_law_with_the_mixtures_mean():
    prior = mixture(1, 3, 2.5)
    mean = (SHARES * MEANS).sum()
    assert prior.single_mean.item() == pytest.approx(mean, rel=1e-6)
    z = torch.tensor([[[9.0]]])
    posterior = stats.gamma(2.5 + 9.0, scale=1.0 / (2.5 / mean + 1.0))
    assert estimate_counts(z, prior, "posterior-mean").item() == pytest.approx(posterior.mean(), rel=1e-5)
    assert estimate_counts(z, prior, "posterior-variance").item() == pytest.approx(posterior.var(), rel=1e-5)
