"""Is it better, and by how much: simulation, scores, fair comparison, report."""

from blinkspot.evaluation.comparing.checks import Checks, held_out_settings
from blinkspot.evaluation.comparing.comparison import Comparison, compare
from blinkspot.evaluation.comparing.comparison_settings import ComparisonSettings
from blinkspot.evaluation.comparing.not_measured import NotMeasured
from blinkspot.evaluation.comparing.routes import Route
from blinkspot.evaluation.comparing.summary import summary
from blinkspot.evaluation.comparing.table_figures import TableFigures, before_and_after, table_figures
from blinkspot.evaluation.comparing.verdict import Conclusion, conclude, verdict
from blinkspot.evaluation.denoised_fits import (
    TooFewMolecules,
    calibrate_uncertainties,
    check_can_calibrate,
)
from blinkspot.evaluation.held_out import HeldOut, HeldOutSettings, check_held_out
from blinkspot.evaluation.report.calibration_figures import calibration_figure, draw_calibration
from blinkspot.evaluation.report.writing import write_report
from blinkspot.evaluation.residuals import Residuals, ResidualSettings, check_residuals
from blinkspot.evaluation.resolution import Resolution, ResolutionSettings, measure_resolution
from blinkspot.evaluation.scoring.curve import Curve, threshold_curve
from blinkspot.evaluation.scoring.molecule_bias import MoleculeBias, molecule_bias
from blinkspot.evaluation.scoring.picture_scores import PictureScores, picture_scores
from blinkspot.evaluation.scoring.sbr import (
    MovieSignalToBackground,
    SignalToBackground,
    movie_signal_to_background,
    signal_to_background,
)
from blinkspot.evaluation.scoring.scores import Scores, score
from blinkspot.evaluation.scoring.uncertainty_calibration import (
    UncertaintyCalibration,
    uncertainty_calibration,
)
from blinkspot.evaluation.simulation import (
    PRESETS,
    SimulatedFiles,
    SimulatedFrames,
    SimulationSettings,
    simulate,
    simulate_to_files,
)

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
