"""Which charts a report holds, by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from matplotlib.figure import Figure

from blinkspot.evaluation.comparing.comparison import Comparison
from blinkspot.evaluation.held_out import HeldOut
from blinkspot.evaluation.report import check_figures, figures
from blinkspot.evaluation.report.calibration_figures import calibration_figure
from blinkspot.evaluation.report.residual_figures import residual_maps, residual_spectrum
from blinkspot.evaluation.report.theme import DARK, LIGHT, Theme, png
from blinkspot.evaluation.residuals import Residuals
from blinkspot.evaluation.resolution import Resolution
from blinkspot.evaluation.scoring.uncertainty_calibration import UncertaintyCalibration

Drawing = Callable[[Theme], Figure]
Drawings = dict[str, tuple[bytes, bytes]]
"""Each chart by its name: PNG for light and for dark."""


def drawings_of(comparison: Comparison) -> dict[str, Drawing]:
    """Return the charts that a comparison has something for, undrawn."""
    of_comparison = {"frame": figures.example_part}
    if comparison.truth is None:
        of_comparison["counts"] = figures.counts
    else:
        of_comparison["precision_recall"] = figures.precision_recall
    checks = comparison.checks
    if isinstance(checks.held_out, HeldOut):
        of_comparison["held_out"] = check_figures.held_out
    if any(isinstance(each, Resolution) for each in checks.resolution.values()):
        of_comparison["resolution"] = check_figures.resolutions
    found: dict[str, Drawing] = {name: partial(draw, comparison) for name, draw in of_comparison.items()}
    for route in comparison.routes:
        calibration = None if route.truthful is None else route.truthful.calibration
        if isinstance(calibration, UncertaintyCalibration):
            found[f"calibration_{route.name}"] = partial(calibration_figure, calibration)
    if isinstance(checks.residuals, Residuals):
        found["residual_maps"] = partial(residual_maps, checks.residuals)
        found["residual_spectrum"] = partial(residual_spectrum, checks.residuals)
    return found


def in_both_themes(draw: Drawing) -> tuple[bytes, bytes]:
    """Draw a chart as PNG for a light and for a dark page."""
    return png(draw(LIGHT)), png(draw(DARK))
