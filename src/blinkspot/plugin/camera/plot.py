"""The noise of a movie's background: variance against mean, with the line that tells the camera."""

from __future__ import annotations

import numpy as np
import pyqtgraph
from napari.components import ViewerModel
from qtpy.QtWidgets import QPushButton, QWidget

from blinkspot.camera_from_movie.estimate import CameraEstimate
from blinkspot.camera_from_movie.evidence import CameraEvidence
from blinkspot.plugin.camera.record import CameraRecord
from blinkspot.plugin.widgets.themed_plot import BLUE, ORANGE, ThemedPlot

_HEIGHT_PX = 120


class CameraPlot(ThemedPlot):
    """Shows the points of variance against mean, the line through them, and that of the camera as it is set.

    Attributes
    ----------
    button : QPushButton
        Shows and hides the plot.
    """

    def __init__(self, viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(viewer, _HEIGHT_PX, parent)
        self.button = QPushButton("Plot")
        self.button.setCheckable(True)
        self.button.setToolTip(
            "Show the noise of the background: variance against mean of places of like brightness. The slope "
            "of the line tells e⁻/ADU, and where it meets zero is the offset."
        )
        self.button.toggled.connect(self.setVisible)
        self.fitted = self.plot.plot(pen=pyqtgraph.mkPen(BLUE, width=2))
        self.as_set = self.plot.plot(pen=pyqtgraph.mkPen(ORANGE, width=2))
        self.errors = pyqtgraph.ErrorBarItem(pen=BLUE)
        self.plot.addItem(self.errors)
        self.points = self.plot.plot(pen=None, symbol="o", symbolSize=4, symbolBrush=BLUE, symbolPen=None)
        self.plot.setLabel("bottom", "mean, ADU")
        self.plot.setLabel("left", "var., ADU²")
        self.hide()

    def show_evidence(self, evidence: CameraEvidence | None, record: CameraRecord) -> None:
        """Show what a movie says, and the camera as it is set."""
        estimate = None if evidence is None else evidence.estimate
        points = None if estimate is None else estimate.points
        for item in (self.fitted, self.as_set, self.points):
            item.setData([], [])
        self.errors.setVisible(points is not None)
        self.plot.setToolTip("" if estimate is None else f"Measured: {estimate.description}.")
        if estimate is None or points is None:
            self.plot.setTitle("nothing measured" if evidence is not None else "", size="9pt")
            return
        self.points.setData(points.level_adu, points.variance_adu2)
        self.errors.setData(x=points.level_adu, y=points.variance_adu2, height=2.0 * points.error_adu2)
        zero = points.level_adu.min() if estimate.offset_adu is None else estimate.offset_adu
        ends = np.array([min(zero, points.level_adu.min()), points.level_adu.max()])
        names = {BLUE: _fitted_text(estimate, record)}
        if estimate.adu_per_count is not None and estimate.offset_adu is not None:
            self.fitted.setData(ends, estimate.adu_per_count * (ends - estimate.offset_adu))
        if not record.lacks and record.camera.maps is None:
            camera = record.camera
            slope = camera.excess_noise_factor / camera.photoelectrons_per_adu
            read_adu2 = (camera.read_noise_electrons / camera.electrons_per_adu) ** 2
            self.as_set.setData(ends, slope * (ends - camera.offset_adu) + read_adu2)
            names[ORANGE] = "set"
        top = float((points.variance_adu2 + points.error_adu2).max())
        self.plot.setRange(xRange=tuple(ends), yRange=(0.0, top), padding=0.04)
        self.name_curves(names)


def _fitted_text(estimate: CameraEstimate, record: CameraRecord) -> str:
    """Return what the line tells, with standard errors."""
    slope, slope_error = estimate.adu_per_count, estimate.adu_per_count_error
    if slope is None or slope_error is None:
        return "too even for a line"
    camera = record.camera
    conversion = camera.em_gain * camera.excess_noise_factor / slope
    return (
        f"{conversion:.3g} ± {conversion * slope_error / slope:.2g} e⁻/ADU, "
        f"offset {estimate.offset_adu:.4g} ± {estimate.offset_error_adu:.2g}"
    )
