"""The networks see every neighbour and never the pixel itself."""

import numpy as np
import pytest
import torch

from blinkspot.denoising.networks import NETWORKS, build_network
from blinkspot.denoising.networks.base import PreciseConvolution
from blinkspot.denoising.networks.laine import LaineNetwork
from blinkspot.denoising.tiles import tiles

SIZE = 24


def make_network(name: str, context_frames: int, radius: int = 0):
    torch.manual_seed(3)
    if name == "laine":  # two poolings are as good a proof as five, in a small frame
        return LaineNetwork(context_frames, 4, radius, levels=2).double().eval()
    return build_network(name, context_frames, 4, radius).double().eval()


def response(network, frames: torch.Tensor, channel: int, y: int, x: int) -> np.ndarray:
    """How much each output pixel moves when one input pixel does."""
    perturbed = frames.clone()
    perturbed[0, channel, y, x] += 1.0
    with torch.inference_mode():
        return (network(perturbed) - network(frames)).abs().amax(dim=(0, 1)).numpy()


@pytest.mark.parametrize("context_frames", [0, 1, 2])
@pytest.mark.parametrize("name", NETWORKS)
def test_output_never_depends_on_its_own_pixel_but_on_its_neighbours(name, context_frames):
    network = make_network(name, context_frames)
    frames = torch.randn(1, 2 * context_frames + 1, SIZE, SIZE, dtype=torch.float64)
    copies = frames.repeat(SIZE, 1, 1, 1)  # one for each pixel of a row
    column = torch.arange(SIZE)
    with torch.inference_mode():
        untouched = network(copies)
        for y in range(SIZE):
            perturbed = copies.clone()
            perturbed[column, context_frames, y, column] += 1.0
            moved = (network(perturbed) - untouched).abs().amax(dim=1).numpy()
            for x in range(SIZE):
                assert moved[x, y, x] == 0.0, f"pixel {(y, x)} leaks into its own output"
                around = moved[x, max(0, y - 1) : y + 2, max(0, x - 1) : x + 2]
                assert np.count_nonzero(around) == around.size - 1


@pytest.mark.parametrize("radius", [1, 2])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_wider_blind_spot_hides_the_square_around_the_pixel_and_no_more(name, radius):
    network = make_network(name, 0, radius)
    frames = torch.randn(1, 1, SIZE, SIZE, dtype=torch.float64)
    hidden = 2 * radius + 1
    for y, x in [(12, 11), (8, 9), (0, 5), (23, 23), (10, 15)]:
        moved = response(network, frames, 0, y, x)
        around = moved[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1]
        assert np.count_nonzero(around) == 0
        ring = moved[max(0, y - radius - 1) : y + radius + 2, max(0, x - radius - 1) : x + radius + 2]
        if ring.size == (hidden + 2) ** 2:
            # A pooling's maximum may hide a pixel or two in one picture.
            assert np.count_nonzero(ring) >= 0.9 * (ring.size - hidden**2)


@pytest.mark.parametrize("context_frames", [1, 2])
@pytest.mark.parametrize("name", NETWORKS)
def test_neighbouring_frames_are_seen_whole(name, context_frames):
    network = make_network(name, context_frames)
    frames = torch.randn(1, 2 * context_frames + 1, SIZE, SIZE, dtype=torch.float64)
    for channel in range(2 * context_frames + 1):
        if channel != context_frames:
            moved = response(network, frames, channel, 11, 13)
            assert (moved[10:13, 12:15] > 0).all()


def test_the_paper_network_at_full_size_is_blind_too():
    torch.manual_seed(0)
    network = build_network("laine", 1, channels=6).double().eval()
    frames = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    for y, x in [(0, 0), (31, 32), (63, 63), (32, 31), (17, 48)]:
        assert response(network, frames, 1, y, x)[y, x] == 0.0


@pytest.mark.parametrize("context_frames", [0, 1])
def test_the_paper_network_cannot_tell_where_the_border_is(context_frames):
    """What it learned on crops of 64 pixels holds in a frame of 256, where most have no border near."""
    torch.manual_seed(1)
    network = build_network("laine", context_frames, channels=6).double().eval()
    frames = torch.full((1, 2 * context_frames + 1, 96, 96), 1.7, dtype=torch.float64)
    with torch.inference_mode():
        # The last move down, which leaves the pixel out, has nothing to move into the first row.
        made = network(frames)[..., 3:-3, 3:-3]
    torch.testing.assert_close(made, made[..., :1, :1].expand_as(made), rtol=0, atol=1e-12)


def test_full_size_laine_is_the_papers():
    network = build_network("laine", 0, channels=48)
    convolutions = [module for module in network.unet.modules() if isinstance(module, torch.nn.Conv2d)]
    # 1 + 5 on the way down, 1 at the bottom, 5 x 2 on the way up, all 3x3.
    assert len(convolutions) == 17
    assert {module.kernel_size for module in convolutions} == {(3, 3)}
    assert network.alignment_px == 32
    # Multiply-adds of one pixel: those of a picture in which every pooling is filled.
    products = 0

    def count(module, inputs, output):
        nonlocal products
        products += output.numel() * module.weight[0].numel()

    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(count)
    with torch.inference_mode():
        network(torch.zeros(1, 1, 64, 64))
    assert products / 64**2 == pytest.approx(1.24e6, rel=0.005)


@pytest.mark.parametrize("shape", [(150, 195), (300, 41)])
@pytest.mark.parametrize("name", NETWORKS)
def test_tiles_join_to_the_whole(name, shape):
    network = make_network(name, 1)
    frames = torch.randn(1, 3, *shape, dtype=torch.float64)
    with torch.inference_mode():
        whole = network(frames)
        joined = torch.full_like(whole, torch.nan)
        cut = tiles(shape, network, max_pixels=900)
        for tile in cut:
            joined[:, :, *tile.inside] = network(frames[:, :, *tile.read])[:, :, *tile.keep]
    assert len(cut) > 1
    torch.testing.assert_close(joined, whole, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("rows", [slice(40, 60), slice(0, 7), slice(93, 100), slice(None), slice(50, 51)])
@pytest.mark.parametrize("radius", [0, 1])
@pytest.mark.parametrize("name", NETWORKS)
def test_rows_asked_for_are_those_of_the_whole(name, radius, rows):
    network = make_network(name, 1, radius)
    frames = torch.randn(2, 3, 100, 37, dtype=torch.float64)
    with torch.inference_mode():
        some, whole = network(frames, rows), network(frames)
    torch.testing.assert_close(some, whole[..., rows, :], rtol=1e-10, atol=1e-10)


def test_rows_of_the_halo_are_not_computed_to_the_end():
    network = make_network("dilated", 0)
    computed = []
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d) and module.kernel_size == (3, 3):
            module.register_forward_hook(lambda _, inputs, output: computed.append(output.shape[-2]))
    with torch.inference_mode():
        network(torch.zeros(1, 1, 20 + 2 * network.halo_px, 9, dtype=torch.float64), slice(20, 40))
    # Of each branch the first convolution of all rows, then blocks of two: 12, 8 and 4 rows beyond those
    # asked for on each side where the spacing is 2, and 18, 12 and 6 where it is 3.
    assert sorted(computed) == sorted([60, *2 * [44, 36, 28], *2 * [56, 44, 32]])


@pytest.mark.parametrize("n_out", [1, 6])
def test_the_precise_convolution_is_a_convolution_in_single_precision(n_out):
    torch.manual_seed(0)
    layer = PreciseConvolution(16, n_out)
    features = torch.randn(3, 16, 11, 7).bfloat16().to(memory_format=torch.channels_last).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        made = layer(features)
    weight, bias = (part.detach().double().requires_grad_() for part in (layer.weight, layer.bias))
    exact_features = features.detach().double().requires_grad_()
    exact = torch.nn.functional.conv2d(exact_features, weight, bias)
    assert made.dtype == torch.float32
    torch.testing.assert_close(made.double(), exact, rtol=1e-6, atol=1e-6)
    slope = torch.randn(made.shape)
    made.backward(slope)
    exact.backward(slope.double())
    torch.testing.assert_close(layer.weight.grad.double(), weight.grad, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(layer.bias.grad.double(), bias.grad, rtol=1e-5, atol=1e-5)
    # Rounded once, to the features' own precision.
    torch.testing.assert_close(features.grad.double(), exact_features.grad, rtol=2**-8, atol=1e-6)


def test_a_smaller_halo_would_leave_seams():
    network = make_network("dilated", 0)
    network.halo_px = 8
    frames = torch.randn(1, 1, 70, 70, dtype=torch.float64)
    with torch.inference_mode():
        whole = network(frames)
        tile = tiles((70, 70), network, max_pixels=900)[0]
        part = network(frames[:, :, *tile.read])[:, :, *tile.keep]
    assert (part - whole[:, :, *tile.inside]).abs().max() > 1e-6


@pytest.mark.parametrize("name", NETWORKS)
def test_making_one_leaves_the_random_numbers_of_others_alone(name):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    build_network(name, 1, 4)
    assert torch.equal(torch.rand(3), expected)
