"""Files that are being made, or were, but not to their end: kept beside what they become, to go on with.

Each has a hidden folder beside the file that it is to become, named after that file and after what makes it::

    .NAME.0a1b2c3d.unfinished/
        movie.tif, movie.zarr or rows.float64
        record.json     what it is, and how many of its frames are safely on the disk
        lock            held by the process that writes it
        saving          there while a table is written of its rows
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blinkspot.errors import BlinkspotError
from blinkspot.files.held_folders import BusyError, held
from blinkspot.files.part_folders import clear_left
from blinkspot.files.whole_files import concerns, name_too_long, reach_disk

_FORMAT = "napari-blinkspot unfinished file"
_VERSION = 1
_RECORD, _NEW_RECORD = "record.json", "record.json.new"
_SAVING = "saving"
_CONTENTS = ("movie.*", "rows.*")
# Far more than what made a movie takes; a larger one is not ours.
_MOST_RECORD_BYTES = 16 << 20


@dataclass(frozen=True)
class UnfinishedFile:
    """A movie or a table that was begun.

    Attributes
    ----------
    target : Path
        The file or zarr store that it is to become.
    folder : Path
        Where it is kept until then.
    """

    target: Path
    folder: Path

    @classmethod
    def of(cls, target: Path, identity: dict[str, Any]) -> UnfinishedFile:
        """Return the one, there or not, that is to become a file.

        Parameters
        ----------
        target : Path
            The file.
        identity : dict
            What decides about its content, JSON-ready.
        """
        content = json.dumps(identity, sort_keys=True).encode()
        digest = hashlib.sha256(content).hexdigest()[:8]
        return cls(target, target.with_name(f".{target.name}.{digest}.unfinished"))

    @property
    def has_content(self) -> bool:
        """Whether anything is there besides its record."""
        return any(self._contents())

    def _contents(self) -> Iterator[Path]:
        return itertools.chain.from_iterable(self.folder.glob(pattern) for pattern in _CONTENTS)

    def read_record(self) -> Record | None:
        """Return its record; None where there is none that is whole and of this target.

        Raises
        ------
        OSError
            If the disk cannot be read.
        """
        path = self.folder / _RECORD
        try:
            if path.stat().st_size > _MOST_RECORD_BYTES:
                return None
            record = Record.from_json(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, TypeError, ValueError, RecursionError):
            return None
        return record if record.target == self.target.name else None

    def write_record(self, record: Record) -> None:
        """Write its record, in place of the one before; what it says must be on the disk by now."""
        new = self.folder / _NEW_RECORD
        new.write_text(record.as_json(), encoding="utf-8")
        reach_disk(new)
        os.replace(new, self.folder / _RECORD)
        reach_disk(self.folder)

    def clear(self) -> None:
        """Remove all that there is of it."""
        # The record first: without it, whatever is left counts for nothing.
        for name in (_RECORD, _NEW_RECORD):
            (self.folder / name).unlink(missing_ok=True)
        for entry in self._contents():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        self.forget_saving()

    def forget_saving(self) -> None:
        """Have a file of that name, where one comes, no longer be taken for what is here."""
        (self.folder / _SAVING).unlink(missing_ok=True)

    @property
    def was_saving(self) -> bool:
        """Whether a process was killed while, or right after, it gave the file its name."""
        return (self.folder / _SAVING).exists()

    @contextlib.contextmanager
    def saving(self) -> Iterator[None]:
        """Note on the disk, for as long as a ``with`` block lasts, that the file gets its name.

        Where a process is killed in it, :func:`clear_kept_of_finished` knows by this that a file of that
        name is made of what is here.
        """
        note = self.folder / _SAVING
        note.touch()
        reach_disk(self.folder)
        try:
            yield
        except BaseException:
            self.forget_saving()
            raise

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Have it for this process alone, in a ``with`` block; its folder is made, and stays if not empty.

        Raises
        ------
        BlinkspotError
            If another process, or another job of this one, has it.
        OSError
            If the folder cannot be made.
        """
        if self.folder.is_symlink():
            raise BlinkspotError(f"{self.folder} is a link to elsewhere: remove it.")
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(held(self.folder))
            except BusyError as error:
                raise self._busy() from error
            yield

    @contextlib.contextmanager
    def errors_said(self) -> Iterator[None]:
        """Make a sentence of an error of the disk, in a ``with`` block; one about another file passes.

        Raises
        ------
        BlinkspotError
            In the place of an OSError about the target or what is kept of it.
        """
        try:
            yield
        except OSError as error:
            if error.filename is not None and not concerns(error.filename, (self.target, self.folder)):
                raise
            if error.errno == errno.ENAMETOOLONG:
                raise name_too_long(self.target) from error
            raise BlinkspotError(
                f"{self.target} could not be written ({error.strerror or error}): "
                "check the room and the permissions there."
            ) from error

    def note_of_others(self, identity: dict[str, Any]) -> str:
        """Return what else was begun of the target, in a sentence; empty where there is nothing.

        Parameters
        ----------
        identity : dict
            What decides about the content of this one.

        Raises
        ------
        BlinkspotError
            If another one is being written.
        """
        note = ""
        for other in unfinished_files(self.target):
            if other == self:
                continue
            record = None
            with contextlib.suppress(OSError), other.held():
                record = other.read_record()
            if record is not None and record.frames:
                what = f"the {record.frames} of {record.n_frames} frames in {other.folder}"
                another = _difference(record.identity, identity)
                note = f"Begun anew: {what} were made with another {another}, and stay there."
        return note

    def _busy(self) -> BlinkspotError:
        return BlinkspotError(
            f"{self.target} is being written already: wait until that is done, or choose another name."
        )


@dataclass(frozen=True)
class Record:
    """What an unfinished file is, and how much of it is there.

    Attributes
    ----------
    target : str
        Name of the file that it is to become.
    identity : dict
        What decides about its content, JSON-ready.
    n_frames : int
        Frames of the movie.
    frames : int
        Frames, from the first, that are safely on the disk.
    file_bytes : int
        Size of what is on the disk of it; 0 where that is a folder.
    """

    target: str
    identity: dict[str, Any]
    n_frames: int
    frames: int
    file_bytes: int

    def as_json(self) -> str:
        """Return it as JSON that tells if anything in it has changed."""
        values = {**self.__dict__, _FORMAT: _VERSION}
        return json.dumps({**values, "digest": _digest(values)}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Record:
        """Return what :meth:`as_json` was made of.

        Raises
        ------
        TypeError, ValueError or RecursionError
            If it is not such a record, whole and unchanged.
        """
        values = json.loads(text)
        if not isinstance(values, dict) or values.pop("digest", None) != _digest(values):
            raise ValueError("not a record, or one that is damaged")
        if values.pop(_FORMAT, None) != _VERSION:
            raise ValueError("a record of another version")
        record = cls(**values)
        if not 0 <= record.frames <= record.n_frames:
            raise ValueError(f"{record.frames} of {record.n_frames} frames")
        return record


def _digest(values: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _difference(theirs: dict[str, Any], own: dict[str, Any]) -> str:
    """Name the first thing in which two files differ."""
    return next((name for name, value in own.items() if theirs.get(name) != value), "version")


def unfinished_files(target: str | os.PathLike[str]) -> list[UnfinishedFile]:
    """Return what was begun, with whatever settings, to become a certain file and is kept beside it."""
    path = Path(target)
    name = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{8}}\.unfinished")
    try:
        folders = [entry for entry in path.parent.iterdir() if name.fullmatch(entry.name) and entry.is_dir()]
    except OSError:
        return []
    return [UnfinishedFile(path, folder) for folder in sorted(folders) if not folder.is_symlink()]


def remove_unfinished(target: str | os.PathLike[str]) -> None:
    """Remove what was begun to become a certain file.

    Raises
    ------
    BlinkspotError
        If it is being written, or cannot be removed.
    """
    for unfinished in unfinished_files(target):
        try:
            with unfinished.held():
                unfinished.clear()
        except OSError as error:
            raise BlinkspotError(
                f"{unfinished.folder} cannot be removed ({error.strerror or error}): "
                "check the permissions there."
            ) from error


def clear_kept_of_finished(target: str | os.PathLike[str]) -> None:
    """Clear what is kept of a file that is finished: its process was killed right after naming it."""
    clear_left(Path(target))
    if not os.path.lexists(target):
        return
    for unfinished in unfinished_files(target):
        if not unfinished.has_content or unfinished.was_saving:
            with contextlib.suppress(BlinkspotError, OSError), unfinished.held():
                unfinished.clear()
