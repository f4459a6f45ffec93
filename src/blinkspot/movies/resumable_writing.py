"""Write a movie that takes long to compute, so that it can go on after a break."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from blinkspot.errors import BlinkspotError
from blinkspot.files.part_folders import give_name
from blinkspot.files.unfinished_files import (
    Record,
    UnfinishedFile,
    clear_kept_of_finished,
    remove_unfinished,
)
from blinkspot.files.whole_files import check_can_write, reach_disk
from blinkspot.movies.new_movie import DamagedMovieError, Frames
from blinkspot.movies.writing import StackWriter

# Frames that are lost by a power cut took no longer than this; and no more than a tenth of the time is spent
# on waiting for the disk.
_SECURED_EVERY_S = 1.0
_SHARE_OF_TIME = 0.1


class ResumableStackWriter(StackWriter):
    """Writes a new movie as :class:`StackWriter` does, and keeps what is written when it ends early.

    However it ends (an error, an interruption, a process that is killed, a power cut), the frames that have
    reached the disk by then, once a second, are kept in a hidden folder beside ``path``
    (:mod:`blinkspot.files.unfinished_files`). Whoever writes the same movie into the same file again goes on
    from there: ``frames_written`` says after how many frames. What was begun of another movie of that name
    stays where it is.

    Parameters
    ----------
    path, shape, dtype, pixel_size_nm, provenance
        As of :class:`StackWriter`. The provenance of a movie that goes on is that of its beginning.
    identity : dict
        What decides about the pixels, JSON-ready: only where all of it is the same does a movie go on.
    restart : bool
        Remove whatever was begun of ``path``, and begin anew.

    Attributes
    ----------
    frames_secured : int
        Frames that are safely on the disk; after an early end, those that are kept.
    note : str
        From entering on: what happened to what there was, in a sentence; empty where there was nothing.

    Raises
    ------
    BlinkspotError
        As :class:`StackWriter`; on entering also if another process, or another job of this one, is
        writing the file.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        shape: tuple[int, int, int],
        dtype: DTypeLike = np.float32,
        *,
        pixel_size_nm: float | None = None,
        provenance: dict[str, Any] | None = None,
        identity: dict[str, Any],
        restart: bool = False,
    ) -> None:
        super().__init__(path, shape, dtype, pixel_size_nm=pixel_size_nm, provenance=provenance)
        more = {"shape": list(shape), "dtype": str(self.dtype)}
        self._identity: dict[str, Any] = json.loads(json.dumps({**identity, **more}))  # as it is read
        self._restart = restart
        self._unfinished = UnfinishedFile.of(self.path, self._identity)
        self._content = self.kept_in / f"movie{self.path.suffix.lower()}"
        self._is_new = False
        self._next_s = 0.0
        self.frames_secured = 0
        self.note = ""

    @property
    def kept_in(self) -> Path:
        """Folder in which frames are kept when the writing ends early."""
        return self._unfinished.folder

    def write(self, frames: ArrayLike) -> None:
        """Append frames; see :meth:`StackWriter.write`."""
        super().write(frames)
        if time.perf_counter() >= self._next_s:
            self._secure(self._frames)

    def _secure(self, frames: Frames) -> None:
        """Have the frames that are written reach the disk, and count them."""
        began = time.perf_counter()
        secured = frames.secure()
        if secured > self.frames_secured:
            self._record(secured)
            self.frames_secured = secured
        ended = time.perf_counter()
        self._next_s = ended + max(_SECURED_EVERY_S, (ended - began) / _SHARE_OF_TIME)

    def _record(self, frames: int) -> None:
        file_bytes = _file_bytes(self._content)
        record = Record(self.path.name, self._identity, self.shape[0], frames, file_bytes)
        self._unfinished.write_record(record)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[Frames]:
        with self._unfinished.errors_said():
            clear_kept_of_finished(self.path)
            check_can_write(self.path)
            if self._restart:
                remove_unfinished(self.path)
            self.note = self._unfinished.note_of_others(self._identity)
            with self._unfinished.held():
                # Whoever held it before may have finished it.
                check_can_write(self.path)
                try:
                    with self._begun() as frames:
                        yield frames
                        self._secure(frames)
                    self._finish()
                finally:
                    if self._is_new and self.frames_secured == 0:
                        self._unfinished.clear()

    @contextlib.contextmanager
    def _begun(self) -> Iterator[Frames]:
        """Open the movie, after the frames that there are already."""
        with contextlib.ExitStack() as opened:
            frames = self._gone_on_with(opened) or self._made(opened)
            self.frames_written = self.frames_secured
            self._next_s = time.perf_counter() + _SECURED_EVERY_S
            try:
                yield frames
            except OSError:
                # After one, the disk may say that all is well though it has lost what it was given.
                raise
            except BaseException:
                with contextlib.suppress(OSError):
                    self._secure(frames)
                raise

    def _gone_on_with(self, opened: contextlib.ExitStack) -> Frames | None:
        """Open the movie that is there; None where there is none, or none that is whole as far as it goes."""
        record, movie = self._unfinished.read_record(), self._content
        if record is None and not os.path.lexists(movie):
            return None
        if record is not None and record.frames == 0:
            return None
        try:
            if record is None or (record.identity, record.n_frames) != (self._identity, self.shape[0]):
                raise DamagedMovieError
            if movie.is_symlink() or record.file_bytes != _file_bytes(movie):
                raise DamagedMovieError
            # From here on, whatever goes wrong, they are kept.
            self.frames_secured = record.frames
            frames = opened.enter_context(self._format.frames(movie, self._movie, record.frames))
        except DamagedMovieError:
            self.frames_secured = 0
            self.note = f"Begun anew: what was kept of {self.path.name} is damaged."
            return None
        missing = self._format.needed_bytes(self._movie) - record.frames * self._movie.frame_bytes
        check_can_write(self.path, missing)
        self.note = f"Going on after {record.frames} of {record.n_frames} frames."
        return frames

    def _made(self, opened: contextlib.ExitStack) -> Frames:
        """Make a movie without pixels, and open it."""
        movie = self._content
        self._is_new = True
        self._unfinished.clear()
        check_can_write(self.path, self._format.needed_bytes(self._movie))
        # So that whatever is there is known for what it is.
        self._record(0)
        self._format.make(movie, self._movie)
        for made in (*movie.rglob("*"), movie):
            reach_disk(made)
        return opened.enter_context(self._format.frames(movie, self._movie, 0))

    def _finish(self) -> None:
        """Give the movie its name."""
        try:
            give_name(self._content, self.path)
        except FileExistsError as error:
            raise BlinkspotError(
                f"{self.path} has come into being meanwhile and is not overwritten: move it away, and write "
                "the movie again, which takes no time, for all its frames are kept."
            ) from error
        reach_disk(self.path.parent)
        with contextlib.suppress(OSError):
            self._unfinished.clear()


def _file_bytes(movie: Path) -> int:
    return movie.stat().st_size if movie.is_file() else 0
