"""Writing: whole or not at all, and TIFFs as ImageJ and ThunderSTORM expect them."""

from __future__ import annotations

import errno
import itertools
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from blinkspot.camera import Camera
from blinkspot.errors import BlinkspotError
from blinkspot.movies import tiff_writing
from blinkspot.movies.stack import StackWriter, open_stack, write_stack
from blinkspot.provenance import provenance

MOVIE = np.random.default_rng(0).normal(100, 10, (6, 20, 24)).astype(np.float32)
SUFFIXES = (".tif", ".zarr")
either = pytest.mark.parametrize("suffix", SUFFIXES)
CAMERA = Camera(
    pixel_size_nm=106.7, offset_adu=100.5, electrons_per_adu=12.0, em_gain=150.0, read_noise_electrons=30.0
)


@given(
    movie=hnp.arrays(
        st.sampled_from([np.uint8, np.uint16, np.float32]),
        st.tuples(st.integers(2, 5), st.integers(2, 20), st.integers(2, 20)),
    ),
    cuts=st.lists(st.integers(0, 5), max_size=3),
    suffix=st.sampled_from(SUFFIXES),
)
@settings(max_examples=80, deadline=None)
def test_round_trip(movie: np.ndarray, cuts: list[int], suffix: str) -> None:
    """Whatever is written, in whatever portions, is read back to the bit."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"movie{suffix}"
        bounds = [0, *sorted(min(cut, len(movie)) for cut in cuts), len(movie)]
        with StackWriter(path, movie.shape, movie.dtype) as writer:
            for start, stop in itertools.pairwise(bounds):
                writer.write(movie[start:stop])
        back = open_stack(path)
        assert back.dtype == movie.dtype
        assert not back.axes_guessed
        np.testing.assert_array_equal(back.frames(0, len(movie)).view(np.uint8), movie.view(np.uint8))


@pytest.mark.parametrize("limit", [None, 0], ids=["ImageJ", "BigTIFF"])
def test_what_made_it_and_the_scale_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int | None
) -> None:
    if limit is not None:
        monkeypatch.setattr(tiff_writing, "LARGEST_CLASSIC_TIFF_BYTES", limit)
    made_by = provenance("denoise", camera=CAMERA, settings={"µ": "±"}, seed=7)
    path = write_stack(tmp_path / "movie.tif", MOVIE, pixel_size_nm=106.7, provenance=made_by)
    stack = open_stack(path)
    np.testing.assert_array_equal(stack.frames(0, 6), MOVIE)
    assert not stack.axes_guessed
    assert stack.metadata["provenance"] == made_by
    assert stack.camera_hints == pytest.approx(CAMERA.as_dict(), rel=1e-5)
    with tifffile.TiffFile(path) as tif:
        assert tif.is_imagej == (limit is None)
        assert tif.is_bigtiff == (limit is not None)


def test_imagej_sees_frames(tmp_path: Path) -> None:
    """Not slices, not channels: by ImageJ's own words in the description, one contiguous run of pixels."""
    path = write_stack(tmp_path / "movie.tif", MOVIE, pixel_size_nm=80.0, provenance={"a": 1})
    with tifffile.TiffFile(path) as tif:
        assert tif.is_imagej
        assert tif.imagej_metadata["images"] == tif.imagej_metadata["frames"] == 6
        assert tif.imagej_metadata["unit"] == "micron"
        assert "slices" not in tif.imagej_metadata
        assert "channels" not in tif.imagej_metadata
        assert tif.series[0].axes == "TYX"
        assert tif.series[0].dataoffset is not None
        numerator, denominator = tif.pages[0].tags["XResolution"].value
        assert numerator / denominator == pytest.approx(12.5)


def test_an_imagej_file_keeps_its_camera_when_imagej_adds_to_info(tmp_path: Path) -> None:
    path = tmp_path / "resaved.tif"
    info = '{"software": "napari-blinkspot", "camera": {"em_gain": 150.0}}\nAdded by ImageJ'
    tifffile.imwrite(path, MOVIE, imagej=True, metadata={"Info": info})
    assert open_stack(path).camera_hints == {"em_gain": 150.0}


def test_one_frame_can_be_written(tmp_path: Path) -> None:
    write_stack(tmp_path / "one.tif", MOVIE[:1])
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "one.tif"), MOVIE[0])


def test_above_4_gb_it_is_a_bigtiff(tmp_path: Path) -> None:
    """Frames that are zero stay holes in the file, so it takes no room; the last one lies past 4 GB."""
    shape, path = (1_100, 1_000, 1_000), tmp_path / "large.tif"
    last = np.full((1, *shape[1:]), 7, np.float32)
    with StackWriter(path, shape) as writer:
        writer._frames.file.seek(4 * 1_000_000 * 1_099, 1)
        writer.frames_written = 1_099
        writer.write(last)
    with tifffile.TiffFile(path) as tif:
        assert tif.is_bigtiff
    stack = open_stack(path)
    assert stack.shape == shape
    np.testing.assert_array_equal(stack.frame(1_099), last[0])
    assert not stack.frame(1_098).any()


@either
def test_whole_numbers_are_rounded_and_kept_in_range(tmp_path: Path, suffix: str) -> None:
    values = np.array([[[-3.0, 0.4, 0.6, 1.5, 70_000.0]]] * 2)
    with StackWriter(tmp_path / f"movie{suffix}", values.shape, np.uint16) as writer:
        writer.write(values)
    np.testing.assert_array_equal(open_stack(tmp_path / f"movie{suffix}").frame(0), [[0, 0, 1, 2, 65_535]])


def test_disk_that_fills_up_midway(tmp_path: Path) -> None:
    class FullDisk:
        def __init__(self, file: object) -> None:
            self.file = file
            self.room = 2

        def write(self, data: object) -> None:
            self.room -= 1
            if self.room < 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            self.file.write(data)

    def fill() -> None:
        with StackWriter(tmp_path / "movie.tif", MOVIE.shape) as writer:
            writer._frames.file = FullDisk(writer._frames.file)
            for frame in MOVIE:
                writer.write(frame[None])

    with pytest.raises(BlinkspotError, match=r"movie\.tif could not be written \(No space left on device\)"):
        fill()
    assert list(tmp_path.iterdir()) == []


@either
def test_disk_with_too_little_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1_000))
    with pytest.raises(BlinkspotError, match=r"needs \d+\.\d kB, but .* has only 1\.0 kB free"):
        write_stack(tmp_path / f"movie{suffix}", MOVIE)
    assert list(tmp_path.iterdir()) == []


@either
@pytest.mark.parametrize("stop", [GeneratorExit, KeyboardInterrupt, RuntimeError])
def test_job_that_is_stopped_leaves_nothing(tmp_path: Path, suffix: str, stop: type[BaseException]) -> None:
    def stopped() -> None:
        with StackWriter(tmp_path / f"movie{suffix}", MOVIE.shape) as writer:
            writer.write(MOVIE[:2])
            raise stop

    with pytest.raises(stop):
        stopped()
    assert list(tmp_path.iterdir()) == []


@either
def test_movie_that_is_not_complete_does_not_appear(tmp_path: Path, suffix: str) -> None:
    with (
        pytest.raises(ValueError, match="only 2 of 6"),
        StackWriter(tmp_path / f"movie{suffix}", MOVIE.shape) as writer,
    ):
        writer.write(MOVIE[:2])
    assert list(tmp_path.iterdir()) == []


@either
def test_nothing_is_overwritten(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"movie{suffix}"
    path.write_bytes(b"precious")
    with pytest.raises(BlinkspotError, match="overwritten"):
        write_stack(path, MOVIE)
    assert path.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["movie", "movie.csv", "movie.zarr.zip", "zarr"])
def test_the_name_says_the_format(tmp_path: Path, name: str) -> None:
    with pytest.raises(BlinkspotError, match=r"choose a name that ends in \.tif or \.zarr"):
        write_stack(tmp_path / name, MOVIE)
    assert list(tmp_path.iterdir()) == []


def test_misuse(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="int32"):
        StackWriter(tmp_path / "movie.tif", MOVIE.shape, np.int32)
    with (
        pytest.raises(ValueError, match="do not fit"),
        StackWriter(tmp_path / "movie.tif", MOVIE.shape) as writer,
    ):
        writer.write(MOVIE[:, :5])
    with (
        pytest.raises(ValueError, match="more frames"),
        StackWriter(tmp_path / "movie.tif", MOVIE.shape) as writer,
    ):
        writer.write(np.concatenate([MOVIE, MOVIE]))
    with pytest.raises(BlinkspotError, match="needs the axes"):
        write_stack(tmp_path / "movie.tif", MOVIE[0])
