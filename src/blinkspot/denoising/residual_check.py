"""Whether the counts are counts: what the residual of a trained model says of the camera's settings."""

from __future__ import annotations

from collections.abc import Generator

from torch import Tensor

from blinkspot.denoising.learner import Learner

# Measured: 0.97 to 1.05 on movies with the right camera.
_TRUSTED = (0.85, 1.2)


def residual_ratio(learner: Learner, batches: list[Tensor]) -> Generator[None, None, float]:
    """Measure the residual's variance over its mean, where the picture is dark.

    A pixel's prior mean m, told by its neighbours, leaves the residual z - m. Its variance is that of the
    noise, m, plus that of the prior, which in the background is small. Where the counts were scaled wrongly
    by a factor k, the variance is k^2 times the true one and the mean k times: their ratio is k.

    Parameters
    ----------
    learner : Learner
        After some hundred steps.
    batches : list of Tensor
        Held-out counts.

    Returns
    -------
    float
        The ratio, over the half of the pixels with the least prior mean: which half they are does not depend
        on their own noise.
    """
    squares = means = 0.0
    for counts, mean in (yield from learner.prior_means(batches)):
        dark = mean <= mean.median()
        squares += float((counts - mean)[dark].double().square().sum())
        means += float(mean[dark].double().sum())
    return squares / max(means, 1e-12)


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
