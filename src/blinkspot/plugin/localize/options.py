"""The settings of a localization."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QCheckBox,
    QDoubleSpinBox,
    QFormLayout,
    QPushButton,
    QSlider,
    QSpinBox,
    QWidget,
)

from blinkspot.plugin.localize.astigmatism_choice import AstigmatismChoice
from blinkspot.plugin.widgets.forms import combo, row, without_buttons

_FITS = {"mle": "Maximum likelihood", "lsq": "Least squares", "wlsq": "Weighted least squares"}
_WIDTHS = {
    "learned": "learned",
    "free": "free",
    "fixed": "the same for all",
    "elliptical": "elliptical",
}
_ACCEPT = {"threshold": "Threshold", "false": "False per frame"}
_FIT_ON = {"raw": "the noisy pixels", "denoised": "the denoised pixels"}
_SLIDER_STEPS_PER_UNIT = 20
_SLIDER_END = 8
# Within 0.003 of the best F1 on two simulated movies: one dim and blinking (best at 3.9), one brighter (6.2).
_DENOISED_THRESHOLD = 3.0
# One step below the smallest that can be asked for stands for the movie's own.
_LEARNED_SIGMA = 0.2
_OF_THE_CALIBRATION = (
    "Not used with an astigmatism calibration: fits are by maximum likelihood, of one molecule a spot, with "
    "the calibration's widths and window, and molecules are accepted by the threshold."
)


class Threshold(QWidget):
    """A detection threshold, by slider or by number.

    Signals
    -------
    changed
        The value was changed.
    """

    changed = Signal()

    def __init__(self, value: float, name: str, typical: str) -> None:
        super().__init__()
        self.number = QDoubleSpinBox()
        self.number.setRange(0.2, 50.0)
        self.number.setSingleStep(0.05)
        self.number.setValue(value)
        self.number.setSuffix(" × std(F1)")
        # The slider has room beside it only so; the arrow keys step.
        without_buttons(self.number)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(
            round(self.number.minimum() * _SLIDER_STEPS_PER_UNIT), _SLIDER_END * _SLIDER_STEPS_PER_UNIT
        )
        self.slider.setValue(round(value * _SLIDER_STEPS_PER_UNIT))
        for widget in (self.number, self.slider):
            widget.setToolTip(
                "How strongly a spot must stand out, in units of the standard deviation of the frame's "
                f"finest wavelet plane (ThunderSTORM's std(Wave.F1)). {typical}"
            )
            widget.setAccessibleName(name)
        layout = row(self.slider, self.number)
        layout.setContentsMargins(0, 0, 0, 0)
        self.setLayout(layout)
        self.slider.valueChanged.connect(lambda steps: self.number.setValue(steps / _SLIDER_STEPS_PER_UNIT))
        self.number.valueChanged.connect(self._on_number)

    @property
    def value(self) -> float:
        """The threshold in units of std(Wave.F1)."""
        return self.number.value()

    def _on_number(self, value: float) -> None:
        self.slider.blockSignals(True)
        self.slider.setValue(round(value * _SLIDER_STEPS_PER_UNIT))
        self.slider.blockSignals(False)
        self.changed.emit()


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
        self.threshold = Threshold(1.0, "Threshold in the noisy movie", "Typical: 1 to 2.")
        self.denoised_threshold = Threshold(
            _DENOISED_THRESHOLD,
            "Threshold in the denoised movie",
            "The unit falls with the noise, so the same spot is more units here. Typical: 3 to 5.",
        )
        self.fit = combo(
            _FITS,
            "How a spot is fitted. Maximum likelihood is the most precise for photon counts; weighted least "
            "squares is ThunderSTORM's older default.",
        )
        self.accept = combo(
            _ACCEPT,
            "Threshold: every spot that stands out enough. False per frame: each spot is tested on "
            "the raw counts, against background alone, so that an empty frame gives as many as you say; it "
            "needs maximum likelihood fits on the noisy pixels.",
        )
        self.false_per_frame = QDoubleSpinBox()
        self.false_per_frame.setRange(0.001, 100.0)
        self.false_per_frame.setDecimals(3)
        self.false_per_frame.setStepType(QAbstractSpinBox.StepType.AdaptiveDecimalStepType)
        self.false_per_frame.setValue(0.1)
        self.false_per_frame.setSuffix(" per empty frame")
        self.false_per_frame.setToolTip("False molecules on an empty frame, on average. Typical: 0.01 to 1.")
        self.false_per_frame.setAccessibleName("False molecules per frame")
        self.widths = combo(
            _WIDTHS,
            "Learned: the movie's molecules tell how wide a spot is and how much they differ, which helps "
            "the dim ones. Free: nothing is known beforehand. The same for all: best positions, but photons "
            "and widths are off where molecules differ. Elliptical: one width each along x and y.",
            least_letters=6,
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
        self.sigma.setRange(_LEARNED_SIGMA, 10.0)
        self.sigma.setSingleStep(0.1)
        self.sigma.setPrefix("σ ")
        self.sigma.setSuffix(" px")
        self.sigma.setSpecialValueText("σ: auto")
        # It is read whole only so; the arrow keys step.
        without_buttons(self.sigma)
        self.sigma.setToolTip(
            "Width (standard deviation) of a spot that fits start from: the movie's own (auto), or a number. "
            "Typical: 1 to 1.6 px."
        )
        self.emitters = QSpinBox()
        self.emitters.setRange(1, 5)
        self.emitters.setAccessibleName("Emitters per spot")
        self.emitters.setToolTip(
            "How many molecules a spot may be resolved into. Above 1, spots that overlap, or that one "
            "molecule does not explain, are fitted jointly: for crowded movies. It needs maximum likelihood "
            "fits of round spots on the noisy pixels. Typical: 1, or 5 where molecules lie close."
        )
        self.equal_photons = QCheckBox("equally bright")
        self.equal_photons.setToolTip(
            "Molecules that are fitted jointly have the same number of photons. Close ones are told apart "
            "better where that is so; wrong where molecules differ in brightness."
        )
        self.astigmatism = AstigmatismChoice()
        # What a calibration has of its own, or does without; each with what it says otherwise.
        self._without_calibration = {
            widget: widget.toolTip()
            for widget in (
                self.accept,
                self.fit,
                self.widths,
                self.fit_window,
                self.sigma,
                self.emitters,
                self.equal_photons,
            )
        }
        self.more_button = QPushButton("More")
        self.more_button.setCheckable(True)
        self.more_button.setToolTip(
            "Show what few movies need: window and start of the fits, several emitters per spot, heights by "
            "astigmatism."
        )
        self._form = form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setVerticalSpacing(3)
        form.addRow("Accept by", self.accept)
        form.addRow("On average", self.false_per_frame)
        form.addRow("Threshold, noisy", self.threshold)
        form.addRow("Threshold, denoised", self.denoised_threshold)
        form.addRow("Fit", self.fit)
        form.addRow("Fit on", self.fit_on)
        form.addRow("Widths", row(self.widths, self.more_button))
        start, emitters = QWidget(), QWidget()
        start.setLayout(row(self.fit_window, self.sigma, stretch_all=True))
        emitters.setLayout(row(self.emitters, self.equal_photons))
        self._more_rows = (start, emitters, self.astigmatism)
        form.addRow("Window, start", start)
        form.addRow("Emitters per spot", emitters)
        form.addRow("Astigmatism", self.astigmatism)
        self.threshold.changed.connect(self.changed)
        self.denoised_threshold.changed.connect(self.changed)
        self.fit.currentIndexChanged.connect(self.changed)
        self.fit_on.currentIndexChanged.connect(self.changed)
        self.fit_window.valueChanged.connect(self.changed)
        self.sigma.valueChanged.connect(self.changed)
        self.widths.currentIndexChanged.connect(self.changed)
        self.false_per_frame.valueChanged.connect(self.changed)
        self.equal_photons.toggled.connect(self.changed)
        self.emitters.valueChanged.connect(self._on_choice)
        self.accept.currentIndexChanged.connect(self._on_choice)
        self.astigmatism.changed.connect(self._on_choice)
        self.more_button.toggled.connect(self._on_more)
        self._enable()
        self._on_more(False)

    @property
    def settings(self) -> dict[str, dict[str, Any]]:
        """Arguments of :class:`~blinkspot.localization.LocalizerSettings`: ``"noisy"`` and ``"denoised"``."""
        common: dict[str, Any] = {}
        if self.astigmatism.calibration is not None:
            common["astigmatism"] = self.astigmatism.calibration
        else:
            sigma_px = self.sigma.value()
            common = {
                "fit": self.fit.currentData(),
                "widths": self.widths.currentData(),
                "fit_window_px": self.fit_window.value(),
                "initial_sigma_px": sigma_px if sigma_px > _LEARNED_SIGMA else None,
                "most_emitters": self.emitters.value(),
                "equal_photons": self.emitters.value() > 1 and self.equal_photons.isChecked(),
            }
            if self._by_number:
                common["false_per_frame"] = self.false_per_frame.value()
        return {
            "noisy": {**common, "threshold": self.threshold.value, "fit_on": "raw"},
            "denoised": {
                **common,
                "threshold": self.denoised_threshold.value,
                "fit_on": self.fit_on.currentData(),
            },
        }

    @property
    def _by_number(self) -> bool:
        """Whether molecules are accepted by the number of false ones."""
        return self.accept.currentData() == "false" and self.astigmatism.calibration is None

    def _on_choice(self) -> None:
        self._enable()
        self.changed.emit()

    def _on_more(self, shown: bool) -> None:
        for each in self._more_rows:
            self._form.setRowVisible(each, shown)

    def _enable(self) -> None:
        """Let be set what has a say, and say of the rest why it has none."""
        free = self.astigmatism.calibration is None
        for widget, tip in self._without_calibration.items():
            widget.setEnabled(free)
            widget.setToolTip(tip if free else _OF_THE_CALIBRATION)
        self.equal_photons.setEnabled(free and self.emitters.value() > 1)
        self._form.setRowVisible(self.false_per_frame, self._by_number)
        # The denoised movie's candidates have a threshold all the same.
        self._form.setRowVisible(self.threshold, not self._by_number)
