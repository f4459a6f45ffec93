"""Results are written whole or not at all, and never over another.

Root may write anywhere, so failures are simulated.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from blinkspot.errors import BlinkspotError
from blinkspot.files.whole_files import check_can_write, check_new_folder, unused_path, written_whole


def failing(error_number: int) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise OSError(error_number, os.strerror(error_number))

    return fail


def write(path: Path, then: Callable[[], object] = lambda: None) -> None:
    with written_whole(path) as temporary:
        temporary.write_bytes(b"result")
        then()


def test_whole(tmp_path: Path) -> None:
    path = tmp_path / "result.tif"
    with written_whole(path) as temporary:
        assert temporary.name == path.name
        assert_hidden(tmp_path, path)
        temporary.write_bytes(b"half")
        assert not path.exists()
    assert path.read_bytes() == b"half"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, GeneratorExit])
def test_nothing_is_left_of_what_failed(tmp_path: Path, error: type[BaseException]) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(error):
        write(tmp_path / "result.csv", fail)
    assert list(tmp_path.iterdir()) == []


def test_closing_a_job_midway_leaves_nothing(tmp_path: Path) -> None:
    def job() -> Iterator[None]:
        with written_whole(tmp_path / "result.csv") as temporary:
            temporary.write_bytes(b"half")
            yield

    running = job()
    next(running)
    assert len(list(tmp_path.iterdir())) == 1
    running.close()
    assert list(tmp_path.iterdir()) == []


def write_folder(path: Path, then: Callable[[], object] = lambda: None) -> None:
    with written_whole(path) as temporary:
        (temporary / "0" / "c").mkdir(parents=True)
        (temporary / "0" / "c" / "chunk").write_bytes(b"result")
        then()


def test_whole_folder(tmp_path: Path) -> None:
    path = tmp_path / "result.zarr"
    write_folder(path, lambda: assert_hidden(tmp_path, path))
    assert (path / "0" / "c" / "chunk").read_bytes() == b"result"
    assert list(tmp_path.iterdir()) == [path]


def assert_hidden(folder: Path, path: Path) -> None:
    (temporary,) = folder.iterdir()
    assert temporary.name.startswith(f".{path.name}.")
    assert temporary.suffix == ".part"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, GeneratorExit])
def test_nothing_is_left_of_a_folder_that_failed(tmp_path: Path, error: type[BaseException]) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(error):
        write_folder(tmp_path / "result.zarr", fail)
    assert list(tmp_path.iterdir()) == []


def test_folder_not_merged_into_one_that_appears_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "result.zarr"
    with pytest.raises(BlinkspotError, match="meanwhile"):
        write_folder(path, path.mkdir)
    assert list(tmp_path.iterdir()) == [path]
    assert list(path.iterdir()) == []


def test_failure_within_the_folder_is_one_of_the_result(tmp_path: Path) -> None:
    def fail() -> None:
        (temporary,) = tmp_path.iterdir()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(temporary / "0" / "c" / "chunk"))

    with pytest.raises(
        BlinkspotError, match=r"result\.zarr could not be written \(No space left on device\)"
    ):
        write_folder(tmp_path / "result.zarr", fail)
    assert list(tmp_path.iterdir()) == []


def test_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "result.csv"
    path.write_bytes(b"precious")
    with pytest.raises(BlinkspotError, match="overwritten"):
        write(path)
    assert path.read_bytes() == b"precious"


def test_not_overwritten_when_it_appears_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "result.csv"
    with pytest.raises(BlinkspotError, match="meanwhile"):
        write(path, lambda: path.write_bytes(b"another's"))
    assert path.read_bytes() == b"another's"
    assert list(tmp_path.iterdir()) == [path]


def test_disk_full_while_writing(tmp_path: Path) -> None:
    path = tmp_path / "result.csv"
    full = r"result\.csv could not be written \(No space left on device\)"
    with pytest.raises(BlinkspotError, match=full):
        write(path, failing(errno.ENOSPC))
    assert list(tmp_path.iterdir()) == []


def test_renaming_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", failing(errno.EPERM))
    monkeypatch.setattr(os, "rename", failing(errno.EACCES))
    with pytest.raises(BlinkspotError, match="Permission denied"):
        write(tmp_path / "result.csv")
    assert list(tmp_path.iterdir()) == []


def test_disk_too_small_for_what_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10**9))
    with pytest.raises(BlinkspotError, match=r"needs 2\.00 GB, but .* has only 1\.00 GB free"):
        check_can_write(tmp_path / "result.tif", 2 * 10**9)
    assert check_can_write(tmp_path / "result.tif", 10**9) == tmp_path / "result.tif"
    assert list(tmp_path.iterdir()) == []


def test_disk_too_small_for_something_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=2_000))
    with pytest.raises(BlinkspotError, match=r"needs 3\.00 MB, but .* has only 2\.0 kB free"):
        check_can_write(tmp_path / "result.tif", 3 * 10**6)


@pytest.mark.parametrize("length", [240, 300])
def test_name_too_long_for_the_result_or_its_temporary_name(tmp_path: Path, length: int) -> None:
    """Said before the work: with 240 letters, the temporary name alone would be too long."""
    path = tmp_path / ("a" * length + ".tif")
    with pytest.raises(BlinkspotError, match="is too long"):
        check_can_write(path)
    with pytest.raises(BlinkspotError, match="is too long"):
        check_new_folder(path)


def test_a_folder_that_nothing_can_be_written_beside_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "empty"
    path.mkdir()
    assert check_new_folder(path) == path
    monkeypatch.setattr(Path, "mkdir", failing(errno.EACCES))
    with pytest.raises(BlinkspotError, match="cannot be written to"):
        check_new_folder(path)


def test_a_link_to_an_empty_folder_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    with pytest.raises(BlinkspotError, match="not overwritten"):
        check_new_folder(tmp_path / "link")


def test_link_to_nowhere_is_not_overwritten(tmp_path: Path) -> None:
    link = tmp_path / "link.tif"
    link.symlink_to(tmp_path / "absent.tif")
    with pytest.raises(BlinkspotError, match="overwritten"):
        write(link)
    assert link.is_symlink()


def test_what_is_read_within_is_not_taken_for_what_is_written(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"source\.tif"):
        write(tmp_path / "result.tif", lambda: (tmp_path / "source.tif").read_bytes())
    assert list(tmp_path.iterdir()) == []


def test_read_only_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "mkdir", failing(errno.EROFS))
    with pytest.raises(BlinkspotError, match="cannot be written to \\(Read-only file system\\)"):
        write(tmp_path / "result.csv")


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(BlinkspotError, match="does not exist"):
        write(tmp_path / "absent" / "result.csv")


def test_unused_path(tmp_path: Path) -> None:
    path = tmp_path / "result.tif"
    assert unused_path(path) == path
    path.touch()
    assert unused_path(path) == tmp_path / "result-2.tif"
    (tmp_path / "result-2.tif").touch()
    assert unused_path(path) == tmp_path / "result-3.tif"
