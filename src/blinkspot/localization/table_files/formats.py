"""Which format a table's file has, or shall have."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from blinkspot.errors import BlinkspotError
from blinkspot.localization.table import LocalizationTable
from blinkspot.localization.table_files import picasso_hdf5, smap_csv, thunderstorm_csv
from blinkspot.localization.table_files.csv_text import provenance_path, read_text
from blinkspot.localization.table_files.picasso_metadata import metadata_path
from blinkspot.localization.table_files.pixel_size import checked_pixel_size_nm

TableFormat = Literal["thunderstorm", "picasso", "smap"]

_SUFFIXES: dict[TableFormat, tuple[str, ...]] = {
    "thunderstorm": (".csv",),
    "picasso": (".hdf5", ".h5"),
    "smap": (".csv",),
}


def read_table(path: str | os.PathLike[str], *, pixel_size_nm: float | None = None) -> LocalizationTable:
    """Read a table of localizations, or of true molecules.

    The format is told by the content: Picasso's HDF5, else text, which is SMAP's where it has the headings
    ``xnm`` and ``ynm``, else ThunderSTORM's. Columns that a :class:`LocalizationTable` does not know are
    left out.

    Parameters
    ----------
    path : path
        ``.csv`` or ``.hdf5``. The provenance is read from ``NAME.provenance.json`` beside a CSV file,
        Picasso's metadata from ``NAME.yaml`` beside an HDF5 file or, where there is none, from within it.
    pixel_size_nm : float, optional
        Pixel size of the movie; what the files say of it is then not used. Needed for SMAP's tables, for
        Picasso's without ``Pixelsize`` in their metadata and for columns in pixels of ThunderSTORM's.

    Returns
    -------
    LocalizationTable
        Its provenance knows the pixel size where that was given or found.

    Raises
    ------
    BlinkspotError
        If the file cannot be read, is no such table, has other units, or lacks values or the pixel size.
    """
    path = Path(path)
    if pixel_size_nm is not None:
        pixel_size_nm = checked_pixel_size_nm(pixel_size_nm)
    if path.suffix.lower() in (".yaml", ".yml"):
        raise BlinkspotError(f"{path} is the metadata of a Picasso table: give the .hdf5 file beside it.")
    if path.suffix.lower() in _SUFFIXES["picasso"] or picasso_hdf5.is_hdf5(path):
        return picasso_hdf5.read(path, pixel_size_nm)
    text = read_text(path)
    read = smap_csv.read if smap_csv.is_smap(text) else thunderstorm_csv.read
    table = read(path, text, pixel_size_nm)
    _check_frames(path, table)
    return table


def _check_frames(path: Path, table: LocalizationTable) -> None:
    """Refuse a table whose provenance is of a shorter movie."""
    n_frames = table.movie_frames
    last = int(table.column("frame").max()) + 1 if len(table) else 0
    if n_frames is not None and last > n_frames:
        raise BlinkspotError(
            f"{provenance_path(path)} is of a movie of {n_frames} frames, but {path} has molecules in frame "
            f"{last}: put the provenance of the same table beside it, or move it away."
        )


def write_table(
    table: LocalizationTable,
    path: str | os.PathLike[str],
    *,
    format: TableFormat | None = None,
    pixel_size_nm: float | None = None,
) -> None:
    """Write a table as a new file, with its provenance.

    Parameters
    ----------
    table : LocalizationTable
    path : path
        ``.csv`` (the provenance goes to ``NAME.provenance.json``) or ``.hdf5`` (with ``NAME.yaml``, which
        holds the provenance, too).
    format : {"thunderstorm", "picasso", "smap"}, optional
        By the suffix unless given: ThunderSTORM's CSV or Picasso's HDF5.
    pixel_size_nm : float, optional
        Pixel size of the movie, where the table's provenance does not know it. Picasso's and SMAP's tables
        cannot be written without; it is kept in the provenance.

    Raises
    ------
    BlinkspotError
        If the suffix does not suit, a file exists or cannot be written, the pixel size is missing or is not
        the table's own, or a value does not fit the format.
    """
    format = _format(Path(path), format)
    if pixel_size_nm is not None:
        pixel_size_nm = checked_pixel_size_nm(pixel_size_nm)
    write = {"thunderstorm": thunderstorm_csv.write, "picasso": picasso_hdf5.write, "smap": smap_csv.write}
    write[format](table, Path(path), pixel_size_nm)


def table_paths(path: str | os.PathLike[str], format: TableFormat | None = None) -> tuple[Path, Path]:
    """Return the files that :func:`write_table` makes: the table, and what goes beside it.

    Raises
    ------
    BlinkspotError
        If the suffix does not suit the format.
    """
    path = Path(path)
    if _format(path, format) == "picasso":
        return path, metadata_path(path)
    return path, provenance_path(path)


def _format(path: Path, format: TableFormat | None) -> TableFormat:
    suffix = path.suffix.lower()
    for name, suffixes in _SUFFIXES.items():
        if suffix in suffixes and format in (None, name):
            return name
    if format is None:
        raise BlinkspotError(
            f"A table is written as .csv (ThunderSTORM, SMAP) or .hdf5 (Picasso): {path} needs such a name."
        )
    if format not in _SUFFIXES:
        raise BlinkspotError(f"There is no format {format!r}: choose {', '.join(_SUFFIXES)}.")
    raise BlinkspotError(
        f"A table in the format {format} is written as {_SUFFIXES[format][0]}: {path} needs such a name."
    )
