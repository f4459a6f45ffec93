"""The record of a session as JSON, and back: what is read is checked, and nothing of it is run."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import types
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from blinkspot.errors import BlinkspotError, in_brief
from blinkspot.provenance import package_version
from blinkspot.sessions.record import SessionRecord

FORMAT = 1
LARGEST_FILE_BYTES = 32 << 20
"""Size of a record that no window comes to."""
MOST_ENTRIES = 1000
"""Movies, models or tables that no window holds."""
_LONGEST_TEXT = 100_000
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def record_as_json(record: SessionRecord, more: dict[str, Any]) -> str:
    """Return a record as text, with more entries of its own."""
    content = {"format": FORMAT, "software": "napari-blinkspot", "version": package_version(), **more}
    values = _finite({**content, **dataclasses.asdict(record)})
    # A file's name need not be of letters that UTF-8 has: what stands for its bytes comes back as it was.
    text = json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False)
    return (json.dumps(values, indent=1, allow_nan=False) if _SURROGATE.search(text) else text) + "\n"


def _finite(value: Any) -> Any:
    """Return a value with null in the place of what JSON has no number for."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return value


def record_from_file(path: Path) -> SessionRecord:
    """Read a record.

    Raises
    ------
    BlinkspotError
        If the file is none, or another version's, or damaged, or too large to be one.
    """
    damaged = (
        f"{path} is no session of napari-blinkspot, or it is damaged: choose a folder that was saved by it"
    )
    try:
        if path.stat().st_size > LARGEST_FILE_BYTES:
            raise BlinkspotError(f"{path} is larger than any session: choose a folder that was saved as one.")
        content = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
    except OSError as error:
        raise BlinkspotError(f"The session {path} cannot be read: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        raise BlinkspotError(f"{damaged}.") from error
    if not isinstance(content, dict) or content.get("software") != "napari-blinkspot":
        raise BlinkspotError(f"{damaged}.")
    if content.get("format") != FORMAT:
        raise BlinkspotError(
            f"{path} has the session format {str(content.get('format'))[:20]}, but this version reads "
            f"{FORMAT} only: use the version that saved it."
        )
    try:
        record: SessionRecord = _built(SessionRecord, content, "the session")
    except (ValueError, RecursionError) as error:
        raise BlinkspotError(f"{damaged} ({in_brief(error)}).") from error
    return record


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _built(kind: type[Any], content: Any, where: str) -> Any:
    """Make a dataclass of a JSON object; entries that it does not have are passed over."""
    if not isinstance(content, dict):
        raise ValueError(f"{where} is no object")
    hints = get_type_hints(kind)
    values = {}
    for field in dataclasses.fields(kind):
        if field.name in content:
            values[field.name] = _value(hints[field.name], content[field.name], f"{field.name} of {where}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ValueError(f"{where} has no {field.name}")
    return kind(**values)


def _value(hint: Any, value: Any, where: str) -> Any:
    """Return a value as a field of this type takes it; raise ValueError where it cannot be one."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if value is None:
            return None
        (hint,) = (each for each in arguments if each is not types.NoneType)
        return _value(hint, value, where)
    if dataclasses.is_dataclass(hint):
        assert isinstance(hint, type)
        return _built(hint, value, where)
    if origin is tuple:
        return _several(arguments, value, where)
    if hint is dict or origin is dict:
        if isinstance(value, dict):
            return value
    elif hint is str:
        if isinstance(value, str) and len(value) <= _LONGEST_TEXT and "\x00" not in value:
            return value
    elif hint is bool:
        if isinstance(value, bool):
            return value
    elif hint is int:
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63:
            return value
    elif hint is float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and abs(value) < 1e300 and math.isfinite(value):
            return float(value)
    raise ValueError(f"{where} cannot be {str(value)[:40]!r}")


def _several(arguments: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list) or len(value) > MOST_ENTRIES:
        raise ValueError(f"{where} is no list of at most {MOST_ENTRIES} entries")
    if arguments[-1] is Ellipsis:
        found = tuple(_value(arguments[0], each, f"{where}, {i}") for i, each in enumerate(value, start=1))
        names = [each.name for each in found if hasattr(each, "name")]
        if len(set(names)) < len(names):
            raise ValueError(f"two of {where} have one name")
        return found
    if len(value) != len(arguments):
        raise ValueError(f"{where} does not have {len(arguments)} entries")
    return tuple(_value(hint, each, where) for hint, each in zip(arguments, value, strict=True))
