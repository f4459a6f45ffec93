"""The pictures of a report, drawn without any window."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray

from blinkspot.evaluation.comparing.comparison import Comparison
from blinkspot.evaluation.comparing.examples import Detections, Example
from blinkspot.evaluation.report.chart_axes import charts
from blinkspot.evaluation.report.theme import PAGE_INCHES, Theme
from blinkspot.evaluation.route_names import ROUTE_TITLES
from blinkspot.evaluation.scoring.matching import FloatArray

# Told apart by readers of all colour visions (Okabe & Ito), on white and on black.
ROUTE_COLOURS = {"noisy": "#D55E00", "denoised_fit_raw": "#0090D0", "denoised_fit_denoised": "#00A37A"}
_TRUE, _FALSE, _MISSED, _FOUND = "#3DDC97", "#FF6B4A", "#FFD23F", "#4CC9F0"

_OUTLINED = [patheffects.withStroke(linewidth=2.5, foreground="black")]
# Of the noisy frame's pixels this many percent are shown white: single bright ones would dim all else.
_WHITE_PERCENT = 0.4
_BLACK_PERCENT = 5.0


def frame_limits(example: Example) -> tuple[float, float]:
    """Return the photoelectrons that are black and white in both pictures of an example's frame."""
    black, white = np.percentile(example.noisy, [_BLACK_PERCENT, 100.0 - _WHITE_PERCENT]).tolist()
    return black, max(white, black + 1e-6)


def example_part(comparison: Comparison, theme: Theme) -> Figure:
    """Draw the busiest part of the example's frame, noisy beside denoised, with what was found."""
    example = comparison.example
    figure, axes = _panels(theme, 1, PAGE_INCHES * 0.45 + 0.9, [1.0])
    contrast = Normalize(*frame_limits(example))
    for axis, picture, detections, title in zip(
        axes[0],
        (example.noisy, example.denoised),
        (example.noisy_detections, example.denoised_detections),
        ("Noisy", "Denoised"),
        strict=True,
    ):
        shown = axis.imshow(picture, cmap="gray", norm=contrast, interpolation="nearest")
        axis.set_xlim(example.columns.start - 0.5, example.columns.stop - 0.5)
        axis.set_ylim(example.rows.stop - 0.5, example.rows.start - 0.5)
        axis.set_title(title, color=theme.ink, loc="left", fontweight="bold")
        _scale_bar(axis, example.columns.stop - example.columns.start, comparison.camera.pixel_size_nm)
        _mark(axis, detections, comparison.settings.tolerance_nm)
    _colour_bar(figure, shown, axes, "photoelectrons per pixel", theme)
    handles, labels = axes[0, 1].get_legend_handles_labels()
    if handles:
        figure.legend(
            handles, labels, loc="outside lower center", ncols=len(handles), frameon=False,
            labelcolor=theme.ink,
        )  # fmt: skip
    return figure


def precision_recall(comparison: Comparison, theme: Theme) -> Figure:
    """Draw precision against recall, and F1 against the threshold; needs the truth."""
    figure, (curve_axis, f1_axis) = charts(theme, 2, 5.2)
    f1_levels = np.linspace(0.2, 0.9, 8)
    recalls = np.linspace(0.01, 1.0, 200)
    for f1 in f1_levels:
        with np.errstate(divide="ignore"):
            precisions = f1 * recalls / (2.0 * recalls - f1)
        on_chart = (precisions > 0) & (precisions <= 1.0)
        curve_axis.plot(recalls[on_chart], precisions[on_chart], color=theme.faint, linewidth=0.8, zorder=0)
        curve_axis.annotate(
            f"F1 {f1:.1f}",
            (1.0, f1 / (2.0 - f1)),
            xytext=(3, 0),
            textcoords="offset points",
            color=theme.ink,
            alpha=0.6,
            fontsize=7,
            va="center",
            annotation_clip=False,
        )
    for route in comparison.routes:
        if route.truthful is None:
            continue
        curve, colour = route.truthful.curve, ROUTE_COLOURS[route.name]
        label = capital(ROUTE_TITLES[route.name])
        curve_axis.plot(curve.recall, curve.precision, color=colour, linewidth=2, label=label)
        f1_axis.plot(curve.threshold, curve.f1, color=colour, linewidth=2)
        best, default = route.truthful.at_best, route.truthful.at_default
        for axis, x, y, marker in (
            (curve_axis, best.recall, best.precision, "o"),
            (curve_axis, default.recall, default.precision, "D"),
            (f1_axis, curve.best, best.f1, "o"),
            (f1_axis, comparison.settings.localizer.threshold, default.f1, "D"),
        ):
            axis.scatter(x, y, s=70, color=colour, edgecolors=theme.paper, marker=marker, zorder=4)
    curve_axis.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="recall", ylabel="precision")
    figure.legend(loc="outside lower center", ncols=3, frameon=False, labelcolor=theme.ink, fontsize=9)
    for marker, label in (("o", "best threshold"), ("D", "default threshold")):
        f1_axis.scatter([], [], s=50, color=theme.ink, marker=marker, label=label)
    _threshold_axis(f1_axis, comparison, theme)
    f1_axis.set(ylim=(0, 1), ylabel="F1")
    f1_axis.legend(loc="upper right", frameon=False, labelcolor=theme.ink, fontsize=9)
    return figure


def counts(comparison: Comparison, theme: Theme) -> Figure:
    """Draw the number of localizations against the threshold: all that can be drawn without truth."""
    figure, (axis,) = charts(theme, 1, 5.2)
    for route in comparison.routes:
        axis.plot(
            route.counted_thresholds,
            route.counts,
            color=ROUTE_COLOURS[route.name],
            linewidth=2,
            label=capital(ROUTE_TITLES[route.name]),
        )
    _threshold_axis(axis, comparison, theme)
    found_any = any(np.any(route.counts) for route in comparison.routes)
    axis.set(ylabel="localizations", yscale="log" if found_any else "linear")
    figure.legend(loc="outside lower center", ncols=3, frameon=False, labelcolor=theme.ink, fontsize=9)
    return figure


def _colour_bar(figure: Figure, shown: ScalarMappable, axes: NDArray[Any], label: str, theme: Theme) -> None:
    bar = figure.colorbar(shown, ax=axes, fraction=0.025, pad=0.015, shrink=0.6)
    bar.set_label(label, color=theme.ink)
    bar.ax.tick_params(colors=theme.ink)
    bar.outline.set_edgecolor(theme.faint)


def _panels(
    theme: Theme, n_rows: int, inches_high: float, height_ratios: list[float]
) -> tuple[Figure, NDArray[Any]]:
    figure = Figure(figsize=(PAGE_INCHES, inches_high), layout="constrained", facecolor=theme.paper)
    FigureCanvasAgg(figure)
    axes: NDArray[Any] = figure.subplots(n_rows, 2, squeeze=False, height_ratios=height_ratios)
    for axis in axes.flat:
        axis.set_xticks([])
        axis.set_yticks([])
        for spine in axis.spines.values():
            spine.set_visible(False)
    return figure, axes


def _threshold_axis(axis: Axes, comparison: Comparison, theme: Theme) -> None:
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.xaxis.set_major_formatter(FormatStrFormatter("%g"))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_xlabel("detection threshold, std(Wave.F1)")
    default = comparison.settings.localizer.threshold
    axis.axvline(default, color=theme.ink, alpha=0.5, linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)
    axis.annotate(
        "default",
        (default, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(4, -2),
        textcoords="offset points",
        color=theme.ink,
        alpha=0.7,
        fontsize=8,
        va="top",
    )


def _mark(axis: Axes, detections: Detections, tolerance_nm: float) -> None:
    """Draw what was found in a frame, and what was not."""
    found = detections.found
    if detections.is_true is None:
        _rings(axis, found, _FOUND, "found")
        return
    _rings(axis, found[detections.is_true], _TRUE, f"found, a molecule within {tolerance_nm:g} nm")
    rows, columns = found[~detections.is_true].T
    axis.scatter(columns, rows, s=70, c=_FALSE, marker="x", linewidths=2, label="found, no molecule there")
    _rings(axis, detections.missed, _MISSED, "molecule missed", "dotted")


def _rings(axis: Axes, places: FloatArray, colour: str, label: str, style: str = "solid") -> None:
    rows, columns = places.T
    axis.scatter(
        columns,
        rows,
        s=170,
        facecolors="none",
        edgecolors=colour,
        linestyles=style,
        linewidths=1.8,
        label=label,
    )


def _scale_bar(axis: Axes, width_px: int, pixel_size_nm: float) -> None:
    """Draw a bar of a round length, about a fifth of the picture, in its lower left corner."""
    width_um = width_px * pixel_size_nm / 1000.0
    length_um = round_length_um(width_um)
    fraction = length_um / width_um
    axis.plot(
        [0.04, 0.04 + fraction],
        [0.045, 0.045],
        transform=axis.transAxes,
        color="white",
        linewidth=4,
        solid_capstyle="butt",
        path_effects=[patheffects.withStroke(linewidth=6, foreground="black")],
    )
    axis.text(
        0.04 + fraction / 2,
        0.065,
        f"{length_um:g} µm",
        transform=axis.transAxes,
        color="white",
        ha="center",
        va="bottom",
        fontsize=10,
        fontweight="bold",
        path_effects=_OUTLINED,
    )


def round_length_um(width_um: float) -> float:
    """Return a round length of at most a quarter of a picture's width, for its scale bar."""
    lengths_um = np.array([factor * 10.0**power for power in range(-3, 4) for factor in (1, 2, 5)])
    return float(lengths_um[lengths_um <= width_um / 4.0].max(initial=lengths_um[0]))


def white_of(pictures: list[NDArray[np.float32]]) -> float:
    """Return the value that is white in pictures shown together: a high percentile of their filled pixels."""
    filled = [picture[picture > 0] for picture in pictures]
    return max([float(np.percentile(values, 98.0)) for values in filled if len(values)], default=1.0)


def capital(text: str) -> str:
    """Write a title with a capital letter, all others as they are."""
    return text[:1].upper() + text[1:]
