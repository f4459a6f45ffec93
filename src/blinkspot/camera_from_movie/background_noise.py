"""Noise and level of a movie's background, block by block, untouched by blinking molecules.

The difference of two successive frames removes whatever stands still. The mask of Immerkaer (1996, Computer
Vision and Image Understanding 64:300), the product of two second differences, removes from it what is
smooth over a pixel or two: a molecule that goes on or off (sigma 1.2 px) keeps less than a hundredth of the
power that it has in the difference itself. What is left is noise, as long as that is independent from pixel
to pixel. Mean squares are taken, not quantiles: noise of few photons or of an EM register is far from
Gaussian.

Pixels near a molecule that goes on or off are left out besides. That choice looks only at pixels *around*
those that the mask covers, so it does not depend on the noise that is measured and cannot bias it.

Where a camera is given, all this is done in its counts, of which every pixel's variance is its mean, and a
pixel weighs less the noisier its map says that it is: else a few hot ones would decide.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d, uniform_filter

from blinkspot.camera import Camera
from blinkspot.movies.checks import check_finite
from blinkspot.movies.stack import Stack

Array = NDArray[np.float64]

BLOCK_PX = 8
_MOST_PAIRS = 50
# What can be worked through in about a second.
_SAMPLE_PIXELS = 1 << 24
_FEWEST_PAIRS = 8
_LARGEST_PART_PX = 1024
_SECOND_DIFFERENCE = np.array([1.0, -2.0, 1.0])
_MASK_NORM = 6.0  # root of the sum of squares of the mask, 36
_MASK_PX = 3
# Sides of the squares, without the mask's own pixels, in which a change shows a molecule near, or less near.
_SURROUNDING_PX = (5, 9)
# In units of its standard deviation. Low, so that faint molecules go too: pixels are plentiful.
_LARGEST_CHANGE = 1.5
_TILE_PX = 32
# Counts of light that a pixel is supposed to have at the least when pixels are weighed.
_LEAST_LIGHT = 0.1


@dataclass(frozen=True)
class BlockNoise:
    """Sums over background pixels, per half of the frames and block of pixels.

    The halves (successive pairs of frames in turn) share no frame, so their noise is independent.

    Attributes
    ----------
    count : ndarray, (2, B)
        Number of measurements, or the sum of their weights.
    level : ndarray, (2, B)
        Mean level, ADU; it weighs the pixels as ``variance`` does. 0 where there is no measurement.
    variance : ndarray, (2, B)
        Variance of the noise of one frame, ADU^2. 0 where there is no measurement.

    Where a camera was given, ``level`` and ``variance`` are in its counts.
    """

    count: Array
    level: Array
    variance: Array

    @property
    def mean_level(self) -> float:
        """Level over all blocks, ADU (or counts)."""
        return float(np.average(self.level, weights=self.count))

    @property
    def mean_variance(self) -> float:
        """Variance of the noise over all blocks, ADU^2 (or counts)."""
        return float(np.average(self.variance, weights=self.count))


def measure_background(stack: Stack, camera: Camera | None = None) -> BlockNoise:
    """Measure the noise of the background in up to 50 pairs of successive frames spread over a movie.

    Of frames larger than 1024 x 1024 pixels the middle is used.

    Parameters
    ----------
    stack : Stack
        A movie of frames of at least 16 x 16 pixels.
    camera : Camera, optional
        Its camera: the measurement is then in its counts.

    Raises
    ------
    BlinkspotError
        If a frame holds values that are not finite, or the camera's maps are of another size.
    """
    weights = None
    height, width = min(stack.height, _LARGEST_PART_PX), min(stack.width, _LARGEST_PART_PX)
    top, left = (stack.height - height) // 2, (stack.width - width) // 2
    if camera is not None and (height, width) != (stack.height, stack.width):
        camera = camera.window(top, left, height, width)
    affordable = max(_FEWEST_PAIRS, _SAMPLE_PIXELS // (2 * height * width))
    n_pairs = min(stack.n_frames // 2, _MOST_PAIRS, affordable)
    # With two frames or more to a pair, pairs that are spread evenly share none.
    starts = np.linspace(0, stack.n_frames - 2, n_pairs).round().astype(int)
    sums = np.zeros((2, 3, (height - 2) // BLOCK_PX * ((width - 2) // BLOCK_PX)))
    for number, start in enumerate(starts):
        frames = stack.frames(start, start + 2)[:, top : top + height, left : left + width]
        check_finite(stack, (start, start + 1), frames)
        if camera is None:
            first, second = frames.astype(np.float32)
        else:
            first, second = camera.counts(frames)
            if weights is None:
                weights = _weights(first, camera)
        sums[number % 2] += _block_sums(first, second, weights)
    count, level, square = sums[:, 0], sums[:, 1], sums[:, 2]
    measured = np.maximum(count, 1.0)
    return BlockNoise(count, level / measured, square / measured)


def _weights(frame: NDArray[np.float32], camera: Camera) -> NDArray[np.float32]:
    """Return one over the variance that each pixel (Y, X) may have in a dark part of a frame in counts."""
    read_counts = np.broadcast_to(np.float32(camera.read_counts), frame.shape)
    light = max(float(np.median(frame - read_counts)), _LEAST_LIGHT)
    return 1.0 / _squared_mask_mean(read_counts + np.float32(light))


def _squared_mask_mean(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Average (Y, X) as the mask does variances: a sum over pixels with squared weights."""
    return _separable(image, _SECOND_DIFFERENCE**2 / np.sum(_SECOND_DIFFERENCE**2))


def _block_sums(
    first: NDArray[np.float32], second: NDArray[np.float32], weights: NDArray[np.float32] | None
) -> Array:
    """Return number of measurements, sum of levels and sum of squared noise of two frames (Y, X): (3, B)."""
    change = second - first
    # The difference of two frames has twice the variance of one.
    noise = _separable(change, _SECOND_DIFFERENCE) / np.float32(_MASK_NORM * np.sqrt(2.0))
    # A level to set against the noise must weigh the pixels alike.
    level = _squared_mask_mean((first + second) / 2.0)
    quiet = _quiet(change).astype(np.float32)
    if weights is not None:
        quiet *= weights
    return np.stack([_summed_by_block(values) for values in (quiet, level * quiet, noise**2 * quiet)])


def _separable(image: NDArray[np.float32], taps: Array) -> NDArray[np.float32]:
    filtered: NDArray[np.float32] = correlate1d(correlate1d(image, taps, axis=0), taps, axis=1)
    return filtered


def _summed_by_block(image: NDArray[np.float32]) -> Array:
    """Sum (Y, X) over blocks, leaving out the outermost pixels, where the mask reaches beyond the frame."""
    rows, columns = (image.shape[0] - 2) // BLOCK_PX, (image.shape[1] - 2) // BLOCK_PX
    inner = image[1 : 1 + rows * BLOCK_PX, 1 : 1 + columns * BLOCK_PX]
    blocks = inner.reshape(rows, BLOCK_PX, columns, BLOCK_PX)
    return np.asarray(blocks.sum(axis=(1, 3), dtype=np.float64).reshape(-1))


def _quiet(change: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Tell the pixels (Y, X) around which the light has not changed from one frame to the next."""
    quiet = np.ones(change.shape, dtype=bool)
    covered = uniform_filter(change, _MASK_PX) * _MASK_PX**2
    for side in _SURROUNDING_PX:
        surrounding = uniform_filter(change, side) * side**2 - covered
        for tile in noise_tiles(change.shape):
            around = surrounding[tile]
            # Relative to the tile: neither a lamp's flicker nor a brighter region's noise is a change.
            deviation = np.abs(around - np.median(around))
            quiet[tile] &= deviation <= _LARGEST_CHANGE * 1.4826 * np.median(deviation)
    return quiet


def noise_tiles(shape: tuple[int, ...]) -> list[tuple[slice, ...]]:
    """Cut an image into tiles of about 32 x 32 pixels."""
    cuts = [
        np.linspace(0, length, max(1, round(length / _TILE_PX)) + 1).round().astype(int) for length in shape
    ]
    return [
        (slice(top, bottom), slice(left, right))
        for top, bottom in zip(cuts[0][:-1], cuts[0][1:], strict=True)
        for left, right in zip(cuts[1][:-1], cuts[1][1:], strict=True)
    ]
