"""Train, denoise and localize a movie of 100,000 frames of 512 x 512 pixels (52 GB), as commands.

Its pages share the pixels of some frames, so the file is small; whoever reads it cannot tell. Each command
runs for some time, is killed (SIGKILL), and goes on after what was kept; the same is done to a small movie of
the same frames. Frames per second are counted between two looks at what a command keeps, so that starting
does not count, best by the processor's time where other programs run. Memory is the largest resident memory.
Localizing goes on to its end; so does denoising with --to-end, which takes hours on a few cores.
A denoised TIFF of all frames takes 105 GB, which must be free: --denoise says how many frames are denoised.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from support import print_table
from support.paged_tiff import write_paged_tiff

from blinkspot.evaluation import PRESETS, simulate
from blinkspot.files.unfinished_files import unfinished_files

LIMIT_GB = 2.0
# Localized in some ten seconds, long enough to count its frames per second.
SMALL_FRAMES = 12_000
OWN_FRAMES = 200
MOLECULES_PER_FRAME = 20.0
TICKS = os.sysconf("SC_CLK_TCK")
MOST_START_S = 120.0


@dataclass
class Ran:
    """What was seen of a command.

    Attributes
    ----------
    frames : int
        Seen to be kept, at most.
    per_cpu_s : float
        Frames for a second of the processor, all threads.
    per_s : float
        Frames for a second of the clock.
    start_s : float
        Seconds until the first frames were kept.
    gone_on_after : int
        Frames that were there when it was started the second time.
    peak_gb : float
        Largest resident memory.
    ended : bool
        Whether it came to its end.
    """

    frames: int = 0
    per_cpu_s: float = np.nan
    per_s: float = np.nan
    start_s: float = np.nan
    gone_on_after: int = 0
    peak_gb: float = 0.0
    ended: bool = False


def frames_kept(output: Path) -> int:
    """Return how many frames are safely on the disk of a file that is being made."""
    records = [unfinished.read_record() for unfinished in unfinished_files(output)]
    return max((record.frames for record in records if record is not None), default=0)


def cpu_s(pid: int) -> float:
    """Return the processor time of a process, all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak_gb(pid: int) -> float:
    """Return the largest resident memory that a process has had."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1e6


def watch(arguments: list[str], output: Path, seconds: float, *, to_end: bool) -> Ran:
    """Run a command until so long after it has kept its first frames, kill it, and run it once more."""
    ran = Ran()
    looks: list[tuple[int, float, float]] = []
    for attempt in range(2):
        if ran.ended:
            break
        before = frames_kept(output)
        has_limit = not (attempt and to_end)
        if attempt:
            ran.gone_on_after = before
        begun = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "blinkspot", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        until = np.inf
        mine: list[tuple[int, float, float]] = []
        while process.poll() is None and time.perf_counter() < until:
            time.sleep(0.25)
            try:
                look = (frames_kept(output), cpu_s(process.pid), time.perf_counter())
                ran.peak_gb = max(ran.peak_gb, peak_gb(process.pid))
            except (OSError, StopIteration):  # it has just ended
                break
            if look[0] > before:
                if not mine and np.isnan(ran.start_s):
                    ran.start_s = look[2] - begun
                if not mine and has_limit:
                    until = look[2] + seconds
                if not mine or look[0] > mine[-1][0]:
                    mine.append(look)
            elif has_limit and look[2] - begun > MOST_START_S:
                break
        process.kill()
        words = process.communicate()[1].decode(errors="replace")
        if process.returncode not in (0, -9):
            raise SystemExit(f"{' '.join(arguments)} failed:\n{words}")
        ran.ended = process.returncode == 0
        ran.frames = max([ran.frames, *(look[0] for look in mine)])
        if len(mine) > len(looks):
            looks = mine
    if len(looks) > 1:
        (first, first_cpu_s, first_s), (last, last_cpu_s, last_s) = looks[0], looks[-1]
        ran.per_cpu_s = (last - first) / (last_cpu_s - first_cpu_s)
        ran.per_s = (last - first) / (last_s - first_s)
    return ran


def train(arguments: list[str]) -> Ran:
    """Run a training to its end."""
    watcher = (
        "import json, resource, subprocess, sys;"
        "status = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode;"
        "print(json.dumps([status, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss]))"
    )
    command = [sys.executable, "-c", watcher, sys.executable, "-m", "blinkspot", *arguments]
    begun = time.perf_counter()
    status, kilobytes = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    if status:
        raise SystemExit("the training failed")
    return Ran(start_s=time.perf_counter() - begun, peak_gb=kilobytes / 1e6, ended=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--size-px", type=int, default=512)
    parser.add_argument("--minutes", type=float, default=0.5, help="training time")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long each command runs, twice")
    parser.add_argument("--to-end", action="store_true", help="denoise to the end, too")
    parser.add_argument("--denoise", type=int, help="frames of the huge movie to denoise; all by default")
    parser.add_argument("--formats", nargs="+", default=["tif", "zarr"], help="of the denoised movie")
    options = parser.parse_args()
    low = PRESETS["low120"]
    spread = {
        "density_per_um2": MOLECULES_PER_FRAME / (1e-3 * low.camera.pixel_size_nm * options.size_px) ** 2
    }
    settings = dataclasses.replace(low, frames=OWN_FRAMES, size_px=options.size_px, **spread)
    frames = np.concatenate([chunk.frames for chunk in simulate(settings)])
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        camera = folder / "camera.toml"
        low.camera.save(camera)
        lengths = {"huge": options.frames, "small": min(SMALL_FRAMES, options.frames)}
        for size, n_frames in lengths.items():
            write_paged_tiff(folder / f"{size}.tif", frames, n_frames)
            movie, model = str(folder / f"{size}.tif"), str(folder / f"{size}.blinkspot")
            line = ["train", movie, "-o", model, "--camera", str(camera), "--minutes", str(options.minutes)]
            steps = {"train": train(line)}
            last = min(n_frames, options.denoise or n_frames) - 1
            for suffix in options.formats:
                output = folder / f"{size} denoised.{suffix}"
                line = ["denoise", movie, "-m", model, "-o", str(output), "--frames", "0", str(last)]
                steps[f"denoise, .{suffix}"] = watch(line, output, options.seconds, to_end=options.to_end)
            output = folder / f"{size}.csv"
            line = ["localize", movie, "-o", str(output), "--camera", str(camera)]
            steps["localize"] = watch(line, output, options.seconds, to_end=True)
            for step, ran in steps.items():
                rows.append(
                    (
                        size,
                        step,
                        round(ran.start_s, 1),
                        ran.gone_on_after,
                        ran.frames,
                        round(ran.per_cpu_s, 1),
                        round(ran.per_s, 1),
                        round(ran.peak_gb, 2),
                        "yes" if ran.peak_gb < LIMIT_GB else "NO",
                        "yes" if ran.ended else "no",
                    )
                )
                print(*rows[-1], flush=True)
    print(
        f"{options.frames} frames of {options.size_px} x {options.size_px}; the small one: {lengths['small']}"
    )
    heads = ("movie", "command", "first kept, s", "gone on after", "frames", "per CPU s", "per s", "peak GB")
    print_table(
        (*heads, f"below {LIMIT_GB:g} GB", "to its end"),
        rows,
    )


if __name__ == "__main__":
    main()
