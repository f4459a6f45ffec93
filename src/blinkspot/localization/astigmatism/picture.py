"""A calibration drawn: the beads' widths and the curves, and the two widths against each other."""

from __future__ import annotations

import os
from pathlib import Path

from blinkspot.figure_writing import (
    INK,
    X_COLOUR,
    Y_COLOUR,
    check_figure_path,
    new_figure,
    save_figure,
    style_axes,
)
from blinkspot.localization.astigmatism.calibration import AstigmatismCalibration


def check_picture_path(path: str | os.PathLike[str]) -> Path:
    """Check, before long work, that a picture of a calibration can be written there.

    Raises
    ------
    BlinkspotError
        If the suffix is neither ``.png`` nor ``.svg``, or the file exists or cannot be written.
    """
    return check_figure_path(path, "A calibration")


def draw_calibration(calibration: AstigmatismCalibration, path: str | os.PathLike[str]) -> None:
    """Draw the curves of a calibration over the medians of its beads, as a new picture.

    Parameters
    ----------
    calibration : AstigmatismCalibration
    path : path
        ``NAME.png`` (300 dots per inch) or ``NAME.svg``.

    Raises
    ------
    BlinkspotError
        As :func:`check_picture_path`.
    """
    path = check_picture_path(path)
    heights = calibration.heights_nm()
    measured = calibration.measured
    figure = new_figure()
    against_z, against_each_other = figure.subplots(1, 2, width_ratios=(1.5, 1.0))
    for curve, colour, letter in ((calibration.x, X_COLOUR, "x"), (calibration.y, Y_COLOUR, "y")):
        against_z.plot(heights, curve.at(heights), color=colour, linewidth=1.2, label=letter)
        if measured:
            widths = measured[f"sigma_{letter}_nm"]
            against_z.plot(measured["z_nm"], widths, ".", color=colour, markersize=4, alpha=0.6)
    against_z.set(xlabel="z (nm)", ylabel="sigma (nm)", ylim=(0, None))
    against_z.legend(frameon=False, ncols=2, loc="best", fontsize=9, labelcolor=INK)
    against_each_other.plot(calibration.x.at(heights), calibration.y.at(heights), color=INK, linewidth=1.2)
    if measured:
        against_each_other.plot(
            measured["sigma_x_nm"], measured["sigma_y_nm"], ".", color=INK, markersize=4, alpha=0.5
        )
    against_each_other.set(xlabel="sigma x (nm)", ylabel="sigma y (nm)", aspect="equal")
    for axes in (against_z, against_each_other):
        style_axes(axes)
    save_figure(figure, path, calibration.provenance)
