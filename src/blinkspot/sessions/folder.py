"""A session as a folder: what was in a window, with its models and tables, so that it can be opened again."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import numpy as np

from blinkspot.camera import Camera
from blinkspot.errors import BlinkspotError
from blinkspot.files.whole_files import new_folder_written_whole
from blinkspot.localization.processing.drift import drift_in, write_drift
from blinkspot.localization.processing.step import RECORD
from blinkspot.movies.identity import movie_identity
from blinkspot.movies.stack import Stack
from blinkspot.movies.writing import StackWriter
from blinkspot.progress import Progress, Stopwatch
from blinkspot.provenance import provenance
from blinkspot.sessions.commands import command_lines, file_stem
from blinkspot.sessions.content import record_as_json, record_from_file
from blinkspot.sessions.contents import SessionContents
from blinkspot.sessions.record import DenoisedMovie, Movie, SessionRecord, Table

SESSION_FILE = "session.json"
COMMANDS_FILE = "commands.sh"
CALIBRATION = "calibration"
"""The setting of a dock that is the file of an astigmatism calibration."""
README = (
    "A session of napari-blinkspot: open this folder by 'Open session...' in the Report dock; models, "
    "cameras and tables are ordinary files, and commands.sh repeats what was done.\n"
)

ResultT = TypeVar("ResultT")
_PATIENCE_S = 0.05
_CHUNK_BYTES = 8 << 20
_VERSIONS = ("napari", "numpy", "torch", "numba", "scipy", "pandas", "tifffile")


def write_session(
    contents: SessionContents,
    folder: str | os.PathLike[str],
    with_movies: bool = False,
    remarks: list[str] | None = None,
) -> Generator[Progress, None, Path]:
    """Write a session into a new folder.

    ``session.json`` says what was in the window. Beside it lie ``models/NAME.blinkspot``,
    ``cameras/NAME.toml``, ``tables/NAME.csv`` and, after their steps, ``tables/NAME processed.csv``,
    ``drifts/NAME.csv``, ``commands.sh`` and ``README.txt``.

    Parameters
    ----------
    contents : SessionContents
    folder : path
        Must not exist, or be empty.
    with_movies : bool
        Whether movies that are in no file are written into ``movies``, too. Files are never copied.
    remarks : list of str, optional
        Takes what else is to be said, a sentence each: a movie that cannot be read by now is no reason to
        lose all the rest.

    Yields
    ------
    Progress
        Closed before its end, nothing is left behind.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    BlinkspotError
        If the folder holds something already, or something cannot be written.
    """
    with new_folder_written_whole(folder) as temporary:
        writing = _Writing(contents, Path(folder), temporary)
        yield from writing.run(with_movies)
    if remarks is not None:
        remarks += writing.remarks
    return Path(folder)


class _Writing:
    """Writes a session into a temporary folder."""

    def __init__(self, contents: SessionContents, folder: Path, temporary: Path) -> None:
        self._contents = contents
        self._folder = folder
        self._temporary = temporary
        self._names: set[str] = set()
        n = len(contents.movies) + len(contents.cameras) + len(contents.models) + len(contents.tables)
        self._watch = Stopwatch("saving the session", n + len(contents.in_memory) + 1.0)
        self._done = 0.0
        self.remarks: list[str] = []

    def run(self, with_movies: bool) -> Generator[Progress, None, None]:
        contents, record = self._contents, self._contents.record
        yield self._watch.at(0.0)
        calibrations = yield from self._calibrations()
        movies, models, denoised, tables = [], [], [], []
        for movie in record.movies:
            written = yield from self._movie(movie, with_movies)
            movies.append(written)
        for model in record.models:
            path = yield from self._saved(
                "models", model.name, ".blinkspot", contents.models[model.name].save
            )
            models.append(dataclasses.replace(model, file=path))
        for entry in record.denoised:
            made = yield from self._denoised(entry, with_movies)
            denoised.append(made)
        for table in record.tables:
            there = calibrations.get(table.calibration or "")
            tables.append((yield from self._table(dataclasses.replace(table, calibration=there))))
        docks = {
            title: _dock_within(settings, lambda path: calibrations.get(path or ""))
            for title, settings in record.docks.items()
        }
        session = SessionRecord(
            tuple(movies), tuple(models), tuple(denoised), tuple(tables), record.reports, docks
        )
        yield from self._waited_for(partial(self._write_record, session))

    def _write_record(self, record: SessionRecord) -> None:
        about = provenance("session", camera=None)
        more = {"created": about["created"], "versions": _versions()}
        # A model's record is in its file, and so is what a table had gone through before.
        models = tuple(dataclasses.replace(model, provenance={}) for model in record.models)
        tables = tuple(
            dataclasses.replace(table, provenance={**table.provenance, RECORD: []}) for table in record.tables
        )
        text = record_as_json(dataclasses.replace(record, models=models, tables=tables), more)
        (self._temporary / SESSION_FILE).write_text(text, encoding="utf-8")
        lines = command_lines(record, folder="repeated")
        script = ["#!/bin/sh", "set -e", 'cd "$(dirname "$0")"', "mkdir repeated", *lines]
        (self._temporary / COMMANDS_FILE).write_text("\n".join(script) + "\n", encoding="utf-8", newline="\n")
        (self._temporary / "README.txt").write_text(README, encoding="utf-8")

    # -- pieces

    def _movie(self, movie: Movie, with_movies: bool) -> Generator[Progress, None, Movie]:
        stack = self._contents.movies.get(movie.name)
        if stack is None:
            return dataclasses.replace(movie, relative=self._relative(movie.path))
        is_written = stack.path is None and with_movies
        dtype = _dtype_written(stack) if is_written else stack.dtype
        identity = yield from self._identity(movie.name, stack, dtype)
        camera = self._contents.cameras.get(movie.name)
        camera_file = None
        if camera is not None:
            camera_file = yield from self._saved("cameras", movie.name, ".toml", camera.save)
        file = None
        if is_written and identity is not None:
            file = yield from self._pixels(movie.name, stack, camera, stack.metadata.get("provenance"))
        return dataclasses.replace(
            movie, identity=identity, camera_file=camera_file, file=file, relative=self._relative(movie.path)
        )

    def _denoised(self, entry: DenoisedMovie, with_movies: bool) -> Generator[Progress, None, DenoisedMovie]:
        stack = self._contents.denoised.get(entry.name)
        file = None
        if stack is not None and with_movies:
            camera = self._contents.cameras.get(entry.movie or "")
            file = yield from self._pixels(entry.name, stack, camera, entry.provenance or None)
        identity = None
        if entry.name in self._contents.denoised_files:
            movie = self._contents.denoised_files[entry.name]
            identity = yield from self._identity(entry.name, movie, movie.dtype, 0.0)
        return dataclasses.replace(entry, identity=identity, file=file, relative=self._relative(entry.path))

    def _identity(
        self, name: str, stack: Stack, dtype: np.dtype[Any], weight: float = 1.0
    ) -> Generator[Progress, None, dict[str, Any] | None]:
        """Return which movie it is; None where it cannot be read by now, which is said."""
        try:
            return (yield from self._waited_for(partial(movie_identity, stack, dtype), weight))
        except Exception as error:  # of whatever reads an array of another program, whose file is closed, say
            self.remarks.append(f"The movie {name!r} cannot be read: {str(error).rstrip('.')}.")
            return None

    def _pixels(
        self, name: str, stack: Stack, camera: Camera | None, made_by: dict[str, Any] | None
    ) -> Generator[Progress, None, str]:
        """Write a movie, a few frames at a time."""
        path = self._path("movies", name, ".tif")
        at_once = max(1, _CHUNK_BYTES // (stack.height * stack.width * 4))
        with StackWriter(
            self._temporary / path,
            stack.shape,
            _dtype_written(stack),
            pixel_size_nm=None if camera is None else camera.pixel_size_nm,
            provenance=made_by,
        ) as writer:
            for start in range(0, stack.n_frames, at_once):
                writer.write(stack.frames(start, min(start + at_once, stack.n_frames)))
                yield self._watch.at(self._done + min(start + at_once, stack.n_frames) / stack.n_frames)
        self._done += 1.0
        return path

    def _table(self, table: Table) -> Generator[Progress, None, Table]:
        held = self._contents.tables[table.name]
        source = yield from self._waited_for(held.source, 0.0)
        path = yield from self._saved("tables", table.name, ".csv", source.save)
        last, processed_path = source, None
        if held.processed is not None:
            last = held.processed
            processed_path = yield from self._saved(
                "tables", f"{table.name} processed", ".csv", last.save, 0.0
            )
        curve = drift_in(last)
        if curve is not None:
            write = partial(write_drift, curve, provenance=last.provenance)
            yield from self._saved("drifts", table.name, ".csv", write, 0.0)
        return dataclasses.replace(table, file=path, processed_file=processed_path)

    def _calibrations(self) -> Generator[Progress, None, dict[str, str]]:
        """Write the calibrations; return their files by the paths that they came from."""
        files = {}
        for path, calibration in self._contents.calibrations.items():
            stem = Path(path).stem
            try:
                files[path] = yield from self._saved("calibrations", stem, ".toml", calibration.save, 0.0)
            except BlinkspotError as error:  # its file may be gone: no reason to lose the rest
                self.remarks.append(str(error))
        return files

    def _saved(
        self, kind: str, name: str, suffix: str, save: Callable[[Path], object], weight: float = 1.0
    ) -> Generator[Progress, None, str]:
        path = self._path(kind, name, suffix)
        yield from self._waited_for(partial(save, self._temporary / path), weight)
        return path

    def _path(self, kind: str, name: str, suffix: str) -> str:
        """Return a name within the folder that no other file has, whatever the case of its letters."""
        stem, number = file_stem(name), 2
        path = f"{kind}/{stem}{suffix}"
        while path.lower() in self._names:
            path, number = f"{kind}/{stem}-{number}{suffix}", number + 1
        self._names.add(path.lower())
        (self._temporary / kind).mkdir(exist_ok=True)
        return path

    def _relative(self, path: str | None) -> str | None:
        if path is None:
            return None
        try:
            return Path(_seen_from(self._folder, Path(path))).as_posix()
        except ValueError:  # on another disk of Windows
            return None

    def _waited_for(
        self, work: Callable[[], ResultT], weight: float = 1.0
    ) -> Generator[Progress, None, ResultT]:
        """Do in another thread what cannot be cut; closed, wait for it: it writes into the folder."""
        with ThreadPoolExecutor(1, "blinkspot") as pool:
            done = pool.submit(work)
            while not done.done():
                yield self._watch.at(self._done)
                wait([done], _PATIENCE_S)
        self._done += weight
        return done.result()


def read_session(path: str | os.PathLike[str]) -> tuple[Path, SessionRecord]:
    """Read what a session's folder holds; nothing in it is run.

    Parameters
    ----------
    path : path
        The folder, or its ``session.json``.

    Returns
    -------
    (Path, SessionRecord)
        The folder, and the record, in which files are paths as they lie now.

    Raises
    ------
    BlinkspotError
        If it is no session, is damaged, or names a file outside of its folder.
    """
    given = Path(path)
    folder = given if given.is_dir() else given.parent
    file = folder / SESSION_FILE if given.is_dir() else given
    if not file.is_file():
        raise BlinkspotError(f"There is no session in {given}: choose a folder that holds a {SESSION_FILE}.")
    record = record_from_file(file)

    def within(name: str | None) -> str | None:
        return None if name is None else str(_within(folder, name))

    return folder, dataclasses.replace(
        record,
        movies=tuple(
            dataclasses.replace(each, file=within(each.file), camera_file=within(each.camera_file))
            for each in record.movies
        ),
        models=tuple(dataclasses.replace(each, file=within(each.file)) for each in record.models),
        denoised=tuple(dataclasses.replace(each, file=within(each.file)) for each in record.denoised),
        tables=tuple(_table_within(each, within) for each in record.tables),
        docks={title: _dock_within(each, within) for title, each in record.docks.items()},
    )


def _dock_within(settings: Any, within: Callable[[str | None], str | None]) -> Any:
    """Return the settings of a dock; that of a file is where it lies now."""
    if isinstance(settings, dict) and isinstance(settings.get(CALIBRATION), str):
        return {**settings, CALIBRATION: within(settings[CALIBRATION])}
    return settings


def _table_within(table: Table, within: Callable[[str | None], str | None]) -> Table:
    return dataclasses.replace(
        table,
        file=within(table.file),
        processed_file=within(table.processed_file),
        calibration=within(table.calibration),
    )


def _within(folder: Path, name: str) -> Path:
    """Return a file of the session; raise where it lies elsewhere, by whatever way."""
    parts = PurePosixPath(name).parts
    path = folder.joinpath(*parts)
    if (
        not parts
        or ".." in parts
        or PurePosixPath(name).is_absolute()
        or "\\" in name
        or ":" in parts[0]
        or not path.resolve().is_relative_to(folder.resolve())
    ):
        raise BlinkspotError(
            f"The session in {folder} names the file {name[:80]!r}, which is not within it: it is not opened."
        )
    return path


def _seen_from(folder: Path, path: Path) -> str:
    """Return a path relative to a folder that is yet to be made.

    ``..`` leads out of where a folder lies, not of its link. Other links are kept: a project may be taken to
    another machine, where they lead elsewhere.
    """
    where = _unlinked(folder)
    seen = os.path.relpath(path, folder.absolute())
    if os.path.realpath(where / seen) == os.path.realpath(path):
        return seen
    return os.path.relpath(_unlinked(path), where)


def _unlinked(path: Path) -> Path:
    """Return a path whose folders are no links."""
    return path.parent.resolve() / path.name


def _dtype_written(stack: Stack) -> np.dtype[Any]:
    """Return the pixel type that a movie in memory has in its file."""
    return stack.dtype if stack.dtype.name in ("uint8", "uint16", "float32") else np.dtype(np.float32)


def _versions() -> dict[str, str]:
    found = {}
    for name in _VERSIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
