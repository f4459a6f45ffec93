"""Reading: every flavour of TIFF gives the frames that were written, and reads only those asked for."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dask.array
import numpy as np
import pytest
import tifffile
import zarr

from blinkspot.errors import BlinkspotError
from blinkspot.movies.stack import Stack, as_stack, open_stack

SHAPE = (7, 40, 48)


def movie(dtype: str = "uint16", shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    values = np.random.default_rng(1).integers(0, 120, shape)
    return (values - 60 if np.dtype(dtype).kind in "if" else values).astype(dtype)


def assert_holds(stack: Stack, expected: np.ndarray) -> None:
    """Every way to read gives the frames expected."""
    assert stack.shape == expected.shape
    assert stack.dtype == expected.dtype
    assert stack.dtype.isnative
    np.testing.assert_array_equal(stack.frames(0, stack.n_frames), expected)
    np.testing.assert_array_equal(stack.frames(2, 5), expected[2:5])
    np.testing.assert_array_equal(stack.frame(stack.n_frames - 1), expected[-1])
    np.testing.assert_array_equal(stack.selected([4, 0, 4]), expected[[4, 0, 4]])
    np.testing.assert_array_equal(np.asarray(stack.as_dask()), expected)
    assert stack.frames(3, 3).shape == (0, *expected.shape[1:])


@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"]
)
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_pixel_types_and_byte_orders(tmp_path: Path, dtype: str, byteorder: str) -> None:
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, movie(dtype), byteorder=byteorder, photometric="minisblack")
    assert_holds(open_stack(path), movie(dtype))


@pytest.mark.parametrize(
    "options",
    [
        {"metadata": None},
        {"metadata": None, "rowsperstrip": 7},
        {"bigtiff": True},
        {"imagej": True},
        {"imagej": True, "metadata": {"axes": "ZYX"}},
        {"imagej": True, "compression": "zlib"},
        {"ome": True},
        {"ome": True, "compression": "lzw", "tile": (16, 32)},
        {"compression": "lzw", "rowsperstrip": 9, "metadata": None},
        {"compression": "lzw", "predictor": True},
        {"compression": "zlib", "rowsperstrip": 9},
        {"compression": "zstd", "tile": (16, 16)},
        {"tile": (16, 32)},
    ],
    ids=str,
)
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_flavours(tmp_path: Path, options: dict, byteorder: str) -> None:
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, movie(), photometric="minisblack", byteorder=byteorder, **options)
    assert_holds(open_stack(path), movie())


def test_pages_appended_one_by_one(tmp_path: Path) -> None:
    """One call per frame: tifffile then declares each page as a picture of its own."""
    path = tmp_path / "movie.tif"
    with tifffile.TiffWriter(path) as tif:
        for frame in movie():
            tif.write(frame)
    assert len(tifffile.TiffFile(path).series) == len(movie())
    assert_holds(open_stack(path), movie())


def test_strips_scattered_on_some_pages_only(tmp_path: Path) -> None:
    """A later page whose strips do not follow one another is read by its own offsets."""
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, movie(), metadata=None, rowsperstrip=20, photometric="minisblack")
    with tifffile.TiffFile(path, mode="r+") as tif:
        page = tif.pages[4]
        first, second = page.dataoffsets
        page.tags["StripOffsets"].overwrite([second, first])
    expected = movie()
    expected[4] = np.roll(expected[4], 20, axis=0)
    assert_holds(open_stack(path), expected)


def test_imagej_stack_above_4_gb(tmp_path: Path) -> None:
    """ImageJ writes one page and counts on the frames to follow it, past what a classic TIFF can count."""
    shape, path = (2_500, 1_000, 1_000), tmp_path / "large.tif"
    description = f"ImageJ=1.54f\nimages={shape[0]}\nframes={shape[0]}\nhyperstack=true\n"
    with tifffile.TiffWriter(path, byteorder=">") as tif:
        offset, _ = tif.write(
            None,
            shape=shape[1:],
            dtype="uint16",
            description=description,
            metadata=None,
            returnoffset=True,
            photometric="minisblack",
        )
    frame_bytes = shape[1] * shape[2] * 2
    last = np.arange(shape[1] * shape[2], dtype=">u2").reshape(shape[1:])
    with path.open("r+b") as file:  # a hole but for the last frame
        file.seek(offset + (shape[0] - 1) * frame_bytes)
        file.write(last.tobytes())
    stack = open_stack(path)
    assert stack.shape == shape
    assert not stack.axes_guessed
    np.testing.assert_array_equal(stack.frame(shape[0] - 1), last)
    assert not stack.frame(1).any()


READ_ALL = """
import resource, sys
from blinkspot.movies.stack import open_stack
stack = open_stack(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for start in range(0, stack.n_frames, 50):
    stack.frames(start, min(start + 50, stack.n_frames))
stack.as_dask()[1000].compute()
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


def test_memory_stays_small(tmp_path: Path) -> None:
    """Reading the whole of a 1 GB file, by parts, takes the memory of one part (25 MB)."""
    path = tmp_path / "large.tif"
    with tifffile.TiffWriter(path, bigtiff=True) as tif:
        tif.write(None, shape=(2_000, 512, 512), dtype="uint16", photometric="minisblack")
    added_mb = subprocess.run(
        [sys.executable, "-c", READ_ALL, path], capture_output=True, text=True, check=True
    ).stdout
    assert float(added_mb) < 100


@pytest.mark.parametrize(
    ("axes", "guessed"), [("TYX", False), ("ZYX", True), ("CYX", True), ("TZCYX", False), ("QYX", True)]
)
def test_one_long_axis_is_time(tmp_path: Path, axes: str, guessed: bool) -> None:
    path = tmp_path / "movie.tif"
    shape = [1] * (len(axes) - 3) + [5, 32, 32] if axes != "TZCYX" else [5, 1, 1, 32, 32]
    tifffile.imwrite(path, movie(shape=tuple(shape)), metadata={"axes": axes}, photometric="minisblack")
    stack = open_stack(path)
    assert stack.shape == (5, 32, 32)
    assert stack.axes_guessed is guessed


def test_folder_of_frames_in_natural_order(tmp_path: Path) -> None:
    for index, frame in enumerate(movie(shape=(12, 20, 24))):
        tifffile.imwrite(tmp_path / f"frame{index}.TIF", frame)
    (tmp_path / "notes.txt").write_text("not a frame")
    (tmp_path / ".frame3.part.tif").write_bytes(b"half a frame")
    assert_holds(open_stack(tmp_path), movie(shape=(12, 20, 24)))


def test_folder_of_movies_is_one_movie(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "part_1.tif", movie()[:3], photometric="minisblack")
    tifffile.imwrite(tmp_path / "part_2.tif", movie()[3:4])
    tifffile.imwrite(tmp_path / "part_10.tif", movie()[4:], compression="zlib", photometric="minisblack")
    assert_holds(open_stack(tmp_path), movie())


def test_ome_movie_in_two_files(tmp_path: Path) -> None:
    """Each file names the other: alone it gives the whole movie, in the folder each gives its own part."""
    names = ["a_0.ome.tif", "a_1.ome.tif"]
    uuids = ["urn:uuid:00000000-0000-0000-0000-00000000000a", "urn:uuid:00000000-0000-0000-0000-00000000000b"]
    data = "".join(
        f'<TiffData FirstT="{t}" FirstZ="0" FirstC="0" IFD="{t % 4}" PlaneCount="1">'
        f'<UUID FileName="{names[t // 4]}">{uuids[t // 4]}</UUID></TiffData>'
        for t in range(7)
    )
    for number in range(2):
        xml = (
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
            f'UUID="{uuids[number]}"><Image ID="Image:0">'
            '<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" '
            'SizeX="48" SizeY="40" SizeZ="1" SizeC="1" SizeT="7" PhysicalSizeX="0.1" PhysicalSizeY="0.1">'
            f'<Channel ID="Channel:0" SamplesPerPixel="1"/>{data}</Pixels></Image></OME>'
        )
        part = movie()[4 * number : 4 * number + 4]
        tifffile.imwrite(
            tmp_path / names[number], part, description=xml, metadata=None, photometric="minisblack"
        )
    assert_holds(open_stack(tmp_path / names[0]), movie())
    assert_holds(open_stack(tmp_path), movie())
    (tmp_path / names[1]).unlink()
    with pytest.raises(BlinkspotError, match="lacks frame 5 "):
        open_stack(tmp_path / names[0])


def test_threads_may_read_at_once(tmp_path: Path) -> None:
    path = tmp_path / "movie.tif"
    many = movie(shape=(200, 32, 32))
    tifffile.imwrite(path, many, compression="zlib", photometric="minisblack")
    stack = open_stack(path)
    lazy = stack.as_dask()

    def read(index: int) -> bool:
        one = lazy[index].compute() if index % 2 else stack.frame(index)
        return np.array_equal(one, many[index])

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(200)))


@pytest.mark.parametrize("how", ["relative", "dots", "link"])
def test_a_compressed_movie_opens_by_whatever_path_leads_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    (tmp_path / "in").mkdir()
    tifffile.imwrite(tmp_path / "in" / "movie.tif", movie(), compression="zlib", photometric="minisblack")
    (tmp_path / "link.tif").symlink_to(tmp_path / "in" / "movie.tif")
    monkeypatch.chdir(tmp_path / "in")
    path = {"relative": "movie.tif", "dots": "../in/movie.tif", "link": tmp_path / "link.tif"}[how]
    assert_holds(open_stack(path), movie())


@pytest.mark.parametrize(
    "key",
    [
        3,
        -1,
        np.int64(2),
        slice(None),
        slice(5, 1),
        slice(None, None, -2),
        (2, slice(3, 9), 4),
        (slice(1, 4), 5),
        (..., 0),
        (0, ...),
        [4, 1],
        np.arange(7) % 2 == 0,
    ],
    ids=str,
)
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_lazy_frames_index_like_numpy(tmp_path: Path, key: object, compression: str | None) -> None:
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, movie(), compression=compression, photometric="minisblack")
    np.testing.assert_array_equal(open_stack(path).data[key], movie()[key])


def test_only_the_frames_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, movie(), photometric="minisblack")
    stack = open_stack(path)
    for start, stop in [(-1, 3), (3, 2), (0, 8)]:
        with pytest.raises(IndexError):
            stack.frames(start, stop)
    with pytest.raises(IndexError):
        stack.data[7]


@pytest.mark.parametrize(
    "wrap",
    [
        lambda array: array,
        lambda array: array.astype(">u2"),
        dask.array.from_array,
        lambda array: dask.array.from_array(array[:, None]),
        lambda array: zarr.array(array, chunks=(2, 40, 48)),
        lambda array: zarr.array(array[None], chunks=(1, 2, 40, 48)),
        lambda array: Stack(array),
    ],
    ids=["numpy", "big-endian", "dask", "dask 4-D", "zarr", "zarr 4-D", "stack"],
)
def test_arrays_are_stacks(wrap: object) -> None:
    assert_holds(as_stack(wrap(movie())), movie())


def test_shared_movies(shared_data: Path) -> None:
    stack = open_stack(shared_data / "simulated" / "low120.tif")
    assert stack.shape == (300, 128, 128)
    assert stack.axes_guessed  # ImageJ called the frames slices
    assert stack.camera_hints == {"pixel_size_nm": 100.0}
    np.testing.assert_array_equal(
        stack.frames(0, 300), tifffile.imread(shared_data / "simulated" / "low120.tif")
    )
    assert open_stack(shared_data / "simulated" / "default.tif").camera_hints == {"pixel_size_nm": 80.0}
    real = open_stack(shared_data / "real" / "eos_actin_palm_300x96x96.tif")
    assert (real.shape, real.camera_hints) == ((300, 96, 96), {})
