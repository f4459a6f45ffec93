"""How far a difference in F1 may be trusted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from blinkspot.evaluation.scoring.curve import Curve, best_of
from blinkspot.evaluation.scoring.matching import FloatArray

_RESAMPLES = 2000
_LEAST_BLOCKS = 8


@dataclass(frozen=True)
class Gain:
    """Difference of two best F1 values.

    Attributes
    ----------
    value : float
        The second minus the first.
    low, high : float or None
        Ends of its 95 % interval; None where the movie is too short for one.
    """

    value: float
    low: float | None
    high: float | None


def best_f1_gain(before: Curve, after: Curve, frames_per_block: int, seed: int) -> Gain:
    """Return by how much the best F1 of one curve exceeds that of another, with a 95 % bootstrap interval.

    Blocks of successive frames are drawn with replacement, the same for both curves (Kuensch 1989, Annals of
    Statistics 17:1217): neighbouring frames show the same molecules, and a denoiser that sees them makes
    their errors alike. In each draw both curves choose their best threshold anew, so that the interval knows
    of this freedom too.

    Parameters
    ----------
    before, after : Curve
        Of the same frames and the same truth.
    frames_per_block : int
        Length of a block; well above the time for which a molecule shines.
    seed : int
        Seed of the draws.
    """
    value = float(after.f1[after.best_index] - before.f1[before.best_index])
    blocks = [curve.in_blocks(frames_per_block) for curve in (before, after)]
    draws = block_draws(len(blocks[0].truth), seed)
    if draws is None:
        return Gain(value, None, None)
    # Draws without any molecule have no F1; there is no difference in them.
    best = [np.nan_to_num(curve.f1_of(draws)).max(axis=1) for curve in blocks]
    low, high = np.quantile(best[1] - best[0], [0.025, 0.975])
    return Gain(value, float(low), float(high))


def block_draws(n_blocks: int, seed: int) -> FloatArray | None:
    """Draw as many blocks as there are, with replacement, 2,000 times.

    Returns
    -------
    ndarray of float64, shape (2000, n_blocks), or None
        How often each block was drawn; None where the blocks are too few (under 8) to tell an interval.
    """
    if n_blocks < _LEAST_BLOCKS:
        return None
    draws = np.random.default_rng(seed).multinomial(n_blocks, np.full(n_blocks, 1 / n_blocks), _RESAMPLES)
    return draws.astype(np.float64)


def held_out_f1(curve: Curve) -> float:
    """Return the F1 of thresholds that were chosen on other frames.

    The threshold that is best on the first half of the movie is scored on the second half, and the other way
    round; the counts of both are added. Where this is well below the best F1, that one owes something to the
    choice.
    """
    n_frames = len(curve.truth)
    first = (np.arange(n_frames) < n_frames // 2).astype(np.float64)
    pairs = entries = 0.0
    for chosen_on, scored_on in ((first, 1.0 - first), (1.0 - first, first)):
        index = best_of(curve.f1_of(chosen_on))
        pairs += scored_on @ curve.pairs[index]
        entries += scored_on @ curve.found[index] + scored_on @ curve.truth
    return float(2.0 * pairs / entries) if entries else float("nan")
