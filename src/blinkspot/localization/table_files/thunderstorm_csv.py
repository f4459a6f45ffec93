"""ThunderSTORM's tables of localizations, as text.

Frames count from 1; positions are in nm from the first pixel's corner, as in a :class:`LocalizationTable`.

What the versions differ in (read from ThunderSTORM's source): up to 1.3 the uncertainty is called
``uncertainty``, since 2014 ``uncertainty_xy``, and 3-D tables have ``uncertainty_z``. An elliptical Gaussian
has ``sigma1`` and ``sigma2`` in place of ``sigma``: along x and y, unless an ``angle`` stands beside them.
The user may choose other units in the window of results: lengths in ``px`` or ``um``, light in ``ADU``.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from blinkspot.errors import BlinkspotError
from blinkspot.localization.table import REQUIRED_COLUMNS, UNCALIBRATED, LocalizationTable
from blinkspot.localization.table_files.axes import Columns, with_means
from blinkspot.localization.table_files.csv_text import numbers, read_provenance, write_text
from blinkspot.localization.table_files.pixel_size import known_pixel_size_nm, with_pixel_size
from blinkspot.localization.table_files.values import checked_frames, known_columns


class _Column(NamedTuple):
    name: str
    title: str
    unit: str = ""

    @property
    def heading(self) -> str:
        return f"{self.title} [{self.unit}]" if self.unit else self.title


# In the order in which they are written.
_COLUMNS = (
    _Column("frame", "frame"),
    _Column("x_nm", "x", "nm"),
    _Column("y_nm", "y", "nm"),
    _Column("sigma_nm", "sigma", "nm"),
    _Column("photons", "intensity", "photon"),
    _Column("background_photons", "offset", "photon"),
    _Column("background_std_photons", "bkgstd", "photon"),
    _Column("uncertainty_nm", "uncertainty", "nm"),
    _Column("detection_strength", "detection", "std(Wave.F1)"),
    _Column("z_nm", "z", "nm"),
    _Column("uncertainty_z_nm", "uncertainty_z", "nm"),
    _Column("sigma_x_nm", "sigma1", "nm"),
    _Column("sigma_y_nm", "sigma2", "nm"),
    _Column("uncertainty_x_nm", "uncertainty_x", "nm"),
    _Column("uncertainty_y_nm", "uncertainty_y", "nm"),
    _Column("log_likelihood_ratio", "log_likelihood_ratio"),
    _Column("deviance", "deviance"),
    _Column("p_value", "p_value"),
    _Column("detections", "detections"),
    _Column("molecule", "molecule"),
)
_UNCALIBRATED = {
    column.name: _Column(column.name, f"{column.title}_uncalibrated", column.unit)
    for column in _COLUMNS
    if column.name in UNCALIBRATED
}
_BY_TITLE = {column.title: column for column in (*_COLUMNS, *_UNCALIBRATED.values())}
_BY_TITLE["uncertainty_xy"] = _BY_TITLE["uncertainty"]
_NM = {"nm": 1.0, "um": 1e3, "µm": 1e3, "μm": 1e3, "mm": 1e6}
_HEADING = re.compile(r"(?P<title>[^\[]*?)\s*(?:\[(?P<unit>[^\]]*)\])?\s*")


def write(table: LocalizationTable, path: Path, pixel_size_nm: float | None) -> None:
    """Write a table as a new CSV file, and its provenance beside it.

    Uncertainties that are not valid go to columns of other names, ``uncertainty_uncalibrated [nm]`` and so
    on, so that no program takes them for true ones. Columns of which nothing is known are left out.

    Raises
    ------
    BlinkspotError
        If either file exists or cannot be written.
    """
    known = known_columns(table)
    known["frame"] = known["frame"] + 1
    written = {}
    for column in _COLUMNS:
        if column.name in known:
            titled = column if table.uncertainty_is_valid else _UNCALIBRATED.get(column.name, column)
            written[titled.heading] = known[column.name]
    provenance = table.provenance
    if pixel_size_nm is not None and known_pixel_size_nm(provenance) is None:
        provenance = with_pixel_size(provenance, pixel_size_nm)
    write_text(written, path, provenance, csv.QUOTE_ALL)


def read(path: Path, text: pd.DataFrame, pixel_size_nm: float | None) -> LocalizationTable:
    """Make a table of the text of a ThunderSTORM CSV file.

    Columns may be in any order. Those that a :class:`LocalizationTable` does not know are left out: ``id``;
    ``chi2``, a sum of squared residuals, weighted or not as the fitter was, which compares with nothing of
    ours; ``angle``, with which ``sigma1`` and ``sigma2`` give the mean width alone; ``z_rel``; and the
    distances to the truth. Lengths in micrometres are converted, and those in pixels where the pixel size is
    known.

    Parameters
    ----------
    path : Path
        Where the text is from.
    text : DataFrame
        As :func:`~blinkspot.localization.table_files.csv_text.read_text` gives it.
    pixel_size_nm : float or None
        Unless given, what the provenance says.

    Raises
    ------
    BlinkspotError
        If a column is missing or there twice, has another unit, or lacks values.
    """
    provenance = read_provenance(path)
    if pixel_size_nm is not None:
        provenance = with_pixel_size(provenance, pixel_size_nm)
    known: Columns = {}
    titles = set()
    for heading in text.columns:
        match = _HEADING.fullmatch(heading)
        title = match["title"].strip().lower() if match else ""
        titles.add(title)
        column = _BY_TITLE.get(title)
        if match is None or column is None:
            continue
        factor = _factor(path, heading, match["unit"], column, known_pixel_size_nm(provenance))
        if column.name in known:
            raise BlinkspotError(f"The table {path} has more than one column for {column.heading!r}.")
        known[column.name] = factor * numbers(path, heading, text[heading], column.name in REQUIRED_COLUMNS)
    for name in REQUIRED_COLUMNS:
        if name not in known:
            missing = next(column.heading for column in _COLUMNS if column.name == name)
            raise BlinkspotError(
                f"The table {path} has no column {missing!r}: "
                "it needs at least 'frame', 'x [nm]' and 'y [nm]'."
            )
    known["frame"] = checked_frames(path, known["frame"], 1)
    known = with_means(known)
    if "angle" in titles:
        known = {name: values for name, values in known.items() if name not in ("sigma_x_nm", "sigma_y_nm")}
    valid = titles.isdisjoint(column.title for column in _UNCALIBRATED.values())
    return LocalizationTable.from_columns(known, uncertainty_is_valid=valid, provenance=provenance)


def _factor(
    path: Path, heading: str, unit: str | None, column: _Column, pixel_size_nm: float | None
) -> float:
    """Return by what a column's values are multiplied to be in our unit."""
    unit = (unit or "").strip().lower()
    if unit == column.unit.lower():
        return 1.0
    if column.unit == "nm" and unit in _NM:
        return _NM[unit]
    if column.unit == "nm" and unit in ("px", "pixel", "pixels"):
        if pixel_size_nm is not None:
            return pixel_size_nm
        raise BlinkspotError(
            f"The table {path} has the column {heading!r}, in pixels, where {column.heading!r} is needed: "
            "give the pixel size (pixel_size_nm; --pixel-size-nm of blinkspot convert), or export it in nm."
        )
    raise BlinkspotError(
        f"The table {path} has the column {heading!r}, where {column.heading!r} is needed: "
        "export it again with these units."
    )
