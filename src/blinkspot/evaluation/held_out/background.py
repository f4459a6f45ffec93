"""The background of a movie, untouched by blinking molecules."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

BLOCK_PX = 8
FRAMES_TOGETHER = 31


@dataclass(frozen=True)
class Background:
    """Mean counts of blocks of 8 x 8 pixels, the median over 31 frames.

    A fit around a peak of noise takes light from the background beside it, so that the background that fits
    report is too low just where they are false. In a block a molecule is seldom on for half of 31 frames.

    Attributes
    ----------
    blocks : ndarray of float64, shape (groups of frames, rows of blocks, columns of blocks)
        Counts per pixel.
    """

    blocks: FloatArray

    def at(self, frames: NDArray[np.int64], x_px: FloatArray, y_px: FloatArray) -> FloatArray:
        """Return the background at some places (pixels, 0 is the centre of the first), shape (n,)."""
        groups, rows, columns = self.blocks.shape
        group = np.minimum(frames // FRAMES_TOGETHER, groups - 1)
        row = np.clip((y_px + 0.5).astype(int) // BLOCK_PX, 0, rows - 1)
        column = np.clip((x_px + 0.5).astype(int) // BLOCK_PX, 0, columns - 1)
        found: FloatArray = self.blocks[group, row, column]
        return found


class BackgroundMeter:
    """Measures the background of frames that come one after another."""

    def __init__(self) -> None:
        self._groups: list[FloatArray] = []
        self._waiting: list[FloatArray] = []

    def add(self, counts: NDArray[np.float32]) -> None:
        """Take some frames, (n, Y, X) counts."""
        self._waiting += list(_block_means(counts))
        while len(self._waiting) >= FRAMES_TOGETHER:
            self._close(self._waiting[:FRAMES_TOGETHER])
            self._waiting = self._waiting[FRAMES_TOGETHER:]

    def background(self) -> Background:
        """Return the background of all frames that were added; what is left of them joins a last group."""
        if self._waiting and (2 * len(self._waiting) > FRAMES_TOGETHER or not self._groups):
            self._close(self._waiting)
        self._waiting = []
        return Background(np.stack(self._groups))

    def _close(self, means: list[FloatArray]) -> None:
        self._groups.append(np.median(np.stack(means), axis=0))


def _block_means(counts: NDArray[np.float32]) -> FloatArray:
    """Return the means of blocks of pixels; those at the border may be smaller."""
    starts = [np.arange(0, length, BLOCK_PX) for length in counts.shape[1:]]
    sums = np.add.reduceat(counts.astype(np.float64), starts[0], axis=1)
    sums = np.add.reduceat(sums, starts[1], axis=2)
    sizes = [np.diff([*start, length]) for start, length in zip(starts, counts.shape[1:], strict=True)]
    means: FloatArray = sums / np.outer(*sizes)
    return means
