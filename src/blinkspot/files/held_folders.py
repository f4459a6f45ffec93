"""Hidden folders that one process at a time has for itself, and that a killed one leaves to the next."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

LOCK = "lock"
"""File in such a folder, locked by the process that has it."""


class BusyError(Exception):
    """Another process, or another job of this one, has the folder."""


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Have a folder for this process alone, in a ``with`` block; it is made, and stays if not empty.

    Raises
    ------
    BusyError
        If another process, or another job of this one, has it.
    OSError
        If the folder cannot be made or locked.
    """
    lock = FileLock(folder / LOCK, timeout=0, thread_local=False)
    try:
        folder.mkdir(exist_ok=True)
    except FileExistsError as error:
        if _is_no_folder(folder):
            raise
        raise BusyError from error  # It was there and is no more: whoever had it has just removed it.
    if _is_no_folder(folder):  # A link to one is none: what is in there is another's.
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(folder))
    try:
        lock.acquire()
    except (Timeout, FileNotFoundError, FileExistsError) as error:
        if not folder.parent.is_dir() or _is_no_folder(folder):
            raise
        raise BusyError from error
    try:
        # Whoever had it may have removed the file that has just been locked.
        if not (folder / LOCK).exists():
            raise BusyError
        yield
    finally:
        # What was done in it is done: that it cannot be tidied up is no failure of that.
        with contextlib.suppress(OSError):
            if {entry.name for entry in folder.glob("*")} <= {LOCK}:
                _remove(folder, lock)
        with contextlib.suppress(OSError):
            lock.release()


def _is_no_folder(path: Path) -> bool:
    try:  # looks once: it may come and go
        return not stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False


def _remove(folder: Path, lock: FileLock) -> None:
    if os.name == "nt":  # where no open file can be removed
        lock.release()
    with contextlib.suppress(OSError):
        (folder / LOCK).unlink(missing_ok=True)
        folder.rmdir()
