"""How a movie is checked by its held-out photons."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field

from blinkspot.errors import BlinkspotError
from blinkspot.evaluation.scoring.matching import check_tolerance
from blinkspot.evaluation.scoring.scores import DEFAULT_TOLERANCE_NM
from blinkspot.localization import LocalizerSettings
from blinkspot.plain_values import make_plain

_MOST_KEPT, _LEAST_KEPT = 0.9, 0.3
_SMALLEST_STEP = 1.1


@dataclass(frozen=True)
class HeldOutSettings:
    """How a movie is checked by its held-out photons.

    Attributes
    ----------
    kept_shares : tuple of float
        Parts of the photons that are kept in the splits, two or more, ascending. What they find is
        extrapolated to the whole light; the first one, in which the held-out part is largest, tells which
        molecules are confirmed.
    localizer : LocalizerSettings
        How molecules are found and fitted; which pixels are fitted follows from the route. Molecules are
        judged from its threshold on.
    minutes : float, optional
        Train a model on the kept part alone, for so long, in each split, and one on the movie. Without it the
        model given denoises the kept parts, scaled up to the brightness that it was trained at.
    tolerance_nm : float
        Distance beyond which a localization counts as misplaced, nm.
    seed : int
        Seed of the splits.

    Raises
    ------
    BlinkspotError
        If a value is out of its range.
    """

    kept_shares: tuple[float, ...] = (0.5, 0.7, 0.8)
    localizer: LocalizerSettings = field(default=LocalizerSettings())
    minutes: float | None = None
    tolerance_nm: float = DEFAULT_TOLERANCE_NM
    seed: int = 1

    def __post_init__(self) -> None:
        make_plain(self)
        shares = self.kept_shares
        rising = all(low * _SMALLEST_STEP <= high for low, high in itertools.pairwise(shares))
        if len(shares) < 2 or not rising or shares[0] < _LEAST_KEPT or shares[-1] > _MOST_KEPT:
            raise BlinkspotError(
                f"The kept shares must be two or more, from {_LEAST_KEPT:g} to {_MOST_KEPT:g}, each at least "
                f"{_SMALLEST_STEP:g} times the one before, not {', '.join(f'{share:g}' for share in shares)}."
            )
        if self.minutes is not None and not (math.isfinite(self.minutes) and self.minutes > 0):
            raise BlinkspotError(f"The minutes of a training must be above 0, not {self.minutes}.")
        check_tolerance(self.tolerance_nm)
        if self.seed < 0:
            raise BlinkspotError(f"The seed of the splits must be 0 or more, not {self.seed}.")
        if self.localizer.false_per_frame is not None or self.localizer.preset != "blinkspot":
            raise BlinkspotError(
                "The held-out check follows molecules along the detection threshold of our own analysis: "
                "leave the preset and the number of false molecules per frame as they are."
            )
        if self.localizer.astigmatism is not None or self.localizer.widths == "elliptical":
            raise BlinkspotError(
                "The held-out check knows round molecules only: leave out astigmatism and elliptical widths."
            )
