"""Files of drift: our CSV, and Picasso's text."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blinkspot.errors import BlinkspotError
from blinkspot.files.whole_files import written_together
from blinkspot.localization.processing.drift.curve import Drift
from blinkspot.localization.table_files.csv_rows import check_row_lengths, headings_of
from blinkspot.localization.table_files.csv_text import provenance_path
from blinkspot.localization.table_files.pixel_size import checked_pixel_size_nm

_COLUMNS = ("frame", "x [nm]", "y [nm]")
_LARGEST_NM = 1e12
_LARGEST_FRAME = 10**7
_PICASSO_SUFFIX = ".txt"
_LONGEST_ROW = 4096


def drift_paths(path: str | os.PathLike[str]) -> tuple[Path, ...]:
    """Return the files that :func:`write_drift` makes for a name.

    Raises
    ------
    BlinkspotError
        If the name ends in neither ``.csv`` nor ``.txt``.
    """
    _check_suffix(Path(path))
    return Path(path), provenance_path(path)


def write_drift(
    drift: Drift,
    path: str | os.PathLike[str],
    provenance: dict[str, Any] | None = None,
    pixel_size_nm: float | None = None,
) -> None:
    """Write a drift as a new file, and its provenance as JSON beside it.

    Parameters
    ----------
    drift : Drift
    path : path
        ``NAME.csv``: frame (from 1), x and y in nm. ``NAME.txt``: Picasso's drift, x and y in camera
        pixels, a line for each frame. The provenance goes to ``NAME.provenance.json``.
    provenance : dict, optional
        JSON-ready.
    pixel_size_nm : float, optional
        Of the camera, in the sample; for Picasso's file.

    Raises
    ------
    BlinkspotError
        If a file exists or cannot be written, the suffix is another, or the pixel size is needed.
    """
    path, beside = drift_paths(path)
    if path.suffix.lower() == _PICASSO_SUFFIX:
        # Picasso's own files end their lines so.
        text = "".join(
            f"{x:.18e} {y:.18e}\r\n"
            for x, y in (drift.positions_nm / _pixel_size(path, pixel_size_nm)).tolist()
        )
    else:
        rows = zip(drift.x_nm.tolist(), drift.y_nm.tolist(), strict=True)
        lines = [f"{frame},{x!r},{y!r}\n" for frame, (x, y) in enumerate(rows, start=1)]
        text = ",".join(f'"{column}"' for column in _COLUMNS) + "\n" + "".join(lines)
    with written_together((path, beside)) as (temporary, temporary_beside):
        temporary.write_text(text, encoding="utf-8", newline="")
        temporary_beside.write_text(json.dumps(provenance or {}, indent=2) + "\n", encoding="utf-8")


def read_drift(path: str | os.PathLike[str], pixel_size_nm: float | None = None) -> Drift:
    """Read a drift.

    Parameters
    ----------
    path : path
        ``NAME.csv`` with columns ``frame`` (from 1, ascending), ``x [nm]`` and ``y [nm]``; where frames are
        missing the drift goes straight. ``NAME.txt`` as Picasso writes it: x and y (and z, which is not
        read) in camera pixels, a line for each frame.
    pixel_size_nm : float, optional
        Of the camera, in the sample; for Picasso's file.

    Raises
    ------
    BlinkspotError
        If the file cannot be read or is not such a drift, or the pixel size is needed.
    """
    path = Path(path)
    _check_suffix(path)
    if path.suffix.lower() == _PICASSO_SUFFIX:
        scale = _pixel_size(path, pixel_size_nm)
        rows = _numbers(path, sep=r"\s+", header=None)
        _check_columns(path, rows.shape[1])
        _check_values(path, rows)
        return Drift(rows[:, 0] * scale, rows[:, 1] * scale)
    table = _numbers(path, skipinitialspace=True, usecols=list(_COLUMNS))
    _check_values(path, table)
    frame = table[:, 0]
    if (frame[0] < 1) or (np.diff(frame) <= 0).any() or (frame != np.floor(frame)).any():
        raise BlinkspotError(f"The frames of the drift {path} must be ascending whole numbers from 1.")
    if frame[-1] > _LARGEST_FRAME:
        raise BlinkspotError(f"The drift {path} reaches the frame {frame[-1]:.0f}, which no movie has.")
    return Drift.through(frame - 1, table[:, 1], table[:, 2], int(frame[-1]))


def _numbers(path: Path, **how: Any) -> NDArray[np.float64]:
    """Return the cells of a file as numbers, shape (rows, columns), the columns in the order asked for."""
    try:
        if "usecols" in how:
            check_row_lengths(path, len(headings_of(path)), "drift")
        else:
            _check_columns(path, _columns_of_first_row(path))
        read = pd.read_csv(path, encoding="utf-8-sig", **how)
        if "usecols" in how:
            read = read[how["usecols"]]
        values: NDArray[np.float64] = read.to_numpy(dtype=np.float64)
    except OSError as error:
        raise BlinkspotError(f"The drift {path} cannot be read: {error.strerror or error}.") from error
    except (ValueError, OverflowError, csv.Error) as error:
        kind = "two columns of numbers" if how.get("header", 0) is None else ", ".join(_COLUMNS)
        raise BlinkspotError(f"The drift {path} is not a table of {kind}.") from error
    if len(values) == 0:
        raise BlinkspotError(f"The drift {path} holds no frame.")
    return values


def _columns_of_first_row(path: Path) -> int:
    """Return the number of columns that pandas will look for: as many as the first row has."""
    with path.open(encoding="utf-8-sig") as file:
        while line := file.readline(_LONGEST_ROW):
            if line.strip():
                return len(line.split())
    return 2  # of none


def _check_columns(path: Path, n_columns: int) -> None:
    if n_columns not in (2, 3):
        number = "one column" if n_columns < 2 else "more than three columns"
        raise BlinkspotError(f"The drift {path} has {number}, where Picasso writes x and y in pixels.")


def _check_values(path: Path, values: NDArray[np.float64]) -> None:
    bad = np.flatnonzero(~(np.abs(values) < _LARGEST_NM).all(axis=1))
    if len(bad):
        raise BlinkspotError(f"The drift {path} has no number that makes sense in data row {bad[0] + 1}.")


def _check_suffix(path: Path) -> None:
    if path.suffix.lower() not in (".csv", _PICASSO_SUFFIX):
        raise BlinkspotError(f"A drift is a file .csv, or Picasso's .txt, and not {path.name}.")


def _pixel_size(path: Path, pixel_size_nm: float | None) -> float:
    if pixel_size_nm is None:
        raise BlinkspotError(
            f"The drift {path} is in camera pixels: give the size of one, above 0 nm, with --pixel-size-nm, "
            "or beside the table in napari's Molecules dock."
        )
    return checked_pixel_size_nm(pixel_size_nm)
