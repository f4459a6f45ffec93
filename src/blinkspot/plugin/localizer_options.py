"""The settings of a localization."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QDoubleSpinBox, QFormLayout, QSlider, QSpinBox, QWidget

from blinkspot.plugin.forms import combo, row

_FITS = {"mle": "Maximum likelihood", "wlsq": "Weighted least squares"}
_FIT_ON = {"raw": "the noisy pixels", "denoised": "the denoised pixels"}
_SLIDER_STEPS_PER_UNIT = 20


class LocalizerOptions(QWidget):
    """Edits the settings of the localizer.

    Signals
    -------
    changed
        A setting was changed.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.threshold = QDoubleSpinBox()
        self.threshold.setRange(0.2, 10.0)
        self.threshold.setSingleStep(0.05)
        self.threshold.setValue(1.0)
        self.threshold.setSuffix(" × std(F1)")
        self.threshold.setToolTip(
            "How strongly a spot must stand out, in units of the standard deviation of the frame's finest "
            "wavelet plane (ThunderSTORM's std(Wave.F1)). Typical: 1 to 2."
        )
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(
            round(self.threshold.minimum() * _SLIDER_STEPS_PER_UNIT), 5 * _SLIDER_STEPS_PER_UNIT
        )
        self.slider.setValue(_SLIDER_STEPS_PER_UNIT)
        self.slider.setToolTip(self.threshold.toolTip())
        self.slider.setAccessibleName("Threshold")
        self.fit = combo(
            _FITS,
            "How a spot is fitted. Maximum likelihood is the most precise for photon counts; weighted least "
            "squares is ThunderSTORM's older default.",
        )
        self.fit_on = combo(
            _FIT_ON,
            "Which pixels are fitted where molecules are found in a denoised movie. Only the noisy ones give "
            "an uncertainty that means something: denoised pixels are no photon counts.",
        )
        self.fit_window = QSpinBox()
        self.fit_window.setRange(5, 31)
        self.fit_window.setSingleStep(2)
        self.fit_window.setValue(7)
        self.fit_window.setSuffix(" px")
        self.fit_window.setToolTip("Side of the square that is fitted, an odd number of pixels. Typical: 7.")
        self.sigma = QDoubleSpinBox()
        self.sigma.setRange(0.3, 10.0)
        self.sigma.setSingleStep(0.1)
        self.sigma.setValue(1.6)
        self.sigma.setSuffix(" px")
        self.sigma.setToolTip(
            "Width (standard deviation) of a spot that fits start from. Typical: 1 to 1.6 px."
        )
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setVerticalSpacing(3)
        form.addRow("Threshold", row(self.slider, self.threshold))
        form.addRow("Fit", self.fit)
        form.addRow("Fit on", self.fit_on)
        form.addRow("Fit window", self.fit_window)
        form.addRow("Start width", self.sigma)
        self.slider.valueChanged.connect(
            lambda steps: self.threshold.setValue(steps / _SLIDER_STEPS_PER_UNIT)
        )
        self.threshold.valueChanged.connect(self._on_threshold)
        self.fit.currentIndexChanged.connect(self.changed)
        self.fit_on.currentIndexChanged.connect(self.changed)
        self.fit_window.valueChanged.connect(self.changed)
        self.sigma.valueChanged.connect(self.changed)

    @property
    def settings(self) -> dict[str, Any]:
        """Arguments of :class:`blinkspot.localization.LocalizerSettings`."""
        return {
            "threshold": self.threshold.value(),
            "fit": self.fit.currentData(),
            "fit_on": self.fit_on.currentData(),
            "fit_window_px": self.fit_window.value(),
            "initial_sigma_px": self.sigma.value(),
        }

    def _on_threshold(self, threshold: float) -> None:
        self.slider.blockSignals(True)
        self.slider.setValue(round(threshold * _SLIDER_STEPS_PER_UNIT))
        self.slider.blockSignals(False)
        self.changed.emit()
