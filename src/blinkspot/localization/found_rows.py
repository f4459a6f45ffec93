"""What a localizer has found so far: in memory, or on the disk, from where it goes on after a break."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from blinkspot.files.unfinished_files import Record, UnfinishedFile, clear_kept_of_finished, remove_unfinished
from blinkspot.files.whole_files import check_can_write

Rows = NDArray[np.float64]
Column = NDArray[np.float64]

# What is lost by a power cut took no longer than this to find.
_SECURED_EVERY_S = 1.0
_ROWS_READ_AT_ONCE = 2**16


class FoundRows:
    """Rows of a table to be, in the order of frames, in memory.

    Parameters
    ----------
    frames_done : int
        First frame to be found.

    Attributes
    ----------
    frames_done : int
        Frames, from the first, whose rows are here.
    """

    def __init__(self, frames_done: int = 0) -> None:
        self.frames_done = frames_done
        self._n_columns = 0
        self._parts: list[Rows] = []

    def begin(self, n_columns: int) -> None:
        """Take up what there is already, if anything, of rows of that many numbers."""
        self._n_columns = n_columns

    def append(self, rows: Rows, frames_done: int) -> None:
        """Take the rows (n, columns) of the next frames, up to a certain one."""
        self._parts.append(rows)
        self.frames_done = frames_done

    def taken(self) -> Rows:
        """Return all rows (n, columns), and forget them."""
        parts, self._parts = self._parts, []
        return np.concatenate([np.empty((0, self._n_columns)), *parts])

    def taken_columns(self) -> list[Column]:
        """Return the columns (n,) of all rows, each in a piece, and forget the rows."""
        return [np.ascontiguousarray(column) for column in self.taken().T]


class KeptRows(FoundRows):
    """Rows of a table to be, on the disk beside its file; a context manager.

    However its block ends, short of the table's being saved in it, the rows found until then stay in a
    hidden folder (:mod:`blinkspot.files.unfinished_files`), those of the last second perhaps left out.

    Parameters
    ----------
    path : Path
        The table's file.
    identity : dict
        What decides about the rows, JSON-ready.
    n_frames : int
        Frames of the movie.
    restart : bool
        Remove whatever was begun of ``path``, and begin anew.

    Attributes
    ----------
    note : str
        From entering on: what happened to what there was, in a sentence; empty where there was nothing.

    Raises
    ------
    BlinkspotError
        On entering, if the table exists, its folder cannot be written to, or another process is finding the
        same rows; on appending, if they cannot be written.
    """

    def __init__(self, path: Path, identity: dict[str, Any], n_frames: int, *, restart: bool = False) -> None:
        super().__init__()
        self.note = ""
        self._path, self._n_frames, self._restart = path, n_frames, restart
        self._identity: dict[str, Any] = json.loads(json.dumps(identity))  # as it is read
        self._unfinished = UnfinishedFile.of(path, self._identity)
        self._rows_path = self.kept_in / "rows.float64"
        self._file: BinaryIO | None = None
        self._next_s = 0.0
        self._secured = 0
        self._is_saved = False
        self._has_failed = False

    @property
    def kept_in(self) -> Path:
        """Folder in which rows are kept."""
        return self._unfinished.folder

    @property
    def frames_kept(self) -> int:
        """Frames whose rows are safely on the disk; 0 once the table is saved."""
        return 0 if self._is_saved else self._secured

    def __enter__(self) -> Self:
        with self._unfinished.errors_said():
            clear_kept_of_finished(self._path)
            check_can_write(self._path)
            if self._restart:
                remove_unfinished(self._path)
            self.note = self._unfinished.note_of_others(self._identity)
            self._held = self._unfinished.held()
            self._held.__enter__()
            try:
                # Whoever held it before may have finished it.
                check_can_write(self._path)
                self._take_up()
            except BaseException:
                self._held.__exit__(None, None, None)
                raise
        return self

    def _take_up(self) -> None:
        """Go on after the rows that are there, or begin anew where they are damaged."""
        self._unfinished.forget_saving()
        record = self._unfinished.read_record()
        if record is None or not self._is_whole(record):
            if self._unfinished.has_content:
                self.note = f"Begun anew: what was kept of {self._path.name} is damaged."
            self._unfinished.clear()
            record = Record(self._path.name, self._identity, self._n_frames, 0, 0)
            try:
                self._unfinished.write_record(record)
            except OSError:
                self._unfinished.clear()
                raise
        elif record.frames:
            self.note = f"Going on after {record.frames} of {record.n_frames} frames."
        self._file = self._rows_path.open("ab")
        self._file.truncate(record.file_bytes)
        self._file.seek(record.file_bytes)  # it still stands where the file ended before
        self.frames_done = self._secured = record.frames
        self._next_s = time.perf_counter() + _SECURED_EVERY_S

    def _is_whole(self, record: Record) -> bool:
        if (record.identity, record.n_frames) != (self._identity, self._n_frames):
            return False
        if self._rows_path.is_symlink():
            return False
        size = self._rows_path.stat().st_size if self._rows_path.is_file() else 0
        return size >= record.file_bytes

    def append(self, rows: Rows, frames_done: int) -> None:
        """Write the rows (n, columns) of the next frames, up to a certain one."""
        assert self._file is not None
        with self._failures_noted():
            self._file.write(np.ascontiguousarray(rows).data)
            self.frames_done = frames_done
            if time.perf_counter() >= self._next_s or frames_done == self._n_frames:
                self._secure()

    @contextlib.contextmanager
    def _failures_noted(self) -> Iterator[None]:
        """Make a sentence of an error of the disk; from then on, nothing more is taken for safely there."""
        with self._unfinished.errors_said():
            try:
                yield
            except OSError:
                self._has_failed = True
                raise

    def _secure(self) -> None:
        """Have the rows reach the disk, and count them."""
        if self._file is None or self.frames_done == self._secured:
            return
        self._file.flush()
        os.fsync(self._file.fileno())
        n_bytes = self._file.tell()
        self._unfinished.write_record(
            Record(self._path.name, self._identity, self._n_frames, self.frames_done, n_bytes)
        )
        self._secured = self.frames_done
        self._next_s = time.perf_counter() + _SECURED_EVERY_S

    def taken(self) -> Rows:
        """Return all rows (n, columns); they stay on the disk until the table is saved."""
        return np.stack(self.taken_columns(), axis=1)

    def taken_columns(self) -> list[Column]:
        """Return the columns (n,) of all rows; these stay on the disk until the table is saved.

        A table may take more memory than anything else: it is never there twice.
        """
        with self._failures_noted():
            self._secure()
            row_bytes = 8 * self._n_columns
            n_rows = self._rows_path.stat().st_size // row_bytes
            columns = [np.empty(n_rows) for _ in range(self._n_columns)]
            with self._rows_path.open("rb") as file:
                for start in range(0, n_rows, _ROWS_READ_AT_ONCE):
                    part = np.fromfile(file, np.float64, _ROWS_READ_AT_ONCE * self._n_columns)
                    for column, values in zip(columns, part.reshape(-1, self._n_columns).T, strict=True):
                        column[start : start + len(values)] = values
        return columns

    @contextlib.contextmanager
    def saving(self) -> Iterator[None]:
        """Save the table in this ``with`` block; after it, nothing is kept any more."""
        with self._unfinished.errors_said():
            with self._unfinished.saving():
                yield
            self._is_saved = True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with contextlib.ExitStack() as stack:
            stack.callback(self._held.__exit__, None, None, None)
            if self._file is not None:
                # After an error the file may end in a part of what it was given, and the disk may say that
                # all is well though it has lost some.
                if not self._has_failed:
                    with contextlib.suppress(OSError):
                        self._secure()
                with contextlib.suppress(OSError):
                    self._file.close()
                self._file = None
            if not self.frames_kept:
                with contextlib.suppress(OSError):
                    self._unfinished.clear()
