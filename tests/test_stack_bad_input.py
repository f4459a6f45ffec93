"""What is no movie is refused in one sentence that says why; nothing cut short is taken for whole."""

from __future__ import annotations

import errno
import io
import os
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from blinkspot.errors import BlinkspotError
from blinkspot.files.whole_files import written_whole
from blinkspot.movies.stack import as_stack, open_stack

MOVIE = np.random.default_rng(0).integers(0, 4000, (9, 24, 20)).astype(np.uint16)


def refusal(path: Path) -> str:
    """Open what cannot be opened and return the sentence."""
    with pytest.raises(BlinkspotError) as caught:
        open_stack(path)
    sentence = str(caught.value)
    assert str(path) in sentence
    assert "\n" not in sentence
    return sentence


@pytest.mark.parametrize(
    ("shape", "options", "words"),
    [
        ((32, 40), {}, "single picture of 32 x 40 pixels"),
        ((1, 32, 40), {"metadata": {"axes": "TYX"}}, "single picture"),
        ((3, 4, 5, 32, 40), {"imagej": True}, r"3 axes besides Y and X (T = 3, Z = 4, C = 5)"),
        ((3, 4, 32, 40), {"metadata": {"axes": "TCYX"}}, "2 axes besides Y and X (T = 3, C = 4)"),
        ((3, 32, 40), {"photometric": "rgb", "planarconfig": "separate"}, "colour (RGB)"),
        ((5, 32, 40, 3), {"photometric": "rgb"}, "colour (RGB)"),
        ((5, 4, 32, 40), {"metadata": {"axes": "TQYX"}}, "2 axes besides Y and X"),
    ],
    ids=["2-D", "one frame", "5-D", "two channels", "RGB planes", "RGB movie", "4-D"],
)
def test_wrong_shapes(tmp_path: Path, shape: tuple[int, ...], options: dict, words: str) -> None:
    path = tmp_path / "wrong.tif"
    tifffile.imwrite(path, np.zeros(shape, np.uint8), **{"photometric": "minisblack", **options})
    assert words in refusal(path)


@pytest.mark.parametrize("dtype", ["complex64", "bool"])
def test_wrong_pixel_types(tmp_path: Path, dtype: str) -> None:
    path = tmp_path / "wrong.tif"
    tifffile.imwrite(path, np.zeros((4, 32, 40), dtype), photometric="minisblack")
    assert f"pixels of type {dtype}" in refusal(path)


def test_pages_of_different_sizes(tmp_path: Path) -> None:
    path = tmp_path / "wrong.tif"
    with tifffile.TiffWriter(path) as tif:
        for side in (16, 24, 32):
            tif.write(np.zeros((side, side), np.uint8), metadata=None)
    assert "different sizes" in refusal(path)


@pytest.mark.parametrize(
    ("odd", "options", "words"),
    [
        (np.zeros((16, 20), np.uint16), {}, "is 16 x 20 pixels and others are 24 x 20 pixels"),
        (np.zeros((24, 28), np.uint16), {}, "is 24 x 28 pixels and others are 24 x 20 pixels"),
        (np.zeros((24, 20), np.int16), {}, "is of SampleFormat 2 and others are of SampleFormat 1"),
        (np.zeros((24, 20), np.uint8), {}, "is of BitsPerSample 8 and others are of BitsPerSample 16"),
        (
            np.zeros((24, 20), np.uint16),
            {"compression": "zlib"},
            "is of Compression 8 and others are of",
        ),
        (np.zeros((24, 20), np.uint16), {"rowsperstrip": 13}, "is of RowsPerStrip 13 and others are of Rows"),
    ],
    ids=["height", "width", "sign", "bits", "compression", "strips"],
)
@pytest.mark.parametrize(
    ("n_frames", "at"),
    [(12, 5), (12, 8), (6, 4)],
    ids=["not looked at", "eighth", "of few"],
)
@pytest.mark.parametrize("bigtiff", [False, True])
def test_odd_page_in_the_middle(tmp_path, odd, options, words, n_frames, at, bigtiff) -> None:
    """tifffile looks at pages 1, 2, 8 and the last, leaves out odd ones there, takes others for alike."""
    path = tmp_path / "odd.tif"
    with tifffile.TiffWriter(path, bigtiff=bigtiff, byteorder=">") as tif:
        for number in range(1, n_frames + 1):
            page = odd if number == at else np.full((24, 20), number, np.uint16)
            how = options if number == at else {"rowsperstrip": 12}
            tif.write(page, metadata=None, photometric="minisblack", **how)
    said = refusal(path)
    assert f"{at} (counting from 1)" in said
    assert words in said


@pytest.mark.parametrize("at", [1, 2, 12])
def test_odd_page_of_the_same_size_at_an_end(tmp_path: Path, at: int) -> None:
    path = tmp_path / "odd.tif"
    with tifffile.TiffWriter(path) as tif:
        for number in range(1, 13):
            how = {"compression": "zlib"} if number == at else {}
            tif.write(np.full((24, 20), number, np.uint16), metadata=None, photometric="minisblack", **how)
    assert f"page {at} (counting from 1) is of Compression 8 and others are of" in refusal(path)


@pytest.mark.parametrize("opened", [0, 1])
def test_odd_page_in_another_file_of_the_movie(tmp_path: Path, opened: int) -> None:
    names = ["a.ome.tif", "b.ome.tif"]
    planes = "".join(
        f'<TiffData FirstT="{6 * part + k}" IFD="{k}" PlaneCount="1">'
        f'<UUID FileName="{names[part]}">urn:uuid:{part}</UUID></TiffData>'
        for part in (0, 1)
        for k in range(6)
    )
    for part, name in enumerate(names):
        told = (
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
            f'UUID="urn:uuid:{part}"><Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" '
            'Type="uint16" SizeX="20" SizeY="24" SizeZ="1" SizeC="1" SizeT="12">'
            f'<Channel ID="Channel:0:0" SamplesPerPixel="1"/>{planes}</Pixels></Image></OME>'
        )
        with tifffile.TiffWriter(tmp_path / name) as tif:
            for k in range(6):
                page = np.zeros((16 if (part, k) == (1, 3) else 24, 20), np.uint16)
                tif.write(page, metadata=None, description=told if k == 0 else None, contiguous=False)
    said = refusal(tmp_path / names[opened])
    assert "frame 10 (counting from 1) is 16 x 20 pixels and others are 24 x 20 pixels" in said


@pytest.mark.parametrize("places", [[0], [12], [7]], ids=["before", "behind", "marked"])
def test_a_small_copy_is_no_frame(tmp_path: Path, places: list[int]) -> None:
    path = tmp_path / "copies.tif"
    with tifffile.TiffWriter(path) as tif:
        for frame in range(12):
            page = np.full((24, 20), frame, np.uint16)
            if frame in places:
                how = {"subfiletype": 1} if frame == 7 else {}
                tif.write(page[::2, ::2], metadata=None, photometric="minisblack", **how)
            tif.write(page, metadata=None, photometric="minisblack")
        if 12 in places:
            tif.write(page[::2, ::2], metadata=None, photometric="minisblack")
    assert open_stack(path).frames(0, 12).mean(axis=(1, 2)).tolist() == list(range(12))


def test_pages_that_say_the_same_otherwise(tmp_path: Path) -> None:
    """A number may be written in fewer bytes, with something else behind it."""
    path = tmp_path / "same.tif"
    with tifffile.TiffWriter(path) as tif:
        for frame in range(12):
            tif.write(np.full((24, 20), frame, np.uint16), metadata=None, photometric="minisblack")
    with tifffile.TiffFile(path) as tif:
        height = tif.pages.get(4, aspage=True).tags[257].offset
    held = bytearray(path.read_bytes())
    assert struct.unpack_from("<HHI", held, height) == (257, 4, 1)
    struct.pack_into("<HHIHH", held, height, 257, 3, 1, 24, 0xFFFF)  # as SHORT, with what is no part of it
    path.write_bytes(held)
    assert open_stack(path).frames(0, 12).mean(axis=(1, 2)).tolist() == list(range(12))


def test_two_movies_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "wrong.tif"
    with tifffile.TiffWriter(path, ome=True) as tif:
        tif.write(MOVIE, metadata={"axes": "TYX"}, photometric="minisblack")
        tif.write(MOVIE, metadata={"axes": "TYX"}, photometric="minisblack")
    assert "holds 2 movies (9 x 24 x 20 and 9 x 24 x 20" in refusal(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is not a TIFF file"),
        (b"II", "is not a TIFF file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "is not a TIFF file"),
        (b"frame,x,y\n1,2,3\n", "is not a TIFF file"),
        (b"II*\0", "damaged"),
        (b"II*\0\0\0\0\0", "holds no pictures"),
        (b"II*\0\xff\xff\0\0", "holds no pictures"),
    ],
    ids=["empty", "two bytes", "PNG", "CSV", "header only", "no pages", "pages beyond the end"],
)
def test_files_that_are_no_movie(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "wrong.tif"
    path.write_bytes(content)
    assert words in refusal(path)


def test_absent_file_and_empty_folder(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "absent.tif")
    assert "holds no TIFF files" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("odd_one", "words"),
    [
        (np.zeros((24, 21), np.uint16), "24 x 21 pixels, uint16 but frame1.tif holds 24 x 20 pixels, uint16"),
        (np.zeros((24, 20), np.uint8), "24 x 20 pixels, uint8 but"),
    ],
    ids=["size", "pixel type"],
)
def test_odd_frame_in_a_folder_is_named(tmp_path: Path, odd_one: np.ndarray, words: str) -> None:
    for index in range(1, 4):
        tifffile.imwrite(tmp_path / f"frame{index}.tif", odd_one if index == 3 else MOVIE[index])
    with pytest.raises(BlinkspotError) as caught:
        open_stack(tmp_path)
    assert str(tmp_path / "frame3.tif") in str(caught.value)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((32, 40)), "single picture"),
        (np.zeros((1, 32, 40)), "single picture"),
        (np.zeros((1, 1, 32, 40)), "single picture"),
        (np.zeros((0, 32, 40)), "empty"),
        (np.zeros((4, 3, 32, 40)), "three axes"),
        (np.zeros((4, 32, 40), complex), "type complex128"),
        (np.zeros((4, 32, 40), bool), "type bool"),
        (np.zeros(7), "three axes"),
    ],
    ids=str,
)
def test_wrong_arrays(array: np.ndarray, words: str) -> None:
    with pytest.raises(BlinkspotError, match=words):
        as_stack(array)


FLAVOURS = {
    "plain": {"metadata": None},
    "one by one": {},
    "shaped": {},
    "ImageJ": {"imagej": True},
    "ImageJ, compressed": {"imagej": True, "compression": "zlib"},
    "OME": {"ome": True},
    "BigTIFF": {"bigtiff": True},
    "strips": {"metadata": None, "rowsperstrip": 5},
    "LZW": {"compression": "lzw", "rowsperstrip": 7, "metadata": None},
}


@given(flavour=st.sampled_from(sorted(FLAVOURS)), kept=st.floats(0.0, 1.0, exclude_max=True))
@settings(max_examples=300, deadline=None)
def test_nothing_cut_short_is_taken_for_whole(flavour: str, kept: float) -> None:
    """However much of a file is lost, it is refused, or all its frames are there after all."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cut.tif"
        with tifffile.TiffWriter(
            path, **{key: FLAVOURS[flavour].get(key, False) for key in ("imagej", "ome", "bigtiff")}
        ) as tif:
            options = {
                key: value
                for key, value in FLAVOURS[flavour].items()
                if key not in ("imagej", "ome", "bigtiff")
            }
            for part in MOVIE if flavour == "one by one" else [MOVIE]:
                tif.write(part, photometric="minisblack", **options)
        whole = path.read_bytes()
        path.write_bytes(whole[: int(kept * len(whole))])
        try:
            stack = open_stack(path)
            frames = stack.frames(0, stack.n_frames)
        except BlinkspotError:
            return
        np.testing.assert_array_equal(frames, MOVIE)


def test_nothing_but_our_sentence_is_printed(tmp_path: Path) -> None:
    """tifffile logs errors of its own, which Python prints where nobody listens."""
    path = tmp_path / "cut.tif"
    tifffile.imwrite(path, MOVIE, imagej=True)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    script = "import sys; from blinkspot.movies.stack import open_stack; open_stack(sys.argv[1])"
    words = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True).stderr
    assert "is cut short" in words.splitlines()[-1]
    assert words.startswith("Traceback")


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_file_that_shrinks_after_opening(tmp_path: Path, compression: str | None) -> None:
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, MOVIE, metadata=None, compression=compression, photometric="minisblack")
    stack = open_stack(path)
    with tifffile.TiffFile(path) as tif:
        cut = tif.pages[6].dataoffsets[0] + 3
    with path.open("r+b") as file:
        file.truncate(cut)
    np.testing.assert_array_equal(stack.frames(0, 6), MOVIE[:6])
    with pytest.raises(BlinkspotError, match="frame 7 "):
        stack.frames(4, 9)
    path.unlink()
    with pytest.raises(BlinkspotError, match="no longer be read"):
        stack.frame(0)


def test_disk_that_fails_while_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the source that is said to fail, not a result that is being written meanwhile."""

    class Failing(io.BytesIO):
        def readinto(self, _: object) -> int:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, MOVIE, metadata=None, photometric="minisblack")
    stack = open_stack(path)
    monkeypatch.setattr(Path, "open", lambda *_: Failing())
    with (
        pytest.raises(BlinkspotError, match=r"movie\.tif can no longer be read"),
        written_whole(tmp_path / "result.tif"),
    ):
        stack.frame(0)


def test_damaged_pixels_name_the_frame(tmp_path: Path) -> None:
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, MOVIE, compression="zlib", metadata=None, photometric="minisblack")
    with tifffile.TiffFile(path) as tif:
        offset = tif.pages[4].dataoffsets[0]
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xff" * 40)
    stack = open_stack(path)
    np.testing.assert_array_equal(stack.frame(3), MOVIE[3])
    with pytest.raises(BlinkspotError, match="Frame 5 "):
        stack.frames(0, 9)
