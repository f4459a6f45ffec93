"""Whether every row of a comma-separated text has as many values as there are headings.

pandas fills a row that is too short with NaN, as if its last values were not known: a file cut short, or a
row in which a value is missing and all after it have moved, would be read without a word.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import IO, AnyStr

from blinkspot.errors import BlinkspotError

# Far more than any program writes; a table of as many columns takes for ever to read.
_MOST_COLUMNS = 1000
_LONGEST_HEADING = 300
_MOST_LINE_BYTES = 1 << 20


def headings_of(path: Path) -> list[str]:
    """Return the first row that is not blank, without the blanks around its values; empty where none is.

    Raises
    ------
    BlinkspotError
        If it has more values than any table has columns, or a line is longer than any is.
    OSError, UnicodeError, csv.Error
        If it cannot be read.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.reader(_lines(file, path), skipinitialspace=True):
            if len(row) > _MOST_COLUMNS:
                raise BlinkspotError(
                    f"{path} has {len(row)} columns, where a table may have {_MOST_COLUMNS}: leave some out."
                )
            if any(len(value) > _LONGEST_HEADING for value in row):
                raise BlinkspotError(f"{path} has a heading of many characters: it is no table, or damaged.")
            if any(value.strip() for value in row):
                return [value.strip() for value in row]
    return []


def check_row_lengths(path: Path, headings: int, what: str) -> None:
    """Refuse a text in which a row has more or fewer values than there are headings.

    Parameters
    ----------
    path : Path
    headings : int
        Number of values in each row.
    what : str
        How to call the file: ``"table"``.

    Raises
    ------
    BlinkspotError
        If a row has another number of values; the sentence names its line.
    OSError, UnicodeError, csv.Error
        If the file cannot be read.
    """
    if not _may_have_odd_rows(path, headings):
        return
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(_lines(file, path), skipinitialspace=True)
        for row in reader:
            is_blank = len(row) < 2 and not "".join(row).strip()
            if len(row) != headings and not is_blank:
                raise BlinkspotError(
                    f"Line {reader.line_num} of the {what} {path} has {len(row)} "
                    f"value{'' if len(row) == 1 else 's'} and not {headings}, as there are headings: "
                    f"mend or remove that line, or export the {what} again."
                )


def _may_have_odd_rows(path: Path, headings: int) -> bool:
    """Tell whether a line has too many or too few commas, or quotation marks that may hold some.

    Millions of rows take less time so than if each were taken apart.
    """
    at_headings = True
    with path.open("rb") as file:
        for line in _lines(file, path):
            if line.isspace():
                continue
            if line.count(b",") != headings - 1 or (not at_headings and b'"' in line):
                return True
            at_headings = False
    return False


def _lines(file: IO[AnyStr], path: Path) -> Iterator[AnyStr]:
    """Yield the lines of a file, none of which may be so long that it is none."""
    while line := file.readline(_MOST_LINE_BYTES):
        if len(line) == _MOST_LINE_BYTES:
            raise BlinkspotError(
                f"{path} has a line of more than {_MOST_LINE_BYTES:,} characters: it is no table, or damaged."
            )
        yield line
