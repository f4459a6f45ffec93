"""A comparison in a sentence."""

from __future__ import annotations

import math

from blinkspot.evaluation.comparison import Comparison
from blinkspot.evaluation.resampling import Gain

ROUTE_TITLES = {
    "noisy": "noisy",
    "denoised_fit_raw": "denoised, fitted on raw counts",
    "denoised_fit_denoised": "denoised, fitted on the denoised picture",
}
MINUS = "\N{MINUS SIGN}"


def verdict(comparison: Comparison) -> str:
    """Say in one sentence what denoising did, and no more than is known.

    With truth: whether the best F1 rose or fell by more than chance explains, by the better of the denoised
    routes. Without truth: how many molecules were located, which is no measure of how many are real.
    """
    noisy, denoised = comparison.noisy, comparison.denoised
    threshold = comparison.settings.localizer.threshold
    if denoised.truthful is None or denoised.truthful.gain is None or math.isnan(noisy.best_f1):
        return (
            f"At the default threshold of {threshold:g} there are {noisy.n_default:,} localizations in the "
            f"noisy movie and {denoised.n_default:,} with the denoised one; without the truth, nobody can "
            "say how many of either are molecules."
        )
    gain = denoised.truthful.gain
    how = ROUTE_TITLES[denoised.name].removeprefix("denoised, ")
    values = f"from {noisy.best_f1:.3f} to {denoised.best_f1:.3f} ({described(gain)}; molecules {how})"
    if gain.low is None or gain.high is None:
        return f"The best F1 went {values}; the movie is too short to tell a difference from chance."
    if gain.low > 0:
        return f"Denoising raised the best F1 {values}."
    if gain.high < 0:
        return f"Denoising lowered the best F1 {values}."
    return f"Denoising made no difference that this movie could show: the best F1 went {values}."


def described(gain: Gain) -> str:
    """Write a gain with its interval: ``+0.223, 95 % interval +0.201 to +0.244``."""
    if gain.low is None or gain.high is None:
        return signed(gain.value)
    return f"{signed(gain.value)}, 95 % interval {signed(gain.low)} to {signed(gain.high)}"


def signed(value: float) -> str:
    """Write a difference with three decimals, its sign always before it."""
    return f"{value:+.3f}".replace("-", MINUS)
