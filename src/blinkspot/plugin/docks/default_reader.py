"""Makes ours the reader that napari opens TIFF files with when they are dropped into its window."""

from __future__ import annotations

from napari.settings import get_settings
from qtpy.QtGui import QAction  # type: ignore[attr-defined]
from qtpy.QtWidgets import QMenu

from blinkspot.plugin.jobs.notify import tell

PLUGIN = "napari-blinkspot"
PATTERNS = ("*.tif", "*.tiff", "*.btf", "*.tf8")
"""Patterns of the files that we read, as napari's preferences have them."""


def is_default_reader() -> bool:
    """Whether napari opens all these files with our reader, without asking."""
    chosen = get_settings().plugins.extension2reader
    return all(chosen.get(pattern) == PLUGIN for pattern in PATTERNS)


def set_default_reader(ours: bool) -> None:
    """Have napari open these files with our reader, or ask again; other preferences stay as they are.

    Parameters
    ----------
    ours : bool
        False takes back only what chooses our reader.
    """
    plugins = get_settings().plugins
    chosen = dict(plugins.extension2reader)
    if ours:
        chosen.update(dict.fromkeys(PATTERNS, PLUGIN))
    else:
        chosen = {
            pattern: reader
            for pattern, reader in chosen.items()
            if pattern not in PATTERNS or reader != PLUGIN
        }
    # Assigned as a whole: napari saves its settings when one is set.
    plugins.extension2reader = chosen


class DefaultReaderAction(QAction):  # type: ignore[misc]
    """A menu entry that is ticked where dropped TIFF files are opened by our reader."""

    def __init__(self, menu: QMenu) -> None:
        super().__init__("Always open dropped TIFF files with Blinkspot", menu)
        self.setCheckable(True)
        self.setToolTip("Then napari opens them lazily, and does not ask which reader to use.")
        self.triggered.connect(self._on_triggered)
        # The preferences may have changed meanwhile.
        menu.aboutToShow.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show what napari's preferences say."""
        self.setChecked(is_default_reader())

    def _on_triggered(self, ours: bool) -> None:
        set_default_reader(ours)
        tell(
            "Dropped TIFF files are opened by Blinkspot from now on (File > Preferences > Plugins)."
            if ours
            else "napari asks again which reader to use for dropped TIFF files."
        )
