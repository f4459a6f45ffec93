"""Checks that structures and masks share."""

from __future__ import annotations

import math

from blinkspot.errors import BlinkspotError
from blinkspot.plain_values import check_kinds, make_plain

_SMALLEST_UM, _LARGEST_UM = 1e-3, 1e6


def check_seed(settings: object, whose: str) -> None:
    """Refuse a seed that is no whole number of 0 or more."""
    make_plain(settings)
    check_kinds(settings, f"The {whose}", ("seed",))
    seed = settings.seed  # type: ignore[attr-defined]
    if seed < 0:
        raise BlinkspotError(f"The {whose} seed must be 0 or more, not {seed}.")


def check_above_0(settings: object, whose: str, *names: str, whole: tuple[str, ...] = ()) -> None:
    """Refuse values that are no numbers above 0, or not finite; those in ``whole`` must be whole."""
    make_plain(settings)
    check_kinds(settings, f"The {whose}", whole, names)
    for name in (*names, *whole):
        value = getattr(settings, name)
        if not 0 < value < math.inf:
            raise BlinkspotError(f"The {whose} {name} must be above 0, not {value}.")


def check_part(settings: object, whose: str, name: str, largest: float = 1.0) -> None:
    """Refuse a value that does not lie between 0 and ``largest``."""
    make_plain(settings)
    check_kinds(settings, f"The {whose}", (), (name,))
    value = getattr(settings, name)
    if not 0 <= value <= largest:
        raise BlinkspotError(f"The {whose} {name} must lie between 0 and {largest:g}, not {value}.")


def check_size_um(length_um: float, what: str) -> None:
    """Refuse what is far smaller or larger than anything in a movie, with which numbers would overflow."""
    if not _SMALLEST_UM <= length_um <= _LARGEST_UM:
        raise BlinkspotError(
            f"The {what} must be from {_SMALLEST_UM:g} to {_LARGEST_UM:,.0f} micrometres, not {length_um:g}."
        )
