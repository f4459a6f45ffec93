"""The noise model: Poisson counts whose rate has a Gamma prior.

z | x ~ Poisson(x) and x ~ Gamma(alpha, beta), so the marginal of z is negative binomial and the posterior of
x is Gamma(alpha + z, beta + 1): both in closed form. The network gives the prior's mean ``alpha / beta``
and ``log(alpha)`` for each pixel, from its neighbours alone, or those of the several Gamma laws of a mixture.

Two other losses are there to be compared with: the Gaussian approximation of Laine et al. (2019), and plain
squared error.

Counts are what :meth:`blinkspot.camera.Camera.counts` returns; they need not be whole numbers.
"""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

Estimate = Literal["posterior-mean", "map", "blind", "posterior-variance"]
ESTIMATES: tuple[Estimate, ...] = get_args(Estimate)
LossName = Literal["gamma-poisson", "gaussian", "squared-error"]
LOSSES: tuple[LossName, ...] = get_args(LossName)

_HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)
_TINY = 1e-12
# From here on three terms of Stirling's series are exact to float32.
_STIRLING_FROM = 8.0
# Below this, four terms of the series of x - log(1 + x) are exact to float32.
_SMALL = 0.02


def _stirling_remainder(x: Tensor) -> Tensor:
    """Return lgamma(x) - [(x - 1/2) log x - x + log(2 pi) / 2] for x > 0.

    The series is Abramowitz & Stegun 6.1.41; below 8, where it does not hold, nothing large cancels and the
    definition itself is accurate.
    """
    large = x.clamp_min(_STIRLING_FROM)
    inverse_square = large.reciprocal().square()
    series = (1 / 12 - inverse_square * (1 / 360 - inverse_square / 1260)) / large
    small = x.clamp(_TINY, _STIRLING_FROM)
    direct = torch.lgamma(small) - ((small - 0.5) * small.log() - small + _HALF_LOG_2PI)
    return torch.where(x >= _STIRLING_FROM, series, direct)


def _stirling_remainder_slope(x: Tensor) -> Tensor:
    """Return the derivative of :func:`_stirling_remainder`, digamma(x) - log x + 1 / (2 x), for x > 0."""
    large = x.clamp_min(_STIRLING_FROM)
    inverse_square = large.reciprocal().square()
    series = -inverse_square * (1 / 12 - inverse_square * (1 / 120 - inverse_square / 252))
    small = x.clamp(_TINY, _STIRLING_FROM)
    direct = torch.digamma(small) - small.log() + 0.5 / small
    return torch.where(x >= _STIRLING_FROM, series, direct)


def _log_count_norm(z: Tensor) -> Tensor:
    """Return lgamma(z + 1) - (z log z - z), the part of the Poisson likelihood at z = rate."""
    large = z.clamp_min(_STIRLING_FROM)
    by_series = 0.5 * large.log() + _HALF_LOG_2PI + _stirling_remainder(large)
    small = z.clamp_max(_STIRLING_FROM)
    direct = torch.lgamma(small + 1.0) - torch.xlogy(small, small) + small
    return torch.where(z >= _STIRLING_FROM, by_series, direct)


def gamma_poisson_nll(counts: Tensor, mean: Tensor, log_alpha: Tensor) -> Tensor:
    """Negative log likelihood of counts under a Poisson law with a Gamma prior.

    With beta = alpha / mean this is ``-alpha log beta + (alpha + z) log(1 + beta) - lgamma(alpha + z) +
    lgamma(alpha) + lgamma(z + 1)``. That sum cancels badly in float32 (it is off by 0.1 nat at alpha = 1e5
    and by 10 at 1e7), so each lgamma is split into Stirling's leading part and a small remainder; the
    leading parts combine into two logarithms of ratios, in the manner of the saddle-point deviance of Loader
    (2000), "Fast and accurate computation of binomial probabilities".

    Parameters
    ----------
    counts : Tensor
        Observed counts z, any shape, float32. Values below 0 count as 0. Not differentiated by.
    mean : Tensor
        Mean of the prior, alpha / beta, above 0, same shape.
    log_alpha : Tensor
        Natural logarithm of the prior's shape, same shape.

    Returns
    -------
    Tensor
        Negative log likelihood in nat, same shape. Accurate to about 1e-6 of the largest of 1, the result
        and the distance between ``counts`` and ``mean``, for alpha from 1e-3 to 1e7 and counts from 0 to 1e6.
    """
    nll: Tensor = _GammaPoisson.apply(counts, mean, log_alpha)  # type: ignore[no-untyped-call]
    return nll


class _GammaPoisson(torch.autograd.Function):
    """The negative log likelihood with its derivatives in closed form.

    Left to autograd they took a quarter of a training step.
    """

    @staticmethod
    def forward(ctx: Any, counts: Tensor, mean: Tensor, log_alpha: Tensor) -> Tensor:
        z = counts.clamp_min(0.0)
        alpha = log_alpha.exp()
        above, beside = alpha + mean, alpha + z
        excess = (z - mean).clamp_min(0.0)
        lack = (mean - z).clamp_min(0.0)
        z_floor = z.clamp_min(_TINY)
        # log((alpha + z) / (alpha + mean)) and log(z / mean) minus it; one of excess and lack is 0.
        log_ratio = torch.log1p(excess / above) - torch.log1p(lack / beside)
        log_rest = torch.log1p(alpha * (excess / (mean * beside))) - torch.log1p(
            alpha * (lack / (z_floor * above))
        )
        deviance = z * log_rest - alpha * log_ratio
        spread = 0.5 * torch.log1p(z / alpha) + _stirling_remainder(alpha) - _stirling_remainder(beside)
        if any(ctx.needs_input_grad):
            relative = (z - mean) / above
            # relative - log(1 + relative), which cancels where it is small.
            series = relative.square() * (0.5 - relative * (1 / 3 - relative * (1 / 4 - relative / 5)))
            curvature = torch.where(relative.abs() < _SMALL, series, relative - log_ratio)
            slopes = _stirling_remainder_slope(alpha) - _stirling_remainder_slope(beside)
            by_log_alpha = alpha * (curvature + slopes) - 0.5 * z / beside
            ctx.save_for_backward(alpha * (mean - z) / (mean * above), by_log_alpha)
        return deviance + spread + _log_count_norm(z)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *of_results: Tensor) -> tuple[None, Tensor, Tensor]:
        (of_result,) = of_results
        by_mean, by_log_alpha = ctx.saved_tensors
        return None, of_result * by_mean, of_result * by_log_alpha


def gaussian_nll(counts: Tensor, mean: Tensor, log_alpha: Tensor) -> Tensor:
    """Negative log likelihood where both the prior and the noise are taken for Gaussian.

    The prior has the Gamma prior's mean m and variance m^2 / alpha, the noise the variance m, so that z is
    Gaussian with variance m + m^2 / alpha (Laine et al. 2019, section 3.3). A comparator: it fails at low
    counts, where a Poisson law is far from Gaussian.

    Parameters
    ----------
    counts, mean, log_alpha : Tensor
        As for :func:`gamma_poisson_nll`.

    Returns
    -------
    Tensor
        Negative log likelihood in nat, same shape.
    """
    variance = mean * (1.0 + mean * (-log_alpha).exp())
    return 0.5 * ((counts - mean).square() / variance + variance.log()) + _HALF_LOG_2PI


def squared_error(counts: Tensor, mean: Tensor, log_alpha: Tensor) -> Tensor:
    """Return ``(counts - mean)^2``, the loss of Noise2Void (Krull et al. 2019), which has no alpha."""
    return (counts - mean).square()


_LOSS_FUNCTIONS = {
    "gamma-poisson": gamma_poisson_nll,
    "gaussian": gaussian_nll,
    "squared-error": squared_error,
}


class Prior(NamedTuple):
    """What is known of each pixel's rate before its own count is seen.

    A mixture of K Gamma laws teaches the network its mean: with one law for the background and one for a
    molecule that may be there, a bright peak is not drawn down towards a mean of both. A single Gamma law of
    that mean, with a spread of its own, then weighs the mean against the pixel's own count. By Bayes' rule
    the mixture itself could do that; but with several laws it bends to the shape of the noise wherever that
    is not Poisson to the letter, as behind an EM register, and the noise comes through
    (docs/denoiser_choice.md).

    Attributes
    ----------
    mean, log_alpha : Tensor, (N, K, Y, X)
        Of each law of the mixture: its mean alpha / beta, counts, and the natural logarithm of its shape.
    log_share : Tensor, (N, K, Y, X)
        Natural logarithm of each law's share; the shares of a pixel add up to 1.
    single_log_alpha : Tensor, (N, Y, X)
        Of the single law. With K = 1 it is the mixture's only one.
    """

    mean: Tensor
    log_alpha: Tensor
    log_share: Tensor
    single_log_alpha: Tensor

    @property
    def single_mean(self) -> Tensor:
        """Mean of the mixture and of the single law, counts, ``(N, Y, X)``."""
        return (self.log_share.exp() * self.mean).sum(dim=1)

    @property
    def single_variance(self) -> Tensor:
        """Variance of a pixel's count by the single law, m + m^2 / alpha (negative binomial)."""
        mean = self.single_mean
        return mean + mean.square() * (-self.single_log_alpha).exp()

    @property
    def own_weight(self) -> Tensor:
        """Weight that a pixel's own count has in its posterior mean, ``(N, Y, X)``."""
        return own_weight(self.single_mean, self.single_log_alpha)


def loss_of(counts: Tensor, prior: Prior, loss: LossName) -> Tensor:
    """Return the loss of each pixel, ``(N, Y, X)``.

    Of a mixture, that is the mean of two: of the mixture's, whose likelihood is the weighted sum of its laws'
    likelihoods, and of the single law's, which teaches only that law's spread.

    Parameters
    ----------
    counts : Tensor, (N, Y, X)
        Observed counts.
    prior : Prior
        What was known before.
    loss : {"gamma-poisson", "gaussian", "squared-error"}
        Which loss; the last for a prior of one law only.
    """
    if prior.mean.shape[1] == 1:
        return _LOSS_FUNCTIONS[loss](counts[:, None], prior.mean, prior.log_alpha)[:, 0]
    mean = torch.cat((prior.mean, prior.single_mean.detach()[:, None]), dim=1)
    log_alpha = torch.cat((prior.log_alpha, prior.single_log_alpha[:, None]), dim=1)
    each = _LOSS_FUNCTIONS[loss](counts[:, None], mean, log_alpha)
    return 0.5 * (each[:, -1] - torch.logsumexp(prior.log_share - each[:, :-1], dim=1))


def own_weight(mean: Tensor, log_alpha: Tensor) -> Tensor:
    """Return the weight, from 0 to 1, that a pixel's own count has in its posterior mean.

    That is 1 / (beta + 1) = mean / (alpha + mean), for the Gamma prior as for the Gaussian of the same
    variance. It is also the prior's variance as a share of all variance, mean^2 / alpha over mean + mean^2 /
    alpha.
    """
    return mean / (log_alpha.exp() + mean)


def estimate_counts(counts: Tensor, prior: Prior, estimate: Estimate) -> Tensor:
    """Estimate the Poisson rate of each pixel, or how uncertain it is.

    Parameters
    ----------
    counts : Tensor, (N, Y, X)
        Observed counts z. Values below 0 stay as they are, so that the mean of a dark region is not lifted.
    prior : Prior
        What was known before; its single Gamma law is used.
    estimate : {"posterior-mean", "map", "blind", "posterior-variance"}
        ``(alpha + z) / (beta + 1)``, the posterior's mode ``(alpha + z - 1) / (beta + 1)`` (0 where that is
        negative), the prior's mean ``alpha / beta``, which leaves the pixel itself out, or the posterior's
        variance ``(alpha + z) / (beta + 1)^2`` (for a z below 0, that of z = 0).

    Returns
    -------
    Tensor, (N, Y, X)
        Estimated rate in counts, or its variance in counts squared.
    """
    mean = prior.single_mean
    if estimate == "blind":
        return mean
    weight = prior.own_weight
    if estimate == "posterior-variance":
        return weight * (mean + weight * (counts.clamp_min(0.0) - mean))
    posterior_mean = mean + weight * (counts - mean)
    return posterior_mean if estimate == "posterior-mean" else (posterior_mean - weight).clamp_min(0.0)
