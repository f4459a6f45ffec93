"""The program killed by SIGKILL at random moments, and started again until it has finished."""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blinkspot.cli import main as main_of_blinkspot

# So many of the kills come while the program is still loading what it needs.
SHARE_EARLY = 0.2
# Where what is written takes but a moment, so many come in that moment.
SHARE_WRITING = 0.3
# A run is killed before it has done this part of its work.
PARTS_OF_A_RUN = 3
_FORKS = multiprocessing.get_context("forkserver")
_DATE = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00")


@dataclass(frozen=True)
class Task:
    """What is killed, and how it is judged.

    Attributes
    ----------
    arguments : sequence
        Of the program, the same for each run.
    results : sequence of Path
        What it makes; the first counts. They have a folder for themselves.
    content : callable
        Returns what must be equal in each finished run.
    whole : object
        That of a run that was left alone.
    start_s, work_s : float
        How long a run takes to say its first words, and from there to its end.
    on_killed : callable
        Called after each kill that left no result, with whether it came early.
    settings : dict
        Values of modules' variables that a run is to have, by their dotted names.
    moment_s : float
        How long it takes to write the result once a part folder is there; 0 where that needs no kills of
        its own.
    """

    arguments: Sequence[object]
    results: Sequence[Path]
    content: Callable[[], Any]
    whole: Any
    start_s: float
    work_s: float
    on_killed: Callable[[bool], None] = lambda _: None
    settings: dict[str, Any] = field(default_factory=dict)
    moment_s: float = 0.0


@dataclass
class Kills:
    """How often the program was killed, and how often it finished."""

    early: int = 0
    working: int = 0
    writing: int = 0
    finished: int = 0

    @property
    def all(self) -> int:
        """Kills in all."""
        return self.early + self.working + self.writing


def prepare(*modules: str) -> None:
    """Have the processes forked from one that has loaded some modules: that takes most of the time."""
    # Of locks that those who are killed cannot give back.
    os.environ["PYTHONWARNINGS"] = "ignore::UserWarning:multiprocessing.resource_tracker"
    _FORKS.set_forkserver_preload(["blinkspot.cli", *modules])


def command(*arguments: object, may_fail: bool = False) -> None:
    """Run the program as everybody does."""
    program = "from blinkspot.cli import main; import sys; main(sys.argv[1:])"
    ended = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)], capture_output=True, text=True
    )
    if ended.returncode and not may_fail:
        sys.exit(f"FAILED: {arguments[0]}: {ended.stderr}")


def check(is_so: bool, what: str) -> None:
    """End with status 1 where something is not as it must be."""
    if not is_so:
        sys.exit(f"FAILED: {what}")


def undated(*paths: Path) -> list[bytes]:
    """Return all bytes of some files, save for dates."""
    return [_DATE.sub(b"DATE", path.read_bytes()) for path in paths]


def _work(arguments: list[str], words: str, settings: dict[str, Any]) -> None:
    """Be the program, in a process of its own; what it says goes into a file."""
    descriptor = os.open(words, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    for name, value in settings.items():
        module, _, variable = name.rpartition(".")
        setattr(importlib.import_module(module), variable, value)
    main_of_blinkspot(arguments)


class Run:
    """The program at work; its first words come when it begins with what takes long."""

    def __init__(self, arguments: Sequence[object], words: Path, settings: dict[str, Any]) -> None:
        words.unlink(missing_ok=True)
        self.words = words
        self.process = _FORKS.Process(target=_work, args=([*map(str, arguments)], str(words), settings))
        self.process.start()
        self.started = time.perf_counter()

    def wait_for_words(self) -> float:
        """Wait until it says something, or ends; return the seconds since its start."""
        return self.wait_until(lambda: self.words.exists() and self.words.stat().st_size > 0, 0.002)

    def wait_until(self, is_so: Callable[[], bool], every_s: float) -> float:
        """Wait until something is so, or it ends; return the seconds since its start."""
        while self.process.is_alive() and not is_so():
            time.sleep(every_s)
        return time.perf_counter() - self.started

    def kill(self) -> bool:
        """Kill it; return whether it still ran."""
        self.process.kill()
        self.process.join()
        return self.process.exitcode == -signal.SIGKILL


def timed(arguments: Sequence[object], words: Path, settings: dict[str, Any]) -> tuple[float, float]:
    """Run to the end; return the seconds to the first words, and from there."""
    run = Run(arguments, words, settings)
    start_s = run.wait_for_words()
    run.process.join()
    check(run.process.exitcode == 0, f"{arguments[0]}: {words.read_text()}")
    return start_s, time.perf_counter() - run.started - start_s


def is_writing(path: Path) -> bool:
    """Tell whether a result is being written."""
    with contextlib.suppress(OSError):
        # Not the folder alone, which is made at the start, too, to see whether that can be done.
        return any(path.parent.glob(f".{path.name}.*.part/made/*"))
    return False


def kill_and_go_on(task: Task, kills: int, seed: int) -> Kills:
    """Make a result again and again, until there were so many kills, and then once more to the end."""
    done, choose = Kills(), random.Random(seed)
    target = task.results[0]
    is_finished = False
    while done.all < kills or not is_finished:
        run = Run(task.arguments, target.parent.with_name("words"), task.settings)
        chance = choose.random()
        is_early = chance < SHARE_EARLY
        is_last_moment = bool(task.moment_s) and chance > 1 - SHARE_WRITING
        if done.all >= kills:
            run.process.join()
        elif is_early:
            run.process.join(choose.uniform(0.0, task.start_s))
        elif is_last_moment:
            run.wait_until(lambda: is_writing(target), 0.0)
            run.process.join(choose.uniform(0.0, task.moment_s))
        else:
            run.wait_for_words()
            run.process.join(choose.uniform(0.0, task.work_s / PARTS_OF_A_RUN))
        was_killed = run.kill()
        done.early += was_killed and is_early
        done.writing += was_killed and is_last_moment
        done.working += was_killed and not (is_early or is_last_moment)
        is_finished = target.exists()
        print(f"\r{done.all} of {kills} kills, {target.name}", end="", file=sys.stderr)
        if is_finished:
            _check_finished(task, was_killed)
            done.finished += 1
        else:
            words = run.words.read_text() if run.words.exists() else ""
            check(was_killed, f"{target.name} was not made, though nobody killed the program: {words}")
            task.on_killed(is_early)
    print(file=sys.stderr)
    return done


def _check_finished(task: Task, was_killed: bool) -> None:
    """Check a result, and take it away."""
    target = task.results[0]
    if was_killed:
        check(task.results[-1].exists(), f"what goes with {target.name} is missing")
    check(task.content() == task.whole, f"{target.name} is not what it is without a kill")
    if was_killed and not _only(task.results):  # right after it was named
        command(*task.arguments, may_fail=True)
    check(_only(task.results), f"something is left beside {target.name}: {os.listdir(target.parent)}")
    for result in task.results:
        if result.is_dir():
            for entry in sorted(result.rglob("*"), reverse=True):
                entry.rmdir() if entry.is_dir() else entry.unlink()
            result.rmdir()
        else:
            result.unlink()


def _only(results: Sequence[Path]) -> bool:
    """Tell whether nothing is beside a result."""
    return set(results[0].parent.iterdir()) == set(results)
