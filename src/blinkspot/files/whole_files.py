"""Write beside, then rename: a file or folder that bears its final name is always whole."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from blinkspot.errors import BlinkspotError
from blinkspot.files.part_folders import clear_left, give_name, give_names, part_folder


def check_can_write(target: str | os.PathLike[str], needed_bytes: int = 0) -> Path:
    """Check, before long work starts, that a new file or folder can be written.

    What a killed process has left of it is cleared away.

    Parameters
    ----------
    target : path
        The file or folder that will be written. It must not exist: results are never overwritten.
    needed_bytes : int
        Size that it will have, where that is known.

    Returns
    -------
    Path
        ``target`` as a path.

    Raises
    ------
    BlinkspotError
        If the target exists, its folder is missing or read-only, or the disk has too little room.
    """
    path = Path(target)
    clear_left(path)
    if os.path.lexists(path):
        raise BlinkspotError(
            f"{path} exists already and is not overwritten: choose another name, or move it away."
        )
    folder = path.parent
    if not os.path.isdir(folder):
        raise BlinkspotError(
            f"The folder {folder} does not exist: make it, or choose another place for {path.name}."
        )
    _check_takes_files(path)
    try:
        free = shutil.disk_usage(folder).free
    except OSError:  # not every file system tells
        return path
    if needed_bytes > free:
        raise BlinkspotError(
            f"{path.name} needs {_amount(needed_bytes)}, but {folder} has only {_amount(free)} free: "
            "make room, or choose another disk."
        )
    return path


def _check_takes_files(path: Path) -> None:
    """Check that something can be written beside ``path``."""
    try:
        with part_folder(path):
            pass
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise name_too_long(path) from error
        raise BlinkspotError(
            f"The folder {path.parent} cannot be written to ({error.strerror}): "
            f"choose another place for {path.name}."
        ) from error


def name_too_long(path: Path) -> BlinkspotError:
    """Return the error of a file whose name, with what is added to it meanwhile, its folder does not take."""
    return BlinkspotError(
        f"The name {path.name[:40]}... is too long for the folder {path.parent}: choose a shorter one."
    )


def read_small_text(path: Path, most_bytes: int = 64 << 20, errors: str = "strict") -> str:
    """Read a file of text that is never large, such as settings or metadata.

    Parameters
    ----------
    path : Path
    most_bytes : int
        Size that it may have.
    errors : str
        What is done where it is no UTF-8, as :meth:`bytes.decode` takes it.

    Raises
    ------
    BlinkspotError
        If it is larger than such a file is.
    OSError, UnicodeDecodeError
        If it cannot be read, or is no UTF-8.
    """
    with path.open("rb") as file:
        held = file.read(most_bytes + 1)
    if len(held) > most_bytes:
        raise BlinkspotError(
            f"{path} is larger than {_amount(most_bytes)}, which no such file is: choose another one."
        )
    # Some editors begin a text with a mark.
    return held.decode("utf-8", errors).removeprefix("\ufeff")


@contextlib.contextmanager
def written_whole(target: str | os.PathLike[str], needed_bytes: int = 0) -> Iterator[Path]:
    """Give a temporary place for ``target``, which gets its name only if the block ends well.

    The block makes a file or a folder there. If it raises (or the generator that holds it is closed),
    whatever is there is removed and ``target`` does not come to exist; what a killed process leaves is
    cleared away by the next that writes ``target``. An OSError about another file, one that the block reads,
    passes as it is.

    Raises
    ------
    BlinkspotError
        As :func:`check_can_write`, and where the disk fills up midway.
    """
    with written_together((target,), needed_bytes) as (temporary,):
        yield temporary


@contextlib.contextmanager
def written_together(
    targets: Sequence[str | os.PathLike[str]], needed_bytes: int = 0
) -> Iterator[tuple[Path, ...]]:
    """Do as :func:`written_whole` for files of one folder that are of no use without each other.

    The first is the one that counts: it is there only if the others are.

    Raises
    ------
    BlinkspotError
        As :func:`check_can_write`, and where the disk fills up midway.
    """
    for target in targets:  # all that is left, before the first that exists already ends this
        clear_left(Path(target))
    paths = [check_can_write(target, needed_bytes) for target in targets]
    path = paths[0]
    made: Path | None = None
    try:
        with part_folder(path) as made:
            yield tuple(made / each.name for each in paths)
            give_names(made, paths)
    except OSError as error:
        taken = next((each for each in paths if str(each) == error.filename), None)
        if taken is not None and isinstance(error, FileExistsError):
            raise _taken_meanwhile(taken) from error
        own = [*paths, *([] if made is None else [made.parent])]
        if made is not None and error.filename is not None and not concerns(error.filename, own):
            raise
        raise BlinkspotError(
            f"{path} could not be written ({error.strerror or error}): nothing was left behind; "
            "check the room and the permissions there."
        ) from error


def _taken_meanwhile(path: Path) -> BlinkspotError:
    return BlinkspotError(
        f"{path} has come into being meanwhile and is not overwritten: choose another name."
    )


def reach_disk(path: Path) -> None:
    """Have a file, or which entries a folder has, reach the disk: they are there after a power cut, too."""
    is_folder = path.is_dir()
    if is_folder and os.name == "nt":  # knows no such thing
        return
    # Not every system writes out what is open for reading only.
    descriptor = os.open(path, os.O_RDONLY if is_folder else os.O_RDWR | getattr(os, "O_BINARY", 0))
    try:
        # Not every file system can do it for a folder.
        with contextlib.suppress(*([OSError] if is_folder else [])):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def concerns(failed: str | os.PathLike[str], own: Sequence[Path]) -> bool:
    """Tell whether what failed is one of some files, or lies in one of some folders."""
    # Some name a file by its whole path, whatever they were given.
    path = Path(os.path.abspath(failed))
    return any(Path(os.path.abspath(each)) in (path, *path.parents) for each in own)


def _amount(n_bytes: int) -> str:
    """Say how many bytes there are, in the unit that suits."""
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if n_bytes >= 0.1 * size:
            return f"{n_bytes / size:.2f} {unit}"
    return f"{n_bytes / 1e3:.1f} kB"


def unused_path(target: str | os.PathLike[str]) -> Path:
    """Return ``target``, or ``target-2``, ``target-3``, ... where it exists already."""
    path = Path(target)
    number = 2
    while os.path.lexists(path):
        path = Path(target).with_name(f"{Path(target).stem}-{number}{Path(target).suffix}")
        number += 1
    return path


def check_new_folder(target: str | os.PathLike[str]) -> Path:
    """Check, before long work starts, that results can be written into a folder of their own.

    Raises
    ------
    BlinkspotError
        If ``target`` is a file or a link, holds anything, or cannot be made.
    """
    path = Path(target)
    if os.path.islink(path) or not os.path.isdir(path) or not _is_empty(path):
        return check_can_write(path)
    # What is written comes into being beside an empty folder, and takes its place.
    if os.path.ismount(path) or _is_current(path):
        raise BlinkspotError(
            f"The folder {os.path.abspath(path)} is the current one, or where a disk is mounted, and "
            "cannot be replaced: choose a new folder in it."
        )
    _check_takes_files(path)
    return path


def _is_current(folder: Path) -> bool:
    try:
        return os.path.samefile(folder, os.curdir)
    except OSError:  # that one has been removed
        return False


def _is_empty(folder: Path) -> bool:
    try:
        return not any(folder.iterdir())
    except OSError as error:
        raise BlinkspotError(
            f"The folder {folder} cannot be read ({error.strerror}): choose another one."
        ) from error


@contextlib.contextmanager
def new_folder_written_whole(target: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a folder beside ``target``, which takes its place only if the block ends well.

    Raises
    ------
    BlinkspotError
        As :func:`check_new_folder`, and where something in it cannot be written.
    """
    folder = check_new_folder(target)
    try:
        with part_folder(folder) as made:
            temporary = made / folder.name
            temporary.mkdir()
            yield temporary
            if folder.is_dir():
                folder.rmdir()
            give_name(temporary, folder)
    except OSError as error:
        taken = error.errno in (errno.EEXIST, errno.ENOTEMPTY)
        if taken and error.filename == str(folder):
            raise _taken_meanwhile(folder) from error
        raise BlinkspotError(
            f"The folder {folder} could not be written ({error.strerror or error}): nothing was left behind; "
            "check the room and the permissions there."
        ) from error
