"""What an HDF5 file may not do to its reader: lead to other files, or claim or become gigabytes."""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from blinkspot.errors import BlinkspotError
from blinkspot.safety.bursting import bursts
from blinkspot.safety.limits import MOST_BYTES_AT_ONCE

_MOST_FIELDS = 1000
_MOST_TEXT_BYTES = 64 << 20
# Numbers of molecules seldom shrink to a third.
_MOST_FOR_A_BYTE = 20
_SMALL_BYTES = 64 << 20
# An incompressible chunk grows a little.
_CHUNK_HEADER_BYTES = 4096
_LZF = 32000
# Of a collection of texts, and of each of its items.
_HEAP_HEADER_BYTES = 16
_DEFLATE = h5py.h5z.FILTER_DEFLATE
_FILTERS = (_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32, _LZF)


def dataset_in(file: h5py.File, name: str, path: Path) -> h5py.Dataset | None:
    """Return a dataset whose values are in the file; None where there is none of that name.

    Raises
    ------
    BlinkspotError
        If it leads to another place, another file among them.
    """
    if name not in file and file.get(name, getlink=True, default=None) is None:
        return None
    found = file.get(name) if isinstance(file.get(name, getlink=True), h5py.HardLink) else None
    if isinstance(found, h5py.Group):
        return None
    if not isinstance(found, h5py.Dataset) or found.is_virtual or found.external:
        raise BlinkspotError(
            f"{name!r} of {path} leads to another place, which is not followed: save the table anew, whole."
        )
    return found


def records_of(dataset: h5py.Dataset, path: Path) -> NDArray[Any]:
    """Read a dataset of records, one a molecule.

    Raises
    ------
    BlinkspotError
        If it claims more than the file can hold, or has something else than plain fields.
    OSError, RuntimeError, ValueError
        If the file is damaged.
    """
    name, dtype = dataset.name.strip("/"), dataset.dtype
    if len(dtype.names or ()) > _MOST_FIELDS:
        raise BlinkspotError(
            f"{name!r} of {path} has {len(dtype.names)} fields, where a table may have {_MOST_FIELDS}: "
            "leave some out."
        )
    if dtype.hasobject or any(dtype[field].subdtype is not None for field in dtype.names):
        raise BlinkspotError(f"{name!r} of {path} has fields that are not one number each: leave them out.")
    if _fields_overlap(dtype):
        raise BlinkspotError(
            f"{name!r} of {path} has fields that lie upon one another: it is damaged, so save the table anew."
        )
    stored, claimed = dataset.id.get_storage_size(), dataset.size * dtype.itemsize
    most = stored if dataset.chunks is None else max(_SMALL_BYTES, _MOST_FOR_A_BYTE * stored)
    if claimed > most or (claimed and not stored):
        raise BlinkspotError(
            f"{name!r} of {path} claims {dataset.size:,} rows, for which the file is too small: it is "
            "damaged, so save the table anew."
        )
    _check_chunks(dataset, path)
    records: NDArray[Any] = dataset[()]
    return records


def _fields_overlap(dtype: np.dtype[Any]) -> bool:
    """Tell whether a record's fields reach into one another.

    h5py takes an odd kind of number for the next larger one that holds it, and HDF5 then writes that much.
    (Out of the record, numpy lets none reach.)
    """
    reached = 0
    for field, at, *_ in sorted((dtype.fields or {}).values(), key=lambda each: each[1]):
        if at < reached:
            return True
        reached = at + field.itemsize
    return False


def text_of(dataset: h5py.Dataset | None) -> str | None:
    """Return a dataset's only value where that is a text, and not in chunks or in the header, else None.

    Raises
    ------
    OSError, RuntimeError, ValueError
        If the file is damaged.
    """
    if dataset is None or dataset.ndim or h5py.check_string_dtype(dataset.dtype) is None:
        return None
    if dataset.dtype.itemsize > _MOST_TEXT_BYTES or dataset.chunks is not None:
        return None
    if h5py.check_string_dtype(dataset.dtype).length is None and not _check_heap(dataset):
        return None
    text: str = dataset.asstr(errors="replace")[()]
    return text


def _check_heap(dataset: h5py.Dataset) -> bool:
    """Check the collection in which a text of no fixed length lies; tell whether it is where it should be.

    HDF5 goes from item to item of it (File Format Specification 3.0, section III.E), and never ends where one
    has no size.
    """
    at = dataset.id.get_offset()
    if at is None or dataset.file.id.get_create_plist().get_sizes() != (8, 8):
        return False
    with open(dataset.file.filename, "rb") as file:
        file.seek(at + 4)  # behind the length
        (place,) = struct.unpack("<Q", file.read(8))
        file.seek(dataset.file.userblock_size + place)
        head = file.read(_HEAP_HEADER_BYTES)
        size = int.from_bytes(head[8:], "little")
        if head[:4] != b"GCOL" or size > os.fstat(file.fileno()).st_size:
            raise ValueError("a text that is not there")
        items = file.read(size - _HEAP_HEADER_BYTES)
    at = 0
    while at + _HEAP_HEADER_BYTES <= len(items):
        number, n_bytes = struct.unpack_from("<H6xQ", items, at)
        taken = n_bytes if number == 0 else _HEAP_HEADER_BYTES + -(-n_bytes // 8) * 8
        if not _HEAP_HEADER_BYTES <= taken <= size:
            raise ValueError("a text among items of no size")
        at += taken
    return True


def _check_chunks(dataset: h5py.Dataset, path: Path) -> None:
    """Check that no chunk is too large, or becomes so when it is decoded."""
    if dataset.chunks is None:
        return
    layout = dataset.id.get_create_plist()
    filters = [layout.get_filter(number)[0] for number in range(layout.get_nfilters())]
    name = dataset.name.strip("/")
    unknown = next((each for each in filters if each not in _FILTERS), None)
    if unknown is not None or sum(each in (_DEFLATE, _LZF) for each in filters) > 1:
        raise BlinkspotError(
            f"{name!r} of {path} is compressed in a way that is not supported (filters {filters}): "
            "save the table anew, without compression or with gzip."
        )
    chunk_bytes = int(np.prod(dataset.chunks, dtype=np.float64)) * dataset.dtype.itemsize
    if chunk_bytes > MOST_BYTES_AT_ONCE or _largest_chunk(dataset) > 1.02 * chunk_bytes + _CHUNK_HEADER_BYTES:
        raise BlinkspotError(f"{name!r} of {path} is in chunks that are too large: save the table anew.")
    if _DEFLATE not in filters:
        return
    for number in range(dataset.id.get_num_chunks()):
        chunk = dataset.id.get_chunk_info(number)
        if chunk.size * 1100 <= MOST_BYTES_AT_ONCE:
            continue
        _, packed = dataset.id.read_direct_chunk(chunk.chunk_offset)
        if bursts(io.BytesIO(packed), len(packed), "zlib", chunk_bytes):
            raise BlinkspotError(f"{name!r} of {path} has a chunk that becomes far too large: it is damaged.")


def _largest_chunk(dataset: h5py.Dataset) -> int:
    """Return the size of the largest chunk in the file, bytes."""
    sizes = [0]
    dataset.id.chunk_iter(lambda chunk: sizes.append(chunk.size))
    return max(sizes)
