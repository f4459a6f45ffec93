"""Tables of molecules on a sample that drifts, with the drift known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from blinkspot import LocalizationTable

FloatArray = NDArray[np.float64]

FIELD_NM = 25_600.0
CAMERA_PIXEL_NM = 100.0
BACKGROUND_FRACTION = 0.05
ERRORS_NM = (10.0, 20.0)


@dataclass(frozen=True)
class DriftingSample:
    """A table, and the drift that is in it: shape (n_frames, 2), x and y, nm."""

    table: LocalizationTable
    drift_nm: FloatArray


def smooth_random_walk(
    rng: np.random.Generator, n_frames: int, excursion_nm: float = 200.0, smoothed_frames: float = 20.0
) -> FloatArray:
    """Return a random walk, smoothed over time, whose greatest distance from its start is given."""
    walk = rng.normal(size=(n_frames, 2)).cumsum(axis=0)
    walk = gaussian_filter1d(walk, smoothed_frames, axis=0, mode="nearest")
    walk -= walk[0]
    return walk * (excursion_nm / np.hypot(*walk.T).max())


def filaments(rng: np.random.Generator, n: int) -> FloatArray:
    """Return ``n`` places on 40 bent filaments, each 25 nm thick."""
    step_nm, steps, count = 20.0, 1200, 40
    starts = rng.uniform(0, FIELD_NM, (count, 1, 2))
    bends = rng.normal(0, np.sqrt(2 * step_nm / 20_000.0), (count, steps)).cumsum(axis=1)
    angles = rng.uniform(0, 2 * np.pi, (count, 1)) + bends
    along = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    paths = starts + step_nm * along.cumsum(axis=1)
    across = np.stack([-along[..., 1], along[..., 0]], axis=-1)
    inside = np.argwhere(((paths > 0) & (paths < FIELD_NM)).all(axis=-1))
    chosen = inside[rng.integers(len(inside), size=n)]
    which, where = chosen[:, 0], chosen[:, 1]
    # The projection of a hollow tube.
    offset = 12.5 * np.cos(rng.uniform(0, 2 * np.pi, n))
    ahead = rng.uniform(0, step_nm, n)
    return paths[which, where] + ahead[:, None] * along[which, where] + offset[:, None] * across[which, where]


def origami(rng: np.random.Generator, n: int) -> FloatArray:
    """Return ``n`` places on 1,500 DNA origami of 3 x 4 docking sites 20 nm apart."""
    count = 1500
    centres = rng.uniform(200, FIELD_NM - 200, (count, 2))
    angles = rng.uniform(0, 2 * np.pi, count)
    grid = 20.0 * np.stack(np.meshgrid(np.arange(4) - 1.5, np.arange(3) - 1.0), axis=-1).reshape(-1, 2)
    cos, sin = np.cos(angles)[:, None], np.sin(angles)[:, None]
    sites = np.stack([cos * grid[:, 0] - sin * grid[:, 1], sin * grid[:, 0] + cos * grid[:, 1]], axis=-1)
    return (centres[:, None] + sites).reshape(-1, 2)[rng.integers(count * len(grid), size=n)]


SAMPLES = {"filaments": filaments, "origami": origami}


def drifting_sample(kind: str, seed: int, n: int = 300_000, n_frames: int = 1000) -> DriftingSample:
    """Simulate a table.

    Parameters
    ----------
    kind : str
        One of ``SAMPLES``.
    seed : int
    n : int
        Molecules in all, the same chance in every frame; one in 20 lies anywhere.
    n_frames : int
    """
    rng = np.random.default_rng(seed)
    drift_nm = smooth_random_walk(rng, n_frames)
    places = SAMPLES[kind](rng, n)
    astray = rng.random(n) < BACKGROUND_FRACTION
    places[astray] = rng.uniform(0, FIELD_NM, (int(astray.sum()), 2))
    frame = np.sort(rng.integers(n_frames, size=n))
    uncertainty_nm = rng.uniform(*ERRORS_NM, n)
    found = places + drift_nm[frame] + rng.normal(size=(n, 2)) * uncertainty_nm[:, None]
    size_px = int(FIELD_NM / CAMERA_PIXEL_NM)
    table = LocalizationTable.from_columns(
        {"frame": frame, "x_nm": found[:, 0], "y_nm": found[:, 1], "uncertainty_nm": uncertainty_nm},
        provenance={
            "movie_shape": [n_frames, size_px, size_px],
            "camera": {"pixel_size_nm": CAMERA_PIXEL_NM},
        },
    )
    return DriftingSample(table, drift_nm)


def rms_error_nm(found: FloatArray, truth: FloatArray) -> float:
    """Return the RMS distance per axis between two curves of shape (n_frames, 2), without their offset."""
    difference = found - truth
    return float(np.sqrt(np.mean((difference - difference.mean(axis=0)) ** 2)))
