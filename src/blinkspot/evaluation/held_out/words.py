"""The held-out check in a sentence for each route, and one on the pictures."""

from __future__ import annotations

import math

from blinkspot.evaluation.held_out.result import HeldOut, HeldOutRoute
from blinkspot.evaluation.wording import signed

_PICTURES = {
    "noisy": "the noisy picture",
    "gaussian": "a Gaussian filter",
    "denoised": "the denoised picture",
}


def sentence(route: HeldOutRoute) -> str:
    """Say how many of a route's molecules are false and how far the others lie from their molecules."""
    number = int(route.found[0])
    threshold = f"{route.thresholds[0]:g}"
    if not number:
        return f"Nothing is found at threshold {threshold}."
    false, error = route.false[0], route.error_nm[0]
    if math.isnan(false.value):
        return f"The {number:,} molecules at threshold {threshold} are too few to be judged."
    share = route.false_share[0]
    words = (
        f"Of the {number:,} molecules at threshold {threshold}, {false.value:,.0f} are false "
        f"({100 * share.value:.3g} %, 95 % interval {100 * share.low:.3g} to {100 * share.high:.3g} %)"
    )
    if math.isnan(error.value):
        return f"{words}; how far the others lie from their molecules cannot be told from so few."
    return (
        f"{words}; the others lie {error.value:.1f} nm from their molecules (root mean square, 95 % interval "
        f"{error.low:.1f} to {error.high:.1f} nm)."
    )


def picture_sentence(check: HeldOut) -> str:
    """Say which picture predicts the held-out photons best."""
    ordered = sorted(check.predictions, key=lambda each: -each.gain)
    best, *others = ordered
    beaten = ", ".join(f"{_PICTURES[each.picture]} {signed(each.gain, 4)}" for each in others)
    name = _PICTURES[best.picture]
    return (
        f"{name[:1].upper()}{name[1:]} predicts the held-out photons best: {signed(best.gain, 4)} nat "
        f"per photon over the movie's mean; {beaten}."
    )
