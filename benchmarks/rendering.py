"""A million molecules to a picture of 2,000 x 2,000 pixels: speed, memory and agreement, with Picasso.

Each method draws in a process of its own, so that its peak memory is its own, and once before it is timed:
the first call compiles. 'table MB' is the peak before anything is drawn, 'more MB' by how much drawing raised
it.

Picasso needs an environment of its own (``pip install picassosr``), whose interpreter is given with
--picasso; it draws the same molecules in the same run. It has no averaged shifted histogram. 'sum' is the sum
of a picture over the number of molecules, and 'difference' the sum of absolute differences from our picture
of the same method over the same number. Picasso's Gaussians are sampled at the pixels' centres and end at 3
sigma; ours are integrated over the pixels and end at 4. Picasso's positions are 32-bit numbers, so a few
molecules fall into a neighbouring pixel.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from support import print_table
from support.rendering_ours import PICTURES
from support.rendering_setup import save_molecules

SUPPORT = Path(__file__).with_name("support")
PICASSO_PICTURES = ("histogram", "gaussian")
LIMIT_CPU_S = 1.0


def measure(
    python: Path, script: str, folder: Path, picture: str, arguments: Sequence[str]
) -> tuple[float, ...]:
    """Draw in a process of its own; return processor seconds, and peak memory before and after, MB."""
    # -P: the scripts' folder is not searched for modules, so none of ours hides one of theirs.
    command = [str(python), "-P", str(SUPPORT / script), str(folder), picture, *arguments]
    finished = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    report = json.loads(finished.stdout.splitlines()[-1])
    return report["cpu_s"], report["before_mb"], report["after_mb"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--molecules", type=int, default=1_000_000)
    parser.add_argument("--size", type=int, default=2000, help="pixels of the picture along each axis")
    parser.add_argument("--runs", type=int, default=5, help="of which the fastest counts")
    parser.add_argument("--picasso", type=Path, help="Python interpreter of Picasso's environment")
    options = parser.parse_args()
    common = (str(options.size), str(options.runs))
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save_molecules(folder / "molecules.npz", options.molecules, options.size)

        def add_row(who: str, python: Path, script: str, picture: str) -> None:
            cpu_s, before_mb, after_mb = measure(python, script, folder, picture, common)
            drawn = np.load(folder / f"{picture}.npy").astype(np.float64)
            ours = folder / f"ours_{picture}.npy"
            difference = ""
            if ours.exists():
                difference = f"{np.abs(drawn - np.load(ours)).sum() / options.molecules:.4f}"
            else:
                np.save(ours, drawn)
            total = f"{drawn.sum() / options.molecules:.5f}"
            fast = "yes" if cpu_s < LIMIT_CPU_S else "NO"
            rows.append(
                (
                    who,
                    picture,
                    cpu_s,
                    fast,
                    f"{before_mb:.0f}",
                    f"{after_mb - before_mb:.0f}",
                    total,
                    difference,
                )
            )

        for picture in PICTURES:
            add_row("blinkspot", Path(sys.executable), "rendering_ours.py", picture)
        for picture in PICASSO_PICTURES if options.picasso else ():
            add_row("Picasso", options.picasso, "rendering_picasso.py", picture)
    header = ("who", "picture", "CPU s", f"below {LIMIT_CPU_S:g}", "table MB", "more MB", "sum", "difference")
    print_table(header, rows)


if __name__ == "__main__":
    main()
