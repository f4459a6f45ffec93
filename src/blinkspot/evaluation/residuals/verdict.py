"""A residual in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blinkspot.evaluation.residuals.result import Residuals

# What the camera's settings may be off by, and what a movie's noise is off the law.
_VARIANCE = 0.05
# A denoised movie that keeps more than this of the noise's variance leaves too little to judge it by.
_LEAST_VARIANCE = 0.5
_CORRELATION = 0.02
# Downwards: what molecules explain is less in all movies but the most crowded.
_FOLLOWED = 0.05
_STRUCTURE = 0.05
# The quantile of chance beyond which a finding is one.
_CHANCE = 1e-3
_SURE = 4.0


def findings(residuals: Residuals) -> list[str]:
    """Return in what a residual is not white, one clause each; none where it is.

    Only what is both beyond chance and large enough to matter is one. Beside a molecule whose brightness
    the neighbours leave open, the residuals of neighbouring pixels are less than independent (two pixels that
    foretell each other leave residuals of the opposite sign): a slight correlation below 0 is no finding.
    """
    found = []
    p = residuals.p_values()
    off = residuals.variance - 1.0
    if residuals.by_model and abs(off) > _VARIANCE and (p["variance"] or 0.0) < _CHANCE:
        found.append(f"its variance is {residuals.variance:.3f} instead of 1")
    if not residuals.by_model and off > _VARIANCE:
        found.append(f"its variance is {residuals.variance:.3f}, and noise alone has 1 or less")
    if not residuals.by_model and residuals.variance < _LEAST_VARIANCE:
        found.append(
            f"its variance is only {residuals.variance:.2f}, as where the denoised movie keeps the noise"
        )
    correlation = float(residuals.spatial[0])
    if correlation > max(_CORRELATION, _SURE * residuals.correlation_chance):
        found.append(f"neighbouring pixels are correlated by {correlation:.0%}")
    if correlation < -_FOLLOWED:
        found.append(
            f"neighbouring pixels are correlated by {correlation:.0%}, as where the denoised movie follows "
            "their noise"
        )
    if residuals.structure > _STRUCTURE and (p["map"] or 0.0) < _CHANCE:
        found.append(f"its mean over time varies over the field by {residuals.structure:.2f} of the noise")
    for spots, name in ((residuals.lost, "lost"), (residuals.invented, "invented")):
        if spots.is_sure:
            error = spots.error / spots.frames
            found.append(f"it holds {spots.per_frame:.2g} ± {error:.1g} {name} molecules a frame")
    return found


def verdict(residuals: Residuals) -> str:
    """Return what a residual says, in one sentence."""
    found = findings(residuals)
    if found:
        return f"The residual is not white noise: {'; '.join(found)}."
    amount = f"its variance is {residuals.variance:.3f} ± {residuals.variance_error:.3f}"
    if not residuals.by_model and residuals.variance < 1.0:
        amount += " (below 1, as a denoised pixel knows itself)"
    return (
        f"The residual is white noise as far as can be told: {amount}, and no molecules are found lost or "
        "invented."
    )
