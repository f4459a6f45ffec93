"""What a reader needs in order to be fuzzed."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from support.fuzzing.mutations import damaged_bytes, damaged_text


@dataclass(frozen=True)
class Target:
    """A reader.

    Attributes
    ----------
    make : callable
        Writes small valid inputs into a folder, each in a folder of its own.
    damage : callable
        Damages an input, a folder, in place, by what its format is made of.
    read : callable
        Reads an input.
    """

    make: Callable[[Path], object]
    damage: Callable[[Path, random.Random], object]
    read: Callable[[Path], object]


def one_of(folder: Path, rng: random.Random) -> Path:
    """Return one of the files below a folder."""
    return rng.choice(sorted(entry for entry in folder.rglob("*") if entry.is_file()))


def damage_bytes(path: Path, rng: random.Random) -> None:
    """Damage a file as bytes."""
    path.write_bytes(damaged_bytes(path.read_bytes(), rng))


def damage_text(path: Path, rng: random.Random) -> None:
    """Damage a file as text."""
    text = damaged_text(path.read_text(encoding="utf-8", errors="replace"), rng)
    path.write_bytes(text.encode("utf-8", errors="replace"))


def only(folder: Path, pattern: str) -> Path:
    """Return the only file of a folder that has a certain form of name."""
    (path,) = folder.glob(pattern)
    return path
