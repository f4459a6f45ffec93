"""Is it better, and by how much: simulation, scores, fair comparison, report."""

from blinkspot.evaluation.checks import Checks, held_out_settings
from blinkspot.evaluation.comparison import Comparison, compare
from blinkspot.evaluation.comparison_settings import ComparisonSettings
from blinkspot.evaluation.curve import Curve, threshold_curve
from blinkspot.evaluation.denoised_fits import (
    TooFewMolecules,
    calibrate_uncertainties,
    check_can_calibrate,
)
from blinkspot.evaluation.figures_calibration import calibration_figure, draw_calibration
from blinkspot.evaluation.held_out import HeldOut, HeldOutSettings, check_held_out
from blinkspot.evaluation.molecule_bias import MoleculeBias, molecule_bias
from blinkspot.evaluation.not_measured import NotMeasured
from blinkspot.evaluation.picture_scores import PictureScores, picture_scores
from blinkspot.evaluation.report import write_report
from blinkspot.evaluation.residuals import Residuals, ResidualSettings, check_residuals
from blinkspot.evaluation.resolution import Resolution, ResolutionSettings, measure_resolution
from blinkspot.evaluation.routes import Route
from blinkspot.evaluation.sbr import (
    MovieSignalToBackground,
    SignalToBackground,
    movie_signal_to_background,
    signal_to_background,
)
from blinkspot.evaluation.scores import Scores, score
from blinkspot.evaluation.simulation import (
    PRESETS,
    SimulatedFiles,
    SimulatedFrames,
    SimulationSettings,
    simulate,
    simulate_to_files,
)
from blinkspot.evaluation.summary import summary
from blinkspot.evaluation.table_figures import TableFigures, before_and_after, table_figures
from blinkspot.evaluation.uncertainty_calibration import UncertaintyCalibration, uncertainty_calibration
from blinkspot.evaluation.verdict import Conclusion, conclude, verdict

__all__ = [
    "PRESETS",
    "Checks",
    "Comparison",
    "ComparisonSettings",
    "Conclusion",
    "Curve",
    "HeldOut",
    "HeldOutSettings",
    "MoleculeBias",
    "MovieSignalToBackground",
    "NotMeasured",
    "PictureScores",
    "ResidualSettings",
    "Residuals",
    "Resolution",
    "ResolutionSettings",
    "Route",
    "Scores",
    "SignalToBackground",
    "SimulatedFiles",
    "SimulatedFrames",
    "SimulationSettings",
    "TableFigures",
    "TooFewMolecules",
    "UncertaintyCalibration",
    "before_and_after",
    "calibrate_uncertainties",
    "calibration_figure",
    "check_can_calibrate",
    "check_held_out",
    "check_residuals",
    "compare",
    "conclude",
    "draw_calibration",
    "held_out_settings",
    "measure_resolution",
    "molecule_bias",
    "movie_signal_to_background",
    "picture_scores",
    "score",
    "signal_to_background",
    "simulate",
    "simulate_to_files",
    "summary",
    "table_figures",
    "threshold_curve",
    "uncertainty_calibration",
    "verdict",
    "write_report",
]
