"""Where ThunderSTORM looks for molecules.

Its wavelet filter has the planes of :mod:`blinkspot.localization.detection`, but another border. The frame is
extended by half the longer kernel, each border pixel repeated, and both smoothings take the extended frame as
surrounded by zeros. The second plane is darker along the border by that.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from blinkspot.localization._compiling import compiled, one_of_many
from blinkspot.localization.detection import ROUNDING, Candidates

Float32Array = NDArray[np.float32]

# How far the pixels that are weighed together lie apart, at either scale.
_FINE, _COARSE = one_of_many(1), one_of_many(2)
# Half the longer kernel: the part of the extended frame that is repeated, and of the zeros around it.
MARGIN = 4


def wavelet_filter(pixels: Float32Array) -> tuple[Float32Array, float]:
    """Filter one frame as ThunderSTORM does.

    Parameters
    ----------
    pixels : ndarray of float32, shape (height, width)
        A frame in any unit.

    Returns
    -------
    response : ndarray of float32, shape (height, width)
        F = V1 - V2, in the unit of the frame.
    noise : float
        std(F1) of F1 = I - V1, in the unit of the frame.
    """
    response, noise = _wavelet_filter(np.ascontiguousarray(pixels, dtype=np.float32))
    return response, float(noise)


def find_candidates(pixels: Float32Array, threshold: float = 1.0, border_px: int = 3) -> Candidates:
    """Find the local maxima of the filter's response, in ThunderSTORM's order: column by column.

    A candidate is exceeded by none of its 8 neighbours and reaches ``threshold * std(F1)``. Of pixels that
    touch and share one value, all are reported.

    Parameters
    ----------
    pixels : ndarray of float32, shape (height, width)
        A frame in any unit.
    threshold : float
        In units of the frame's std(F1), above 0.
    border_px : int
        Pixels along the border that are left out, at least 1.

    Returns
    -------
    Candidates
        None at all where the frame is flat. (ThunderSTORM then takes every pixel.)
    """
    response, noise = wavelet_filter(pixels)
    if not noise > ROUNDING * float(np.abs(pixels).max()):
        nothing = np.empty(0, dtype=np.int64)
        return Candidates(nothing, nothing, np.empty(0))
    marked = np.zeros(response.shape, dtype=np.bool_)
    _mark_maxima(response, float(np.float32(threshold * noise)), border_px, marked)
    columns, rows = (np.ascontiguousarray(indices) for indices in np.nonzero(marked.T))
    return Candidates(rows, columns, response[rows, columns].astype(np.float64) / noise)


@compiled
def _smoothed(source: Float32Array, spacing: int) -> Float32Array:
    """Smooth along y, then along x, with the outer ``MARGIN`` pixels left at zero."""
    height, width = source.shape
    between = np.zeros_like(source)
    target = np.zeros_like(source)
    centre, near, far = np.float32(6 / 16), np.float32(4 / 16), np.float32(1 / 16)
    wide = 2 * spacing
    for y in range(MARGIN, height - MARGIN):
        for x in range(MARGIN, width - MARGIN):
            between[y, x] = (
                centre * source[y, x]
                + near * (source[y - spacing, x] + source[y + spacing, x])
                + far * (source[y - wide, x] + source[y + wide, x])
            )
    for y in range(MARGIN, height - MARGIN):
        for x in range(MARGIN, width - MARGIN):
            target[y, x] = (
                centre * between[y, x]
                + near * (between[y, x - spacing] + between[y, x + spacing])
                + far * (between[y, x - wide] + between[y, x + wide])
            )
    return target


@compiled
def _wavelet_filter(pixels: Float32Array) -> tuple[Float32Array, float]:
    height, width = pixels.shape
    extended = np.zeros((height + 4 * MARGIN, width + 4 * MARGIN), dtype=np.float32)
    for y in range(-MARGIN, height + MARGIN):
        for x in range(-MARGIN, width + MARGIN):
            nearest = pixels[min(max(y, 0), height - 1), min(max(x, 0), width - 1)]
            extended[y + 2 * MARGIN, x + 2 * MARGIN] = nearest
    first = _smoothed(extended, _FINE)
    second = _smoothed(first, _COARSE)
    response = np.empty_like(pixels)
    finest = np.empty_like(pixels)
    total = 0.0
    for y in range(height):
        for x in range(width):
            smooth = first[y + 2 * MARGIN, x + 2 * MARGIN]
            response[y, x] = smooth - second[y + 2 * MARGIN, x + 2 * MARGIN]
            finest[y, x] = pixels[y, x] - smooth
            total += finest[y, x]
    mean = total / pixels.size
    squares = 0.0
    for y in range(height):
        for x in range(width):
            squares += (finest[y, x] - mean) ** 2
    return response, np.sqrt(squares / pixels.size)


@compiled
def _mark_maxima(picture: Float32Array, minimum: float, border_px: int, marked: NDArray[np.bool_]) -> None:
    height, width = picture.shape
    for y in range(border_px, height - border_px):
        for x in range(border_px, width - border_px):
            value = picture[y, x]
            if not value >= minimum:
                continue
            exceeded = False
            for v in range(y - 1, y + 2):
                for u in range(x - 1, x + 2):
                    exceeded |= picture[v, u] > value
            marked[y, x] = not exceeded
