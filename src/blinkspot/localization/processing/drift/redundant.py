"""Redundant cross-correlation: the drift from the shifts between all pairs of segments of a movie."""

from __future__ import annotations

import itertools
import math
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from blinkspot.errors import BlinkspotError
from blinkspot.localization.processing.drift.correlation import torus_for
from blinkspot.localization.processing.drift.curve import Drift
from blinkspot.progress import Progress, Stopwatch

FloatArray = NDArray[np.float64]

PIXEL_SIZE_NM = 25.0
BLUR_NM = 25.0
LARGEST_TORUS_PX = 1024
# Segments that are tried, the finest first.
SEGMENT_COUNTS = (20, 12, 7, 4)
MOST_SEGMENTS = 40
FEWEST_MOLECULES = 200
# Two shifts of one pair that differ by less agree.
AGREEMENT_NM = 75.0
# A peak that chance would hardly make: about one in a million places of even noise is as high.
LEAST_SCORE = 5.0
# Pairs that agree although they need not.
LEAST_EVIDENCE = 3
FEWEST_SEGMENTS = 4
_HOPELESS = (
    "The drift cannot be told from this table: its parts in time do not show the same structure ({why}). "
    "Use fiducials, more molecules, or leave the drift as it is."
)


@dataclass(frozen=True)
class Correlated:
    """What redundant cross-correlation found.

    Attributes
    ----------
    drift : Drift
    segment_frames : float
        Length of a segment.
    agreeing_fraction : float
        Part of the pairs of segments whose shift is that of the drift.
    residual_nm : float
        RMS per axis by which their shifts miss it.
    """

    drift: Drift
    segment_frames: float
    agreeing_fraction: float
    residual_nm: float


def redundant_cross_correlation(
    frame: NDArray[np.int64],
    x_nm: FloatArray,
    y_nm: FloatArray,
    n_frames: int,
    segment_frames: int | None = None,
    largest_shift_nm: float = 1000.0,
) -> Generator[Progress, None, Correlated]:
    """Find the drift from the shifts between all pairs of segments.

    Wang et al. 2014, Optics Express 22:15982: the shifts of all pairs are measured, the drift of the segments
    is their least-squares solution, pairs that miss it are left out, and a curve is laid through. Unless
    the length of a segment is given, the finest of several divisions is taken whose pairs agree.

    Parameters
    ----------
    frame, x_nm, y_nm : ndarray, shape (n,)
        Molecules.
    n_frames : int
        Frames of the movie.
    segment_frames : int, optional
    largest_shift_nm : float
        Between any two segments, along either axis.

    Raises
    ------
    BlinkspotError
        If there are too few molecules or frames, or the pairs do not agree on any drift.
    """
    if len(frame) < FEWEST_MOLECULES:
        raise BlinkspotError(
            f"The drift cannot be told from {len(frame)} molecules: at least {FEWEST_MOLECULES} are needed."
        )
    if segment_frames is None:
        counts = [count for count in SEGMENT_COUNTS if count * FEWEST_MOLECULES // 4 <= len(frame)]
        counts = [count for count in counts if count <= n_frames]
    else:
        counts = [math.ceil(n_frames / segment_frames)]
        if counts[0] > MOST_SEGMENTS:
            raise BlinkspotError(
                f"{n_frames} frames in segments of {segment_frames} make {counts[0]} segments, and at most "
                f"{MOST_SEGMENTS} are compared: give longer segments, or none."
            )
    if not counts or counts[0] < FEWEST_SEGMENTS:
        raise BlinkspotError(
            f"The drift cannot be told from {n_frames} frames in so few segments: "
            f"at least {FEWEST_SEGMENTS} are compared."
        )
    why = ""
    for count in counts:
        edges = np.linspace(0, n_frames, count + 1)
        found = yield from _try(frame, x_nm, y_nm, n_frames, edges, largest_shift_nm)
        if isinstance(found, Correlated):
            return found
        why = found
    raise BlinkspotError(_HOPELESS.format(why=why))


def _try(
    frame: NDArray[np.int64],
    x_nm: FloatArray,
    y_nm: FloatArray,
    n_frames: int,
    edges: FloatArray,
    largest_shift_nm: float,
) -> Generator[Progress, None, Correlated | str]:
    """Return the drift for one division of the movie, or words for why there is none."""
    count = len(edges) - 1
    pairs = list(itertools.combinations(range(count), 2))
    stopwatch = Stopwatch("correlating", count + len(pairs))
    yield stopwatch.at(0)
    torus = torus_for((float(np.ptp(x_nm)), float(np.ptp(y_nm))), PIXEL_SIZE_NM, BLUR_NM, LARGEST_TORUS_PX)
    reach_px = min(math.ceil(largest_shift_nm / torus.pixel_size_nm), torus.size_px // 2 - 1)
    segment = np.minimum(np.searchsorted(edges, frame, side="right") - 1, count - 1)
    smoothing = torus.smoothing()
    spectra, smooth_spectra, middles = [], [], np.empty(count)
    for number in range(count):
        chosen = segment == number
        spectrum = torus.spectrum(x_nm[chosen], y_nm[chosen])
        spectra.append(spectrum)
        smooth_spectra.append(spectrum * smoothing)
        middles[number] = (
            frame[chosen].mean() if chosen.any() else (edges[number] + edges[number + 1] - 1) / 2
        )
        yield stopwatch.at(number + 1)
    shifts, scores = np.empty((len(pairs), 2)), np.empty(len(pairs))
    for number, (one, other) in enumerate(pairs):
        peak = torus.peak(torus.correlation(spectra[one], smooth_spectra[other], reach_px))
        shifts[number], scores[number] = (peak.x_nm, peak.y_nm), peak.score
        yield stopwatch.at(count + number + 1)
    return _solved(np.array(pairs), shifts, scores, middles, n_frames, float(np.diff(edges)[0]))


def _solved(
    pairs: NDArray[np.int64],
    shifts: FloatArray,
    scores: FloatArray,
    middles: FloatArray,
    n_frames: int,
    segment_frames: float,
) -> Correlated | str:
    significant = scores > LEAST_SCORE
    places, agreeing = agreeing_places(pairs, shifts, len(middles), significant)
    free = len(middles) - 1
    if significant.sum() <= free:
        return "the correlations have no peak above chance"
    # As many pairs as there are unknowns always agree; only those beyond are evidence.
    if agreeing.sum() - free < max(LEAST_EVIDENCE, 0.5 * (significant.sum() - free)):
        return "the peaks of the correlations contradict each other"
    if not _joined(pairs[agreeing], len(middles)):
        return "some of them have too little in common with the rest"
    misses = (places[pairs[:, 1]] - places[pairs[:, 0]] - shifts)[agreeing]
    spare = agreeing.sum() / max(agreeing.sum() - free, 1)
    return Correlated(
        _through(middles, places, n_frames),
        segment_frames,
        float(agreeing.sum() / len(pairs)),
        float(np.sqrt(np.mean(misses**2) * spare)),
    )


def _through(middles: FloatArray, places: FloatArray, n_frames: int) -> Drift:
    """Lay a natural cubic spline through the places of segments, straight on beyond the first and last."""
    spline = CubicSpline(middles, places, bc_type="natural")
    frames = np.arange(n_frames)
    inside = np.clip(frames, middles[0], middles[-1])
    x_nm, y_nm = (spline(inside) + (frames - inside)[:, None] * spline(inside, 1)).T
    return Drift(x_nm, y_nm).from_start()


def agreeing_places(
    pairs: NDArray[np.int64], shifts: FloatArray, count: int, usable: NDArray[np.bool_]
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Solve for the places of segments whose shifts in pairs are known, some of them wrongly.

    Least squares, each time with weights that fall with a pair's miss (Geman-McClure) on a scale that
    shrinks to ``AGREEMENT_NM``: a few wrong pairs lose their say (Zhou, Park & Koltun 2016, ECCV, for the
    like in registration). Last, plain least squares over the pairs that agree.

    Parameters
    ----------
    pairs : ndarray of int, shape (m, 2)
    shifts : ndarray of float64, shape (m, 2)
        Place of a pair's second segment less that of its first.
    count : int
        Number of segments.
    usable : ndarray of bool, shape (m,)

    Returns
    -------
    places : ndarray of float64, shape (count, 2)
        The first is 0.
    agreeing : ndarray of bool, shape (m,)
    """
    matrix = np.zeros((len(pairs), count))
    matrix[np.arange(len(pairs)), pairs[:, 1]] = 1.0
    matrix[np.arange(len(pairs)), pairs[:, 0]] -= 1.0
    matrix = matrix[:, 1:]

    def places_for(weights: FloatArray) -> FloatArray:
        root = np.sqrt(weights)[:, None]
        solved = np.linalg.lstsq(matrix * root, shifts * root, rcond=None)[0]
        return np.concatenate([np.zeros((1, 2)), solved])

    def misses(places: FloatArray) -> FloatArray:
        off = places[pairs[:, 1]] - places[pairs[:, 0]] - shifts
        distance: FloatArray = np.hypot(off[:, 0], off[:, 1])
        return distance

    places = places_for(usable.astype(np.float64))
    scale = max(float(misses(places).max(initial=0.0)), AGREEMENT_NM)
    while True:
        places = places_for(usable / (1.0 + (misses(places) / scale) ** 2) ** 2)
        if scale <= AGREEMENT_NM / 2:
            break
        scale /= 1.4
    agreeing = usable & (misses(places) < AGREEMENT_NM)
    places = places_for(agreeing.astype(np.float64))
    return places, agreeing


def _joined(pairs: NDArray[np.int64], count: int) -> bool:
    """Tell whether pairs join all of ``count`` segments, each of which is in two of them or more."""
    if np.bincount(pairs.ravel(), minlength=count).min() < 2:
        return False
    reached = {0}
    for _ in range(count):
        for one, other in pairs.tolist():
            if one in reached or other in reached:
                reached |= {one, other}
    return len(reached) == count
