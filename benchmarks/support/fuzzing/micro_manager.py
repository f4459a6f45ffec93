"""Small files as Micro-Manager writes them, which no library writes."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np


def write_micro_manager(path: Path, movie: np.ndarray, summary: dict, first: int = 0) -> None:
    """Write a movie (T, Y, X) of uint16, or a part of one that begins with the frame ``first``.

    A page is 13 entries, their values, and its pixels right behind the entries, as in
    https://micro-manager.org/Micro-Manager_File_Formats.
    """
    text = json.dumps(summary).encode()
    data = bytearray(b"II*\0" + bytes(36) + text)
    data += bytes(-len(data) % 4)
    places = []
    for number, frame in enumerate(movie):
        at = len(data)
        places.append(at)
        pixels, about = frame.astype("<u2").tobytes(), b'{"Width": 1}\0'
        after = at + 162 + len(pixels)
        entries = [
            (256, 4, 1, frame.shape[1]), (257, 4, 1, frame.shape[0]), (258, 3, 1, 16), (259, 3, 1, 1),
            (262, 3, 1, 1), (273, 4, 1, at + 162), (277, 3, 1, 1), (278, 4, 1, frame.shape[0]),
            (279, 4, 1, len(pixels)), (282, 5, 1, after), (283, 5, 1, after), (296, 3, 1, 1),
            (51123, 2, len(about), after + 8),
        ]  # fmt: skip
        page = pixels + struct.pack("<II", 1, 1) + about
        page += bytes(-(162 + len(page)) % 4)
        link = 0 if number == len(movie) - 1 else at + 162 + len(page)
        data += struct.pack("<H", 13) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
        data += struct.pack("<I", link) + page
    # Channel, slice, frame, position, and place of the page.
    rows = [(0, 0, number, 0, at) for number, at in enumerate(places, start=first)]
    ends = [len(data)]
    data += struct.pack("<II", 3453623, len(rows)) + np.array(rows, "<u4").tobytes()
    for mark in (347834724, 84720485):
        ends.append(len(data))
        data += struct.pack("<II", mark, 2) + b"{}"
    marks = (54773648, ends[0], 483765892, ends[1], 99384722, ends[2], 2355492, len(text))
    struct.pack_into("<I8I", data, 4, places[0], *marks)
    path.write_bytes(data)
