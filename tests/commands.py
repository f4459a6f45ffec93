"""Runs the command line in-process, on a movie, a model and a denoised movie that it has made before.

A plugin of pytest: ``pytest_plugins = ["commands"]``.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from blinkspot.cli import console, main

FRAMES, SIZE, SEED = 40, 32, 3


@dataclass(frozen=True)
class Outcome:
    """What a command ended with."""

    status: int
    out: str
    err: str

    @property
    def words(self) -> list[str]:
        """Lines on standard error besides progress."""
        return [line for line in self.err.splitlines() if line.strip() and " %|" not in line]

    @property
    def answer(self) -> dict[str, Any]:
        """The JSON object that is all of standard output."""
        assert self.status == 0, self.err
        assert self.out.count("\n") == 1
        found = json.loads(self.out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
        assert isinstance(found, dict)
        return found

    def refuses(self, words: str) -> bool:
        """Whether the command ended as for bad input: status 2, and one sentence with these words."""
        *told, sentence = self.words
        beforehand = ("From the movie's file", "The pixel size is not known")
        return (
            self.status == 2
            and self.out == ""
            and all(line.startswith(beforehand) for line in told)
            and sentence.startswith("blinkspot: ")
            and words in sentence
        )


def run(capture: Any, *arguments: object) -> Outcome:
    """Run a command."""
    capture.readouterr()
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    out, err = capture.readouterr()
    return Outcome(int(ended.value.code or 0), out, err)


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    return lambda *arguments: run(capsys, *arguments)


@pytest.fixture(scope="session")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a movie, a model and a denoised movie, made by the commands."""
    folder = tmp_path_factory.mktemp("ünï 名") / "with a space"
    folder.mkdir()
    movie, toml = folder / "movie.tif", folder / "movie_camera.toml"
    for arguments in (
        ["simulate", movie, "--frames", FRAMES, "--size", SIZE, "--seed", SEED, "--clean"],
        [
            "train",
            movie,
            "-o",
            folder / "a model",
            "--camera",
            toml,
            "--epochs",
            20,
            "--channels",
            8,
            "--context-frames",
            1,
        ],
        ["denoise", movie, "-m", folder / "a model", "-o", folder / "denoised.tif"],
    ):
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        assert ended.value.code == 0
    return folder


@pytest.fixture(scope="session")
def table(work: Path) -> Path:
    path = work / "table.csv"
    with pytest.raises(SystemExit):
        main(["localize", str(work / "movie.tif"), "-o", str(path)])
    return path


@pytest.fixture
def on_progress(
    monkeypatch: pytest.MonkeyPatch, signals_as_before: None
) -> Callable[[Callable[[Any], None]], None]:
    """Have a function called with each progress value of a command."""

    def call(then: Callable[[Any], None]) -> None:
        shown = console.ProgressBar.show

        def show(bar: console.ProgressBar, progress: Any, more: str = "") -> None:
            shown(bar, progress, more)
            then(progress)

        monkeypatch.setattr(console.ProgressBar, "show", show)

    return call


@pytest.fixture
def signals_as_before() -> Iterator[None]:
    """After an interruption the command line leaves signals ignored: its process ends."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)
