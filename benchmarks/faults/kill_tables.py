"""`blinkspot localize` and `blinkspot process` killed by SIGKILL at random moments, and started again.

Both begin anew. Checked at each kill and at each end: a table bears its name only whole and with what goes
beside it, to the byte that of a run that was left alone (but for dates), and nothing else is left behind.
Ends with status 1 where not.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))
from killing import Task, check, command, is_writing, kill_and_go_on, prepare, timed, undated
from support import print_table

from blinkspot import Camera, LocalizationTable, read_table
from blinkspot.localization import table_paths
from blinkspot.provenance import provenance

STEPS = ("--step", "filter photons > 50", "--step", "merge radius_nm=30 dark_frames=2")
EXTENT_NM = 20_000.0


def make_table(path: Path, rows: int, frames: int = 2000) -> None:
    """Write a table of molecules at random, each of which shines in a few frames."""
    random = np.random.default_rng(0)
    first, shines = random.integers(0, frames - 4, rows // 3), np.arange(3)
    positions = random.uniform(0, EXTENT_NM, (2, len(first), 1)) + random.normal(0, 8, (2, len(first), 3))
    columns = {
        "frame": (first[:, None] + shines).ravel(),
        "x_nm": positions[0].ravel(),
        "y_nm": positions[1].ravel(),
        "photons": random.uniform(20, 500, positions[0].size),
        "uncertainty_nm": random.uniform(5, 15, positions[0].size),
        "sigma_nm": random.uniform(120, 140, positions[0].size),
        "background_photons": random.uniform(2, 5, positions[0].size),
    }
    order = np.argsort(columns["frame"], kind="stable")
    made = provenance("simulate", camera=Camera(pixel_size_nm=100.0), movie_shape=[frames, 200, 200])
    LocalizationTable.from_columns(
        {name: values[order] for name, values in columns.items()}, provenance=made
    ).save(path)


def killed(name: str, arguments: list[object], folder: Path, kills: int, seed: int) -> tuple[object, ...]:
    """Kill a command; return a row of the table."""
    began = time.perf_counter()
    suffix = name.rpartition(" ")[2]
    alone, once_more, target = (
        folder / name / part / f"table{suffix}" for part in ("alone", "timed", "killed")
    )
    for path in (alone, once_more, target):
        path.parent.mkdir(parents=True)
    command(*arguments, alone)
    start_s, work_s = timed([*arguments, once_more], folder / name / "words", {})
    whole = undated(*table_paths(alone))
    check(undated(*table_paths(once_more)) == whole, "two runs that are left alone differ")
    made = table_paths(target)
    half = 0

    def look(is_early: bool) -> None:
        nonlocal half
        half += is_writing(target)
        # What goes beside a table may have its name a moment before; then it is whole.
        check(not made[1].exists() or undated(made[1]) == whole[1:], f"{made[1].name} is not whole")

    task = Task(
        [*arguments, target],
        made,
        lambda: undated(*made),
        whole,
        start_s,
        work_s,
        look,
        moment_s=writing_s(alone),
    )
    done = kill_and_go_on(task, kills, seed)
    counts = (done.early, done.working, done.writing, half, done.finished)
    return (name, *counts, f"{work_s:.1f}", f"{time.perf_counter() - began:.0f}")


def writing_s(table: Path) -> float:
    """Return how long it takes to write a table, twice over: the program has less of the processor."""
    read = read_table(table)
    began = time.perf_counter()
    read.save(table.with_name(f"again{table.suffix}"))
    return 2 * (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="of each")
    parser.add_argument("--only", choices=["localize", "process"], help="only this command")
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    prepare("blinkspot.localization", "blinkspot.localization.processing")
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        movie, table = folder / "movie.tif", folder / "table.csv"
        command("simulate", movie, "--frames", options.frames, "--size", 128)
        make_table(table, options.rows)
        localize = ["localize", movie, "--camera", folder / "movie_camera.toml", "-o"]
        process = ["process", table, *STEPS, "-o"]
        for name, arguments in (("localize", localize), ("process", process)):
            if options.only in (None, name):
                rows += [
                    killed(f"{name} {suffix}", arguments, folder, options.kills, options.seed)
                    for suffix in (".csv", ".hdf5")
                ]
    header = ("command", "killed at start", "while working", "while writing", "of these, half written")
    print_table((*header, "tables", "s to make one", "s in all"), rows)
    print("All identical to a run that was left alone, never half a table, nothing left behind.")


if __name__ == "__main__":
    main()
