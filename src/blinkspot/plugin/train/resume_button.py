"""The button that goes on with an unfinished training of the movie chosen, where there is one."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

from napari.layers import Image
from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QPushButton, QWidget

from blinkspot.errors import BlinkspotError
from blinkspot.plugin.jobs.latest_only import LatestOnly
from blinkspot.plugin.layers.movies import stack_of
from blinkspot.plugin.session import Session
from blinkspot.plugin.train import unfinished
from blinkspot.plugin.train.finished import FinishedTrainings
from blinkspot.plugin.train.unfinished import Unfinished

_log = logging.getLogger("blinkspot")


class ResumeButton(QPushButton):
    """Seen while there is a training to go on with.

    Parameters
    ----------
    session : Session
        With the cameras of the movies and the models.
    folder : Path
        Where unfinished trainings are kept.

    Attributes
    ----------
    found : Unfinished or None
        The training.

    Signals
    -------
    changed : str
        What there is to go on with, in a sentence; empty where there is nothing.
    """

    changed = Signal(str)

    def __init__(self, session: Session, folder: Path, parent: QWidget | None = None) -> None:
        super().__init__("Resume", parent)
        self.found: Unfinished | None = None
        self.folder = folder
        self._session = session
        self._layer: Image | None = None
        self._finished = FinishedTrainings.of(session)
        self._seeking = LatestOnly(self)
        self._seeking.answered.connect(self._show)
        # Nobody has asked for it.
        self._seeking.failed.connect(lambda error: _log.warning("No training was sought", exc_info=error))
        session.cameras.changed.connect(self._on_camera_changed)
        session.model_added.connect(self._on_model_added)
        self.hide()

    def seek(self, layer: Image | None) -> None:
        """Look for a training on this movie."""
        self._layer = layer
        self._seeking.forget()
        self._show(None)
        record = None if layer is None else self._session.cameras.record(layer)
        if layer is None or record is None:
            return
        try:
            movie = stack_of(layer)
        except BlinkspotError:  # said where it is chosen
            return
        models, finished = list(self._session.models.values()), set(self._finished.checkpoints)
        self._seeking.ask(partial(unfinished.find, self.folder, movie, record.camera, models, finished))

    def _on_camera_changed(self, layer: Image) -> None:
        if layer is self._layer:
            self.seek(layer)

    def _on_model_added(self, name: str) -> None:
        # A training that has begun from a model goes on only where that is there.
        self.seek(self._layer)

    def _show(self, found: Unfinished | None) -> None:
        self.found = found
        sentence = "" if found is None else found.sentence
        self.setToolTip(f"{sentence} Go on with it, with its own settings.".lstrip())
        self.setVisible(found is not None)
        self.changed.emit(sentence)
