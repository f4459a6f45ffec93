"""Cut large frames into tiles whose outputs join without a seam."""

from __future__ import annotations

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
        A frame of at most this many pixels stays whole. Else tiles, halo included, keep about to it, but the
        part inside is never smaller than the halo: the cost of the halo would grow without bound.
    """
    if shape[0] * shape[1] <= max_pixels:
        side = max(shape)
    else:
        side = max(int(max_pixels**0.5) - 2 * network.halo_px, network.halo_px)
    side = -(-side // network.alignment_px) * network.alignment_px
    return [
        Tile((y[0], x[0]), (y[1], x[1]), (y[2], x[2]))
        for y in _cuts(shape[0], side, network.halo_px)
        for x in _cuts(shape[1], side, network.halo_px)
    ]


def _cuts(length: int, side: int, halo: int) -> list[tuple[slice, slice, slice]]:
    cuts = []
    for start in range(0, length, side):
        stop = min(length, start + side)
        read = slice(max(0, start - halo), min(length, stop + halo))
        cuts.append((read, slice(start, stop), slice(start - read.start, stop - read.start)))
    return cuts
