"""Tiles cover a frame once, keep to their size, and waste little on their halos."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blinkspot.denoising.tiles import tiles

LIGHT = SimpleNamespace(halo_px=20, alignment_px=1)


def pixels(region) -> int:
    return (region[0].stop - region[0].start) * (region[1].stop - region[1].start)


@given(
    height=st.integers(16, 700),
    width=st.integers(16, 700),
    halo=st.integers(1, 60),
    alignment=st.sampled_from([1, 4, 32]),
    most=st.integers(1_000, 200_000),
)
def test_every_pixel_lies_in_one_tile_with_its_whole_halo_around_it(height, width, halo, alignment, most):
    network = SimpleNamespace(halo_px=halo, alignment_px=alignment)
    times = np.zeros((height, width), int)
    rows, columns = np.indices((height, width))
    for tile in tiles((height, width), network, most):
        times[tile.inside] += 1
        np.testing.assert_array_equal(rows[tile.read][tile.keep], rows[tile.inside])
        np.testing.assert_array_equal(columns[tile.read][tile.keep], columns[tile.inside])
        for read, inside, length in zip(tile.read, tile.inside, (height, width), strict=True):
            assert read.start == max(0, inside.start - halo)
            assert read.stop == min(length, inside.stop + halo)
            assert read.start % alignment == 0 or halo % alignment != 0
        smallest = -(-halo // alignment) * alignment + 2 * halo
        assert pixels(tile.read) <= max(most, smallest**2)
    assert (times == 1).all()


@pytest.mark.parametrize(
    ("shape", "most_wasted"),
    [((512, 512), 0.25), ((2048, 2048), 0.35), ((300, 1500), 0.35), ((80, 2000), 0.1)],
)
def test_halos_cost_little(shape, most_wasted):
    read = sum(pixels(tile.read) for tile in tiles(shape, LIGHT, 88_000))
    assert read <= (1 + most_wasted) * shape[0] * shape[1]


def test_a_frame_that_is_small_enough_stays_whole():
    (tile,) = tiles((200, 300), LIGHT, 60_000)
    assert tile.read == tile.inside == (slice(0, 200), slice(0, 300))


@pytest.mark.parametrize("shape", [(330, 330), (512, 512), (900, 400)])
def test_a_halo_as_wide_as_a_tile_is_not_paid_for_twice(shape):
    wide = SimpleNamespace(halo_px=320, alignment_px=32)
    (tile,) = tiles(shape, wide, 88_000)
    assert tile.read == (slice(0, shape[0]), slice(0, shape[1]))
