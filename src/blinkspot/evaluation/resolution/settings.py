"""How the resolution of a table is measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from blinkspot.errors import BlinkspotError
from blinkspot.plain_values import make_plain

Split = Literal["blocks", "odd-even", "localizations"]
SPLITS: tuple[Split, ...] = get_args(Split)
# A millimetre: far beyond any field.
_LARGEST_NM = 1e6


@dataclass(frozen=True)
class ResolutionSettings:
    """How the resolution of a table is measured.

    Attributes
    ----------
    split : {"blocks", "odd-even", "localizations"}
        What goes to one half or the other: blocks of successive frames at random, the same by turns, or each
        localization by itself. A molecule that shines through several frames is in both halves of the last
        kind, and correlates with itself.
    frames_per_block : int, optional
        Well above the time for which a molecule shines. By default 50 blocks, or fewer of some 10
        frames, at least 2.
    splits : int
        Random splits that are averaged; ``"odd-even"`` has only one.
    pixel_size_nm : float, optional
        Pixel of the pictures that are correlated. By default half the precision (as Picasso), and up to the
        whole of it where the pictures would be too large.
    largest_distance_nm : float, optional
        See :func:`.nena`.
    seed : int
        Of the random splits.

    Raises
    ------
    BlinkspotError
        If a value is out of its range.
    """

    split: Split = "blocks"
    frames_per_block: int | None = None
    splits: int = 5
    pixel_size_nm: float | None = None
    largest_distance_nm: float | None = None
    seed: int = 1

    def __post_init__(self) -> None:
        make_plain(self)
        if self.split not in SPLITS:
            raise BlinkspotError(f"There is no split {self.split!r}: choose one of {', '.join(SPLITS)}.")
        if self.frames_per_block is not None and self.frames_per_block < 1:
            raise BlinkspotError(f"A block must have at least 1 frame, not {self.frames_per_block}.")
        if self.frames_per_block is not None and self.split == "localizations":
            raise BlinkspotError(
                "Blocks of frames have no effect where each localization is split by itself."
            )
        if not 1 <= self.splits <= 1000:
            raise BlinkspotError(f"The number of splits must lie between 1 and 1000, not {self.splits}.")
        for name in ("pixel_size_nm", "largest_distance_nm"):
            value = getattr(self, name)
            if value is not None and not 0 < value <= _LARGEST_NM:
                raise BlinkspotError(
                    f"The resolution's {name} must be above 0 nm, up to {_LARGEST_NM:g}, not {value}."
                )
        if self.seed < 0:
            raise BlinkspotError(f"The resolution's seed must be 0 or more, not {self.seed}.")
