"""Peak memory of train, denoise and localize, as commands, on a stack of 4 GB (one movie repeated)."""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from support import EM_150, print_table, truth_movie

from blinkspot.stack_writing import StackWriter

LIMIT_GB = 2.0


def make_stack(path: Path, size_gb: float) -> None:
    """Write a float32 movie of that size: the frames of a small one side by side, over and over."""
    small = truth_movie("blinking_low60").movie
    tiled = np.tile(small.frames(0, small.n_frames).astype(np.float32), (1, 4, 4))
    n_frames = round(size_gb * 1e9 / tiled[0].nbytes)
    with StackWriter(path, (n_frames, *tiled.shape[1:]), tiled.dtype) as writer:
        for start in range(0, n_frames, len(tiled)):
            writer.write(tiled[: n_frames - start])


def measure(arguments: list[str]) -> tuple[float, float]:
    """Run one command in a process of its own; return its seconds and its peak memory in GB."""
    watcher = (
        "import resource, subprocess, sys;"
        "status = subprocess.run(sys.argv[1:]).returncode;"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss);"
        "sys.exit(status)"
    )
    command = [sys.executable, "-c", watcher, str(Path(sys.executable).with_name("blinkspot")), *arguments]
    started = time.perf_counter()
    finished = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    kilobytes = float(finished.stdout.split()[-1])
    return time.perf_counter() - started, kilobytes / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size-gb", type=float, default=4.2)
    parser.add_argument("--minutes", type=float, default=1.0, help="training time")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = {
            name: str(Path(folder) / name) for name in ("movie.tif", "model", "denoised.tif", "table.csv")
        }
        make_stack(Path(paths["movie.tif"]), options.size_gb)
        EM_150.save(Path(folder) / "camera.toml")
        camera = ["--camera", str(Path(folder) / "camera.toml")]
        steps = {
            "train": [
                "train",
                paths["movie.tif"],
                "-o",
                paths["model"],
                *camera,
                "--minutes",
                str(options.minutes),
            ],
            "denoise": ["denoise", paths["movie.tif"], "-m", paths["model"], "-o", paths["denoised.tif"]],
            "localize": ["localize", paths["movie.tif"], "-o", paths["table.csv"], *camera],
        }
        steps["localize with --denoised"] = [*steps["localize"], "--denoised", paths["denoised.tif"]]
        steps["localize with --denoised"][3] = str(Path(folder) / "table2.csv")
        rows = []
        for name, arguments in steps.items():
            seconds, gigabytes = measure(arguments)
            rows.append((name, seconds, gigabytes, "yes" if gigabytes < LIMIT_GB else "NO"))
            print(f"{name}: {gigabytes:.2f} GB, {seconds:.0f} s", flush=True)
        print_table(("command", "seconds", "peak GB", f"below {LIMIT_GB:g} GB"), rows)


if __name__ == "__main__":
    main()
