"""Whether a few compressed bytes become gigabytes: told without decoding them into memory."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO

import imagecodecs

from blinkspot.safety.limits import MOST_BYTES_AT_ONCE

COMPRESSORS = ("blosc", "bz2", "gzip", "lz4", "lzma", "zlib", "zstd")
"""Formats that are known here: Blosc and LZ4 as numcodecs frames them."""

# Deflate makes at most 1,032 bytes of one; the rest is for headers.
_MOST_FOR_A_BYTE = {"gzip": 1100, "zlib": 1100}
_PIECE_BYTES = 1 << 20
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_ZSTD_REPEATED = 1  # a block of one byte, repeated


def bursts(file: BinaryIO, n_bytes: int, compressor: str, decoded_bytes: int) -> bool:
    """Tell whether compressed bytes become more than may be decoded at once.

    Parameters
    ----------
    file : binary file
        They begin where it is.
    n_bytes : int
        How many they are.
    compressor : str
        One of :data:`COMPRESSORS`.
    decoded_bytes : int
        What they should become.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    if n_bytes * _MOST_FOR_A_BYTE.get(compressor, MOST_BYTES_AT_ONCE) <= MOST_BYTES_AT_ONCE:
        return False
    match compressor:
        case "blosc":
            return int.from_bytes(file.read(16)[4:8], "little") > MOST_BYTES_AT_ONCE
        case "lz4":
            return int.from_bytes(file.read(4), "little") > MOST_BYTES_AT_ONCE
        case "zstd":
            return _zstd_bursts(file.read(n_bytes), decoded_bytes)
        case _:
            return _stream_bursts(file, n_bytes, _STREAMS[compressor])


def _zstd_bursts(held: bytes, decoded_bytes: int) -> bool:
    try:
        stated = zstd_content_bytes(held)
    except IndexError:
        return False  # damaged, which the decoder says
    if stated is not None:
        return stated > MOST_BYTES_AT_ONCE
    # Without a size it is decoded to whatever it is: into the room of a chunk, to try.
    try:
        imagecodecs.zstd_decode(held, out=decoded_bytes)
    except Exception:  # too much, or damaged
        return True
    return False


def zstd_content_bytes(held: bytes) -> int | None:
    """Return the size that the frames of Zstandard state in all; None where one does not (RFC 8878, 3.1.1).

    Raises
    ------
    IndexError
        If they are cut short.
    """
    at = total = 0
    while held[at : at + 4] == _ZSTD_MAGIC:
        descriptor = held[at + 4]
        is_single, has_checksum = bool(descriptor & 0x20), bool(descriptor & 0x04)
        n_size = (1 if is_single else 0, 2, 4, 8)[descriptor >> 6]
        at += 5 + (0 if is_single else 1) + (0, 1, 2, 4)[descriptor & 3]
        if n_size == 0:
            return None
        total += int.from_bytes(held[at : at + n_size], "little") + (256 if n_size == 2 else 0)
        at += n_size
        is_last = False
        while not is_last:
            block = held[at] | held[at + 1] << 8 | held[at + 2] << 16
            is_last = bool(block & 1)
            at += 3 + (1 if block >> 1 & 3 == _ZSTD_REPEATED else block >> 3)
        at += 4 if has_checksum else 0
    return total if at == len(held) else None


_STREAMS: dict[str, Callable[[], Any]] = {
    "gzip": lambda: zlib.decompressobj(31),
    "zlib": zlib.decompressobj,
    "bz2": bz2.BZ2Decompressor,
    "lzma": lzma.LZMADecompressor,
}


def _stream_bursts(file: BinaryIO, n_bytes: int, new: Callable[[], Any]) -> bool:
    """Decode a piece at a time, one stream after another, and keep nothing."""
    left, rest, total, stream = n_bytes, b"", 0, new()
    try:
        while total <= MOST_BYTES_AT_ONCE:
            if stream.eof:
                rest, stream = stream.unused_data, new()
            if not rest and getattr(stream, "needs_input", True):
                rest = file.read(min(left, _PIECE_BYTES))
                left -= len(rest)
                if not rest:
                    return False
            total += len(stream.decompress(rest, _PIECE_BYTES))
            rest = getattr(stream, "unconsumed_tail", b"")
    except (zlib.error, OSError, lzma.LZMAError, EOFError):
        return False  # damaged, which the decoder says
    return True
