"""Whether fits find the photons and the widths of the molecules: on denoised pixels they may not."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np

from blinkspot.evaluation.scoring.border import check_border, field_of, in_border
from blinkspot.evaluation.scoring.matching import FloatArray, IndexArray, Matching, match, pairs_within
from blinkspot.evaluation.scoring.same_movie import check_same_movie
from blinkspot.evaluation.scoring.scores import DEFAULT_TOLERANCE_NM
from blinkspot.localization import LocalizationTable

_RESAMPLES = 200
_MOST_BLOCKS = 200


@dataclass(frozen=True)
class MoleculeBias:
    """Photons and widths found over the true ones.

    Attributes
    ----------
    pairs : int
        Localizations paired with a molecule.
    photons_ratio, sigma_ratio : float
        Medians over the pairs; NaN where the tables do not know both values.
    photons_ratio_error, sigma_ratio_error : float
        Their standard errors.
    """

    pairs: int
    photons_ratio: float
    photons_ratio_error: float
    sigma_ratio: float
    sigma_ratio_error: float

    def as_dict(self) -> dict[str, int | float | None]:
        """Return all figures by name, JSON-ready: None stands for NaN."""
        return {name: None if math.isnan(value) else value for name, value in asdict(self).items()}


def molecule_bias(
    found: LocalizationTable,
    truth: LocalizationTable,
    tolerance_nm: float = DEFAULT_TOLERANCE_NM,
    *,
    matching: Matching = "nearest",
    border_nm: float = 0.0,
    field_nm: tuple[float, float] | None = None,
    seed: int = 0,
) -> MoleculeBias:
    """Compare photons and widths of localizations with those of their molecules.

    Medians, since some pairs are of two molecules that were taken for one. Their standard errors are of 200
    bootstrap samples of blocks of successive frames (Kuensch 1989, Annals of Statistics 17:1217).

    Parameters
    ----------
    found, truth : LocalizationTable
    tolerance_nm, matching, border_nm, field_nm
        As for :func:`~blinkspot.evaluation.score`.
    seed : int
        Seed of the bootstrap samples.

    Raises
    ------
    BlinkspotError
        As :func:`~blinkspot.evaluation.score`.
    """
    check_same_movie(found, truth)
    field_nm = field_nm or field_of(found, truth)
    check_border(border_nm, field_nm)
    pairs = match(pairs_within(found, truth, tolerance_nm), matching)
    pairs = pairs[~in_border(truth, border_nm, field_nm)[pairs.truth]]
    frame: IndexArray = found.column("frame")[pairs.found]
    medians: list[tuple[float, float]] = []
    for name in ("photons", "sigma_nm"):
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = found.column(name)[pairs.found] / truth.column(name)[pairs.truth]
        is_known = np.isfinite(ratio)
        medians.append(_median_with_error(ratio[is_known], frame[is_known], seed))
    photons, sigma = medians
    return MoleculeBias(len(pairs), *photons, *sigma)


def _median_with_error(values: FloatArray, frame: IndexArray, seed: int) -> tuple[float, float]:
    if not len(values):
        return math.nan, math.nan
    frames_per_block = max(1, math.ceil((int(np.ptp(frame)) + 1) / _MOST_BLOCKS))
    block = (frame - frame.min()) // frames_per_block
    order = np.argsort(values, kind="stable")
    values, block = values[order], block[order]
    n_blocks = int(block.max()) + 1
    if n_blocks < 2:
        return float(np.median(values)), math.nan
    random = np.random.default_rng(seed)
    medians: list[float] = []
    while len(medians) < _RESAMPLES:
        drawn = random.multinomial(n_blocks, np.full(n_blocks, 1.0 / n_blocks))
        total = np.cumsum(drawn[block])
        if total[-1]:
            medians.append(values[np.searchsorted(total, total[-1] / 2.0)])
    return float(np.median(values)), float(np.std(medians))
