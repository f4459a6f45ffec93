"""What made a result: kept beside or inside every file that we write."""

from __future__ import annotations

import dataclasses
import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from blinkspot.camera import Camera
from blinkspot.plain_values import plain


def package_version() -> str:
    """Return the installed version of napari-blinkspot."""
    try:
        return version("napari-blinkspot")
    except PackageNotFoundError:
        return "0+unknown"


def provenance(
    step: str,
    *,
    camera: Camera | None,
    settings: Any = None,
    seed: int | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Describe how a result was made, as JSON-ready values.

    Parameters
    ----------
    step : str
        What was done: ``"train"``, ``"denoise"``, ``"localize"``, ...
    camera : Camera or None
        Camera used.
    settings : dataclass instance or dict, optional
        All settings of the step.
    seed : int or None
        Seed of the random numbers, None where the step uses none.
    **more
        Anything else worth keeping, JSON-ready: source file, provenance of the model used, ...

    Returns
    -------
    dict
        With Python's own numbers in the place of NumPy's.
    """
    if settings is not None and dataclasses.is_dataclass(settings) and not isinstance(settings, type):
        settings = dataclasses.asdict(settings)
    record = {
        "software": "napari-blinkspot",
        "version": package_version(),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "step": step,
        "settings": settings,
        "camera": None if camera is None else camera.as_dict(),
        "seed": seed,
        **more,
    }
    made: dict[str, Any] = plain(record)
    return made
