"""Zarr stores: their JSON and their chunks are what is damaged."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import random
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import zarr
from numcodecs import Blosc, GZip

from blinkspot.movies.stack import open_stack, write_stack
from support.fuzzing.mutations import WHOLE, damaged_json, damaged_text
from support.fuzzing.target import Target, damage_bytes, one_of

_MOVIE = np.random.default_rng(0).integers(90, 300, (5, 16, 20)).astype(np.uint16)
_JSON = (".zarray", ".zattrs", ".zgroup", "zarr.json")
_CODECS = {
    "gzip": {"name": "gzip", "configuration": {"level": 5}},
    "blosc": {
        "name": "blosc",
        "configuration": {"typesize": 2, "cname": "lz4", "clevel": 5, "shuffle": "shuffle", "blocksize": 0},
    },
    "zstd": {"name": "zstd", "configuration": {"level": 3, "checksum": False}},
    "lzma": {"name": "numcodecs.lzma", "configuration": {}},
    "bz2": {"name": "numcodecs.bz2", "configuration": {}},
    "zlib": {"name": "numcodecs.zlib", "configuration": {}},
    "lz4": {"name": "numcodecs.lz4", "configuration": {}},
}


def _make(folder: Path) -> None:
    write_stack(folder / "ours.zarr", _MOVIE, provenance={"software": "napari-blinkspot"})
    for version, more in (("v3", {}), ("sharded", {"shards": (4, 16, 20)})):
        zarr.create_array(
            folder / version, data=_MOVIE, chunks=(2, 16, 20), compressors=zarr.codecs.GzipCodec(), **more
        )
    for name, compressor in (("v2", Blosc()), ("v2_gzip", GZip()), ("v2_raw", None)):
        array = zarr.create_array(
            folder / name, shape=_MOVIE.shape, dtype="u2", chunks=(2, 16, 20), zarr_format=2,
            compressors=compressor,
        )  # fmt: skip
        array[:] = _MOVIE


def _damage(folder: Path, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 1, 2))):
        path = one_of(folder, rng)
        kind = rng.random()
        described = [entry for entry in folder.rglob("*") if entry.name in _JSON]
        if kind < 0.25 or not described:
            damage_bytes(path, rng)
        elif kind < 0.3:
            path.unlink()
            return
        else:
            try:
                if kind < 0.4:
                    _put_bomb(folder, rng)
                else:
                    _damage_json(rng.choice(sorted(described)), rng)
            except (AttributeError, KeyError, TypeError, RecursionError):  # of what is damaged already
                damage_bytes(path, rng)


def _damage_json(path: Path, rng: random.Random) -> None:
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    if content is None or rng.random() < 0.15:
        changed = damaged_text(text, rng)
    elif isinstance(content, dict) and "shape" in content and rng.random() < 0.4:
        changed = json.dumps(_resized(content, rng))
    else:
        changed = damaged_json(content, rng)
    path.write_bytes(changed.encode(errors="replace"))


def _resized(content: dict, rng: random.Random) -> dict:
    """Change the size of an array or its chunks, or its codecs, for others that are valid."""
    large = (*WHOLE, 5, 16, 20, 1000, 100_000)
    if rng.random() < 0.6:
        content["shape"] = [rng.choice(large) for _ in content["shape"]]
    if rng.random() < 0.6:
        chunks = [rng.choice(large[1:]) for _ in content["shape"]]
        if "chunks" in content:
            content["chunks"] = chunks
        elif rng.random() < 0.5:
            content["chunk_grid"] = {"name": "regular", "configuration": {"chunk_shape": chunks}}
        else:
            _reshard(content, chunks)
    if "codecs" in content and rng.random() < 0.3:
        content["codecs"] = [
            {"name": "bytes", "configuration": {"endian": "little"}},
            rng.choice(list(_CODECS.values())),
        ]
    if "compressor" in content and rng.random() < 0.3:
        content["compressor"] = {"id": rng.choice(("zlib", "gzip", "bz2", "lzma", "zstd", "lz4", "blosc"))}
    return content


def _reshard(content: dict, chunks: list[int]) -> None:
    for codec in content.get("codecs", []):
        if isinstance(codec, dict) and codec.get("name") == "sharding_indexed":
            codec["configuration"]["chunk_shape"] = chunks


def _put_bomb(folder: Path, rng: random.Random) -> None:
    """Have a chunk be a little that becomes a lot."""
    name = rng.choice(sorted(bombs()))
    chunks = [entry for entry in sorted(folder.rglob("*")) if entry.is_file() and entry.name not in _JSON]
    for described in sorted(folder.rglob("*")):
        if described.name not in ("zarr.json", ".zarray"):
            continue
        try:
            content = json.loads(described.read_text(encoding="utf-8"))
        except (ValueError, RecursionError):
            continue
        if isinstance(content, dict) and isinstance(content.get("codecs"), list):
            content["codecs"] = [{"name": "bytes", "configuration": {"endian": "little"}}, _CODECS[name]]
        elif isinstance(content, dict) and "compressor" in content:
            content["compressor"] = {"id": name}
        described.write_text(json.dumps(content), encoding="utf-8")
    for chunk in chunks[:2]:
        chunk.write_bytes(bombs()[name])


_BOMBS: dict[str, bytes] = {}


def bombs() -> dict[str, bytes]:
    """Return what decodes to a gigabyte of zeros or more, by the name of its codec."""
    if not _BOMBS:
        part = bytes(1 << 24)
        packer = zlib.compressobj(9)
        start = packer.compress(part) + packer.flush(zlib.Z_FULL_FLUSH)
        again = packer.compress(part) + packer.flush(zlib.Z_FULL_FLUSH)
        blosc = bytearray(Blosc().encode(bytes(4096)))
        blosc[4:8] = (2_000_000_000).to_bytes(4, "little")
        zstd = imagecodecs.zstd_encode(part)
        _BOMBS.update(
            gzip=gzip.compress(part) * 80,
            zlib=start + again * 79 + b"\x03\x00\0\0\0\0",
            bz2=bz2.compress(part) * 80,
            lzma=lzma.compress(part) * 80,
            zstd=zstd * 80,
            blosc=bytes(blosc),
            lz4=(2_000_000_000).to_bytes(4, "little") + imagecodecs.lz4_encode(bytes(4096)),
        )
    return _BOMBS


def _read(folder: Path) -> None:
    stack = open_stack(folder)
    for index in {0, stack.n_frames // 2, stack.n_frames - 1}:
        stack.frame(index)
    stack.as_dask()


ZARR = Target(_make, _damage, _read)
