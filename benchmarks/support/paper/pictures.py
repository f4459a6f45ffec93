"""The pictures of the page, in the places of the paper's Figures 3 to 5."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from mpl_toolkits.axes_grid1.anchored_artists import AnchoredSizeBar

from blinkspot import LocalizationTable, render
from blinkspot.camera import FloatArray

from ..trainings import Movie
from .real_movie import RealMovie

_DPI = 110
_PICTURE_PIXEL_NM = 20.0
_COLOURS = {"noisy": "#D55E00", "denoised": "#0072B2"}


def frames_figure(rows: list[tuple[str, Movie, FloatArray]], target: Path) -> None:
    """Draw a frame of each data set: noisy, denoised and noise-free, at one contrast (Figure 3)."""
    figure, axes = _panels(len(rows), 3, 3.5)
    for line, (name, movie, frames) in enumerate(rows):
        index = int(np.argsort(np.bincount(movie.truth.column("frame")))[movie.stack.n_frames // 2])
        pictures = (movie.noisy[index], frames[index], movie.clean[index])
        black, white = np.percentile(pictures[2], 1.0), float(pictures[2].max())
        pixel_um = movie.camera.pixel_size_nm / 1000.0
        for column, (picture, what) in enumerate(
            zip(pictures, ("noisy", "denoised", "noise-free"), strict=True)
        ):
            axes[line, column].imshow(picture, cmap="gray", vmin=black, vmax=white)
            axes[line, column].set_title(f"{name}: {what}", fontsize=9, loc="left")
            _scale_bar(axes[line, column], 5.0, pixel_um)
    _save(figure, target)


def reconstructions_figure(movie: RealMovie, tables: dict[str, LocalizationTable], target: Path) -> None:
    """Draw the super-resolved real movie, before and after (Figure 4)."""
    pixel_nm = movie.camera.pixel_size_nm
    extent_nm = (movie.stack.height * pixel_nm, movie.stack.width * pixel_nm)
    figure, axes = _panels(1, len(tables), 4.6)
    pictures = [render(table, _PICTURE_PIXEL_NM, extent_nm) for table in tables.values()]
    white = max(float(np.percentile(picture[picture > 0], 99.0)) for picture in pictures)
    for axis, picture, (name, table) in zip(axes.flat, pictures, tables.items(), strict=True):
        axis.imshow(picture, cmap="inferno", norm=PowerNorm(0.6, 0.0, white))
        axis.set_title(f"{name}: {len(table):,}", fontsize=9, loc="left")
        _scale_bar(axis, 2.0, _PICTURE_PIXEL_NM / 1000.0)
    _save(figure, target)


def spreads_figure(tables: dict[str, LocalizationTable], target: Path) -> None:
    """Draw how sigma and uncertainty are distributed on the real movie, before and after (Figure 5)."""
    figure = Figure(figsize=(10.0, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 2)
    for axis, column, words, high in (
        (axes[0], "sigma_nm", "sigma, nm", 300.0),
        (axes[1], "uncertainty_nm", "reported uncertainty, nm", 80.0),
    ):
        for name, table in tables.items():
            colour = _COLOURS["noisy" if name.endswith("noisy") else "denoised"]
            edges = np.linspace(0.0, high, 61)
            axis.hist(table.column(column), edges, histtype="step", color=colour, linewidth=1.6, label=name)
        axis.set_xlabel(words)
        axis.set_ylabel("molecules")
        axis.spines[["top", "right"]].set_visible(False)
    axes[1].legend(frameon=False, fontsize=9, loc="upper right")
    _save(figure, target)


def _scale_bar(axis: Axes, length_um: float, pixel_um: float) -> None:
    bar = AnchoredSizeBar(
        axis.transData,
        length_um / pixel_um,
        f"{length_um:g} µm",
        "lower left",
        frameon=False,
        color="white",
        size_vertical=2.0,
    )
    axis.add_artist(bar)


def _panels(rows: int, columns: int, inches: float) -> tuple[Figure, np.ndarray]:
    figure = Figure(figsize=(inches * columns, (inches + 0.3) * rows), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    return figure, axes


def _save(figure: Figure, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=_DPI)
