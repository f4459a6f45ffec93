"""ThunderSTORM's tables of localizations, as text.

Frames count from 1; positions are in nm from the first pixel's corner, as in a :class:`LocalizationTable`.

What the versions differ in (read from ThunderSTORM's source): up to 1.3 the uncertainty is called
``uncertainty``, since 2014 ``uncertainty_xy``, and 3-D tables have ``uncertainty_z``. An elliptical Gaussian
has ``sigma1`` and ``sigma2`` in place of ``sigma``: along x and y, unless an ``angle`` stands beside them.
The user may choose other units in the window of results: lengths in ``px`` or ``um``, light in ``ADU``. Its
merging, which writes ``detections``, sums ``bkgstd`` over them as it does ``intensity``, but takes the mean
of ``offset``.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd

from blinkspot.errors import BlinkspotError
from blinkspot.localization.column_names import (
    BY_TITLE,
    THUNDERSTORM_COLUMNS,
    UNCALIBRATED_COLUMNS,
    ThunderstormColumn,
    title_and_unit,
)
from blinkspot.localization.table import REQUIRED_COLUMNS, LocalizationTable
from blinkspot.localization.table_files.axes import Columns, with_means
from blinkspot.localization.table_files.csv_text import numbers, read_provenance, write_text
from blinkspot.localization.table_files.pixel_size import known_pixel_size_nm, with_pixel_size
from blinkspot.localization.table_files.values import checked_frames, known_columns

_NM = {"nm": 1.0, "um": 1e3, "µm": 1e3, "μm": 1e3, "mm": 1e6}


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
    for column in THUNDERSTORM_COLUMNS:
        if column.name in known:
            titled = column if table.uncertainty_is_valid else UNCALIBRATED_COLUMNS.get(column.name, column)
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
    distances to the truth. The ``bkgstd`` of molecules that ThunderSTORM merged becomes the mean over their
    localizations. Lengths in micrometres are converted, and those in pixels where the pixel size is
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
        title, unit = title_and_unit(heading)
        titles.add(title)
        column = BY_TITLE.get(title)
        if column is None:
            continue
        factor = _factor(path, heading, unit, column, known_pixel_size_nm(provenance))
        if column.name in known:
            raise BlinkspotError(f"The table {path} has more than one column for {column.heading!r}.")
        known[column.name] = factor * numbers(path, heading, text[heading], column.name in REQUIRED_COLUMNS)
    for name in REQUIRED_COLUMNS:
        if name not in known:
            missing = next(column.heading for column in THUNDERSTORM_COLUMNS if column.name == name)
            raise BlinkspotError(
                f"The table {path} has no column {missing!r}: "
                "it needs at least 'frame', 'x [nm]' and 'y [nm]'."
            )
    known["frame"] = checked_frames(path, known["frame"], 1)
    # Our own tables have no id, and that of a frame already.
    if "id" in titles and {"background_std_photons", "detections"} <= known.keys():
        detections = known["detections"]
        known["background_std_photons"] = known["background_std_photons"] / np.where(
            detections > 0, detections, 1.0
        )
    known = with_means(known)
    if "angle" in titles:
        known = {name: values for name, values in known.items() if name not in ("sigma_x_nm", "sigma_y_nm")}
    valid = titles.isdisjoint(column.title for column in UNCALIBRATED_COLUMNS.values())
    return LocalizationTable.from_columns(known, uncertainty_is_valid=valid, provenance=provenance)


def _factor(
    path: Path, heading: str, unit: str, column: ThunderstormColumn, pixel_size_nm: float | None
) -> float:
    """Return by what a column's values are multiplied to be in our unit."""
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
