"""What a zarr store may not do to its reader: name codecs that run code, hold chunks that burst or are cut.

zarr looks up codecs by the names that the store gives, whatever they do, and decodes chunks to whatever size
they have and from whatever length they state. So these are looked at before.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from blinkspot.errors import BlinkspotError, in_brief
from blinkspot.movies.zarr_metadata import damaged, described
from blinkspot.safety.bursting import COMPRESSORS, bursts

_FILTERS = ("bitround", "delta", "fixedscaleoffset", "shuffle")
_CHECKSUMS = ("crc32c", "numcodecs.crc32", "numcodecs.crc32c", "numcodecs.adler32", "numcodecs.fletcher32")
_NUMBERS = re.compile(r"[<>|=]?[buif][1248]|u?int(8|16|32|64)|float(32|64)")
_NOT_THERE = 2**64 - 1
_BLOSC_HEADER_BYTES = 16
# In a shard, and in the plane of a frame, where each takes a tenth of a millisecond.
_MOST_PIECES = 1 << 16
_MOST_PIECES_OF_FRAME = 1 << 13


@dataclass(frozen=True)
class ChunkFiles:
    """How the chunks of an array lie in its files.

    Attributes
    ----------
    compressor : str or None
        By which they are compressed.
    shard : tuple of int or None
        Chunks along each axis of the file of a shard; None where each chunk is a file.
    index_bytes : int
        Of the list of places in a shard.
    index_first : bool
        Whether that list comes first in the file.
    """

    compressor: str | None
    shard: tuple[int, ...] | None = None
    index_bytes: int = 0
    index_first: bool = False


def chunk_files(folder: Path) -> ChunkFiles:
    """Check the codecs that an array names, and return how its chunks lie in its files.

    Parameters
    ----------
    folder : Path
        Of the array.

    Raises
    ------
    BlinkspotError
        If it names a codec that is not known to be harmless, or two compressors.
    """
    content = described(folder)
    try:
        return _of_version_3(content, folder) if "codecs" in content else _of_version_2(content, folder)
    except (
        AttributeError,
        IndexError,
        KeyError,
        OverflowError,
        TypeError,
        ValueError,
        ZeroDivisionError,
    ) as error:
        raise damaged(folder, "its description of the codecs is not that of zarr") from error


def _of_version_2(content: dict[str, Any], folder: Path) -> ChunkFiles:
    for codec in content.get("filters") or ():
        _check_known(codec["id"], _FILTERS, folder)
        for name in ("dtype", "astype"):
            if _NUMBERS.fullmatch(str(codec.get(name) or "u1")) is None:
                raise ValueError(f"no numbers: {codec.get(name)}")
    compressor = content.get("compressor")
    if compressor is None:
        return ChunkFiles(None)
    _check_known(compressor["id"], COMPRESSORS, folder)
    return ChunkFiles(compressor["id"])


def _of_version_3(content: dict[str, Any], folder: Path) -> ChunkFiles:
    codecs = [(codec if isinstance(codec, dict) else {"name": codec}) for codec in content["codecs"]]
    if [codec["name"] for codec in codecs] != ["sharding_indexed"]:
        return ChunkFiles(_compressor(codecs, folder))
    shard = codecs[0]["configuration"]
    whole, parts = content["chunk_grid"]["configuration"]["chunk_shape"], shard["chunk_shape"]
    chunks = tuple(int(long) // int(short) for long, short in zip(whole, parts, strict=True))
    if not 0 < math.prod(chunks) <= _MOST_PIECES:
        raise BlinkspotError(
            f"{folder} has shards of {math.prod(chunks)} chunks, which are too many: save it anew in larger "
            "chunks."
        )
    checksums = [codec["name"] for codec in shard["index_codecs"] if codec["name"] != "bytes"]
    if checksums not in ([], ["crc32c"]):
        _check_known(checksums[0], (), folder)
    return ChunkFiles(
        _compressor(shard["codecs"], folder),
        chunks,
        16 * math.prod(chunks) + 4 * len(checksums),
        shard.get("index_location", "end") == "start",
    )


def _compressor(codecs: list[Any], folder: Path) -> str | None:
    names = [(codec if isinstance(codec, str) else codec["name"]) for codec in codecs]
    found = []
    for name in names:
        short = name.removeprefix("numcodecs.")
        if short in COMPRESSORS:
            found.append(short)
        elif name not in ("bytes", "transpose", "numcodecs.shuffle", *_CHECKSUMS):
            _check_known(name, (), folder)
    if len(found) > 1:
        raise BlinkspotError(f"{folder} is compressed twice ({', '.join(found)}): save it anew.")
    return found[0] if found else None


def _check_known(name: Any, known: tuple[str, ...], folder: Path) -> None:
    if name not in known:
        raise BlinkspotError(
            f"{folder} needs the codec {in_brief(name, 40)!r}, which is not supported: save it anew with "
            "zarr's own."
        )


def check_chunk(path: Path, files: ChunkFiles, chunk_bytes: int) -> None:
    """Check that what is in a file of chunks does not become more than may be decoded at once.

    Parameters
    ----------
    path : Path
        The file; nothing is checked where there is none.
    files : ChunkFiles
        Of its array.
    chunk_bytes : int
        Size of a chunk as it should be.

    Raises
    ------
    ValueError
        If it would, or is cut short in a way that its decoder does not notice.
    OSError
        If the file cannot be read.
    """
    if files.compressor is None:
        return
    try:
        file = path.open("rb")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return
    with file:
        for at, n_bytes in _places(file, path.stat().st_size, files):
            file.seek(at)
            if files.compressor == "blosc" and _blosc_is_cut(file.read(_BLOSC_HEADER_BYTES), n_bytes):
                raise ValueError("a chunk is shorter than it says")
            file.seek(at)
            if bursts(file, n_bytes, files.compressor, chunk_bytes):
                raise ValueError("a chunk holds far more than it should")


def _blosc_is_cut(header: bytes, n_bytes: int) -> bool:
    """Tell whether a chunk by Blosc is shorter than its header says (README_CHUNK_FORMAT of c-blosc 1).

    Its decoder believes the header, and reads on behind the end.
    """
    return n_bytes < _BLOSC_HEADER_BYTES or n_bytes < int.from_bytes(header[12:16], "little")


def _places(file: BinaryIO, size: int, files: ChunkFiles) -> Iterator[tuple[int, int]]:
    """Yield where the chunks of a file lie, and how long they are."""
    if files.shard is None:
        yield 0, size
        return
    file.seek(0 if files.index_first else max(0, size - files.index_bytes))
    index = np.frombuffer(file.read(16 * math.prod(files.shard)), "<u8")
    for at, n_bytes in index[: len(index) // 2 * 2].reshape(-1, 2).tolist():
        if at != _NOT_THERE and at + n_bytes <= size:
            yield at, n_bytes


def check_pieces(shape: tuple[int, ...], chunks: tuple[int, ...], time: int, source: Path) -> None:
    """Check in how many chunks a frame lies.

    Raises
    ------
    BlinkspotError
        If there are so many that reading a frame would take for ever, or they hold nothing.
    """
    if min(chunks) < 1:
        raise damaged(source, "its chunks have no pixels")
    pieces = math.prod(
        -(-length // chunk)
        for axis, (length, chunk) in enumerate(zip(shape, chunks, strict=True))
        if axis != time
    )
    if pieces > _MOST_PIECES_OF_FRAME:
        raise BlinkspotError(
            f"{source} has each frame in {pieces} chunks, which are too many: save it anew in larger chunks."
        )
