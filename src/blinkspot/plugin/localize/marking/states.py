"""Which molecules of a frame are in both movies, or are true. Nothing here knows Qt or a layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blinkspot.plugin import backend
from blinkspot.plugin.layers.movies import TABLE
from blinkspot.plugin.layers.table_shown import places_px

if TYPE_CHECKING:  # importing it takes seconds
    from blinkspot.localization import LocalizationTable


class State(Enum):
    """What is known of a molecule; the value is what to call it."""

    FOUND = "found"
    BOTH = "in both"
    ONLY_NOISY = "only noisy"
    ONLY_DENOISED = "only denoised"
    TRUE = "true"
    FALSE = "false"
    MISSED = "missed"


@dataclass(frozen=True)
class Marked:
    """Molecules of a frame in one movie.

    Attributes
    ----------
    places : (n, 3) float32
        Frame, y, x in pixels, (0, 0) the centre of the first pixel.
    states : tuple of State
        Of each of them.
    """

    places: NDArray[np.float32]
    states: tuple[State, ...]

    def count(self, state: State) -> int:
        """Return how many molecules are in a state."""
        return self.states.count(state)


def tolerances_nm() -> tuple[float, float]:
    """Return how far from the truth a true molecule may lie, and how far apart the same one in two movies.

    The first is that of the scores. In two movies both places err: where each is within the first distance of
    the truth, their difference is, for independent errors, as often within that times the square root of 2.
    """
    from blinkspot.evaluation.scoring.scores import DEFAULT_TOLERANCE_NM

    return DEFAULT_TOLERANCE_NM, DEFAULT_TOLERANCE_NM * float(np.sqrt(2.0))


def marked(
    noisy: LocalizationTable,
    denoised: LocalizationTable | None,
    truth: LocalizationTable | None,
    pixel_size_nm: float,
) -> tuple[Marked, Marked | None]:
    """Tell what is known of the molecules found in a frame, in the noisy and in the denoised movie.

    With the truth, each is true or false, and what was not found is missed. Without it, each is in both
    movies or in one only; where there is one movie, it is just found. Pairs are made nearest first, as in the
    scores.

    Parameters
    ----------
    noisy, denoised, truth : LocalizationTable
        Of one and the same frame; None where there is none.
    pixel_size_nm : float
        Of the movie.
    """
    within_truth_nm, within_both_nm = tolerances_nm()
    if truth is not None:
        judged = [
            None if found is None else _judged(found, truth, within_truth_nm, pixel_size_nm)
            for found in (noisy, denoised)
        ]
        assert judged[0] is not None
        return judged[0], judged[1]
    if denoised is None:
        return Marked(places_px(noisy, pixel_size_nm), (State.FOUND,) * len(noisy)), None
    in_noisy, in_denoised = _paired(noisy, denoised, within_both_nm)
    return (
        Marked(places_px(noisy, pixel_size_nm), _states(in_noisy, State.BOTH, State.ONLY_NOISY)),
        Marked(places_px(denoised, pixel_size_nm), _states(in_denoised, State.BOTH, State.ONLY_DENOISED)),
    )


def _judged(
    found: LocalizationTable, truth: LocalizationTable, tolerance_nm: float, pixel_size_nm: float
) -> Marked:
    is_true, is_found = _paired(found, truth, tolerance_nm)
    missed = places_px(truth, pixel_size_nm, np.flatnonzero(~is_found))
    return Marked(
        np.concatenate([places_px(found, pixel_size_nm), missed]),
        _states(is_true, State.TRUE, State.FALSE) + (State.MISSED,) * len(missed),
    )


def _paired(
    first: LocalizationTable, second: LocalizationTable, tolerance_nm: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Tell which rows of either table have a partner in the other one."""
    backend.evaluation()
    from blinkspot.evaluation.scoring.matching import match, pairs_within

    pairs = match(pairs_within(first, second, tolerance_nm))
    has_partner = np.zeros(len(first), bool), np.zeros(len(second), bool)
    has_partner[0][pairs.found] = True
    has_partner[1][pairs.truth] = True
    return has_partner


def _states(is_so: NDArray[np.bool_], so: State, otherwise: State) -> tuple[State, ...]:
    return tuple(so if each else otherwise for each in is_so)


def truth_in_frame(metadata: Mapping[str, Any], features: pd.DataFrame, index: int) -> LocalizationTable:
    """Return the molecules of a frame, of the table behind a points layer or else of its features."""
    from blinkspot.localization import LocalizationTable

    table = metadata.get(TABLE)
    if isinstance(table, LocalizationTable):
        return table.in_frame(index)
    return LocalizationTable.from_features(features[features["frame"] == index])
