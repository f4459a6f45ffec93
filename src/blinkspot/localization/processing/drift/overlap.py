"""The drift frame by frame: each frame is laid onto all the others, until all lie as well as they can."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from blinkspot.localization._compiling import compiled
from blinkspot.localization.processing.drift.curve import Drift
from blinkspot.localization.processing.drift.smoothing import smoothed
from blinkspot.paced import waited_for
from blinkspot.progress import Progress, Stopwatch

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Added to the standard deviations of the molecules, stage by stage.
WIDENING_NM = (30.0, 15.0)
MOST_ROUNDS = 20
# From here on half steps, lest two curves take turns.
HALVED_FROM = 9
# A round that changes no frame by more than this, or by this part of the uncertainty, is the last.
SETTLED_NM = 0.05
SETTLED_PART = 0.2
# Pairs further apart than so many standard deviations of their distance are left out.
CUTOFF = 3.0
# Chance of a molecule to belong to no structure.
ASTRAY = 0.05
# Pairs looked at in one round; where there are more, the molecules laid onto are a random part of all.
MOST_PAIRS = 30e6
MOST_BINS = 20_000
MOST_CELLS_ACROSS = 2000
# Molecules between two progress values.
_CHUNK_PAIRS = 5e5
_SMALLEST_PRECISION_NM = 2.0


@dataclass(frozen=True)
class Overlapped:
    """What the alignment found.

    Attributes
    ----------
    drift : Drift
    uncertainty_nm : float
        RMS standard deviation of the drift, per axis, as the scatter of the molecules tells it.
    rounds : int
    settled : bool
        Whether the last round changed next to nothing.
    """

    drift: Drift
    uncertainty_nm: float
    rounds: int
    settled: bool


@dataclass(frozen=True)
class _Molecules:
    frame: IntArray
    x_nm: FloatArray
    y_nm: FloatArray
    variance_nm2: FloatArray


def maximize_overlap(
    frame: IntArray,
    x_nm: FloatArray,
    y_nm: FloatArray,
    precision_nm: FloatArray,
    start: Drift,
) -> Generator[Progress, None, Overlapped]:
    """Refine a drift that is right to some 30 nm.

    The likelihood of a molecule is a sum of Gaussians around all molecules of other frames, each as wide as
    both are uncertain (Cnossen et al. 2021, Optics Express 29:27961, minimize the entropy of such a sum);
    molecules that belong to nothing have an even density. In each round the slope and the curvature of the
    logarithm of the likelihood with respect to a frame's drift give a reading of that drift, and of its
    variance; a Kalman smoother (:func:`smoothed`) lays the curve through the readings. The Gaussians begin
    wide and shrink.

    Parameters
    ----------
    frame, x_nm, y_nm : ndarray, shape (n,)
        Molecules.
    precision_nm : ndarray of float64, shape (n,)
        Standard deviations of their positions along an axis.
    start : Drift
    """
    n_frames = len(start)
    every = -(-n_frames // MOST_BINS)
    n_bins = -(-n_frames // every)
    bins = frame // every
    middles = np.minimum(np.arange(n_bins) * every + (every - 1) / 2, n_frames - 1)
    curve = np.stack(
        [np.interp(middles, np.arange(n_frames), values) for values in (start.x_nm, start.y_nm)], axis=1
    )
    precision_nm = np.maximum(precision_nm, _SMALLEST_PRECISION_NM)
    stopwatch = Stopwatch("aligning", MOST_ROUNDS)
    settled, uncertainty_nm, rounds = False, math.inf, 0
    for rounds in range(1, MOST_ROUNDS + 1):
        widening = WIDENING_NM[rounds - 1] if rounds <= len(WIDENING_NM) else 0.0
        yield stopwatch.at(rounds - 1)
        placed = _Molecules(
            bins, x_nm - curve[bins, 0], y_nm - curve[bins, 1], precision_nm**2 + widening**2 / 2.0
        )
        readings, variances = yield from _readings(placed, n_bins, stopwatch, rounds - 1)
        before, curve, spread = curve, np.empty_like(curve), np.empty_like(curve)
        for axis in range(2):
            smooth = partial(smoothed, before[:, axis] + readings[:, axis], variances[:, axis])
            curve[:, axis], spread[:, axis] = yield from waited_for(smooth, stopwatch, rounds)
        if rounds >= HALVED_FROM:
            curve = (curve + before) / 2.0
        curve -= curve[0]
        uncertainty_nm = float(np.sqrt(spread.mean()))
        change = curve - before
        greatest_nm = float(np.abs(change - change.mean(axis=0)).max())
        settled = greatest_nm < max(SETTLED_NM, SETTLED_PART * uncertainty_nm)
        if settled and rounds > len(WIDENING_NM):
            break
    yield stopwatch.at(MOST_ROUNDS)
    return Overlapped(
        Drift.through(middles, curve[:, 0], curve[:, 1], n_frames).from_start(),
        uncertainty_nm,
        rounds,
        settled,
    )


def _readings(
    placed: _Molecules, n_bins: int, stopwatch: Stopwatch, done: int
) -> Generator[Progress, None, tuple[FloatArray, FloatArray]]:
    """Return how far each bin of frames should still move, and the variance of that: shape (n_bins, 2)."""
    cells, targets, pairs = yield from waited_for(lambda: _sorted(placed), stopwatch, done)
    n = len(placed.frame)
    area_nm2 = float(np.ptp(placed.x_nm) * np.ptp(placed.y_nm)) or 1.0
    even = ASTRAY / (1.0 - ASTRAY) * len(targets.frame) / area_nm2
    slopes, curvatures = np.empty((n, 2)), np.empty((n, 3))
    chunk = max(1, int(n * _CHUNK_PAIRS / max(pairs, _CHUNK_PAIRS)))
    for first in range(0, n, chunk):
        last = min(first + chunk, n)
        _pull(
            cells.frame,
            cells.x_nm,
            cells.y_nm,
            cells.variance_nm2,
            cells.cell,
            first,
            last,
            targets.frame,
            targets.x_nm,
            targets.y_nm,
            targets.variance_nm2,
            targets.starts,
            cells.columns,
            CUTOFF,
            even,
            slopes,
            curvatures,
        )
        yield stopwatch.at(done + 0.95 * last / n)
    # How much a molecule tells on average depends on the structure, not on the frame.
    mean = curvatures.mean(axis=0)
    information = np.array([[mean[0], mean[1]], [mean[1], mean[2]]])
    scatter = slopes.T @ slopes / n
    values, vectors = np.linalg.eigh(information)
    trace = float(np.trace(scatter))
    floor = max(1e-3 * trace, 1e-12)
    inverse = (vectors / np.maximum(values, floor)) @ vectors.T
    counts = np.bincount(cells.frame, minlength=n_bins).astype(np.float64)
    sums = np.stack([np.bincount(cells.frame, slopes[:, axis], n_bins) for axis in range(2)], axis=1)
    with np.errstate(divide="ignore"):
        readings = -(sums @ inverse) / np.maximum(counts, 1.0)[:, None]
        # What is read scatters as the slopes do, whatever the curvature says (White 1982, Econometrica 50:1).
        variances = np.diag(inverse @ scatter @ inverse)[None, :] / counts[:, None]
    return readings, variances


def _sorted(placed: _Molecules) -> tuple[_Cells, _Cells, float]:
    """Return all molecules in cells, those that they are laid onto, and about how many pairs to look at."""
    widest_nm = float(np.quantile(np.sqrt(placed.variance_nm2), 0.9))
    cells = _Cells.of(placed, CUTOFF * math.sqrt(2.0) * widest_nm)
    pairs = cells.expected_pairs()
    if pairs <= MOST_PAIRS:
        return cells, cells, pairs
    share = np.random.default_rng(0).random(len(placed.frame)) < MOST_PAIRS / pairs
    part = _Molecules(placed.frame[share], placed.x_nm[share], placed.y_nm[share], placed.variance_nm2[share])
    return cells, _Cells.of(part, cells.size_nm, cells), MOST_PAIRS


@dataclass(frozen=True)
class _Cells:
    """Molecules sorted by the square cells that they lie in.

    A wide field is folded, so that one molecule far away does not ask for millions of empty cells: what lies
    in one cell then need not be near.

    Attributes
    ----------
    cell : ndarray of int64, shape (n,)
        Number of each molecule's cell; an empty cell goes around the sample.
    starts : ndarray of int64, shape (rows * columns + 1,)
        Where each cell's molecules begin.
    """

    frame: IntArray
    x_nm: FloatArray
    y_nm: FloatArray
    variance_nm2: FloatArray
    cell: IntArray
    starts: IntArray
    columns: int
    size_nm: float
    corner: tuple[float, float]

    @classmethod
    def of(cls, molecules: _Molecules, size_nm: float, like: _Cells | None = None) -> _Cells:
        """Sort molecules; into the cells of ``like`` where it is given."""
        x_nm, y_nm = molecules.x_nm, molecules.y_nm
        if like is None:
            corner = float(x_nm.min()), float(y_nm.min())
            columns, rows = (
                int(min((values.max() - start) / size_nm, MOST_CELLS_ACROSS)) + 3
                for values, start in zip((x_nm, y_nm), corner, strict=True)
            )
        else:
            corner, columns, rows = like.corner, like.columns, (len(like.starts) - 1) // like.columns
        column = ((x_nm - corner[0]) / size_nm).astype(np.int64) % (columns - 2) + 1
        row = ((y_nm - corner[1]) / size_nm).astype(np.int64) % (rows - 2) + 1
        cell = row * columns + column
        order = np.argsort(cell, kind="stable")
        cell = cell[order]
        starts = np.searchsorted(cell, np.arange(rows * columns + 1))
        return cls(
            molecules.frame[order],
            x_nm[order],
            y_nm[order],
            molecules.variance_nm2[order],
            cell,
            starts,
            columns,
            size_nm,
            corner,
        )

    def expected_pairs(self) -> float:
        """Return how many pairs lie in the same or neighbouring cells."""
        counts = np.diff(self.starts).reshape(-1, self.columns).astype(np.float64)
        across = counts.copy()
        across[:, 1:] += counts[:, :-1]
        across[:, :-1] += counts[:, 1:]
        around = across.copy()
        around[1:] += across[:-1]
        around[:-1] += across[1:]
        return float((counts * around).sum())


@compiled
def _pull(
    frame: IntArray,
    x: FloatArray,
    y: FloatArray,
    variance: FloatArray,
    cell: IntArray,
    first: int,
    last: int,
    other_frame: IntArray,
    other_x: FloatArray,
    other_y: FloatArray,
    other_variance: FloatArray,
    starts: IntArray,
    columns: int,
    cutoff: float,
    even: float,
    slopes: FloatArray,
    curvatures: FloatArray,
) -> None:
    """Set slope and negative curvature of the logarithm of each molecule's density, at its position.

    ``slopes``: (d/dx, d/dy); ``curvatures``: minus (d2/dx2, d2/dxdy, d2/dy2).
    """
    reach = cutoff * cutoff
    for i in range(first, last):
        total, u, v, uu, uv, vv, inverse = even, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for above in (-columns, 0, columns):
            row = cell[i] + above
            for j in range(starts[row - 1], starts[row + 2]):
                if other_frame[j] == frame[i]:
                    continue
                s = 1.0 / (variance[i] + other_variance[j])
                dx, dy = other_x[j] - x[i], other_y[j] - y[i]
                q = (dx * dx + dy * dy) * s
                if q > reach:
                    continue
                weight = np.exp(-0.5 * q) * s * 0.15915494309189535
                dx, dy = dx * s, dy * s
                total += weight
                u += weight * dx
                v += weight * dy
                inverse += weight * s
                uu += weight * dx * dx
                uv += weight * dx * dy
                vv += weight * dy * dy
        u, v = u / total, v / total
        inverse /= total
        slopes[i, 0], slopes[i, 1] = u, v
        curvatures[i, 0] = inverse - uu / total + u * u
        curvatures[i, 1] = u * v - uv / total
        curvatures[i, 2] = inverse - vv / total + v * v
