"""Whether the same molecules are located better: errors of those that both of two tables hold.

The error of all that a table holds also tells which molecules it found: a denoised movie shows dim ones too,
whose errors are larger. Those found both ways are the same molecules.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from blinkspot.evaluation.scoring.matching import FloatArray, IndexArray, match, pairs_within
from blinkspot.evaluation.scoring.resampling import Gain, block_draws
from blinkspot.localization import LocalizationTable

_FEWEST_FOR_INTERVAL = 30


@dataclass(frozen=True)
class SharedError:
    """Errors of the molecules that are in both of two tables.

    Attributes
    ----------
    molecules : int
        In both.
    before_nm, after_nm : float
        Root mean square of the lateral distances from the truth, nm; NaN without molecules.
    change : Gain
        The second minus the first, nm, with its 95 % interval.
    """

    molecules: int
    before_nm: float
    after_nm: float
    change: Gain

    def as_dict(self) -> dict[str, Any]:
        """Return all figures by name, JSON-ready: None stands for NaN."""
        figures = asdict(self)
        for part in (figures, figures["change"]):
            for name, value in part.items():
                if isinstance(value, float) and math.isnan(value):
                    part[name] = None
        return figures


def shared_error(
    before: LocalizationTable,
    after: LocalizationTable,
    truth: LocalizationTable,
    tolerance_nm: float,
    n_frames: int,
    frames_per_block: int,
    seed: int,
) -> SharedError:
    """Compare the errors of the molecules that two tables of a movie both hold.

    The interval is of the same draws of blocks of frames as that of :func:`.best_f1_gain`. Thresholds stay as
    they are.

    Parameters
    ----------
    before, after, truth : LocalizationTable
        The two tables, and the molecules that are there.
    tolerance_nm : float
        Greatest distance within a pair, nm.
    n_frames : int
        Length of the movie.
    frames_per_block : int
        Frames drawn together.
    seed : int
        Seed of the draws.
    """
    squares = [np.full(len(truth), np.nan) for _ in range(2)]
    for table, squared in zip((before, after), squares, strict=True):
        pairs = match(pairs_within(table, truth, tolerance_nm))
        squared[pairs.truth] = pairs.distance_nm**2
    in_both = np.isfinite(squares[0]) & np.isfinite(squares[1])
    n = int(np.sum(in_both))
    if n == 0:
        return SharedError(0, math.nan, math.nan, Gain(math.nan, None, None))
    block: IndexArray = truth.column("frame")[in_both] // frames_per_block
    n_blocks = -(-max(n_frames, 1 + int(truth.column("frame").max())) // frames_per_block)
    sums: list[FloatArray] = [
        np.bincount(block, each[in_both], minlength=n_blocks).astype(np.float64) for each in squares
    ]
    counts = np.bincount(block, minlength=n_blocks).astype(np.float64)
    before_nm, after_nm = (math.sqrt(float(each.sum()) / n) for each in sums)
    low = high = None
    draws = block_draws(n_blocks, seed)
    if draws is not None and n >= _FEWEST_FOR_INTERVAL:
        change = _root_mean(draws, sums[1], counts) - _root_mean(draws, sums[0], counts)
        low, high = (float(value) for value in np.quantile(change[np.isfinite(change)], [0.025, 0.975]))
    return SharedError(n, before_nm, after_nm, Gain(after_nm - before_nm, low, high))


def _root_mean(draws: FloatArray, sums: FloatArray, counts: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        root: FloatArray = np.sqrt((draws @ sums) / (draws @ counts))
    return root
