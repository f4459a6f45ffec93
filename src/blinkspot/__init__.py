"""Blind-spot denoising and localization of single-molecule movies.

The names below are loaded when they are first used: torch and numba take seconds to import, and a window that
only lists its plugins should not wait for them.
"""

import importlib
import os
from typing import TYPE_CHECKING, Any

# Threads that wait by spinning made a training step seven times slower while other processes wanted the
# cores; asleep they cost some 15 % on free ones. libgomp reads this when torch loads it.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

if TYPE_CHECKING:
    from blinkspot.camera import Camera
    from blinkspot.camera.maps import CameraMaps, read_maps
    from blinkspot.camera_from_movie.estimate import estimate_camera
    from blinkspot.denoising import Denoiser, Training, TrainingSettings, denoise_to_file, train
    from blinkspot.errors import BlinkspotError
    from blinkspot.evaluation import compare, score, simulate, write_report
    from blinkspot.localization import (
        LocalizationTable,
        Localizer,
        LocalizerSettings,
        read_table,
        render,
        save_picture,
        write_table,
    )
    from blinkspot.movies.stack import Stack, as_stack, open_stack
    from blinkspot.progress import Progress, finish

_HOMES = {
    "BlinkspotError": "errors",
    "Camera": "camera",
    "CameraMaps": "camera.maps",
    "Denoiser": "denoising",
    "LocalizationTable": "localization",
    "Localizer": "localization",
    "LocalizerSettings": "localization",
    "Progress": "progress",
    "Stack": "movies.stack",
    "Training": "denoising",
    "TrainingSettings": "denoising",
    "as_stack": "movies.stack",
    "compare": "evaluation",
    "denoise_to_file": "denoising",
    "estimate_camera": "camera_from_movie.estimate",
    "finish": "progress",
    "open_stack": "movies.stack",
    "read_maps": "camera.maps",
    "read_table": "localization",
    "render": "localization",
    "save_picture": "localization",
    "score": "evaluation",
    "simulate": "evaluation",
    "train": "denoising",
    "write_report": "evaluation",
    "write_table": "localization",
}

__all__ = [
    "BlinkspotError",
    "Camera",
    "CameraMaps",
    "Denoiser",
    "LocalizationTable",
    "Localizer",
    "LocalizerSettings",
    "Progress",
    "Stack",
    "Training",
    "TrainingSettings",
    "as_stack",
    "compare",
    "denoise_to_file",
    "estimate_camera",
    "finish",
    "open_stack",
    "read_maps",
    "read_table",
    "render",
    "save_picture",
    "score",
    "simulate",
    "train",
    "write_report",
    "write_table",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
