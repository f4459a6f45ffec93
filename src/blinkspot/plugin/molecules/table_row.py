"""The table that is worked on, and what is needed to open one."""

from __future__ import annotations

from napari.components import ViewerModel
from qtpy.QtWidgets import QDoubleSpinBox, QPushButton, QWidget

from blinkspot.plugin.layers.layer_choice import LayerChoice
from blinkspot.plugin.molecules.layers import holds_molecules
from blinkspot.plugin.widgets.forms import row, without_buttons

_PIXEL_PX = 118


class TableRow(QWidget):
    """Lets the user choose a table or open one."""

    def __init__(self, viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.tables = LayerChoice(
            viewer, holds_molecules, "The table to work on: molecules that were localized, or a file's."
        )
        self.tables.setMinimumContentsLength(6)
        self.tables.setPlaceholderText("no table")
        self.open_button = QPushButton("Open...")
        self.open_button.setToolTip("Open a table file: ThunderSTORM's or SMAP's CSV, or Picasso's HDF5.")
        self.pixel = QDoubleSpinBox()
        self.pixel.setRange(0.0, 9999.0)
        self.pixel.setDecimals(1)
        self.pixel.setFixedWidth(_PIXEL_PX)
        # The table's name is read beside it only so; the arrow keys step.
        without_buttons(self.pixel)
        self.pixel.setSpecialValueText("pixel: auto")
        self.pixel.setPrefix("pixel ")
        self.pixel.setSuffix(" nm")
        self.pixel.setToolTip(
            "Pixel of the camera, in the sample, for files that need it where the table does not tell it: "
            "SMAP's tables, Picasso's tables and drifts; and for uncertainties by formula. Typical: 100 nm; "
            "auto: as the table says."
        )
        self.setLayout(row(self.tables, self.pixel, self.open_button))
