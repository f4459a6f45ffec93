"""Figures as files: to look at and to print, with what made them inside."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blinkspot.errors import BlinkspotError
from blinkspot.files.whole_files import check_can_write, written_whole
from blinkspot.provenance import package_version

if TYPE_CHECKING:  # slow to import, and needed for figures only
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

X_COLOUR, Y_COLOUR, INK = "#0072b2", "#d55e00", "#222222"
_SUFFIXES = (".png", ".svg")
_DOTS_PER_INCH = 300


def check_figure_path(path: str | os.PathLike[str], what: str) -> Path:
    """Check, before long work, that a figure can be written there.

    Parameters
    ----------
    path : path
    what : str
        What is drawn, with its article, for the sentence: ``"A drift"``.

    Raises
    ------
    BlinkspotError
        If the suffix is neither ``.png`` nor ``.svg``, or the file exists or cannot be written.
    """
    if Path(path).suffix.lower() not in _SUFFIXES:
        raise BlinkspotError(f"{what} is drawn as .png or .svg, not as {Path(path).name}.")
    return check_can_write(path)


def new_figure() -> Figure:
    """Return an empty figure, white, as wide as a page's text, that needs no window."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 3.0), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def style_axes(axes: Axes) -> None:
    """Give axes thin lines at the left and at the bottom, and small labels."""
    style_labels(axes)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set(edgecolor=INK, linewidth=0.6)


def style_labels(axes: Axes) -> None:
    """Give axes small labels."""
    axes.tick_params(colors=INK, labelsize=8, width=0.6)
    axes.xaxis.label.set(color=INK, fontsize=9)
    axes.yaxis.label.set(color=INK, fontsize=9)


def save_figure(figure: Figure, path: Path, provenance: dict[str, Any]) -> None:
    """Write a figure as a new file, with its provenance inside.

    Parameters
    ----------
    figure : Figure
    path : Path
        ``NAME.png`` (300 dots per inch) or ``NAME.svg``.
    provenance : dict
        JSON-ready.
    """
    kind = path.suffix.lower()[1:]
    made_by = f"napari-blinkspot {package_version()}"
    metadata = {"Software" if kind == "png" else "Creator": made_by, "Description": json.dumps(provenance)}
    with written_whole(path) as temporary:
        figure.savefig(temporary, format=kind, dpi=_DOTS_PER_INCH, facecolor="white", metadata=metadata)
