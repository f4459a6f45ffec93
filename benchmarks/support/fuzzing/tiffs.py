"""TIFF movies: tags, counts, offsets and links of pages are what is damaged, and what pages hold."""

from __future__ import annotations

import bz2
import lzma
import random
import struct
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile

from blinkspot.camera.maps import read_maps
from blinkspot.evaluation.simulation.mask_files import read_mask
from blinkspot.movies.stack import open_stack, write_stack
from support.fuzzing.micro_manager import write_micro_manager
from support.fuzzing.mutations import WHOLE, damaged_text
from support.fuzzing.target import Target, damage_bytes, only

_MOVIE = np.random.default_rng(0).integers(90, 300, (5, 16, 20)).astype(np.uint16)
_FLAVOURS: dict[str, dict[str, object]] = {
    "plain": {"metadata": None},
    "shaped": {},
    "imagej": {"imagej": True},
    "imagej_deflate": {"imagej": True, "compression": "zlib"},
    "ome": {"ome": True, "metadata": {"axes": "TYX"}},
    "ome_tiles": {"ome": True, "compression": "lzw", "tile": (16, 16), "metadata": {"axes": "TYX"}},
    "big": {"bigtiff": True, "compression": "zlib", "predictor": True, "metadata": None},
    "lzma": {"compression": "lzma", "metadata": None},
    "zstd": {"compression": "zstd", "rowsperstrip": 8, "metadata": None},
    "packbits": {"compression": "packbits", "metadata": None},
    "motorola": {"byteorder": ">", "metadata": None},
    "jpeg": {"compression": "jpeg", "metadata": None},
    "jpeg2000": {"compression": "jpeg2000", "metadata": None},
    "png": {"compression": "png", "metadata": None},
    "webp": {"compression": "webp", "photometric": "rgb", "metadata": None},
    "float": {"metadata": None},
}
_COMPRESSIONS = (
    1,
    5,
    6,
    7,
    8,
    32773,
    32946,
    34712,
    34925,
    34887,
    50000,
    50001,
    50002,
    52546,
    34933,
    22610,
    65000,
)
_BOMB_BYTES = 1 << 30


def _make(folder: Path) -> None:
    for name, options in _FLAVOURS.items():
        movie = _MOVIE.astype(np.float32) if name == "float" else _MOVIE
        if name in ("jpeg", "webp"):
            movie = (_MOVIE // 2).astype(np.uint8)
        if name == "webp":
            continue  # of colours only, so it can be no valid movie
        (folder / name).mkdir()
        tifffile.imwrite(folder / name / "m.tif", movie, **{"photometric": "minisblack", **options})
    (folder / "ours").mkdir()
    write_stack(folder / "ours" / "m.tif", _MOVIE, provenance={"software": "napari-blinkspot"})
    (folder / "micro_manager").mkdir()
    summary = {"MicroManagerVersion": "1.4", "Prefix": "m", "Frames": 10, "Slices": 1}
    for name, first in (("m_MMStack.tif", 0), ("m_MMStack_1.tif", 5)):
        write_micro_manager(folder / "micro_manager" / name, _MOVIE, summary, first)
    (folder / "several").mkdir()
    for number in range(2):
        tifffile.imwrite(folder / "several" / f"m{number}.tif", _MOVIE, photometric="minisblack")


def _read(folder: Path) -> None:
    files = sorted(folder.glob("*.tif"))
    stack = open_stack(folder if files[0].name == "m0.tif" else files[0])
    for index in {0, stack.n_frames // 2, stack.n_frames - 1}:
        stack.frame(index)
    stack.as_dask()


def damage_tiff(path: Path, rng: random.Random) -> None:
    """Damage a TIFF file in one of the ways of the format."""
    data = bytearray(path.read_bytes())
    for _ in range(rng.choice((1, 1, 2, 3))):
        entries, links = _directory(data)
        if not entries or rng.random() < 0.15:
            path.write_bytes(bytes(data))
            damage_bytes(path, rng)
            return
        kind = rng.random()
        if kind < 0.15:
            _relink(data, links, rng)
        elif kind < 0.25:
            _put_bomb(data, entries, rng)
        elif kind < 0.35:
            _change_description(data, entries, rng)
        else:
            _change_entry(data, entries, rng)
    path.write_bytes(bytes(data))


def _directory(data: bytearray) -> tuple[list[tuple[int, str, bool]], list[tuple[int, str]]]:
    """Return the places of the entries of all pages, with the sign of the byte order, and of their links."""
    entries: list[tuple[int, str, bool]] = []
    links: list[tuple[int, str]] = []
    order = {b"II": "<", b"MM": ">"}.get(bytes(data[:2]))
    if order is None or len(data) < 16:
        return entries, links
    big = struct.unpack(order + "H", data[2:4])[0] == 43
    word, size, entry_bytes, count = ("Q", 8, 20, "Q") if big else ("I", 4, 12, "H")
    link = 8 if big else 4
    seen: set[int] = set()
    while link + size <= len(data) and len(seen) < 20:
        links.append((link, order + word))
        at = struct.unpack(order + word, data[link : link + size])[0]
        count_bytes = struct.calcsize(count)
        if not at or at in seen or at + count_bytes > len(data):
            break
        seen.add(at)
        n = struct.unpack(order + count, data[at : at + count_bytes])[0]
        if n > 200 or at + count_bytes + n * entry_bytes + size > len(data):
            break
        entries += [(at + count_bytes + number * entry_bytes, order, big) for number in range(n)]
        link = at + count_bytes + n * entry_bytes
    return entries, links


def _relink(data: bytearray, links: list[tuple[int, str]], rng: random.Random) -> None:
    """Have the list of pages go on somewhere else: at a page before, itself, beyond the end."""
    link, form = rng.choice(links)
    targets = [struct.unpack(form, data[at : at + struct.calcsize(form)])[0] for at, _ in links]
    target = rng.choice(
        (*targets, link, len(data), len(data) - 4, rng.randrange(len(data)), rng.choice(WHOLE))
    )
    data[link : link + struct.calcsize(form)] = struct.pack(form, target % 256 ** struct.calcsize(form))


def _change_entry(data: bytearray, entries: list[tuple[int, str, bool]], rng: random.Random) -> None:
    at, order, big = rng.choice(entries)
    word, size = ("Q", 8) if big else ("I", 4)
    number = rng.choice((*WHOLE, len(data), len(data) - 1, rng.randrange(100), rng.randrange(len(data))))
    match rng.randrange(6):
        case 0:
            data[at : at + 2] = struct.pack(
                order + "H", rng.choice((*range(254, 350), 33550, 50838, 51123, 65535))
            )
        case 1:
            data[at + 2 : at + 4] = struct.pack(order + "H", rng.choice((*range(20), 65535)))
        case 2:
            data[at + 4 : at + 4 + size] = struct.pack(order + word, number % 256**size)
        case 3 if struct.unpack(order + "H", data[at : at + 2])[0] == 259:
            value = struct.pack(order + "H", rng.choice(_COMPRESSIONS))
            data[at + 4 + size : at + 6 + size] = value
        case _:
            data[at + 4 + size : at + 4 + 2 * size] = struct.pack(order + word, number % 256**size)


def _entry(data: bytearray, entries: list[tuple[int, str, bool]], tag: int) -> tuple[int, str, bool] | None:
    return next(
        (one for one in entries if struct.unpack(one[1] + "H", data[one[0] : one[0] + 2])[0] == tag), None
    )


def _set(data: bytearray, entry: tuple[int, str, bool], value: int) -> None:
    """Have an entry hold one number."""
    at, order, big = entry
    word, size, kind = ("Q", 8, 16) if big else ("I", 4, 4)
    data[at + 2 : at + 4 + size] = struct.pack(order + "H" + word, kind, 1)
    data[at + 4 + size : at + 4 + 2 * size] = struct.pack(order + word, value)


def _put_bomb(data: bytearray, entries: list[tuple[int, str, bool]], rng: random.Random) -> None:
    """Have the first page's first strip be a little that becomes a lot."""
    compression, bomb = rng.choice(list(bombs().items()))
    first = {tag: _entry(data, entries, tag) for tag in (259, 273, 279, 324, 325)}
    offset, count = first[273] or first[324], first[279] or first[325]
    if first[259] is None or offset is None or count is None:
        return
    _set(data, first[259], compression)
    _set(data, offset, len(data))
    _set(data, count, len(bomb))
    data += bomb


_BOMBS: dict[int, bytes] = {}


def bombs() -> dict[int, bytes]:
    """Return what decodes to a gigabyte of zeros, by the number of its compression in TIFF."""
    if not _BOMBS:
        part = bytes(1 << 24)
        times = _BOMB_BYTES // len(part)
        packer = zlib.compressobj(9)
        start = packer.compress(part) + packer.flush(zlib.Z_FULL_FLUSH)
        again = packer.compress(part) + packer.flush(zlib.Z_FULL_FLUSH)
        _BOMBS[8] = start + again * (times - 1) + b"\x03\x00\0\0\0\0"
        _BOMBS[34925] = lzma.compress(part) * times
        _BOMBS[50000] = imagecodecs.zstd_encode(part) * times
        _BOMBS[5] = imagecodecs.lzw_encode(part) * 2
        _BOMBS[7] = _huge_jpeg()
        _BOMBS[34712] = _huge_jpeg2000()
        _BOMBS[34933] = _huge_png()
        _BOMBS[32773] = b"\x81\x00" * (1 << 23)
        _BOMBS[50001] = bz2.compress(part) * 2
    return _BOMBS


def _huge_jpeg() -> bytes:
    """Return a JPEG picture that says to be 65,500 pixels high and wide."""
    data = bytearray(imagecodecs.jpeg_encode(np.zeros((16, 20), np.uint8)))
    at = data.find(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", 65500, 65500)
    return bytes(data)


def _huge_jpeg2000() -> bytes:
    data = bytearray(imagecodecs.jpeg2k_encode(np.zeros((16, 20), np.uint8), codecformat="j2k"))
    at = data.find(b"\xff\x51")
    data[at + 6 : at + 14] = struct.pack(">II", 60000, 60000)
    data[at + 22 : at + 30] = struct.pack(">II", 60000, 60000)
    return bytes(data)


def _huge_png() -> bytes:
    data = bytearray(imagecodecs.png_encode(np.zeros((16, 20), np.uint8)))
    data[16:24] = struct.pack(">II", 60000, 60000)
    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    return bytes(data)


def _change_description(data: bytearray, entries: list[tuple[int, str, bool]], rng: random.Random) -> None:
    """Damage the text of the first page: what ImageJ, OME and we write."""
    entry = _entry(data, entries, 270)
    if entry is None:
        return
    at, order, big = entry
    word, size = ("Q", 8) if big else ("I", 4)
    count, offset = struct.unpack(order + word * 2, data[at + 4 : at + 4 + 2 * size])
    text = damaged_text(bytes(data[offset : offset + count]).rstrip(b"\0").decode(errors="replace"), rng)
    held = text.encode(errors="replace") + b"\0\0\0\0\0"
    data[at + 4 : at + 4 + 2 * size] = struct.pack(order + word * 2, len(held), len(data))
    data += held


def _damage(folder: Path, rng: random.Random) -> None:
    damage_tiff(rng.choice(sorted(folder.glob("*.tif"))), rng)


def _make_pictures(folder: Path) -> None:
    maps = np.stack([np.full((16, 20), value, np.float32) for value in (100, 4, 2)])
    for name, values in (("maps", maps), ("mask", _MOVIE[0])):
        (folder / name).mkdir()
        tifffile.imwrite(folder / name / f"{name}.tif", values, photometric="minisblack")
    (folder / "numpy").mkdir()
    np.save(folder / "numpy" / "maps.npy", maps)
    for suffix, encode in (("png", imagecodecs.png_encode), ("jpg", imagecodecs.jpeg_encode)):
        (folder / suffix).mkdir()
        (folder / suffix / f"mask.{suffix}").write_bytes(encode(_MOVIE[0].astype(np.uint8)))


def _damage_picture(folder: Path, rng: random.Random) -> None:
    path = only(folder, "*.*")
    if path.suffix == ".tif":
        damage_tiff(path, rng)
    elif path.suffix == ".npy" and rng.random() < 0.7:
        _damage_array(path, rng)
    elif path.suffix in (".png", ".jpg") and rng.random() < 0.1:
        path.write_bytes(_huge_png() if path.suffix == ".png" else _huge_jpeg())
    else:
        damage_bytes(path, rng)


def _damage_array(path: Path, rng: random.Random) -> None:
    """Change the header of an array of NumPy's, which is Python's text of a dictionary."""
    content = path.read_bytes()
    shape = tuple(rng.choice((*WHOLE, 3, 16, -1, 10**9)) for _ in range(rng.choice((1, 3, 3, 40))))
    kind = rng.choice(("<f4", "|O", "<U9", "<c8", "<M8[s]", [("a", "<f4")], "<f8", "V999999999", "|b1"))
    header = f"{{'descr': {kind!r}, 'fortran_order': {rng.random() < 0.5}, 'shape': {shape!r}, }}"
    if rng.random() < 0.4:
        header = damaged_text(header, rng)
    held = header.encode(errors="replace")[:65000] + b"\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(held)) + held + content[128:])


def _read_picture(folder: Path) -> None:
    path = only(folder, "*.*")
    if path.name.startswith("maps"):
        read_maps(path)
    else:
        read_mask(path)


TIFF = Target(_make, _damage, _read)
PICTURES = Target(_make_pictures, _damage_picture, _read_picture)
