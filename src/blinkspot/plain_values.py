"""Values that can be written: NumPy's numbers, which JSON does not take, become Python's own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from blinkspot.errors import BlinkspotError


def plain(value: Any) -> Any:
    """Return a value with Python's own numbers in the place of NumPy's, in lists and dictionaries, too.

    Parameters
    ----------
    value : object
        What is of no kind of NumPy's, nor holds any, is returned as it is.
    """
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    return _within(value, plain)


def encodable(value: Any) -> Any:
    """Return a value in whose texts, also in lists and dictionaries, all can be written as UTF-8.

    The name of a file on an old disk, or in a terminal without a language, holds bytes that are no UTF-8.

    Parameters
    ----------
    value : object
    """
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    return _within(value, encodable)


def _within(value: Any, change: Callable[[Any], Any]) -> Any:
    """Change what lists and dictionaries hold."""
    if isinstance(value, dict):
        return {change(name): change(entry) for name, entry in value.items()}
    if type(value) in (list, tuple):
        return type(value)(change(entry) for entry in value)
    return value


def make_plain(settings: Any) -> None:
    """Give a frozen dataclass plain values, tuples in the place of arrays; to be called as it is made.

    A loop over ``np.arange(5)`` gives seeds that are no int. What is made with them would be lost where it is
    saved, together with its settings.

    Parameters
    ----------
    settings : dataclass instance
    """
    for each in dataclasses.fields(settings):
        value = getattr(settings, each.name)
        object.__setattr__(
            settings, each.name, _tuples(value) if isinstance(value, np.ndarray) else plain(value)
        )


def _tuples(value: Any) -> Any:
    """Return an array as tuples in tuples, as settings have them."""
    value = plain(value)
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def check_kinds(settings: Any, what: str, whole: tuple[str, ...], numbers: tuple[str, ...] = ()) -> None:
    """Check that settings are numbers before they are compared with any.

    Parameters
    ----------
    settings : dataclass instance
        Its values are plain. None is allowed where it is the default.
    what : str
        Whose settings they are, at the beginning of the sentence: ``"The simulation's"``.
    whole, numbers : tuple of str
        Names of those that must be whole numbers, and of those that must be numbers.

    Raises
    ------
    BlinkspotError
        If one is not.
    """
    defaults = {each.name: each.default for each in dataclasses.fields(settings)}
    for name in (*whole, *numbers):
        value = getattr(settings, name)
        if value is None and defaults[name] is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int if name in whole else (int, float)):
            kind = "a whole number" if name in whole else "a number"
            raise BlinkspotError(f"{what} {name} must be {kind}, not {value!r}.")
