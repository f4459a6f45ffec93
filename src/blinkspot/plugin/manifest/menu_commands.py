"""What napari's menus offer besides the docks: the session of the window."""

from __future__ import annotations

from napari import Viewer

from blinkspot.plugin.report.dock import ReportDock
from blinkspot.plugin.saved_sessions.part import SessionPart


def save_session(viewer: Viewer) -> None:
    """Ask for a new folder, and save the session there."""
    _part(viewer).ask_save()


def open_session(viewer: Viewer) -> None:
    """Ask for a session, and open it."""
    _part(viewer).ask_open()


def copy_command_lines(viewer: Viewer) -> None:
    """Copy the command lines that repeat what was done with all movies."""
    _part(viewer).copy(of_all=True)


def _part(viewer: Viewer) -> SessionPart:
    """Return what does it, in the Report dock, which appears: it says how it goes."""
    panel, dock = viewer.window.add_plugin_dock_widget("napari-blinkspot", "Report")
    # It may be there already: hidden, or behind another tab.
    panel.show()
    panel.raise_()
    assert isinstance(dock, ReportDock)
    return dock.session_part
