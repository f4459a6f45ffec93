"""A step after the fits as the command line takes it: ``merge radius_nm=20.0 dark_frames=1``."""

from __future__ import annotations

import dataclasses
import shlex
from typing import Any

from blinkspot.localization.processing import STEPS, Step, make_step
from blinkspot.localization.processing.step import settings_of


def step_text(name: str, settings: dict[str, Any]) -> str:
    """Return what ``blinkspot process --step`` must be given for a step.

    Parameters
    ----------
    name : str
        One of :data:`blinkspot.localization.processing.STEPS`.
    settings : dict
        By name; those that are left out have their defaults.

    Raises
    ------
    BlinkspotError
        If there is no such setting, or a value is not allowed.
    """
    step = make_step(name, settings)
    values = settings_of(step)
    kind = STEPS[name]
    for field in dataclasses.fields(kind):
        if field.metadata.get("takes_rest"):
            return f"{name} {values[field.name]}"
    chosen = [
        shlex.quote(f"{field.name}={_word(values[field.name])}")
        for field in dataclasses.fields(kind)
        if not _is_default(step, field)
    ]
    return " ".join([name, *chosen])


def _is_default(step: Step, field: dataclasses.Field[Any]) -> bool:
    return bool(getattr(step, field.name) == field.default)


def _word(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ";".join(",".join(repr(float(number)) for number in pair) for pair in value)
    return value if isinstance(value, str) else repr(value)
