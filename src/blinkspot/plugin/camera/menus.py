"""Where a camera comes from and goes to: files, and those that are remembered by name."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QMenu, QPushButton, QWidget

from blinkspot.camera import Camera
from blinkspot.errors import BlinkspotError
from blinkspot.plugin.camera.remembered_cameras import RememberedCameras
from blinkspot.plugin.jobs.notify import tell, tell_error
from blinkspot.plugin.widgets import file_dialogs


class LoadCameraButton(QPushButton):
    """Offers the cameras that are remembered, and files.

    Signals
    -------
    file_chosen : Path
        A file to load.
    remembered_chosen : str
        Name of a remembered camera to load.
    """

    file_chosen = Signal(object)
    remembered_chosen = Signal(str)

    def __init__(self, remembered: RememberedCameras, parent: QWidget | None = None) -> None:
        super().__init__("Load...", parent)
        self.setToolTip("Take a camera that is remembered, or read it from a TOML file.")
        self._remembered = remembered
        self.choices = QMenu(self)
        self.choices.aboutToShow.connect(self.refresh)
        self.setMenu(self.choices)
        self.refresh()

    def refresh(self) -> None:
        """List the cameras that are remembered now."""
        self.choices.clear()
        self.choices.addAction("File...", self._ask_file)
        names = self._remembered.names
        if names:
            self.choices.addSection("Remembered")
        for name in names:
            # A single & would underline the next letter.
            action = self.choices.addAction(name.replace("&", "&&"))
            assert action is not None
            action.triggered.connect(lambda _=False, name=name: self.remembered_chosen.emit(name))

    def _ask_file(self) -> None:
        path = file_dialogs.ask_open(self, "Load a camera", "Camera (*.toml)")
        if path is not None:
            self.file_chosen.emit(path)


class SaveCameraButton(QPushButton):
    """Writes a camera to a file, or has it remembered by a name."""

    def __init__(self, remembered: RememberedCameras, parent: QWidget | None = None) -> None:
        super().__init__("Save...", parent)
        self.setToolTip(
            "Remember the camera by a name, to be offered for other movies, or write it to a new TOML file, "
            "for the command line too."
        )
        self._remembered = remembered
        self.camera = Camera()
        self.suggested_name = ""
        menu = QMenu(self)
        menu.addAction("File...", self._ask_file)
        menu.addAction("Remember by name...", self._ask_name)
        self.setMenu(menu)

    def show_camera(self, camera: Camera, suggested_name: str) -> None:
        """Be about this camera; the name is what its file, or the user, calls it."""
        self.camera, self.suggested_name = camera, suggested_name

    def _ask_file(self) -> None:
        path = file_dialogs.ask_save(self, "Save the camera", "camera.toml", "Camera (*.toml)")
        if path is not None:
            self._try("Saving the camera", path, None)

    def _ask_name(self) -> None:
        name = file_dialogs.ask_name(self, "Remember the camera", "Name of the camera:", self.suggested_name)
        if name is None or not self._may_replace(name):
            return
        self._try("Remembering the camera", None, name)

    def _may_replace(self, name: str) -> bool:
        """Ask before another camera of that name is replaced."""
        if name not in self._remembered.names:
            return True
        try:
            before = self._remembered.load(name)
        except BlinkspotError:
            return True
        differences = self.camera.differences(before)
        return not differences or file_dialogs.ask_yes(
            self,
            "Remember the camera",
            f"{name} is remembered already, but {' and '.join(differences)}. Replace it by the camera shown?",
        )

    def _try(self, doing: str, path: Path | None, name: str | None) -> None:
        try:
            if path is not None:
                self.camera.save(path)
            if name is not None:
                self._remembered.remember(name, self.camera)
                tell(f"The camera {name} is remembered: Load... offers it, and files that name it take it.")
        except BlinkspotError as error:
            tell_error(error, doing)
