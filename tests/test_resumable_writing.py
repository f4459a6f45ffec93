"""Movies whose writing ends early go on, and come out as if written in one go; nothing else is touched."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blinkspot.errors import BlinkspotError
from blinkspot.files.unfinished_files import Record, UnfinishedFile, remove_unfinished, unfinished_files
from blinkspot.movies import resumable_writing, zarr_writing
from blinkspot.movies.resumable_writing import ResumableStackWriter
from blinkspot.movies.stack import StackWriter, open_stack

MOVIE = np.random.default_rng(0).normal(100, 10, (7, 20, 24)).astype(np.float32)
IDENTITY = {"movie": "a", "model": "b", "estimate": "map"}
SUFFIXES = (".tif", ".zarr")
either = pytest.mark.parametrize("suffix", SUFFIXES)


@pytest.fixture(autouse=True)
def frame_by_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """One frame makes a chunk, and each reaches the disk at once."""
    monkeypatch.setattr(zarr_writing, "_CHUNK_BYTES", 1)
    monkeypatch.setattr(resumable_writing, "_SECURED_EVERY_S", 0.0)
    monkeypatch.setattr(resumable_writing, "_SHARE_OF_TIME", 1e9)


def writer_of(path: Path, movie: np.ndarray = MOVIE, **more: Any) -> ResumableStackWriter:
    more = {"provenance": {"step": "denoise"}, "identity": IDENTITY, **more}
    return ResumableStackWriter(path, movie.shape, movie.dtype, pixel_size_nm=100.0, **more)


def write(path: Path, until: int, movie: np.ndarray = MOVIE, **more: Any) -> ResumableStackWriter:
    """Write as far as a certain frame, one by one, and be interrupted there if it is not the last."""
    writer = writer_of(path, movie, **more)
    with contextlib.suppress(KeyboardInterrupt), writer:
        for frame in movie[writer.frames_written : until]:
            writer.write(frame[None])
        if until < len(movie):
            raise KeyboardInterrupt
    return writer


def bytes_of(path: Path) -> dict[str, bytes]:
    """All there is of a file or folder."""
    if path.is_file():
        return {"": path.read_bytes()}
    files = (entry for entry in path.rglob("*") if entry.is_file())
    return {entry.relative_to(path).as_posix(): entry.read_bytes() for entry in files}


def in_one_go(folder: Path, suffix: str, movie: np.ndarray = MOVIE) -> dict[str, bytes]:
    """What the ordinary writer makes of it."""
    path = folder / f"movie{suffix}"
    folder.mkdir(exist_ok=True)
    with StackWriter(
        path, movie.shape, movie.dtype, pixel_size_nm=100.0, provenance={"step": "denoise"}
    ) as writer:
        writer.write(movie)
    return bytes_of(path)


@pytest.fixture
def path(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    folder = tmp_path / "results"
    folder.mkdir()
    return folder / f"movie{request.getfixturevalue('suffix')}"


@pytest.fixture
def suffix() -> str:
    return ".tif"


@either
def test_an_interrupted_movie_goes_on_and_is_the_same(path: Path, suffix: str, tmp_path: Path) -> None:
    for until in (3, 5):
        kept = write(path, until)
        assert kept.frames_secured == until
        assert list(path.parent.iterdir()) == [kept.kept_in]
        assert kept.kept_in.name.startswith(f".movie{suffix}.")
    done = write(path, 7)
    assert done.note == "Going on after 5 of 7 frames."
    assert list(path.parent.iterdir()) == [path]
    assert bytes_of(path) == in_one_go(tmp_path / "whole", suffix)
    np.testing.assert_array_equal(open_stack(path).frames(0, 7), MOVIE)


@given(
    dtype=st.sampled_from(["uint8", "uint16", "float32"]),
    suffix=st.sampled_from(SUFFIXES),
    chunk_bytes=st.integers(1, 600),
    portions=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    kills=st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=4),
)
@settings(max_examples=30, deadline=None)
def test_killed_at_any_moments_it_is_the_same(
    dtype: str, suffix: str, chunk_bytes: int, portions: list[int], kills: list[tuple[int, int]]
) -> None:
    """A kill: what lies on the disk then is all there is; the record may be older than the frames."""
    movie = np.random.default_rng(1).integers(0, 200, (11, 5, 6)).astype(dtype)
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(zarr_writing, "_CHUNK_BYTES", chunk_bytes)
        folder = Path(name) / "results"
        folder.mkdir()
        path = folder / f"movie{suffix}"
        for last_secured, until in kills:
            image = Path(name) / "as it was"
            writer = writer_of(path, movie)
            with contextlib.suppress(KeyboardInterrupt), writer:
                writer._next_s = 0.0
                sizes = itertools.cycle(portions)
                while writer.frames_written < max(1, min(until, len(movie) - 1)):
                    if writer.frames_written > last_secured:
                        writer._next_s = float("inf")
                    writer.write(movie[writer.frames_written :][: next(sizes)])
                shutil.copytree(folder, image)
                raise KeyboardInterrupt
            shutil.rmtree(folder)
            image.rename(folder)
            for lock in folder.glob(".*/lock"):
                lock.unlink()
        writer = writer_of(path, movie)
        with writer:
            writer.write(movie[writer.frames_written :])
        assert list(folder.iterdir()) == [path]
        assert bytes_of(path) == in_one_go(Path(name) / "whole", suffix, movie)


@given(
    identity=st.dictionaries(
        st.text(max_size=5), st.one_of(st.none(), st.floats(allow_nan=False), st.text())
    ),
    n_frames=st.integers(0, 10**9),
    part=st.floats(0, 1),
    at=st.floats(0, 1, exclude_max=True),
    letter=st.characters(codec="utf-8"),
)
@settings(max_examples=60, deadline=None)
def test_a_record_comes_back_and_tells_if_it_is_not_what_it_was(
    identity: dict[str, Any], n_frames: int, part: float, at: float, letter: str
) -> None:
    record = Record("movie.tif", identity, n_frames, int(part * n_frames), 800)
    text = record.as_json()
    assert Record.from_json(text) == record
    place = int(at * len(text))
    changed = text[:place] + letter + text[place + 1 :]
    with contextlib.suppress(ValueError, TypeError, RecursionError):
        # Other letters for the same values (blanks, escapes) are the same record.
        assert Record.from_json(changed) == record
    with pytest.raises(ValueError, match=r"."):
        Record.from_json(text[:place])


RECORDS = {
    "nothing": "",
    "garbage": "\x00\x01 nonsense",
    "deep": "[" * 100_000,
    "a list": "[1, 2]",
    "too many": json.dumps({"frames": 10**30}),
    "numbers": "1e999",
}


@either
@pytest.mark.parametrize("content", RECORDS.values(), ids=RECORDS)
def test_a_record_that_is_damaged_counts_for_nothing(
    path: Path, suffix: str, tmp_path: Path, content: str
) -> None:
    kept = write(path, 4).kept_in
    (kept / "record.json").write_text(content)
    done = write(path, 7)
    assert done.note == f"Begun anew: what was kept of movie{suffix} is damaged."
    assert bytes_of(path) == in_one_go(tmp_path / "whole", suffix)
    assert list(path.parent.iterdir()) == [path]


def sealed(record: dict[str, Any]) -> str:
    """A record with absurd values, but true to itself."""
    content = json.dumps(record, sort_keys=True)
    return json.dumps({**record, "digest": hashlib.sha256(content.encode()).hexdigest()})


@either
@pytest.mark.parametrize(
    "absurd",
    [{"frames": 8}, {"frames": -1}, {"frames": 10**30, "n_frames": 10**30}, {"frames": "4"}, {"more": 1}],
)
def test_a_record_with_absurd_values_counts_for_nothing(path: Path, suffix: str, absurd: dict) -> None:
    kept = write(path, 4).kept_in
    values = json.loads((kept / "record.json").read_text())
    values.pop("digest")
    (kept / "record.json").write_text(sealed({**values, **absurd}))
    done = write(path, 7)
    assert "Going on" not in done.note
    np.testing.assert_array_equal(open_stack(path).frames(0, 7), MOVIE)


def damage_tiff(movie: Path, how: str) -> None:
    content = movie.read_bytes()
    if how == "gone":
        movie.unlink()
        return
    other = b"II*\0" + b"\x5a" * (len(content) - 4)
    movie.write_bytes({"cut": content[:-1], "empty": b"", "other": other}[how])


def damage_zarr(movie: Path, how: str) -> None:
    if how == "gone":
        shutil.rmtree(movie)
    elif how == "cut":
        (movie / "0" / "c.2.0.0").unlink()
    elif how == "empty":
        (movie / "0" / "zarr.json").write_text("")
    else:
        description = json.loads((movie / "0" / "zarr.json").read_text())
        description["shape"][0] = 10**15
        (movie / "0" / "zarr.json").write_text(json.dumps(description))


@either
@pytest.mark.parametrize("how", ["cut", "empty", "other", "gone"])
def test_a_movie_that_is_damaged_is_begun_anew(path: Path, suffix: str, tmp_path: Path, how: str) -> None:
    kept = write(path, 4).kept_in
    (damage_tiff if suffix == ".tif" else damage_zarr)(kept / f"movie{suffix}", how)
    done = write(path, 7)
    assert done.note == f"Begun anew: what was kept of movie{suffix} is damaged."
    assert bytes_of(path) == in_one_go(tmp_path / "whole", suffix)
    assert list(path.parent.iterdir()) == [path]


@either
def test_another_movie_of_that_name_is_not_gone_on_with_and_stays(path: Path, suffix: str) -> None:
    kept = write(path, 4)
    before = bytes_of(kept.kept_in)
    other = write(path, 7, identity={**IDENTITY, "model": "another"})
    assert other.frames_secured == 7
    assert other.note == (
        f"Begun anew: the 4 of 7 frames in {kept.kept_in} were made with another model, and stay there."
    )
    assert bytes_of(kept.kept_in) == before
    assert set(path.parent.iterdir()) == {path, kept.kept_in}
    path.rename(path.with_name(f"other{suffix}"))
    assert write(path, 7).note == "Going on after 4 of 7 frames."


@either
def test_begun_anew_where_that_is_asked_for(path: Path, suffix: str, tmp_path: Path) -> None:
    write(path, 4)
    write(path, 3, identity={**IDENTITY, "model": "another"})
    assert len(unfinished_files(path)) == 2
    done = write(path, 7, restart=True)
    assert done.note == ""
    assert list(path.parent.iterdir()) == [path]
    assert bytes_of(path) == in_one_go(tmp_path / "whole", suffix)


def test_nothing_is_kept_of_nothing(path: Path) -> None:
    assert write(path, 0).frames_secured == 0
    assert list(path.parent.iterdir()) == []


def test_what_is_not_ours_is_never_removed(path: Path) -> None:
    kept = write(path, 4).kept_in
    (kept / "notes.txt").write_text("precious")
    neighbour = path.parent / ".movie.tif.backup.unfinished"
    neighbour.mkdir()
    (neighbour / "record.json").write_text("precious")
    other = path.parent / ".other.movie.tif.01234567.unfinished"
    other.mkdir()
    (other / "movie.tif").write_text("precious")
    remove_unfinished(path)
    write(path, 7)
    assert (kept / "notes.txt").read_text() == "precious"
    assert {entry.name for entry in kept.iterdir()} <= {"notes.txt", "lock"}
    assert (neighbour / "record.json").read_text() == (other / "movie.tif").read_text() == "precious"


def test_a_link_in_its_place_is_not_followed(path: Path, tmp_path: Path) -> None:
    kept = write(path, 4).kept_in
    elsewhere = tmp_path / "elsewhere"
    kept.rename(elsewhere)
    kept.symlink_to(elsewhere)
    before = bytes_of(elsewhere)
    with pytest.raises(BlinkspotError, match="is a link to elsewhere"):
        write(path, 7)
    assert bytes_of(elsewhere) == before
    kept.unlink()
    shutil.copytree(elsewhere, kept)
    (kept / "movie.tif").unlink()
    (kept / "movie.tif").symlink_to(elsewhere / "movie.tif")
    write(path, 7)
    assert bytes_of(elsewhere) == before
    assert not path.is_symlink()


@either
def test_a_file_that_is_there_is_not_overwritten(path: Path, suffix: str) -> None:
    kept = write(path, 4).kept_in
    path.write_text("precious")
    with pytest.raises(BlinkspotError, match="exists already"):
        write(path, 7)
    assert path.read_text() == "precious"
    path.unlink()
    assert write(path, 7).note == "Going on after 4 of 7 frames."
    assert not kept.exists()


@either
def test_a_file_that_comes_into_being_meanwhile_costs_nothing(path: Path, suffix: str) -> None:
    def meanwhile() -> None:
        with writer_of(path) as writer:
            writer.write(MOVIE)
            path.write_text("another's")

    with pytest.raises(BlinkspotError, match="has come into being meanwhile"):
        meanwhile()
    assert path.read_text() == "another's"
    path.unlink()
    assert write(path, 7).note == "Going on after 7 of 7 frames."
    np.testing.assert_array_equal(open_stack(path).frames(0, 7), MOVIE)
    assert list(path.parent.iterdir()) == [path]


@either
def test_what_a_kill_right_after_the_naming_leaves_is_cleared_away(path: Path, suffix: str) -> None:
    kept = write(path, 4).kept_in
    image = path.with_name("image")
    shutil.copytree(kept, image)
    write(path, 7)
    shutil.rmtree(image / f"movie{suffix}") if suffix == ".zarr" else (image / "movie.tif").unlink()
    image.rename(kept)
    with pytest.raises(BlinkspotError, match="exists already"):
        write(path, 7)
    assert list(path.parent.iterdir()) == [path]


@either
def test_only_one_at_a_time(path: Path, suffix: str) -> None:
    write(path, 2)
    busy = r"movie\.\w+ is being written already: wait until that is done, or choose another name"
    with writer_of(path) as first:
        for more in ({}, {"restart": True}, {"identity": {"model": "another"}}):
            with pytest.raises(BlinkspotError, match=busy):
                write(path, 7, **more)
        with pytest.raises(BlinkspotError, match=busy):
            remove_unfinished(path)
        first.write(MOVIE[2:])
    np.testing.assert_array_equal(open_stack(path).frames(0, 7), MOVIE)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("at", ["frames", "record"])
def test_a_disk_that_fills_up_costs_no_frame_that_was_there(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    def fill() -> None:
        with writer:
            for number, frame in enumerate(MOVIE):
                if number == 3:
                    patch.setattr(*where[at], full)
                writer.write(frame[None])

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    where = {"frames": (os, "fsync"), "record": (UnfinishedFile, "write_record")}
    writer = writer_of(path)
    no_room = r"could not be written \(No space left on device\)"
    with monkeypatch.context() as patch, pytest.raises(BlinkspotError, match=no_room):
        fill()
    assert writer.frames_secured == 3
    done = write(path, 7)
    assert done.note == "Going on after 3 of 7 frames."
    assert bytes_of(path) == in_one_go(tmp_path / "whole", ".tif")


def test_after_an_error_of_the_disk_what_it_says_is_not_believed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Linux reports the loss of written pages once; the next fsync succeeds."""
    real, failures = os.fsync, iter([OSError(errno.EIO, os.strerror(errno.EIO))])

    def fsync(descriptor: int) -> None:
        if (failure := next(failures, None)) is not None:
            raise failure
        real(descriptor)

    def lose() -> None:
        with writer:
            writer.write(MOVIE[:2])
            writer._next_s = float("inf")
            writer.write(MOVIE[2:4])
            monkeypatch.setattr(os, "fsync", fsync)
            writer._next_s = 0.0
            writer.write(MOVIE[4:5])

    writer = writer_of(path)
    with pytest.raises(BlinkspotError, match="Input/output error"):
        lose()
    monkeypatch.undo()
    assert writer.frames_secured == 2


def test_room_is_asked_for_only_for_what_is_missing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(path, 5)
    usage = shutil.disk_usage(path.parent)
    # Two frames and the list of pages, but not all of it.
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=8_000))
    assert write(path, 6).frames_secured == 6
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1_000))
    with pytest.raises(BlinkspotError, match=r"has only 1\.0 kB free"):
        write(path, 7)
    monkeypatch.undo()
    assert write(path, 7).note == "Going on after 6 of 7 frames."


def test_a_disk_that_cannot_be_read_for_a_moment_costs_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    write(path, 5)
    for broken in ("read_text", "open"):
        with monkeypatch.context() as patch:
            patch.setattr(Path, broken, fail)
            with pytest.raises(BlinkspotError, match="Input/output error"):
                write(path, 7)
    assert write(path, 7).note == "Going on after 5 of 7 frames."


def test_a_folder_that_turned_read_only(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    write(path, 5)
    before = bytes_of(path.parent)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", read_only)
        with pytest.raises(BlinkspotError, match="cannot be written to \\(Read-only file system\\)"):
            write(path, 7)
    assert bytes_of(path.parent) == before
    assert write(path, 7).note == "Going on after 5 of 7 frames."


def test_frames_count_only_once_they_are_on_the_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order of things: first the frames, then their number."""
    told: list[str] = []
    fsync, replace, link = os.fsync, os.replace, os.link

    def synced(descriptor: int) -> None:
        told.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        fsync(descriptor)

    def replaced(source: Path, target: Path) -> None:
        told.append(f"> {Path(target).name}")
        replace(source, target)

    def linked(source: Path, target: Path) -> None:
        told.append(f"> {Path(target).name}")
        link(source, target)

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("what is written to the disk can be watched on Linux only")
    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    monkeypatch.setattr(os, "link", linked)
    with writer_of(path) as writer:
        told.clear()
        writer.write(MOVIE)
        hidden = writer.kept_in.name
        assert told == ["movie.tif", "record.json.new", "> record.json", hidden]
        told.clear()
    assert told == ["movie.tif", "> movie.tif", path.parent.name]


def test_an_error_about_another_file_passes_as_it_is(path: Path) -> None:
    def write_and_read() -> None:
        with writer:
            writer.write(MOVIE[:1])
            Path("absent").read_bytes()

    writer = writer_of(path)
    with pytest.raises(FileNotFoundError, match="absent"):
        write_and_read()
    assert writer.frames_secured == 1


def test_a_name_that_is_too_long_for_what_is_kept_meanwhile_is_said(tmp_path: Path) -> None:
    # By itself it is not.
    (tmp_path / f"{'x' * 232}.tif").touch()
    (tmp_path / f"{'x' * 232}.tif").unlink()
    with pytest.raises(BlinkspotError, match=r"is too long for the folder .*: choose a shorter one"):
        write(tmp_path / f"{'x' * 232}.tif", 7)
    assert list(tmp_path.iterdir()) == []
