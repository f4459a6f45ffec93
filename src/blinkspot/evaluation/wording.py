"""Numbers as sentences and pages write them."""

from __future__ import annotations

MINUS = "\N{MINUS SIGN}"


def signed(value: float, decimals: int = 3) -> str:
    """Write a difference, its sign always before it."""
    return f"{value:+,.{decimals}f}".replace("-", MINUS)
