"""How many molecules of two routes are confirmed by photons held out, at the same share of false ones.

A threshold asks for different things of a noisy and of a denoised movie, so the routes are compared where the
same share of what they find is false. Nothing here knows the truth: false shares are the estimates of
:mod:`blinkspot.evaluation.held_out`.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from blinkspot.evaluation.held_out import Estimate, HeldOut, HeldOutRoute
from blinkspot.evaluation.scoring.resampling import Gain

FALSE_SHARES = (0.05, 0.1, 0.2, 0.4)
"""Compared at the first of these that each route passes somewhere along the threshold."""

Bound = Literal["value", "low", "high"]


@dataclass(frozen=True)
class Confirmed:
    """What a route finds where a given share of it is false.

    Attributes
    ----------
    route : str
        Its name.
    number : Estimate
        Molecules that are not false.
    threshold : float
        Where that is, in units of std(Wave.F1).
    error_nm : Estimate
        Root mean square of their distances from their molecules.
    """

    route: str
    number: Estimate
    threshold: float
    error_nm: Estimate


@dataclass(frozen=True)
class EqualShare:
    """The noisy route and a denoised one, at the same share of false molecules.

    Attributes
    ----------
    false_share : float
    noisy, denoised : Confirmed
    gain : Gain
        Molecules of the denoised route less those of the noisy one, with a 95 % interval.
    """

    false_share: float
    noisy: Confirmed
    denoised: Confirmed
    gain: Gain

    def as_dict(self) -> dict[str, Any]:
        """Return all figures by name, JSON-ready: None stands for NaN."""
        return {
            "false_share": self.false_share,
            "gain": asdict(self.gain),
            **{
                name: {
                    "route": each.route,
                    "threshold": each.threshold,
                    "confirmed_molecules": each.number.as_dict(),
                    "error_nm": each.error_nm.as_dict(),
                }
                for name, each in (("noisy", self.noisy), ("denoised", self.denoised))
            },
        }


def at_equal_share(check: HeldOut) -> EqualShare | None:
    """Compare the noisy route with the better denoised one.

    The interval of the difference joins those of both numbers by their square sum, each on its own side
    (Zou & Donner 2008, Statistics in Medicine 27:1693), as if they were independent: what is alike in errors
    of the same movie makes the true one narrower.

    Returns
    -------
    EqualShare or None
        None where no denoised route was checked, or molecules are too few to tell.
    """
    noisy = check.route("noisy")
    others = [each for each in check.routes if each.name != "noisy"]
    if noisy is None:
        return None
    for share in FALSE_SHARES:
        before = _confirmed(noisy, share)
        found = [_confirmed(each, share) for each in others]
        told = [each for each in found if each is not None]
        if before is None or not told:
            continue
        after = max(told, key=lambda each: each.number.value)
        return EqualShare(share, before, after, _difference(before.number, after.number))
    return None


def _difference(before: Estimate, after: Estimate) -> Gain:
    value = after.value - before.value
    down = math.hypot(after.value - after.low, before.high - before.value)
    up = math.hypot(after.high - after.value, before.value - before.low)
    return Gain(value, value - down, value + up)


def _confirmed(route: HeldOutRoute, share: float) -> Confirmed | None:
    """Return the confirmed molecules where so many are false; None where the route does not pass this share.

    More false ones than estimated mean a higher threshold and fewer molecules.
    """
    places = [_place(route, share, bound) for bound in ("value", "high", "low")]
    value, fewest, most = places
    if value is None or most is None:
        return None
    index = np.arange(len(route.found))
    number, low, high = (
        0.0 if place is None else (1.0 - share) * float(np.interp(place, index, route.found))
        for place in (value, fewest, most)
    )
    nearest = round(value)
    threshold = math.exp(float(np.interp(value, index, np.log(route.thresholds))))
    return Confirmed(route.name, Estimate(number, low, high), threshold, route.error_nm[nearest])


def _place(route: HeldOutRoute, share: float, bound: Bound) -> float | None:
    """Return between which thresholds (by their numbers) the false share falls to a value.

    None where it is below from the first on, or never falls so low.
    """
    shares = np.array([getattr(each, bound) for each in route.false_share])
    told = np.isfinite(shares)
    index = np.flatnonzero(told)
    # A higher threshold has no larger share of false ones: what rises is chance.
    falling = np.minimum.accumulate(shares[told])
    below = np.flatnonzero(falling <= share)
    if not len(below) or below[0] == 0:
        return None
    last = int(below[0])
    high, low = float(falling[last - 1]), float(falling[last])
    part = (high - share) / (high - low)
    return float(index[last - 1] + part * (index[last] - index[last - 1]))
