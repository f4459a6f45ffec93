"""A calibration drawn: the beads' widths and the curves, and the two widths against each other."""

from __future__ import annotations

import json
import os
from pathlib import Path

from blinkspot.errors import BlinkspotError
from blinkspot.files import check_can_write, written_whole
from blinkspot.localization.astigmatism.calibration import AstigmatismCalibration
from blinkspot.provenance import package_version

_X_COLOUR, _Y_COLOUR, _INK = "#0072b2", "#d55e00", "#222222"
_SUFFIXES = (".png", ".svg")


def check_picture_path(path: str | os.PathLike[str]) -> Path:
    """Check, before long work, that a picture of a calibration can be written there.

    Raises
    ------
    BlinkspotError
        If the suffix is neither ``.png`` nor ``.svg``, or the file exists or cannot be written.
    """
    if Path(path).suffix.lower() not in _SUFFIXES:
        raise BlinkspotError(f"A calibration is drawn as .png or .svg, not as {Path(path).name}.")
    return check_can_write(path)


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
    # Slow to import, and needed for pictures only.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    path = check_picture_path(path)
    heights = calibration.heights_nm()
    measured = calibration.measured
    figure = Figure(figsize=(7.2, 3.0), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    against_z, against_each_other = figure.subplots(1, 2, width_ratios=(1.5, 1.0))
    for curve, colour, letter in ((calibration.x, _X_COLOUR, "x"), (calibration.y, _Y_COLOUR, "y")):
        against_z.plot(heights, curve.at(heights), color=colour, linewidth=1.2, label=letter)
        if measured:
            widths = measured[f"sigma_{letter}_nm"]
            against_z.plot(measured["z_nm"], widths, ".", color=colour, markersize=4, alpha=0.6)
    against_z.set(xlabel="z (nm)", ylabel="sigma (nm)", ylim=(0, None))
    against_z.legend(frameon=False, ncols=2, loc="best", fontsize=9, labelcolor=_INK)
    against_each_other.plot(calibration.x.at(heights), calibration.y.at(heights), color=_INK, linewidth=1.2)
    if measured:
        against_each_other.plot(
            measured["sigma_x_nm"], measured["sigma_y_nm"], ".", color=_INK, markersize=4, alpha=0.5
        )
    against_each_other.set(xlabel="sigma x (nm)", ylabel="sigma y (nm)", aspect="equal")
    for axes in (against_z, against_each_other):
        axes.tick_params(colors=_INK, labelsize=8, width=0.6)
        axes.xaxis.label.set(color=_INK, fontsize=9)
        axes.yaxis.label.set(color=_INK, fontsize=9)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set(edgecolor=_INK, linewidth=0.6)
    made_by = f"napari-blinkspot {package_version()}"
    is_png = path.suffix.lower() == ".png"
    metadata = {"Software": made_by} if is_png else {"Creator": made_by}
    with written_whole(path) as temporary:
        figure.savefig(
            temporary,
            format=path.suffix.lower()[1:],
            dpi=300,
            facecolor="white",
            metadata={**metadata, "Description": json.dumps(calibration.provenance)},
        )
