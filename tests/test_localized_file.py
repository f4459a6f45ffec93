"""Localizing into a file goes on after a break, and comes out as without one; nothing else is touched."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blinkspot import Camera, as_stack
from blinkspot.errors import BlinkspotError
from blinkspot.files.unfinished_files import UnfinishedFile, unfinished_files
from blinkspot.localization import LocalizedFile, Localizer, LocalizerSettings, found_rows, read_table
from blinkspot.localization import localizer as localizer_module
from blinkspot.localization.found_rows import KeptRows
from blinkspot.progress import finish

CAMERA = Camera(pixel_size_nm=100.0, offset_adu=100.0, electrons_per_adu=1.0)
N_FRAMES = 30


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is found reaches the disk at once, and every frame is worth a word."""
    monkeypatch.setattr(found_rows, "_SECURED_EVERY_S", 0.0)
    monkeypatch.setattr(found_rows, "_ROWS_READ_AT_ONCE", 2)
    monkeypatch.setattr(localizer_module, "SECONDS_BETWEEN_PROGRESS", -1.0)
    monkeypatch.setattr(localizer_module, "PIXELS_READ_AT_ONCE", 7 * 32 * 32)
    monkeypatch.setattr(localizer_module, "PIXELS_LOCALIZED_AT_ONCE", 2 * 32 * 32)


@pytest.fixture(scope="module")
def movie() -> np.ndarray:
    random = np.random.default_rng(3)
    y, x = np.mgrid[:32, :32]
    photons = np.full((N_FRAMES, 32, 32), 5.0)
    for frame in photons:
        for row, column in random.uniform(5, 27, (2, 2)):
            spot = np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * 1.3**2))
            frame += 400 / (2 * np.pi * 1.3**2) * spot
    return (100 + random.poisson(photons)).astype(np.uint16)


def file_of(path: Path, movie: np.ndarray, *, threshold: float = 1.0, restart: bool = False) -> LocalizedFile:
    localizer = Localizer(CAMERA, LocalizerSettings(threshold=threshold))
    return LocalizedFile(localizer, as_stack(movie), path, restart=restart)


def localize(file: LocalizedFile, until: Callable[[float], bool] = lambda done: False) -> bool:
    """Localize and save, or be interrupted once so many frames are done; tell whether it was saved."""
    with contextlib.suppress(KeyboardInterrupt), file:
        job = file.localize()
        try:
            while True:
                progress = next(job)
                if progress.step == "localizing" and until(progress.done):
                    raise KeyboardInterrupt
        except StopIteration as stop:
            file.save(stop.value)
            return True
    return False


def content(path: Path) -> tuple[pd.DataFrame, dict[str, object]]:
    table = read_table(path)
    return table.data, {name: value for name, value in table.provenance.items() if name != "created"}


def assert_same(path: Path, other: Path) -> None:
    (data, provenance), (other_data, other_provenance) = content(path), content(other)
    pd.testing.assert_frame_equal(data, other_data, check_exact=True)
    assert provenance == other_provenance


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, movie: np.ndarray) -> Path:
    """The table made in one go, without anything being kept."""
    path = tmp_path_factory.mktemp("whole") / "table.csv"
    finish(Localizer(CAMERA, LocalizerSettings()).localize(movie)).save(path)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".hdf5"])
def test_interrupted_twice_it_is_the_same(
    tmp_path: Path, movie: np.ndarray, whole: Path, suffix: str
) -> None:
    path = tmp_path / f"table{suffix}"
    for until in (9, 20):
        file = file_of(path, movie)
        assert not localize(file, lambda done, until=until: done >= until)
        (kept,) = tmp_path.iterdir()
        assert kept.name.startswith(f".table{suffix}.")
        assert file.kept.startswith("Stopped after ")
        assert str(kept) in file.kept
    last = file_of(path, movie)
    first_done: list[float] = []
    assert localize(last, lambda done: bool(first_done.append(done)))
    assert last.note.startswith("Going on after ")
    assert first_done[0] >= 20
    assert last.kept == ""
    assert sorted(entry.suffix for entry in tmp_path.iterdir()) == sorted(
        [suffix, ".yaml" if suffix == ".hdf5" else ".json"]
    )
    if suffix == ".csv":
        assert path.read_bytes() == whole.read_bytes()
        assert_same(path, whole)
    else:
        assert len(read_table(path)) == len(read_table(whole))


@settings(max_examples=15, deadline=None)
@given(kills=st.lists(st.tuples(st.integers(1, N_FRAMES - 1), st.integers(0, 400)), min_size=1, max_size=3))
def test_killed_at_any_moments_it_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, movie: np.ndarray, whole: Path, kills: list[tuple[int, int]]
) -> None:
    """A kill: what lies on the disk then is all there is, and rows that are not counted yet lie behind."""
    folder = tmp_path_factory.mktemp("killed") / "results"
    folder.mkdir()
    path = folder / "table.csv"
    for until, torn_bytes in kills:
        image = folder.with_name("as it was")

        def killed(done: float, until: int = until, image: Path = image) -> bool:
            if done >= until:
                shutil.copytree(folder, image)
            return done >= until

        if localize(file_of(path, movie), killed):
            path.unlink()
            path.with_suffix(".provenance.json").unlink()
            continue
        shutil.rmtree(folder)
        image.rename(folder)
        for lock in folder.glob(".*/lock"):
            lock.unlink()
        for rows in folder.glob(".*/rows.float64"):
            with rows.open("ab") as file:
                file.write(b"\x01" * torn_bytes)
    assert localize(file_of(path, movie))
    assert sorted(folder.iterdir()) == [path, path.with_suffix(".provenance.json")]
    assert path.read_bytes() == whole.read_bytes()


def test_other_settings_begin_anew_and_leave_what_is_kept(tmp_path: Path, movie: np.ndarray) -> None:
    path = tmp_path / "table.csv"
    localize(file_of(path, movie), lambda done: done >= 15)
    (kept,) = tmp_path.iterdir()
    rows = (kept / "rows.float64").read_bytes()
    other = file_of(path, movie, threshold=2.0)
    assert localize(other)
    assert other.note.startswith("Begun anew: the ")
    assert "with another setting of the localizer" in other.note
    assert (kept / "rows.float64").read_bytes() == rows
    path.unlink()
    path.with_suffix(".provenance.json").unlink()
    again = file_of(path, movie)
    assert localize(again)
    assert again.note.startswith("Going on after ")


def test_another_movie_begins_anew(tmp_path: Path, movie: np.ndarray) -> None:
    path = tmp_path / "table.csv"
    localize(file_of(path, movie), lambda done: done >= 15)
    other = file_of(path, movie[::-1].copy())
    assert localize(other)
    assert "with another movie" in other.note


def test_restart(tmp_path: Path, movie: np.ndarray) -> None:
    path = tmp_path / "table.csv"
    localize(file_of(path, movie), lambda done: done >= 15)
    done: list[float] = []
    file = file_of(path, movie, restart=True)
    assert localize(file, lambda so_far: bool(done.append(so_far)))
    assert file.note == ""
    assert done[0] == 0


@pytest.mark.parametrize("damage", ["shorter", "a link", "record", "missing"])
def test_damaged_rows_begin_anew(tmp_path: Path, movie: np.ndarray, whole: Path, damage: str) -> None:
    path = tmp_path / "table.csv"
    localize(file_of(path, movie), lambda done: done >= 15)
    (kept,) = tmp_path.iterdir()
    rows = kept / "rows.float64"
    if damage == "shorter":
        os.truncate(rows, rows.stat().st_size - 1)
    elif damage == "a link":
        elsewhere = tmp_path.parent / f"{tmp_path.name} elsewhere"
        shutil.move(rows, elsewhere)
        rows.symlink_to(elsewhere)
        before = elsewhere.read_bytes()
    elif damage == "record":
        record = json.loads((kept / "record.json").read_text())
        record["frames"] += 1
        (kept / "record.json").write_text(json.dumps(record))
    else:
        rows.unlink()
    file = file_of(path, movie)
    assert localize(file)
    assert file.note == ("" if damage == "missing" else "Begun anew: what was kept of table.csv is damaged.")
    assert path.read_bytes() == whole.read_bytes()
    if damage == "a link":
        assert elsewhere.read_bytes() == before


def test_a_kill_after_the_table_had_its_name_leaves_nothing(
    tmp_path: Path, movie: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "table.csv"
    with monkeypatch.context() as patch:
        patch.setattr(UnfinishedFile, "clear", lambda self: None)
        assert localize(file_of(path, movie))
    before = path.read_bytes()
    assert unfinished_files(path)
    with pytest.raises(BlinkspotError, match="exists already"), file_of(path, movie):
        pass
    assert unfinished_files(path) == []
    assert path.read_bytes() == before


def test_a_table_that_comes_into_being_meanwhile_is_kept_and_so_are_the_rows(
    tmp_path: Path, movie: np.ndarray, whole: Path
) -> None:
    path = tmp_path / "table.csv"
    with file_of(path, movie) as file:
        table = finish(file.localize())
        path.write_text("another's")
        with pytest.raises(BlinkspotError, match="exists already"):
            file.save(table)
    assert path.read_text() == "another's"
    with pytest.raises(BlinkspotError, match="exists already"), file_of(path, movie):
        pass
    path.unlink()
    again = file_of(path, movie)
    assert localize(again)
    assert again.note == f"Going on after {N_FRAMES} of {N_FRAMES} frames."
    assert path.read_bytes() == whole.read_bytes()


def test_a_kill_before_the_table_had_its_name_does_not_make_anothers_file_ours(
    tmp_path: Path, movie: np.ndarray
) -> None:
    path = tmp_path / "table.csv"
    localize(file_of(path, movie), lambda done: done >= 15)
    (kept,) = tmp_path.iterdir()
    (kept / "saving").touch()
    localize(file_of(path, movie), lambda done: done >= 20)
    path.write_text("another's")
    with pytest.raises(BlinkspotError, match="exists already"), file_of(path, movie):
        pass
    assert (kept / "rows.float64").exists()


def test_two_at_once(tmp_path: Path, movie: np.ndarray) -> None:
    path = tmp_path / "table.csv"
    with (
        file_of(path, movie),
        pytest.raises(BlinkspotError, match="is being written already"),
        file_of(path, movie),
    ):
        pass


def test_a_full_disk_is_said_in_a_sentence(
    tmp_path: Path, movie: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "table.csv"
    localize(file_of(path, movie), lambda done: done >= 15)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(found_rows.os, "fsync", full)
        with pytest.raises(
            BlinkspotError, match=r"table\.csv could not be written \(No space left on device\)"
        ):
            localize(file_of(path, movie))
    again = file_of(path, movie)
    assert localize(again)
    assert again.note.startswith("Going on after ")


def test_an_error_of_the_movie_is_not_taken_for_one_of_the_table(tmp_path: Path, movie: np.ndarray) -> None:
    def fail(done: float) -> bool:
        if done >= 15:
            raise OSError(5, "Input/output error", "movie.tif")
        return False

    with pytest.raises(OSError, match=r"movie\.tif"):
        localize(file_of(tmp_path / "table.csv", movie), fail)


def test_empty_tables(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    dark = np.full((8, 32, 32), 105, np.uint16)
    assert localize(file_of(path, dark, threshold=50.0))
    assert len(read_table(path)) == 0


def test_frames_without_molecules_after_a_torn_row_are_kept_too(tmp_path: Path) -> None:
    rows = np.arange(10.0).reshape(2, 5)
    with KeptRows(tmp_path / "table.csv", {"a": 1}, 9) as first:
        first.begin(5)
        first.append(rows, 1)
    with (first.kept_in / "rows.float64").open("ab") as file:
        file.write(b"torn")
    with KeptRows(tmp_path / "table.csv", {"a": 1}, 9) as second:
        second.begin(5)
        second.append(np.empty((0, 5)), 2)
    with KeptRows(tmp_path / "table.csv", {"a": 1}, 9) as third:
        third.begin(5)
        assert third.note == "Going on after 2 of 9 frames."
        np.testing.assert_array_equal(third.taken(), rows)


def test_rows_are_what_was_written(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    parts = [random.normal(size=(n, 5)) for n in (3, 0, 4)]
    with KeptRows(tmp_path / "table.csv", {"a": 1}, 3) as rows:
        rows.begin(5)
        for done, part in enumerate(parts[:2], start=1):
            rows.append(part, done)
    with KeptRows(tmp_path / "table.csv", {"a": 1}, 3) as rows:
        rows.begin(5)
        assert rows.frames_done == 2
        rows.append(parts[2], 3)
        np.testing.assert_array_equal(rows.taken(), np.concatenate(parts))


def test_a_disk_that_fills_up_within_a_row_leaves_whole_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk takes what it has room for; frames whose rows it took in part are not counted."""

    class Full(io.FileIO):
        def write(self, content: Any) -> int:
            if self.tell() + len(memoryview(content)) <= 5 * 40:
                return super().write(content)
            if self.tell() < 4 * 40 + 12:
                return super().write(memoryview(content)[: 4 * 40 + 12 - self.tell()])
            raise OSError(errno.ENOSPC, "No space left on device")

    part = np.arange(15.0).reshape(3, 5)
    path = tmp_path / "table.csv"
    with KeptRows(path, {"a": 1}, 3) as rows:
        rows.begin(5)
        rows.append(part, 1)
    monkeypatch.setattr(found_rows, "_SECURED_EVERY_S", 60.0)

    def fill_up() -> None:
        with KeptRows(path, {"a": 1}, 3) as rows:
            rows.begin(5)
            file = rows._file
            assert file is not None
            file.close()
            rows._file = io.BufferedWriter(Full(file.name, "ab"), buffer_size=1)
            rows.append(part[:1], 2)
            rows.append(part, 3)

    with pytest.raises(BlinkspotError, match="No space left"):
        fill_up()
    with KeptRows(path, {"a": 1}, 3) as rows:
        rows.begin(5)
        assert rows.frames_done == 1
        rows.append(part[:1], 2)
        rows.append(part, 3)
        np.testing.assert_array_equal(rows.taken(), np.concatenate([part, part[:1], part]))


def test_what_cannot_be_locked_is_said_of_a_relative_path(
    tmp_path: Path, movie: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    localize(file_of(Path("table.csv"), movie), lambda done: done >= 15)
    (kept,) = tmp_path.glob(".table.csv.*.unfinished")
    (kept / "lock").unlink(missing_ok=True)
    (kept / "lock").mkdir()
    with pytest.raises(BlinkspotError, match=r"table\.csv could not be written"):
        localize(file_of(Path("table.csv"), movie))
