"""Damage to bytes, texts and JSON values, from a random generator that is given."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from typing import Any

WHOLE = (0, 1, 2, 3, 7, 255, 256, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**64, 10**30)
"""Whole numbers at which programs stumble."""
WORDS = (
    "nan", "inf", "-inf", "1e308", "1e-320", "1e400", "-1", "0", "", " ", "null", "true", "[]", "{}", "\x00",
    "0x10", "1_000", "9" * 400, "9" * 5000, "🔬", "\ufeff", "../../etc/passwd", "/dev/zero", "a" * 70_000,
    "__class__", "9**9**9", "1;2", '"', "'", "\\", "\r", "\n", ",", ";", "=", "#", "[", "]", "[[", "{", "&",
    "*",
    "2026-11-26T00:00:00Z", "!!python/object/apply:os.system ['true']", "<<: *a", "&a [*a, *a]",
)  # fmt: skip
"""Texts at which parsers stumble."""
DEPTHS = (50, 300, 3000, 100_000)


def damaged_bytes(content: bytes, rng: random.Random) -> bytes:
    """Change a few places of a file."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        if not data:
            return bytes(data)
        rng.choice(_OF_BYTES)(data, rng)
    return bytes(data)


def _flip(data: bytearray, rng: random.Random) -> None:
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _replace(data: bytearray, rng: random.Random) -> None:
    data[rng.randrange(len(data))] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))


def _number(data: bytearray, rng: random.Random) -> None:
    size = rng.choice((2, 4, 8))
    at = rng.randrange(len(data))
    value = (rng.choice(WHOLE) + rng.choice((-1, 0, 0, 1))) % 256**size
    data[at : at + size] = value.to_bytes(size, rng.choice(("little", "big")))


def _cut(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(len(data)) :]


def _remove(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data))
    del data[at : at + rng.choice((1, 4, 32, 500))]


def _repeat(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data))
    data[at:at] = data[at : at + rng.choice((1, 4, 32, 500))] * rng.choice((1, 2, 50))


def _copy(data: bytearray, rng: random.Random) -> None:
    size = rng.choice((2, 8, 12, 64))
    here, there = rng.randrange(len(data)), rng.randrange(len(data))
    data[here : here + size] = data[there : there + size]


def _insert(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data))
    data[at:at] = rng.randbytes(rng.choice((1, 4, 64)))


_OF_BYTES: tuple[Callable[[bytearray, random.Random], None], ...] = (
    _flip, _flip, _replace, _replace, _number, _number, _number, _cut, _remove, _repeat, _copy, _insert,
)  # fmt: skip


def damaged_text(text: str, rng: random.Random) -> str:
    """Change a few words, lines or letters of a text."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        at = rng.randrange(len(text) + 1)
        match rng.randrange(8):
            case 0:
                text = text[:at] + rng.choice(WORDS) + text[at:]
            case 1:
                text = text[:at] + rng.choice(WORDS) + text[at + rng.choice((1, 3, 10)) :]
            case 2:
                text = text[:at] + text[at + rng.choice((1, 2, 20)) :]
            case 3:
                text = _changed_word(text, rng)
            case 4:
                lines = text.splitlines(keepends=True) or [""]
                chosen = rng.randrange(len(lines))
                lines[chosen : chosen + 1] = [lines[chosen]] * rng.choice((0, 2, 40))
                text = "".join(lines)
            case 5:
                depth = rng.choice(DEPTHS)
                opening, closing = rng.choice(
                    (("[", "]"), ("{", "}"), ("(", ")"), ('{"a":', "}"), ("- ", ""))
                )
                text = text[:at] + opening * depth + closing * rng.choice((0, depth)) + text[at:]
            case 6:
                text = text[:at]
            case _:
                text = damaged_bytes(text.encode(), rng).decode(errors="replace")
    return text


def _changed_word(text: str, rng: random.Random) -> str:
    """Put one of the words that are between separators in the place of another word."""
    for separator in rng.sample((" ", ",", "\n", "=", ": "), 5):
        words = text.split(separator)
        if len(words) > 2:
            words[rng.randrange(len(words))] = rng.choice((*WORDS, rng.choice(words), str(rng.choice(WHOLE))))
            return separator.join(words)
    return rng.choice(WORDS)


def damaged_json(value: Any, rng: random.Random) -> str:
    """Return a JSON value, changed in a few places, as text; rarely as text that is no JSON."""
    holder = {"root": value}
    try:
        holder = copy.deepcopy(holder)
        for _ in range(rng.choice((1, 1, 2, 4))):
            _change(holder, rng)
        text = json.dumps(holder["root"], ensure_ascii=rng.random() < 0.5)
    except RecursionError:  # changes upon changes have nested it too deeply
        text = json.dumps(odd_value(rng))
    return damaged_text(text, rng) if rng.random() < 0.1 else text


def odd_value(rng: random.Random) -> Any:
    """Return a JSON value that is seldom expected."""
    number = rng.choice(WHOLE)
    nested: Any = 1
    for _ in range(rng.choice((1, 3, 500))):
        nested = [nested] if rng.random() < 0.5 else {"a": nested}
    return rng.choice(
        (number, -number, rng.random(), 1e308, float("nan"), float("inf"), -0.0, None, True, False, [], {},
         "",
         rng.choice(WORDS), [number], [number] * 3, {"a": number}, [None] * 3, nested, "x" * 3000, [1] * 3000)
    )  # fmt: skip


def _change(holder: Any, rng: random.Random) -> None:
    """Change a value somewhere below a holder."""
    places = [(holder, "root")]
    for parent, key in places:
        child = parent[key]
        if isinstance(child, dict):
            places += [(child, name) for name in child]
        elif isinstance(child, list):
            places += [(child, index) for index in range(len(child))]
        if len(places) > 2000:
            break
    parent, key = rng.choice(places[1:] or places)
    match rng.randrange(6):
        case 0 if isinstance(parent, dict) and parent is not holder:
            del parent[key]
        case 1 if isinstance(parent, list):
            parent[key : key + 1] = [parent[key]] * rng.choice((0, 2, 3))
        case 2:
            other, name = rng.choice(places)
            parent[key] = copy.deepcopy(other[name])
        case 3 if isinstance(parent[key], int):
            parent[key] = rng.choice((parent[key] + 1, parent[key] - 1, -parent[key], parent[key] * 1000))
        case _:
            parent[key] = odd_value(rng)
