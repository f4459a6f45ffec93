"""A model as one file: weights and camera maps in safetensors, everything else as JSON in its header."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from blinkspot.camera import Camera
from blinkspot.camera.maps import CameraMaps
from blinkspot.denoising.networks import NETWORKS, NetworkName, build_network
from blinkspot.denoising.prior import InputScaling, PriorNetwork, outputs_for
from blinkspot.denoising.settings import (
    MAX_BLIND_SPOT_RADIUS_PX,
    MAX_CHANNELS,
    MAX_COMPONENTS,
    MAX_CONTEXT_FRAMES,
)
from blinkspot.errors import BlinkspotError, in_brief
from blinkspot.files.names_in_utf8 import name_in_utf8
from blinkspot.files.whole_files import reach_disk, written_whole

_HEADER_KEY = "napari-blinkspot"
# Another number wherever the same weights would mean something else. 1 to 4 were never released.
_FORMAT = 5
_MAPS_TENSOR = "camera.maps"
_TYPES = ("F32",)


@dataclass(frozen=True)
class ModelRecord:
    """What a model file holds beside its weights."""

    network: NetworkName
    context_frames: int
    scaling: InputScaling
    camera: Camera
    provenance: dict[str, Any]


def save_model(path: str | os.PathLike[str], record: ModelRecord, model: PriorNetwork) -> None:
    """Write a new model file.

    Raises
    ------
    BlinkspotError
        If the file exists already or cannot be written, or the model is such that no file of it could be
        read.
    """
    try:
        _check_numbers(record, model.state_dict())
    except ValueError as error:
        raise BlinkspotError(
            f"The model is not saved as {path}, as it has {error} and could not be read: train anew."
        ) from error
    maps = record.camera.maps
    header = {
        "format": _FORMAT,
        "network": record.network,
        "context_frames": record.context_frames,
        "channels": model.network.channels,
        "blind_spot_radius_px": model.network.blind_spot_radius_px,
        "components": model.components,
        "mean_only": model.mean_only,
        "scaling": dataclasses.asdict(record.scaling),
        "camera": record.camera.as_dict(),
        "provenance": record.provenance,
    }
    weights = {
        name: value.detach().to("cpu", torch.float32).contiguous()
        for name, value in model.state_dict().items()
    }
    if maps is not None:
        weights[_MAPS_TENSOR] = torch.from_numpy(maps.as_array())
    with written_whole(path, sum(value.nbytes for value in weights.values())) as temporary:
        # Not save_file, whose files only their owner can read.
        temporary.write_bytes(save(weights, metadata={_HEADER_KEY: json.dumps(header)}))
        reach_disk(temporary)  # what it was trained from is removed once it is there
    reach_disk(Path(path).parent)


def _check_numbers(record: ModelRecord, weights: dict[str, Tensor]) -> None:
    """Raise ValueError where numbers are such that no training makes them."""
    scaling = record.scaling
    if not all(map(math.isfinite, dataclasses.astuple(scaling))):
        raise ValueError("scaling without numbers")
    if not (
        min(scaling.root_std, scaling.mean_counts, scaling.slope) > 0
        and record.provenance.get("noise_ratio", 1.0) > 0
    ):
        raise ValueError("scaling out of its range")
    if not all(bool(weight.isfinite().all()) for weight in weights.values()):
        raise ValueError("weights without numbers")


def _check_types(file: Any) -> None:
    """Raise ValueError where tensors are other than those that we write; 0 x huge takes no room in a file."""
    for name in file.keys():  # noqa: SIM118
        part = file.get_slice(name)
        if part.get_dtype() not in _TYPES or 0 in part.get_shape():
            raise ValueError(f"{name} is of {part.get_dtype()}")


def _camera(settings: dict[str, Any], maps: Tensor | None) -> Camera:
    """Put a camera and its maps together; raise ValueError where they are not of one another."""
    described = settings.get("maps")
    if (described is None) != (maps is None):
        raise ValueError("maps without description, or the reverse")
    if described is None or maps is None:
        return Camera.from_dict(settings)
    offset_adu, variance_adu2, adu_per_electron = maps.numpy()
    held = CameraMaps(offset_adu, variance_adu2, adu_per_electron, described["file"])
    if held.digest != described["digest"]:
        raise ValueError("other maps than described")
    return Camera.from_dict({**settings, "maps": held})


def load_model(path: str | os.PathLike[str]) -> tuple[ModelRecord, PriorNetwork]:
    """Read a model file; nothing in it is run.

    Raises
    ------
    BlinkspotError
        If the file cannot be read, is no model of ours, or is damaged.
    """
    if not Path(path).is_file():
        raise BlinkspotError(f"There is no model file {path}.")
    try:
        with name_in_utf8(path) as name, safe_open(name, framework="pt", device="cpu") as file:
            header = dict(json.loads((file.metadata() or {})[_HEADER_KEY]))
            _check_types(file)
            weights = {each: file.get_tensor(each) for each in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise BlinkspotError(
            f"{path} is not a model of napari-blinkspot, or it is damaged: choose a file saved by training."
        ) from error
    if header.get("format") != _FORMAT:
        raise BlinkspotError(
            f"{path} has the model format {in_brief(header.get('format'), 20)}, but this version reads "
            f"{_FORMAT} only: train again, or use the version that made it."
        )
    try:
        record = ModelRecord(
            network=header["network"],
            context_frames=header["context_frames"],
            scaling=InputScaling(**{name: float(value) for name, value in header["scaling"].items()}),
            camera=_camera(header["camera"], weights.pop(_MAPS_TENSOR, None)),
            provenance=dict(header["provenance"]),
        )
        numbers = ("context_frames", "channels", "blind_spot_radius_px", "components")
        if any(type(header[name]) is not int for name in numbers):
            raise ValueError("numbers that are not whole")
        channels = header["channels"]
        if record.network not in NETWORKS or record.context_frames not in range(MAX_CONTEXT_FRAMES + 1):
            raise ValueError("unknown network")
        if not 1 <= channels <= MAX_CHANNELS:
            raise ValueError("absurd number of channels")
        _check_numbers(record, weights)
        radius = header["blind_spot_radius_px"]
        if radius not in range(MAX_BLIND_SPOT_RADIUS_PX + 1):
            raise ValueError("absurd blind spot")
        components = header["components"]
        if components not in range(1, MAX_COMPONENTS + 1):
            raise ValueError("absurd number of components")
        if sum(value.numel() for value in weights.values()) < channels**2:
            raise ValueError("fewer weights than between the channels")
        network = build_network(
            record.network, record.context_frames, channels, radius, outputs_for(components)
        )
        model = PriorNetwork(network, record.scaling, components, bool(header["mean_only"]))
        model.load_state_dict(weights)
    except (
        BlinkspotError, KeyError, TypeError, ValueError, AttributeError, RuntimeError, OverflowError
    ) as error:  # fmt: skip
        raise BlinkspotError(f"The model file {path} is damaged: its description does not fit.") from error
    return record, model
