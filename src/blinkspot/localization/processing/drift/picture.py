"""The drift drawn: x and y against the frame, and the path of the sample."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from blinkspot.figure_writing import (
    INK,
    X_COLOUR,
    Y_COLOUR,
    check_figure_path,
    new_figure,
    save_figure,
    style_axes,
    style_labels,
)
from blinkspot.localization.processing.drift.curve import Drift

_FAINT = "#bbbbbb"
_MOST_DRAWN = 5000


def check_picture_path(path: str | os.PathLike[str]) -> Path:
    """Check, before long work, that a picture of a drift can be written there.

    Raises
    ------
    BlinkspotError
        If the suffix is neither ``.png`` nor ``.svg``, or the file exists or cannot be written.
    """
    return check_figure_path(path, "A drift")


def draw_drift(drift: Drift, path: str | os.PathLike[str], provenance: dict[str, Any] | None = None) -> None:
    """Draw a drift as a new picture.

    Parameters
    ----------
    drift : Drift
    path : path
        ``NAME.png`` (300 dots per inch) or ``NAME.svg``.
    provenance : dict, optional
        JSON-ready; written into the picture.

    Raises
    ------
    BlinkspotError
        As :func:`check_picture_path`.
    """
    # Slow to import, and needed for pictures only.
    from matplotlib.collections import LineCollection

    path = check_picture_path(path)
    shown = np.unique(np.linspace(0, len(drift) - 1, min(len(drift), _MOST_DRAWN)).round().astype(np.int64))
    frames, places = shown + 1, drift.positions_nm[shown]
    figure = new_figure()
    against_frame, along = figure.subplots(1, 2, width_ratios=(1.5, 1.0))
    for axis, colour, letter in ((0, X_COLOUR, "x"), (1, Y_COLOUR, "y")):
        against_frame.plot(frames, places[:, axis], color=colour, linewidth=1.2, label=letter)
    against_frame.axhline(0.0, color=_FAINT, linewidth=0.6, zorder=0)
    against_frame.set(xlabel="frame", ylabel="drift (nm)", xlim=(1, max(len(drift), 2)))
    against_frame.legend(frameon=False, ncols=2, loc="best", fontsize=9, labelcolor=INK)

    segments = np.stack([places[:-1], places[1:]], axis=1)
    path_line = LineCollection(list(segments), cmap="viridis", linewidths=1.4, capstyle="round")
    path_line.set_array(frames[:-1].astype(np.float64))
    path_line.set_clim(1, max(len(drift), 2))
    along.add_collection(path_line)
    along.plot(*places[0], marker="o", markersize=4.5, markerfacecolor="white", markeredgecolor=INK)
    middle, half = (
        (places.max(axis=0) + places.min(axis=0)) / 2,
        max(float(np.ptp(places, axis=0).max()), 1.0),
    )
    along.set(xlabel="x (nm)", ylabel="y (nm)", aspect="equal")
    along.set_xlim(middle[0] - 0.56 * half, middle[0] + 0.56 * half)
    # As in the pictures of the sample, y points down.
    along.set_ylim(middle[1] + 0.56 * half, middle[1] - 0.56 * half)
    bar = figure.colorbar(path_line, ax=along, pad=0.02, aspect=28)
    bar.set_label("frame", color=INK, fontsize=9)
    bar.outline.set_visible(False)
    style_labels(bar.ax)
    for axes in (against_frame, along):
        style_axes(axes)
    save_figure(figure, path, provenance or {})
