"""How the super-resolved picture is drawn."""

from __future__ import annotations

from qtpy.QtWidgets import QDoubleSpinBox, QFormLayout, QLabel, QWidget

from blinkspot.plugin.layers.table_shown import PictureChoice
from blinkspot.plugin.widgets.forms import combo, row, without_buttons

_METHODS = {
    "ash": "Averaged shifted histogram",
    "histogram": "Histogram",
    "gaussian": "Gaussians of the uncertainty",
}
_COLOURS = {
    None: "Density alone",
    "frame": "Time",
    "photons": "Photons",
    "sigma_nm": "Width",
    "uncertainty_nm": "Uncertainty",
}
_PIXEL_PX = 80


class PictureOptions(QWidget):
    """Edits how the super-resolved picture is drawn."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.method = combo(
            _METHODS,
            "Molecules per pixel, smoothed over neighbouring pixels as ThunderSTORM does or not, or each "
            "molecule as wide as it is uncertain.",
        )
        self.pixel = QDoubleSpinBox()
        self.pixel.setRange(1.0, 1000.0)
        self.pixel.setValue(20.0)
        self.pixel.setDecimals(1)
        self.pixel.setSuffix(" nm")
        # The colours' name is read whole beside it only so; the arrow keys step.
        without_buttons(self.pixel)
        self.pixel.setMaximumWidth(_PIXEL_PX)
        self.pixel.setToolTip("Size of the super-resolved picture's pixels. Typical: 10 to 25 nm.")
        self.colour_by = combo(
            _COLOURS,
            "What the hue means, from blue (low) over green to red (high); brightness is density. "
            "By time, drift shows as fringes of blue and red.",
            least_letters=6,
        )
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setVerticalSpacing(3)
        form.addRow("Picture", self.method)
        form.addRow("Pixel", row(self.pixel, QLabel("Coloured by"), self.colour_by, wide=2))

    @property
    def choice(self) -> PictureChoice:
        """What is chosen."""
        return PictureChoice(self.pixel.value(), self.method.currentData(), self.colour_by.currentData())
