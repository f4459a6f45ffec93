"""Movies, pictures and stores that are made to hurt: refused in one sentence, before they take memory."""

import bz2
import contextlib
import gzip
import json
import lzma
import pickle
import struct
import zlib
from pathlib import Path

import imagecodecs
import numcodecs
import numpy as np
import pytest
import tifffile
import zarr
from hostile import sentence

from blinkspot.camera.maps import read_maps
from blinkspot.errors import BlinkspotError
from blinkspot.evaluation.simulation.mask_files import read_mask
from blinkspot.movies.stack import open_stack
from blinkspot.safety import bursting
from blinkspot.safety.bursting import bursts, zstd_content_bytes
from blinkspot.safety.limits import MOST_FRAMES, check_movie_size
from blinkspot.safety.tiff_sorting import sort_many_pages_quickly

MOVIE = np.random.default_rng(0).integers(90, 300, (5, 16, 20)).astype(np.uint16)


def tiff(path: Path, **options) -> Path:
    tifffile.imwrite(path, MOVIE, **{"photometric": "minisblack", "metadata": None, **options})
    return path


def entry(data: bytearray, tag: int, page: int = 0) -> int:
    """Return where the entry of a tag is in a small TIFF file of the usual byte order."""
    at = 4
    for _ in range(page + 1):
        at = struct.unpack_from("<I", data, at)[0]
        (n,) = struct.unpack_from("<H", data, at)
        first, at = at + 2, at + 2 + 12 * n
    return next(k for k in range(first, at, 12) if struct.unpack_from("<H", data, k)[0] == tag)


def changed(path: Path, tag: int, value: int, page: int = 0) -> Path:
    """Have a tag hold one number."""
    data = bytearray(path.read_bytes())
    struct.pack_into("<HII", data, entry(data, tag, page) + 2, 4, 1, value)
    path.write_bytes(data)
    return path


def links(data: bytes) -> list[int]:
    """Return where the links from page to page are."""
    found, at = [], 4
    while (page := struct.unpack_from("<I", data, at)[0]) != 0:
        found.append(at)
        at = page + 2 + 12 * struct.unpack_from("<H", data, page)[0]
    return [*found, at]


@pytest.mark.parametrize("back_to", [0, 1, 3, 4])
def test_a_list_of_pages_that_comes_back_to_itself(tmp_path, back_to):
    path = tiff(tmp_path / "ring.tif")
    data = bytearray(path.read_bytes())
    places = links(data)
    data[places[-1] : places[-1] + 4] = data[places[back_to] : places[back_to] + 4]
    path.write_bytes(data)
    assert f"comes back to page {len(places) - 1} and has no end" in sentence(open_stack, path)


@pytest.mark.parametrize("wrong", ["place", "count"])
def test_a_ring_behind_frames_that_imagej_describes(tmp_path, wrong):
    """tifffile skips ImageJ's other pages where the frames lie in one piece, and only there."""
    path = tmp_path / "ring.tif"
    tifffile.imwrite(path, MOVIE, imagej=True)
    data = bytearray(path.read_bytes())
    places = links(data)
    data[places[1] : places[1] + 4] = data[places[0] : places[0] + 4]
    if wrong == "place":
        struct.pack_into("<I", data, entry(data, 273) + 8, 2**32 - 1)
    else:  # of which tifffile goes by the channels, and not by the images
        data = data.replace(b"channels=5\n", b"channels=9\n")
    path.write_bytes(data)
    assert "comes back to page 1 and has no end" in sentence(open_stack, path)


def test_frames_that_imagej_describes_are_found_by_the_first_page_alone(tmp_path):
    """As tifffile does: another page may hold anything."""
    path = tmp_path / "imagej.tif"
    tifffile.imwrite(path, MOVIE, imagej=True)
    data = bytearray(path.read_bytes())
    places = links(data)
    data[places[3] : places[3] + 4] = data[places[1] : places[1] + 4]
    path.write_bytes(data)
    np.testing.assert_array_equal(open_stack(path).frame(4), MOVIE[4])


@pytest.mark.parametrize(("tag", "compression"), [(273, None), (273, "zlib"), (279, "zlib")])
@pytest.mark.parametrize("page", [0, 2])
def test_a_strip_of_fewer_than_no_bytes(tmp_path, tag, compression, page):
    """Signed numbers are read as well; a file gives all that follows where it is asked for -1 bytes."""
    path = tiff(tmp_path / "negative.tif", compression=compression)
    data = bytearray(path.read_bytes())
    struct.pack_into("<HIi", data, entry(data, tag, page) + 2, 9, 1, -1)
    path.write_bytes(data)
    assert "counts below 0" in sentence(open_stack, path)


@pytest.mark.parametrize(("tag", "compression"), [(273, None), (273, "zlib"), (279, "zlib")])
def test_a_strip_that_ends_beyond_all_numbers(tmp_path, tag, compression):
    """Where it begins and how long it is: each may be a number of 64 bits, and their sum none."""
    path = tmp_path / "big.tif"
    tifffile.imwrite(path, MOVIE, bigtiff=True, compression=compression, metadata=None)
    with tifffile.TiffFile(path) as tif:
        at = tif.pages[2].tags[tag].offset
    data = bytearray(path.read_bytes())
    struct.pack_into("<HQq", data, at + 2, 16, 1, 2**63 - 1)
    path.write_bytes(data)
    assert "cut short: frame 3" in sentence(open_stack, path)


def test_a_ring_in_another_part_of_an_ome_movie(tmp_path):
    """tifffile opens the parts that the first names, and lists all their pages."""
    for name in ("one.ome.tif", "two.ome.tif"):
        tifffile.imwrite(tmp_path / name, MOVIE, ome=True, metadata={"axes": "TYX"}, photometric="minisblack")
    with tifffile.TiffFile(tmp_path / "one.ome.tif") as tif:
        described = tif.ome_metadata.replace('SizeT="5"', 'SizeT="10"')
    start = described.index("<TiffData")
    part = '<UUID FileName="two.ome.tif">urn:uuid:1</UUID>'
    part = f'<TiffData IFD="0" FirstT="5" PlaneCount="5">{part}</TiffData>'
    tifffile.tiffcomment(tmp_path / "one.ome.tif", (described[:start] + part + described[start:]).encode())
    data = bytearray((tmp_path / "two.ome.tif").read_bytes())
    places = links(data)
    data[places[-1] : places[-1] + 4] = data[places[0] : places[0] + 4]
    (tmp_path / "two.ome.tif").write_bytes(data)
    words = sentence(open_stack, tmp_path / "one.ome.tif")
    assert "two.ome.tif is a damaged TIFF file (its list of pages comes back to page 5" in words


@pytest.mark.parametrize("bits", [16, 8])
def test_many_pages_that_are_not_all_alike(tmp_path, monkeypatch, bits):
    """tifffile would compare each of them with all before."""
    path = tmp_path / "many.tif"
    movie = np.arange(1100 * 12).reshape(1100, 3, 4).astype(f"u{bits // 8}")
    with tifffile.TiffWriter(path) as writer:
        for number, frame in enumerate(movie):
            writer.write(frame[:2] if number == 0 else frame, contiguous=False, metadata=None)
    with tifffile.TiffFile(path) as tif:
        expected = tif.series
    with tifffile.TiffFile(path) as tif:
        sort_many_pages_quickly(tif)
        monkeypatch.setattr(tifffile.TiffFile, "_series_generic", None)
        found = tif.series
    assert [(one.shape, one.axes, one.dtype, one.kind) for one in found] == [
        (one.shape, one.axes, one.dtype, one.kind) for one in expected
    ]
    assert [[page.offset for page in one.pages] for one in found] == [
        [page.offset for page in one.pages] for one in expected
    ]
    np.testing.assert_array_equal(open_stack(path).frame(500), movie[501])


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_a_ring_of_pages_that_are_read_at_once(tmp_path, byteorder):
    """tifffile lists the pages of a compressed LSM file as it opens it, and sees a ring of up to 100 only."""
    path = tmp_path / "ring.tif"
    lsm = (34412, "B", 8, b"12345678", True)
    how = {"photometric": "minisblack", "compression": "zlib", "byteorder": byteorder, "extratags": [lsm]}
    tifffile.imwrite(path, np.zeros((120, 4, 4), np.uint16), metadata=None, **how)
    with tifffile.TiffFile(path) as tif:
        first, last = tif.pages.first.offset, tif.pages[-1]
    data = bytearray(path.read_bytes())
    place = last.offset + 2 + 12 * struct.unpack_from(f"{byteorder}H", data, last.offset)[0]
    assert data[place : place + 4] == bytes(4)
    struct.pack_into(f"{byteorder}I", data, place, first)
    path.write_bytes(data)
    assert "has no end" in sentence(open_stack, path)


def test_pages_that_lie_upon_one_another(tmp_path):
    """A file of 42 kB that has 5,000 pages of 1,000 entries would take minutes."""
    data = bytearray(b"II*\0" + struct.pack("<I", 8) + bytes(42_000))
    for at in range(8, 8 + 30_000, 6):  # the link of each lies between the numbers of entries of two others
        struct.pack_into("<H", data, at, 1000)
        struct.pack_into("<I", data, at + 12_002, at + 6)
    (tmp_path / "upon.tif").write_bytes(data)
    assert "lie upon one another" in sentence(open_stack, tmp_path / "upon.tif")


@pytest.mark.parametrize("bigtiff", [False, True])
def test_a_page_with_very_many_pages_in_it(tmp_path, bigtiff):
    """Each is read, though all may be the same; a page or two is fine."""
    path = tmp_path / "sub.tif"
    with tifffile.TiffWriter(path, bigtiff=bigtiff) as writer:
        for frame in MOVIE:
            writer.write(frame, subifds=1, metadata=None, photometric="minisblack")
            writer.write(frame[::2, ::2], subfiletype=1, metadata=None, photometric="minisblack")
    with tifffile.TiffFile(path) as tif:
        tag = tif.pages.first.tags[330]
        place, kind, (inside,) = tag.offset, int(tag.dtype), tag.value
    np.testing.assert_array_equal(open_stack(path).frame(4), MOVIE[4])
    data = bytearray(path.read_bytes())
    form = "<HQQ" if bigtiff else "<HII"
    struct.pack_into(form, data, place + 2, kind, 10_000, len(data))
    path.write_bytes(data + struct.pack("<Q" if bigtiff else "<I", inside) * 10_000)
    assert "lie upon one another" in sentence(open_stack, path)


def test_pages_that_all_claim_the_same_long_values(tmp_path):
    """10,000 pages that share one list of a million offsets would take gigabytes."""
    path = tmp_path / "shared.tif"
    n_pages, n_values = 300, 1_000_000
    page_bytes = 2 + 12 * 5 + 4
    data = bytearray(b"II*\0\x08\0\0\0")
    for number in range(n_pages):
        last = number == n_pages - 1
        tags = [
            (256, 4, 1, 20),
            (257, 4, 1, 16),
            (258, 3, 1, 16),
            (273, 4, n_values, 8),
            (279, 4, n_values, 8),
        ]
        data += struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
        data += struct.pack("<I", 0 if last else 8 + (number + 1) * page_bytes)
    path.write_bytes(data + bytes(4 * n_values))
    assert "more values than the file has room for" in sentence(open_stack, path)


@pytest.mark.parametrize("tag", [256, 257])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_frames_of_an_absurd_size(tmp_path, tag, compression):
    path = tiff(tmp_path / "large.tif", compression=compression)
    for page in range(len(MOVIE)):
        changed(path, tag, 2**31 - 1, page)
    assert "which no camera gives" in sentence(open_stack, path)


def test_tiles_of_an_absurd_size(tmp_path):
    path = tiff(tmp_path / "tiles.tif", tile=(16, 16), compression="lzw")
    for page in range(len(MOVIE)):
        for tag in (322, 323):
            changed(path, tag, 65520, page)
    assert "tiles of 1 x 65520 x 65520" in sentence(open_stack, path)


def test_more_frames_than_there_are(tmp_path):
    path = tmp_path / "many.tif"
    tifffile.imwrite(path, MOVIE, imagej=True)
    data = path.read_bytes().replace(b"images=5\n", b"images=9\n")
    path.write_bytes(data)
    assert "cut short" in sentence(open_stack, path)


@pytest.mark.parametrize("number", [MOST_FRAMES + 1, 10**15, 10**30])
def test_an_absurd_number_of_frames_takes_no_memory(tmp_path, number):
    assert "frames" in sentence(check_movie_size, (number, 4, 4), np.dtype("u2"), tmp_path)
    path = tmp_path / "many.ome.tif"
    tifffile.imwrite(path, MOVIE, ome=True, metadata={"axes": "TYX"}, photometric="minisblack")
    with tifffile.TiffFile(path) as tif:
        described = tif.ome_metadata.replace('SizeT="5"', f'SizeT="{number}"')
    tifffile.tiffcomment(path, described.encode())
    assert "damaged" in sentence(open_stack, path)


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../other.tif", "..\\other.tif", "C:other.tif", "//server/share"]
)
def test_parts_in_other_folders_are_not_opened(tmp_path, name):
    path = tmp_path / "one.ome.tif"
    tifffile.imwrite(path, MOVIE, ome=True, metadata={"axes": "TYX"}, photometric="minisblack")
    with tifffile.TiffFile(path) as tif:
        described = tif.ome_metadata
    part = f'<TiffData IFD="0" FirstT="0"><UUID FileName="{name}">urn:uuid:1</UUID></TiffData>'
    start = described.index("<TiffData")
    described = described[:start] + part + described[start:]
    tifffile.tiffcomment(path, described.encode())
    assert "in another folder" in sentence(open_stack, path)


@pytest.mark.parametrize(
    ("compression", "pack"),
    [
        (8, lambda zeros: zlib.compress(zeros, 9)),
        (34925, lzma.compress),
        (50000, imagecodecs.zstd_encode),
        (32773, lambda zeros: b"\x81\0" * (len(zeros) // 128)),
        (5, imagecodecs.lzw_encode),
    ],
    ids=["deflate", "LZMA", "Zstandard", "PackBits", "LZW"],
)
def test_strips_that_burst_are_decoded_into_the_room_of_a_strip(tmp_path, compression, pack):
    path = tmp_path / "bomb.tif"
    tiff(path, compression="zlib")
    bomb = pack(bytes(1 << 22))
    data = bytearray(path.read_bytes())
    for page in range(len(MOVIE)):
        for tag, value in ((259, compression), (273, len(data)), (279, len(bomb))):
            struct.pack_into("<HII", data, entry(data, tag, page) + 2, 4, 1, value)
    path.write_bytes(bytes(data) + bomb)
    with contextlib.suppress(BlinkspotError):  # or the zeros that fit in
        assert not open_stack(path).frame(0).any()


def huge_jpeg() -> bytes:
    data = bytearray(imagecodecs.jpeg_encode(np.zeros((16, 20), np.uint8)))
    at = data.find(b"\xff\xc0")
    struct.pack_into(">HH", data, at + 5, 65500, 65500)
    return bytes(data)


def huge_png() -> bytes:
    data = bytearray(imagecodecs.png_encode(np.zeros((16, 20), np.uint8)))
    struct.pack_into(">II", data, 16, 60000, 60000)
    struct.pack_into(">I", data, 29, zlib.crc32(bytes(data[12:29])))
    return bytes(data)


def test_a_strip_that_is_a_huge_picture(tmp_path):
    path = tmp_path / "bomb.tif"
    tifffile.imwrite(
        path, MOVIE.astype(np.uint8), photometric="minisblack", compression="jpeg", metadata=None
    )
    assert open_stack(path).frame(1).shape == (16, 20)
    bomb = huge_jpeg()
    data = bytearray(path.read_bytes())
    for tag, value in ((273, len(data)), (279, len(bomb))):
        struct.pack_into("<HII", data, entry(data, tag) + 2, 4, 1, value)
    path.write_bytes(bytes(data) + bomb)
    assert "far too large" in sentence(open_stack(path).frame, 0)


def test_codecs_that_are_not_known_to_be_harmless(tmp_path):
    path = tiff(tmp_path / "odd.tif", compression="zlib")
    for page in range(len(MOVIE)):
        changed(path, 259, 50002, page)  # JPEG XL
    assert "compressed by JPEGXL, which is not supported" in sentence(open_stack, path)


def test_a_compression_of_many_numbers_is_not_repeated(tmp_path):
    path = tiff(tmp_path / "odd.tif", compression="zlib")
    data = bytearray(path.read_bytes())
    for page in range(len(MOVIE)):
        struct.pack_into("<HII", data, entry(data, 259, page) + 2, 4, 40, 8)
    path.write_bytes(data)
    assert "compressed by 40 methods at once, which is not supported" in sentence(open_stack, path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("m.png", b""),
        ("m.png", huge_png()),
        ("m.jpg", huge_jpeg()),
        ("m.bmp", b"BM" + bytes(60)),
        ("m.tif", b"II*\0"),
    ],
    ids=["empty", "huge PNG", "huge JPEG", "BMP", "TIFF"],
)
def test_masks(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    assert str(path) in sentence(read_mask, path)


def npy(path: Path, header: str) -> Path:
    held = header.encode() + b"\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(held)) + held + bytes(400))
    return path


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 1000000, 1000000)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 99999999999999999999, 4)}",
        "{'descr': '|O', 'fortran_order': False, 'shape': (3, 4, 4)}",
        "{'descr': 'V999999999', 'fortran_order': False, 'shape': (3, 4, 4)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4, 4)",
        "(" * 3000,
    ],
    ids=["large", "larger than a number", "objects", "long values", "no end", "deep"],
)
def test_maps(tmp_path, header):
    path = npy(tmp_path / "maps.npy", header)
    assert str(path) in sentence(read_maps, path)


@pytest.mark.parametrize("depth", [3, 95, 190])
def test_maps_whose_description_has_brackets_in_brackets(tmp_path, depth):
    """Python's parser would give up for want of memory."""
    path = npy(tmp_path / "maps.npy", "{'descr': '<f4', 'shape': (3, 4" + "{" * depth)
    assert str(path) in sentence(read_maps, path)
    with pytest.raises(BlinkspotError) as caught:
        read_maps(path)
    assert str(caught.value.__cause__) == "no array of numbers"


@pytest.mark.parametrize("count", [2**40, -1], ids=["many", "fewer than none"])
@pytest.mark.parametrize("compression", ["zlib", "jpeg"])
def test_a_mask_whose_strip_has_an_absurd_number_of_bytes(tmp_path, compression, count):
    """Room for as many would be made before they are read."""
    path = tmp_path / "mask.tif"
    tifffile.imwrite(path, MOVIE[0].astype(np.uint8), compression=compression, bigtiff=True, metadata=None)
    assert read_mask(path).values.shape == (16, 20)
    data = bytearray(path.read_bytes())
    (at,) = struct.unpack_from("<Q", data, 8)
    (n,) = struct.unpack_from("<Q", data, at)
    (place,) = (k for k in range(at + 8, at + 8 + 20 * n, 20) if data[k : k + 2] == b"\x17\x01")
    struct.pack_into("<HQq", data, place + 2, 17, 1, count)
    path.write_bytes(data)
    assert str(path) in sentence(read_mask, path)
    with pytest.raises(BlinkspotError) as caught:
        read_mask(path)
    assert "beyond the end" in str(caught.value.__cause__)


class RunsCode:
    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, "w"))


def store_of_version_2(tmp_path: Path, **more) -> Path:
    path = tmp_path / "movie.zarr"
    array = zarr.create_array(
        path, shape=MOVIE.shape, dtype="u2", chunks=(2, 16, 20), zarr_format=2, compressors=None
    )
    array[:] = MOVIE
    described = json.loads((path / ".zarray").read_text())
    (path / ".zarray").write_text(json.dumps({**described, **more}))
    return path


@pytest.mark.parametrize(
    "more",
    [{"filters": [{"id": "pickle"}]}, {"compressor": {"id": "pickle"}}, {"filters": [{"id": "json2"}]}],
    ids=["filter", "compressor", "JSON"],
)
def test_a_codec_that_runs_code_is_never_asked(tmp_path, more):
    path = store_of_version_2(tmp_path, **more)
    (path / "0.0.0").write_bytes(pickle.dumps(RunsCode(tmp_path / "was run")))
    words = sentence(open_stack, path)
    assert "which is not supported" in words
    assert not (tmp_path / "was run").exists()


@pytest.mark.parametrize(
    "more",
    [
        {"shape": [5, 10**9, 10**9]},
        {"shape": [10**12, 16, 20]},
        {"shape": [5, 30_000, 30_000], "chunks": [1, 30_000, 30_000]},
        {"shape": [5, 8000, 8000], "chunks": [1, 1, 1]},
        {"shape": [5, 65536, 255]},
        {"chunks": [10**6, 10**4, 10**4]},
        {"chunks": [2, 0, 20]},
        {"chunks": [0, 16, 20]},
        {"shape": [5, 16, 10**30]},
        {"shape": "many"},
        {"filters": [{"id": "delta", "dtype": "U99999999"}]},
        {"filters": 7},
        {"compressor": []},
    ],
    ids=[
        "frames",
        "many frames",
        "chunks",
        "many chunks",
        "chunks of seconds",
        "long chunks",
        "empty chunks",
        "chunks of no time",
        "beyond numbers",
        "word",
        "wide",
        "7",
        "list",
    ],
)
def test_stores_of_absurd_sizes(tmp_path, more):
    assert str(tmp_path) in sentence(open_stack, store_of_version_2(tmp_path, **more))


def blosc_header() -> bytes:
    return b"\x02\x01\x01\x02" + struct.pack("<III", 2_000_000_000, 4096, 64) + bytes(48)


BOMBS = {
    "gzip": lambda zeros, times: gzip.compress(zeros) * times,
    "lzma": lambda zeros, times: lzma.compress(zeros) * times,
    "zstd": lambda zeros, times: imagecodecs.zstd_encode(zeros) * times,
    "blosc": lambda zeros, times: blosc_header(),
    "lz4": lambda zeros, times: struct.pack("<I", 2_000_000_000) + bytes(30),
}


@pytest.mark.parametrize("compressor", sorted(BOMBS))
def test_chunks_that_burst(tmp_path, monkeypatch, compressor):
    monkeypatch.setattr(bursting, "MOST_BYTES_AT_ONCE", 1 << 23)
    path = store_of_version_2(tmp_path, compressor={"id": compressor})
    (path / "0.0.0").write_bytes(BOMBS[compressor](bytes(1 << 22), 3))
    assert "far more than it should" in sentence(open_stack(path).frame, 0)


def longer_header(chunk: bytes) -> bytes:
    return chunk[:12] + struct.pack("<I", 2_000_000_000) + chunk[16:]


CUTS = {
    "half of it": lambda chunk: chunk[: len(chunk) // 2],
    "part of the header": lambda chunk: chunk[:7],
    "says it is longer": longer_header,
}


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("version", [2, 3])
def test_chunks_by_blosc_that_are_cut_short(tmp_path, version, cut):
    """Its decoder reads on behind the end, which ended Python at times."""
    path = tmp_path / "movie.zarr"
    codec = numcodecs.Blosc() if version == 2 else zarr.codecs.BloscCodec()
    zarr.create_array(path, data=MOVIE, chunks=(1, 16, 20), zarr_format=version, compressors=codec)
    stack = open_stack(path)
    np.testing.assert_array_equal(stack.frames(0, 5), MOVIE)
    place = path / "3.0.0" if version == 2 else path / "c" / "3" / "0" / "0"
    place.write_bytes(CUTS[cut](place.read_bytes()))
    assert "Frame 4 " in sentence(open_stack(path).frame, 3)
    assert "shorter than it says" in sentence(open_stack(path).frame, 3)
    np.testing.assert_array_equal(open_stack(path).frame(2), MOVIE[2])


def test_chunks_in_a_shard_that_burst(tmp_path, monkeypatch):
    path = tmp_path / "movie.zarr"
    zarr.create_array(
        path, data=MOVIE, chunks=(1, 16, 20), shards=(5, 16, 20), compressors=zarr.codecs.ZstdCodec()
    )
    stack = open_stack(path)
    np.testing.assert_array_equal(stack.frames(0, 5), MOVIE)
    monkeypatch.setattr(bursting, "MOST_BYTES_AT_ONCE", 1 << 23)
    bomb = imagecodecs.zstd_encode(bytes(1 << 22)) * 3
    index = struct.pack("<QQ", 0, len(bomb)) + b"\xff" * 16 * 4
    (path / "c" / "0" / "0" / "0").write_bytes(bomb + index + bytes(4))
    assert "far more than it should" in sentence(open_stack(path).frame, 0)


@pytest.mark.parametrize(
    ("axes", "path", "words"),
    [
        (["t", {"a": 1}, "x"], "0", "no word"),
        (["t", None, "x"], "0", "no word"),
        (["t", "y", "x"], "x" * 3000, "is not OME-Zarr"),
        (["t", "y", "x"], "a\nb", "the array a b is missing"),
    ],
    ids=["object", "null", "long", "lines"],
)
def test_an_image_of_odd_names(tmp_path, axes, path, words):
    store = tmp_path / "image.zarr"
    zarr.create_array(store / "0", data=MOVIE, chunks=(2, 16, 20), zarr_format=2, compressors=None)
    ome = {"multiscales": [{"axes": axes, "datasets": [{"path": path}]}]}
    (store / ".zgroup").write_text('{"zarr_format": 2}')
    (store / ".zattrs").write_text(json.dumps(ome))
    assert words in sentence(open_stack, store)


def test_an_array_that_is_not_within_its_store(tmp_path):
    store_of_version_2(tmp_path)
    group = tmp_path / "image.zarr"
    group.mkdir()
    ome = {"multiscales": [{"axes": ["t", "y", "x"], "datasets": [{"path": "../movie.zarr"}]}]}
    (group / ".zgroup").write_text('{"zarr_format": 2}')
    (group / ".zattrs").write_text(json.dumps(ome))
    assert "damaged zarr store" in sentence(open_stack, group)


def test_json_without_end(tmp_path):
    path = store_of_version_2(tmp_path)
    (path / ".zarray").write_text("[" * 200_000)
    assert "is not JSON" in sentence(open_stack, path)


@pytest.mark.parametrize("n_bytes", [0, 1, 300, 70_000, 300_000])
@pytest.mark.parametrize("content", ["zeros", "noise"])
def test_the_size_that_frames_of_zstandard_state(n_bytes, content):
    values = bytes(n_bytes) if content == "zeros" else np.random.default_rng(1).bytes(n_bytes)
    held = imagecodecs.zstd_encode(values)
    assert zstd_content_bytes(held) == n_bytes
    assert zstd_content_bytes(held + held) == 2 * n_bytes
    assert zstd_content_bytes(held + b"\x50\x2a\x4d\x18\0\0\0\0") is None
    if n_bytes > 1:
        with contextlib.suppress(IndexError):
            assert zstd_content_bytes(held[:-1]) is None


@pytest.mark.parametrize("kind", ["gzip", "zlib", "bz2", "lzma"])
def test_streams_are_counted_to_their_end(tmp_path, monkeypatch, kind):
    pack = {"gzip": gzip.compress, "zlib": zlib.compress, "bz2": bz2.compress, "lzma": lzma.compress}[kind]
    monkeypatch.setattr(bursting, "MOST_BYTES_AT_ONCE", 3_000_000)
    monkeypatch.setattr(bursting, "_MOST_FOR_A_BYTE", {})
    held = pack(bytes(1_000_000)) * 4
    path = tmp_path / "chunk"
    path.write_bytes(held)
    for streams, expected in ((1, False), (3, False), (4, True)):
        if kind == "zlib" and streams > 1:
            continue  # has no second stream to those who read it
        with path.open("rb") as file:
            assert bursts(file, len(held) * streams // 4, kind, 100) is expected
