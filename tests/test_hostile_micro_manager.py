"""Files of Micro-Manager that are made to hurt: what lies beside their pages is looked at first."""

import importlib
import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hostile import sentence

from blinkspot.movies.stack import open_stack
from blinkspot.safety.limits import MOST_FRAMES

MOVIE = np.random.default_rng(0).integers(90, 300, (5, 16, 20)).astype(np.uint16)
BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
SUMMARY = {"MicroManagerVersion": "1.4", "Frames": 5, "Slices": 1, "Channels": 1, "Positions": 1}


@pytest.fixture
def write(monkeypatch) -> Callable[..., None]:
    """Write a file as Micro-Manager does; what fuzzes the readers begins with it as well."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("support.fuzzing.micro_manager").write_micro_manager


def test_a_movie_of_micro_manager(tmp_path, write):
    path = tmp_path / "a_MMStack.tif"
    write(path, MOVIE, SUMMARY)
    with tifffile.TiffFile(path) as tif:
        assert tif.is_mmstack
    np.testing.assert_array_equal(open_stack(path).frames(0, 5), MOVIE)


def test_a_movie_of_two_parts(tmp_path, write):
    summary = {**SUMMARY, "Frames": 10, "Prefix": "a"}
    write(tmp_path / "a_MMStack.ome.tif", MOVIE, summary)
    later = tmp_path / "a_MMStack_1.ome.tif"
    write(later, MOVIE + 1, summary, 5)
    stack = open_stack(tmp_path / "a_MMStack.ome.tif")
    np.testing.assert_array_equal(stack.frames(0, 10), np.concatenate([MOVIE, MOVIE + 1]))
    for words in ("says that it has", "states more bytes than it has"):
        if words.startswith("says"):
            huge = {**summary, "Frames": MOST_FRAMES + 1}
            write(tmp_path / "a_MMStack.ome.tif", MOVIE, huge)
        else:
            write(tmp_path / "a_MMStack.ome.tif", MOVIE, summary)
            lengthen(later, 12)
        assert words in sentence(open_stack, tmp_path / "a_MMStack.ome.tif")


def lengthen(path: Path, place: int) -> None:
    """Have what the head of a file points at there be of 2**31 items."""
    data = bytearray(path.read_bytes())
    at = place if place == 36 else struct.unpack_from("<I", data, place)[0] + 4
    struct.pack_into("<I", data, at, 1 << 31)
    path.write_bytes(data)


@pytest.mark.parametrize("place", [12, 20, 28, 36], ids=["index", "display", "comments", "summary"])
def test_more_bytes_than_the_file_has(tmp_path, write, place):
    path = tmp_path / "a_MMStack.tif"
    write(path, MOVIE, SUMMARY)
    lengthen(path, place)
    assert "states more bytes than it has" in sentence(open_stack, path)


def test_frames_that_lie_far_apart(tmp_path, write):
    """A list of all between would take 32 GB."""
    path = tmp_path / "a_MMStack.tif"
    write(path, MOVIE, SUMMARY)
    data = bytearray(path.read_bytes())
    (index,) = struct.unpack_from("<I", data, 12)
    struct.pack_into("<I", data, index + 8 + 20 * 3 + 8, 2**32 - 2)  # of the fourth frame, its number
    path.write_bytes(data)
    assert "says that it has 4294967295 frames" in sentence(open_stack, path)


def ndtiff(write, folder: Path, entries: list) -> Path:
    """Write a movie of NDTiff, each of whose entries is (axes, name of the part)."""
    path = folder / "a_NDTiffStack.tif"
    write(path, MOVIE, {})
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tif:
        places = [page.dataoffsets[0] for page in tif.pages]
        first = tif.pages.first.offset
    # The head of NDTiff 3: its summary is a text of two bytes.
    moved = data[:4] + struct.pack("<I7I", first, 483729, 3, 1, 2355492, 2, 0, 0)
    data[: len(moved)] = moved
    data[28:30] = b"{}"
    path.write_bytes(data)
    content = b""
    for number, (axes, name) in enumerate(entries):
        text = json.dumps(axes).encode()
        content += struct.pack("<I", len(text)) + text + struct.pack("<I", len(name)) + name.encode()
        content += struct.pack("<IiiiiIii", places[number], 20, 16, 1, 0, 0, 0, 0)
    (folder / "NDTiff.index").write_bytes(content)
    return path


def test_a_movie_of_ndtiff(tmp_path, write):
    path = ndtiff(write, tmp_path, [({"time": k}, "a_NDTiffStack.tif") for k in range(5)])
    with tifffile.TiffFile(path) as tif:
        assert tif.is_ndtiff
    np.testing.assert_array_equal(open_stack(path).frames(0, 5), MOVIE)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (({"time": 10**9}, "a_NDTiffStack.tif"), "tells where 5 of 1000000001 frames are"),
        (({"time": 4}, "../other/a_NDTiffStack.tif"), "in another folder"),
        (({"time": 4}, "/dev/zero"), "in another folder"),
        (({"time": [4]}, "a_NDTiffStack.tif"), "a_NDTiffStack.tif"),
        (({"time": {"a": 4}}, "a_NDTiffStack.tif"), "a_NDTiffStack.tif"),
    ],
    ids=["far", "folder", "device", "list", "object"],
)
def test_an_index_of_ndtiff(tmp_path, write, entry, words):
    path = ndtiff(write, tmp_path, [*(({"time": k}, "a_NDTiffStack.tif") for k in range(4)), entry])
    assert words in sentence(open_stack, path)
