"""`blinkspot denoise` killed by SIGKILL at random moments, and started again until it has finished.

Checked at each kill and at each end: what bears the final name is the whole result, to the byte that of a run
that was left alone (but for its date), and nothing else is left behind. Ends with status 1 where not.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))
from killing import Kills, Task, check, command, kill_and_go_on, prepare, timed
from support import print_table

from blinkspot import open_stack
from blinkspot.files.unfinished_files import UnfinishedFile, unfinished_files

SIDE_PX = 64


@dataclass
class Tally:
    """What the kills of one format left."""

    resumed: int = 0
    twice: int = 0


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


def make_inputs(folder: Path, frames: int) -> tuple[Path, Path]:
    """Simulate a movie and train a model for a moment."""
    movie, model = folder / "movie.tif", folder / "model"
    camera = folder / "movie_camera.toml"
    size = ("--frames", frames, "--size", SIDE_PX)
    quick = ("--epochs", 1, "--channels", 4, "--context-frames", 1, "--frames", 0, 99)
    command("simulate", movie, *size)
    command("train", movie, "-o", model, "--camera", camera, *quick, "--device", "cpu")
    return movie, model


def look(target: Path, tally: Tally, is_early: bool) -> None:
    """Look at what a kill left."""
    for unfinished in unfinished_files(target):
        record = unfinished.read_record()
        counted = 0 if record is None else record.frames
        written = frames_written(unfinished)
        check(counted <= written, f"{counted} frames count, but {written} are there")
        tally.resumed += 0 if is_early else counted
        tally.twice += 0 if is_early else written - counted


def killed(arguments: list[object], folder: Path, kind: str, kills: int, seed: int) -> tuple[object, ...]:
    """Kill the program at one format; return a row of the table."""
    began = time.perf_counter()
    alone, once_more, target = (folder / name / f"denoised.{kind}" for name in ("alone", "timed", kind))
    for path in (alone, once_more, target):
        path.parent.mkdir(exist_ok=True)
    command(*arguments, alone)
    date = open_stack(alone).metadata["provenance"]["created"]
    # Once more, to learn how long a fork takes.
    start_s, work_s = timed([*arguments, once_more], folder / "words", {})
    whole, tally = content(alone, date), Tally()
    check(content(once_more, date) == whole, "two runs that are left alone differ")
    task = Task(
        [*arguments, target],
        [target],
        lambda: content(target, date),
        whole,
        start_s,
        work_s,
        lambda is_early: look(target, tally, is_early),
    )
    done: Kills = kill_and_go_on(task, kills, seed)
    counts = (done.early, done.working, done.finished, tally.resumed, tally.twice)
    return (kind, *counts, f"{work_s:.1f}", f"{time.perf_counter() - began:.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="of each format")
    parser.add_argument("--formats", nargs="+", default=["tif", "zarr"], choices=["tif", "zarr"])
    parser.add_argument("--frames", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    prepare("blinkspot.denoising", "zarr")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        movie, model = make_inputs(folder, options.frames)
        arguments: list[object] = ["denoise", movie, "-m", model, "--device", "cpu", "-o"]
        rows = [killed(arguments, folder, kind, options.kills, options.seed) for kind in options.formats]
    header = ("format", "killed at start", "while writing", "files", "frames resumed", "written twice")
    print_table((*header, "s to write one", "s in all"), rows)
    print("All identical to a run that was left alone, never half a file, nothing left behind.")


if __name__ == "__main__":
    main()
