"""How a residual is judged."""

from __future__ import annotations

from dataclasses import dataclass

from blinkspot.errors import BlinkspotError
from blinkspot.plain_values import make_plain


@dataclass(frozen=True)
class ResidualSettings:
    """How a residual is judged.

    Attributes
    ----------
    false_per_megapixel : float
        Spots above the threshold in a million pixels of white noise, on average: what is searched for is
        fainter the more of them are allowed.
    largest_lag : int
        Frames up to which the residual is compared with itself, and pixels.
    seed : int
        Of the simulated white residual.

    Raises
    ------
    BlinkspotError
        If a value is out of its range.
    """

    false_per_megapixel: float = 5.0
    largest_lag: int = 5
    seed: int = 1

    def __post_init__(self) -> None:
        make_plain(self)
        if not 0.01 <= self.false_per_megapixel <= 1000:
            raise BlinkspotError(
                "The false spots per million pixels of a residual must lie between 0.01 and 1000, not "
                f"{self.false_per_megapixel:g}."
            )
        if not 1 <= self.largest_lag <= 50:
            raise BlinkspotError(
                f"The largest lag of a residual must lie between 1 and 50, not {self.largest_lag}."
            )
        if self.seed < 0:
            raise BlinkspotError(f"The residual's seed must be 0 or more, not {self.seed}.")
