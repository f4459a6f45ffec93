"""The drift of a movie, from its molecules or from fiducials: found, drawn, saved, taken off and given back."""

from blinkspot.localization.processing.drift.curve import Drift
from blinkspot.localization.processing.drift.estimate import Estimate, estimate_drift

__all__ = ["Drift", "Estimate", "estimate_drift"]
