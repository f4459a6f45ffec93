"""The table of localizations."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from blinkspot.errors import BlinkspotError

if TYPE_CHECKING:
    from blinkspot.localization.table_files import TableFormat

COLUMNS = (
    "frame",
    "x_nm",
    "y_nm",
    "sigma_nm",
    "photons",
    "background_photons",
    "background_std_photons",
    "uncertainty_nm",
    "detection_strength",
)
# Kept where they are given, in this order, after the others.
OPTIONAL_COLUMNS = (
    "z_nm",
    "uncertainty_z_nm",
    "sigma_x_nm",
    "sigma_y_nm",
    "uncertainty_x_nm",
    "uncertainty_y_nm",
    "log_likelihood_ratio",
    "deviance",
    "p_value",
    "detections",
    "molecule",
)
REQUIRED_COLUMNS = ("frame", "x_nm", "y_nm")
# More than a day at a kilohertz; a drift has a number for each frame.
LAST_FRAME = 100_000_000
# What other eyes than ours see in place of an uncertainty that is not valid.
UNCALIBRATED = {
    name: f"{name.removesuffix('_nm')}_uncalibrated_nm"
    for name in ("uncertainty_nm", "uncertainty_x_nm", "uncertainty_y_nm", "uncertainty_z_nm")
}


@dataclass(frozen=True, eq=False)
class LocalizationTable:
    """Molecules found, one a row.

    Attributes
    ----------
    data : DataFrame
        Columns ``frame`` (int64, from 0) and, float64, ``x_nm``, ``y_nm`` (0 is the outer corner of the
        first pixel, as in ThunderSTORM), ``sigma_nm``, ``photons``, ``background_photons`` (per pixel),
        ``background_std_photons`` (of the fit's residual), ``uncertainty_nm`` (standard deviation of the
        position along an axis) and ``detection_strength`` (the filter's response in units of
        std(Wave.F1)). All but the first three are NaN where not known. Then, where they are given, ``z_nm``
        and ``uncertainty_z_nm`` (height over the focal plane and its standard deviation), ``sigma_x_nm``,
        ``sigma_y_nm``, ``uncertainty_x_nm`` and ``uncertainty_y_nm`` (the two axes apart),
        ``log_likelihood_ratio`` (of a molecule against background alone), ``deviance`` and ``p_value`` (of
        the pixels fitted from the model), ``detections`` (localizations merged into one) and ``molecule``
        (number of the molecule, the same in all its localizations). The index runs from 0.
    uncertainty_is_valid : bool
        False where the uncertainties are not calibrated: the fit was on denoised pixels, which are not
        Poisson counts.
    provenance : dict
        What made the table, JSON-ready.

    Raises
    ------
    BlinkspotError
        If a frame or a position is missing from the data, or is not a finite number, a frame is no whole
        number from 0 to a hundred million, or another column holds something else than numbers.
    """

    data: pd.DataFrame
    uncertainty_is_valid: bool = True
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in REQUIRED_COLUMNS:
            if name not in self.data.columns:
                raise BlinkspotError(f"A localization table needs the column {name}, and this one has none.")
        if not self._is_complete():
            complete = {
                name: self._numbers(name) if name in self.data.columns else np.full(len(self.data), np.nan)
                for name in (*COLUMNS, *(name for name in OPTIONAL_COLUMNS if name in self.data.columns))
            }
            _check_finite(complete)
            _check_frames(complete["frame"])
            object.__setattr__(self, "data", pd.DataFrame(complete).astype({"frame": np.int64}))
        else:
            _check_finite({name: self.column(name) for name in REQUIRED_COLUMNS})
            _check_frames(self.column("frame"))

    def _numbers(self, name: str) -> NDArray[np.float64]:
        try:
            return np.asarray(self.data[name], dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise BlinkspotError(
                f"The column {name} of a localization table holds something that is not a number: "
                "mend it, or leave it out."
            ) from error

    def _is_complete(self) -> bool:
        """Tell whether the data have a table's form already, so that millions of rows are not copied."""
        data = self.data
        names = (*COLUMNS, *(name for name in OPTIONAL_COLUMNS if name in data.columns))
        types = ("i8", *("f8",) * (len(names) - 1))
        return (
            tuple(data.columns) == names
            and all(data[name].dtype == kind for name, kind in zip(names, types, strict=True))
            and isinstance(data.index, pd.RangeIndex)
            and (data.index.start, data.index.step) == (0, 1)
        )

    @classmethod
    def from_columns(
        cls,
        columns: Mapping[str, ArrayLike],
        *,
        uncertainty_is_valid: bool = True,
        provenance: dict[str, Any] | None = None,
        copy: bool = True,
    ) -> LocalizationTable:
        """Make a table from arrays by column name; an empty mapping gives an empty table.

        Without ``copy``, arrays that have the table's types and order become its own.

        Raises
        ------
        BlinkspotError
            If they are not columns of one length, and as :class:`LocalizationTable`.
        """
        try:
            arrays = {name: np.asarray(columns.get(name, ())) for name in columns or REQUIRED_COLUMNS}
            data = pd.DataFrame(arrays, copy=copy)
        except ValueError as error:
            raise BlinkspotError(
                f"The columns of a localization table must be lists of numbers of one length ({error})."
            ) from error
        return cls(data, uncertainty_is_valid, provenance or {})

    @property
    def movie_frames(self) -> int | None:
        """Number of frames of the movie that was localized; None where the table does not know."""
        try:
            return int(self.provenance["movie_shape"][0])
        except (KeyError, TypeError, ValueError, IndexError, OverflowError):
            return None

    @property
    def movie_extent_nm(self) -> tuple[float, float] | None:
        """Height and width of the movie that was localized, nm; None where the table does not know."""
        try:
            _, height_px, width_px = self.provenance["movie_shape"]
            pixel_size_nm = self.provenance["camera"]["pixel_size_nm"]
            extent = float(height_px * pixel_size_nm), float(width_px * pixel_size_nm)
        except (KeyError, TypeError, ValueError, OverflowError):
            return None
        return extent if all(0.0 < length < np.inf for length in extent) else None

    @property
    def features(self) -> pd.DataFrame:
        """The data for other eyes than ours: uncertainties that are not valid bear other names.

        ``uncertainty_nm`` is ``uncertainty_uncalibrated_nm`` then, and so on, so that nobody takes it for a
        true one.
        """
        return self.data if self.uncertainty_is_valid else self.data.rename(columns=UNCALIBRATED)

    @classmethod
    def from_features(
        cls, features: pd.DataFrame, provenance: dict[str, Any] | None = None
    ) -> LocalizationTable:
        """Make a table from what :attr:`features` gave."""
        named = features.rename(columns={other: name for name, other in UNCALIBRATED.items()})
        return cls(named, set(UNCALIBRATED.values()).isdisjoint(features.columns), provenance or {})

    def __len__(self) -> int:
        return len(self.data)

    def column(self, name: str) -> NDArray[Any]:
        """Return a column's values, shape (n,)."""
        return self.data[name].to_numpy()

    def knows(self, name: str) -> bool:
        """Tell whether there is such a column, and a value in it."""
        if name not in self.data.columns or not len(self):
            return False
        values = self.column(name)
        # The first value nearly always tells.
        return bool(not np.isnan(values[0]) or not np.isnan(values).all())

    def chosen(self, rows: NDArray[np.bool_]) -> LocalizationTable:
        """Return the rows where ``rows``, of shape (n,), is True."""
        return LocalizationTable(self.data[rows], self.uncertainty_is_valid, self.provenance)

    def with_provenance(self, provenance: dict[str, Any]) -> LocalizationTable:
        """Return the same rows, shared and not copied, with another provenance."""
        table = copy.copy(self)
        object.__setattr__(table, "provenance", provenance)
        return table

    def above(self, threshold: float) -> LocalizationTable:
        """Return the rows whose detection strength is at least ``threshold``.

        They are what the localizer finds with this threshold, where the table was made with a lower one.

        Raises
        ------
        BlinkspotError
            If the table has rows without a detection strength.
        """
        strength = self.column("detection_strength")
        if np.isnan(strength).any():
            raise BlinkspotError(
                "This table holds no detection strengths, so no threshold can be applied to it: "
                "localize the movie with blinkspot first."
            )
        return self.chosen(strength >= threshold)

    def in_frame(self, frame: int) -> LocalizationTable:
        """Return the rows of one frame, counted from 0."""
        return self.chosen(self.column("frame") == frame)

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        format: TableFormat | None = None,
        pixel_size_nm: float | None = None,
    ) -> None:
        """Write a new file that ThunderSTORM, SMAP or Picasso reads, with the provenance.

        See :func:`~blinkspot.localization.write_table`.

        Parameters
        ----------
        path : path
            ``NAME.csv``, with the provenance in ``NAME.provenance.json``, or ``NAME.hdf5``, with
            ``NAME.yaml``.
        format : {"thunderstorm", "picasso", "smap"}, optional
            By the suffix unless given: ThunderSTORM's CSV or Picasso's HDF5.
        pixel_size_nm : float, optional
            Pixel size of the movie, where the table does not know it and the format needs it.

        Raises
        ------
        BlinkspotError
            If the name or the pixel size does not suit, or a file exists or cannot be written.
        """
        # The formats know the table, so they are not known at the top.
        from blinkspot.localization.table_files import write_table

        write_table(self, path, format=format, pixel_size_nm=pixel_size_nm)


def _check_frames(frames: NDArray[Any]) -> None:
    """Refuse frames that no file of ours could hold, or that would be rounded: seconds, say."""
    if not len(frames) or (frames.min() >= 0 and frames.max() <= LAST_FRAME and frames.dtype.kind == "i"):
        return
    wrong = np.flatnonzero((frames < 0) | (frames > LAST_FRAME) | (frames != np.floor(frames)))
    if len(wrong):
        raise BlinkspotError(
            f"Row {wrong[0] + 1} of a localization table has the frame {frames[wrong[0]]:g}: frames must be "
            f"whole numbers from 0 to {LAST_FRAME:,}."
        )


def _check_finite(columns: Mapping[str, NDArray[Any]]) -> None:
    for name in REQUIRED_COLUMNS:
        with np.errstate(invalid="ignore", over="ignore"):
            if np.isfinite(columns[name].sum()):
                continue
        bad = np.flatnonzero(~np.isfinite(columns[name]))
        if len(bad):
            raise BlinkspotError(
                f"Row {bad[0] + 1} of a localization table has no finite {name}: leave such rows out."
            )
