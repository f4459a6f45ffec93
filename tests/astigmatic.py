"""Astigmatic molecules and beads, simulated in float64 with scipy: the reference for fits of heights."""

from __future__ import annotations

import numpy as np
from molecules import deviance_half, mean_counts
from numpy.typing import NDArray

from blinkspot import Camera
from blinkspot.localization.astigmatism import AstigmatismCalibration, DefocusCurve

FloatArray = NDArray[np.float64]

PIXEL_NM = 100.0
# They cross at height 0, as those of a calibration do.
CALIBRATION = AstigmatismCalibration(
    DefocusCurve(130.0, -220.0, 400.0, 0.1, 0.1),
    DefocusCurve(130.0, 220.0, 400.0, -0.1, 0.1),
    (-600.0, 600.0),
)
CAMERA = Camera(pixel_size_nm=PIXEL_NM, offset_adu=100.0)


def mean_at(
    parameters: FloatArray, shape: tuple[int, int], calibration: AstigmatismCalibration = CALIBRATION
) -> FloatArray:
    """Mean of the pixels for x, y (pixels), z (nm), amplitude and background."""
    x, y, z, amplitude, background = parameters
    sigma = [float(curve.at(z)) / PIXEL_NM for curve in (calibration.x, calibration.y)]
    return mean_counts(np.array([x, y, *sigma, amplitude, background]), shape)


def loss_at(parameters: FloatArray, window: FloatArray) -> float:
    """Minus the Poisson log-likelihood, up to a constant."""
    x, y, z, amplitude, background = parameters
    sigma = [float(curve.at(z)) / PIXEL_NM for curve in (CALIBRATION.x, CALIBRATION.y)]
    return deviance_half(np.array([x, y, *sigma, amplitude, background]), window)


def cramer_rao_std(parameters: FloatArray, shape: tuple[int, int]) -> FloatArray:
    """Smallest standard deviations of the five parameters that an unbiased estimate can have."""
    steps = np.diag([1e-4, 1e-4, 1e-2, 1e-2, 1e-4])
    jacobian = np.stack(
        [
            (mean_at(parameters + step, shape) - mean_at(parameters - step, shape)).ravel() / (2 * step.sum())
            for step in steps
        ]
    )
    information = jacobian / mean_at(parameters, shape).ravel() @ jacobian.T
    return np.sqrt(np.diag(np.linalg.inv(information)))


def bead_stack(
    seed: int,
    *,
    z_step_nm: float = 25.0,
    n_frames: int = 61,
    beads_per_side: int = 3,
    photons: float = 20000.0,
    tilt_nm: float = 150.0,
    size: int = 96,
    calibration: AstigmatismCalibration = CALIBRATION,
) -> NDArray[np.uint16]:
    """Beads on a tilted coverslip; the focal plane rises by ``z_step_nm`` per frame."""
    random = np.random.default_rng(seed)
    mean = np.full((n_frames, size, size), 20.0)
    spacing = size / beads_per_side
    for i in range(beads_per_side**2):
        x, y = (np.array(divmod(i, beads_per_side)) + 0.5) * spacing + random.uniform(-2, 2, 2)
        amplitude = photons * random.uniform(0.5, 2.0)
        for frame in range(n_frames):
            z = tilt_nm * (x / size - 0.5) - z_step_nm * (frame - (n_frames - 1) / 2)
            parameters = np.array([x, y, z, amplitude, 0.0])
            mean[frame] += mean_at(parameters, (size, size), calibration)
    return (random.poisson(mean) + 100).astype(np.uint16)


def movie_of_molecules(n_frames: int = 20) -> tuple[NDArray[np.uint16], FloatArray]:
    """Four molecules a frame, each well apart, and the true z of frame and position."""
    random = np.random.default_rng(4)
    mean, truth = np.full((n_frames, 64, 64), 10.0), []
    for frame in range(n_frames):
        for x, y in ((16, 16), (16, 48), (48, 16), (48, 48)):
            z = random.uniform(-450, 450)
            mean[frame] += mean_at(np.array([x, y, z, 4000.0, 0.0]), (64, 64))
            truth.append((frame, (x + 0.5) * PIXEL_NM, (y + 0.5) * PIXEL_NM, z))
    return (random.poisson(mean) + 100).astype(np.uint16), np.array(truth)
