"""The pictures of the checks that need no truth, all routes in one."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from blinkspot.evaluation.comparing.comparison import Comparison
from blinkspot.evaluation.held_out import HeldOut, HeldOutRoute
from blinkspot.evaluation.report.chart_axes import LIMIT, charts, entitle
from blinkspot.evaluation.report.figures import ROUTE_COLOURS, capital
from blinkspot.evaluation.report.theme import Theme
from blinkspot.evaluation.resolution import Resolution
from blinkspot.evaluation.resolution.crossing import THRESHOLD
from blinkspot.evaluation.route_names import ROUTE_TITLES

_BARS = 60
_PICTURE_TITLES = {"noisy": "noisy", "gaussian": "Gaussian filter", "denoised": "denoised"}


def resolutions(comparison: Comparison, theme: Theme) -> Figure:
    """Draw the ring correlation of each route, and its distances in successive frames."""
    figure, (rings, distances) = charts(theme, 2)
    last = widest = 0.0
    for route in comparison.routes:
        found = comparison.checks.resolution[route.name]
        if not isinstance(found, Resolution):
            continue
        colour, title = ROUTE_COLOURS[route.name], capital(ROUTE_TITLES[route.name])
        _draw_rings(rings, found, colour, title)
        _draw_distances(distances, found, colour)
        last = max(last, float(found.nena.distance_nm[-1]))
        widest = max(widest, _frequency_shown(found))
    rings.axhline(THRESHOLD, color=LIMIT, linewidth=1, linestyle=(0, (4, 3)))
    rings.annotate("1/7", (1.0, THRESHOLD), xycoords=("axes fraction", "data"), xytext=(3, 0),
                   textcoords="offset points", color=theme.ink, fontsize=8, va="center")  # fmt: skip
    rings.set(
        ylim=(-0.15, 1.05),
        xlim=(0, widest or None),
        xlabel="periods per µm",
        ylabel="correlation of the halves",
    )
    distances.set(
        xlim=(0, last or None), ylim=(0, None), xlabel="distance in successive frames (nm)",
        ylabel="pairs per nm",
    )  # fmt: skip
    entitle(rings, "Fourier ring correlation", theme)
    entitle(distances, "Nearest neighbours (NeNA): counted, and fitted", theme)
    figure.legend(loc="outside lower center", ncols=3, frameon=False, labelcolor=theme.ink, fontsize=9)
    return figure


def _frequency_shown(found: Resolution) -> float:
    """Return up to which frequency a ring correlation is drawn, periods per micrometre."""
    rings = found.ring_correlation
    last = 1000.0 * float(rings.frequency_per_nm[-1])
    return last if rings.resolution_nm is None else min(last, 4000.0 / rings.resolution_nm)


def _draw_rings(axis: Axes, found: Resolution, colour: str, title: str) -> None:
    rings = found.ring_correlation
    frequency = 1000.0 * rings.frequency_per_nm
    axis.plot(frequency, rings.smoothed, color=colour, linewidth=2, label=title)
    if rings.resolution_nm is not None:
        axis.scatter([1000.0 / rings.resolution_nm], [THRESHOLD], s=50, color=colour, zorder=4)


def _draw_distances(axis: Axes, found: Resolution, colour: str) -> None:
    nena = found.nena
    together = max(1, len(nena.pairs) // _BARS)
    n = len(nena.pairs) // together * together
    width = float(nena.distance_nm[1] - nena.distance_nm[0])
    per_nm = nena.pairs[:n].reshape(-1, together).sum(axis=1) / (together * width)
    edges = np.arange(len(per_nm) + 1) * together * width
    axis.stairs(per_nm, edges, color=colour, linewidth=0.8, alpha=0.7)
    if nena.precision_nm is not None:
        axis.plot(nena.distance_nm, nena.fitted / width, color=colour, linewidth=2)


def held_out(comparison: Comparison, theme: Theme) -> Figure:
    """Draw confirmed molecules against the share of false ones, and how well each picture predicts."""
    check = comparison.checks.held_out
    figure, (molecules, pictures) = charts(theme, 2)
    if isinstance(check, HeldOut):
        for each in check.routes:
            _draw_false_shares(molecules, each)
        _draw_predictions(pictures, check, theme)
    molecules.set(
        xlim=(0, 0.6), ylim=(0, None), xlabel="share of false molecules", ylabel="confirmed molecules"
    )
    entitle(molecules, "Molecules confirmed by photons held out", theme)
    figure.legend(loc="outside lower center", ncols=4, frameon=False, labelcolor=theme.ink, fontsize=9)
    return figure


def _draw_false_shares(axis: Axes, each: HeldOutRoute) -> None:
    colour = ROUTE_COLOURS[each.name]
    value, low, high = (
        np.array([getattr(share, bound) for share in each.false_share]) for bound in ("value", "low", "high")
    )
    true = each.found * (1.0 - value)
    axis.plot(
        value,
        true,
        color=colour,
        linewidth=2,
        marker="o",
        markersize=4,
        label=capital(ROUTE_TITLES[each.name]),
    )
    axis.hlines(true, low, high, color=colour, linewidth=1, alpha=0.6)


def _draw_predictions(axis: Axes, check: HeldOut, theme: Theme) -> None:
    for place, each in enumerate(check.predictions):
        colour = ROUTE_COLOURS["noisy"] if each.picture == "noisy" else ROUTE_COLOURS["denoised_fit_denoised"]
        if each.picture == "gaussian":
            colour = LIMIT
        reach = 0.0 if math.isnan(each.error) else 1.96 * each.error
        axis.barh(place, each.gain, height=0.6, color=colour)
        axis.errorbar(each.gain, place, xerr=reach, color=theme.ink, linewidth=1.5, capsize=4)
    axis.set_yticks(
        range(len(check.predictions)), [_PICTURE_TITLES[each.picture] for each in check.predictions]
    )
    axis.invert_yaxis()
    axis.axvline(0.0, color=theme.faint, linewidth=1)
    axis.set_xlabel("log-likelihood over the movie's mean, nat per photon held out")
    entitle(axis, "How well each picture predicts photons held out", theme)
