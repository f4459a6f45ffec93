"""Choosing a trained model, and loading one from a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QWidget

from blinkspot.plugin.docks import model_files
from blinkspot.plugin.jobs.notify import tell_error
from blinkspot.plugin.jobs.one_by_one import OneByOne
from blinkspot.plugin.session import Session
from blinkspot.plugin.widgets import file_dialogs
from blinkspot.plugin.widgets.name_box import NameBox

if TYPE_CHECKING:  # importing it takes seconds
    from blinkspot.denoising import Denoiser

MODEL_FILES = "Blinkspot models (*.blinkspot);;All files (*)"


class ModelLoader(QObject):
    """Loads model files into a session, in another thread.

    Signals
    -------
    said : str
        What it did, or why not.
    loaded : str
        Name of the model that was loaded.
    """

    said = Signal(str)
    loaded = Signal(str)

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(parent)
        self._session = session
        self._window = parent
        self._loading = OneByOne(self)
        self._loading.answered.connect(self._on_loaded)
        self._loading.failed.connect(lambda error: self.said.emit(tell_error(error, "Loading the model")))

    def ask(self) -> None:
        """Ask for a model file and load it."""
        path = file_dialogs.ask_open(self._window, "Load a model", MODEL_FILES)
        if path is not None:
            self.load(path)

    def load(self, path: Path) -> None:
        """Load a model file."""
        self.said.emit(f"Loading {path.name}...")
        self._loading.ask(lambda: (path, model_files.load_model(path)))

    def _on_loaded(self, answer: tuple[Path, Denoiser]) -> None:
        path, model = answer
        self._session.lineage.model(model).path = path
        name = self._session.add_model(path.stem, model)
        self.said.emit(f"The model {name!r} is ready in the Denoise dock.")
        self.loaded.emit(name)


class ModelSaver(QObject):
    """Saves models of a session as files, in another thread.

    Signals
    -------
    said : str
        What it did, or why not.
    """

    said = Signal(str)

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(parent)
        self._session = session
        self._window = parent
        self._saving = OneByOne(self)
        self._saving.answered.connect(self._on_saved)
        self._saving.failed.connect(lambda error: self.said.emit(tell_error(error, "Saving the model")))

    def ask(self, name: str | None) -> None:
        """Ask for a new file and save the model of this name; do nothing where there is none."""
        model = self._session.models.get(name or "")
        if model is None:
            return
        path = file_dialogs.ask_save(self._window, "Save the model", f"{name}.blinkspot", MODEL_FILES)
        if path is not None:
            self._saving.ask(lambda: (model_files.save_model(model, path), model))

    def _on_saved(self, answer: tuple[Path, Denoiser]) -> None:
        path, model = answer
        self._session.lineage.model(model).path = path
        self.said.emit(f"The model is saved as {path}.")
        self._session.model_saved.emit(model)


class ModelChoice(NameBox):
    """Lets the user choose one of the session's models.

    Parameters
    ----------
    session : Session
        With the models.
    instead : str, optional
        What to call the choice of none of them, which is then there, and chosen, from the beginning. Without
        it the newest model is chosen as it comes.
    """

    def __init__(self, session: Session, instead: str | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._follows = instead is None
        if instead is not None:
            self.addItem(instead, None)
        self.setToolTip("Models trained or loaded in this window.")
        session.model_added.connect(self._on_added)
        for name in session.models:
            self._on_added(name)

    @property
    def denoiser(self) -> Denoiser | None:
        """The chosen model, None where there is none yet."""
        return self._session.models.get(self.currentData())

    def _on_added(self, name: str) -> None:
        self.addItem(name, name)
        if self._follows:
            self.setCurrentIndex(self.count() - 1)
