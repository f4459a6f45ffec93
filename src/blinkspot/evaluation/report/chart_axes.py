"""Empty charts and maps in a theme, for the checks that need no truth."""

from __future__ import annotations

from typing import Literal

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure

from blinkspot.evaluation.report.theme import PAGE_INCHES, Theme

MEASURED, FITTED, PART, LIMIT = "#0090D0", "#D55E00", "#00A37A", "#8A6FD1"


def charts(theme: Theme, n_columns: int, inches_high: float = 4.2) -> tuple[Figure, list[Axes]]:
    """Return a figure as wide as a page, and axes beside each other with lines at the left and below."""
    figure = Figure(figsize=(PAGE_INCHES, inches_high), layout="constrained", facecolor=theme.paper)
    FigureCanvasAgg(figure)
    axes = list(figure.subplots(1, n_columns, squeeze=False).flat)
    for axis in axes:
        axis.set_facecolor("none")
        axis.tick_params(colors=theme.ink, which="both")
        axis.xaxis.label.set_color(theme.ink)
        axis.yaxis.label.set_color(theme.ink)
        for side, spine in axis.spines.items():
            spine.set_visible(side in ("left", "bottom"))
            spine.set_edgecolor(theme.faint)
    return figure, axes


def entitle(axis: Axes, title: str, theme: Theme) -> None:
    """Set a title over the left end of the axes."""
    axis.set_title(title, color=theme.ink, loc="left", fontsize=11, fontweight="bold")


def legend(
    axis: Axes,
    theme: Theme,
    place: Literal["upper right", "lower right", "center right"] = "upper right",
) -> None:
    """Name what is drawn, in the theme's colours."""
    axis.legend(loc=place, frameon=False, labelcolor=theme.ink, fontsize=9)


def say(axis: Axes, sentence: str, theme: Theme) -> None:
    """Write a sentence where a result would be."""
    axis.text(
        0.98,
        0.95,
        sentence,
        transform=axis.transAxes,
        color=theme.ink,
        ha="right",
        va="top",
        fontsize=9,
        wrap=True,
    )


def colour_bar(figure: Figure, shown: ScalarMappable, axis: Axes, label: str, theme: Theme) -> None:
    """Draw the bar of a map's colours."""
    bar = figure.colorbar(shown, ax=axis, fraction=0.046, pad=0.02)
    bar.set_label(label, color=theme.ink)
    bar.ax.tick_params(colors=theme.ink)
    bar.outline.set_edgecolor(theme.faint)
