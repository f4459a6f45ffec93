"""SMAP's tables of localizations, as its plugin *export_coordinates* writes them: text.

As read from SMAP's source (Ries 2020, Nature Methods 17:870). Frames count from 1. Positions
are in nm, ``(pixel + roi) * pixel size`` with MATLAB's pixels from 1: **the centre of the first pixel is at
one pixel**, half a pixel further than from its corner. ``locprecnm`` is the root mean square of ``xnmerr``
and ``ynmerr``; ``PSFxnm`` and ``PSFynm`` are standard deviations; ``phot`` and ``bg`` (per pixel) are
photons. ``groupindex`` and ``numberInGroup`` are the group and its size, in the table of groups and in that
of single localizations alike; of a group, ``bg`` is the sum over its localizations, as ``phot`` is.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blinkspot.errors import BlinkspotError
from blinkspot.localization.table import (
    COLUMNS,
    OPTIONAL_COLUMNS,
    REQUIRED_COLUMNS,
    UNCALIBRATED,
    LocalizationTable,
)
from blinkspot.localization.table_files.axes import Columns, apart, joined
from blinkspot.localization.table_files.csv_text import numbers, read_provenance, write_text
from blinkspot.localization.table_files.pixel_size import (
    known_pixel_size_nm,
    pixel_size_to_write,
    with_pixel_size,
)
from blinkspot.localization.table_files.values import checked_frames, known_columns

# In the order of SMAP's own selection of fields.
_FIELDS = {
    "x_nm": "xnm",
    "y_nm": "ynm",
    "z_nm": "znm",
    "frame": "frame",
    "uncertainty_nm": "locprecnm",
    "uncertainty_z_nm": "locprecznm",
    "photons": "phot",
    "background_photons": "bg",
    "sigma_x_nm": "PSFxnm",
    "sigma_y_nm": "PSFynm",
    "uncertainty_x_nm": "xnmerr",
    "uncertainty_y_nm": "ynmerr",
    "detections": "numberInGroup",
    "molecule": "groupindex",
}
# For what SMAP has no field, our name is one.
_OURS = [name for name in (*COLUMNS, *OPTIONAL_COLUMNS) if name not in _FIELDS]
_BY_FIELD = {
    **{field.lower(): name for name, field in _FIELDS.items()},
    **{name.lower(): name for name in _OURS},
    **{field: name for name, field in UNCALIBRATED.items()},
    "detections": "detections",
}


def is_smap(text: pd.DataFrame) -> bool:
    """Tell whether a text's headings are SMAP's."""
    return {"xnm", "ynm"} <= {heading.strip().lower() for heading in text.columns}


def write(table: LocalizationTable, path: Path, pixel_size_nm: float | None) -> None:
    """Write a table as a new CSV file, and its provenance beside it.

    The ``bg`` of merged molecules is the sum over their localizations. Where a molecule has several rows,
    how many localizations each stands for is no ``numberInGroup`` and is written as ``detections``.
    Uncertainties that are not valid go to columns of our own names, ``uncertainty_uncalibrated_nm`` and so
    on. Columns of which nothing is known are left out.

    Raises
    ------
    BlinkspotError
        If the pixel size is not known, or either file exists or cannot be written.
    """
    pixel_size_nm = pixel_size_to_write(table.provenance, pixel_size_nm, path, "SMAP")
    known = known_columns(table)
    # SMAP has widths by axis alone.
    known |= apart({name: known.pop(name) for name in list(known) if name.startswith("sigma")})
    known["frame"] = known["frame"] + 1
    for name in ("x_nm", "y_nm"):
        known[name] = known[name] + 0.5 * pixel_size_nm
    names = {**_FIELDS, **{name: name for name in _OURS}}
    if _has_rows_of_one_group(known):
        names["detections"] = "detections"
    elif "background_photons" in known:
        known["background_photons"] = known["background_photons"] * _group_sizes(known)
    if not table.uncertainty_is_valid:
        names |= UNCALIBRATED
    written = {field: known[name] for name, field in names.items() if name in known}
    provenance = table.provenance
    if known_pixel_size_nm(provenance) is None:
        provenance = with_pixel_size(provenance, pixel_size_nm)
    write_text(written, path, provenance, csv.QUOTE_MINIMAL)


def read(path: Path, text: pd.DataFrame, pixel_size_nm: float | None) -> LocalizationTable:
    """Make a table of the text of a SMAP CSV file.

    Columns may be in any order. Those that a :class:`LocalizationTable` does not know are left out:
    ``logLikelihood`` and ``LLrel``, ``channel``, ``layer``, ``filenumber``, ``iterations``, the errors of
    photons and background, whatever is in pixels, and ``numberInGroup`` where the rows are not the groups
    but the localizations in them, several of one ``groupindex``. Positions of a movie of a part of the chip
    keep the part's place on it.

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
        If the pixel size is not known, a column is missing or there twice, values are missing, or
        ``filenumber`` tells that there are several movies.
    """
    _check_one_file(path, text)
    provenance = read_provenance(path)
    if pixel_size_nm is not None:
        provenance = with_pixel_size(provenance, pixel_size_nm)
    pixel_size_nm = known_pixel_size_nm(provenance)
    if pixel_size_nm is None:
        raise BlinkspotError(
            f"The SMAP table {path} has its origin half a pixel outside the first pixel: give the movie's "
            "pixel size (pixel_size_nm; --pixel-size-nm of blinkspot convert)."
        )
    known: Columns = {}
    fields = set()
    for heading in text.columns:
        field = heading.strip().lower()
        name = _BY_FIELD.get(field)
        if name is None:
            continue
        if name in known:
            raise BlinkspotError(f"The table {path} has more than one column for {heading!r}.")
        known[name] = numbers(path, heading, text[heading], name in REQUIRED_COLUMNS)
        fields.add(field)
    if "frame" not in known:
        raise BlinkspotError(f"The table {path} has no column 'frame': select it when you export from SMAP.")
    known["frame"] = checked_frames(path, known["frame"], 1)
    if "numberingroup" in fields:
        if _has_rows_of_one_group(known):
            del known["detections"]
        elif "background_photons" in known:
            known["background_photons"] = known["background_photons"] / _group_sizes(known)
    for name in ("x_nm", "y_nm"):
        known[name] = known[name] - 0.5 * pixel_size_nm
    return LocalizationTable.from_columns(
        joined(known), uncertainty_is_valid=fields.isdisjoint(UNCALIBRATED.values()), provenance=provenance
    )


def _has_rows_of_one_group(columns: Columns) -> bool:
    """Tell whether a group has several rows, each of which is a localization in it."""
    group = columns.get("molecule", np.empty(0))
    known = group[np.isfinite(group)]
    return len(np.unique(known)) < len(known)


def _group_sizes(columns: Columns) -> NDArray[np.float64]:
    """Return how many localizations each row stands for; 1 where that is not known."""
    detections = columns.get("detections", np.ones(len(columns["frame"])))
    return np.where(detections > 0, detections, 1.0)


def _check_one_file(path: Path, text: pd.DataFrame) -> None:
    """Refuse the tables of several movies in one: their frames and positions would be taken for one's."""
    for heading in text.columns:
        if heading.strip().lower() == "filenumber":
            files = text[heading].dropna().unique()
            if len(files) > 1:
                raise BlinkspotError(
                    f"The SMAP table {path} holds the molecules of {len(files)} movies (column {heading!r}), "
                    "which would be taken for one: export them from SMAP one by one."
                )
