"""The resolution of a table, by both measures that need no truth."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np

from blinkspot.evaluation.resolution.nena import Nena, nena
from blinkspot.evaluation.resolution.ring_correlation import RingCorrelation, ring_correlation
from blinkspot.evaluation.resolution.settings import ResolutionSettings
from blinkspot.localization.table import LocalizationTable
from blinkspot.progress import Progress
from blinkspot.provenance import provenance


@dataclass(frozen=True)
class Resolution:
    """What a table tells of its own resolution.

    Attributes
    ----------
    localizations, frames : int
        Rows, and frames from the first to the last that has any.
    ring_correlation : RingCorrelation
    nena : Nena
    warnings : tuple of str
        What makes these figures look better than they are, one sentence each.
    provenance : dict
        What made them, JSON-ready.
    """

    localizations: int
    frames: int
    ring_correlation: RingCorrelation
    nena: Nena
    warnings: tuple[str, ...]
    provenance: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Return the figures, JSON-ready."""
        return {
            "localizations": self.localizations,
            "frames": self.frames,
            "ring_correlation": self.ring_correlation.as_dict(),
            "nena": self.nena.as_dict(),
            "warnings": list(self.warnings),
            "provenance": self.provenance,
        }


def measure_resolution(
    table: LocalizationTable, settings: ResolutionSettings | None = None
) -> Generator[Progress, None, Resolution]:
    """Measure the Fourier ring correlation between halves of a table, and the precision by NeNA.

    Parameters
    ----------
    table : LocalizationTable
        At least 100 localizations in more than one frame.
    settings : ResolutionSettings, optional

    Yields
    ------
    Progress

    Returns
    -------
    Resolution

    Raises
    ------
    BlinkspotError
        If there are too few localizations or frames, or the pictures would be too large or their pixel is
        not known.
    """
    settings = settings or ResolutionSettings()
    neighbours = yield from nena(table, settings.largest_distance_nm)
    rings = yield from ring_correlation(table, settings, neighbours.precision_nm or _stated_nm(table))
    frame = table.column("frame")
    return Resolution(
        localizations=len(table),
        frames=int(np.ptp(frame)) + 1,
        ring_correlation=rings,
        nena=neighbours,
        warnings=tuple(_warnings(table, settings, neighbours)),
        provenance=provenance(
            "resolution", camera=None, settings=settings, seed=settings.seed, table=table.provenance
        ),
    )


def _stated_nm(table: LocalizationTable) -> float | None:
    """Return the median of the table's own uncertainties; None where it has none."""
    if not table.knows("uncertainty_nm"):
        return None
    median = float(np.nanmedian(table.column("uncertainty_nm")))
    return median if median > 0 else None


def _warnings(table: LocalizationTable, settings: ResolutionSettings, neighbours: Nena) -> list[str]:
    found = []
    made_with = table.provenance.get("settings")
    is_correlated = isinstance(made_with, dict) and made_with.get("fit_on") == "denoised"
    if is_correlated and neighbours.precision_nm is not None:
        found.append(
            "The molecules were fitted on a denoised movie: where its model saw neighbouring frames, errors "
            "of successive frames are alike, and NeNA is too small."
        )
    if settings.split == "localizations":
        found.append(
            "Localizations were split one by one: a molecule that shines through several frames is in both "
            "halves, and the ring correlation is too high."
        )
    return found
