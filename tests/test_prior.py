"""The prior that a network tells: its precision, and the read noise of each pixel."""

import numpy as np
import pytest
import torch

from blinkspot.denoising.networks import build_network
from blinkspot.denoising.noise import estimate_counts
from blinkspot.denoising.prior import InputScaling, PriorNetwork, outputs_for

SCALING = InputScaling(root_mean=4.0, root_std=1.2, mean_counts=4.0)


@pytest.fixture
def model() -> PriorNetwork:
    torch.manual_seed(1)
    return PriorNetwork(build_network("dilated", 0, 6), SCALING).eval()


def test_read_noise_moves_the_prior_of_a_count_and_keeps_its_variance(model):
    light = torch.rand(1, 1, 16, 16) * 9
    variance = torch.rand(1, 16, 16) * 30 + 0.5
    prior = model(light + variance[:, None], variance)
    mean, log_alpha = prior.mean[:, 0], prior.log_alpha[:, 0]
    # What the network told of the light alone: moved back, the variance mean^2 / alpha being the same.
    light_mean = mean - variance
    light_alpha = light_mean**2 / (mean**2 / log_alpha.exp())
    assert (light_mean > 0).all()
    bound = torch.log(light_alpha)
    assert (bound > np.log(0.02) - 1e-3).all()
    assert (bound < np.log(2e6) + 1e-3).all()


def test_an_even_read_noise_of_nothing_changes_nothing(model):
    counts = torch.rand(2, 1, 16, 16) * 9
    with_zero = model(counts, torch.zeros(2, 16, 16))
    for told, expected in zip(with_zero, model(counts), strict=True):
        torch.testing.assert_close(told, expected, rtol=1e-5, atol=1e-5)


def test_a_noisy_pixel_is_seen_by_its_neighbours_in_units_of_its_own_noise(model):
    """Light of 3 standard deviations in a pixel of any read noise looks alike."""
    dark = torch.full((1, 1, 17, 17), 4.0)

    def seen(read_variance: float) -> torch.Tensor:
        variance = torch.zeros(1, 17, 17)
        variance[0, 8, 8] = read_variance
        counts = dark + variance[:, None]
        counts[0, 0, 8, 8] += 3.0 * float(np.sqrt(4.0 + read_variance))
        return (model(counts, variance).single_mean - variance)[0, 6:11, 6:11].flatten()[
            [0, 1, 5, 6, 7, 11, 13, 18, 24]
        ]

    quiet, noisy = seen(200.0), seen(2000.0)
    bright = torch.nn.functional.pad(torch.full((1, 1, 1, 1), 2000.0), (8, 8, 8, 8))
    naive_mean = model(dark + bright).single_mean
    nothing = model(dark).single_mean
    around = (nothing[0, 6:11, 6:11].flatten())[[0, 1, 5, 6, 7, 11, 13, 18, 24]]
    naive = (naive_mean[0, 6:11, 6:11].flatten())[[0, 1, 5, 6, 7, 11, 13, 18, 24]]
    assert (noisy - quiet).abs().max() < 0.1 * (naive - around).abs().max()


def test_a_model_of_the_mean_alone_ignores_the_pixel_itself():
    torch.manual_seed(1)
    model = PriorNetwork(build_network("dilated", 0, 6), SCALING, mean_only=True).eval()
    counts = torch.rand(1, 1, 16, 16) * 9
    prior = model(counts)
    estimate = estimate_counts(counts[:, 0] * 100, prior, "posterior-mean")
    torch.testing.assert_close(estimate, prior.single_mean, rtol=1e-6, atol=1e-6)


def test_the_fast_precision_leaves_the_last_layer_exact(model):
    """In bfloat16 neighbouring outputs are 0.4 % apart; a flat background must not fall on one of them."""
    counts = torch.full((1, 1, 32, 32), 5.0)
    exact = model(counts).single_mean
    with torch.autocast("cpu", torch.bfloat16):
        fast = model(counts).single_mean
    raw = torch.log(torch.expm1((fast - 1e-6) / SCALING.mean_counts))
    assert not torch.equal(raw.bfloat16().float(), raw)
    assert fast[0, 16, 16].item() == pytest.approx(exact[0, 16, 16].item(), rel=0.02)


@pytest.mark.parametrize("components", [1, 2, 3])
def test_a_mixtures_shares_add_up_to_one_and_its_laws_begin_apart(components):
    torch.manual_seed(2)
    network = build_network("dilated", 0, 6, outputs=outputs_for(components))
    prior = PriorNetwork(network, SCALING, components)(torch.rand(2, 1, 16, 16) * 9)
    assert prior.mean.shape == prior.log_share.shape == (2, components, 16, 16)
    torch.testing.assert_close(prior.log_share.exp().sum(dim=1), torch.ones(2, 16, 16))
    middle = prior.mean.mean(dim=(0, 2, 3))
    assert (middle[1:] > 1.3 * middle[:-1]).all()
    share = prior.log_share.exp().mean(dim=(0, 2, 3))
    assert (share[1:] < share[:-1]).all()
