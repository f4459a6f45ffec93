"""Steps after the fits as words on the command line: ``merge radius_nm=20 dark_frames=1``."""

from __future__ import annotations

import dataclasses
import inspect
import shlex
import types
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from blinkspot.errors import BlinkspotError
from blinkspot.localization.processing import STEPS, Step, make_step


def parse_step(text: str) -> Step:
    """Make a step of its name and its settings, ``NAME=VALUE`` each.

    A step whose only setting is a text takes the rest of the words for it: ``filter photons > 100``.

    Raises
    ------
    BlinkspotError
        If there is no such step or setting, or a value is not allowed.
    """
    name, _, rest = text.strip().partition(" ")
    if name not in STEPS:
        given = repr(name) if name else "empty"
        raise BlinkspotError(f"--step {text!r}: the step is {given}, and must be one of {', '.join(STEPS)}.")
    try:
        return make_step(name, _settings(name, rest.strip()))
    except BlinkspotError as error:
        raise BlinkspotError(f"--step {text!r}: {error}") from error


def steps_help() -> str:
    """Return a list of all steps, their settings, units and defaults."""
    lines = []
    for name, kind in STEPS.items():
        first_sentence = (inspect.getdoc(kind) or "").split("\n\n")[0]
        first_sentence = first_sentence.replace("\n", " ").replace("`", "")
        lines.append(f"{name}: {first_sentence}")
        for field in dataclasses.fields(kind):
            meaning, unit = (field.metadata.get(key, "") for key in ("meaning", "unit"))
            usual = f"={_written(field.default)}" if field.default not in ("", ()) else ""
            lines.append(f"    {field.name}{usual}{f' {unit}' if unit else ''}  {meaning}".rstrip())
    return "\n".join(lines)


def _written(value: Any) -> str:
    if value is None:
        return "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _is_text(name: str) -> bool:
    fields = dataclasses.fields(STEPS[name])
    return len(fields) == 1 and get_type_hints(STEPS[name])[fields[0].name] is str


def _settings(name: str, rest: str) -> dict[str, Any]:
    known = {field.name: get_type_hints(STEPS[name])[field.name] for field in dataclasses.fields(STEPS[name])}
    if _is_text(name):
        return {next(iter(known)): rest}
    try:
        words = shlex.split(rest)
    except ValueError as error:
        raise BlinkspotError("a quotation mark is not closed.") from error
    settings: dict[str, Any] = {}
    for word in words:
        key, sign, value = word.partition("=")
        if not sign or key not in known:
            raise BlinkspotError(f"{word!r} must be SETTING=VALUE, where SETTING is {', '.join(known)}.")
        if key in settings:
            raise BlinkspotError(f"{key} is given twice.")
        settings[key] = _value(key, known[key], value)
    return settings


def _value(key: str, kind: Any, text: str) -> Any:
    if get_origin(kind) in (Union, types.UnionType):
        if text.lower() == "none":
            return None
        (kind,) = (each for each in get_args(kind) if each is not type(None))
    if get_origin(kind) is tuple:
        return tuple(tuple(pair.split(",")) for pair in text.split(";") if pair)
    if get_origin(kind) is Literal:
        return text
    if kind is bool:
        if text.lower() not in ("true", "false"):
            raise BlinkspotError(f"{key} must be true or false, not {text!r}.")
        return text.lower() == "true"
    try:
        return kind(text)
    except ValueError as error:
        wanted = {int: "a whole number", float: "a number"}.get(kind, "another value")
        raise BlinkspotError(f"{key} must be {wanted}, not {text!r}.") from error
