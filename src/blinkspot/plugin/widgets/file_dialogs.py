"""Asking for a file's name, and for other names."""

from __future__ import annotations

import re
from pathlib import Path

from qtpy.QtCore import QSettings
from qtpy.QtWidgets import QFileDialog, QInputDialog, QMessageBox, QWidget


def ask_open(parent: QWidget, title: str, kinds: str) -> Path | None:
    """Ask for a file that exists; None where the user cancels."""
    name, _ = QFileDialog.getOpenFileName(parent, title, _last_folder(), kinds)
    return _chosen(name)


def ask_open_folder(parent: QWidget, title: str) -> Path | None:
    """Ask for a folder; None where the user cancels."""
    return _chosen(QFileDialog.getExistingDirectory(parent, title, _last_folder()))


def ask_save(parent: QWidget, title: str, suggested: str, kinds: str) -> Path | None:
    """Ask for the name of a new file; None where the user cancels.

    Results are never overwritten: a name that exists is refused where the file is written, so the dialog does
    not ask whether to replace it.
    """
    name, kind = QFileDialog.getSaveFileName(
        parent,
        title,
        _suggestion(suggested),
        kinds,
        options=QFileDialog.Option.DontConfirmOverwrite,
    )
    path = _chosen(name)
    if path is not None and not path.suffix:
        asked = re.search(r"\*(\.\w+)", kind)
        path = path.with_suffix(asked[1] if asked else Path(suggested).suffix)
    return path


def ask_new_folder(parent: QWidget, title: str, suggested: str) -> Path | None:
    """Ask for the name of a new folder; None where the user cancels."""
    name, _ = QFileDialog.getSaveFileName(
        parent, title, _suggestion(suggested), options=QFileDialog.Option.DontConfirmOverwrite
    )
    return _chosen(name)


def ask_name(parent: QWidget, title: str, label: str, suggested: str) -> str | None:
    """Ask for a name; None where the user cancels or gives none."""
    name, is_given = QInputDialog.getText(parent, title, label, text=suggested)
    return name.strip() or None if is_given else None


def ask_yes(parent: QWidget, title: str, question: str) -> bool:
    """Ask for a decision."""
    return QMessageBox.question(parent, title, question) == QMessageBox.StandardButton.Yes


def _suggestion(name: str) -> str:
    """Return a path to suggest: a layer's name may hold what no file's name may on some system."""
    return str(Path(_last_folder()) / re.sub(r'[\x00-\x1f<>:"/\\|?*]', "_", name))


def _settings() -> QSettings:
    return QSettings("napari-blinkspot", "napari-blinkspot")


def _last_folder() -> str:
    return str(_settings().value("folder", ""))


def _chosen(name: str) -> Path | None:
    if not name:
        return None
    path = Path(name)
    _settings().setValue("folder", str(path.parent))
    return path
