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

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blinkspot.localization._compiling import compiled, one_of_many
from blinkspot.localization._copying import put

Float32Array = NDArray[np.float32]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_CENTRE, _NEAR, _FAR = np.float32(6 / 16), np.float32(4 / 16), np.float32(1 / 16)
# How far the pixels that are weighed together lie apart in k1, and with a zero between its taps.
_FINE, _COARSE = one_of_many(1), one_of_many(2)
# Pixels on either side that the wider smoothing looks at.
_MOST_REACH = 4
# Pixels of a row that are looked over at once for any that is high enough.
_STRETCH = 32
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

    rows: IntArray
    columns: IntArray
    strength: FloatArray

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
    pixels = np.ascontiguousarray(picture, dtype=np.float32)
    response, smooth = np.empty_like(pixels), np.empty_like(pixels)
    noise, _ = _filter(pixels, *_scratch(*pixels.shape), response, smooth)
    return response, smooth, noise


def find_candidates(picture: Float32Array, threshold: float) -> Candidates:
    """Find the local maxima of the wavelet filter's response in one frame; see :func:`find_in_frames`.

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
    return find_in_frames(picture[None], threshold)[1]


def find_in_frames(pictures: Float32Array, threshold: float) -> tuple[IntArray, Candidates]:
    """Find the local maxima of the wavelet filter's response, frame by frame.

    A candidate is exceeded by none of its 8 neighbours (fewer at the border) and its response is at least
    ``threshold * std(F1)``. Of pixels that touch and share one value, one is reported. The candidates at a
    higher threshold are those at a lower one whose strength reaches the higher.

    Parameters
    ----------
    pictures : ndarray of float32, shape (n, height, width)
        Frames in any unit.
    threshold : float
        In units of each frame's std(F1), above 0.

    Returns
    -------
    frames : ndarray of int64, shape (n_candidates,)
        Index of each candidate's frame, ascending.
    candidates : Candidates
    """
    frames, candidates, _ = _found(pictures, threshold, above_noise=False)
    return frames, candidates


def find_above_noise_in_frames(
    counts: Float32Array, smallest: float
) -> tuple[IntArray, Candidates, FloatArray]:
    """Find the local maxima of the filter's response that stand out from the noise of their own place.

    Parameters
    ----------
    counts : ndarray of float32, shape (n, height, width)
        Frames whose pixels have a variance equal to their mean.
    smallest : float
        Smallest response over the square root of V2 there, above 0.

    Returns
    -------
    frames : ndarray of int64, shape (n_candidates,)
        Index of each candidate's frame, ascending.
    candidates : Candidates
    ratio : ndarray of float64, shape (n_candidates,)
        The response over the square root of V2.
    """
    return _found(counts, smallest, above_noise=True)


def _found(
    pictures: Float32Array, smallest: float, *, above_noise: bool
) -> tuple[IntArray, Candidates, FloatArray]:
    pixels = np.ascontiguousarray(pictures, dtype=np.float32)
    most = len(pixels) * _most_maxima(*pixels.shape[1:])
    places, values = np.empty((3, most), dtype=np.int64), np.empty((2, most))
    n = _find(pixels, float(smallest), above_noise, *_scratch(*pixels.shape[1:]), places, values)
    # Copies, so that what was not needed is given back.
    frames, rows, columns = places[:, :n].copy()
    strength, ratio = values[:, :n].copy()
    return frames, Candidates(rows, columns, strength), ratio


def local_maxima(picture: Float32Array, minimum: float) -> tuple[IntArray, IntArray]:
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
    rows, columns = np.empty((2, _most_maxima(*picture.shape)), dtype=np.int64)
    n = _maxima(picture, minimum, np.zeros(picture.shape, dtype=np.bool_), rows, columns)
    return rows[:n], columns[:n]


def _most_maxima(height: int, width: int) -> int:
    """Return how many maxima a frame may have: none touches another."""
    return ((height + 1) // 2) * ((width + 1) // 2)


def _scratch(height: int, width: int) -> tuple[Float32Array, Float32Array, FloatArray]:
    """Return what :func:`_filter` needs to work in: a line, a picture with a border, sums of each column."""
    line = np.empty(width + 2 * _MOST_REACH, dtype=np.float32)
    return line, np.empty((height + 2 * _MOST_REACH) * width, dtype=np.float32), np.empty((3, width))


@compiled
def _weigh(line: Float32Array, spacing: int, target: Float32Array) -> None:
    """Weigh each pixel and those ``spacing`` and twice that before and behind it; the line holds them all."""
    n = target.size
    first, second, third = line[:n], line[spacing : spacing + n], line[2 * spacing : 2 * spacing + n]
    fourth, fifth = line[3 * spacing : 3 * spacing + n], line[4 * spacing : 4 * spacing + n]
    for i in range(n):
        target[i] = _CENTRE * third[i] + _NEAR * (second[i] + fourth[i]) + _FAR * (first[i] + fifth[i])


@compiled
def _smooth(
    source: Float32Array, spacing: int, line: Float32Array, between: Float32Array, target: Float32Array
) -> None:
    height, width = source.shape
    reach = 2 * spacing
    for y in range(height):
        line[:reach] = source[y, 0]
        put(source[y], line[reach : reach + width])
        line[reach + width : width + 2 * reach] = source[y, width - 1]
        _weigh(line, spacing, between[(y + reach) * width : (y + reach + 1) * width])
    end = (height + reach) * width
    for y in range(reach):
        put(between[reach * width : (reach + 1) * width], between[y * width : (y + 1) * width])
        put(between[end - width : end], between[end + y * width : end + (y + 1) * width])
    # One below the other, rows are a line whose pixels lie a width apart.
    _weigh(between, spacing * width, target.reshape(-1))


@compiled
def _add_finest(
    pixels: Float32Array, smooth: Float32Array, total: FloatArray, squares: FloatArray, largest: FloatArray
) -> None:
    """Add a row of the finest plane to the sums of its columns, which do not wait for one another."""
    for x in range(pixels.size):
        finest = np.float64(pixels[x] - smooth[x])
        total[x] += finest
        squares[x] += finest * finest
        size = abs(np.float64(pixels[x]))
        largest[x] = size if size > largest[x] else largest[x]


@compiled
def _subtract(minuend: Float32Array, subtrahend: Float32Array) -> None:
    for x in range(minuend.size):
        minuend[x] -= subtrahend[x]


@compiled
def _filter(
    picture: Float32Array,
    line: Float32Array,
    between: Float32Array,
    sums: FloatArray,
    response: Float32Array,
    smooth: Float32Array,
) -> tuple[float, float]:
    """Fill F and V2; return std(F1) and the largest absolute pixel. The rest is scratch space."""
    _smooth(picture, _FINE, line, between, response)
    _smooth(response, _COARSE, line, between, smooth)
    sums[:] = 0.0
    for y in range(picture.shape[0]):
        _add_finest(picture[y], response[y], sums[0], sums[1], sums[2])
        _subtract(response[y], smooth[y])
    mean = sums[0].sum() / picture.size
    # A max of 0 and NaN may be 0.
    variance = sums[1].sum() / picture.size - mean * mean
    return (0.0 if variance < 0.0 else math.sqrt(variance)), sums[2].max()


@compiled
def _find(
    pictures: Float32Array,
    smallest: float,
    above_noise: bool,
    line: Float32Array,
    between: Float32Array,
    sums: FloatArray,
    places: IntArray,
    values: FloatArray,
) -> int:
    """Fill frames, rows and columns, strengths and ratios; return how many candidates there are."""
    height, width = pictures.shape[1:]
    response, smooth = np.empty((height, width), np.float32), np.empty((height, width), np.float32)
    seen = np.zeros((height, width), dtype=np.bool_)
    n = 0
    for frame in range(pictures.shape[0]):
        noise, largest = _filter(pictures[frame], line, between, sums, response, smooth)
        # A flat frame, or one that is not finite.
        if not noise > ROUNDING * largest:
            continue
        minimum = ROUNDING * noise if above_noise else smallest * noise * (1.0 - ROUNDING)
        rows, columns = places[1, n:], places[2, n:]
        for i in range(_maxima(response, minimum, seen, rows, columns)):
            row, column = rows[i], columns[i]
            found = np.float64(response[row, column])
            strength = found / noise
            # In the dark, where V2 is nothing or less, a single count is the noise.
            ratio = found / math.sqrt(max(np.float64(smooth[row, column]), found))
            if (ratio if above_noise else strength) >= smallest:
                places[0, n], places[1, n], places[2, n] = frame, row, column
                values[0, n], values[1, n] = strength, ratio
                n += 1
    return n


@compiled
def _reaches(stretch: Float32Array, minimum: float) -> bool:
    n = 0
    for i in range(stretch.size):
        n += stretch[i] >= minimum
    return n > 0


@compiled
def _maxima(
    picture: Float32Array, minimum: float, seen: NDArray[np.bool_], rows: IntArray, columns: IntArray
) -> int:
    """Fill the maxima's places and return how many there are; ``seen`` holds False before and after."""
    height, width = picture.shape
    n = 0
    has_plateaus = False
    for y in range(height):
        for start in range(0, width, _STRETCH):
            stop = min(start + _STRETCH, width)
            if not _reaches(picture[y, start:stop], minimum):
                continue
            for x in range(start, stop):
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
                rows[n], columns[n] = y, x
                n += 1
                if level:
                    _see_plateau(picture, y, x, seen)
                    has_plateaus = True
    if has_plateaus:
        seen[:] = False
    return n


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
