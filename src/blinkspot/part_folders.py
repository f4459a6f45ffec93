"""Hidden folders beside a result, in which it comes into being before it bears its name.

They are made of::

    .NAME.0a1b2c3d.part/
        lock       held by the process that makes it
        made/NAME  what it makes, and what goes with it
        whole      there once all that is made is whole and is being given its names
    .NAME.claim.part/
        lock       held by a process whose long job will make NAME

What a killed process has left of them is cleared away by the next that is to make the same result; if all
was whole, it is first given its names.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

from blinkspot.errors import BlinkspotError
from blinkspot.held_folders import BusyError, held

_MADE, _WHOLE, _CLAIM = "made", "whole", "claim"
_WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
# Whoever clears away what a claim has left has its folder for a moment.
_TRIES, _BETWEEN_TRIES_S = 5, 0.05
_TRIES_OF_NEW_NAMES = 100


@contextlib.contextmanager
def part_folder(path: Path) -> Iterator[Path]:
    """Give a folder of this process beside ``path``, in which to make it; removed at the end.

    Raises
    ------
    OSError
        If the folder cannot be made.
    """
    with contextlib.ExitStack() as stack:
        folder = _entered(path, stack)
        stack.callback(shutil.rmtree, folder / _MADE, ignore_errors=True)
        stack.callback((folder / _WHOLE).unlink, missing_ok=True)
        (folder / _MADE).mkdir()
        yield folder / _MADE


def _entered(path: Path, stack: contextlib.ExitStack) -> Path:
    for _ in range(_TRIES_OF_NEW_NAMES):
        folder = _folder(path, uuid.uuid4().hex[:8])
        try:
            stack.enter_context(held(folder))
        except BusyError:  # taken for a killed process's, before it was locked
            continue
        except OSError as error:
            if error.errno not in _WITHOUT_LOCKS or not folder.is_dir():
                raise
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
        return folder
    raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(path))


def give_names(made: Path, paths: Sequence[Path]) -> None:
    """Give all that a folder of :func:`part_folder` holds its names, the first of ``paths`` last.

    Raises
    ------
    FileExistsError
        If one of them exists by now; then none is given.
    OSError
        If that cannot be done; then none is given.
    """
    whole = made.with_name(_WHOLE)
    given: list[Path] = []
    if len(paths) > 1:
        whole.touch()
    try:
        for path in reversed(paths):
            give_name(made / path.name, path)
            given.append(path)
    except BaseException:
        whole.unlink(missing_ok=True)
        for path in given:
            path.unlink()
        raise


def give_name(made: Path, path: Path) -> None:
    """Give a file or folder its final name, which nothing else may bear.

    Raises
    ------
    FileExistsError
        If something bears it.
    OSError
        If that cannot be done.
    """
    if os.path.lexists(path):
        raise _taken(path)
    try:
        _link_or_rename(made, path)
    except OSError as error:
        # It came after that look. The system's error may name the other file, or none.
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
            raise _taken(path) from error
        raise


def _taken(path: Path) -> FileExistsError:
    return FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))


def _link_or_rename(made: Path, path: Path) -> None:
    # A new link is never in the place of another's file, not even of one that comes at the same moment; nor
    # does a renamed folder take the place of one with anything in it.
    if not made.is_dir() and os.name != "nt":
        try:
            os.link(made, path)
        except FileExistsError:
            raise
        except OSError:  # not every file system has links
            pass
        else:
            made.unlink()
            return
    os.rename(made, path)


def clear_left(path: Path) -> None:
    """Clear away what killed processes have left of a result; what was whole is given its names."""
    for folder in _folders(path):
        with contextlib.suppress(BusyError, OSError), held(folder):
            if (folder / _WHOLE).exists():
                for made in (folder / _MADE).iterdir():
                    with contextlib.suppress(FileExistsError):
                        give_name(made, path.with_name(made.name))
                (folder / _WHOLE).unlink()
            shutil.rmtree(folder / _MADE, ignore_errors=True)


@contextlib.contextmanager
def claimed(target: str | os.PathLike[str]) -> Iterator[None]:
    """Have a name for this process alone, while a long job makes what will bear it.

    Where there are no locks, or nothing can be written, nobody is kept off: whoever is done first gets the
    name, if anybody can.

    Raises
    ------
    BlinkspotError
        If another process, or another job of this one, has it.
    """
    path = Path(target)
    with contextlib.ExitStack() as stack:
        for left in reversed(range(_TRIES)):
            try:
                with contextlib.suppress(OSError):
                    stack.enter_context(held(_folder(path, _CLAIM)))
                break
            except BusyError as error:
                if not left:
                    raise BlinkspotError(
                        f"{path} is being written already, by another job: wait until that is done, or "
                        "choose another name."
                    ) from error
                time.sleep(_BETWEEN_TRIES_S)
        yield


def _folder(path: Path, mark: str) -> Path:
    return path.with_name(f".{path.name}.{mark}.part")


def _folders(path: Path) -> list[Path]:
    name = re.compile(rf"\.{re.escape(path.name)}\.([0-9a-f]{{8}}|{_CLAIM})\.part")
    try:
        with os.scandir(path.parent) as entries:
            found = [
                entry.name
                for entry in entries
                if name.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)
            ]
    except OSError:
        return []
    return [path.with_name(each) for each in sorted(found)]
