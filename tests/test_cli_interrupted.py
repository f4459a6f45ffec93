"""Commands that are interrupted, or short of room, midway: nothing is lost, nothing half-done is left.

What a denoising keeps is in test_resumed_denoising.py.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from blinkspot.cli import main
from blinkspot.denoising import Denoiser
from blinkspot.errors import BlinkspotError
from blinkspot.files.unfinished_files import unfinished_files

pytest_plugins = ["commands"]

Command = Callable[..., Any]

LONG_JOBS = {
    "simulate out.tif --frames 3000 --size 64": "simulating",
    "localize M -o out.csv": "localizing",
    "compare M D -o out": "comparing",
}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(("line", "step"), LONG_JOBS.items(), ids=LONG_JOBS.values())
def test_interrupted_midway_leaves_nothing(
    work: Path,
    command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    on_progress: Callable[..., None],
    line: str,
    step: str,
    number: signal.Signals,
) -> None:
    monkeypatch.chdir(tmp_path)
    seen = []

    def interrupt(progress: Any) -> None:
        if progress.step == step:
            seen.append(list(tmp_path.iterdir()))
            signal.raise_signal(number)

    on_progress(interrupt)
    names = {"M": work / "movie.tif", "D": work / "denoised.tif", "W": work / "a model"}
    ended = command(*(names.get(word, word) for word in line.split()))
    assert len(seen) == 1  # the job ended there
    assert ended.status == 130
    assert ended.words[-1] == "blinkspot: Stopped; nothing half-done was left behind."
    assert list(tmp_path.iterdir()) == []


def training_line(work: Path, out: Path) -> tuple[object, ...]:
    return ("train", work / "movie.tif", "-o", out, "--epochs", 500, "--channels", 4, "--context-frames", 1)


def test_interrupted_training_keeps_the_best_model(
    work: Path, command: Command, tmp_path: Path, on_progress: Callable[..., None]
) -> None:
    losses: list[float] = []

    def interrupt(progress: Any) -> None:
        if getattr(progress, "validated", False):
            losses.append(progress.validation_loss)
        if len(losses) == 3:
            signal.raise_signal(signal.SIGINT)

    on_progress(interrupt)
    ended = command(*training_line(work, tmp_path / "model"))
    assert ended.status == 130
    assert f"Stopped: the best model so far is {tmp_path / 'model'}." in ended.words
    assert Denoiser.load(tmp_path / "model").provenance["validation_loss"] == min(losses)
    assert set(tmp_path.iterdir()) == {tmp_path / "model", tmp_path / "model.checkpoint"}
    assert any(f"--resume {tmp_path / 'model.checkpoint'}" in line for line in ended.words)
    assert any("before its validation loss had settled" in line for line in ended.words)
    assert not any("nothing half-done" in line for line in ended.words)


def test_a_command_that_has_ended_does_not_collect_garbage_for_seconds() -> None:
    program = (
        "import atexit, gc\n"
        "atexit.register(lambda: print(gc.get_freeze_count() > 1000))\n"  # the last to be called
        "from blinkspot.cli import main\n"
        "main(['--version'])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "True"


def test_training_interrupted_before_there_is_a_model(
    work: Path, command: Command, tmp_path: Path, on_progress: Callable[..., None]
) -> None:
    on_progress(lambda _: signal.raise_signal(signal.SIGINT))
    ended = command(*training_line(work, tmp_path / "model"))
    assert ended.status == 130
    assert ended.words[-1] == "blinkspot: Stopped; nothing half-done was left behind."
    assert list(tmp_path.iterdir()) == []


def test_second_interruption_does_not_spoil_the_saving(
    work: Path, command: Command, tmp_path: Path, on_progress: Callable[..., None], monkeypatch: Any
) -> None:
    save = Denoiser.save

    def save_impatiently(model: Denoiser, path: Path) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        save(model, path)

    def interrupt(progress: Any) -> None:
        if getattr(progress, "improved", False):
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Denoiser, "save", save_impatiently)
    on_progress(interrupt)
    assert command(*training_line(work, tmp_path / "model")).status == 130
    Denoiser.load(tmp_path / "model")


def test_training_that_fails_keeps_the_best_model(
    work: Path, command: Command, tmp_path: Path, on_progress: Callable[..., None]
) -> None:
    def fail(progress: Any) -> None:
        if getattr(progress, "improved", False):
            raise BlinkspotError("The loss is no longer a number.")

    on_progress(fail)
    ended = command(*training_line(work, tmp_path / "model"))
    assert (ended.status, ended.words[-1]) == (2, "blinkspot: The loss is no longer a number.")
    Denoiser.load(tmp_path / "model")


def test_model_that_cannot_be_written_any_more_is_saved_elsewhere(
    work: Path,
    command: Command,
    tmp_path: Path,
    on_progress: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "stick"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "model").write_text("another's")

    def pull_out(progress: Any) -> None:
        if getattr(progress, "improved", False):
            shutil.rmtree(folder, ignore_errors=True)
            signal.raise_signal(signal.SIGINT)

    on_progress(pull_out)
    ended = command(*training_line(work, folder / "model"))
    assert ended.refuses(f"The model was saved as {tmp_path / 'model-2'} instead, because The folder")
    Denoiser.load(tmp_path / "model-2")
    assert (tmp_path / "model").read_text() == "another's"


def test_output_that_another_run_made_meanwhile_is_not_overwritten(
    work: Path, command: Command, tmp_path: Path, on_progress: Callable[..., None]
) -> None:
    out = tmp_path / "out.tif"
    written: list[int] = []
    on_progress(lambda _: written or written.append(out.write_text("another's")))
    ended = command("denoise", work / "movie.tif", "-m", work / "a model", "-o", out)
    assert ended.status == 2
    assert "has come into being meanwhile" in ended.words[-1]
    assert out.read_text() == "another's"
    (kept,) = unfinished_files(out)
    assert set(tmp_path.iterdir()) == {out, kept.folder}
    out.unlink()
    ended = command("denoise", work / "movie.tif", "-m", work / "a model", "-o", out)
    assert "Going on after 40 of 40 frames." in ended.words
    assert list(tmp_path.iterdir()) == [out]


def test_localizing_goes_on_after_an_interruption(
    work: Path, command: Command, tmp_path: Path, on_progress: Callable[..., None]
) -> None:
    line = ("localize", work / "movie.tif", "-o", tmp_path / "table.csv")
    seen: list[float] = []

    def interrupt(progress: Any) -> None:
        if progress.step == "localizing":
            seen.append(progress.done)
            if progress.done > 0 and len(seen) < 10:
                seen.extend([0.0] * 10)
                signal.raise_signal(signal.SIGINT)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("blinkspot.localization.localizer.SECONDS_BETWEEN_PROGRESS", -1.0)
        patch.setattr("blinkspot.localization.localizer.PIXELS_LOCALIZED_AT_ONCE", 1)
        on_progress(interrupt)
        ended = command(*line)
    assert ended.status == 130
    (kept,) = unfinished_files(tmp_path / "table.csv")
    assert ended.words[-1].endswith(
        f"frames, whose molecules are kept in {kept.folder}: localize into the same file again to go on."
    )
    assert list(tmp_path.iterdir()) == [kept.folder]
    ended = command(*line)
    assert ended.status == 0
    assert any(words.startswith("Going on after ") for words in ended.words)
    command("localize", work / "movie.tif", "-o", tmp_path / "whole.csv")
    assert (tmp_path / "table.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_disk_without_room(
    work: Path, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=50_000))
    ended = command("denoise", work / "movie.tif", "-m", work / "a model", "-o", tmp_path / "out.tif")
    assert ended.refuses("needs 0.18 MB, but")
    assert command("simulate", tmp_path / "out.tif").refuses("has only 50.0 kB free")
    assert command("train", work / "movie.tif", "-o", tmp_path / "model").refuses("has only 50.0 kB free")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: 36 TB")]
)
def test_too_little_memory(
    work: Path, command: Command, tmp_path: Path, on_progress: Callable[..., None], error: Exception
) -> None:
    def fail(_: Any) -> None:
        raise error

    on_progress(fail)
    ended = command("denoise", work / "movie.tif", "-m", work / "a model", "-o", tmp_path / "out.tif")
    assert ended.status == 2
    assert ended.words[-1].startswith("blinkspot: There is not enough memory for this job")
    assert not (tmp_path / "out.tif").exists()


def test_defects_are_not_hidden(work: Path, tmp_path: Path, on_progress: Callable[..., None]) -> None:
    def fail(_: Any) -> None:
        raise KeyError("a defect of ours")

    on_progress(fail)
    with pytest.raises(KeyError):
        main(
            ["denoise", str(work / "movie.tif"), "-m", str(work / "a model"), "-o", str(tmp_path / "out.tif")]
        )
    assert not (tmp_path / "out.tif").exists()


def test_an_interrupted_training_goes_on_to_the_model_it_would_have_been(
    work: Path, command: Command, tmp_path: Path, on_progress: Callable[..., None]
) -> None:
    line = ("train", work / "movie.tif", "--epochs", 6, "--channels", 4, "--context-frames", 1)
    assert command(*line, "-o", tmp_path / "whole").status == 0

    def interrupt(progress: Any) -> None:
        if getattr(progress, "epoch", 0.0) > 3.0:
            signal.raise_signal(signal.SIGINT)

    on_progress(interrupt)
    assert command(*line, "-o", tmp_path / "part").status == 130
    on_progress(lambda _: None)
    checkpoint = tmp_path / "part.checkpoint"
    (tmp_path / "part").unlink(missing_ok=True)
    other = command(*line[:-1], 0, "-o", tmp_path / "part")
    assert (other.status, checkpoint.exists()) == (2, True)
    assert "is of another training (its context_frames is 1, not 0)" in other.words[-1]
    resumed = command(*line, "-o", tmp_path / "part")
    assert resumed.status == 0
    assert any(f"kept in {checkpoint}; --restart begins anew" in line for line in resumed.words)
    whole, resumed = (Denoiser.load(tmp_path / name).weights() for name in ("whole", "part"))
    for name, expected in whole.items():
        torch.testing.assert_close(resumed[name], expected, rtol=1e-5, atol=1e-6)
    assert not checkpoint.exists()


def test_an_old_model_is_the_start_of_a_new_one(work: Path, command: Command, tmp_path: Path) -> None:
    camera = ("--camera", work / "movie_camera.toml")
    ended = command(
        *("train", work / "movie.tif", "-o", tmp_path / "new", *camera, "--epochs", 1),
        *("--start-from", work / "a model", "--json"),
    )
    old = Denoiser.load(work / "a model")
    assert ended.answer["context_frames"] == old.context_frames == 1
    assert ended.answer["validation_loss"] < old.provenance["validation_loss"] + 0.01
    assert Denoiser.load(tmp_path / "new").provenance["started_from"] == old.provenance


@pytest.mark.parametrize(
    "option", ["--network laine", "--components 1", "--context-frames 0", "--channels 5"]
)
def test_an_option_that_contradicts_the_old_model_is_refused(
    work: Path, command: Command, tmp_path: Path, option: str
) -> None:
    line = ("train", work / "movie.tif", "-o", tmp_path / "new", "--start-from", work / "a model")
    assert command(*line, *option.split()).refuses(f"but {option.split()[1]} is asked for")
    assert list(tmp_path.iterdir()) == []
