"""Kill workers of a dask cluster at random moments of a batch: the same result, nothing lost.

    python benchmarks/faults/kill_worker.py --kills 5

Some movies are trained on, denoised, localized and filtered on this machine, then again by the workers of a
local cluster, of which one after another is killed (SIGKILL) while they work. All pixels, rows, weights and
warnings must be the same, and nothing may be left beside them.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import dask
import torch
from distributed import Client, LocalCluster

sys.path.insert(0, str(Path(__file__).parents[1]))
from support import print_table

from blinkspot import Denoiser, finish, open_stack
from blinkspot.batch import Recipe, Summary, read_recipe, run_batch, tasks
from blinkspot.batch.cluster import run_on_cluster
from blinkspot.evaluation import simulate_to_files
from blinkspot.evaluation.simulation import PRESETS

RECIPE = """
[camera]
file = "0_camera.toml"
[train]
epochs = 3
channels = 4
context_frames = 1
blind_spot_radius_px = 0
[denoise]
[localize]
[[process]]
step = "filter"
expression = "photons > 40"
"""
SIZE_PX = 64
FRAMES_IN_A_BLOCK = 40


def make_inputs(folder: Path, movies: int, frames: int) -> tuple[Recipe, list[Path]]:
    """Simulate movies, and write a recipe."""
    paths = []
    for number in range(movies):
        paths.append(folder / f"{number}.tif")
        settings = replace(PRESETS["low-light"], frames=frames, size_px=SIZE_PX, seed=number + 1)
        finish(simulate_to_files(settings, paths[-1]))
    (folder / "recipe.toml").write_text(RECIPE, encoding="utf-8")
    return read_recipe(folder / "recipe.toml"), paths


def contents(folder: Path) -> Iterator[tuple[str, Any]]:
    """Yield what decides about each result below a folder, and the names of all else."""
    for path in sorted(folder.glob("*/*")):
        name = str(path.relative_to(folder))
        if path.suffix == ".blinkspot":
            yield name, Denoiser.load(path).digest()
        elif path.suffix == ".tif":
            movie = open_stack(path)
            yield name, movie.frames(0, movie.n_frames).tobytes()
        else:
            yield name, path.read_bytes() if path.suffix == ".csv" else None


class Killer:
    """Kills a worker, now and then, while a batch goes on."""

    def __init__(self, cluster: Any, kills: int, seed: int) -> None:
        self._cluster, self._left = cluster, kills
        self._random = random.Random(seed)
        self._next_s = 0.0
        self.kills = 0
        self.had_work = 0

    def __call__(self, progress: Any) -> None:
        """Kill one if it is time."""
        if getattr(progress, "note", ""):
            print(progress.note, file=sys.stderr)
        now_s = time.perf_counter()
        if progress.step != "working" or not self._left or now_s < self._next_s:
            return
        if self._next_s:
            with Client(self._cluster.scheduler_address) as client:
                working = {address for address, keys in client.processing().items() if keys}
                workers = set(client.nthreads())
            processes = {
                nanny.worker_address: nanny.pid
                for nanny in self._cluster.workers.values()
                if nanny.pid and nanny.worker_address in workers
            }
            if len(processes) < 2:  # the batch would only wait
                return
            address = self._random.choice(sorted(working & set(processes)) or sorted(processes))
            os.kill(processes[address], signal.SIGKILL)
            self.kills += 1
            self.had_work += address in working
            self._left -= 1
        self._next_s = time.perf_counter() + self._random.uniform(1.0, 8.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--movies", type=int, default=3)
    parser.add_argument("--frames", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)  # as many as a worker has, so that trainings are the same
    tasks._MOST_FRAMES = FRAMES_IN_A_BLOCK
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        recipe, movies = make_inputs(folder, options.movies, options.frames)
        began_s = time.perf_counter()
        here: Summary = finish(run_batch(recipe, movies, folder / "here"))
        here_s = time.perf_counter() - began_s
        # dask takes a task whose worker died four times for the cause, and nannies end some that restart.
        as_many = dask.config.set({"distributed.scheduler.allowed-failures": 4 * options.kills})
        with (
            as_many,
            LocalCluster(
                n_workers=options.workers, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
            ) as cluster,
        ):
            # Nannies give up where a worker takes long to start: others take their places.
            cluster.adapt(minimum=options.workers, maximum=options.workers)
            killer = Killer(cluster, options.kills, options.seed)
            began_s = time.perf_counter()
            job = run_on_cluster(recipe, movies, folder / "there", cluster.scheduler_address)
            there: Summary = finish(job, killer)
            there_s = time.perf_counter() - began_s
        print(there.text())
        if any(row.state != "done" for row in (*here.rows, *there.rows)):
            sys.exit("FAILED: not all movies were done")
        if dict(contents(folder / "here")) != dict(contents(folder / "there")):
            sys.exit("FAILED: results differ")
        if [row.warnings for row in here.rows] != [row.warnings for row in there.rows]:
            sys.exit("FAILED: warnings differ")
    header = ("movies", "workers", "killed", "while working", "s here", "s by the cluster")
    row = (options.movies, options.workers, killer.kills, killer.had_work, f"{here_s:.0f}", f"{there_s:.0f}")
    print_table(header, [row])
    print("All results identical to those of one machine, and nothing left beside them.")


if __name__ == "__main__":
    main()
