"""Commands whose movie goes away, whose disk fills up, or whose name another has: all files stay whole."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_faults_disk import bytes_of, is_one_sentence, largest_file

from blinkspot.cli import main
from blinkspot.denoising import frame_stream
from blinkspot.files.part_folders import claimed
from blinkspot.files.unfinished_files import unfinished_files

pytest_plugins = ["commands"]

Command = Callable[..., Any]
QUICK = ("--epochs", 1, "--channels", 4, "--context-frames", 1, "--device", "cpu")
DATE = re.compile(rb"(\d\0?){4}-\0?(\d\0?){2}-\0?(\d\0?){2}T\0?(\d\0?){2}:\0?(\d\0?){2}:\0?(\d\0?){2}")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A movie, a model made in a moment, and a table."""
    folder = tmp_path_factory.mktemp("made")
    movie, camera = folder / "movie.tif", folder / "movie_camera.toml"
    for arguments in (
        ["simulate", movie, "--frames", 40, "--size", 32, "--seed", 3],
        ["train", movie, "-o", folder / "model", "--camera", camera, *QUICK],
        ["localize", movie, "-o", folder / "table.csv", "--camera", camera],
        ["denoise", movie, "-m", folder / "model", "-o", folder / "denoised.tif"],
    ):
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        assert ended.value.code == 0
    return folder


@pytest.fixture
def mine(made: Path, tmp_path: Path) -> Path:
    """A copy of these that may be spoiled."""
    return shutil.copytree(made, tmp_path / "mine")


@pytest.fixture
def small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have movies read a frame at a time."""
    monkeypatch.setattr("blinkspot.localization.localizer.PIXELS_READ_AT_ONCE", 1)
    monkeypatch.setattr("blinkspot.localization.localizer.SECONDS_BETWEEN_PROGRESS", 0.0)
    monkeypatch.setitem(frame_stream._PIXELS_AT_ONCE, "cpu", 1024)
    monkeypatch.setattr("blinkspot.movies.resumable_writing._SECURED_EVERY_S", 0.0)


COMMANDS: dict[str, tuple[str, tuple[object, ...], str]] = {
    "localize": ("out.csv", (), "localizing"),
    "denoise": ("out.tif", ("-m", "model"), "denoising"),
    "train": ("out", QUICK, "choosing frames"),
}


def line(name: str, folder: Path) -> tuple[object, ...]:
    out, more, _ = COMMANDS[name]
    camera = () if name == "denoise" else ("--camera", folder / "movie_camera.toml")
    known = [folder / word if word == "model" else word for word in more]
    return (name, folder / "movie.tif", "-o", folder / out, *camera, *known)


def delete(path: Path) -> None:
    path.unlink()


def cut(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 4)


@pytest.mark.usefixtures("small_portions")
@pytest.mark.parametrize(("spoil", "words"), [(delete, "can no longer be read"), (cut, "is cut short")])
@pytest.mark.parametrize("name", COMMANDS)
def test_a_movie_that_goes_away_midway(
    mine: Path,
    command: Command,
    on_progress: Callable[..., None],
    name: str,
    spoil: Callable[[Path], None],
    words: str,
) -> None:
    movie, out = mine / "movie.tif", mine / COMMANDS[name][0]
    content, before = movie.read_bytes(), bytes_of(mine)
    del before["movie.tif"]
    seen = 0

    def watch(progress: Any) -> None:
        nonlocal seen
        seen += progress.step == COMMANDS[name][2]
        if seen == (1 if name == "train" else 8) and not spoilt:
            spoilt.append(spoil(movie))

    spoilt: list[None] = []
    on_progress(watch)
    ended = command(*line(name, mine))
    assert ended.status == 2
    sentence = ended.words[-1].removeprefix("blinkspot: ")
    assert sentence.startswith(f"{movie} {words}")
    assert is_one_sentence(sentence)
    kept = unfinished_files(out)
    assert len(kept) == (name in ("denoise", "localize"))
    left = bytes_of(mine)
    left.pop("movie.tif", None)
    assert {path: data for path, data in left.items() if ".unfinished" not in path} == before
    movie.write_bytes(content)
    assert command(*line(name, mine)).status == 0
    assert not unfinished_files(out)
    if name == "denoise":
        assert command(*line(name, mine)[:3], mine / "again.tif", *line(name, mine)[4:]).status == 0
        resumed, again = (DATE.sub(b"", (mine / file).read_bytes()) for file in ("out.tif", "again.tif"))
        assert resumed == again
    assert before.items() <= bytes_of(mine).items()


@pytest.mark.parametrize("name", COMMANDS)
def test_a_disk_that_is_full(
    mine: Path, command: Command, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("blinkspot.denoising.training.training._CHECKPOINT_EVERY_S", 0.0)
    before = bytes_of(mine)
    with largest_file(500):
        ended = command(*line(name, mine))
    assert ended.status == 2
    assert "could not be written (File too large)" in ended.words[-1]
    assert is_one_sentence(ended.words[-1].removeprefix("blinkspot: "))
    assert bytes_of(mine) == before
    assert {path.name for path in mine.iterdir()} == set(before)


@pytest.mark.parametrize("name", ["localize", "train", "process"])
def test_a_name_for_which_another_is_at_work_is_refused_at_once(
    mine: Path, command: Command, name: str
) -> None:
    out = mine / ("out" if name == "train" else "out.csv")
    process = ("process", mine / "table.csv", "-o", out, "--step", "merge")
    arguments = process if name == "process" else line(name, mine)
    before = bytes_of(mine)
    with claimed(out):
        ended = command(*arguments)
        assert ended.refuses(
            f"{out} is being written already, by another job: wait until that is done, or choose"
        )
    assert bytes_of(mine) == before
    assert command(*arguments).status == 0


def test_a_training_whose_process_was_killed_right_after_its_end(
    mine: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the checkpoint is still beside the finished model, and goes with the next command."""
    monkeypatch.setattr("blinkspot.denoising.training.training._CHECKPOINT_EVERY_S", 0.0)
    monkeypatch.setattr("blinkspot.denoising.training.kept_training.discard", lambda _: None)
    arguments = line("train", mine)
    assert command(*arguments).status == 0
    assert (mine / "out.checkpoint").exists()
    monkeypatch.undo()
    assert command(*arguments).refuses("out exists already and is not overwritten")
    assert not (mine / "out.checkpoint").exists()


def test_restart_begins_a_training_anew(
    mine: Path, command: Command, on_progress: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blinkspot.denoising.training.training._CHECKPOINT_EVERY_S", 0.0)

    def fail(progress: Any) -> None:
        if progress.step == "training" and progress.done >= 5 and not checked:
            checked.append(checkpoint.exists())
            raise KeyError("as if killed")

    checked: list[bool] = []
    checkpoint = mine / "out.checkpoint"

    on_progress(fail)
    with pytest.raises(KeyError):
        main([str(argument) for argument in line("train", mine)])
    assert checkpoint.exists()
    both = command(*line("train", mine), "--restart", "--resume", checkpoint)
    assert both.refuses("--restart begins anew, and --resume goes on: give one of them")
    steps: list[float] = []
    on_progress(lambda progress: steps.append(progress.done) if progress.step == "training" else None)
    assert command(*line("train", mine), "--restart").status == 0
    assert min(steps) < 2
    assert not checkpoint.exists()
