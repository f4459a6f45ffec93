"""Hidden folders beside a result, in which it comes into being before it bears its name.

They are made of::

    .NAME.0a1b2c3d.part/
        lock       held by the process that makes it
        made/NAME  what it makes, and what goes with it
        whole      there once all that is made is whole and is being given its names
    .NAME.claim.part/
        lock       held by a process whose long job will make NAME
    .NAME.naming.part/
        lock       held while NAME is given where there are no hard links

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
from blinkspot.files.held_folders import BusyError, held

_MADE, _WHOLE = "made", "whole"
_CLAIM, _NAMING = "claim", "naming"
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
        stack.callback(_unlink, folder / _WHOLE)
        (folder / _MADE).mkdir()
        yield folder / _MADE


def _entered(path: Path, stack: contextlib.ExitStack) -> Path:
    for _ in range(_TRIES_OF_NEW_NAMES):
        folder = _folder(path, uuid.uuid4().hex[:8])
        try:
            stack.enter_context(held(folder))
        except BusyError:  # taken for a killed process's, before it was locked
            shutil.rmtree(folder, ignore_errors=True)
            continue
        except OSError as error:
            if error.errno not in _WITHOUT_LOCKS or not folder.is_dir():
                shutil.rmtree(folder, ignore_errors=True)
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
        _unlink(whole)
        for path in given:
            _unlink(path)
        raise


def _unlink(path: Path) -> None:
    """Remove a file, where it is there and can be removed."""
    with contextlib.suppress(OSError):
        path.unlink()


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
    # does a renamed folder take the place of one with anything in it. On Windows no name takes another's.
    if made.is_dir() or os.name == "nt":
        os.rename(made, path)
        return
    try:
        os.link(made, path)
    except FileExistsError:
        raise
    except OSError:  # not every file system has links
        _rename_alone(made, path)
    else:
        _unlink(made)


def _rename_alone(made: Path, path: Path) -> None:
    """Rename a file while no other process of ours gives that name: else it would take the other's place."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(_held_soon(_folder(path, _NAMING)))
        except BusyError as error:
            raise _taken(path) from error
        except OSError as error:
            if error.errno not in _WITHOUT_LOCKS:
                raise
            stack.callback(shutil.rmtree, _folder(path, _NAMING), ignore_errors=True)
        if os.path.lexists(path):
            raise _taken(path)
        os.rename(made, path)


def clear_left(path: Path) -> None:
    """Clear away what killed processes have left of a result; what was whole is given its names."""
    for folder in _folders(path):
        with contextlib.suppress(BusyError, OSError), held(folder):
            if (folder / _WHOLE).exists():
                _give_names_left(folder / _MADE, path.parent)
                (folder / _WHOLE).unlink()
            shutil.rmtree(folder / _MADE, ignore_errors=True)


def _give_names_left(made: Path, folder: Path) -> None:
    """Give what a killed process had not given a name its own; none where another file has one of them."""
    left = [(each, folder / each.name) for each in made.iterdir()]
    # Of one that has its name, what is left is another link to it.
    left = [(each, path) for each, path in left if not _are_one(each, path)]
    if not any(os.path.lexists(path) for _, path in left):
        for each, path in left:
            with contextlib.suppress(FileExistsError):
                give_name(each, path)


def _are_one(made: Path, path: Path) -> bool:
    try:
        return os.path.samefile(made, path)
    except OSError:
        return False


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
    folder = _folder(path, _CLAIM)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(_held_soon(folder))
        except BusyError as error:
            raise BlinkspotError(
                f"{path} is being written already, by another job: wait until that is done, or "
                "choose another name."
            ) from error
        except OSError as error:
            if error.errno in _WITHOUT_LOCKS:
                shutil.rmtree(folder, ignore_errors=True)
        yield


@contextlib.contextmanager
def _held_soon(folder: Path) -> Iterator[None]:
    """Have a folder (:func:`held`), which another process may have for a moment."""
    with contextlib.ExitStack() as stack:
        for left in reversed(range(_TRIES)):
            try:
                stack.enter_context(held(folder))
                break
            except BusyError:
                if not left:
                    raise
                time.sleep(_BETWEEN_TRIES_S)
        yield


def _folder(path: Path, mark: str) -> Path:
    # A path such as "." has no name of its own.
    whole = Path(os.path.abspath(path)) if not path.name else path
    return whole.parent / f".{whole.name}.{mark}.part"


def _folders(path: Path) -> list[Path]:
    name = re.compile(rf"\.{re.escape(path.name)}\.([0-9a-f]{{8}}|{_CLAIM}|{_NAMING})\.part")
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
