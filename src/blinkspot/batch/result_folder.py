"""A folder of results: which step, made of what, has which name there.

A name is given away for good before the step begins that makes the result, in ``batch.json``. As whatever
bears its final name is whole, a step is done if, and only if, its result is there: whenever a process is
killed, the next one finds out what is left to do. A step that is changed has another key and gets another
name.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from blinkspot.errors import BlinkspotError
from blinkspot.files.part_folders import clear_left
from blinkspot.files.unfinished_files import remove_unfinished
from blinkspot.files.whole_files import reach_disk
from blinkspot.localization import table_paths
from blinkspot.provenance import package_version

RECORD, SUMMARY = "batch.json", "summary.csv"
BATCH_FILES = (RECORD, f"{RECORD}.new", SUMMARY, "summary.provenance.json")
"""Files in the folder of a batch, whose names no movie's folder may have."""
_FORMAT, _VERSION = "napari-blinkspot batch", 1
# Far more than a record takes; a larger file is none.
_MOST_BYTES = 64 << 20


def key_of(content: Any) -> str:
    """Return what tells a step from others: a digest of its settings and of the keys of what it is made of.

    Parameters
    ----------
    content : object
        JSON-ready.
    """
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


class ResultFolder:
    """A folder of results, there or to be made.

    Parameters
    ----------
    path : Path
        Its parent must exist.

    Raises
    ------
    BlinkspotError
        If it cannot be made or read, or is not a folder of a batch.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._record = self._read()

    @property
    def movie(self) -> dict[str, Any] | None:
        """Path and identity of the movie that it belongs to; None where that is not said yet."""
        movie: dict[str, Any] | None = self._record.get("movie")
        return movie

    def belong_to(self, movie: dict[str, Any]) -> None:
        """Make the folder, and note of which movie it is, JSON-ready."""
        if self.movie != movie:
            self._record["movie"] = movie
            self._write()

    def claim(self, step: str, key: str, name: str, settings: Any, made_of: Sequence[str] = ()) -> Path:
        """Return the file or folder of a step's result: the one that it has been given, or a free one.

        Parameters
        ----------
        step : str
            ``"denoise"``, ...
        key : str
            By :func:`key_of`.
        name : str
            What it is called if that is free; else ``denoised-2.tif``, and so on.
        settings : object
            Of the step, JSON-ready, to be read by people.
        made_of : sequence of str
            Keys of the steps whose results it is made of.

        Raises
        ------
        BlinkspotError
            If the record cannot be written.
        """
        for entry in self._results:
            if entry["key"] == key and not self._is_half(entry["name"]):
                return self.path / str(entry["name"])
        taken = {entry["name"] for entry in self._results}
        free, number = name, 2
        while free in taken or any(os.path.lexists(path) for path in result_paths(self.path / free)):
            free, number = f"{Path(name).stem}-{number}{Path(name).suffix}", number + 1
        kept = [entry for entry in self._results if entry["key"] != key]
        entry = {"step": step, "name": free, "key": key, "made_of": list(made_of), "settings": settings}
        self._record["results"] = [*kept, entry]
        self._write()
        return self.path / free

    def model_key(self, key: str, users: Sequence[ResultFolder]) -> str:
        """Return the key of a model as it is to be used: another one where the model has been lost.

        A training that is repeated need not give the same weights. So what a lost model has made is not
        mixed with what its successor makes: a successor has a key of its own.

        Parameters
        ----------
        key : str
            Of the training.
        users : sequence of ResultFolder
            Where results may be that the model has made.
        """
        unused = None
        for number in itertools.count(1):
            made_by = key if number == 1 else key_of([key, number])
            entry = next((each for each in self._results if each["key"] == made_by), None)
            if entry is not None and is_there(self.path / entry["name"]):
                return made_by
            is_used = any(folder.has_made_of(made_by) for folder in users)
            unused = made_by if unused is None and not is_used else unused
            if entry is None and not is_used:
                break
        assert unused is not None
        return unused

    def has_made_of(self, key: str) -> bool:
        """Tell whether a result is there that is made, directly or not, of that of a step."""
        keys = {key}
        while True:
            made = [each for each in self._results if keys.intersection(each.get("made_of", ()))]
            if any(is_there(self.path / entry["name"]) for entry in made):
                return True
            found = keys | {entry["key"] for entry in made}
            if found == keys:
                return False
            keys = found

    def clear_leftovers(self) -> None:
        """Remove the beginnings of files that killed processes have left; what was whole gets its name.

        Not what is kept to go on with, checkpoints, unfinished files and blocks of frames, before it has come
        to its end: a step that was begun on a cluster may have ended here, or the other way round.
        """
        if not self.path.is_dir():
            return
        for entry in self.path.glob(".*.part"):
            if entry.is_dir():
                # .NAME.0a1b2c3d.part
                clear_left(self.path / entry.name[1:].rsplit(".", 2)[0])
            else:
                with contextlib.suppress(OSError):
                    entry.unlink()
        for name in (entry["name"] for entry in self._results if is_there(self.path / entry["name"])):
            with contextlib.suppress(OSError, BlinkspotError):
                checkpoint_path(self.path / name).unlink(missing_ok=True)
                shutil.rmtree(blocks_path(self.path / name), ignore_errors=True)
                remove_unfinished(self.path / name)

    @property
    def _results(self) -> list[dict[str, Any]]:
        results: list[dict[str, Any]] = self._record["results"]
        return results

    def _is_half(self, name: str) -> bool:
        """Tell whether a process was killed between naming a table and naming what goes beside it."""
        there = [os.path.lexists(path) for path in result_paths(self.path / name)]
        return any(there) and not all(there)

    def _read(self) -> dict[str, Any]:
        path = self.path / RECORD
        try:
            if not os.path.lexists(path):
                return {"movie": None, "results": []}
            record = (
                json.loads(path.read_text(encoding="utf-8")) if path.stat().st_size < _MOST_BYTES else None
            )
        except OSError as error:
            raise BlinkspotError(f"{path} cannot be read: {error.strerror or error}.") from error
        except (ValueError, RecursionError):
            record = None
        if not _is_record(record):
            raise BlinkspotError(
                f"{path} is damaged, or of another version of napari-blinkspot, so that nothing tells which "
                f"results are in its folder: move {self.path} away, or choose another folder for the results."
            )
        assert isinstance(record, dict)
        return record

    def _write(self) -> None:
        path = self.path / RECORD
        new = path.with_name(f"{RECORD}.new")
        content = {_FORMAT: _VERSION, "version": package_version(), **self._record}
        try:
            self.path.mkdir(exist_ok=True)
            new.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
            reach_disk(new)
            os.replace(new, path)
        except OSError as error:
            raise BlinkspotError(
                f"{path} cannot be written ({error.strerror or error}): "
                "check the room and the permissions there."
            ) from error


def is_free(path: Path) -> bool:
    """Tell whether a folder can be made by a name: nothing is there, or the beginnings of a killed batch."""
    if not os.path.lexists(path):
        return True
    try:
        return not path.is_symlink() and {entry.name for entry in path.iterdir()} <= {f"{RECORD}.new"}
    except OSError:
        return False


def result_paths(path: Path) -> tuple[Path, ...]:
    """Return all files of a result: a table has another one beside it."""
    return table_paths(path) if path.suffix in (".csv", ".hdf5") else (path,)


def is_there(path: Path) -> bool:
    """Tell whether a result is there, and so is whole."""
    return all(os.path.lexists(each) for each in result_paths(path))


def keep_warnings(path: Path, warnings: list[str]) -> None:
    """Keep what is said against trusting a result, beside it; before the result itself bears its name.

    Parameters
    ----------
    path : Path
        Of the result.
    warnings : list of str
        A sentence each.

    Raises
    ------
    BlinkspotError
        If it cannot be written.
    """
    kept, new = _warnings_path(path), path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    if not warnings and not kept.exists():
        return
    try:
        new.write_text(json.dumps(warnings, indent=1), encoding="utf-8")
        os.replace(new, kept)
    except OSError as error:
        raise BlinkspotError(
            f"{kept} cannot be written ({error.strerror or error}): check the room and the permissions there."
        ) from error


def checkpoint_path(model: Path) -> Path:
    """Return where the training of a model is kept until it has ended."""
    return model.with_name(f".{model.name}.checkpoint")


def blocks_path(target: Path) -> Path:
    """Return the folder in which blocks of a movie or a table are kept until they are put together."""
    return target.with_name(f".{target.name}.blocks")


def kept_warnings(path: Path) -> list[str]:
    """Return what :func:`keep_warnings` kept of a result that is there."""
    try:
        warnings = json.loads(_warnings_path(path).read_text(encoding="utf-8")) if is_there(path) else []
    except FileNotFoundError:
        return []
    except (OSError, ValueError, RecursionError):
        return ["What was said against trusting a result is damaged."]
    return [str(each) for each in warnings] if isinstance(warnings, list) else []


def _warnings_path(path: Path) -> Path:
    return path.with_name(f".{path.name}.warnings.json")


def _is_record(record: Any) -> bool:
    if not isinstance(record, dict) or record.pop(_FORMAT, None) != _VERSION:
        return False
    record.pop("version", None)
    movie, results = record.get("movie"), record.get("results")
    if not isinstance(results, list) or not (movie is None or isinstance(movie, dict)):
        return False
    return all(
        isinstance(entry, dict)
        and all(isinstance(entry.get(name), str) for name in ("step", "name", "key"))
        and Path(entry["name"]).name == entry["name"]
        and isinstance(entry.get("made_of", []), list)
        and all(isinstance(key, str) for key in entry.get("made_of", []))
        for entry in results
    )
