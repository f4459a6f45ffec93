"""TIFF movies of any length that take little disk: their pages share the pixels of a few frames."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_LONG, _SHORT, _LONG8 = 4, 3, 16
_HEADER = struct.Struct("<2sHHHQ")
_ENTRY = struct.Struct("<HHQQ")
_PAGES_AT_ONCE = 4096


def write_paged_tiff(path: Path, frames: NDArray[np.uint16], n_frames: int) -> None:
    """Write a BigTIFF of ``n_frames`` pages, which show ``frames`` (n, Y, X) over and over.

    A reader cannot tell: each page has a directory of its own (BigTIFF: 8-byte offsets, version 43), and says
    where its pixels are.
    """
    _, height, width = frames.shape
    frame_bytes = frames[0].nbytes
    with path.open("wb") as file:
        first_page = _HEADER.size + frames.nbytes
        file.write(_HEADER.pack(b"II", 43, 8, 0, first_page))
        file.write(np.ascontiguousarray(frames, "<u2").tobytes())
        entries = (
            (256, _LONG, width),
            (257, _LONG, height),
            (258, _SHORT, 16),
            (259, _SHORT, 1),
            (262, _SHORT, 1),
            (273, _LONG8, 0),
            (277, _SHORT, 1),
            (278, _LONG, height),
            (279, _LONG8, frame_bytes),
        )
        page_bytes = 8 + len(entries) * _ENTRY.size + 8
        page = np.frombuffer(
            struct.pack("<Q", len(entries))
            + b"".join(_ENTRY.pack(tag, kind, 1, value) for tag, kind, value in entries)
            + struct.pack("<Q", 0),
            np.uint8,
        )
        strip_at = 8 + 5 * _ENTRY.size + 12
        for start in range(0, n_frames, _PAGES_AT_ONCE):
            indices = np.arange(start, min(start + _PAGES_AT_ONCE, n_frames))
            pages = np.tile(page, (len(indices), 1))
            strips = _HEADER.size + frame_bytes * (indices % len(frames))
            following = np.where(indices + 1 < n_frames, first_page + page_bytes * (indices + 1), 0)
            pages[:, strip_at : strip_at + 8] = strips.astype("<u8").view(np.uint8).reshape(-1, 8)
            pages[:, -8:] = following.astype("<u8").view(np.uint8).reshape(-1, 8)
            file.write(pages.tobytes())
