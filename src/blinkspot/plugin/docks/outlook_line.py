"""Will denoising help? A button, and the answer in a sentence."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from typing import TYPE_CHECKING

from napari.layers import Layer
from qtpy.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from blinkspot.camera import Camera
from blinkspot.errors import BlinkspotError
from blinkspot.movies.stack import Stack
from blinkspot.plugin.camera.keeper import CameraKeeper
from blinkspot.plugin.camera.record import CameraRecord
from blinkspot.plugin.jobs.latest_only import LatestOnly
from blinkspot.plugin.jobs.notify import tell_error
from blinkspot.plugin.layers.movies import stack_of
from blinkspot.progress import Progress

if TYPE_CHECKING:  # importing it takes seconds
    from blinkspot.localization.outlook import Outlook

_ASK, _BUSY = "Will it help?", "Looking..."


class OutlookLine(QWidget):
    """Tells whether noise is what limits localization in the movie shown.

    The answer goes where another movie, or another camera, takes the place of the one that it was for.

    Attributes
    ----------
    button : QPushButton
        Asks; to be placed by whoever makes the line.

    Parameters
    ----------
    keeper : CameraKeeper
        Keeps the cameras of the viewer's movies.
    """

    def __init__(self, keeper: CameraKeeper, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._keeper = keeper
        self._layer: Layer | None = None
        self._camera: Camera | None = None
        self.button = QPushButton(_ASK)
        self.button.setToolTip(
            "Look at the molecules of some frames, before any training: how bright they are, and whether "
            "noise hides or moves them. Some seconds; the first time in an installation half a minute."
        )
        self.button.clicked.connect(self.ask)
        self.said = QLabel()
        self.said.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.said)
        self._judging = LatestOnly(self)
        self._judging.answered.connect(self._on_judged)
        self._judging.failed.connect(self._on_failed)
        keeper.changed.connect(self._on_camera_changed)
        self.show_layer(None)

    def show_layer(self, layer: Layer | None) -> None:
        """Be about this movie."""
        self._layer = layer
        self._forget()

    def ask(self) -> None:
        """Judge the movie, in another thread."""
        if self._layer is None:
            return
        record = self._keeper.record(self._layer) or CameraRecord()
        try:
            record.check_complete()
            movie = stack_of(self._layer)
        except BlinkspotError as error:
            self._say(str(error))
            return
        self._forget()
        self._camera = record.camera
        self.button.setText(_BUSY)
        self.button.setEnabled(False)
        self._judging.ask_job(partial(_judged, movie, record.camera))

    def _forget(self) -> None:
        self._judging.forget()
        self._camera = None
        self._say("")
        self.button.setEnabled(self._layer is not None)

    def _say(self, sentence: str, details: str = "") -> None:
        self.button.setText(_ASK)
        self.button.setEnabled(True)
        self.said.setText(sentence)
        self.said.setToolTip(details)
        self.setVisible(bool(sentence))

    def _on_judged(self, outlook: Outlook) -> None:
        self._say(outlook.sentence, outlook.details)

    def _on_failed(self, error: Exception) -> None:
        self._say(
            str(error) if isinstance(error, BlinkspotError) else tell_error(error, "Looking at the movie")
        )

    def _on_camera_changed(self, layer: Layer) -> None:
        record = self._keeper.record(layer)
        if layer is self._layer and record is not None and record.camera != self._camera:
            self._forget()


def _judged(movie: Stack, camera: Camera) -> Generator[Progress, None, Outlook]:
    from blinkspot.localization.outlook import judge_movie

    return (yield from judge_movie(movie, camera))
