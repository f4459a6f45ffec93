"""The settings of a training."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QDoubleSpinBox, QFormLayout, QPushButton, QSpinBox, QWidget

from blinkspot.plugin.docks.model_choice import ModelChoice
from blinkspot.plugin.session import Session
from blinkspot.plugin.train.part import TrainingPart
from blinkspot.plugin.widgets.forms import combo, row, without_buttons

_NETWORKS = {"dilated": "Light (dilated)", "laine": "Laine's (four half planes)"}
_CONTEXTS = {
    None: "Automatic: as many as help",
    0: "None: each frame by itself",
    1: "1 frame before and after",
    2: "2 frames before and after",
}
_DEVICES = {"auto": "Automatic", "cpu": "CPU", "cuda": "GPU (CUDA)", "mps": "GPU (Apple)"}
_UNTIL_SETTLED, _MINUTES, _EPOCHS = "until settled", "minutes", "epochs"


class TrainingOptions(QWidget):
    """Edits the settings that a user may want to change; the rest keep the backend's defaults.

    Parameters
    ----------
    session : Session
        With the models to begin with.
    part : TrainingPart
        Chooses frames and region; it is shown with what seldom needs a change.
    """

    def __init__(self, session: Session, part: TrainingPart, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.part = part
        self.start = ModelChoice(session, "A new model")
        self.start.setToolTip(
            "A new model, or one of this window that goes on learning on this movie, such as that of another "
            "movie of the same camera and sample. Its network and context frames are kept."
        )
        self.start.currentIndexChanged.connect(self._on_start_changed)
        self.context = combo(
            _CONTEXTS,
            "Neighbouring frames that the network also sees. Molecules that stay on for several frames "
            "become much clearer, but localizations of neighbouring frames are then not independent. "
            "Automatic takes as many as held-out frames ask for: none where every frame shows other "
            "molecules.",
        )
        self.network = combo(
            _NETWORKS,
            "The light network suits most movies. That of Laine et al. (2019), the usual blind-spot "
            "network, is there for comparison; it takes many times longer.",
        )
        self.extent = combo(
            {text: text for text in (_UNTIL_SETTLED, _MINUTES, _EPOCHS)},
            "How long to train. A short training leaves ripples that look like molecules. A training ends "
            "by itself once its loss has settled, at the latest after minutes or epochs, or 10,000 steps. "
            "You can stop at any time: the best model so far is kept.",
        )
        self.extent.setMinimumContentsLength(4)  # it shares its row
        self.extent.currentIndexChanged.connect(self._on_extent_changed)
        self.minutes = QDoubleSpinBox()
        self.minutes.setDecimals(1)
        self.minutes.setRange(0.1, 9_999.0)
        self.minutes.setValue(10.0)
        self.minutes.setSuffix(" min")
        self.minutes.setToolTip("Longest time of the training, in minutes. Typical: 10 min.")
        self.minutes.setAccessibleName("Minutes")
        self.epochs = QSpinBox()
        self.epochs.setRange(1, 100_000)
        self.epochs.setValue(15)
        self.epochs.setToolTip("Most times that each frame is learned from. Typical: 15.")
        self.epochs.setAccessibleName("Epochs")
        for box in (self.minutes, self.epochs):
            # Its buttons would hide the number where the dock is narrow.
            without_buttons(box)
        self.seed = QSpinBox()
        self.seed.setRange(0, 2**31 - 1)
        self.seed.setPrefix("seed ")
        self.seed.setToolTip(
            "Seed of all random choices: the same seed and number of epochs give the same model."
        )
        self.device = combo(_DEVICES, "Where to train: automatic takes a GPU where there is one.")
        self.load_button = QPushButton("Load...")
        self.load_button.setToolTip("Load a model file, to denoise with it or to go on training it.")
        self.more_button = QPushButton("More")
        self.more_button.setCheckable(True)
        self.more_button.setToolTip(
            "Show what seldom needs a change: network, device and seed, frames and region."
        )
        self.more_button.toggled.connect(self._on_more_toggled)
        self._form = QFormLayout(self)
        self._form.setContentsMargins(0, 0, 0, 0)
        self._form.setVerticalSpacing(3)
        self._form.addRow("Begin with", row(self.start, self.load_button))
        self._form.addRow("Context", self.context)
        self._form.addRow("Train for", row(self.extent, self.minutes, self.epochs, self.more_button))
        self._form.addRow("Network", self.network)
        self._device_row = row(self.device, self.seed, stretch_all=True)
        self._form.addRow("Run on", self._device_row)
        self._form.addRow("Learn from", part)
        self._on_extent_changed()
        self._on_more_toggled(False)

    @property
    def settings(self) -> dict[str, Any]:
        """Arguments of :class:`blinkspot.denoising.TrainingSettings`."""
        extent = self.extent.currentData()
        new = {"network": self.network.currentData(), "context_frames": self.context.currentData()}
        return {
            **(new if self.start.denoiser is None else {}),  # else they are the old model's
            "minutes": self.minutes.value() if extent == _MINUTES else None,
            "epochs": self.epochs.value() if extent == _EPOCHS else None,
            "seed": self.seed.value(),
            "device": self.device.currentData(),
            **self.part.settings,
        }

    def _on_start_changed(self, index: int) -> None:
        for box in (self.context, self.network):
            box.setEnabled(self.start.denoiser is None)

    def _on_more_toggled(self, shown: bool) -> None:
        self._form.setRowVisible(self.network, shown)
        self._form.setRowVisible(self._device_row, shown)
        self._form.setRowVisible(self.part, shown)

    def _on_extent_changed(self, index: int = 0) -> None:
        extent = self.extent.currentData()
        self.minutes.setVisible(extent == _MINUTES)
        self.epochs.setVisible(extent == _EPOCHS)
