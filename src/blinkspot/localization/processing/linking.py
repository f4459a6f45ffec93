"""Which localizations of successive frames are one molecule.

A molecule is open while it may still be found again. In each frame, localizations and open molecules whose
distance is within the limit are paired, nearest pair first, each at most once. The outcome of that is unique,
and is found here by deferred acceptance (Gale and Shapley 1962, Am. Math. Mon.), in which a localization asks
for the nearest molecule that would rather have it than what it holds; so memory does not grow with the number
of pairs. A molecule stands where the precision-weighted mean of its localizations so far lies.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blinkspot.localization._compiling import compiled
from blinkspot.localization.processing.ordering import FrameOrder, order_by_frame
from blinkspot.localization.table import LocalizationTable
from blinkspot.paced import gathered, in_parts
from blinkspot.progress import Progress, Stopwatch

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_LARGEST_TABLE_OF_CELLS = 2**20


@dataclass(frozen=True)
class LinkLimits:
    """When a localization may be a molecule that is open.

    Attributes
    ----------
    radius_nm : float
        Greatest distance.
    uncertainties : float
        Greatest distance also in units of sqrt(u_l^2 + u_m^2), with the uncertainty of the localization and
        that of the molecule's mean position (of independent localizations); infinite: no such limit.
    dark_frames : int
        Most frames in between in which it is not found.
    longest_frames : int
        Most frames from a molecule's first to its last; 0: no limit.
    """

    radius_nm: float
    uncertainties: float
    dark_frames: int
    longest_frames: int


@dataclass(frozen=True)
class Links:
    """Molecules, and the rows of a table that are theirs.

    Attributes
    ----------
    rows : ndarray of int64, shape (n,)
        Rows of the table, molecule by molecule, by frame within each.
    starts : ndarray of int64, shape (molecules + 1,)
        Molecule i has ``rows[starts[i]:starts[i + 1]]``. Molecules are in the order of their first
        localization: by frame, then x.
    """

    rows: IntArray
    starts: IntArray

    @property
    def n_molecules(self) -> int:
        """Number of molecules."""
        return len(self.starts) - 1


def localizations_in(table: LocalizationTable) -> FloatArray:
    """Return how many localizations each row stands for, shape (n,); of shape (0,) where each is one."""
    if "detections" not in table.data.columns:
        return np.empty(0)
    detections = table.column("detections")
    return np.where((detections > 0) & np.isfinite(detections), detections, 1.0)


def usable_uncertainties(uncertainty: FloatArray, localizations: FloatArray) -> FloatArray:
    """Return uncertainties to weigh by.

    What is no number above 0 becomes the median of the others, else 1: each for one localization, so that a
    row that stands for n of them has 1 / sqrt(n) of it.

    Parameters
    ----------
    uncertainty : ndarray, shape (n,)
    localizations : ndarray
        As :func:`localizations_in` gives it.
    """
    known = (uncertainty > 0) & np.isfinite(uncertainty)
    if known.all():
        return uncertainty
    roots = np.sqrt(localizations) if len(localizations) else np.ones(1)
    of_one = (uncertainty * roots)[known]
    return np.where(known, uncertainty, (np.median(of_one) if len(of_one) else 1.0) / roots)


def link(
    table: LocalizationTable, limits: LinkLimits, clock: Stopwatch, done: tuple[float, float]
) -> Generator[Progress, None, Links]:
    """Find the localizations that are one molecule.

    Independent of the order of the table's rows, save that of rows that agree in frame, position, uncertainty
    and photons.
    """
    ordered, linked = done[0] + (done[1] - done[0]) * np.array([0.3, 0.8])
    order = yield from order_by_frame(table, clock, (done[0], ordered))
    molecule, n_molecules = yield from _molecules(table, order, limits, clock, (ordered, linked))
    sizes = np.bincount(molecule, minlength=n_molecules)
    yield clock.at(linked)
    starts = np.zeros(n_molecules + 1, dtype=np.int64)
    np.cumsum(sizes, out=starts[1:])
    yield clock.at(linked)
    rows, filled = np.empty(len(table), dtype=np.int64), starts[:-1].copy()

    def gather(part: slice) -> None:
        _gather(order.rows, molecule, part.start, part.stop, filled, rows)

    yield from in_parts(gather, len(table), clock, (linked, done[1]))
    return Links(rows, starts)


def _molecules(
    table: LocalizationTable,
    order: FrameOrder,
    limits: LinkLimits,
    clock: Stopwatch,
    done: tuple[float, float],
) -> Generator[Progress, None, tuple[IntArray, int]]:
    """Return the molecule of each row, in the order of frames, and the number of molecules."""
    tracks = yield from _tracks(table, order, limits, clock, done[0])

    def advance(part: slice) -> None:
        _advance(
            order.starts,
            part.start,
            part.stop,
            tracks.frame,
            tracks.x,
            tracks.y,
            tracks.weight,
            tracks.molecule,
            tracks.first_frame,
            tracks.successor,
            tracks.heads,
            tracks.after,
            tracks.count,
            limits.radius_nm,
            limits.uncertainties,
            limits.dark_frames,
            limits.longest_frames,
        )

    yield from in_parts(advance, order.n_frames, clock, done, at_first=16)
    return tracks.molecule, int(tracks.count[0])


@dataclass(frozen=True)
class _Tracks:
    """What linking works on; rows in the order of frames.

    A row's position and weight are its own until its frame has been linked, and then those of its molecule up
    to this row. A row without a successor is its molecule's last one so far. The rows that may still get one
    hang in lists, one list for all cells of the plane that share a place in ``heads``.
    """

    frame: IntArray
    x: FloatArray
    y: FloatArray
    weight: FloatArray
    molecule: IntArray
    first_frame: IntArray
    successor: IntArray
    heads: IntArray
    after: IntArray
    count: IntArray


def _tracks(
    table: LocalizationTable, order: FrameOrder, limits: LinkLimits, clock: Stopwatch, done: float
) -> Generator[Progress, None, _Tracks]:
    """Return the state before the first frame."""
    n = len(table)
    open_at_once = n / max(1, order.n_frames) * (limits.dark_frames + 2)
    wanted = min(4 * open_at_once, n + 1, _LARGEST_TABLE_OF_CELLS)
    n_cells = 2 ** int(np.ceil(np.log2(max(2.0, wanted))))
    uncertainty = usable_uncertainties(table.column("uncertainty_nm"), localizations_in(table))
    weight = np.empty(n)

    def weigh(part: slice) -> None:
        weight[part] = 1.0 / uncertainty[order.rows[part]] ** 2

    yield from in_parts(weigh, n, clock, (done, done))
    frame = yield from gathered(table.column("frame"), order.rows, clock, done)
    x = yield from gathered(table.column("x_nm"), order.rows, clock, done)
    y = yield from gathered(table.column("y_nm"), order.rows, clock, done)
    return _Tracks(
        frame=frame,
        x=x,
        y=y,
        weight=weight,
        molecule=np.empty(n, dtype=np.int64),
        first_frame=np.empty(n, dtype=np.int64),
        successor=np.empty(n, dtype=np.int64),
        heads=np.full(n_cells, -1, dtype=np.int64),
        after=np.empty(n, dtype=np.int64),
        count=np.zeros(1, dtype=np.int64),
    )


@compiled
def _cell(x: float, y: float, n_cells: int) -> int:
    """Return the place of a cell in a table of ``n_cells``, a power of two (Teschner 2003)."""
    return int(((np.int64(x) * 73856093) ^ (np.int64(y) * 19349663)) & (n_cells - 1))


@compiled
def _nearest(
    row: int,
    begin: int,
    frame: IntArray,
    x: FloatArray,
    y: FloatArray,
    weight: FloatArray,
    first_frame: IntArray,
    successor: IntArray,
    heads: IntArray,
    after: IntArray,
    radius_nm: float,
    uncertainties: float,
    dark_frames: int,
    longest_frames: int,
) -> int:
    """Return the nearest open molecule that ``row``, of the frame that begins at ``begin``, may have, or -1.

    On the way, molecules that are no longer open are taken out of their lists.
    """
    best, best_distance = -1, np.inf
    for cell_x in (-1, 0, 1):
        for cell_y in (-1, 0, 1):
            place = _cell(
                np.floor(x[row] / radius_nm) + cell_x, np.floor(y[row] / radius_nm) + cell_y, len(heads)
            )
            before, track = -1, heads[place]
            while track >= 0:
                following = after[track]
                holder = successor[track]
                if (
                    0 <= holder < begin
                    or frame[row] - frame[track] - 1 > dark_frames
                    or (longest_frames > 0 and frame[row] - first_frame[track] + 1 > longest_frames)
                ):
                    if before < 0:
                        heads[place] = following
                    else:
                        after[before] = following
                    track = following
                    continue
                dx, dy = x[row] - x[track], y[row] - y[track]
                distance = dx * dx + dy * dy
                allowed = radius_nm * radius_nm
                if np.isfinite(uncertainties):
                    variance = 1.0 / weight[row] + 1.0 / weight[track]
                    allowed = min(allowed, uncertainties * uncertainties * variance)
                if distance <= allowed and (
                    distance < best_distance or (distance == best_distance and track < best)
                ):
                    wanted = True
                    if holder >= 0:
                        dx, dy = x[holder] - x[track], y[holder] - y[track]
                        held = dx * dx + dy * dy
                        wanted = distance < held or (distance == held and row < holder)
                    if wanted:
                        best, best_distance = track, distance
                before, track = track, following
    return best


@compiled
def _advance(
    starts: IntArray,
    first: int,
    last: int,
    frame: IntArray,
    x: FloatArray,
    y: FloatArray,
    weight: FloatArray,
    molecule: IntArray,
    first_frame: IntArray,
    successor: IntArray,
    heads: IntArray,
    after: IntArray,
    count: IntArray,
    radius_nm: float,
    uncertainties: float,
    dark_frames: int,
    longest_frames: int,
) -> None:
    """Link the localizations of frames ``first`` to ``last`` with the molecules that are open."""
    for number in range(first, last):
        begin, end = starts[number], starts[number + 1]
        track_of = np.full(end - begin, -1, dtype=np.int64)
        for start in range(begin, end):
            asking = start
            while asking >= 0:
                track = _nearest(
                    asking,
                    begin,
                    frame,
                    x,
                    y,
                    weight,
                    first_frame,
                    successor,
                    heads,
                    after,
                    radius_nm,
                    uncertainties,
                    dark_frames,
                    longest_frames,
                )
                track_of[asking - begin] = track
                if track < 0:
                    break
                turned_away = successor[track]
                successor[track] = asking
                asking = turned_away
        for row in range(begin, end):
            track = track_of[row - begin]
            if track < 0:
                molecule[row], first_frame[row] = count[0], frame[row]
                count[0] += 1
            else:
                molecule[row], first_frame[row] = molecule[track], first_frame[track]
                own = weight[row]
                weight[row] += weight[track]
                x[row] = x[track] + (x[row] - x[track]) * own / weight[row]
                y[row] = y[track] + (y[row] - y[track]) * own / weight[row]
            successor[row] = -1
            place = _cell(np.floor(x[row] / radius_nm), np.floor(y[row] / radius_nm), len(heads))
            after[row] = heads[place]
            heads[place] = row


@compiled
def _gather(
    order: IntArray, molecule: IntArray, first: int, last: int, filled: IntArray, rows: IntArray
) -> None:
    """Put rows ``first`` to ``last`` of the order where their molecule's next row belongs."""
    for place in range(first, last):
        rows[filled[molecule[place]]] = order[place]
        filled[molecule[place]] += 1
