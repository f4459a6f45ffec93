"""Is it better, and by how much: simulation, scores, fair comparison, report."""

from blinkspot.evaluation.curve import Curve, threshold_curve
from blinkspot.evaluation.presets import PRESETS
from blinkspot.evaluation.scores import Scores, score
from blinkspot.evaluation.simulation import SimulatedFrames, SimulationSettings, simulate
from blinkspot.evaluation.simulation_files import SimulatedFiles, simulate_to_files

__all__ = [
    "PRESETS",
    "Curve",
    "Scores",
    "SimulatedFiles",
    "SimulatedFrames",
    "SimulationSettings",
    "score",
    "simulate",
    "simulate_to_files",
    "threshold_curve",
]
