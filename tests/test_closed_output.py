"""Standard output or error that is closed, or takes nothing more: no job ends by it, nor in a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, TextIO

import pytest

from blinkspot.cli import console
from blinkspot.errors import BlinkspotError
from blinkspot.progress import Progress

pytest_plugins = ["commands"]
FULL = Path("/dev/full")
needs_a_full_device = pytest.mark.skipif(not FULL.exists(), reason="no device that is always full")


@pytest.fixture
def unread() -> Iterator[TextIO]:
    """A pipe that nobody reads any more."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as stream:
        yield stream
        stream.write("more")  # without an error when it is closed: that goes nowhere


def test_results_that_nobody_reads_end_no_command(unread: TextIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", unread)
    console.answer({"frames": 3}, as_json=True)
    console.answer({"frames": 3, "stack": "m.tif"}, as_json=False)


@needs_a_full_device
def test_results_that_a_full_disk_does_not_take_are_said_to_be_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    with FULL.open("w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        with pytest.raises(BlinkspotError, match=r"results cannot be printed \(No space left on device\)"):
            console.answer({"frames": 3}, as_json=True)


def test_words_and_progress_that_nobody_reads_end_no_job(
    unread: TextIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", unread)
    monkeypatch.setattr(unread, "isatty", lambda: True, raising=False)  # more often written

    def job() -> Generator[Progress, None, str]:
        for done in range(3):
            yield Progress("looking", done, 3, 0.0)
        return "its result"

    assert console.run(job()) == "its result"
    console.say("Done.")


@pytest.mark.parametrize("redirection", [">&-", "2>&-", ">&- 2>&-"])
def test_a_command_whose_streams_are_closed_from_the_start(tmp_path: Path, redirection: str) -> None:
    out = tmp_path / "m.tif"
    line = f'"$0" -m blinkspot simulate "$1" --frames 3 --size 32 --json {redirection}'
    done = subprocess.run(["sh", "-c", line, sys.executable, str(out)], capture_output=True, text=True)
    assert (done.returncode, out.exists()) == (0, True)
    assert "Traceback" not in done.stderr
    assert done.stdout.startswith("{") == (redirection == "2>&-")


def test_an_error_of_the_system_is_one_sentence(
    work: Path, command: Callable[..., Any], tmp_path: Path, on_progress: Callable[..., None]
) -> None:
    def fail(_: Any) -> None:
        raise OSError(5, "Input/output error", "/net/movie.tif")

    on_progress(fail)
    ended = command("localize", work / "movie.tif", "-o", tmp_path / "t.csv")
    assert ended.refuses("ended by an error of the system with /net/movie.tif (Input/output error)")
