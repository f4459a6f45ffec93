"""Settings of ThunderSTORM's analysis."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from blinkspot.errors import BlinkspotError

ThunderstormFit = Literal["mle", "lsq", "wlsq"]
UncertaintyFormula = Literal["2016", "1.3"]


@dataclass(frozen=True)
class ThunderstormSettings:
    """How ThunderSTORM finds and fits molecules; the defaults are its own.

    Attributes
    ----------
    fit : {"mle", "lsq", "wlsq"}
        Maximum likelihood (its default since 2015), least squares, or weighted least squares (its default
        up to version 1.3).
    threshold : float
        Smallest response of the wavelet filter, in units of the frame's std(Wave.F1).
    fit_radius_px : int
        The window that is fitted is a square of twice this and one more; candidates closer to the frame's
        border are left out.
    initial_sigma_px : float
        Standard deviation of the Gaussian that fits start from, pixels.
    uncertainty : {"2016", "1.3"}
        The formula of the build of 2016 (and later), or that of version 1.3.

    Raises
    ------
    BlinkspotError
        If a value is out of its range.
    """

    fit: ThunderstormFit = "mle"
    threshold: float = 1.0
    fit_radius_px: int = 3
    initial_sigma_px: float = 1.6
    uncertainty: UncertaintyFormula = "2016"

    def __post_init__(self) -> None:
        for name, allowed in (
            ("fit", get_args(ThunderstormFit)),
            ("uncertainty", get_args(UncertaintyFormula)),
        ):
            if getattr(self, name) not in allowed:
                raise BlinkspotError(
                    f"{name} must be {' or '.join(map(repr, allowed))}, not {getattr(self, name)!r}."
                )
        if not (math.isfinite(self.threshold) and self.threshold > 0):
            raise BlinkspotError(
                f"The threshold must be a number above 0 (in units of std(Wave.F1)), not {self.threshold}."
            )
        if not 2 <= self.fit_radius_px <= 15:
            raise BlinkspotError(
                f"The fit radius must be a whole number of pixels from 2 to 15, not {self.fit_radius_px}."
            )
        if not 0.3 <= self.initial_sigma_px <= self.fit_radius_px + 0.5:
            raise BlinkspotError(
                "The initial sigma must be from 0.3 pixels to half the fit window, "
                f"not {self.initial_sigma_px}."
            )
