"""Trainings that were stopped, or whose window was closed: kept, and found again by their movie.

Each has a file of its own in the user's data folder, so that none takes the place of another. Nothing here
knows Qt's widgets or a layer; what reads files is for a worker's thread.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QStandardPaths

from blinkspot.camera import Camera
from blinkspot.errors import BlinkspotError
from blinkspot.movies.identity import movie_identity
from blinkspot.movies.stack import Stack
from blinkspot.plugin import backend, preferences

if TYPE_CHECKING:  # importing it takes seconds
    from blinkspot.denoising import Denoiser

_SUFFIX = ".checkpoint"
# The oldest make way for a new one.
_MOST_KEPT = 20


def trainings_folder() -> Path:
    """Return the folder of the user's unfinished trainings; it need not exist."""
    location = QStandardPaths.StandardLocation.GenericDataLocation
    usual = Path(QStandardPaths.writableLocation(location)) / "napari-blinkspot" / "trainings"
    return preferences.folder("trainings", usual)


@dataclass(frozen=True)
class Unfinished:
    """A training that can go on.

    Attributes
    ----------
    path : Path
        Its checkpoint.
    step : int
        Steps made.
    written : datetime
        When the checkpoint was written, local time.
    settings : dict
        Arguments of :class:`blinkspot.denoising.TrainingSettings`.
    start : Denoiser or None
        Model that it had gone on from.
    """

    path: Path
    step: int
    written: datetime.datetime
    settings: dict[str, Any]
    start: Denoiser | None

    @property
    def sentence(self) -> str:
        """What it is, for the user."""
        when = f"{self.written.day} {self.written:%b %Y, %H:%M}"
        return f"An unfinished training of this movie is there, at step {self.step:,}, of {when}."


def new_checkpoint(folder: Path, movie: Stack) -> Path:
    """Return the name of a file that does not exist yet, for the training on a movie.

    Raises
    ------
    BlinkspotError
        If the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        kept = _by_age(folder.glob(f"*{_SUFFIX}"))
    except OSError as error:
        raise BlinkspotError(
            f"The training cannot be kept in {folder} ({error.strerror or error}): it cannot be resumed "
            "once napari is closed."
        ) from error
    for path in kept[: max(0, len(kept) - _MOST_KEPT + 1)]:
        discard(path)
    return folder / f"{_key(movie)}-{uuid.uuid4().hex[:8]}{_SUFFIX}"


def discard(path: Path) -> None:
    """Remove a checkpoint that is of no more use; one that cannot be removed stays."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def find(
    folder: Path, movie: Stack, camera: Camera, models: Collection[Denoiser], finished: Collection[Path]
) -> Unfinished | None:
    """Return the newest training that can go on with a movie and a camera, None where there is none.

    Parameters
    ----------
    folder : Path
        Where to look.
    movie : Stack
        The movie.
    camera : Camera
        Its camera.
    models : collection of Denoiser
        Models that such a training may have gone on from.
    finished : collection of Path
        Checkpoints of trainings that have come to their end.
    """
    if not folder.is_dir() or not any(folder.iterdir()):
        return None
    found = [path for path in folder.glob(f"{_key(movie)}-*{_SUFFIX}") if path not in finished]
    for path in reversed(_by_age(found)):
        try:
            numbers = backend.read_checkpoint(path)
        except BlinkspotError:  # of another version, or damaged
            continue
        if numbers["camera"] != camera.identity():
            continue
        digest = numbers["start"]["weights"]
        start = None if digest is None else next((one for one in models if one.digest() == digest), None)
        if digest is None or start is not None:
            written = datetime.datetime.fromtimestamp(_written_s(path))
            return Unfinished(path, numbers["state"]["step"], written, numbers["settings"], start)
    return None


def _by_age(paths: Iterable[Path]) -> list[Path]:
    """Return checkpoints, oldest first."""
    return sorted(paths, key=_written_s)


def _written_s(path: Path) -> float:
    """Return when a file was written; of one that another window has just removed, the first time of all."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _key(movie: Stack) -> str:
    return hashlib.sha256(json.dumps(movie_identity(movie)).encode()).hexdigest()[:16]
