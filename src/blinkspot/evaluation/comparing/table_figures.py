"""The figures that the denoising paper's Table 1 gives of a table of localizations, before and after.

Molecules located, and mean and standard deviation of the spots' widths and of the uncertainties. They need no
truth, and do not tell by themselves that one table is better than another: a lower threshold locates more,
true or not, and an uncertainty is one only where it is calibrated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blinkspot.localization.table import LocalizationTable


@dataclass(frozen=True)
class ColumnFigures:
    """Mean and standard deviation of a column, nm; NaN where no row has a value.

    Attributes
    ----------
    mean_nm, std_nm : float
        The standard deviation is that of the values, of n degrees of freedom.
    n : int
        Rows with a value.
    """

    mean_nm: float
    std_nm: float
    n: int

    @classmethod
    def of(cls, values_nm: NDArray[np.float64]) -> ColumnFigures:
        """Sum up values, shape (n,), of which those that are not finite do not count."""
        known = values_nm[np.isfinite(values_nm)]
        if not len(known):
            return cls(np.nan, np.nan, 0)
        return cls(float(np.mean(known)), float(np.std(known)), len(known))

    def as_dict(self) -> dict[str, float | int | None]:
        """Return the figures, JSON-ready."""
        if not self.n:
            return {"mean_nm": None, "std_nm": None, "n": 0}
        return {"mean_nm": self.mean_nm, "std_nm": self.std_nm, "n": self.n}


@dataclass(frozen=True)
class TableFigures:
    """Figures of one table.

    Attributes
    ----------
    molecules : int
        Localizations.
    molecules_per_frame : float or None
        None where the length of the movie is not known.
    sigma, uncertainty : ColumnFigures
        Of ``sigma_nm`` and ``uncertainty_nm``.
    uncertainty_is_valid : bool
        False for fits on denoised pixels without a calibration.
    """

    molecules: int
    molecules_per_frame: float | None
    sigma: ColumnFigures
    uncertainty: ColumnFigures
    uncertainty_is_valid: bool

    def as_dict(self) -> dict[str, Any]:
        """Return the figures, JSON-ready."""
        return {
            "molecules": self.molecules,
            "molecules_per_frame": self.molecules_per_frame,
            "sigma": self.sigma.as_dict(),
            "uncertainty": self.uncertainty.as_dict(),
            "uncertainty_is_valid": self.uncertainty_is_valid,
        }


@dataclass(frozen=True)
class BeforeAndAfter:
    """Figures of the tables of one movie, as recorded and denoised."""

    before: TableFigures
    after: TableFigures

    @property
    def times_as_many(self) -> float:
        """Molecules after over molecules before; NaN where there were none."""
        return self.after.molecules / self.before.molecules if self.before.molecules else np.nan

    def as_dict(self) -> dict[str, Any]:
        """Return the figures, JSON-ready."""
        ratio = self.times_as_many
        return {
            "before": self.before.as_dict(),
            "after": self.after.as_dict(),
            "times_as_many": ratio if np.isfinite(ratio) else None,
        }


def table_figures(table: LocalizationTable) -> TableFigures:
    """Return the figures of a table, which may be empty."""
    frames = table.movie_frames
    return TableFigures(
        molecules=len(table),
        molecules_per_frame=len(table) / frames if frames else None,
        sigma=ColumnFigures.of(table.column("sigma_nm")),
        uncertainty=ColumnFigures.of(table.column("uncertainty_nm")),
        uncertainty_is_valid=table.uncertainty_is_valid,
    )


def before_and_after(before: LocalizationTable, after: LocalizationTable) -> BeforeAndAfter:
    """Return the figures of the tables of one movie, as recorded and denoised.

    Parameters
    ----------
    before, after : LocalizationTable
        Of the movie as recorded, and denoised.
    """
    return BeforeAndAfter(table_figures(before), table_figures(after))
