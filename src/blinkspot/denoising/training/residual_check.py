"""Whether the counts are counts: what the residual of a trained model says of the camera's settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

DarkSums = tuple[float, float, float]

# Measured: 0.97 to 1.05 on movies with the right camera.
_TRUSTED = (0.85, 1.2)
# Measured on six kinds of movies, with offsets right and wrong: within 5 % from the 80th step on.
_MOST_WRONG = 0.3
# From one validation to the next. Of a model that learns, the ratio falls by 3 to 25 % until step 80 to 120,
# and changes by 2 % or less from then on (four trainings, with right and wrong cameras).
_SETTLED_CHANGE = 0.03
_FIRST_LOOK_AT_STEP = 200


@dataclass
class ResidualCheck:
    """Judges the camera by what a model leaves over, once, when learning does not change that any more.

    Attributes
    ----------
    ratios : list of float or None
        :func:`residual_ratio` at each validation.
    settled : float or None
        The one that was judged; None before.
    """

    ratios: list[float | None] = field(default_factory=list)
    settled: float | None = None

    def note(self, ratio: float | None, step: int, is_last: bool) -> str | None:
        """Take note of a validation; return what it says against the camera, if anything and for once."""
        self.ratios.append(ratio)
        if self.settled is not None or (step < _FIRST_LOOK_AT_STEP and not is_last):
            return None
        self.settled = settled_ratio(self.ratios)
        return None if self.settled is None else residual_warning(self.settled)

    def as_dict(self) -> dict[str, Any]:
        """Return the state as JSON-ready values."""
        return {"residual_ratios": list(self.ratios), "residual_ratio": self.settled}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ResidualCheck:
        """Return what :meth:`as_dict` returned, from among other values.

        Raises
        ------
        KeyError, TypeError or ValueError
            If the values are not such.
        """
        return cls([_number(ratio) for ratio in values["residual_ratios"]], _number(values["residual_ratio"]))


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def dark_sums(counts: Tensor, mean: Tensor) -> DarkSums:
    """Return the sums of squared residuals, of prior means and of counts where the picture is dark.

    Parameters
    ----------
    counts, mean : Tensor, (n, Y, X)
        Held-out counts z and prior means m.

    Returns
    -------
    (float, float, float)
        Over the half of the pixels with the least prior mean: which half they are does not depend on their
        own noise. Counts below 0 count as 0, as in the loss.
    """
    dark = mean <= mean.median()
    squares = (counts - mean)[dark].double().square().sum()
    light = counts[dark].double().clamp_min(0.0).sum()
    return float(squares), float(mean[dark].double().sum()), float(light)


def residual_ratio(sums: DarkSums) -> float | None:
    """Return the variance of the residual over what the camera's settings predict.

    A pixel's prior mean m, told by its neighbours, leaves the residual z - m. Its variance is that of the
    noise, m, plus that of the prior, which in the background is small. Where the counts were scaled wrongly
    by a factor k, the variance is k^2 times the true one and the mean k times: the ratio of the sums is k.

    Parameters
    ----------
    sums : (float, float, float)
        Of all of :func:`dark_sums`.

    Returns
    -------
    float or None
        None of a model that does not even know how bright the dark is: with any camera that is learned
        first, and without it the ratio says nothing of the camera.
    """
    squares, means, light = sums
    if abs(means - light) > _MOST_WRONG * light:
        return None
    return squares / max(means, 1e-12)


def settled_ratio(ratios: Sequence[float | None]) -> float | None:
    """Return the last of the ratios that successive validations found, if it is the noise's.

    What a model leaves over is the noise and what it has not learned yet. The ratio says something of the
    camera only once learning does not change it any more: None where it still does, or nothing is known.
    """
    before, last = [None, None, *ratios][-2:]
    if before is None or last is None or abs(last - before) > _SETTLED_CHANGE * before:
        return None
    return last


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
