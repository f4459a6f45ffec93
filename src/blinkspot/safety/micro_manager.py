"""What Micro-Manager keeps beside the pages of a TIFF file, looked at before tifffile acts on it.

The head of such a file says where an index of all frames is, and other texts, and how long they are; NDTiff
has the index as a file of its own (https://micro-manager.org/Micro-Manager_File_Formats). tifffile makes
room for as many bytes, and as many frames, as it is told.
"""

from __future__ import annotations

import glob
import json
import math
import os
import struct
from pathlib import Path
from typing import Any, BinaryIO

import tifffile

from blinkspot.errors import BlinkspotError
from blinkspot.safety.limits import MOST_FRAMES

_INDEX, _DISPLAY, _COMMENTS, _SUMMARY = 54773648, 483765892, 99384722, 2355492
# What a block begins with, and the bytes of one of the items that it counts.
_BLOCKS = {_INDEX: (3453623, 20), _DISPLAY: (347834724, 1), _COMMENTS: (84720485, 1)}
_NDTIFF = 483729
_FARTHEST = 1 << 32
_NDTIFF_INDEX = "NDTiff.index"


def check_micro_manager(tif: tifffile.TiffFile, path: Path) -> None:
    """Check the lengths and numbers of frames that a file of Micro-Manager, and its other parts, state.

    Parameters
    ----------
    tif : tifffile.TiffFile
        Just opened.
    path : Path
        Its file.

    Raises
    ------
    BlinkspotError
        If they are more than the file has, or more frames than a movie may have; or an index names a part
        in another folder.
    """
    if not tif.is_micromanager:
        return
    _check_lengths(path)
    told = tif.micromanager_metadata or {}
    if told.get("MajorVersion", 0) >= 2:
        if (path.parent / _NDTIFF_INDEX).is_file():
            _check_ndtiff_index(path.parent / _NDTIFF_INDEX)
        return
    summary, index = told.get("Summary"), told.get("IndexMap")
    if not isinstance(summary, dict) or index is None or not len(index):
        return
    lows, highs = (ends[:4].tolist() for ends in (index.min(axis=0), index.max(axis=0)))
    spans = [high - low + 1 for low, high in zip(lows, highs, strict=True)]
    _check_number_of_frames(math.prod(spans), path)
    others = _other_parts(path, summary)
    for other in others:
        _check_lengths(other)
    if others:
        names = ("Channels", "Slices", "Frames", "Positions")
        lengths = [max(high + 1, int(summary.get(name, 1))) for name, high in zip(names, highs, strict=True)]
        _check_number_of_frames(math.prod(lengths), path)


def _other_parts(path: Path, summary: dict[str, Any]) -> list[Path]:
    """Return the files in which tifffile looks for the other frames."""
    prefix = summary.get("Prefix", path.name.split("_MMStack")[0])
    if "_MMStack" not in path.name or not isinstance(prefix, str) or not path.name.startswith(prefix):
        return []
    found = glob.glob(os.path.join(path.parent, prefix + "_MMStack*.tif"))
    return [Path(name) for name in found if Path(name).name != path.name]


def _check_lengths(path: Path) -> None:
    """Check the lengths that the head of a file states."""
    size = path.stat().st_size
    with path.open("rb", buffering=0) as file:
        order = {b"II": "<", b"MM": ">"}.get(file.read(2))
        file.seek(8)
        head = file.read(32)
        if order is None or len(head) < 32:
            return
        words = struct.unpack(f"{order}8I", head)
        if words[0] == _NDTIFF:
            lengths = [words[3] if words[2] == _SUMMARY else words[4]]
        else:
            lengths = [words[7] if words[6] == _SUMMARY else 0]
            for mark, at in zip(words[0:6:2], words[1:6:2], strict=True):
                if mark in _BLOCKS:
                    lengths += _block_lengths(file, at, order, *_BLOCKS[mark])
    if max(lengths) > size:
        raise BlinkspotError(
            f"{path} is a damaged file of Micro-Manager (it states more bytes than it has): copy it again "
            "from its source."
        )


def _block_lengths(file: BinaryIO, at: int, order: str, mark: int, item_bytes: int) -> list[int]:
    """Return the bytes of a block, which may lie 4 GB behind what a number of 32 bits can say."""
    lengths = []
    for place in (at, at + _FARTHEST):
        file.seek(place)
        start = file.read(8)
        if len(start) == 8:
            found, count = struct.unpack(f"{order}2I", start)
            lengths += [count * item_bytes] if found == mark else []
    return lengths


def _check_ndtiff_index(path: Path) -> None:
    """Check that an index names no file elsewhere, and that it has the frames that lie between its ends."""
    content = path.read_bytes()
    at, entries = 0, 0
    positions: dict[str, set[Any]] = {}
    try:
        while at < len(content):
            (n_bytes,) = struct.unpack_from("<I", content, at)
            axes = json.loads(content[at + 4 : at + 4 + n_bytes])
            at += 4 + n_bytes
            (n_bytes,) = struct.unpack_from("<I", content, at)
            name = content[at + 4 : at + 4 + n_bytes]
            at += 4 + n_bytes + 32
            if any(sign in name for sign in b"/\\:\0") or name == b"..":
                raise BlinkspotError(
                    f"{path} names a part of its movie that lies in another folder, which is not opened."
                )
            for axis, position in axes.items():
                positions.setdefault(axis, set()).add(position)
            entries += 1
    except (AttributeError, RecursionError, TypeError, ValueError, struct.error):
        pass  # where tifffile stops reading, or says that it is damaged
    spans = [
        len(found) if any(isinstance(one, str) for one in found) else int(max(found)) - int(min(found)) + 1
        for found in positions.values()
    ]
    if math.prod(spans) > entries:
        raise BlinkspotError(
            f"{path} tells where {entries} of {math.prod(spans)} frames are: copy the movie again "
            "from its source."
        )


def _check_number_of_frames(n_frames: int, path: Path) -> None:
    if n_frames > MOST_FRAMES:
        raise BlinkspotError(
            f"{path} says that it has {n_frames} frames, where a movie may have {MOST_FRAMES:,}: "
            "it is damaged, or save it in parts."
        )
