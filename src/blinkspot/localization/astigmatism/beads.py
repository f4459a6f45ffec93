"""Follow the beads of a stack that was focused through them."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from blinkspot.camera import Camera
from blinkspot.errors import BlinkspotError
from blinkspot.localization.detection import find_candidates
from blinkspot.localization.duplicates import without_duplicates
from blinkspot.localization.fitting.molecules import Fits, fit_molecules
from blinkspot.movies.stack import Stack
from blinkspot.progress import Progress, Stopwatch

FloatArray = NDArray[np.float64]

# A bead is far brighter than a molecule: a width is used where it is known this well, in parts of it.
LARGEST_RELATIVE_ERROR = 0.1
# A spot wider than this part of the window has too little background beside it.
WIDEST_SPOT_WINDOWS = 0.25
# Two maxima this close are one wide spot.
SAME_BEAD_PX = 3.0
DIM_PART = 0.1
FRAMES_READ_AT_ONCE = 8


@dataclass(frozen=True)
class BeadWidths:
    """Widths of beads in every frame; arrays of float64 and shape (beads, frames).

    Attributes
    ----------
    sigma_x_nm, sigma_y_nm : ndarray
        NaN where a width was not found, or not well enough.
    relative_error_x, relative_error_y : ndarray
        Predicted standard deviation of each width, in parts of it.
    """

    sigma_x_nm: FloatArray
    sigma_y_nm: FloatArray
    relative_error_x: FloatArray
    relative_error_y: FloatArray

    def __len__(self) -> int:
        return len(self.sigma_x_nm)

    def chosen(self, beads: NDArray[np.bool_]) -> BeadWidths:
        """Return the beads where ``beads``, of shape (beads,), is True."""
        return BeadWidths(
            self.sigma_x_nm[beads],
            self.sigma_y_nm[beads],
            self.relative_error_x[beads],
            self.relative_error_y[beads],
        )


@dataclass(frozen=True)
class MoleculeCounts:
    """How bright the molecules are that a calibration is for.

    Attributes
    ----------
    amplitude, background : float
        Counts of a molecule, and per pixel under it.
    """

    amplitude: float
    background: float


def compile_fits() -> None:
    """Have the fits compiled, where they are not yet."""
    picture = np.zeros((7, 7), dtype=np.float32)
    picture[3, 3] = 1.0
    candidates = find_candidates(picture, 1.0)
    fit_molecules(picture, candidates.rows, candidates.columns, elliptical=True)


def measure_beads(
    movie: Stack, camera: Camera, window_px: int, molecules: MoleculeCounts | None = None
) -> Generator[Progress, None, BeadWidths]:
    """Find the spots of the mean frame that stand alone, and fit their widths in every frame.

    Beads stay in place, so the mean frame shows each of them, whichever frame has it in focus.

    Parameters
    ----------
    movie : Stack
    camera : Camera
    window_px : int
        Side of the square that is fitted, odd.
    molecules : MoleculeCounts, optional
        Fit the beads as if they were as dim as these: scaled, on a background of theirs. A spot is no
        Gaussian, and the width that fits depends on how far its rings stand out.

    Yields
    ------
    Progress

    Returns
    -------
    BeadWidths
        Of all isolated spots whose widths are known in any frame.
    """
    clock = Stopwatch("looking for beads", movie.n_frames)
    total = np.zeros((movie.height, movie.width))
    for index, counts in _counts(movie, camera):
        yield clock.at(index)
        total += counts
    rows, columns = _isolated_spots((total / movie.n_frames).astype(np.float32), window_px)
    widths = np.full((4, len(rows), movie.n_frames), np.nan)
    clock = Stopwatch("fitting the beads", movie.n_frames)
    for index, counts in _counts(movie, camera):
        yield clock.at(index)
        fits = fit_molecules(
            counts, rows, columns, elliptical=True, window_px=window_px, initial_sigma_px=2.0
        )
        errors = np.sqrt([fits.variance_sigma_x / fits.sigma_x**2, fits.variance_sigma_y / fits.sigma_y**2])
        sigma = np.stack([fits.sigma_x, fits.sigma_y])
        if molecules is not None:
            sigma = _sigma_if_dim(counts, rows, columns, fits, window_px, molecules)
        good = (errors < LARGEST_RELATIVE_ERROR).all(axis=0)
        good &= (sigma < WIDEST_SPOT_WINDOWS * window_px).all(axis=0)
        good &= np.hypot(fits.x - columns[fits.candidate], fits.y - rows[fits.candidate]) < SAME_BEAD_PX
        widths[:2, fits.candidate[good], index] = sigma[:, good] * camera.pixel_size_nm
        widths[2:, fits.candidate[good], index] = errors[:, good]
    yield clock.at(movie.n_frames)
    return BeadWidths(*widths).chosen(np.isfinite(widths[0]).any(axis=1))


def _sigma_if_dim(
    counts: NDArray[np.float32],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    fits: Fits,
    window_px: int,
    molecules: MoleculeCounts,
) -> FloatArray:
    """Return the two widths, (2, n), of beads scaled to the light of molecules; NaN where none fits."""
    reach = window_px // 2
    windows = np.empty((len(fits), window_px, window_px), dtype=np.float32)
    for i, bead in enumerate(fits.candidate):
        top, left = rows[bead] - reach, columns[bead] - reach
        light = counts[top : top + window_px, left : left + window_px] - fits.background[i]
        windows[i] = light * (molecules.amplitude / fits.amplitude[i]) + molecules.background
    sigma = np.full((2, len(fits)), np.nan)
    again = fit_molecules(
        windows.reshape(-1, window_px),
        reach + window_px * np.arange(len(fits)),
        np.full(len(fits), reach),
        elliptical=True,
        window_px=window_px,
        initial_sigma_px=2.0,
    )
    sigma[:, again.candidate] = again.sigma_x, again.sigma_y
    return sigma


def _counts(movie: Stack, camera: Camera) -> Generator[tuple[int, NDArray[np.float32]], None, None]:
    for start in range(0, movie.n_frames, FRAMES_READ_AT_ONCE):
        frames: NDArray[Any] = movie.frames(start, min(start + FRAMES_READ_AT_ONCE, movie.n_frames))
        for index, frame in enumerate(frames, start):
            counts = camera.counts(frame)
            if not np.isfinite(counts).all():
                raise BlinkspotError(
                    f"Frame {index + 1} (counting from 1) of the bead stack holds NaN or infinite values: "
                    "mend or leave out that frame."
                )
            yield index, counts


def _isolated_spots(mean: NDArray[np.float32], window_px: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows and columns of the mean frame's spots that have no other spot in their window."""
    candidates = find_candidates(mean, 1.0)
    positions = np.column_stack([candidates.columns, candidates.rows]).astype(np.float64)
    own = without_duplicates(positions, candidates.strength, SAME_BEAD_PX)
    rows, columns, strength = candidates.rows[own], candidates.columns[own], candidates.strength[own]
    alone = np.ones(len(rows), dtype=np.bool_)
    pairs = cKDTree(positions[own]).query_pairs(window_px - 0.5, p=np.inf, output_type="ndarray")
    for one, other in (pairs.T, pairs[:, ::-1].T):
        # A spot that is far dimmer is noise beside a bead, or light that does not bend its fit.
        alone[one[strength[other] > DIM_PART * strength[one]]] = False
    reach = window_px // 2
    inside = (np.minimum(rows, columns) >= reach) & (rows < mean.shape[0] - reach)
    inside &= columns < mean.shape[1] - reach
    return rows[alone & inside], columns[alone & inside]
