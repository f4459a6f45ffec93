"""The settings of a step: what each means, and what values it may have."""

from __future__ import annotations

import math
from dataclasses import field
from typing import Any

from blinkspot.errors import BlinkspotError


def setting(default: Any, meaning: str, unit: str = "") -> Any:
    """Return a dataclass field that says what it means and in which unit, for the command line's help."""
    return field(default=default, metadata={"meaning": meaning, "unit": unit})


def check_number(
    step: str,
    name: str,
    value: Any,
    lowest: float,
    highest: float,
    *,
    whole: bool = False,
    above: bool = False,
) -> None:
    """Check that a setting is a number in its range.

    Parameters
    ----------
    step, name : str
        Of the step and of its setting.
    value : object
        Whatever was given.
    lowest, highest : float
        Both allowed, unless ``above``.
    whole : bool
        Only whole numbers.
    above : bool
        ``lowest`` itself is not allowed.

    Raises
    ------
    BlinkspotError
        If it is no such number.
    """
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if is_number and whole:
        is_number = isinstance(value, int)
    if not is_number or math.isnan(value) or not lowest <= value <= highest or (above and value == lowest):
        kind = "a whole number" if whole else "a number"
        start = f"above {lowest:g}, up to" if above else f"from {lowest:g} to"
        raise BlinkspotError(f"{step}: {name} must be {kind} {start} {highest:g}, not {value!r}.")


def check_choice(step: str, name: str, value: Any, allowed: tuple[Any, ...]) -> None:
    """Check that a setting is one of a few values.

    Raises
    ------
    BlinkspotError
        If it is none of them.
    """
    if value not in allowed:
        raise BlinkspotError(f"{step}: {name} must be {' or '.join(map(str, allowed))}, not {value!r}.")
