"""The choice of an astigmatism calibration, by which heights are found from the widths."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QLabel, QPushButton, QSizePolicy, QWidget

from blinkspot.plugin.jobs.latest_only import LatestOnly
from blinkspot.plugin.jobs.notify import tell_error
from blinkspot.plugin.localize import localizing_steps
from blinkspot.plugin.widgets import file_dialogs
from blinkspot.plugin.widgets.forms import row

if TYPE_CHECKING:  # importing it takes seconds
    from blinkspot.localization.astigmatism import AstigmatismCalibration

_NONE = "no heights"


class AstigmatismChoice(QWidget):
    """Chooses a calibration file, or none.

    Signals
    -------
    changed
        Another calibration, or none, is chosen.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._calibration: AstigmatismCalibration | None = None
        self._path: Path | None = None
        self._reading = LatestOnly(self)
        self._reading.answered.connect(self._on_read)
        self._reading.failed.connect(lambda error: tell_error(error, "Reading the calibration"))
        self.name = QLabel(_NONE)
        # A long name must not make the dock wide.
        self.name.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.open_button = QPushButton("File...")
        self.open_button.setToolTip(
            "Find heights, too, with a lens of two foci: by a calibration that 'blinkspot "
            "calibrate-astigmatism' made of a stack of beads. Widths and window are then the calibration's."
        )
        self.open_button.clicked.connect(self._ask)
        self.none_button = QPushButton("None")
        self.none_button.setToolTip("Find no heights.")
        self.none_button.clicked.connect(self.clear)
        layout = row(self.name, self.open_button, self.none_button)
        self.setLayout(layout)
        self._show()

    @property
    def calibration(self) -> AstigmatismCalibration | None:
        """The calibration chosen; None: heights are not found."""
        return self._calibration

    @property
    def path(self) -> Path | None:
        """The file of the calibration chosen."""
        return self._path

    def _ask(self) -> None:
        path = file_dialogs.ask_open(self, "Open an astigmatism calibration", "Calibration (*.toml)")
        if path is not None:
            self.load(path)

    def load(self, path: Path) -> None:
        """Read a calibration, in another thread; what cannot be read is told, and changes nothing."""
        self._reading.ask(partial(localizing_steps.read_calibration, path))

    def clear(self) -> None:
        """Choose no calibration."""
        self._reading.forget()
        self._calibration = self._path = None
        self._show()
        self.changed.emit()

    def _on_read(self, answer: tuple[Path, AstigmatismCalibration]) -> None:
        self._path, self._calibration = answer
        self._show()
        self.changed.emit()

    def _show(self) -> None:
        chosen = self._path is not None
        self.name.setText(self._path.name if self._path is not None else _NONE)
        self.name.setToolTip("" if self._path is None else str(self._path))
        self.none_button.setEnabled(chosen)
