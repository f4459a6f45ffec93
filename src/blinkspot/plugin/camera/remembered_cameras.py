"""Cameras that the user has set once, kept under their names in the user's configuration folder."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from qtpy.QtCore import QStandardPaths

from blinkspot.camera import Camera
from blinkspot.errors import BlinkspotError
from blinkspot.plugin import preferences

_FILE = "camera.toml"
# What a file's name may hold on every system; the rest is written as %XX.
_SAFE = " ()-_,+="
_LONGEST_NAME = 120


def cameras_folder() -> Path:
    """Return the folder of the user's cameras; it need not exist."""
    location = QStandardPaths.StandardLocation.GenericConfigLocation
    usual = Path(QStandardPaths.writableLocation(location)) / "napari-blinkspot" / "cameras"
    return preferences.folder("cameras", usual)


@dataclass(frozen=True)
class RememberedCameras:
    """Cameras by name; each is a folder that holds a camera file, and its maps where it has some.

    Attributes
    ----------
    folder : Path
        Where they are; made when the first one is remembered.
    """

    folder: Path

    @property
    def names(self) -> list[str]:
        """Names of all of them, in alphabetical order."""
        try:
            entries = [each for each in self.folder.iterdir() if (each / _FILE).is_file()]
        except OSError:
            return []
        return sorted(
            (unquote(each.name) for each in entries if not each.name.startswith(".")), key=str.lower
        )

    def load(self, name: str) -> Camera:
        """Return a camera.

        Raises
        ------
        BlinkspotError
            If there is none of that name, or its file was spoiled.
        """
        return Camera.load(self._path(name) / _FILE)

    def remember(self, name: str, camera: Camera) -> None:
        """Keep a camera under a name; one of before is set aside as ``.NAME.before`` beside it.

        It is written beside and renamed: whatever happens, one of the two is there.

        Raises
        ------
        BlinkspotError
            If the name is none, or the folder cannot be written to.
        """
        path = self._path(name)
        temporary = self.folder / f".{path.name}.{uuid.uuid4().hex[:8]}.part"
        before = self.folder / f".{path.name}.before"
        set_aside = False
        try:
            temporary.mkdir(parents=True)
            camera.save(temporary / _FILE)
            if path.exists():
                shutil.rmtree(before, ignore_errors=True)
                os.replace(path, before)
                set_aside = True
            os.replace(temporary, path)
        except OSError as error:
            if set_aside:
                with contextlib.suppress(OSError):
                    os.replace(before, path)
            raise BlinkspotError(
                f"The camera {name!r} could not be remembered in {self.folder} ({error.strerror or error}): "
                "check the room and the permissions there, or save it to a file."
            ) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _path(self, name: str) -> Path:
        stripped = name.strip()
        if not 0 < len(stripped) <= _LONGEST_NAME or not stripped.isprintable():
            raise BlinkspotError(
                f"A camera's name has from 1 to {_LONGEST_NAME} letters: choose another one."
            )
        # A dot at the beginning hides a folder, and one at the end is lost on Windows.
        return self.folder / quote(stripped, safe=_SAFE).replace(".", "%2E")
