"""A residual drawn: where it is not noise, and on which scales."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from blinkspot.evaluation.report.chart_axes import LIMIT, MEASURED, PART, charts, colour_bar, entitle, legend
from blinkspot.evaluation.report.theme import Theme
from blinkspot.evaluation.residuals import Residuals

# Standard deviations of chance at the ends of a map's colours.
_SHOWN = 5.0
# Rings drawn as one: the spectrum is looked at for its shape.
_DRAWN_RINGS = 48


def residual_maps(residuals: Residuals, theme: Theme) -> Figure:
    """Draw the means over time of the residual and of its square, in standard deviations of chance."""
    figure, axes = charts(theme, 2, 5.0)
    means = residuals.mean_map / residuals.mean_map_chance
    squares = (residuals.square_map - residuals.variance) / residuals.square_map_chance
    for axis, values, title in ((axes[0], means, "Mean over time"), (axes[1], squares, "Variance over time")):
        shown = axis.imshow(values, cmap="RdBu_r", vmin=-_SHOWN, vmax=_SHOWN, interpolation="nearest")
        axis.set_xticks([])
        axis.set_yticks([])
        for spine in axis.spines.values():
            spine.set_visible(False)
        share = float(np.mean(np.abs(values) > 3.0))
        entitle(axis, f"{title}: {100 * share:.1f} % beyond ±3", theme)
        colour_bar(figure, shown, axis, "standard deviations of chance", theme)
    return figure


def residual_spectrum(residuals: Residuals, theme: Theme) -> Figure:
    """Draw the spectrum of the residual, with what chance leaves of white noise, and its correlations."""
    figure, (left, right) = charts(theme, 2)
    frequency, power, n = _in_groups(residuals)
    chance = 3.0 / np.sqrt(n)
    left.fill_between(
        frequency, 1.0 - chance, 1.0 + chance, color=LIMIT, alpha=0.3, linewidth=0, label="white, ±3 s.e."
    )
    left.plot(frequency, power, color=MEASURED, linewidth=2, label="residual")
    left.set(xlim=(0, 0.5), xlabel="periods per pixel", ylabel="power, 1 if white")
    spread = max(0.1, 1.15 * float(np.max(np.abs(power - 1.0))))
    left.set_ylim(1.0 - spread, 1.0 + spread)
    entitle(left, "Spatial spectrum", theme)
    legend(left, theme, "lower right" if power[0] > power[-1] else "upper right")
    _draw_correlations(right, residuals, theme)
    return figure


def _draw_correlations(axis: Axes, residuals: Residuals, theme: Theme) -> None:
    chance = 3.0 * residuals.correlation_chance
    axis.axhspan(-chance, chance, color=LIMIT, alpha=0.3, linewidth=0)
    axis.axhline(0.0, color=theme.faint, linewidth=0.8, zorder=0)
    drawn = (
        (residuals.spatial, MEASURED, "pixels apart", -0.17),
        (residuals.temporal, PART, "frames apart", 0.17),
    )
    for values, colour, label, shift in drawn:
        lags = np.arange(1, len(values) + 1)
        axis.bar(lags + shift, values, width=0.32, color=colour, label=label)
    largest = max(0.02, 1.2 * float(np.max(np.abs(np.concatenate((residuals.spatial, residuals.temporal))))))
    axis.set(ylim=(-largest, largest), xlabel="distance", ylabel="correlation, 0 if white")
    axis.set_xticks(np.arange(1, max(len(residuals.spatial), len(residuals.temporal)) + 1))
    entitle(axis, "Correlation with itself", theme)
    legend(axis, theme)


def _in_groups(
    residuals: Residuals,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the spectrum with neighbouring rings averaged."""
    together = max(1, len(residuals.power) // _DRAWN_RINGS)
    starts = np.arange(0, len(residuals.power), together)
    n = np.add.reduceat(residuals.power_n, starts)
    power = np.add.reduceat(residuals.power * residuals.power_n, starts) / n
    frequency = np.add.reduceat(residuals.frequency * residuals.power_n, starts) / n
    return frequency, power, n
