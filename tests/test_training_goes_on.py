"""`blinkspot train` started again after it was ended: it goes on with its own training, and with no other."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blinkspot.cli import console
from blinkspot.denoising import Denoiser
from blinkspot.denoising.training.checkpoint import read_checkpoint, write_checkpoint
from blinkspot.denoising.training.kept_training import discard_checkpoint_of_finished
from blinkspot.errors import BlinkspotError
from blinkspot.movies.identity import movie_identity
from blinkspot.movies.stack import as_stack, open_stack

pytest_plugins = ["commands"]

Command = Callable[..., Any]


def training(work: Path, model: Path, *more: object) -> tuple[object, ...]:
    quick = ("--epochs", 6, "--channels", 4, "--context-frames", 1, "--device", "cpu")
    return ("train", work / "movie.tif", "-o", model, "--camera", work / "movie_camera.toml", *quick, *more)


def steps_in(checkpoint: Path) -> int:
    return int(read_checkpoint(checkpoint)[0]["state"]["step"])


@pytest.fixture
def kept(work: Path, command: Command, tmp_path: Path, signals_as_before: None) -> Path:
    """What a training that ended early has left, and its model is gone."""
    show = console.ProgressBar.show

    def interrupt(bar: console.ProgressBar, progress: Any, more: str = "") -> None:
        show(bar, progress, more)
        if getattr(progress, "epoch", 0.0) > 1.0:
            signal.raise_signal(signal.SIGINT)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(console.ProgressBar, "show", interrupt)
        assert command(*training(work, tmp_path / "model")).status == 130
    (tmp_path / "model").unlink(missing_ok=True)
    return tmp_path / "model.checkpoint"


def test_nothing_is_said_of_going_on_with_another_training(work: Path, command: Command, kept: Path) -> None:
    content = kept.read_bytes()
    ended = command(*training(work, kept.with_suffix(""), "--seed", 5))
    assert ended.refuses("of another training (its seed is 0, not 5)")
    assert "--restart on the command line" in ended.words[-1]
    assert kept.read_bytes() == content


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:1000]), "or it is damaged: go on from another one"),
        (lambda path: path.write_bytes(b""), "or it is damaged: go on from another one"),
        (
            lambda path: path.write_bytes(path.read_bytes().replace(rb"format\": 4", rb"format\": 3")),
            "by another version of napari-blinkspot: move it away",
        ),
        (lambda path: (path.unlink(), path.mkdir()), "cannot be read as a checkpoint (Is a directory)"),
    ],
    ids=["truncated", "empty", "another version", "a folder"],
)
def test_what_cannot_be_gone_on_with_is_said_and_stays(
    work: Path, command: Command, kept: Path, spoil: Callable[[Path], Any], words: str
) -> None:
    spoil(kept)
    assert command(*training(work, kept.with_suffix(""))).refuses(words)
    assert kept.exists()


def test_a_checkpoint_that_may_not_be_read_is_not_called_damaged(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: object, *_: Any, **__: Any) -> Any:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(BlinkspotError, match=r"cannot be read as a checkpoint \(Permission denied\)"):
        read_checkpoint(kept)


def test_restart_says_where_what_is_kept_cannot_be_removed(
    work: Path, command: Command, tmp_path: Path
) -> None:
    (tmp_path / "model.checkpoint").mkdir()
    ended = command(*training(work, tmp_path / "model", "--restart"))
    assert ended.refuses("model.checkpoint cannot be removed: move it away")


@pytest.mark.parametrize(("ahead", "from_own"), [(1, True), (-1, False)])
def test_a_resumed_training_that_was_killed_goes_on_by_the_same_command(
    work: Path, command: Command, kept: Path, tmp_path: Path, ahead: int, from_own: bool
) -> None:
    own = tmp_path / "second.checkpoint"
    numbers, tensors = read_checkpoint(kept)
    numbers["state"]["step"] += ahead
    write_checkpoint(own, numbers, tensors)  # what the kill left of the resumed one
    ended = command(*training(work, tmp_path / "second", "--resume", kept))
    assert ended.status == 0, ended.err
    steps = steps_in(kept) + max(0, ahead)
    assert f"Going on after step {steps}, kept in {own if from_own else kept}." in ended.words


def test_a_checkpoint_to_resume_that_is_not_there_is_said(
    work: Path, command: Command, tmp_path: Path
) -> None:
    line = training(work, tmp_path / "model", "--resume", tmp_path / "no such")
    assert command(*line).refuses("There is no checkpoint")


def test_no_other_file_is_written_through_a_link(kept: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("another's")
    kept.with_name(f"{kept.name}.new").symlink_to(precious)
    write_checkpoint(kept, *read_checkpoint(kept))
    assert precious.read_text() == "another's"
    assert not kept.is_symlink()


def test_a_checkpoint_has_reached_the_disk_before_it_takes_the_place_of_the_old(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    sync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda number: (done.append("fsync"), sync(number)))
    monkeypatch.setattr(os, "replace", lambda *names: (done.append("replace"), replace(*names)))
    write_checkpoint(kept, *read_checkpoint(kept))
    assert done[:2] == ["fsync", "replace"]


@pytest.mark.parametrize(("of_that_movie", "stays"), [(True, False), (False, True)])
def test_only_its_own_checkpoint_is_discarded_beside_a_finished_model(
    work: Path, command: Command, kept: Path, of_that_movie: bool, stays: bool
) -> None:
    model = kept.with_suffix("")
    numbers, tensors = read_checkpoint(kept)
    assert command(*training(work, model)).status == 0
    if not of_that_movie:
        numbers["noise_ratio"] *= 1.01
    write_checkpoint(kept, numbers, tensors)  # as a kill right after the naming leaves it
    discard_checkpoint_of_finished(model)
    assert kept.exists() == stays


def test_the_checkpoint_beside_a_finished_model_of_a_camera_with_maps_is_known(
    work: Path, command: Command, kept: Path, tmp_path: Path
) -> None:
    model, (numbers, tensors) = kept.with_suffix(""), read_checkpoint(kept)
    kept.unlink()
    shape = open_stack(work / "movie.tif").shape[1:]
    np.save(tmp_path / "maps.npy", np.stack([np.full(shape, value, np.float32) for value in (100, 2, 1)]))
    line = training(work, model)
    at = line.index("--camera")
    assert command(*line[:at], "--maps", tmp_path / "maps.npy", *line[at + 2 :]).status == 0
    finished = Denoiser.load(model)
    own = {"camera": finished.camera.identity(), "noise_ratio": finished.provenance["noise_ratio"]}
    write_checkpoint(kept, {**numbers, **own}, tensors)
    discard_checkpoint_of_finished(model)
    assert not kept.exists()


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_model_cannot_be_a_folder(work: Path, command: Command, name: str) -> None:
    assert command(*training(work, name)).refuses("exists already")  # type: ignore[arg-type]


def test_an_interruption_while_the_finished_model_is_saved_comes_too_late(
    work: Path, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signals_as_before: None
) -> None:
    save = Denoiser.save

    def save_interrupted(model: Denoiser, path: Path) -> None:
        signal.raise_signal(signal.SIGINT)
        save(model, path)

    monkeypatch.setattr(Denoiser, "save", save_interrupted)
    assert command(*training(work, tmp_path / "model")).status == 0
    assert Denoiser.load(tmp_path / "model").provenance["finished"]
    assert list(tmp_path.iterdir()) == [tmp_path / "model"]


def test_a_training_ended_while_its_model_is_calibrated_is_kept(
    work: Path, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signals_as_before: None
) -> None:
    assert command(*training(work, tmp_path / "whole")).status == 0
    measure = Denoiser.measured_calibration

    def interrupted(*arguments: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        yield
        yield from measure(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Denoiser, "measured_calibration", interrupted)
        assert command(*training(work, tmp_path / "model")).status == 130
    (tmp_path / "model").unlink()
    ended = command(*training(work, tmp_path / "model"))
    assert ended.status == 0
    assert any(words.startswith("Going on after step ") for words in ended.words)
    whole, model = (Denoiser.load(tmp_path / name) for name in ("whole", "model"))
    assert model.digest() == whole.digest()
    assert model.provenance["calibration"] == whole.provenance["calibration"]
    assert sum("had settled" in words for words in ended.words) == 1


def test_whatever_ends_a_training_its_best_model_is_kept(
    work: Path, command: Command, tmp_path: Path, on_progress: Callable[..., None]
) -> None:
    def fail(progress: Any) -> None:
        if getattr(progress, "improved", False):
            raise OSError(5, "Input/output error", "/net/movie.tif")

    on_progress(fail)
    ended = command(*training(work, tmp_path / "model"))
    assert (ended.status, "Input/output error" in ended.words[-1]) == (2, True)
    Denoiser.load(tmp_path / "model")


def test_an_edited_movie_is_another_one() -> None:
    frames = np.random.default_rng(0).integers(0, 999, (320, 16, 16)).astype(np.uint16)
    edited = frames.copy()
    edited[30:60] += 1  # neither the first, the middle nor the last
    assert movie_identity(as_stack(edited)) != movie_identity(as_stack(frames))
    assert movie_identity(as_stack(frames[:2])) != movie_identity(as_stack(frames[1:3]))
