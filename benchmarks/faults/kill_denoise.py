"""`blinkspot denoise` killed by SIGKILL at random moments, and started again until it has finished.

Checked at each kill and at each end: what bears the final name is the whole result, to the byte that of a run
that was left alone (but for its date), and nothing else is left behind. Ends with status 1 where not.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support import print_table

from blinkspot import open_stack
from blinkspot.cli import main as main_of_blinkspot
from blinkspot.unfinished_files import UnfinishedFile, unfinished_files

SIDE_PX = 64
# So many of the kills come while the program is still loading what it needs.
SHARE_EARLY = 0.2
# A run is killed before it has written this part of a file.
FILES_OF_A_RUN = 3
FORKS = multiprocessing.get_context("forkserver")


@dataclass
class Tally:
    """What happened to one format."""

    finished: int = 0
    early: int = 0
    writing: int = 0
    resumed: int = 0
    twice: int = 0

    @property
    def killed(self) -> int:
        """Kills in all."""
        return self.early + self.writing


@dataclass(frozen=True)
class Whole:
    """The file of a run that is left alone, the date in it, and how long the run takes."""

    content: dict[str, bytes]
    date: str
    start_s: float
    writing_s: float


def command(*arguments: object, may_fail: bool = False) -> None:
    """Run the program as everybody does."""
    program = "from blinkspot.cli import main; import sys; main(sys.argv[1:])"
    ended = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)], capture_output=True, text=True
    )
    if ended.returncode and not may_fail:
        sys.exit(f"FAILED: {arguments[0]}: {ended.stderr}")


def content(path: Path, date: str) -> dict[str, bytes]:
    """Return all bytes of a movie, its own date replaced by another."""
    own = open_stack(path).metadata["provenance"]["created"]
    files = [path] if path.is_file() else [entry for entry in path.rglob("*") if entry.is_file()]
    found = {}
    for file in files:
        data = file.read_bytes()
        for encoding in ("utf-8", "utf-16-le"):  # ImageJ's
            data = data.replace(own.encode(encoding), date.encode(encoding))
        found[file.relative_to(path.parent if path.is_file() else path).as_posix()] = data
    return found if path.is_dir() else {"": found[path.name]}


def frames_written(unfinished: UnfinishedFile) -> int:
    """Return how many frames a killed run has written, counted or not."""
    movie = unfinished.folder / f"movie{unfinished.target.suffix}"
    if movie.is_dir():
        chunks = [entry for entry in (movie / "0").glob("c.*.0.0") if "partial" not in entry.name]
        return len(chunks) * round(1_000_000 / (4 * SIDE_PX**2))
    try:
        frames = open_stack(movie)
        written = np.asarray(frames.as_dask().any(axis=(1, 2)))
        return int(written.nonzero()[0].max(initial=-1)) + 1
    except Exception:  # killed before there was a file
        return 0


def work(arguments: list[str], words: str) -> None:
    """Be the program, in a process of its own; what it says goes into a file."""
    descriptor = os.open(words, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    main_of_blinkspot(arguments)


class Run:
    """The program at work; its first words come when it begins to denoise.

    Its process is forked from one that has loaded PyTorch before, for that would take most of the time.
    """

    def __init__(self, arguments: list[str], words: Path) -> None:
        words.unlink(missing_ok=True)
        self.words = words
        self.process = FORKS.Process(target=work, args=(arguments, str(words)))
        self.process.start()
        self.started = time.perf_counter()

    def wait_for_words(self) -> float:
        """Wait until it says something, or ends; return the seconds since its start."""
        while self.process.is_alive() and not (self.words.exists() and self.words.stat().st_size):
            time.sleep(0.002)
        return time.perf_counter() - self.started

    def kill(self) -> bool:
        """Kill it; return whether it still ran."""
        self.process.kill()
        self.process.join()
        return self.process.exitcode == -signal.SIGKILL


def make_inputs(folder: Path, frames: int) -> tuple[Path, Path]:
    """Simulate a movie and train a model for a moment."""
    movie, model = folder / "movie.tif", folder / "model"
    camera = folder / "movie_camera.toml"
    size = ("--frames", frames, "--size", SIDE_PX)
    quick = ("--epochs", 1, "--channels", 4, "--context-frames", 1, "--frames", 0, 99)
    command("simulate", movie, *size)
    command("train", movie, "-o", model, "--camera", camera, *quick, "--device", "cpu")
    return movie, model


def only(target: Path) -> bool:
    """Tell whether nothing is beside a result."""
    return list(target.parent.iterdir()) == [target]


def check(is_so: bool, what: str) -> None:
    if not is_so:
        sys.exit(f"FAILED: {what}")


def kill_and_go_on(arguments: list[str], target: Path, whole: Whole, kills: int, seed: int) -> Tally:
    """Make a file again and again, until there were so many kills, and then once more to the end."""
    tally, choose = Tally(), random.Random(seed)
    is_finished = False
    while tally.killed < kills or not is_finished:
        run = Run(arguments, target.parent.with_name("words"))
        is_early = choose.random() < SHARE_EARLY
        if tally.killed >= kills:
            run.process.join()
        elif is_early:
            run.process.join(choose.uniform(0.0, whole.start_s))
        else:
            run.wait_for_words()
            run.process.join(choose.uniform(0.0, whole.writing_s / FILES_OF_A_RUN))
        was_killed = run.kill()
        if was_killed:
            tally.early += is_early
            tally.writing += not is_early
        is_finished = target.exists()
        if is_finished:
            check_finished(arguments, target, whole, was_killed)
            tally.finished += 1
            continue
        check(was_killed, f"{target.name} was not made, though nobody killed the program")
        for unfinished in unfinished_files(target):
            record = unfinished.read_record()
            counted = 0 if record is None else record.frames
            written = frames_written(unfinished)
            check(counted <= written, f"{counted} frames count, but {written} are there")
            tally.resumed += 0 if is_early else counted
            tally.twice += 0 if is_early else written - counted
        print(f"\r{tally.killed} of {kills} kills, {target.suffix}", end="", file=sys.stderr)
    print(file=sys.stderr)
    return tally


def check_finished(arguments: list[str], target: Path, whole: Whole, was_killed: bool) -> None:
    """Check a result, and take it away."""
    check(content(target, whole.date) == whole.content, f"{target.name} is not what it is without a kill")
    if was_killed and not only(target):  # right after it was named
        command(*arguments, may_fail=True)
    check(only(target), f"something is left beside {target.name}")
    if target.is_dir():
        shutil.rmtree(target)
    else:
        target.unlink()


def left_alone(arguments: list[str], folder: Path, name: str) -> Whole:
    """Make a file without a kill: by the program as it is, and once more to learn how long a fork takes."""
    path, timed = folder / "alone" / name, folder / "timed" / name
    for file in (path, timed):
        file.parent.mkdir(exist_ok=True)
    command(*arguments, path)
    date = open_stack(path).metadata["provenance"]["created"]
    run = Run([*arguments, str(timed)], folder / "words")
    start_s = run.wait_for_words()
    run.process.join()
    writing_s = time.perf_counter() - run.started - start_s
    made = content(path, date)
    check(content(timed, date) == made, "two runs that are left alone differ")
    return Whole(made, date, start_s, writing_s)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="of each format")
    parser.add_argument("--formats", nargs="+", default=["tif", "zarr"], choices=["tif", "zarr"])
    parser.add_argument("--frames", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rows = []
    # Of locks that those who are killed cannot give back.
    os.environ["PYTHONWARNINGS"] = "ignore::UserWarning:multiprocessing.resource_tracker"
    FORKS.set_forkserver_preload(["blinkspot.cli", "blinkspot.denoising", "zarr"])
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        movie, model = make_inputs(folder, options.frames)
        arguments = ["denoise", str(movie), "-m", str(model), "--device", "cpu", "-o"]
        for kind in options.formats:
            began = time.perf_counter()
            name = f"denoised.{kind}"
            whole = left_alone(arguments, folder, name)
            target = folder / kind / name
            target.parent.mkdir()
            tally = kill_and_go_on([*arguments, str(target)], target, whole, options.kills, options.seed)
            counts = (tally.early, tally.writing, tally.finished, tally.resumed, tally.twice)
            rows.append((kind, *counts, f"{whole.writing_s:.1f}", f"{time.perf_counter() - began:.0f}"))
    header = ("format", "killed at start", "while writing", "files", "frames resumed", "written twice")
    print_table((*header, "s to write one", "s in all"), rows)
    print("All identical to a run that was left alone, never half a file, nothing left behind.")


if __name__ == "__main__":
    main()
