"""Whether the counts are counts: what the residual of a trained model says of the camera's settings."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

# Measured: 0.97 to 1.05 on movies with the right camera.
_TRUSTED = (0.85, 1.2)
# From one validation to the next. Of a model that learns, the ratio falls by 3 to 25 % until step 80 to 120,
# and changes by 2 % or less from then on (four trainings, with right and wrong cameras).
_SETTLED_CHANGE = 0.03


def dark_sums(counts: Tensor, mean: Tensor) -> tuple[float, float]:
    """Return the sums of squared residuals and of prior means where the picture is dark.

    A pixel's prior mean m, told by its neighbours, leaves the residual z - m. Its variance is that of the
    noise, m, plus that of the prior, which in the background is small. Where the counts were scaled wrongly
    by a factor k, the variance is k^2 times the true one and the mean k times: the ratio of the sums is k.

    Parameters
    ----------
    counts, mean : Tensor, (n, Y, X)
        Held-out counts z and prior means m.

    Returns
    -------
    (float, float)
        Over the half of the pixels with the least prior mean: which half they are does not depend on their
        own noise.
    """
    dark = mean <= mean.median()
    squares = (counts - mean)[dark].double().square().sum()
    return float(squares), float(mean[dark].double().sum())


def settled_ratio(ratios: Sequence[float]) -> float | None:
    """Return the last of the ratios that successive validations found, if it is the noise's.

    What a model leaves over is the noise and what it has not learned yet. The ratio says something of the
    camera only once learning does not change it any more: None where it still does, or nothing is known.
    """
    if len(ratios) < 2 or abs(ratios[-1] - ratios[-2]) > _SETTLED_CHANGE * ratios[-2]:
        return None
    return ratios[-1]


def residual_warning(ratio: float) -> str | None:
    """Return what a ratio far from 1 says, in one sentence; None where it is near 1."""
    if _TRUSTED[0] <= ratio <= _TRUSTED[1]:
        return None
    if ratio < 1.0:
        return (
            f"What the model leaves over in the dark half of the picture has {ratio:.2g} times the "
            "variance that the camera's settings predict: the photon numbers are too small for their "
            "noise and the picture is smoothed too much; check electrons per ADU, EM gain and offset, and "
            "that frames were not averaged."
        )
    return (
        f"What the model leaves over in the dark half of the picture has {ratio:.2g} times the variance "
        "that the camera's settings predict: the photon numbers are too large for their noise; check "
        "electrons per ADU, EM gain, offset and read noise."
    )
