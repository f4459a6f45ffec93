"""Tables as comma-separated text: what is common to the formats of ThunderSTORM and of SMAP."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blinkspot.errors import BlinkspotError, in_brief
from blinkspot.files.whole_files import read_small_text, written_together
from blinkspot.localization.table_files.csv_rows import check_row_lengths, headings_of
from blinkspot.localization.table_files.values import checked_numbers

_ROWS_AT_A_TIME = 20_000
_TEN_DIGITS = 1e10
# Java's signs for NaN and infinity, and what remains of them in an encoding that lacks them.
_NOT_KNOWN = ("\ufffd", "∞", "-∞", "?")


def provenance_path(path: str | os.PathLike[str]) -> Path:
    """Return the name of the provenance file of a table: ``NAME.csv`` has ``NAME.provenance.json``."""
    return Path(path).with_suffix(".provenance.json")


def read_text(path: Path) -> pd.DataFrame:
    """Read comma-separated text with a line of headings.

    Raises
    ------
    BlinkspotError
        If the file cannot be read, is empty or is something else, or a row has not as many values as there
        are headings.
    """
    try:
        headings = headings_of(path)
        twice = [heading for heading in headings if headings.count(heading) > 1]
        if twice:
            raise BlinkspotError(
                f"The table {path} has more than one column {in_brief(twice[0], 60)!r}: leave one out."
            )
        _check_separator(path, headings)
        check_row_lengths(path, len(headings), "table")
        return pd.read_csv(
            path, skipinitialspace=True, encoding="utf-8-sig", index_col=False, na_values=list(_NOT_KNOWN)
        )
    except OSError as error:
        raise BlinkspotError(f"The table {path} cannot be read: {error.strerror or error}.") from error
    except pd.errors.EmptyDataError as error:
        raise BlinkspotError(f"The table {path} is empty: not even a line of headings is there.") from error
    except (UnicodeError, pd.errors.ParserError, csv.Error, ValueError) as error:
        raise BlinkspotError(
            f"The table {path} is not a text file of comma-separated values: "
            "give a CSV file as ThunderSTORM or SMAP writes it, or an HDF5 file of Picasso."
        ) from error


def _check_separator(path: Path, headings: list[str]) -> None:
    """Refuse a text that is separated otherwise, as spreadsheets do where numbers have commas in them."""
    for sign, name in ((";", "semicolons"), ("\t", "tabs")):
        if len(headings) == 1 and sign in headings[0]:
            raise BlinkspotError(
                f"The table {path} has its values between {name}, and not commas: save it as comma-separated "
                "values, with points in its numbers."
            )


def numbers(path: Path, heading: str, values: pd.Series[Any], required: bool) -> NDArray[np.float64]:
    """Return a column of text as numbers, NaN where an optional value is not known.

    Raises
    ------
    BlinkspotError
        If there is a word where a number should be, or a required number is missing.
    """
    if values.dtype.kind in "bO":
        values = values.map(_word)
    try:
        found = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64)
    except OverflowError as error:
        raise BlinkspotError(
            f"The table {path} has a number of hundreds of digits for {heading!r}: a number that makes sense "
            "is needed there."
        ) from error
    words = np.flatnonzero(np.isnan(found) & values.notna().to_numpy())
    if len(words):
        raise BlinkspotError(
            f"The table {path} has {in_brief(values.iloc[words[0]], 60)} for {heading!r} in data row "
            f"{words[0] + 1}: a number is needed there."
        )
    return checked_numbers(path, heading, found, required)


def _word(value: Any) -> Any:
    """Return a truth value, which pandas makes of the word and would take for 0 or 1, as the word it was."""
    return str(value) if isinstance(value, bool) else value


def write_text(
    columns: dict[str, NDArray[Any]], path: Path, provenance: dict[str, Any], quoting: int
) -> None:
    """Write columns by heading as a new CSV file, and the provenance beside it.

    Numbers have ten significant digits, those of a column of very large ones all; what is not known is left
    empty.

    Raises
    ------
    BlinkspotError
        If either file exists or cannot be written.
    """
    beside = provenance_path(path)
    headings = io.StringIO()
    csv.writer(headings, quoting=quoting, lineterminator="\n").writerow(columns)  # type: ignore[arg-type]
    rows = len(next(iter(columns.values())))
    line = ",".join(map(_format, columns.values())) + "\n"
    with written_together((path, beside)) as (temporary, temporary_beside):
        with temporary.open("w", encoding="utf-8", newline="") as file:
            file.write(headings.getvalue())
            for start in range(0, rows, _ROWS_AT_A_TIME):
                some = np.column_stack(
                    [column[start : start + _ROWS_AT_A_TIME] for column in columns.values()]
                )
                # One format for many rows: several times faster than row by row.
                file.write((line * len(some) % tuple(some.ravel().tolist())).replace("nan", ""))
        temporary_beside.write_text(json.dumps(provenance, indent=2) + "\n", encoding="utf-8")


def _format(values: NDArray[Any]) -> str:
    """Return how a column is written: whole numbers of more than ten digits may tell molecules apart."""
    return "%.16g" if np.any(np.abs(values) >= _TEN_DIGITS) else "%.10g"


def read_provenance(path: Path) -> dict[str, Any]:
    """Return the provenance that lies beside a table; nothing where there is none.

    Raises
    ------
    BlinkspotError
        If it cannot be read.
    """
    beside = provenance_path(path)
    if not beside.is_file():
        return {}
    try:
        content = json.loads(read_small_text(beside))
    except (OSError, ValueError, RecursionError) as error:
        raise BlinkspotError(
            f"The provenance {beside} of the table {path.name} cannot be read: mend it, or move it away."
        ) from error
    if not isinstance(content, dict):
        raise BlinkspotError(f"The provenance {beside} is not a JSON object: mend it, or move it away.")
    return content
