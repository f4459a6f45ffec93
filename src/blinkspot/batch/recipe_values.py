"""Tables of a recipe to dataclasses: every key and every type is checked, and named where it is wrong."""

from __future__ import annotations

import dataclasses
import math
import os
import types
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from blinkspot.errors import BlinkspotError

KindT = TypeVar("KindT")


@dataclasses.dataclass(frozen=True)
class RecipeTable:
    """A table of a recipe, as it was read.

    Attributes
    ----------
    recipe : Path
        The file.
    name : str
        As it stands there: ``"[train]"``.
    values : dict
        By key.
    """

    recipe: Path
    name: str
    values: dict[str, Any]

    def error(self, what: str, key: str | None = None) -> BlinkspotError:
        """Return an error that names file, table and key."""
        where = f"{self.recipe}, {self.name}" if key is None else f"{self.recipe}, {self.name} {key}"
        return BlinkspotError(f"{where}: {what}")

    def take(self, *keys: str) -> RecipeTable:
        """Return this table with some of its keys alone."""
        return dataclasses.replace(
            self, values={key: value for key, value in self.values.items() if key in keys}
        )

    def without(self, *keys: str) -> RecipeTable:
        """Return this table without some of its keys."""
        return self.take(*(key for key in self.values if key not in keys))

    def check_keys(self, known: Iterable[str]) -> None:
        """Check that all keys are known.

        Raises
        ------
        BlinkspotError
            If one is not.
        """
        names = tuple(known)
        for key in self.values:
            if key not in names:
                raise self.error(f"there is no such key; known are {', '.join(names)}.", key)

    def refuse_idle(self, why: str, *keys: str) -> None:
        """Refuse keys that another one puts out of use, as the commands do with their options.

        Parameters
        ----------
        why : str
            What puts them out of use: ``"beside astigmatism"``.
        *keys : str

        Raises
        ------
        BlinkspotError
            If one of them is there.
        """
        for key in keys:
            if key in self.values:
                raise self.error(f"has no effect {why}: leave it out.", key)

    def read(self, kind: type[KindT], **more: Any) -> KindT:
        """Make a dataclass of this table.

        Parameters
        ----------
        kind : type
            A dataclass whose fields are numbers, words, truth values, paths, or lists of them. Paths are
            seen from the recipe's folder.
        **more
            Fields that do not come from the table.

        Raises
        ------
        BlinkspotError
            If a key is not a field, or a value is not of its field's type or range.
        """
        hints = get_type_hints(kind)
        fields = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
        self.check_keys(name for name in fields if name not in more)
        given = {key: self._value(key, value, hints[key]) for key, value in self.values.items()}
        try:
            return kind(**given, **more)
        except BlinkspotError as error:
            raise self.error(str(error), self._wrong_key(kind, given, more, str(error))) from error

    def _wrong_key(
        self, kind: type[Any], given: dict[str, Any], more: dict[str, Any], said: str
    ) -> str | None:
        """Return the one key that is wrong by itself, in the same words; None where it takes several."""
        for key, value in given.items():
            try:
                kind(**{key: value}, **more)
            except BlinkspotError as error:
                if str(error) == said:
                    return key
        return None

    def _value(self, key: str, value: Any, hint: Any) -> Any:
        made, wanted = _as(hint, value)
        if wanted is not None:
            raise self.error(f"must be {wanted}, not {shown(value)}.", key)
        return self.file(made) if isinstance(made, Path) else made

    def file(self, path: str | Path) -> Path:
        """Return a path of the table, which is seen from the recipe's folder, as it is seen from anywhere.

        What is done by it may be done in another folder: by a worker of a cluster, say.
        """
        return Path(os.path.abspath(self.recipe.parent / path))


def _as(hint: Any, value: Any) -> tuple[Any, str | None]:
    """Return a value as a type has it, or None and what would be of that type."""
    if get_origin(hint) in (Union, types.UnionType):
        kinds = [kind for kind in get_args(hint) if kind is not type(None)]
        return _as(kinds[0], value)
    if get_origin(hint) is Literal:
        words = get_args(hint)
        return (value, None) if value in words else (None, " or ".join(repr(word) for word in words))
    if get_origin(hint) is tuple:
        return _as_tuple(get_args(hint), value)
    if hint is Path:
        return (Path(value), None) if isinstance(value, str) and value else (None, "the path of a file")
    if hint is bool:
        return (value, None) if isinstance(value, bool) else (None, "true or false")
    if hint is int:
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        return (value, None) if is_whole else (None, "a whole number")
    if hint is float:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and _is_finite(value)
        return (float(value), None) if is_number else (None, "a number")
    return (value, None) if isinstance(value, str) else (None, "a text")


def _as_tuple(kinds: tuple[Any, ...], value: Any) -> tuple[Any, str | None]:
    endless = len(kinds) == 2 and kinds[1] is Ellipsis
    wanted = "a list" if endless else f"a list of {len(kinds)} values"
    if not isinstance(value, list) or not (endless or len(value) == len(kinds)):
        return None, wanted
    made = []
    for number, entry in enumerate(value):
        each, of_each = _as(kinds[0] if endless else kinds[number], entry)
        if of_each is not None:
            return None, f"{wanted}, each {of_each}"
        made.append(each)
    return tuple(made), None


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def shown(value: Any) -> str:
    """Return a value as it is shown in a sentence: not all of one that is long."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
