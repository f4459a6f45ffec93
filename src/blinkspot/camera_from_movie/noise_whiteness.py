"""Whether a movie's noise is white: independent from pixel to pixel, and from frame to frame.

A blind-spot network removes what a pixel's neighbours do not foretell. Noise that they share, in a movie that
was interpolated, resized or compressed, it keeps as if that were signal. The difficulty is that neighbours
share molecules too. What tells them apart:

- The difference of two successive frames holds neither what stands still nor a camera's fixed pattern.
- A microscope passes next to nothing that alternates from pixel to pixel, but noise alternates. Along one
  axis only that is kept: an eighth difference leaves 0.4 % of the power of a spot of sigma 1.06 px. Along the
  *other* axis, where nothing was filtered, the correlation is measured. Where the spectrum of the noise is a
  product S(u, v) = S(u) S(v), as after interpolating, resizing or smoothing along one axis and then the
  other, its cut at high v is proportional to S(u), and so holds the whole autocorrelation along u.
- Of each tile the quieter pixels are used. For a correlation along a row these are the ones around which
  columns have changed least. The choice sees squares of sums down columns, so it stays the same when a
  column's change is the other way round. White noise is as likely to be so: hence neither such a choice nor a
  clip at a symmetric limit can make the mean product of two columns differ from zero.

Correlation in time is measured likewise, between the changes of two successive frames over the same number of
frames; there only what alternates along both axes is kept (the mask of
:mod:`blinkspot.camera_from_movie.background_noise`).

Compression in blocks of 8 x 8 pixels rounds the coefficients of each block's cosine transform. Where it
rounds noise away, what is left may be white by its autocorrelation and yet not independent within a block.
It shows in the transforms of blocks that are cut just so: they are smaller than those of any other cut.

Two things are not told apart. Noise that is smooth along both axes at once, on top of white noise, passes for
light. Light that changes everywhere in every frame, by more than some five times the noise and without a
quiet place, may pass for correlated noise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn
from scipy.ndimage import correlate1d, gaussian_filter1d, uniform_filter1d

from blinkspot.camera_from_movie.background_noise import noise_tiles
from blinkspot.movies.checks import SMALLEST_SIDE_PX, check_finite
from blinkspot.movies.stack import Stack

Array = NDArray[np.float64]

LARGEST_LAG_PX = 4
LARGEST_BLIND_SPOT_RADIUS_PX = 2
# Below it four neighbours foretell less than 1 % of a pixel's noise; molecules can pass for 0.03.
SMALLEST_CORRELATION = 0.05
_SURE = 4.0  # standard errors

_SPAN_FRAMES = 5
_MOST_SPANS = 16
_LARGEST_WINDOW_PX = 256
# What can be worked through in half a second.
_SAMPLE_PIXELS = 1 << 19

_QUIET_SHARE = 0.3
_SPOT_SIGMA_PX = 1.2
_SURROUNDING_PX = 5
_CLIP = 3.0  # standard deviations
# No more of the power than this is put down to rounding.
_LARGEST_ROUNDING_SHARE = 0.75

_BLOCK_PX = 8
_BLOCKS_WINDOW_PX = 17 * _BLOCK_PX - 1
# Sum of the orders of two cosines: where compression rounds coarsely and molecules have no power.
_HIGH_ORDER = 6
_SMALLEST_SHRINKAGE = 0.01


def _difference(order: int) -> Array:
    """Return the taps of a difference of even order, of unit norm."""
    taps = np.ones(1)
    for _ in range(order // 2):
        taps = np.convolve(taps, [1.0, -2.0, 1.0])
    return taps / np.linalg.norm(taps)


_ACROSS = _difference(8)
_BOTH_WAYS = _difference(2)


@dataclass(frozen=True, eq=False)
class NoiseCorrelation:
    """How the noise of a pixel goes with that of its neighbours.

    Attributes
    ----------
    spatial : ndarray, (9, 9) float64
        Autocorrelation of the noise: ``spatial[4 + dy, 4 + dx]``, 1 in the centre. Measured along the two
        axes; elsewhere the product of the two (see the module).
    error : ndarray, (9, 9) float64
        Its standard error; infinite where the movie does not tell.
    temporal : float
        Correlation of the noise of a pixel in one frame and in the next.
    temporal_error : float
        Its standard error; infinite where the movie does not tell.
    in_blocks : bool
        Whether frames were compressed in blocks of 8 x 8 pixels, so far that noise was lost.
    """

    spatial: Array
    error: Array
    temporal: float
    temporal_error: float
    in_blocks: bool

    @property
    def reach_px(self) -> int:
        """Largest distance along an axis, 0 to 4 pixels, at which the noise is surely correlated."""
        return max(_reach(values, errors) for values, errors in self._axes.values())

    @property
    def blind_spot_radius_px(self) -> int:
        """Radius r of a hole of (2 r + 1) x (2 r + 1) pixels beyond which the noise is white; up to 2.

        0 where it is white. Where it reaches farther than 2 pixels, :attr:`description` says so.
        """
        reach = LARGEST_LAG_PX if self.in_blocks else self.reach_px
        return min(reach, LARGEST_BLIND_SPOT_RADIUS_PX)

    @property
    def is_shared_in_time(self) -> bool:
        """Whether successive frames surely share noise: as context, they would tell a frame its own."""
        return bool(_is_sure(self.temporal, self.temporal_error))

    @property
    def description(self) -> str | None:
        """What the noise looks like and what to do, in one sentence; None where it is white or unknown."""
        found = self.finding
        return found and f"{found}; a denoiser keeps what is shared: {self._remedy()}."

    @property
    def finding(self) -> str | None:
        """What the noise looks like, a sentence without its full stop; None where it is white or unknown."""
        found, causes = [], []
        if self.in_blocks:
            found.append("is tied together within blocks of 8 x 8 pixels")
            causes.append("JPEG or video compression")
        if self.reach_px:
            found.append(f"is correlated between neighbouring pixels {self._amounts()}")
            if not self.in_blocks:
                causes.append(self._spatial_cause())
        if self.is_shared_in_time:
            found.append(f"is correlated by {self.temporal:.0%} between successive frames")
            causes.append("averaging or repeating frames")
        if not found:
            return None
        return f"The noise {' and '.join(found)}, as from {' and '.join(causes)}"

    @property
    def _axes(self) -> dict[str, tuple[Array, Array]]:
        """Correlations, and their errors, at distances of 1 to 4 pixels along a row and along a column."""
        on, off = LARGEST_LAG_PX, slice(LARGEST_LAG_PX + 1, None)
        return {
            "row": (self.spatial[on, off], self.error[on, off]),
            "column": (self.spatial[off, on], self.error[off, on]),
        }

    @property
    def _stripes(self) -> str | None:
        """The axis along which noise is shared at all distances, where it is not along the other."""
        row, column = (values for values, _ in self._axes.values())
        for name, along, across in (("row", row, column), ("column", column, row)):
            if along.min() > max(SMALLEST_CORRELATION, 0.5 * along.max(), 2.0 * np.abs(across).max()):
                return name
        return None

    def _amounts(self) -> str:
        """Word the largest correlation along each axis that has one."""
        return " and ".join(
            f"by {values[np.argmax(np.abs(values))]:.0%} along {name}s"
            for name, (values, errors) in self._axes.items()
            if _reach(values, errors)
        )

    def _spatial_cause(self) -> str:
        if self._stripes:
            return f"a readout that shifts each {self._stripes} as a whole"
        if self.reach_px > 1:
            return "enlarging, smoothing or smooth interpolation"
        if all(_reach(values, errors) for values, errors in self._axes.values()):
            return "interpolation (drift correction, registration) or smoothing"
        return "interpolation along one axis or charge that a register leaves behind"

    def _remedy(self) -> str:
        training = []
        radius = self.blind_spot_radius_px
        if radius:
            # Blocks and stripes go on beyond the widest hole, and so does what was enlarged more than twice.
            partly = ", which helps in part" if self.in_blocks or self.reach_px > radius else ""
            training.append(f"with a blind spot of {2 * radius + 1} x {2 * radius + 1} pixels{partly}")
        if self.is_shared_in_time:
            training.append("without neighbouring frames as context")
        is_striped = self._stripes and not self.in_blocks
        stripeless = f"subtract from each {self._stripes} of each frame its median"
        better = stripeless if is_striped else "use the movie as the camera recorded it"
        return f"{better}, or train {' and '.join(training)}"


def noise_correlation(movie: Stack) -> NoiseCorrelation:
    """Measure how the noise of neighbouring pixels and frames goes together.

    Up to 16 spans of five frames spread over the movie are read; of large frames a window of up to 256 x 256
    pixels is used that wanders over the field. With a and b the filtered noise of two pixels (see the module)
    the correlation is sum(a b) / sum((a^2 + b^2) / 2). Under white noise the products a b depend on one
    another only where a filter has mixed the same pixels: its standard error is sqrt(c sum((a b)^2)) over the
    same power, with c the sum of squares of the filtered noise's autocorrelation. Rounding to steps adds
    white noise of step^2 / 12 to each pixel (Sheppard), which is taken off the power: it hides smooth noise.

    Parameters
    ----------
    movie : Stack
        A movie that passes :func:`~blinkspot.movies.checks.check_movie`.

    Returns
    -------
    NoiseCorrelation
        White, with infinite errors, where the movie does not tell: it is a single frame, its frames are
        smaller than 16 pixels, or nothing changes. For correlation in time it takes four frames.

    Raises
    ------
    BlinkspotError
        If a frame that is read holds values that are not finite.
    """
    along_rows = along_columns = np.zeros((4, LARGEST_LAG_PX))
    in_time = np.zeros((4, 1))
    changes = []
    for frames, step in _spans(movie):
        for earlier in range(0, len(frames), 2):
            change = frames[earlier + 1] - frames[earlier]
            along_rows = along_rows + _sums_along_rows(change, step)
            along_columns = along_columns + _sums_along_rows(change.T, step)
        changes.append((frames[1] - frames[0])[:_BLOCKS_WINDOW_PX, :_BLOCKS_WINDOW_PX])
        if len(frames) == 4:
            in_time = in_time + _sums_in_time(frames, step)
    itself = np.ones(1)
    axes = [_coefficients(sums, _dependence(_ACROSS, itself)) for sums in (along_columns, along_rows)]
    columns, rows = (np.concatenate([values[::-1], itself, values]) for values, _ in axes)
    down, along = (np.concatenate([errors[::-1], 0.0 * itself, errors]) for _, errors in axes)
    # An infinite error of what is 0 is unknown all the same.
    with np.errstate(invalid="ignore"):
        error = np.hypot(np.multiply.outer(down, rows), np.multiply.outer(columns, along))
    # Noise that is correlated in space alone must not seem sure to be so in time.
    dependence = _dependence(_BOTH_WAYS, rows) * _dependence(_BOTH_WAYS, columns)
    (temporal,), (temporal_error,) = _coefficients(in_time, dependence)
    return NoiseCorrelation(
        np.multiply.outer(columns, rows),
        np.where(np.isnan(error), np.inf, error),
        float(temporal),
        float(temporal_error),
        _is_in_blocks(changes),
    )


def _is_sure(values: Array | float, errors: Array | float) -> NDArray[np.bool_]:
    """Tell the correlations that are large enough to matter, and not by chance."""
    return np.asarray(np.abs(values) >= np.maximum(SMALLEST_CORRELATION, _SURE * np.asarray(errors)))


def _reach(values: Array, errors: Array) -> int:
    """Return the largest distance with a sure correlation, of those at distances from 1; 0 if none is."""
    return int(np.max(np.flatnonzero(_is_sure(values, errors)) + 1, initial=0))


def _spans(movie: Stack) -> Iterator[tuple[Array, float]]:
    """Read frames 0, 1, 3 and 4 of spans of the movie, (4, h, w) with 1 the largest value, and their step.

    Of a movie of two or three frames the first two are read, of one of four frames all.
    """
    if movie.n_frames < 2 or min(movie.height, movie.width) < SMALLEST_SIDE_PX:
        return
    last = min(movie.n_frames, _SPAN_FRAMES) - 1
    offsets = np.array([0, 1, last - 1, last] if last >= 3 else [0, 1])
    window_pixels = min(movie.height, _LARGEST_WINDOW_PX) * min(movie.width, _LARGEST_WINDOW_PX)
    number = max(1, min(_MOST_SPANS, _SAMPLE_PIXELS // window_pixels, movie.n_frames // _SPAN_FRAMES))
    starts = np.linspace(0, movie.n_frames - 1 - last, number).round().astype(int)
    rests = ((length - _LARGEST_WINDOW_PX) // _BLOCK_PX for length in (movie.height, movie.width))
    tops, lefts = (np.linspace(0, max(0, rest), number).round().astype(int) * _BLOCK_PX for rest in rests)
    # Half-way round in one axis, so that the windows do not keep to a diagonal.
    for start, top, left in zip(starts, tops, np.roll(lefts, number // 2), strict=True):
        frames = movie.selected(start + offsets)
        check_finite(movie, start + offsets, frames)
        window = frames[:, top:, left:][:, :_LARGEST_WINDOW_PX, :_LARGEST_WINDOW_PX].astype(np.float64)
        largest = np.abs(window).max()
        if largest > 0:
            yield window / largest, _step(window) / largest


def _step(frames: Array) -> float:
    """Return the step between the whole numbers that pixels hold; 0 where they hold others."""
    change = np.abs(frames[1] - frames[0])
    if change.max() >= 2**53 or (change != np.rint(change)).any():
        return 0.0
    return float(np.gcd.reduce(change.astype(np.int64), axis=None))


def _sums_along_rows(change: Array, step: float) -> Array:
    """Return the sums of :func:`_sums` over pixels 1 to 4 apart along the rows of a change (Y, X): (4, 4)."""
    beyond = len(_ACROSS) // 2
    noise = correlate1d(change, _ACROSS, axis=0)[beyond:-beyond]
    down_columns = gaussian_filter1d(change, _SPOT_SIGMA_PX, axis=0)[beyond:-beyond]
    quiet = _quiet_noise(noise, uniform_filter1d(down_columns**2, _SURROUNDING_PX, axis=1), step)
    pairs = [(quiet[:, :, :-lag], quiet[:, :, lag:]) for lag in range(1, LARGEST_LAG_PX + 1)]
    return np.stack([_sums(first, second) for first, second in pairs], axis=1)


def _sums_in_time(frames: Array, step: float) -> Array:
    """Return the sums of :func:`_sums` over the changes from frames 0 and 1 to frames 3 and 4: (4, 1)."""
    changes = frames[2:] - frames[:2]
    noise = correlate1d(correlate1d(changes, _BOTH_WAYS, axis=1), _BOTH_WAYS, axis=2)
    smooth = gaussian_filter1d(gaussian_filter1d(changes, _SPOT_SIGMA_PX, axis=1), _SPOT_SIGMA_PX, axis=2)
    # A sum of squares: it stays the same when either change is the other way round.
    activity = np.sum(smooth**2, axis=0)
    first, second = (_quiet_noise(image, activity, step) for image in noise)
    return _sums(first, second)[:, np.newaxis]


def _quiet_noise(noise: Array, activity: Array, step: float) -> Array:
    """Choose the quieter pixels of each tile, and bring their noise to unit scale.

    Parameters
    ----------
    noise : ndarray, (Y, X)
        A change between two frames, filtered by taps of unit norm.
    activity : ndarray, (Y, X)
        How much has changed around each pixel; 0 where nothing was recorded (a filled-in border, say).
    step : float
        Step between grey values; 0 if there is none.

    Returns
    -------
    ndarray, (3, Y, X)
        Of chosen pixels the clipped noise, 1, and the variance that rounding has added; else 0.
    """
    chosen = np.zeros((3, *noise.shape))
    for tile in noise_tiles(noise.shape):
        active = activity[tile][activity[tile] > 0]
        if not active.size:
            continue
        rank = int(_QUIET_SHARE * (active.size - 1))
        quiet = (activity[tile] > 0) & (activity[tile] <= np.partition(active, rank)[rank])
        values = noise[tile][quiet]
        # The mean magnitude of a Gaussian is sqrt(2 / pi) standard deviations.
        scale = np.sqrt(np.pi / 2.0) * np.abs(values).mean()
        if scale > 0:
            chosen[0][tile][quiet] = np.clip(values / scale, -_CLIP, _CLIP)
            chosen[1][tile][quiet] = 1.0
            # A change is a difference of two values, each rounded.
            chosen[2][tile][quiet] = step**2 / 6.0 / scale**2
    return chosen


def _sums(first: Array, second: Array) -> Array:
    """Return sums over pairs of pixels: a b, (a b)^2, (a^2 + b^2) / 2, and rounding's part of that: (4,)."""
    product = first[0] * second[0]
    both = first[1] * second[1]
    power = (first[0] ** 2 + second[0] ** 2) / 2.0
    rounding = (first[2] + second[2]) / 2.0
    return np.array([product.sum(), np.sum(product**2), np.sum(power * both), np.sum(rounding * both)])


def _dependence(taps: Array, autocorrelation: Array) -> float:
    """Return the sum of squares of the autocorrelation that noise has after a filter, along one axis."""
    filtered = np.convolve(np.correlate(taps, taps, "full"), autocorrelation)
    return float(np.sum(filtered**2) / filtered[len(filtered) // 2] ** 2)


def _coefficients(sums: Array, dependence: float) -> tuple[Array, Array]:
    """Return correlations and their standard errors, each (K,), by sums (4, K)."""
    product, square, power, rounding = sums
    power = np.maximum(power - rounding, (1.0 - _LARGEST_ROUNDING_SHARE) * power)
    is_told = power > 0
    power = np.where(is_told, power, 1.0)
    errors = np.where(is_told, np.sqrt(dependence * square) / power, np.inf)
    return np.clip(product / power, -1.0, 1.0), errors


def _is_in_blocks(changes: list[Array]) -> bool:
    """Tell whether cosine transforms of blocks (8 x 8) are smaller at one position of their grid alone.

    Noise that differs from column to column, repeating after 8, makes a difference between eight positions,
    twofold enlarging between odd and even ones: neither singles out one of the 64.
    """
    if not changes:
        return False
    # Whole blocks, at whichever position.
    down, along = ((length - _BLOCK_PX + 1) // _BLOCK_PX for length in changes[0].shape)
    limits = [_CLIP * np.abs(change).mean() for change in changes]
    clipped = np.stack([change.clip(-limit, limit) for change, limit in zip(changes, limits, strict=True)])
    high = np.add.outer(np.arange(_BLOCK_PX), np.arange(_BLOCK_PX)) >= _HIGH_ORDER
    sizes = []
    for top, left in np.ndindex(_BLOCK_PX, _BLOCK_PX):
        cut = clipped[:, top : top + _BLOCK_PX * down, left : left + _BLOCK_PX * along]
        blocks = cut.reshape(-1, down, _BLOCK_PX, along, _BLOCK_PX)
        sizes.append(np.abs(dctn(blocks, axes=(2, 4), norm="ortho")).mean(axis=(0, 1, 3))[high].mean())
    least, next_to_least = np.sort(sizes)[:2]
    # A mean of K independent magnitudes of a Gaussian is known to 0.76 / sqrt(K) of itself.
    chance = 0.76 / np.sqrt(len(changes) * down * along * np.count_nonzero(high))
    return bool(next_to_least - least > max(_SMALLEST_SHRINKAGE, _SURE * chance) * np.median(sizes))
