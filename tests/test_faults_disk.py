"""Processes killed at any step of writing, disks that fill up at any byte, two that write at once."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from blinkspot.camera import Camera
from blinkspot.camera.maps import CameraMaps
from blinkspot.denoising.training.checkpoint import read_checkpoint, write_checkpoint
from blinkspot.errors import BlinkspotError
from blinkspot.files.held_folders import held
from blinkspot.files.part_folders import claimed
from blinkspot.files.whole_files import (
    check_can_write,
    check_new_folder,
    new_folder_written_whole,
    written_together,
    written_whole,
)
from blinkspot.localization import LocalizationTable, read_table, save_picture, table_paths
from blinkspot.movies.stack import open_stack
from blinkspot.movies.writing import write_stack
from blinkspot.provenance import provenance

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked to be killed")

STEPS = ("open", "os.mkdir", "os.link", "os.rename", "os.remove", "os.rmdir", "os.truncate")
RANDOM = np.random.default_rng(1)
MOVIE = RANDOM.integers(0, 1000, (6, 8, 8)).astype(np.uint16)


def table(rows: int = 300) -> LocalizationTable:
    made = provenance("localize", camera=Camera(pixel_size_nm=100.0))
    columns = {name: RANDOM.uniform(1, 900, rows) for name in ("x_nm", "y_nm", "photons", "sigma_nm")}
    return LocalizationTable.from_columns(
        {"frame": np.sort(RANDOM.integers(0, 50, rows)), **columns}, provenance=made
    )


TABLE = table()
PICTURE = RANDOM.uniform(0, 9, (20, 30)).astype(np.float32)
MAPS = CameraMaps(*(np.full((8, 8), value, np.float32) for value in (100.0, 4.0, 2.0)), "maps.npy")


def write_folder(path: Path) -> None:
    with new_folder_written_whole(path) as folder:
        (folder / "report.html").write_text("whole")
        (folder / "picture.png").write_bytes(b"whole")


WRITERS: dict[str, Callable[[Path], object]] = {
    "table.csv": TABLE.save,
    "table.hdf5": TABLE.save,
    "camera.toml": Camera(maps=MAPS).save,
    "movie.tif": lambda path: write_stack(path, MOVIE),
    "movie.zarr": lambda path: write_stack(path, MOVIE),
    "picture.tif": lambda path: save_picture(PICTURE, path, 10.0),
    "picture.png": lambda path: save_picture(PICTURE, path, 10.0),
    "report": write_folder,
}


def bytes_of(folder: Path) -> dict[str, bytes]:
    """Return all files of a folder, by their names in it."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def seen(found: dict[str, bytes]) -> dict[str, bytes]:
    """Return those that are not hidden."""
    return {name: data for name, data in found.items() if not name.startswith(".")}


def in_child(work: Callable[[], object]) -> int:
    """Do something in a process of its own; return how that ended, as ``os.waitstatus_to_exitcode``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the child uses no thread of this one
        child = os.fork()
    if not child:
        try:
            work()
        except BlinkspotError as error:
            sys.stderr.write(str(error))
            os._exit(2)
        except BaseException:
            traceback.print_exc()
            os._exit(3)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed_at(step: int, work: Callable[[], object]) -> bool:
    """Do something in a process killed at a certain change of the disk; tell whether it came to it."""

    def killed() -> None:
        count = 0

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            nonlocal count
            if event not in STEPS or (event == "open" and not _writes(arguments)):
                return
            count += 1
            if count == step:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        work()

    ended = in_child(killed)
    assert ended in (0, -signal.SIGKILL)
    return ended != 0


def _writes(arguments: tuple[Any, ...]) -> bool:
    return bool(isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


@pytest.mark.parametrize("name", WRITERS)
def test_killed_at_any_step_a_result_is_whole_or_not_there(tmp_path: Path, name: str) -> None:
    write = WRITERS[name]
    (tmp_path / "alone").mkdir()
    write(tmp_path / "alone" / name)
    whole = bytes_of(tmp_path / "alone")
    for step in range(1, 1000):
        folder = tmp_path / str(step)
        folder.mkdir()
        was_killed = killed_at(step, lambda folder=folder: write(folder / name))
        left = seen(bytes_of(folder))
        # What goes beside a table may have come before it, but it is whole, and the table is never alone.
        assert left.items() <= whole.items()
        if (folder / name).exists():
            assert left == whole
        with contextlib.suppress(BlinkspotError):  # it is there
            write(folder / name)
        assert bytes_of(folder) == whole
        assert sorted(folder.iterdir()) == sorted(
            folder / each.name for each in (tmp_path / "alone").iterdir()
        )
        if not was_killed:
            break
    assert step > 5


def test_killed_at_any_step_a_checkpoint_is_the_old_or_the_new(tmp_path: Path) -> None:
    path = tmp_path / "model.checkpoint"
    for step in range(1, 20):
        write_checkpoint(path, {"step": 1}, {"weights": torch.zeros(50)})
        new = {"step": 2}, {"weights": torch.ones(50)}
        was_killed = killed_at(step, lambda new=new: write_checkpoint(path, *new))
        numbers, tensors = read_checkpoint(path)
        assert numbers["step"] - 1 == float(tensors["weights"].mean())
        write_checkpoint(path, *new)
        assert list(tmp_path.iterdir()) == [path]
        if not was_killed:
            break
    assert step > 2


def test_what_is_being_written_is_not_cleared_away(tmp_path: Path) -> None:
    path = tmp_path / "result.csv"
    with written_whole(path) as temporary:
        temporary.write_text("first")
        assert in_child(lambda: check_can_write(path)) == 0
        assert temporary.read_text() == "first"
    assert path.read_text() == "first"


@contextlib.contextmanager
def largest_file(n_bytes: int) -> Iterator[None]:
    """Have the system refuse to let any file grow beyond a size: a disk that is full at that byte."""
    import resource

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def is_one_sentence(text: str) -> bool:
    """Tell whether it is one sentence, apart from dots within names and numbers."""
    return text.endswith(".") and not re.search(r"[.!?]\s", text)


@pytest.mark.parametrize("name", WRITERS)
def test_disk_full_at_any_byte(tmp_path: Path, name: str) -> None:
    write = WRITERS[name]
    (tmp_path / "alone").mkdir()
    write(tmp_path / "alone" / name)
    largest = max(map(len, bytes_of(tmp_path / "alone").values()))
    folder = tmp_path / "full"
    folder.mkdir()
    (folder / "precious").write_bytes(b"the user's")
    for n_bytes in sorted({0, 1, largest // 3, largest - 1}):
        with largest_file(n_bytes), pytest.raises(BlinkspotError) as told:
            write(folder / name)
        assert name.partition(".")[0] in str(told.value)
        assert is_one_sentence(str(told.value))
        assert "File too large" in str(told.value)
        assert bytes_of(folder) == {"precious": b"the user's"}
        assert list(folder.iterdir()) == [folder / "precious"]
    write(folder / name)


def test_disk_full_while_a_checkpoint_is_written(tmp_path: Path) -> None:
    path = tmp_path / "model.checkpoint"
    write_checkpoint(path, {"step": 1}, {"weights": torch.zeros(50)})
    before = path.read_bytes()
    with (
        largest_file(100),
        pytest.raises(BlinkspotError, match=r"cannot be written \(File too large\)") as told,
    ):
        write_checkpoint(path, {"step": 2}, {"weights": torch.ones(50)})
    assert is_one_sentence(str(told.value))
    assert bytes_of(tmp_path) == {path.name: before}


@pytest.mark.parametrize("name", ["table.csv", "report"])
@pytest.mark.parametrize("call", ["link", "rename"])
def test_a_folder_that_turns_read_only_before_the_name_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, call: str
) -> None:
    def read_only(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", read_only)
        patch.setattr(os, call, read_only)
        if name == "report" or call == "link":
            with pytest.raises(
                BlinkspotError, match="could not be written \\(Read-only file system\\)"
            ) as told:
                WRITERS[name](tmp_path / name)
            assert is_one_sentence(str(told.value))
            assert list(tmp_path.iterdir()) == []
    with contextlib.suppress(BlinkspotError):
        WRITERS[name](tmp_path / name)
    assert (tmp_path / name).exists()


@pytest.fixture
def no_links(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without hard links, such as that of a memory stick."""

    def refused(made: str, path: str) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(made), None, str(path))

    monkeypatch.setattr(os, "link", refused)


def test_without_links_names_are_given_all_the_same(tmp_path: Path, no_links: None) -> None:
    TABLE.save(tmp_path / "table.csv")
    assert len(read_table(tmp_path / "table.csv")) == len(TABLE)
    with pytest.raises(BlinkspotError, match="exists already"):
        TABLE.save(tmp_path / "table.csv")
    assert set(tmp_path.iterdir()) == set(table_paths(tmp_path / "table.csv"))


@pytest.mark.parametrize("name", ["table.csv", "movie.tif", "movie.zarr"])
def test_of_two_that_write_at_once_one_gets_the_name(tmp_path: Path, name: str) -> None:
    def write(number: int, path: Path) -> object:
        if name == "table.csv":
            return table(100 + number).save(path)
        return write_stack(path, MOVIE + number)

    for round_ in range(5):
        folder = tmp_path / str(round_)
        folder.mkdir()
        begin_read, begin_write = os.pipe()
        children = []
        for number in (0, 1):
            child = os.fork()
            if not child:
                os.close(begin_write)
                os.read(begin_read, 1)  # until both are there
                try:
                    write(number, folder / name)
                except BlinkspotError as error:
                    os._exit(2 if re.search("meanwhile|exists already", str(error)) else 4)
                except BaseException:
                    os._exit(3)
                os._exit(0)
            children.append(child)
        os.close(begin_write)
        os.close(begin_read)
        ends = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        assert sorted(ends) == [0, 2]
        winner = ends.index(0)
        if name == "table.csv":
            assert len(read_table(folder / name)) == 100 + winner
            assert set(folder.iterdir()) == set(table_paths(folder / name))
        else:
            np.testing.assert_array_equal(np.asarray(open_stack(folder / name).data), MOVIE + winner)
            assert list(folder.iterdir()) == [folder / name]


@pytest.mark.parametrize("name", WRITERS)
def test_a_name_taken_at_the_very_last_moment_is_left_to_the_other(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / name

    def taken_just_before(done: Callable[..., None]) -> Callable[..., None]:
        def do(made: str, to: str) -> None:
            if Path(to) == path and not path.exists():
                other = path / "other" if Path(made).is_dir() else path
                other.parent.mkdir(exist_ok=True)
                other.write_text("another's")
            done(made, to)

        return do

    for function in ("link", "rename"):
        monkeypatch.setattr(os, function, taken_just_before(getattr(os, function)))
    with pytest.raises(BlinkspotError, match=rf"{name} has come into being meanwhile.*another name") as told:
        WRITERS[name](path)
    assert is_one_sentence(str(told.value))
    assert set(bytes_of(tmp_path).values()) == {b"another's"}


@pytest.mark.parametrize("call", [1, 2, 3])
def test_a_folder_that_another_removes_in_this_moment_is_made_anew(
    tmp_path: Path, call: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0

    def mkdir(path: str, *more: int) -> None:
        # By ourselves, and by the lock, which finds it there; then it is gone.
        nonlocal calls
        if str(path).endswith(".part"):
            calls += 1
            if calls == call:
                shutil.rmtree(path, ignore_errors=True)
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        make(path, *more)

    make = os.mkdir
    monkeypatch.setattr(os, "mkdir", mkdir)
    write_stack(tmp_path / "movie.tif", MOVIE)
    assert calls > call
    assert list(tmp_path.iterdir()) == [tmp_path / "movie.tif"]


@pytest.mark.parametrize("what", ["mkdir", "open"])
def test_a_file_system_that_makes_nothing_and_says_not_found_is_not_asked_for_ever(
    tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def not_found(path: str, *more: int, **named: int) -> int:
        # As /proc does.
        if ".part" in str(path):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        return do(path, *more, **named)

    do = getattr(os, what)
    monkeypatch.setattr(os, what, not_found)
    with pytest.raises(BlinkspotError, match="cannot be written to") as told:
        write_stack(tmp_path / "movie.tif", MOVIE)
    assert is_one_sentence(str(told.value))
    monkeypatch.undo()
    assert bytes_of(tmp_path) == {}


@pytest.mark.parametrize("name", WRITERS)
def test_all_is_written_without_hard_links(tmp_path: Path, name: str, no_links: None) -> None:
    WRITERS[name](tmp_path / name)
    assert (tmp_path / name).exists()
    assert not [found for found in bytes_of(tmp_path) if found.startswith(".")]


def test_without_hard_links_one_of_two_gets_the_name(
    tmp_path: Path, no_links: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, told = tmp_path / "camera.toml", []

    def rename(made: str, to: str) -> None:
        # The other comes after the last look whether the name is taken.
        if not told and Path(to) == path:
            told.append("")
            with pytest.raises(BlinkspotError, match="has come into being meanwhile") as refused:
                Camera(em_gain=7.0).save(path)
            told[0] = str(refused.value)
        do(made, to)

    do = os.rename
    monkeypatch.setattr(os, "rename", rename)
    Camera(em_gain=3.0).save(path)
    assert is_one_sentence(told[0])
    assert Camera.load(path).em_gain == 3.0
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("what", ["unlink", "rmdir", "unlock"])
def test_what_has_its_name_is_done_whatever_cannot_be_tidied_up(
    tmp_path: Path, name: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    path = tmp_path / name

    def failing(target: Any, *more: Any, **named: Any) -> Any:
        if path.exists() and (what != "unlock" or more == (fcntl.LOCK_UN,)):
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(target))
        return do(target, *more, **named)

    module = fcntl if what == "unlock" else os
    do = getattr(module, "flock" if what == "unlock" else what)
    monkeypatch.setattr(module, "flock" if what == "unlock" else what, failing)
    with claimed(path):
        WRITERS[name](path)
    monkeypatch.undo()
    whole = seen(bytes_of(tmp_path))
    with pytest.raises(BlinkspotError, match="exists already"):
        WRITERS[name](path)
    assert bytes_of(tmp_path).keys() >= whole.keys()
    assert seen(bytes_of(tmp_path)) == whole


def test_of_two_that_write_a_report_at_once_the_other_is_told_so(tmp_path: Path) -> None:
    def beside_another() -> None:
        with new_folder_written_whole(tmp_path / "report") as folder:
            (folder / "page.html").write_text("first")
            write_folder(tmp_path / "report")

    with pytest.raises(BlinkspotError, match="has come into being meanwhile"):
        beside_another()
    assert bytes_of(tmp_path / "report").keys() == {"report.html", "picture.png"}


def test_the_current_folder_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (".", str(tmp_path)):
        with pytest.raises(BlinkspotError, match="is the current one") as told:
            check_new_folder(name)
        assert is_one_sentence(str(told.value))
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path).name == "disk")
    (tmp_path / "disk").mkdir()
    with pytest.raises(BlinkspotError, match="where a disk is mounted"):
        check_new_folder("disk")
    with claimed("."):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["disk"]


def test_a_disk_that_does_not_say_what_is_free_is_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(path: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))

    monkeypatch.setattr(shutil, "disk_usage", unknown)
    write_stack(tmp_path / "movie.tif", MOVIE)
    assert np.array_equal(open_stack(tmp_path / "movie.tif").frames(0, 6), MOVIE)


@pytest.mark.parametrize("own", ["table.csv", "table.provenance.json"])
def test_what_was_whole_is_not_mixed_with_what_came_after_it(tmp_path: Path, own: str) -> None:
    def killed_before_a_name() -> None:
        os.link = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment]
        TABLE.save(tmp_path / "table.csv")

    assert in_child(killed_before_a_name) == -signal.SIGKILL
    assert set(table_paths(tmp_path / "table.csv")) == {
        tmp_path / "table.csv",
        tmp_path / "table.provenance.json",
    }
    (tmp_path / own).write_text("the user's own")
    with pytest.raises(BlinkspotError, match=f"{own} exists already"):
        TABLE.save(tmp_path / "table.csv")
    assert bytes_of(tmp_path) == {own: b"the user's own"}


def test_locks_that_are_refused_leave_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    def refused(*_: object) -> None:
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(fcntl, "flock", refused)
    with pytest.raises(BlinkspotError, match="cannot be written to") as told:
        write_stack(tmp_path / "movie.tif", MOVIE)
    assert is_one_sentence(str(told.value))
    assert list(tmp_path.iterdir()) == []


def test_a_link_to_a_folder_is_not_held(tmp_path: Path) -> None:
    (tmp_path / "another's").mkdir()
    (tmp_path / "another's" / "lock").write_text("its own")
    (tmp_path / "link").symlink_to("another's")
    with pytest.raises(FileExistsError), held(tmp_path / "link"):
        pass
    assert (tmp_path / "another's" / "lock").read_text() == "its own"


def test_a_file_in_the_place_of_a_folder_to_be_held_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(FileExistsError), held(tmp_path / "taken"):
        pass
    assert bytes_of(tmp_path) == {"taken": b"a file"}


def test_a_name_that_is_claimed_is_refused_to_others(tmp_path: Path) -> None:
    def claim() -> None:
        with claimed(path):
            pass

    path = tmp_path / "model"
    with claimed(path):
        assert in_child(claim) == 2
        with pytest.raises(
            BlinkspotError, match=r"model is being written already.*choose another name"
        ) as told:
            claim()
        assert is_one_sentence(str(told.value))
        # The one that has it may write it.
        with written_whole(path) as temporary:
            temporary.write_text("mine")
    claim()
    assert bytes_of(tmp_path) == {"model": b"mine"}


def test_a_killed_process_has_no_claim(tmp_path: Path) -> None:
    def claim_and_die() -> None:
        with claimed(tmp_path / "model"):
            os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(claim_and_die) == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 1
    with claimed(tmp_path / "model"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_files_that_go_together_are_none_if_one_is_taken(tmp_path: Path) -> None:
    paths = (tmp_path / "a.csv", tmp_path / "b.json")

    def write() -> None:
        with written_together(paths) as temporaries:
            for temporary in temporaries:
                temporary.write_text("ours")
            paths[0].write_text("another's")

    with pytest.raises(BlinkspotError, match=r"a\.csv has come into being meanwhile"):
        write()
    assert bytes_of(tmp_path) == {"a.csv": b"another's"}
