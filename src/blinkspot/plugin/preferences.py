"""The plugin's own settings in napari's Preferences, as the manifest declares them."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def threads() -> int | None:
    """Return how many processor threads a job may use; None: all cores but one."""
    return int(_value("computing", "threads", 0)) or None


def folder(name: str, default: Path) -> Path:
    """Return the folder called ``cameras`` or ``trainings``: the user's choice, else the default."""
    chosen = str(_value("folders", name, "")).strip()
    return Path(chosen).expanduser() if chosen else default


def _value(category: str, name: str, default: Any) -> Any:
    try:
        from napari.settings import get_plugin_settings

        return getattr(getattr(get_plugin_settings("napari-blinkspot"), category), name)
    except (ImportError, KeyError, AttributeError):  # without being installed as a plugin, in an older napari
        return default
