"""Models and checkpoints: safetensors whose header, description and weights are damaged."""

from __future__ import annotations

import dataclasses
import json
import random
import struct
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from blinkspot import Camera, Denoiser, Stack
from blinkspot.camera.maps import CameraMaps
from blinkspot.denoising import Training, TrainingSettings
from blinkspot.denoising.model_file import ModelRecord, save_model
from blinkspot.denoising.networks import build_network
from blinkspot.denoising.prior import InputScaling, PriorNetwork, outputs_for
from blinkspot.movies.stack import as_stack
from support.fuzzing.mutations import WHOLE, damaged_json, damaged_text
from support.fuzzing.target import Target, damage_bytes, only

_CAMERA = Camera(pixel_size_nm=100, offset_adu=100, electrons_per_adu=2)
_SETTINGS = TrainingSettings(
    epochs=4,
    crop_size_px=16,
    batch_size=2,
    channels=2,
    context_frames=0,
    blind_spot_radius_px=0,
    device="cpu",
)


@cache
def _movie() -> Stack:
    frames = np.random.default_rng(3).poisson(60, (20, 24, 24)) + 100
    return as_stack(frames.astype(np.uint16))


def _make_models(folder: Path) -> None:
    maps = CameraMaps(*(np.full((8, 9), value, np.float32) for value in (100, 4, 2)), "maps.npy")
    for name, camera, components in (
        ("dilated", _CAMERA, 2),
        ("laine", _CAMERA, 1),
        ("mapped", dataclasses.replace(_CAMERA, maps=maps), 1),
    ):
        kind = "laine" if name == "laine" else "dilated"
        network = build_network(kind, 1, 2, 0, outputs_for(components))
        scaling = InputScaling(20.0, 2.0, 100.0)
        record = ModelRecord(kind, 1, scaling, camera, {"step": "train", "noise_ratio": 1.0})
        (folder / name).mkdir()
        save_model(folder / name / "m.blinkspot", record, PriorNetwork(network, scaling, components))


def _make_checkpoints(folder: Path) -> None:
    (folder / "one").mkdir()
    run = Training(_movie(), _CAMERA, _SETTINGS).run(checkpoint=folder / "one" / "m.checkpoint")
    for progress in run:
        if getattr(progress, "validated", False):
            break
    run.close()


def _damage(folder: Path, rng: random.Random) -> None:
    path = only(folder, "m.*")
    content = path.read_bytes()
    if rng.random() < 0.25:
        damage_bytes(path, rng)
        return
    size = struct.unpack("<Q", content[:8])[0]
    header, weights = json.loads(content[8 : 8 + size]), content[8 + size :]
    text = _damaged_tensors(header, rng) if rng.random() < 0.4 else _damaged_description(header, rng)
    held = text.encode(errors="replace")
    told = len(held) if rng.random() < 0.95 else rng.choice(WHOLE) % 2**64
    path.write_bytes(struct.pack("<Q", told) + held + weights)


def _damaged_description(header: dict[str, Any], rng: random.Random) -> str:
    """Damage what is ours within the header."""
    (key, described), *_ = header["__metadata__"].items()
    content = json.loads(described)
    if rng.random() < 0.4 and "channels" in content:
        name = rng.choice(("channels", "components", "context_frames", "blind_spot_radius_px", "network"))
        odd = rng.choice((0, -1, 1, 3, 512, 2.0, True, "1", None, [1], "laine", *WHOLE))
        content[name] = odd
        damaged = json.dumps(content)
    elif rng.random() < 0.1:
        damaged = damaged_text(described, rng)
    else:
        damaged = damaged_json(content, rng)
    header["__metadata__"][key] = damaged
    return json.dumps(header)


def _damaged_tensors(header: dict[str, Any], rng: random.Random) -> str:
    """Damage types, shapes and places of the weights."""
    names = [name for name in header if name != "__metadata__"]
    name = rng.choice(names)
    match rng.randrange(6):
        case 0:
            header[name]["dtype"] = rng.choice(("F64", "F16", "I64", "BOOL", "U8", "F8_E4M3", "C64", "X", 3))
        case 1:
            header[name]["shape"] = [rng.choice(WHOLE) for _ in range(rng.choice((0, 1, 4, 70)))]
        case 2:
            header[name]["data_offsets"] = [rng.choice(WHOLE), rng.choice(WHOLE)]
        case 3:
            header[rng.choice(("x", "network.odd", "camera.maps", "learner.optimiser.a.b.c", "best."))] = (
                header.pop(name)
            )
        case 4:
            # Of no bytes, whatever its shape.
            header["extra"] = {"dtype": "F32", "shape": [0, rng.choice(WHOLE)], "data_offsets": [0, 0]}
        case _:
            return damaged_json(header, rng)
    return json.dumps(header)


def _read_model(folder: Path) -> None:
    denoiser = Denoiser.load(only(folder, "m.*"))
    _ = (denoiser.architecture, denoiser.digest(), json.dumps(denoiser.provenance))


def _read_checkpoint(folder: Path) -> None:
    run = Training(_movie(), _CAMERA, _SETTINGS).run(resume=only(folder, "m.*"))
    for progress in run:
        if getattr(progress, "validated", False):
            break
    run.close()


MODEL = Target(_make_models, _damage, _read_model)
CHECKPOINT = Target(_make_checkpoints, _damage, _read_checkpoint)
