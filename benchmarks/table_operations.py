"""Steps after the fits on tables of 1 and 10 million rows, and merging beside Picasso.

Processor seconds, peak memory, and the longest processor time between two progress values of each step. Then
merging beside Picasso's ``link`` on simulated tables: molecules found, and found aright (same first frame,
within 100 nm of the true position), error of the positions, reported over true uncertainty. Picasso runs in
its own environment (``--picasso``).
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import cKDTree
from support import print_table
from support.blinking_table import blinking_table

from blinkspot.localization import LocalizationTable
from blinkspot.localization.processing import (
    DensityFilter,
    DuplicateRemoval,
    Filter,
    Merge,
    NumberMolecules,
    Polygon,
    Rectangle,
    Step,
)
from blinkspot.progress import finish

LIMIT_GB = 3.0
STEPS: dict[str, Step] = {
    "filter": Filter("photons > 150 & uncertainty_nm < 25 & frame >= 100"),
    "rectangle": Rectangle(x_to_nm=20_000.0),
    "polygon": Polygon(((0, 0), (25_000, 0), (20_000, 25_000), (3_000, 20_000))),
    "duplicates": DuplicateRemoval(),
    "merge": Merge(radius_nm=50.0, dark_frames=1),
    "merge, 200 dark frames": Merge(radius_nm=50.0, dark_frames=200),
    "number": NumberMolecules(radius_nm=50.0, dark_frames=1),
    "density": DensityFilter(50.0, 5),
}


def measure(name: str, millions: float) -> dict[str, float]:
    """Run one step in this process, which does nothing else."""
    table, _ = blinking_table(round(millions * 1e6))
    finish(STEPS[name].apply(blinking_table(1000)[0]))  # compiled by now
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before_gb = _peak_gb()
    silences: list[float] = []
    started = last = time.process_time()
    job = STEPS[name].apply(table)
    while True:
        try:
            next(job)
        except StopIteration as stop:
            rows = len(stop.value)
            break
        finally:
            silences.append(time.process_time() - last)
            last = time.process_time()
    return {
        "rows": rows,
        "seconds": time.process_time() - started,
        "before_gb": before_gb,
        "peak_gb": _peak_gb(),
        "silence_ms": 1e3 * max(silences),
    }


def _peak_gb() -> float:
    """Return the largest resident memory since it was last set back (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1e6


def in_a_process(name: str, millions: float) -> dict[str, float]:
    command = [sys.executable, __file__, "--only", name, "--millions", str(millions)]
    printed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    result: dict[str, float] = json.loads(printed.splitlines()[-1])
    return result


# Positions are in pixels of 100 nm there, and frames from 0.
PICASSO = """
import json, sys, time, numpy as np, pandas as pd
from picasso import postprocess
data = dict(np.load(sys.argv[1]))
radius_px, dark = float(sys.argv[2]), int(sys.argv[3])
locs = pd.DataFrame({name: data[name].astype(np.int32 if name == "frame" else np.float32) for name in data})
info = [{"Frames": int(data["frame"].max()) + 1, "Width": 256, "Height": 256}]
def link(locs):
    return postprocess.link(locs, info, radius_px, dark, remove_ambiguous_lengths=False)
link(locs[:1000])
started = time.process_time()
merged = link(locs)
seconds = time.process_time() - started
np.savez(sys.argv[4], x=merged["x"], y=merged["y"], lpx=merged["lpx"], frame=merged["frame"])
print(json.dumps({"seconds": seconds}))
"""


def picasso_merge(
    python: str, table: LocalizationTable, radius_nm: float, dark_frames: int
) -> tuple[dict[str, Any], float]:
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder) / "given.npz", Path(folder) / "made.npz"
        uncertainty = table.column("uncertainty_nm") / 100.0
        np.savez(
            given,
            frame=table.column("frame"),
            x=table.column("x_nm") / 100.0,
            y=table.column("y_nm") / 100.0,
            photons=table.column("photons"),
            sx=table.column("sigma_nm") / 100.0,
            sy=table.column("sigma_nm") / 100.0,
            bg=table.column("background_photons"),
            lpx=uncertainty,
            lpy=uncertainty,
        )
        command = [python, "-c", PICASSO, str(given), str(radius_nm / 100.0), str(dark_frames), str(made)]
        printed = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True
        ).stdout
        with np.load(made) as content:
            found = {
                "position": 100.0 * np.column_stack((content["x"], content["y"])),
                "uncertainty": 100.0 * content["lpx"],
                "frame": content["frame"],
            }
    return found, json.loads(printed.splitlines()[-1])["seconds"]


def against_truth(
    frame: np.ndarray, position: np.ndarray, uncertainty: np.ndarray, truth: np.ndarray
) -> tuple[int, int, float, float]:
    """Return molecules, those aright, their error an axis (root mean square), reported over true error."""
    # A kilometre a frame: who begins in another frame is another molecule.
    distance, nearest = cKDTree(truth).query(
        np.column_stack((position, 1e12 * frame)), distance_upper_bound=100
    )
    aright = np.isfinite(distance)
    off = position[aright] - truth[nearest[aright], :2]
    error = float(np.sqrt((off**2).mean()))
    return len(position), int(aright.sum()), error, float(np.sqrt((uncertainty[aright] ** 2).mean())) / error


def compare_merging(python: str) -> None:
    """Print what both make of tables that are sparse and crowded, independent and correlated."""
    radius_nm, dark_frames, rows = 50.0, 1, []
    for density, side_nm in (("sparse", 100_000.0), ("crowded", 3_000.0)):
        for correlated in (0, 2):
            table, molecules = blinking_table(200_000, side_nm=side_nm, frames=5000, window=correlated + 1)
            truth = np.column_stack((molecules.data[["x_nm", "y_nm"]], 1e12 * molecules.column("frame")))
            head = (f"{density}, {'context 1' if correlated else 'independent'}", len(truth))
            step = Merge(radius_nm=radius_nm, dark_frames=dark_frames, correlated_frames=correlated)
            finish(step.apply(table))  # compiled by now
            started = time.process_time()
            merged = finish(step.apply(table))
            seconds = time.process_time() - started
            ours = against_truth(
                merged.column("frame"),
                merged.data[["x_nm", "y_nm"]].to_numpy(),
                merged.column("uncertainty_nm"),
                truth,
            )
            rows.append((*head, "blinkspot", *ours, seconds))
            found, seconds = picasso_merge(python, table, radius_nm, dark_frames)
            theirs = against_truth(found["frame"], found["position"], found["uncertainty"], truth)
            rows.append((*head, "Picasso", *theirs, seconds))
    titles = ("table", "there", "by", "molecules", "aright", "error nm", "reported / true", "CPU s")
    print_table(titles, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--millions", type=float, nargs="+", default=[1.0, 10.0])
    parser.add_argument("--only", choices=list(STEPS), help="print one step's figures as JSON")
    parser.add_argument("--picasso", help="python of an environment that has picassosr")
    options = parser.parse_args()
    if options.only:
        print(json.dumps(measure(options.only, options.millions[0])))
        return
    rows = []
    for millions in options.millions:
        for name in STEPS:
            found = in_a_process(name, millions)
            fits = "yes" if found["peak_gb"] < LIMIT_GB else "NO"
            figures = (found["seconds"], found["silence_ms"], found["before_gb"], found["peak_gb"], fits)
            rows.append((f"{millions:g} million", name, int(found["rows"]), *figures))
            print(*rows[-1], flush=True)
    titles = (
        "rows",
        "step",
        "rows after",
        "CPU s",
        "between progress, ms",
        "GB before",
        "peak GB",
        "below 3 GB",
    )
    print_table(titles, rows)
    if options.picasso:
        compare_merging(options.picasso)


if __name__ == "__main__":
    main()
