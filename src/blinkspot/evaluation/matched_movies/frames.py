"""Simulated movies whose molecules and background are those found in a denoised movie.

A molecule keeps its width and, frame by frame, the photons that were found, at one place for all its frames,
moved by up to half a pixel so that it does not fall on the pixels as it did. Only molecules that stand alone
are kept. The background is what the denoised movie shows beside the molecules found: of each frame, smoothed
widely; and what stays through all frames, smoothed by the width of a molecule, for a background with a
structure as fine as that pulls fits aside.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from blinkspot.camera import Camera
from blinkspot.evaluation.forward_model import recorded_adu, spots_image

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
# 0 before the first frame.
_Sum = FloatArray | float

# Beyond the reach of a fit and of its neighbour's light.
_ALONE_SIGMAS = 6.0
_SMOOTHED_SIGMAS = 4.0
_STRUCTURE_SIGMAS = 1.0
_LEAST_BACKGROUND = 1e-3
_LEAST_PHOTONS = 1e-3


def standing_alone(
    rows: pd.DataFrame, molecule: IntArray, context_frames: int, random: np.random.Generator
) -> NDArray[np.bool_]:
    """Choose molecules, at random, none of which has another one near it in any frame that shows it.

    Parameters
    ----------
    rows : DataFrame
        ``frame``, ``x_nm``, ``y_nm`` and ``sigma_nm`` of each localization.
    molecule : ndarray of int64, shape (n,)
        Its molecule, from 0.
    context_frames : int
        Frames on each side that a denoised frame shows too.

    Returns
    -------
    ndarray of bool, shape (n,)
        Whether the localization is of a molecule that was chosen.
    """
    if not len(rows):
        return np.zeros(0, dtype=bool)
    reach = _ALONE_SIGMAS * float(rows["sigma_nm"].median())
    extent = float(np.ptp(rows[["x_nm", "y_nm"]].to_numpy(), axis=0).max()) + 2.0 * reach
    places = np.column_stack([rows["x_nm"], rows["y_nm"], rows["frame"] * extent])
    tree = cKDTree(places)
    near = [tree.query_pairs(reach, output_type="ndarray")]
    for later in range(1, context_frames + 1):
        there = cKDTree(places - (0.0, 0.0, later * extent))
        found = tree.sparse_distance_matrix(there, reach, output_type="ndarray")
        near.append(np.column_stack([found["i"], found["j"]]))
    pairs = molecule[np.concatenate(near)]
    pairs = np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)
    both = np.concatenate([pairs, pairs[:, ::-1]])
    both = both[np.argsort(both[:, 0], kind="stable")]
    n = int(molecule.max()) + 1
    starts = np.searchsorted(both[:, 0], np.arange(n + 1))
    undecided, chosen = np.ones(n, dtype=bool), np.zeros(n, dtype=bool)
    for each in random.permutation(n):
        if undecided[each]:
            chosen[each] = True
            undecided[both[starts[each] : starts[each + 1], 1]] = False
    return chosen[molecule]


def placed(
    rows: pd.DataFrame,
    molecule: IntArray,
    shape_px: tuple[int, int],
    pixel_size_nm: float,
    random: np.random.Generator,
) -> pd.DataFrame:
    """Return rows whose molecules have one place and one width each, moved by up to half a pixel."""
    photons = np.maximum(rows["photons"].to_numpy(), _LEAST_PHOTONS)
    total = np.bincount(molecule, photons)
    means = {
        name: (np.bincount(molecule, photons * rows[name]) / np.where(total > 0.0, total, 1.0))[molecule]
        for name in ("x_nm", "y_nm", "sigma_nm")
    }
    moved_x, moved_y = random.uniform(-0.5, 0.5, (2, len(total))) * pixel_size_nm
    height_nm, width_nm = (side_px * pixel_size_nm for side_px in shape_px)
    return rows.assign(
        photons=photons,
        x_nm=np.clip(means["x_nm"] + moved_x[molecule], 0.0, width_nm),
        y_nm=np.clip(means["y_nm"] + moved_y[molecule], 0.0, height_nm),
        sigma_nm=means["sigma_nm"],
    )


@dataclass
class MatchedFrames:
    """Frames like some of a denoised movie that follow each other: these are added first, then recorded.

    Attributes
    ----------
    camera : Camera
    sigma_px : float
        Width of the molecules.
    found : DataFrame
        What was found in these frames; ``frame`` counts from 0 in them.
    molecules : DataFrame
        What is simulated, in the places that it has there.
    """

    camera: Camera
    sigma_px: float
    found: pd.DataFrame
    molecules: pd.DataFrame
    _smooth: list[NDArray[np.float32]] = field(default_factory=list)
    _left: _Sum = 0.0
    _weights: _Sum = 0.0

    def add(self, denoised_photons: NDArray[np.floating]) -> None:
        """Look at the next denoised frame, (Y, X) in photoelectrons."""
        shown = self._image(self.found, len(self._smooth), denoised_photons.shape)
        beside = denoised_photons - shown
        # Where molecules shine, little is known of what is behind them.
        level = max(float(np.median(beside)), _LEAST_BACKGROUND)
        weight = level / (level + np.maximum(shown, 0.0))
        smooth = self._smoothed(beside * weight, weight, _SMOOTHED_SIGMAS)
        self._smooth.append(smooth.astype(np.float32))
        self._left = self._left + (beside - smooth) * weight
        self._weights = self._weights + weight

    def recorded(self, random: np.random.Generator) -> Iterator[NDArray[np.float32]]:
        """Simulate what the camera records, frame by frame, (Y, X) in ADU."""
        structure = self._smoothed(self._left, self._weights, _STRUCTURE_SIGMAS)
        for index, smooth in enumerate(self._smooth):
            background = np.maximum(smooth + structure, _LEAST_BACKGROUND)
            mean = background + self._image(self.molecules, index, smooth.shape)
            yield recorded_adu(mean, self.camera, random).astype(np.float32)

    def _image(self, rows: pd.DataFrame, index: int, shape: tuple[int, ...]) -> FloatArray:
        first, last = np.searchsorted(rows["frame"].to_numpy(), (index, index + 1)).tolist()
        x_nm, y_nm, sigma_nm, photons = (
            rows[name].to_numpy()[first:last] for name in ("x_nm", "y_nm", "sigma_nm", "photons")
        )
        height, width = shape
        return spots_image(x_nm, y_nm, sigma_nm, photons, (height, width), self.camera.pixel_size_nm)

    def _smoothed(self, weighted: _Sum, weight: _Sum, sigmas: float) -> FloatArray:
        """Return weighted means around each pixel, so many widths of a molecule wide."""
        sigma_px = sigmas * self.sigma_px
        means: FloatArray = gaussian_filter(weighted, sigma_px) / gaussian_filter(weight, sigma_px)
        return means
