"""How fine the details of a table are, told by the table alone: ring correlation and NeNA."""

from blinkspot.evaluation.resolution.measure import Resolution, measure_resolution
from blinkspot.evaluation.resolution.nena import Nena, nena
from blinkspot.evaluation.resolution.ring_correlation import RingCorrelation
from blinkspot.evaluation.resolution.settings import ResolutionSettings, Split

__all__ = [
    "Nena",
    "Resolution",
    "ResolutionSettings",
    "RingCorrelation",
    "Split",
    "measure_resolution",
    "nena",
]
