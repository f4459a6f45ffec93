"""The drift of a movie, from its molecules or fiducials: found, drawn, saved, taken off, given back."""

from blinkspot.localization.processing.drift.curve import Drift
from blinkspot.localization.processing.drift.estimate import Estimate, estimate_drift
from blinkspot.localization.processing.drift.fiducials import Tracked, drift_of_fiducials
from blinkspot.localization.processing.drift.files import read_drift, write_drift
from blinkspot.localization.processing.drift.picture import draw_drift
from blinkspot.localization.processing.drift.steps import (
    DriftCorrection,
    FiducialCorrection,
    LoadedDrift,
    drift_in,
    without_correction,
)

__all__ = [
    "Drift",
    "DriftCorrection",
    "Estimate",
    "FiducialCorrection",
    "LoadedDrift",
    "Tracked",
    "draw_drift",
    "drift_in",
    "drift_of_fiducials",
    "estimate_drift",
    "read_drift",
    "without_correction",
    "write_drift",
]
