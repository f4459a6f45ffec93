"""Cut large frames into tiles whose outputs join without a seam."""

from __future__ import annotations

import math
from dataclasses import dataclass

from blinkspot.denoising.networks import BlindSpotNetwork

Region = tuple[slice, slice]


@dataclass(frozen=True)
class Tile:
    """One tile of a frame, as pairs of slices along y and x.

    Attributes
    ----------
    read : pair of slice
        What the network is shown, halo included.
    inside : pair of slice
        The part of the frame whose output the tile gives.
    keep : pair of slice
        That part, counted within ``read``.
    """

    read: Region
    inside: Region
    keep: Region


def tiles(shape: tuple[int, int], network: BlindSpotNetwork, max_pixels: int) -> list[Tile]:
    """Cut a frame of that shape into tiles.

    Parameters
    ----------
    shape : (int, int)
        Height and width.
    network : BlindSpotNetwork
        Tells the halo and the alignment.
    max_pixels : int
        Most pixels of a tile, halo included, unless the network's halo is too wide for that: the part inside
        is never smaller than the halo, or the cost of the halo would grow without bound.
    """
    sides = shape if shape[0] * shape[1] <= max_pixels else _cheapest_sides(shape, network, max_pixels)
    return [
        Tile((y[0], x[0]), (y[1], x[1]), (y[2], x[2]))
        for y in _cuts(shape[0], sides[0], network.halo_px)
        for x in _cuts(shape[1], sides[1], network.halo_px)
    ]


def _cheapest_sides(shape: tuple[int, int], network: BlindSpotNetwork, max_pixels: int) -> tuple[int, int]:
    """Return height and width of the parts for which the halos cost least: strips, or squares."""
    halo = network.halo_px
    smallest = min(shape[0], _aligned(halo, network)), min(shape[1], _aligned(halo, network))
    # What the smallest possible part reads is read anyway.
    max_pixels = max(
        max_pixels, math.prod(min(s + 2 * halo, n) for s, n in zip(smallest, shape, strict=True))
    )
    cheapest, least = smallest, math.inf
    for height in _possible_sides(shape[0], network):
        for width in _possible_sides(shape[1], network):
            read = min(height + 2 * halo, shape[0]) * min(width + 2 * halo, shape[1])
            cuts = math.ceil(shape[0] / height) - 1, math.ceil(shape[1] / width) - 1
            computed = (shape[0] + 2 * halo * cuts[0]) * (shape[1] + 2 * halo * cuts[1])
            if read <= max_pixels and computed < least:
                cheapest, least = (height, width), computed
    return cheapest


def _possible_sides(length: int, network: BlindSpotNetwork) -> list[int]:
    """Return the sides of equal parts, from the whole length down to the halo."""
    most_parts = max(1, length // network.halo_px)
    return sorted({_aligned(-(-length // parts), network) for parts in range(1, most_parts + 1)})


def _aligned(side: int, network: BlindSpotNetwork) -> int:
    return -(-side // network.alignment_px) * network.alignment_px


def _cuts(length: int, side: int, halo: int) -> list[tuple[slice, slice, slice]]:
    cuts = []
    for start in range(0, length, side):
        stop = min(length, start + side)
        read = slice(max(0, start - halo), min(length, stop + halo))
        cuts.append((read, slice(start, stop), slice(start - read.start, stop - read.start)))
    return cuts
