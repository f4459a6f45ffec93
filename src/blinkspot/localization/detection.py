"""Where molecules may be: the wavelet filter and its local maxima.

The filter is the undecimated B-spline wavelet transform of order 3 and scale 2, ThunderSTORM's default
(Izeddin et al. 2012, Optics Express 20:2081; Ovesny et al. 2014, Bioinformatics 30:2389)::

    V1 = I  smoothed by k1 = [1, 4, 6, 4, 1] / 16 along x and y
    V2 = V1 smoothed by k1 with a zero between its taps
    F  = V1 - V2          the finest noise is gone, and the background: molecules stay
    F1 = I  - V1          mostly noise: its standard deviation is the unit of the threshold

Where pixels are counts, V2 also tells the noise of each place: its square root.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blinkspot.localization._compiling import compiled

Float32Array = NDArray[np.float32]

# A finest plane below this part of the largest pixel is rounding of 32-bit numbers, not noise.
ROUNDING = 1e-6


@dataclass(frozen=True)
class Candidates:
    """Pixels of one frame where a molecule may be, in reading order.

    Attributes
    ----------
    rows, columns : ndarray of int64, shape (n,)
        The pixels.
    strength : ndarray of float64, shape (n,)
        The filter's response F at the pixel, in units of the frame's std(F1).
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    strength: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.rows)


def wavelet_filter(picture: Float32Array) -> tuple[Float32Array, Float32Array, float]:
    """Filter one frame; borders are replicated.

    Parameters
    ----------
    picture : ndarray of float32, shape (height, width)
        A frame in any unit.

    Returns
    -------
    response : ndarray of float32, shape (height, width)
        F = V1 - V2, in the unit of the picture.
    smooth : ndarray of float32, shape (height, width)
        V2, in the unit of the picture.
    noise : float
        std(F1), in the unit of the picture; NaN where the picture holds a value that is not finite.
    """
    response, smooth, noise = _wavelet_filter(np.ascontiguousarray(picture, dtype=np.float32))
    return response, smooth, float(noise)


def find_candidates(picture: Float32Array, threshold: float) -> Candidates:
    """Find the local maxima of the wavelet filter's response.

    A candidate is exceeded by none of its 8 neighbours (fewer at the border) and its response is at least
    ``threshold * std(F1)``. Of pixels that touch and share one value, one is reported. The candidates at a
    higher threshold are those at a lower one whose strength reaches the higher.

    Parameters
    ----------
    picture : ndarray of float32, shape (height, width)
        A frame in any unit.
    threshold : float
        In units of the frame's std(F1), above 0.

    Returns
    -------
    Candidates
        None at all where the picture is flat.
    """
    response, _, noise = wavelet_filter(picture)
    if _is_flat(picture, noise):
        return _nothing()
    rows, columns = local_maxima(response, threshold * noise * (1.0 - ROUNDING))
    strength = response[rows, columns].astype(np.float64) / noise
    strong = strength >= threshold
    return Candidates(rows[strong], columns[strong], strength[strong])


def find_above_noise(counts: Float32Array, smallest: float) -> tuple[Candidates, NDArray[np.float64]]:
    """Find the local maxima of the filter's response that stand out from the noise of their own place.

    Parameters
    ----------
    counts : ndarray of float32, shape (height, width)
        A frame whose pixels have a variance equal to their mean.
    smallest : float
        Smallest response over the square root of V2 there, above 0.

    Returns
    -------
    candidates : Candidates
    ratio : ndarray of float64, shape (n,)
        The response over the square root of V2.
    """
    response, smooth, noise = wavelet_filter(counts)
    if _is_flat(counts, noise):
        return _nothing(), np.empty(0)
    rows, columns = local_maxima(response, ROUNDING * noise)
    found = response[rows, columns].astype(np.float64)
    # In the dark, where V2 is nothing or less, a single count is the noise.
    level = np.maximum(smooth[rows, columns].astype(np.float64), found)
    ratio = found / np.sqrt(level)
    strong = ratio >= smallest
    return Candidates(rows[strong], columns[strong], found[strong] / noise), ratio[strong]


def _is_flat(picture: Float32Array, noise: float) -> bool:
    return not noise > ROUNDING * float(np.abs(picture).max())


def _nothing() -> Candidates:
    nothing = np.empty(0, dtype=np.int64)
    return Candidates(nothing, nothing, np.empty(0))


def local_maxima(picture: Float32Array, minimum: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the pixels of at least ``minimum`` that no neighbour exceeds, one of each plateau.

    Parameters
    ----------
    picture : ndarray of float32, shape (height, width)
    minimum : float
        In the unit of the picture.

    Returns
    -------
    rows, columns : ndarray of int64, shape (n,)
        In reading order.
    """
    marked = np.zeros(picture.shape, dtype=np.bool_)
    _mark_maxima(picture, minimum, marked)
    # Many times faster than to look for them along two axes.
    rows, columns = np.divmod(np.flatnonzero(marked), picture.shape[1])
    return rows, columns


@compiled
def _smooth(source: Float32Array, spacing: int, between: Float32Array, target: Float32Array) -> None:
    height, width = source.shape
    reach = 2 * spacing
    line = np.empty(width + 2 * reach, dtype=np.float32)
    centre, near, far = np.float32(6 / 16), np.float32(4 / 16), np.float32(1 / 16)
    for y in range(height):
        line[:reach] = source[y, 0]
        line[reach : reach + width] = source[y]
        line[reach + width :] = source[y, width - 1]
        for x in range(width):
            between[y, x] = (
                centre * line[x + reach]
                + near * (line[x + spacing] + line[x + 3 * spacing])
                + far * (line[x] + line[x + 2 * reach])
            )
    for y in range(height):
        above, below = max(y - spacing, 0), min(y + spacing, height - 1)
        top, bottom = max(y - reach, 0), min(y + reach, height - 1)
        for x in range(width):
            target[y, x] = (
                centre * between[y, x]
                + near * (between[above, x] + between[below, x])
                + far * (between[top, x] + between[bottom, x])
            )


@compiled
def _wavelet_filter(picture: Float32Array) -> tuple[Float32Array, Float32Array, float]:
    between = np.empty_like(picture)
    first = np.empty_like(picture)
    second = np.empty_like(picture)
    _smooth(picture, 1, between, first)
    _smooth(first, 2, between, second)
    total = 0.0
    for y in range(picture.shape[0]):
        for x in range(picture.shape[1]):
            total += picture[y, x] - first[y, x]
    mean = total / picture.size
    squares = 0.0
    for y in range(picture.shape[0]):
        for x in range(picture.shape[1]):
            squares += (picture[y, x] - first[y, x] - mean) ** 2
            first[y, x] -= second[y, x]
    return first, second, np.sqrt(squares / picture.size)


@compiled
def _mark_maxima(picture: Float32Array, minimum: float, marked: NDArray[np.bool_]) -> None:
    height, width = picture.shape
    seen = np.zeros((height, width), dtype=np.bool_)
    for y in range(height):
        for x in range(width):
            value = picture[y, x]
            # Written so that NaN is no maximum.
            if not value >= minimum or seen[y, x]:
                continue
            exceeded = False
            level = False
            for v in range(max(y - 1, 0), min(y + 2, height)):
                for u in range(max(x - 1, 0), min(x + 2, width)):
                    exceeded |= picture[v, u] > value
                    level |= picture[v, u] == value and (v != y or u != x)
            if exceeded:
                continue
            marked[y, x] = True
            if level:
                _see_plateau(picture, y, x, seen)


@compiled
def _see_plateau(picture: Float32Array, row: int, column: int, seen: NDArray[np.bool_]) -> None:
    height, width = picture.shape
    value = picture[row, column]
    waiting = [(row, column)]
    seen[row, column] = True
    while len(waiting) > 0:
        y, x = waiting.pop()
        for v in range(max(y - 1, 0), min(y + 2, height)):
            for u in range(max(x - 1, 0), min(x + 2, width)):
                if picture[v, u] == value and not seen[v, u]:
                    seen[v, u] = True
                    waiting.append((v, u))
