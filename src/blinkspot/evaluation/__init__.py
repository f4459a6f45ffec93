"""Is it better, and by how much: simulation, scores, fair comparison, report."""

from blinkspot.evaluation.comparison import Comparison, compare
from blinkspot.evaluation.curve import Curve, threshold_curve
from blinkspot.evaluation.denoised_fits import (
    TooFewMolecules,
    calibrate_uncertainties,
    check_can_calibrate,
)
from blinkspot.evaluation.held_out import HeldOut, HeldOutSettings, check_held_out
from blinkspot.evaluation.presets import PRESETS
from blinkspot.evaluation.report import write_report
from blinkspot.evaluation.routes import ComparisonSettings, Route
from blinkspot.evaluation.scores import Scores, score
from blinkspot.evaluation.simulation import SimulatedFrames, SimulationSettings, simulate
from blinkspot.evaluation.simulation_files import SimulatedFiles, simulate_to_files
from blinkspot.evaluation.summary import summary
from blinkspot.evaluation.verdict import verdict

__all__ = [
    "PRESETS",
    "Comparison",
    "ComparisonSettings",
    "Curve",
    "HeldOut",
    "HeldOutSettings",
    "Route",
    "Scores",
    "SimulatedFiles",
    "SimulatedFrames",
    "SimulationSettings",
    "TooFewMolecules",
    "calibrate_uncertainties",
    "check_can_calibrate",
    "check_held_out",
    "compare",
    "score",
    "simulate",
    "simulate_to_files",
    "summary",
    "threshold_curve",
    "verdict",
    "write_report",
]
