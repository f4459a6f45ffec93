"""Picasso's tables of localizations: HDF5 with a dataset ``locs``, and YAML beside it.

As read from Picasso's source and documentation, versions 0.8 to 0.12 (Schnitzbauer 2017, Nature Protocols
12:1198). ``locs`` is an array of records, a row each. ``frame`` counts from 0; ``x`` and ``y``
are in pixels with **the centre of the first pixel at 0**, half a pixel less than from its corner; so are the
widths ``sx``, ``sy`` and the uncertainties ``lpx``, ``lpy``, while ``z`` and ``lpz`` are in nm; ``photons``
and ``bg`` (per pixel) are photons; ``n`` counts the localizations that were linked into one, ``len`` the
frames from the first to the last of them. Picasso's linking, which alone writes ``len``, sums ``bg`` over
them as it does ``photons``.
"""

from __future__ import annotations

import io
import itertools
import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from blinkspot.errors import BlinkspotError, in_brief
from blinkspot.files.whole_files import written_together
from blinkspot.localization.table import (
    COLUMNS,
    OPTIONAL_COLUMNS,
    REQUIRED_COLUMNS,
    UNCALIBRATED,
    LocalizationTable,
)
from blinkspot.localization.table_files.axes import Columns, apart, joined
from blinkspot.localization.table_files.picasso_metadata import (
    PicassoMetadata,
    many_are_beyond,
    metadata_path,
    metadata_to_write,
    read_metadata,
    yaml_text,
)
from blinkspot.localization.table_files.pixel_size import (
    known_pixel_size_nm,
    pixel_size_to_write,
    with_pixel_size,
)
from blinkspot.localization.table_files.values import checked_frames, checked_numbers, known_columns
from blinkspot.safety.hdf5 import dataset_in, records_of, text_of

_FIELDS = {
    "frame": "frame",
    "x_nm": "x",
    "y_nm": "y",
    "photons": "photons",
    "sigma_x_nm": "sx",
    "sigma_y_nm": "sy",
    "background_photons": "bg",
    "uncertainty_x_nm": "lpx",
    "uncertainty_y_nm": "lpy",
    "z_nm": "z",
    "uncertainty_z_nm": "lpz",
    "detections": "n",
    "molecule": "group",
}
_IN_PIXELS = ("x", "y", "sx", "sy", "lpx", "lpy")
_WHOLE = ("n", "group")
_WHOLE_IN_FLOAT32 = 2**24
# For what Picasso has no field, our name is one.
_OURS = tuple(name for name in (*COLUMNS, *OPTIONAL_COLUMNS) if name not in _FIELDS)
_BY_FIELD = {
    **{field: name for name, field in _FIELDS.items()},
    **{name: name for name in _OURS},
    **{field: name for name, field in UNCALIBRATED.items()},
}
# Picasso drops every row that lacks a value in any field of ``locs``: what is known of some rows lies apart.
_WITH_GAPS = "blinkspot"


def is_hdf5(path: Path) -> bool:
    """Tell whether a file is HDF5."""
    return path.is_file() and bool(h5py.is_hdf5(path))


def write(table: LocalizationTable, path: Path, pixel_size_nm: float | None) -> None:
    """Write a table as a new HDF5 file, and its metadata beside it and within.

    Picasso's own fields have its types (float32). What it has no field for is added under our names, float64:
    in ``locs`` where it is known of every row, else in the dataset ``blinkspot``. Uncertainties that are not
    valid go there as ``uncertainty_uncalibrated_nm`` and so on, not to ``lpx`` and ``lpy``. Columns of which
    nothing is known are left out.

    Raises
    ------
    BlinkspotError
        If the pixel size is not known, or either file exists or cannot be written.
    """
    pixel_size_nm = pixel_size_to_write(table.provenance, pixel_size_nm, path, "Picasso")
    beside = metadata_path(path)
    provenance = table.provenance
    if known_pixel_size_nm(provenance) is None:
        provenance = with_pixel_size(provenance, pixel_size_nm)
    known = known_columns(table)
    renamed = {}
    if not table.uncertainty_is_valid:
        renamed = {field: known.pop(name) for name, field in UNCALIBRATED.items() if name in known}
    known = apart(known)
    fields = {field: known.pop(name) for name, field in _FIELDS.items() if name in known}
    for field in _IN_PIXELS:
        if field in fields:
            fields[field] = fields[field] / pixel_size_nm - _first_centre_px(field)
    ours = {**known, **renamed}
    gaps = {name: values for name, values in ours.items() if np.isnan(values).any()}
    types = {field: _type(field, values) for field, values in fields.items()}
    locs = _records({**fields, **{name: ours[name] for name in ours if name not in gaps}}, types)
    documents = metadata_to_write(provenance, pixel_size_nm, fields["frame"], fields["x"], fields["y"])
    with written_together((path, beside), locs.nbytes) as (temporary, temporary_beside):
        # Made in memory: where the disk is full, the HDF5 library ends the program.
        content = io.BytesIO()
        with h5py.File(content, "w") as file:
            file.create_dataset("locs", data=locs)
            if gaps:
                file.create_dataset(_WITH_GAPS, data=_records(gaps, {}))
            file.create_dataset("metadata", data=json.dumps(documents))
        temporary.write_bytes(content.getbuffer())
        temporary_beside.write_text(yaml_text(documents), encoding="ascii")


def read(path: Path, pixel_size_nm: float | None) -> LocalizationTable:
    """Read a table of Picasso's.

    Fields that a :class:`LocalizationTable` does not know are left out: ``ellipticity``, ``net_gradient``,
    ``iterations``, ``log_likelihood``, ``chi_square``, ``d_zcalib``, the errors of photons, widths and
    background, and whatever was clustered. ``group`` is taken for the molecule, and ``len`` for ``n`` where
    that is missing; the ``bg`` of linked rows becomes the mean over their localizations. Where both axes
    agree in all rows, their mean alone is kept. The provenance has the metadata under ``picasso``.

    Parameters
    ----------
    path : Path
    pixel_size_nm : float or None
        Unless given, ``Pixelsize`` of the metadata.

    Raises
    ------
    BlinkspotError
        If the file is no HDF5, has no ``locs``, lacks values, the metadata or the pixel size, or the metadata
        are of another movie.
    """
    locs, gaps, embedded = _contents(path)
    metadata = read_metadata(path, embedded, pixel_size_nm)
    columns = _columns(path, locs, metadata.pixel_size_nm)
    if "len" in (locs.dtype.names or ()) and "background_photons" in columns:
        # Summed by Picasso's linking; ours is that of a frame, also of merged molecules.
        columns["background_photons"] = columns["background_photons"] / np.maximum(columns["detections"], 1.0)
    for name in REQUIRED_COLUMNS:
        if name not in columns:
            raise BlinkspotError(f"The table {path} has no field {_FIELDS[name]!r}: it needs frame, x and y.")
    columns["frame"] = checked_frames(path, columns["frame"], 0)
    _check_movie(path, metadata, columns)
    if gaps is not None:
        if len(gaps) != len(locs):
            raise BlinkspotError(
                f"The datasets 'locs' and {_WITH_GAPS!r} of {path} differ in length: delete the latter."
            )
        columns |= _columns(path, gaps, metadata.pixel_size_nm)
    names = {*(locs.dtype.names or ()), *(() if gaps is None else gaps.dtype.names or ())}
    return LocalizationTable.from_columns(
        joined(columns),
        uncertainty_is_valid=names.isdisjoint(UNCALIBRATED.values()),
        provenance=metadata.provenance,
    )


def _first_centre_px(field: str) -> float:
    """Return where we have the first pixel's centre, which Picasso has at 0."""
    return 0.5 if field in ("x", "y") else 0.0


def _type(field: str, values: NDArray[Any]) -> str:
    if field == "frame":
        return "u4"
    if field in _WHOLE and np.array_equal(values, np.floor(values)) and np.all(np.abs(values) < 2**31):
        return "i4"
    # What float32 rounds would be one molecule with another.
    return "f8" if field in _WHOLE and np.any(np.abs(values) > _WHOLE_IN_FLOAT32) else "f4"


def _records(fields: Columns, types: dict[str, str]) -> NDArray[Any]:
    rows = len(next(iter(fields.values())))
    records = np.empty(rows, dtype=[(field, types.get(field, "f8")) for field in fields])
    for field, values in fields.items():
        records[field] = values
    return records


def _contents(path: Path) -> tuple[NDArray[Any], NDArray[Any] | None, str | None]:
    """Return ``locs``, what lies apart, and the metadata within."""
    try:
        with path.open("rb"):
            pass
        if not h5py.is_hdf5(path):
            raise BlinkspotError(
                f"The table {path} is no HDF5 file: give one as Picasso writes it, or a CSV file named .csv."
            )
        with h5py.File(path, "r") as file:
            locs = dataset_in(file, "locs", path)
            if locs is None or locs.dtype.names is None or locs.ndim != 1:
                held = in_brief(", ".join(itertools.islice(file, 20)) or "nothing")
                raise BlinkspotError(
                    f"{path} holds {held}, and no dataset 'locs' of records: "
                    "give a file of localizations as Picasso saves it."
                )
            gaps = dataset_in(file, _WITH_GAPS, path)
            return (
                records_of(locs, path),
                None if gaps is None or not gaps.dtype.names else records_of(gaps, path),
                text_of(dataset_in(file, "metadata", path)),
            )
    except BlinkspotError:
        raise
    except Exception as error:  # h5py has errors of many kinds for what is damaged
        reason = getattr(error, "strerror", None) or "it is cut short or damaged"
        raise BlinkspotError(f"The table {path} cannot be read: {reason}.") from error


def _columns(path: Path, records: NDArray[Any], pixel_size_nm: float) -> Columns:
    """Return what we know of an array of records, by our names and in our units."""
    columns: Columns = {}
    names = records.dtype.names or ()
    for field in names:
        name = _BY_FIELD.get(field)
        if field == "len" and "n" not in names:
            name = "detections"
        if name is None:
            continue
        if records.dtype[field].kind not in "fiu":
            raise BlinkspotError(f"The table {path} has no numbers in its field {field!r}.")
        values = records[field].astype(np.float64)
        values = checked_numbers(path, field, values, name in REQUIRED_COLUMNS)
        if field in _IN_PIXELS:
            values = (values + _first_centre_px(field)) * pixel_size_nm
        columns[name] = values
    return columns


def _check_movie(path: Path, metadata: PicassoMetadata, columns: Columns) -> None:
    """Refuse metadata that are of another movie."""
    if not len(columns["frame"]):
        return
    last = int(columns["frame"].max()) + 1
    if metadata.frames is not None and last > metadata.frames:
        raise BlinkspotError(
            f"{metadata.source} is of a movie of {metadata.frames} frames, but {path} has molecules in frame "
            f"{last}: put the metadata of the same movie beside it."
        )
    for axis, length_px in (("x_nm", metadata.width_px), ("y_nm", metadata.height_px)):
        positions_px = columns[axis] / metadata.pixel_size_nm - 0.5
        if length_px is not None and many_are_beyond(positions_px, length_px):
            raise BlinkspotError(
                f"{metadata.source} is of a movie of {metadata.width_px} x {metadata.height_px} pixels, but "
                f"{path} has many molecules beyond: put the metadata of the same movie beside it."
            )
