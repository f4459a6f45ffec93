"""ThunderSTORM's tables of localizations, as text.

Frames count from 1 in a file and from 0 in a :class:`LocalizationTable`; positions are in nm from the first
pixel's corner in both.
"""

from __future__ import annotations

import csv
import json
import os
import re
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from blinkspot.errors import BlinkspotError
from blinkspot.files import check_can_write, written_whole
from blinkspot.localization.table import REQUIRED_COLUMNS, LocalizationTable


class _Column(NamedTuple):
    name: str
    unit: str
    title: str


_COLUMNS = (
    _Column("frame", "", "frame"),
    _Column("x_nm", "nm", "x [nm]"),
    _Column("y_nm", "nm", "y [nm]"),
    _Column("sigma_nm", "nm", "sigma [nm]"),
    _Column("photons", "photon", "intensity [photon]"),
    _Column("background_photons", "photon", "offset [photon]"),
    _Column("background_std_photons", "photon", "bkgstd [photon]"),
    _Column("uncertainty_nm", "nm", "uncertainty [nm]"),
    _Column("detection_strength", "std(wave.f1)", "detection [std(Wave.F1)]"),
    _Column("z_nm", "nm", "z [nm]"),
    _Column("uncertainty_z_nm", "nm", "uncertainty_z [nm]"),
    _Column("sigma_x_nm", "nm", "sigma1 [nm]"),
    _Column("sigma_y_nm", "nm", "sigma2 [nm]"),
    _Column("uncertainty_x_nm", "nm", "uncertainty_x [nm]"),
    _Column("uncertainty_y_nm", "nm", "uncertainty_y [nm]"),
    _Column("log_likelihood_ratio", "", "log_likelihood_ratio"),
    _Column("deviance", "", "deviance"),
    _Column("p_value", "", "p_value"),
    _Column("detections", "", "detections"),
    _Column("molecule", "", "molecule"),
)
_UNCALIBRATED = "uncertainty_uncalibrated"
_BY_TITLE = {column.title.partition(" [")[0]: column for column in _COLUMNS}
_BY_TITLE["uncertainty_xy"] = _BY_TITLE["uncertainty"]
_BY_TITLE[_UNCALIBRATED] = _BY_TITLE["uncertainty"]
# A kilometre; what lies beyond is a slip, and would overflow where distances are squared.
_LARGEST_NUMBER = 1e12
_HEADING = re.compile(r"(?P<title>[^\[]*?)\s*(?:\[(?P<unit>[^\]]*)\])?\s*")


def provenance_path(path: str | os.PathLike[str]) -> Path:
    """Return the name of the provenance file of a table: ``NAME.csv`` has ``NAME.provenance.json``."""
    return Path(path).with_suffix(".provenance.json")


def write_csv(table: LocalizationTable, path: str | os.PathLike[str]) -> None:
    """Write a table as a new CSV file, and its provenance beside it.

    An uncertainty that is not valid goes to a column of another name, ``uncertainty_uncalibrated [nm]``, so
    that no program takes it for a true one. Columns of which nothing is known are left out.

    Raises
    ------
    BlinkspotError
        If either file exists or cannot be written.
    """
    beside = provenance_path(path)
    check_can_write(beside)
    written = table.data.assign(frame=table.data["frame"] + 1)
    titles = {column.name: column.title for column in _COLUMNS}
    if not table.uncertainty_is_valid:
        titles["uncertainty_nm"] = f"{_UNCALIBRATED} [nm]"
    unknown = [
        column.name
        for column in _COLUMNS
        if column.name in written
        and len(table)
        and column.name not in REQUIRED_COLUMNS
        and written[column.name].isna().all()
    ]
    written = written.drop(columns=unknown).rename(columns=titles)
    with written_whole(path) as temporary, written_whole(beside) as temporary_beside:
        with temporary.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n").writerow(written.columns)
            written.to_csv(file, header=False, index=False, float_format="%.10g", lineterminator="\n")
        temporary_beside.write_text(json.dumps(table.provenance, indent=2) + "\n", encoding="utf-8")


def read_table(path: str | os.PathLike[str]) -> LocalizationTable:
    """Read a table of localizations, or of true molecules, in ThunderSTORM's CSV format.

    Columns may be in any order, their headings quoted or not; those that a :class:`LocalizationTable` does
    not know are left out. The provenance is read where its file lies beside.

    Parameters
    ----------
    path : path
        The CSV file.

    Returns
    -------
    LocalizationTable

    Raises
    ------
    BlinkspotError
        If the file cannot be read, is not such a table, has other units, or lacks values.
    """
    path = Path(path)
    text = _read_text(path)
    known: dict[str, np.ndarray[Any, Any]] = {}
    uncertainty_is_valid = True
    for heading in text.columns:
        match = _HEADING.fullmatch(heading)
        column = _BY_TITLE.get(match["title"].strip().lower()) if match else None
        if match is None or column is None:
            continue
        unit = (match["unit"] or "").strip().lower()
        if unit != column.unit:
            raise BlinkspotError(
                f"The table {path} has the column {heading!r}, where {column.title!r} is needed: "
                "export it again with these units."
            )
        if column.name in known:
            raise BlinkspotError(f"The table {path} has more than one column for {column.title!r}.")
        known[column.name] = _numbers(path, heading, text[heading], column.name in REQUIRED_COLUMNS)
        if column.name == "uncertainty_nm":
            uncertainty_is_valid = match["title"].strip().lower() != _UNCALIBRATED
    for column in _COLUMNS:
        if column.name in REQUIRED_COLUMNS and column.name not in known:
            raise BlinkspotError(
                f"The table {path} has no column {column.title!r}: "
                "it needs at least 'frame', 'x [nm]' and 'y [nm]'."
            )
    frames = known["frame"]
    wrong = np.flatnonzero((frames < 1) | (frames != np.floor(frames)) | (frames > 2**53))
    if len(wrong):
        raise BlinkspotError(
            f"The table {path} has the frame {frames[wrong[0]]:g} in data row {wrong[0] + 1}: "
            "frames must be whole numbers from 1."
        )
    known["frame"] = frames - 1
    return LocalizationTable.from_columns(
        known, uncertainty_is_valid=uncertainty_is_valid, provenance=_read_provenance(path)
    )


def _read_text(path: Path) -> pd.DataFrame:
    try:
        with warnings.catch_warnings():
            # pandas would cut off what lies beyond the headings: columns may have shifted there.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(path, skipinitialspace=True, encoding="utf-8-sig", index_col=False)
    except OSError as error:
        raise BlinkspotError(f"The table {path} cannot be read: {error.strerror or error}.") from error
    except pd.errors.EmptyDataError as error:
        raise BlinkspotError(f"The table {path} is empty: not even a line of headings is there.") from error
    except pd.errors.ParserWarning as error:
        raise BlinkspotError(
            f"The table {path} has rows with more values than there are headings: export it again."
        ) from error
    except (UnicodeError, pd.errors.ParserError, ValueError) as error:
        raise BlinkspotError(
            f"The table {path} is not a text file of comma-separated values: "
            "give a CSV file as ThunderSTORM writes it."
        ) from error


def _numbers(path: Path, heading: str, values: pd.Series[Any], required: bool) -> np.ndarray[Any, Any]:
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64)
    # An optional value may be left out, but a word in its place means that this is another kind of file.
    if required:
        missing = ~(np.abs(numbers) < _LARGEST_NUMBER)
    else:
        missing = np.isnan(numbers) & values.notna().to_numpy()
    if missing.any():
        row = int(np.flatnonzero(missing)[0])
        raise BlinkspotError(
            f"The table {path} has {values.iloc[row]!s} for {heading!r} in data row {row + 1}: "
            "a number that makes sense is needed there."
        )
    return numbers


def _read_provenance(path: Path) -> dict[str, Any]:
    beside = provenance_path(path)
    if not beside.is_file():
        return {}
    try:
        content = json.loads(beside.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BlinkspotError(
            f"The provenance {beside} of the table {path.name} cannot be read: mend it, or move it away."
        ) from error
    if not isinstance(content, dict):
        raise BlinkspotError(f"The provenance {beside} is not a JSON object: mend it, or move it away.")
    return content
