"""The resolution of a table, drawn."""

from __future__ import annotations

import textwrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from blinkspot.evaluation.report.chart_axes import FITTED, LIMIT, MEASURED, PART, charts, entitle, legend, say
from blinkspot.evaluation.report.theme import Theme
from blinkspot.evaluation.resolution import Nena, Resolution, RingCorrelation
from blinkspot.evaluation.resolution.crossing import THRESHOLD

_DRAWN_BINS = 100


def resolution_figure(resolution: Resolution, theme: Theme) -> Figure:
    """Draw the ring correlation beside the distances in successive frames and their fit."""
    figure, (left, right) = charts(theme, 2)
    _draw_rings(left, resolution.ring_correlation, theme)
    _draw_distances(right, resolution.nena, theme)
    return figure


def _draw_rings(axis: Axes, rings: RingCorrelation, theme: Theme) -> None:
    frequency = 1000.0 * rings.frequency_per_nm
    axis.plot(frequency, rings.correlation, color=MEASURED, alpha=0.35, linewidth=0.8, label="each ring")
    axis.plot(frequency, rings.smoothed, color=MEASURED, linewidth=2, label="smoothed")
    axis.axhline(THRESHOLD, color=LIMIT, linewidth=1, linestyle=(0, (4, 3)), label="1/7")
    axis.set(
        xlim=(0, frequency[-1]),
        ylim=(-0.25, 1.05),
        xlabel="periods per µm",
        ylabel="correlation of the halves",
    )
    entitle(axis, "Fourier ring correlation", theme)
    legend(axis, theme)
    if rings.resolution_nm is None:
        axis.text(
            0.02,
            0.02,
            _wrapped(rings.reason),
            transform=axis.transAxes,
            color=theme.ink,
            fontsize=9,
            va="bottom",
        )
        return
    place = 1000.0 / rings.resolution_nm
    axis.plot([place, place], [-0.25, THRESHOLD], color=FITTED, linewidth=1)
    axis.scatter([place], [THRESHOLD], s=45, color=FITTED, edgecolors=theme.paper, zorder=4)
    axis.annotate(
        f"{rings.resolution_nm:.1f} nm",
        (place, THRESHOLD),
        xytext=(8, 8),
        textcoords="offset points",
        color=theme.ink,
        fontsize=11,
        fontweight="bold",
    )


def _draw_distances(axis: Axes, nena: Nena, theme: Theme) -> None:
    per_bar = max(1, len(nena.pairs) // _DRAWN_BINS)
    n = len(nena.pairs) // per_bar * per_bar
    width = nena.distance_nm[1] - nena.distance_nm[0]
    distance = nena.distance_nm[:n].reshape(-1, per_bar).mean(axis=1)
    per_nm = nena.pairs[:n].reshape(-1, per_bar).sum(axis=1) / (per_bar * width)
    axis.bar(distance, per_nm, width=per_bar * width, color=MEASURED, alpha=0.4, label="pairs counted")
    if nena.precision_nm is not None:
        axis.plot(nena.distance_nm, nena.fitted / width, color=FITTED, linewidth=2, label="fit")
        axis.plot(
            nena.distance_nm, nena.of_one_molecule / width, color=PART, linewidth=1.6, label="one molecule"
        )
    axis.set(
        xlim=(0, nena.distance_nm[-1]),
        ylim=(0, 1.15 * max(float(np.max(per_nm)), 1e-9)),
        xlabel="distance in successive frames (nm)",
        ylabel="pairs per nm",
    )
    entitle(axis, "Precision from successive frames (NeNA)", theme)
    legend(axis, theme, "center right")
    if nena.precision_nm is None:
        say(axis, _wrapped(nena.reason), theme)
        return
    error = "" if nena.error_nm is None else f" ± {nena.error_nm:.2f}"
    say(axis, f"{nena.precision_nm:.2f}{error} nm", theme)


def _wrapped(sentence: str | None) -> str:
    return "\n".join(textwrap.wrap(sentence or "", 60))
