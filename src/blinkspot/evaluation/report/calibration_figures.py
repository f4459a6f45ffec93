"""The picture of an uncertainty calibration."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from blinkspot.evaluation.report.theme import LIGHT, Theme
from blinkspot.evaluation.scoring.uncertainty_calibration import UncertaintyCalibration
from blinkspot.figure_writing import X_COLOUR, Y_COLOUR, check_figure_path, new_figure, save_figure

if TYPE_CHECKING:  # slow to import, and needed for figures only
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_HISTOGRAM_EDGES = np.linspace(-5.0, 5.0, 51)


def check_calibration_path(path: str | os.PathLike[str]) -> Path:
    """Check, before long work, that a picture of a calibration can be written there.

    Raises
    ------
    BlinkspotError
        If the suffix is neither ``.png`` nor ``.svg``, or the file exists or cannot be written.
    """
    return check_figure_path(path, "A calibration")


def draw_calibration(
    calibration: UncertaintyCalibration,
    path: str | os.PathLike[str],
    provenance: dict[str, Any] | None = None,
) -> None:
    """Draw a calibration as a new picture.

    Parameters
    ----------
    calibration : UncertaintyCalibration
    path : path
        ``NAME.png`` (300 dots per inch) or ``NAME.svg``.
    provenance : dict, optional
        JSON-ready; written into the picture.

    Raises
    ------
    BlinkspotError
        As :func:`check_calibration_path`.
    """
    path = check_calibration_path(path)
    save_figure(calibration_figure(calibration), path, provenance or {})


def calibration_figure(calibration: UncertaintyCalibration, theme: Theme = LIGHT) -> Figure:
    """Draw true errors against reported ones, and the errors in units of the uncertainty beside a normal law.

    Bars are 2 standard errors either way.
    """
    figure = new_figure()
    figure.set_facecolor(theme.paper)
    against_reported, in_units = figure.subplots(1, 2)
    _draw_bins(against_reported, calibration, theme)
    _draw_histogram(in_units, calibration, theme)
    for axes in (against_reported, in_units):
        axes.set_facecolor("none")
        axes.tick_params(colors=theme.ink, labelsize=8, width=0.6)
        axes.xaxis.label.set(color=theme.ink, fontsize=9)
        axes.yaxis.label.set(color=theme.ink, fontsize=9)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set(edgecolor=theme.ink, linewidth=0.6)
    return figure


def _draw_bins(axes: Axes, calibration: UncertaintyCalibration, theme: Theme) -> None:
    bins = calibration.bins
    reported = np.array([each.reported_nm for each in bins])
    raw = np.array([each.rms_error_nm for each in bins])
    true = np.array([each.true_error_nm for each in bins])
    error = np.array([each.true_error_error_nm for each in bins])
    top = 1.12 * float(np.nanmax([reported, raw, true + 2.0 * np.nan_to_num(error)]))
    axes.plot(
        (0.0, top),
        (0.0, top),
        color=theme.ink,
        linewidth=0.8,
        linestyle=(0, (4, 3)),
        zorder=0,
        label="reported = true",
    )
    axes.plot(
        reported, raw, linestyle="none", marker="o", markersize=5, markerfacecolor="none",
        markeredgecolor=theme.ink, markeredgewidth=0.7, alpha=0.55, label="RMS of the pairs as they are",
    )  # fmt: skip
    axes.errorbar(
        reported, true, yerr=2.0 * error, linestyle="none", marker="o", markersize=5, color=X_COLOUR,
        elinewidth=1.2, label="true error (cut and chance pairs taken out)",
    )  # fmt: skip
    axes.set(
        xlim=(0.0, top),
        ylim=(0.0, top),
        aspect="equal",
        xlabel="reported uncertainty (nm)",
        ylabel="error along an axis (nm)",
    )
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(-0.02, 1.0),
        frameon=False,
        fontsize=7,
        labelcolor=theme.ink,
        borderaxespad=0.2,
    )
    if not math.isnan(calibration.ratio):
        words = f"reported / true\n{calibration.ratio:.3f} ± {calibration.ratio_error:.3f}"
    else:
        words = "reported / true: tolerance too\nnarrow to tell"
    axes.annotate(
        f"{words}\n{calibration.pairs:,} pairs within {calibration.tolerance_nm:g} nm",
        (0.98, 0.03),
        xycoords="axes fraction",
        ha="right",
        va="bottom",
        color=theme.ink,
        fontsize=8,
    )


def _draw_histogram(axes: Axes, calibration: UncertaintyCalibration, theme: Theme) -> None:
    places = np.linspace(-5.0, 5.0, 301)
    normal = np.exp(-(places**2) / 2.0) / math.sqrt(2.0 * math.pi)
    axes.fill_between(places, normal, color=theme.faint, linewidth=0, label="were they true")
    width = float(np.diff(_HISTOGRAM_EDGES[:2])[0])
    for axis, (letter, colour) in enumerate((("x", X_COLOUR), ("y", Y_COLOUR))):
        counts, _ = np.histogram(calibration.normalised_errors[:, axis], _HISTOGRAM_EDGES)
        axes.stairs(
            counts / (calibration.pairs * width), _HISTOGRAM_EDGES, color=colour, linewidth=1.2, label=letter
        )
    axes.set(xlim=(-5.0, 5.0), xlabel="error / reported uncertainty", ylabel="density", ylim=(0.0, None))
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(-0.02, 1.0),
        frameon=False,
        fontsize=7,
        labelcolor=theme.ink,
        borderaxespad=0.2,
    )
    lines = [
        f"within {each.uncertainties:g}: {100 * each.share:.1f} %, were they true {100 * each.expected:.1f} %"
        for each in calibration.coverage
    ]
    axes.annotate(
        "\n".join(lines),
        (1.0, 1.03),
        xycoords="axes fraction",
        ha="right",
        va="bottom",
        linespacing=1.45,
        color=theme.ink,
        fontsize=7,
    )
