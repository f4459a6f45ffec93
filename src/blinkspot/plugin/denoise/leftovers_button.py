"""The button that removes what is kept of a file that was not denoised to its end."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QPushButton, QWidget

from blinkspot.errors import BlinkspotError
from blinkspot.files.unfinished_files import remove_unfinished, unfinished_files
from blinkspot.plugin.jobs.notify import tell_error


class LeftoversButton(QPushButton):
    """Seen while something is kept of the file that was denoised into last.

    Signals
    -------
    said : str
        What became of it.
    """

    said = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Discard", parent)
        self._path: Path | None = None
        self.setToolTip("Remove what is kept of a file that was not denoised to its end.")
        self.clicked.connect(self._discard)
        self.hide()

    def look_at(self, path: Path | None) -> None:
        """Show itself if something is kept of a file."""
        self._path = path
        kept = [] if path is None else unfinished_files(path)
        self.setVisible(bool(kept))
        if path is not None:
            where = ", ".join(str(unfinished.folder) for unfinished in kept)
            self.setToolTip(f"Remove what is kept of {path.name}, which is not finished: {where}.")

    def _discard(self) -> None:
        path = self._path
        if path is None:
            return
        try:
            remove_unfinished(path)
        except BlinkspotError as error:
            self.said.emit(tell_error(error, f"Discarding what is kept of {path.name}"))
        else:
            self.said.emit(f"Nothing is kept of {path.name} any more.")
        self.look_at(path)
