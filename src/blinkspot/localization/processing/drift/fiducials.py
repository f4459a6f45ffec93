"""The drift from fiducials: marks that shine in nearly every frame and move with the sample."""

from __future__ import annotations

import warnings
from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from blinkspot.errors import BlinkspotError
from blinkspot.localization._compiling import compiled
from blinkspot.localization.processing.drift.curve import Drift, frames_of_movie
from blinkspot.localization.processing.drift.smoothing import smoothed
from blinkspot.localization.table import LocalizationTable
from blinkspot.progress import Progress, Stopwatch

FloatArray = NDArray[np.float64]

# Fiducials are looked for in so many frames in a row, within which the drift is small.
_WINDOW_FRAMES = 20
_SEEDING_FRAMES = 5
# A molecule may shine through a movie that is shorter, and drift of its own noise would be taken off.
LEAST_FRAMES = 100
# Of the way from where a fiducial was to where it is found, how much its expected place moves.
_FOLLOWED = 0.3
_ROUNDS = 20
# A fiducial that strays from the common drift by so many times its noise, and by so much, is left out.
_STRAY = 4.0
_TOLERATED_NM = 10.0
# What lies by so many times a track's noise from the median of so many frames is not the fiducial.
_SPIKE = 6.0
_MEDIAN_FRAMES = 7
_MAD_OF_NORMAL = 0.6745
# What scatters by more than this part of the reach, and by so much, is whichever molecule shines within it:
# where there are up to a dozen in each frame, these do by 0.19 to 0.39 of it.
_LARGEST_NOISE = 0.2
_USUAL_NOISE_NM = 20.0
_LEAST_SCATTER_NM = 0.1


@dataclass(frozen=True)
class Tracked:
    """What fiducials tell.

    Attributes
    ----------
    drift : Drift
    places_nm : ndarray of float64, shape (n_fiducials, 2)
        Mean x and y of each, without the drift.
    presence : ndarray of float64, shape (n_fiducials,)
        Part of the frames in which each is found.
    scatter_nm : ndarray of float64, shape (n_fiducials,)
        RMS distance of each, per axis, from its place along the drift.
    uncertainty_nm : float
        RMS standard deviation of the drift, per axis.
    """

    drift: Drift
    places_nm: FloatArray
    presence: FloatArray
    scatter_nm: FloatArray
    uncertainty_nm: float


def drift_of_fiducials(
    table: LocalizationTable,
    positions_nm: Sequence[tuple[float, float]] = (),
    radius_nm: float = 200.0,
    least_presence: float = 0.8,
) -> Generator[Progress, None, Tracked]:
    """Find the drift from fiducials.

    Each is followed from frame to frame: it is the localization nearest to where it was last, within the
    radius. A fiducial's track is its place plus the drift plus noise; places and drift are the least-squares
    solution over all tracks, each with the weight of its noise, which shows in the differences between
    successive frames. A Kalman smoother lays the curve through, also across gaps.

    Parameters
    ----------
    table : LocalizationTable
    positions_nm : sequence of (x, y)
        Of the fiducials, at any time of the movie. None: they are looked for, in a movie of 100 frames or
        more; in a shorter one a molecule that goes on shining looks the same.
    radius_nm : float
        Greatest distance from a given position, and between one frame and the next.
    least_presence : float
        Part of the frames in which a fiducial must be found.

    Raises
    ------
    BlinkspotError
        If a position has no fiducial, none is found, what is found scatters as other molecules within the
        radius do, or the movie is too short to look for them.
    """
    if len(table) == 0:
        raise BlinkspotError("A table without molecules has no fiducials.")
    n_frames = frames_of_movie(table)
    if not len(positions_nm) and n_frames < LEAST_FRAMES:
        raise BlinkspotError(
            f"In {n_frames} frames a fiducial cannot be told from a molecule that goes on shining, for which "
            f"{LEAST_FRAMES} are needed: find the drift from the molecules, or say where the fiducials are "
            "(blinkspot drift --fiducials X,Y)."
        )
    order = np.argsort(table.column("frame"), kind="stable")
    frame = table.column("frame")[order]
    if frame[0] < 0:
        raise BlinkspotError(f"The table has the frame {frame[0]}: frames must be whole numbers from 0.")
    places = np.ascontiguousarray(np.stack([table.column(name)[order] for name in ("x_nm", "y_nm")], axis=1))
    starts = np.searchsorted(frame, np.arange(n_frames + 1))
    stopwatch = Stopwatch("following fiducials", 1.0)
    yield stopwatch.at(0.0)
    seeds = (
        _given(frame, places, positions_nm, radius_nm)
        if len(positions_nm)
        else _looked_for(frame, places, starts, radius_nm, least_presence)
    )
    tracks: list[FloatArray] = []
    followed: list[FloatArray] = []
    largest_noise_nm = max(_LARGEST_NOISE * radius_nm, _USUAL_NOISE_NM)
    n_loose = 0
    for number, (first, place) in enumerate(seeds):
        track = np.full((n_frames, 2), np.nan)
        _follow(starts, places, first, place[0], place[1], radius_nm, _FOLLOWED, track)
        presence = float(np.isfinite(track[:, 0]).mean())
        if presence >= least_presence:
            noise_nm = _noise_nm(track)
            if noise_nm > largest_noise_nm:
                if len(positions_nm):
                    x_nm, y_nm = positions_nm[number]
                    raise BlinkspotError(
                        f"What lies at x {x_nm:g}, y {y_nm:g} nm scatters by {noise_nm:.0f} nm from frame to "
                        f"frame, as other molecules within {radius_nm:g} nm do: leave it out, or give a "
                        "shorter reach, or a longer one if it is a dim bead."
                    )
                n_loose += 1
            elif not any(_is_same(track, other) for other in followed):
                followed.append(track)
                tracks.append(_without_spikes(track))
        elif len(positions_nm):
            x_nm, y_nm = positions_nm[number]
            raise BlinkspotError(
                f"What lies at x {x_nm:g}, y {y_nm:g} nm is found in only {100 * presence:.0f} % of the "
                "frames: leave it out, or ask for less presence."
            )
        yield stopwatch.at(0.9 * (number + 1) / len(seeds))
    if not tracks and n_loose:
        raise BlinkspotError(
            f"What is found within {radius_nm:g} nm in {100 * least_presence:.0f} % of the frames scatters "
            f"by more than {largest_noise_nm:.0f} nm from frame to frame: these are other molecules, and no "
            "fiducials; give a shorter reach, a longer one if they are dim beads, or find the drift from the "
            "molecules."
        )
    if not tracks:
        raise BlinkspotError(
            f"No fiducial is found in {100 * least_presence:.0f} % of the frames: give their positions, "
            "or find the drift from the molecules."
        )
    result = _common(np.stack(tracks))
    yield stopwatch.at(1.0)
    return result


def _given(
    frame: NDArray[np.int64],
    places: FloatArray,
    positions_nm: Sequence[tuple[float, float]],
    radius_nm: float,
) -> list[tuple[int, FloatArray]]:
    """Return, for each position, the first frame that has a localization there, and its place."""
    tree = cKDTree(places)
    seeds = []
    for x_nm, y_nm in positions_nm:
        near = np.array(tree.query_ball_point((x_nm, y_nm), radius_nm), dtype=np.int64)
        if len(near) == 0:
            raise BlinkspotError(
                f"Nothing lies within {radius_nm:g} nm of x {x_nm:g}, y {y_nm:g} nm: no fiducial is there."
            )
        near = near[frame[near] == frame[near].min()]
        nearest = near[np.argmin(np.hypot(*(places[near] - (x_nm, y_nm)).T))]
        seeds.append((int(frame[nearest]), places[nearest]))
    return seeds


def _looked_for(
    frame: NDArray[np.int64],
    places: FloatArray,
    starts: NDArray[np.int64],
    radius_nm: float,
    least_presence: float,
) -> list[tuple[int, FloatArray]]:
    """Return localizations with one nearby in nearly every frame of a stretch in the middle of the movie."""
    n_frames = len(starts) - 1
    begin = max((n_frames - _WINDOW_FRAMES) // 2, 0)
    end = min(begin + _WINDOW_FRAMES, n_frames)
    window = slice(int(starts[begin]), int(starts[end]))
    if window.start == window.stop:
        return []
    tree = cKDTree(places[window])
    seeds = []
    # A fiducial may be missing in a frame, but hardly in all of several.
    for first in range(begin, min(begin + _SEEDING_FRAMES, end)):
        for place in places[starts[first] : starts[first + 1]]:
            near = tree.query_ball_point(place, radius_nm)
            if len(np.unique(frame[window][near])) >= least_presence * (end - begin):
                seeds.append((first, place))
    return seeds


def _without_spikes(track: FloatArray) -> FloatArray:
    """Return a track without what was caught in place of the fiducial where that was dark.

    That is far from the median of the frames around it (Hampel's filter: Davies & Gather 1993, Journal of the
    American Statistical Association 88:782), as no place before, at or after a jump is.
    """
    half = _MEDIAN_FRAMES // 2
    padded = np.pad(track, ((half, half), (0, 0)), constant_values=np.nan)
    around = np.lib.stride_tricks.sliding_window_view(padded, _MEDIAN_FRAMES, axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # where nothing is found in any of them
        off = np.abs(track - np.nanmedian(around, axis=2))
    typical = np.nanmedian(off, axis=0) / _MAD_OF_NORMAL
    spikes = np.any(off > np.maximum(_SPIKE * typical, _TOLERATED_NM), axis=1, keepdims=True)
    return np.where(spikes, np.nan, track)


def _is_same(one: FloatArray, other: FloatArray) -> bool:
    """Tell whether two tracks hold the same localizations most of the time."""
    return float(np.mean(one[:, 0] == other[:, 0])) > 0.3


@compiled
def _follow(
    starts: NDArray[np.int64],
    places: FloatArray,
    first: int,
    x: float,
    y: float,
    radius: float,
    followed: float,
    track: FloatArray,
) -> None:
    """Set the places of one fiducial, from frame ``first`` to both ends; what is NaN there, stays."""
    for step in (1, -1):
        at_x, at_y = x, y
        frame = first
        while 0 <= frame < len(track):
            best = radius * radius
            for row in range(starts[frame], starts[frame + 1]):
                dx, dy = places[row, 0] - at_x, places[row, 1] - at_y
                if dx * dx + dy * dy <= best:
                    best = dx * dx + dy * dy
                    track[frame, 0], track[frame, 1] = places[row, 0], places[row, 1]
            if np.isfinite(track[frame, 0]):
                at_x += followed * (track[frame, 0] - at_x)
                at_y += followed * (track[frame, 1] - at_y)
            frame += step


def _common(tracks: FloatArray) -> Tracked:
    """Solve tracks of shape (n_fiducials, n_frames, 2), NaN where not found, for the drift they share."""
    while True:
        drift, places, variances = _solved(tracks)
        scatter = np.sqrt(np.nanmean((tracks - places[:, None] - drift) ** 2, axis=(1, 2)))
        excess = scatter / np.maximum(_STRAY * np.sqrt(variances.mean(axis=1)), _TOLERATED_NM)
        if excess.max() <= 1.0:
            break
        if len(tracks) < 3:
            raise BlinkspotError(
                "The two fiducials that are left do not move together: leave out the one that is loose."
            )
        tracks = np.delete(tracks, np.argmax(excess), axis=0)
    found = np.isfinite(tracks[..., 0])
    weights = (found[..., None] / variances[:, None]).sum(axis=0)
    curve, spread = np.empty_like(drift), np.empty_like(drift)
    with np.errstate(divide="ignore"):
        noise = 1.0 / weights
    for axis in range(2):
        curve[:, axis], spread[:, axis] = smoothed(drift[:, axis], noise[:, axis])
    places = np.nanmean(tracks - curve, axis=1)
    scatter = np.sqrt(np.nanmean((tracks - places[:, None] - curve) ** 2, axis=(1, 2)))
    return Tracked(
        Drift(curve[:, 0], curve[:, 1]).from_start(),
        places + curve[0],
        found.mean(axis=1),
        scatter,
        float(np.sqrt(spread.mean())),
    )


def _solved(tracks: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return drift (n_frames, 2; NaN where nothing is found), places (n, 2) and noise variances (n, 2)."""
    variances = _noise_variances(tracks)
    weights = np.isfinite(tracks) / variances[:, None]
    sums = weights.sum(axis=0)
    places = np.nanmean(tracks, axis=1)
    drift = np.zeros(tracks.shape[1:])
    for _ in range(_ROUNDS):
        with np.errstate(invalid="ignore"):
            drift = np.nansum(weights * (tracks - places[:, None]), axis=0) / sums
        places = np.nanmean(tracks - drift, axis=1)
    return drift, places, variances


def _noise_nm(track: FloatArray) -> float:
    """Return by how much a track (n_frames, 2) scatters from frame to frame along an axis, less its drift."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # where no two successive frames have it
        drift = np.nan_to_num(np.nanmedian(np.diff(track, axis=0), axis=0))
    still = track - drift * np.arange(len(track))[:, None]
    return float(np.sqrt(_noise_variances(still).mean()))


def _noise_variances(tracks: FloatArray) -> FloatArray:
    """Return how much tracks (..., n_frames, 2) scatter from frame to frame, nm^2, shape (..., 2)."""
    # The median of squared differences holds against jumps; 0.455 is that of chi squared with one freedom.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # where no two successive frames have it
        variances = np.nanmedian(np.diff(tracks, axis=-2) ** 2, axis=-2) / (2.0 * 0.455)
    known: FloatArray = np.where(np.isfinite(variances), np.maximum(variances, _LEAST_SCATTER_NM**2), 1.0)
    return known
