"""The part of the camera's form that is about the maps of an sCMOS camera."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QCheckBox, QLabel, QPushButton, QSizePolicy, QSpinBox, QWidget

from blinkspot.camera.maps import read_maps
from blinkspot.errors import BlinkspotError
from blinkspot.plugin.camera.maps_choice import ChosenMaps
from blinkspot.plugin.jobs.notify import tell_error
from blinkspot.plugin.widgets import file_dialogs
from blinkspot.plugin.widgets.forms import row, without_buttons

_TIP = (
    "Offset, variance and gain (ADU per electron) of every pixel of an sCMOS camera, in this order: a NumPy "
    "file of shape (3, rows, columns) or a TIFF of three pages."
)
_MAPS_FILES = "Camera maps (*.npy *.tif *.tiff)"


class MapsEditor(QObject):
    """Chooses maps: a label, a button, and below them what is asked once there are maps.

    Attributes
    ----------
    label, button, beside, details : QWidget
        To be laid out by the form, ``details`` below the others; it is hidden where there are no maps.

    Signals
    -------
    changed : ChosenMaps or None
        The user has chosen.
    """

    changed = Signal(object)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._chosen: ChosenMaps | None = None
        self._size = (0, 0)
        self.label = QLabel("sCMOS maps")
        self.label.setToolTip(_TIP)
        self.button = QPushButton()
        self.button.setToolTip(_TIP)
        self.button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.button.clicked.connect(self._choose)
        self.transposed = QCheckBox("Transposed")
        self.transposed.setToolTip("The rows of the movie are the columns of the maps.")
        self.transposed.toggled.connect(lambda on: self._change(transposed=on))
        self.top, self.left = self._place("Row", "top"), self._place("Column", "left")
        self.remove_button = QPushButton("Remove")
        self.remove_button.setToolTip("Use one offset, conversion and read noise for all pixels.")
        self.remove_button.clicked.connect(lambda: self.changed.emit(None))
        self.optional = QLabel("optional")
        self.beside, self.details = QWidget(), QWidget()
        self.beside.setLayout(row(self.optional, self.remove_button))
        self.details.setLayout(row(self.transposed, self.top, self.left, stretch_all=True))
        self.show_maps(None, (0, 0))

    def _place(self, label: str, name: str) -> QSpinBox:
        box = QSpinBox()
        box.setPrefix(f"{label} ")
        box.setToolTip(f"{label} of the maps, from 0, at which the movie begins.")
        box.setKeyboardTracking(False)
        without_buttons(box)
        box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        box.valueChanged.connect(lambda value: self._change(**{name: value}))
        return box

    def show_maps(self, chosen: ChosenMaps | None, size: tuple[int, int]) -> None:
        """Show the maps of a movie with frames of this size (height, width)."""
        self._chosen, self._size = chosen, size
        self.button.setText("Choose..." if chosen is None else (chosen.chip.source or "Chosen"))
        self.details.setVisible(chosen is not None)
        self.remove_button.setVisible(chosen is not None)
        self.optional.setVisible(chosen is None)
        if chosen is None:
            return
        values = ((self.top, chosen.top), (self.left, chosen.left))
        for (box, value), whole, part in zip(values, chosen.shape, size, strict=True):
            box.blockSignals(True)
            box.setRange(0, max(0, whole - part))
            box.setValue(value)
            box.blockSignals(False)
            box.setVisible(chosen.shape != size)
        self.transposed.blockSignals(True)
        self.transposed.setChecked(chosen.transposed)
        self.transposed.blockSignals(False)

    def _choose(self) -> None:
        path = file_dialogs.ask_open(self.button, "Choose the camera's maps", _MAPS_FILES)
        if path is not None:
            self.load(path)

    def load(self, path: Path) -> None:
        """Choose the maps of a file."""
        try:
            chip = read_maps(path)
        except BlinkspotError as error:
            tell_error(error, "Reading the camera's maps")
            return
        self.changed.emit(ChosenMaps.for_frames(chip, *self._size))

    def _change(
        self, transposed: bool | None = None, top: int | None = None, left: int | None = None
    ) -> None:
        if self._chosen is None:
            return
        if transposed is not None:
            # The place was one of the maps as they were turned before.
            changed = dataclasses.replace(
                self._chosen, transposed=transposed, top=self._chosen.left, left=self._chosen.top
            )
        elif top is not None:
            changed = dataclasses.replace(self._chosen, top=top)
        else:
            changed = dataclasses.replace(self._chosen, left=self._chosen.left if left is None else left)
        self.changed.emit(changed)
