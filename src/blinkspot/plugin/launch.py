"""Open napari with the five docks and a movie: ``python -m blinkspot.plugin.launch [MOVIE]``."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

import napari
from qtpy.QtCore import QTimer

PLUGIN = "napari-blinkspot"
_SIZE_PX = (1320, 720)


def open_window(movie: Path | None = None, show: bool = True) -> tuple[napari.Viewer, dict[str, Any]]:
    """Open a viewer with the five docks as tabs.

    Parameters
    ----------
    movie : Path, optional
        A movie to open; the sample unless given.
    show : bool
        Whether to show the window.

    Returns
    -------
    viewer : napari.Viewer
    docks : dict
        The docks by name: ``"Train"``, ``"Denoise"``, ``"Localize"``, ``"Molecules"``, ``"Report"``.
    """
    viewer = napari.Viewer(title="Blinkspot", show=show, show_welcome_screen=False)
    viewer.window.resize(*_SIZE_PX)
    if movie is None:
        viewer.open_sample(PLUGIN, "blinking")
    else:
        viewer.open(str(movie), plugin=PLUGIN)
    docks = {
        name: viewer.window.add_plugin_dock_widget(PLUGIN, name, tabify=True)[1]
        for name in ("Train", "Denoise", "Localize", "Molecules", "Report")
    }
    # Later: each dock comes to the front once it is shown.
    QTimer.singleShot(0, docks["Train"].parent().raise_)
    return viewer, docks


def main() -> None:
    """Open the window and stay until it is closed."""
    parser = argparse.ArgumentParser(description="Open napari with the Blinkspot docks.")
    parser.add_argument(
        "movie", nargs="?", type=Path, help="a TIFF movie or a folder; a simulated movie by default"
    )
    movie = parser.parse_args().movie
    # Qt would abort the process.
    displays = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    if sys.platform.startswith("linux") and not any(map(os.environ.get, displays)):
        parser.error("there is no display: start this on a desktop, or under xvfb-run.")
    if movie is not None and not movie.exists():
        parser.error(f"{movie} does not exist: check the name.")
    open_window(movie)
    napari.run()


if __name__ == "__main__":
    main()
