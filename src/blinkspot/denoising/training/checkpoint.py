"""A training as a file, so that it can go on after a break."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from blinkspot.camera import Camera
from blinkspot.denoising.settings import TrainingSettings
from blinkspot.errors import BlinkspotError, in_brief
from blinkspot.files.names_in_utf8 import name_in_utf8
from blinkspot.files.whole_files import reach_disk
from blinkspot.movies.identity import movie_identity
from blinkspot.movies.stack import Stack

if TYPE_CHECKING:
    from blinkspot.denoising.denoiser import Denoiser

_HEADER_KEY = "napari-blinkspot-checkpoint"
_FORMAT = 4
# What values that are not what they should be give rise to.
_OF_DAMAGED_FILES = (AttributeError, KeyError, OverflowError, RuntimeError, TypeError, ValueError)


def new_checkpoint_of(path: Path) -> Path:
    """Return where a checkpoint is written that is to take the place of ``path``."""
    return path.with_name(path.name + ".new")


def write_checkpoint(path: Path, numbers: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Write a checkpoint, in place of the one before it of the same training.

    Parameters
    ----------
    path : Path
        File to make or to replace. The old one stays whole until the new one is.
    numbers : dict
        JSON-ready values.
    tensors : dict of Tensor
        On the CPU.

    Raises
    ------
    BlinkspotError
        If the file cannot be written.
    """
    temporary = new_checkpoint_of(path)
    header = json.dumps({"format": _FORMAT, **numbers})
    try:
        # Never through a link that lies there.
        temporary.unlink(missing_ok=True)
        with temporary.open("xb") as file:
            file.write(save(tensors, metadata={_HEADER_KEY: header}))
        reach_disk(temporary)
        os.replace(temporary, path)
        reach_disk(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise BlinkspotError(
            f"The checkpoint {path} cannot be written ({error.strerror or error}): check the room and the "
            "permissions there, or the training cannot be resumed."
        ) from error


def read_checkpoint(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read what :func:`write_checkpoint` wrote; nothing in it is run.

    Raises
    ------
    BlinkspotError
        If the file is not there, cannot be read, or is no checkpoint.
    """
    try:
        with open(path, "rb"):
            pass
    except FileNotFoundError as error:
        raise BlinkspotError(f"There is no checkpoint {path}.") from error
    except OSError as error:
        raise BlinkspotError(
            f"{path} cannot be read as a checkpoint ({error.strerror or error}): check what it is, and its "
            "permissions."
        ) from error
    try:
        with name_in_utf8(path) as name, safe_open(name, framework="pt", device="cpu") as file:
            numbers = dict(json.loads((file.metadata() or {})[_HEADER_KEY]))
            tensors = {each: file.get_tensor(each) for each in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise BlinkspotError(
            f"{path} is not a checkpoint of a training, or it is damaged: go on from another one, or move it "
            "away and train anew."
        ) from error
    if numbers.pop("format", None) != _FORMAT:
        raise BlinkspotError(
            f"{path} was written by another version of napari-blinkspot: move it away and train anew."
        )
    return numbers, tensors


def read_same_training(path: Path, identity: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read a checkpoint of the training of that identity.

    Raises
    ------
    BlinkspotError
        As :func:`read_checkpoint` and :func:`check_same_training`.
    """
    numbers, tensors = read_checkpoint(path)
    check_same_training(path, numbers, identity)
    return numbers, tensors


@contextlib.contextmanager
def undamaged(checkpoint: Path | None) -> Iterator[None]:
    """Take the values of a checkpoint in a ``with`` block; where they are not what they should be, say so.

    Raises
    ------
    BlinkspotError
        If they are not.
    """
    try:
        yield
    except (*_OF_DAMAGED_FILES, BlinkspotError) as error:
        raise BlinkspotError(f"The checkpoint {checkpoint} is damaged: train anew.") from error


def tensors_below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors whose names begin with a prefix and a dot, by what follows it."""
    start = f"{prefix}."
    return {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}


def identity_of(
    movie: Stack, camera: Camera, settings: TrainingSettings, start: Denoiser | None
) -> dict[str, Any]:
    """Return what a checkpoint must share with the training that goes on from it, JSON-ready."""
    return {
        "settings": json.loads(json.dumps(dataclasses.asdict(settings))),  # as it is read
        "camera": camera.identity(),
        "movie": movie_identity(movie),
        "start": {"weights": None if start is None else start.digest()},
    }


def check_same_training(path: Path, numbers: dict[str, Any], identity: dict[str, Any]) -> None:
    """Raise BlinkspotError where a checkpoint is not of the training of that identity."""
    for name, own in identity.items():
        theirs = numbers.get(name)
        if theirs != own:
            whole = {"movie": "another movie", "start": "another model to start from"}
            what = whole.get(name) or _first_difference(theirs, own)
            raise BlinkspotError(
                f"The checkpoint {path} is of another training ({what}): give the movie, camera and "
                "settings with which that one began, or begin anew (--restart on the command line)."
            )


def is_of_training(path: Path, identity: dict[str, Any]) -> bool:
    """Tell whether a file is a whole checkpoint of the training of that identity."""
    try:
        check_same_training(path, read_checkpoint(path)[0], identity)
    except BlinkspotError:
        return False
    return True


def _first_difference(theirs: Any, own: dict[str, Any]) -> str:
    """Name the first value in which a checkpoint differs from the training that is to go on from it."""
    theirs = theirs if isinstance(theirs, dict) else {}
    for name, value in own.items():
        if theirs.get(name) != value:
            return f"its {name} is {in_brief(theirs.get(name), 60)}, not {in_brief(value, 60)}"
    return "its settings are those of another version"
