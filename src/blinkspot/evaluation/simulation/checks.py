"""Checks that structures and masks share."""

from __future__ import annotations

import math

from blinkspot.errors import BlinkspotError


def check_seed(seed: int, whose: str) -> None:
    """Refuse a seed below 0."""
    if seed < 0:
        raise BlinkspotError(f"The {whose} seed must be 0 or more, not {seed}.")


def check_above_0(settings: object, whose: str, *names: str) -> None:
    """Refuse values that are not above 0, or not finite."""
    for name in names:
        value = getattr(settings, name)
        if not (math.isfinite(value) and value > 0):
            raise BlinkspotError(f"The {whose} {name} must be above 0, not {value}.")


def check_part(value: float, what: str, largest: float = 1.0) -> None:
    """Refuse a value that does not lie between 0 and ``largest``."""
    if not 0 <= value <= largest:
        raise BlinkspotError(f"The {what} must lie between 0 and {largest:g}, not {value}.")
