"""The Open button: a movie from a file or a folder, opened lazily and without blocking the window."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari.components import ViewerModel
from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QMenu, QPushButton, QWidget

from blinkspot.movies.stack import Stack, open_stack
from blinkspot.plugin.docks.default_reader import DefaultReaderAction
from blinkspot.plugin.jobs.notify import tell, tell_error
from blinkspot.plugin.jobs.one_by_one import OneByOne
from blinkspot.plugin.layers.movies import STACK, movie_layer
from blinkspot.plugin.widgets import file_dialogs


class OpenButton(QPushButton):
    """Opens movies into a viewer.

    Signals
    -------
    opened : Image
        The layer of a movie that was opened.
    """

    opened = Signal(object)

    def __init__(self, viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__("Open...", parent)
        self.setToolTip("Open a TIFF movie, or a folder of TIFF files, without reading it into memory.")
        menu = QMenu(self)
        menu.addAction("File...", self._ask_file)
        menu.addAction("Folder of files...", self._ask_folder)
        menu.addSeparator()
        menu.addAction(DefaultReaderAction(menu))
        self.setMenu(menu)
        self._viewer = viewer
        self._opening = OneByOne(self)
        self._opening.answered.connect(self._on_opened)
        self._opening.failed.connect(lambda error: tell_error(error, "Opening the movie"))

    def open(self, path: Path) -> None:
        """Open a movie in another thread and add it to the viewer."""
        self._opening.ask(lambda: movie_layer(open_stack(path), name_of(path)))

    def _on_opened(self, described: tuple[Any, dict[str, Any], str]) -> None:
        data, state, _ = described
        layer = self._viewer.add_image(data, **state)
        tell_if_axes_guessed(state["metadata"][STACK], layer.name)
        self.opened.emit(layer)

    def _ask_file(self) -> None:
        path = file_dialogs.ask_open(self, "Open a movie", "Movies (*.tif *.tiff *.btf *.tf8);;All files (*)")
        if path is not None:
            self.open(path)

    def _ask_folder(self) -> None:
        path = file_dialogs.ask_open_folder(self, "Open a folder of TIFF files as one movie")
        if path is not None:
            self.open(path)


def name_of(path: Path) -> str:
    """Return what to call the layer of a file or folder."""
    return path.name if path.is_dir() else path.stem.removesuffix(".ome")


def tell_if_axes_guessed(stack: Stack, name: str) -> None:
    """Let the user know where the file did not say that its first axis is time."""
    if stack.axes_guessed:
        tell(f"{name}: the file does not name its axes; its {stack.n_frames} planes are taken for frames.")
