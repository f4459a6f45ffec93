"""Writing tables and drifts to files that the user names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QWidget

from blinkspot.plugin.jobs.latest_only import LatestOnly
from blinkspot.plugin.jobs.notify import tell_error
from blinkspot.plugin.widgets import file_dialogs

THUNDERSTORM = "ThunderSTORM table (*.csv)"
TABLES = f"{THUNDERSTORM};;Picasso table (*.hdf5)"
DRIFTS = "Drift (*.csv);;Picasso drift (*.txt)"


class TableWriter(QObject):
    """Asks for names, and writes one file at a time in another thread.

    A file is written whole or not at all, so there is nothing to cancel.

    Parameters
    ----------
    parent : QWidget
        Over which the dialogs appear.

    Signals
    -------
    said : str
        What is being done, or has come of it.
    """

    said = Signal(str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._parent = parent
        self._writing = LatestOnly(self)
        self._writing.answered.connect(lambda path: self._done(f"Saved as {path}."))
        self._writing.failed.connect(lambda error: self._done(tell_error(error, "Writing")))
        self._is_writing = False

    def ask(self, title: str, suggested: str, kinds: str) -> Path | None:
        """Ask for the name of a new file; None where the user cancels, or another is being written."""
        if self._is_writing:
            self.said.emit("Still writing: wait until that file is done.")
            return None
        return file_dialogs.ask_save(self._parent, title, suggested, kinds)

    def write(self, path: Path, write: Callable[[], Path]) -> None:
        """Have ``write()`` make the file."""
        self.said.emit(f"Writing {path.name}...")
        self._is_writing = True
        self._writing.ask(write)

    def _done(self, outcome: str) -> None:
        # Of its own: the thread ends a little later than its answer comes, when the next file may be named.
        self._is_writing = False
        self.said.emit(outcome)
