"""Zarr stores of ours: whole or not at all, read frame by frame and to the bit; losses are noticed."""

from __future__ import annotations

import errno
import itertools
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from zarr.storage import LocalStore

from blinkspot.camera import Camera
from blinkspot.errors import BlinkspotError
from blinkspot.movies import zarr_reading, zarr_writing
from blinkspot.movies.stack import StackWriter, open_stack, write_stack
from blinkspot.provenance import provenance

SHAPE = (7, 40, 48)
MOVIE = np.random.default_rng(0).normal(100, 10, SHAPE).astype(np.float32)
CAMERA = Camera(
    pixel_size_nm=106.7, offset_adu=100.5, electrons_per_adu=12.0, em_gain=150.0, read_noise_electrons=30.0
)


@pytest.fixture
def frame_by_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """One frame in a chunk, as large frames have it."""
    monkeypatch.setattr(zarr_writing, "_CHUNK_BYTES", 1)


@pytest.fixture
def keys_read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The chunks that zarr reads from then on."""
    read: list[str] = []
    get = LocalStore.get

    async def noting(self: LocalStore, key: str, *arguments: Any, **options: Any) -> Any:
        if not key.endswith((".json", ".zarray", ".zattrs", ".zgroup", ".zmetadata")):
            read.append(key)
        return await get(self, key, *arguments, **options)

    monkeypatch.setattr(LocalStore, "get", noting)
    return read


# -- what is written


def test_other_programs_see_a_movie_with_its_axes_and_scale(tmp_path: Path) -> None:
    """By the rules of OME-Zarr 0.5: axes named in array and group alike, scale in a unit of UDUNITS-2."""
    made_by = provenance("denoise", camera=CAMERA, settings={"µ": "±"}, seed=7)
    path = write_stack(tmp_path / "movie.zarr", MOVIE, pixel_size_nm=106.7, provenance=made_by)
    group = zarr.open_group(path, mode="r")
    ome = group.attrs["ome"]
    (image,) = ome["multiscales"]
    (level,) = image["datasets"]
    (transformation,) = level["coordinateTransformations"]
    array = group[level["path"]]
    assert (ome["version"], image["name"]) == ("0.5", "movie")
    assert [axis["name"] for axis in image["axes"]] == ["t", "y", "x"] == list(array.metadata.dimension_names)
    assert [axis["type"] for axis in image["axes"]] == ["time", "space", "space"]
    assert [axis.get("unit") for axis in image["axes"]] == [None, "micrometer", "micrometer"]
    assert transformation["type"] == "scale"
    assert transformation["scale"] == pytest.approx([1.0, 0.1067, 0.1067])
    assert group.attrs["napari-blinkspot"]["provenance"] == made_by
    assert array.dtype == np.float32
    assert [type(codec).__name__ for codec in array.compressors] == ["ZstdCodec"]
    np.testing.assert_array_equal(array[:], MOVIE)


def test_what_made_it_and_the_scale_come_back(tmp_path: Path) -> None:
    made_by = provenance("denoise", camera=CAMERA, settings={"µ": "±"}, seed=7)
    path = write_stack(tmp_path / "movie.zarr", MOVIE, pixel_size_nm=107.5, provenance=made_by)
    stack = open_stack(path)
    assert (stack.path, stack.axes_guessed) == (path, False)
    assert stack.metadata["provenance"] == made_by
    # As with a TIFF, the store's own scale is the surer one.
    assert stack.camera_hints == pytest.approx(CAMERA.as_dict() | {"pixel_size_nm": 107.5})


def test_a_movie_without_scale_and_story(tmp_path: Path) -> None:
    stack = open_stack(write_stack(tmp_path / "movie.zarr", MOVIE))
    assert (stack.axes_guessed, stack.camera_hints, stack.metadata) == (False, {}, {})


@pytest.mark.parametrize(
    ("shape", "frames_per_chunk"),
    [((3, 512, 512), 1), ((3, 1200, 1000), 1), ((40, 128, 128), 15), ((1000, 16, 16), 977), ((5, 16, 16), 5)],
)
def test_chunks_are_frames_of_about_a_megabyte(
    tmp_path: Path, shape: tuple[int, int, int], frames_per_chunk: int
) -> None:
    path = write_stack(tmp_path / "movie.zarr", np.zeros(shape, np.float32))
    array = zarr.open_array(path / "0", mode="r")
    assert array.chunks == (frames_per_chunk, *shape[1:])
    chunks = [entry for entry in (path / "0").iterdir() if entry.name != "zarr.json"]
    assert len(chunks) == math.ceil(shape[0] / frames_per_chunk)  # zeros too are written


@given(
    n_frames=st.integers(2, 9),
    cuts=st.lists(st.integers(0, 9), max_size=4),
    chunk_bytes=st.integers(1, 40 * 4 * 4),
    dtype=st.sampled_from(["uint8", "uint16", "float32"]),
)
@settings(max_examples=60, deadline=None)
def test_round_trip_through_any_chunks(n_frames: int, cuts: list[int], chunk_bytes: int, dtype: str) -> None:
    """In whatever portions a movie comes and whatever chunks it goes to, it is read back to the bit."""
    movie = np.random.default_rng(n_frames).integers(0, 200, (n_frames, 4, 10)).astype(dtype)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(zarr_writing, "_CHUNK_BYTES", chunk_bytes)
        bounds = [0, *sorted(min(cut, n_frames) for cut in cuts), n_frames]
        with StackWriter(Path(folder) / "movie.zarr", movie.shape, dtype) as writer:
            for start, stop in itertools.pairwise(bounds):
                writer.write(movie[start:stop])
        stack = open_stack(Path(folder) / "movie.zarr")
        assert stack.dtype == movie.dtype
        for start, stop in itertools.combinations(range(n_frames + 1), 2):
            np.testing.assert_array_equal(stack.frames(start, stop), movie[start:stop])
        np.testing.assert_array_equal(np.asarray(stack.as_dask()), movie)


WRITE_MUCH = """
import resource, sys
import numpy as np
from blinkspot.movies.stack import StackWriter, open_stack, write_stack
frames = np.random.default_rng(0).integers(0, 4000, (4, 512, 512)).astype(np.float32)
write_stack(sys.argv[1] + "/first.zarr", frames)  # loads all that is needed
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with StackWriter(sys.argv[1] + "/movie.zarr", (240, 512, 512)) as writer:
    for _ in range(60):
        writer.write(frames)
stack = open_stack(sys.argv[1] + "/movie.zarr")
for start in range(0, 240, 4):
    assert (stack.frames(start, start + 4) == frames).all()
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


def test_memory_stays_small(tmp_path: Path) -> None:
    """240 MB are written and read with the memory of a few frames and of what is kept (16 MB)."""
    added_mb = subprocess.run(
        [sys.executable, "-c", WRITE_MUCH, tmp_path], capture_output=True, text=True, check=True
    ).stdout
    assert float(added_mb) < 60


# -- whole or not at all


def test_a_folder_that_exists_is_not_written_into(tmp_path: Path) -> None:
    path = write_stack(tmp_path / "movie.zarr", MOVIE)
    with pytest.raises(BlinkspotError, match="overwritten"):
        write_stack(path, MOVIE + 1)
    np.testing.assert_array_equal(open_stack(path).frames(0, 7), MOVIE)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.usefixtures("frame_by_frame")
def test_a_closed_stream_leaves_nothing(tmp_path: Path) -> None:
    def stream() -> Iterator[None]:
        with StackWriter(tmp_path / "movie.zarr", SHAPE) as writer:
            for frame in MOVIE:
                writer.write(frame[None])
                yield

    running = stream()
    next(running)
    next(running)
    (temporary,) = tmp_path.iterdir()
    assert (temporary / "made" / "movie.zarr" / "0" / "c.1.0.0").is_file()
    running.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("frame_by_frame")
def test_a_disk_that_fills_up_midway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put = LocalStore.set

    async def full(self: LocalStore, key: str, *arguments: Any, **options: Any) -> None:
        if key.endswith("c.3.0.0"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        await put(self, key, *arguments, **options)

    monkeypatch.setattr(LocalStore, "set", full)
    with pytest.raises(BlinkspotError, match=r"movie\.zarr could not be written \(No space left on device\)"):
        write_stack(tmp_path / "movie.zarr", MOVIE)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="only there can a test interrupt itself")
@pytest.mark.usefixtures("frame_by_frame")
def test_an_interruption_while_a_chunk_is_written_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is removed when zarr is done with it: a chunk that comes late would make it anew."""
    write_stack(tmp_path / "first.zarr", MOVIE)  # loads all that is needed
    shutil.rmtree(tmp_path / "first.zarr")
    setitem = zarr.Array.__setitem__
    late = []

    def slow(array: zarr.Array, *arguments: Any) -> None:
        time.sleep(0.5)
        setitem(array, *arguments)
        late.append(True)

    monkeypatch.setattr(zarr.Array, "__setitem__", slow)
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(KeyboardInterrupt):
            write_stack(tmp_path / "movie.zarr", MOVIE)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert late == [True]
    assert list(tmp_path.iterdir()) == []


# -- read lazily


@pytest.mark.usefixtures("frame_by_frame")
def test_only_the_chunks_of_the_frames_asked_for_are_read(tmp_path: Path, keys_read: list[str]) -> None:
    stack = open_stack(write_stack(tmp_path / "movie.zarr", MOVIE))
    lazy = stack.as_dask()
    keys_read.clear()
    np.testing.assert_array_equal(stack.frame(4), MOVIE[4])
    assert keys_read == ["c.4.0.0"]
    np.testing.assert_array_equal(stack.frames(1, 3), MOVIE[1:3])
    assert keys_read == ["c.4.0.0", "c.1.0.0", "c.2.0.0"]
    stack.selected([4, 1])  # are kept
    assert len(keys_read) == 3
    assert lazy.shape == SHAPE


def test_opening_reads_no_pixels(tmp_path: Path, keys_read: list[str]) -> None:
    path = write_stack(tmp_path / "movie.zarr", MOVIE)
    keys_read.clear()
    open_stack(path).as_dask()
    assert keys_read == []


@pytest.mark.usefixtures("frame_by_frame")
def test_what_is_kept_does_not_grow(
    tmp_path: Path, keys_read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zarr_reading, "_KEPT_BYTES", 3 * MOVIE[0].nbytes)
    stack = open_stack(write_stack(tmp_path / "movie.zarr", MOVIE))
    keys_read.clear()
    for index in (0, 1, 2, 0, 1, 2, 3, 0):
        stack.frame(index)
    assert keys_read == [f"c.{index}.0.0" for index in (0, 1, 2, 3, 0)]


@pytest.mark.usefixtures("frame_by_frame")
def test_threads_may_read_at_once(tmp_path: Path) -> None:
    stack = open_stack(write_stack(tmp_path / "movie.zarr", MOVIE))
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(stack.frame, [index % 7 for index in range(140)]))
    np.testing.assert_array_equal(read, MOVIE[np.arange(140) % 7])


def test_what_is_read_is_the_reader_s_own(tmp_path: Path) -> None:
    stack = open_stack(write_stack(tmp_path / "movie.zarr", MOVIE))
    stack.frame(2)[:] = 0
    stack.frames(0, 7)[:] = 0
    np.testing.assert_array_equal(stack.frames(0, 7), MOVIE)


# -- damaged since


def drop_a_chunk(store: Path) -> None:
    (store / "0" / "c.4.0.0").unlink()


def drop_the_last_chunk(store: Path) -> None:
    (store / "0" / "c.6.0.0").unlink()


def drop_the_array(store: Path) -> None:
    shutil.rmtree(store / "0")


def drop_the_arrays_metadata(store: Path) -> None:
    (store / "0" / "zarr.json").unlink()


def cut_the_metadata(store: Path) -> None:
    whole = (store / "zarr.json").read_bytes()
    (store / "zarr.json").write_bytes(whole[: len(whole) // 2])


def cut_the_arrays_metadata(store: Path) -> None:
    whole = (store / "0" / "zarr.json").read_bytes()
    (store / "0" / "zarr.json").write_bytes(whole[: len(whole) // 2])


def no_shape(store: Path) -> None:
    described = json.loads((store / "0" / "zarr.json").read_bytes())
    del described["shape"]
    (store / "0" / "zarr.json").write_text(json.dumps(described))


@pytest.mark.usefixtures("frame_by_frame")
@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (drop_a_chunk, "is not whole: frame 5 (counting from 1) is not there"),
        (drop_the_last_chunk, "is not whole: frame 7 "),
        (drop_the_array, "damaged zarr store (the array 0 is missing)"),
        (drop_the_arrays_metadata, "damaged zarr store (the array 0 is missing)"),
        (cut_the_metadata, "damaged zarr store (zarr.json is not JSON)"),
        (cut_the_arrays_metadata, "damaged zarr store (zarr.json is not JSON)"),
        (no_shape, "is a zarr store that cannot be read ("),
    ],
)
def test_a_store_that_lost_something_is_refused(
    tmp_path: Path, damage: Callable[[Path], None], words: str
) -> None:
    path = write_stack(tmp_path / "movie.zarr", MOVIE)
    damage(path)
    with pytest.raises(BlinkspotError) as caught:
        open_stack(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("frame_by_frame")
@pytest.mark.parametrize("kept", [0, 0.5])
def test_a_chunk_cut_short_names_the_frame(tmp_path: Path, kept: float) -> None:
    path = write_stack(tmp_path / "movie.zarr", MOVIE)
    whole = (path / "0" / "c.4.0.0").read_bytes()
    (path / "0" / "c.4.0.0").write_bytes(whole[: int(kept * len(whole))])
    stack = open_stack(path)
    np.testing.assert_array_equal(stack.frame(3), MOVIE[3])
    with pytest.raises(BlinkspotError, match=r"Frame 5 \(counting from 1\) of .*movie\.zarr cannot be read"):
        stack.frames(0, 7)


@pytest.mark.usefixtures("frame_by_frame")
def test_a_store_that_vanishes_while_it_is_read(tmp_path: Path) -> None:
    """Zarr itself would go on with zeros."""
    path = write_stack(tmp_path / "movie.zarr", MOVIE)
    stack = open_stack(path)
    stack.frame(0)
    shutil.rmtree(path)
    with pytest.raises(BlinkspotError, match=r"movie\.zarr can no longer be read"):
        stack.frame(1)


def test_a_store_written_anew_by_another_program_may_leave_out_zeros(tmp_path: Path) -> None:
    """The mark that a store is ours says nothing of an array that has since been laid out otherwise."""
    sparse = MOVIE.copy()
    sparse[2:] = 0
    path = write_stack(tmp_path / "movie.zarr", sparse)
    group = zarr.open_group(path)
    shutil.rmtree(path / "0")
    group.create_array("0", data=sparse, chunks=(1, 40, 48))
    np.testing.assert_array_equal(open_stack(path).frames(0, 7), sparse)
