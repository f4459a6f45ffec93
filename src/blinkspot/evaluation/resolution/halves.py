"""A table in two halves, that are compared."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from blinkspot.errors import BlinkspotError
from blinkspot.evaluation.resolution.settings import ResolutionSettings

_BLOCKS = 50
_FEWEST_FRAMES = 10


def frames_per_block(frame: NDArray[np.int64], settings: ResolutionSettings) -> int | None:
    """Return the length of a block of frames; None where there are no blocks.

    Raises
    ------
    BlinkspotError
        If that leaves fewer than two blocks.
    """
    if settings.split == "localizations":
        return None
    n_frames = int(np.ptp(frame)) + 1
    n_blocks = max(2, min(_BLOCKS, n_frames // _FEWEST_FRAMES))
    length = settings.frames_per_block or -(-n_frames // n_blocks)
    if n_frames < 2 or (settings.frames_per_block is not None and 2 * length > n_frames):
        raise BlinkspotError(
            f"The localizations span {n_frames} frame(s), too few for two blocks of frames: choose shorter "
            "blocks, or split localizations one by one."
        )
    return length


def halves(frame: NDArray[np.int64], settings: ResolutionSettings) -> Iterator[NDArray[np.bool_]]:
    """Yield, for each split, which localizations are in the first half, shape (n,).

    Raises
    ------
    BlinkspotError
        If there are fewer than two blocks, or one half of them is empty.
    """
    length = frames_per_block(frame, settings)
    random = np.random.default_rng(settings.seed)
    if length is None:
        for _ in range(settings.splits):
            yield _chosen_half(len(frame), random)
        return
    block = (frame - frame.min()) // length
    _, block = np.unique(block, return_inverse=True)
    n_blocks = int(block.max()) + 1
    if n_blocks < 2:
        raise BlinkspotError(
            "All localizations lie in one block of frames: choose shorter blocks, or split localizations "
            "one by one."
        )
    if settings.split == "odd-even":
        yield block % 2 == 0
        return
    for _ in range(settings.splits):
        yield _chosen_half(n_blocks, random)[block]


def _chosen_half(n: int, random: np.random.Generator) -> NDArray[np.bool_]:
    chosen = np.zeros(n, np.bool_)
    chosen[random.permutation(n)[: n // 2]] = True
    return chosen
