"""The points of a plot of a background's variance against its mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blinkspot.camera_from_movie.background_noise import BlockNoise

Array = NDArray[np.float64]

_MOST_POINTS = 24
_BLOCKS_PER_POINT = 6


@dataclass(frozen=True, eq=False)
class NoisePoints:
    """Mean and variance of the background's pixels, from its darkest to its brightest places.

    Attributes
    ----------
    level_adu : ndarray of float64, shape (n,)
        Mean, ADU.
    variance_adu2 : ndarray of float64, shape (n,)
        Variance of the noise of a frame, ADU^2.
    error_adu2 : ndarray of float64, shape (n,)
        Standard error of the variance, by the spread between blocks of pixels.
    """

    level_adu: Array
    variance_adu2: Array
    error_adu2: Array


def noise_points(background: BlockNoise) -> NoisePoints | None:
    """Gather blocks of like level into up to 24 points.

    Blocks are ordered by their level in one half of the frames, and what is averaged is of the other half,
    both ways round. Were both of one half, the blocks that noise makes bright would lie too far to the right,
    and the points would not lie about the line (regression dilution).

    Parameters
    ----------
    background : BlockNoise
        As :func:`~blinkspot.camera_from_movie.background_noise.measure_background` gives it.

    Returns
    -------
    NoisePoints or None
        None where there are fewer than 12 blocks that both halves have measured.
    """
    measured = (background.count > 0).all(axis=0)
    n_points = min(_MOST_POINTS, int(np.count_nonzero(measured)) // _BLOCKS_PER_POINT)
    if n_points < 2:
        return None
    count, level, variance = (
        values[:, measured] for values in (background.count, background.level, background.variance)
    )
    points = []
    orders = [np.array_split(np.argsort(level[half]), n_points) for half in (1, 0)]
    for parts in zip(*orders, strict=True):
        weights, levels, variances = (
            np.concatenate([values[half, blocks] for half, blocks in enumerate(parts)])
            for values in (count, level, variance)
        )
        mean = np.average(variances, weights=weights)
        # Of a weighted mean of independent values.
        error = np.sqrt(np.sum((weights * (variances - mean)) ** 2)) / weights.sum()
        points.append((np.average(levels, weights=weights), mean, error))
    return NoisePoints(*np.array(points).T)
