"""The plugin's own settings in napari's Preferences, as the manifest declares them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

_log = logging.getLogger("blinkspot")


def threads() -> int | None:
    """Return how many processor threads a job may use; None: all cores but one."""
    return int(_value("computing", "threads", 0)) or None


def folder(name: str, default: Path) -> Path:
    """Return the folder called ``cameras`` or ``trainings``: the user's choice, else the default."""
    chosen = str(_value("folders", name, "")).strip()
    try:
        return Path(chosen).expanduser() if chosen else default
    except RuntimeError:  # of a user that is not there: a slip of the pen must not keep a dock from opening
        _log.warning("The folder of %s in the Preferences, %s, is nowhere: it is %s", name, chosen, default)
        return default


def _value(category: str, name: str, default: Any) -> Any:
    try:
        from napari.settings import get_plugin_settings

        return getattr(getattr(get_plugin_settings("napari-blinkspot"), category), name)
    except (ImportError, KeyError, AttributeError):  # without being installed as a plugin, in an older napari
        return default
