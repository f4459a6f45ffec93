"""The whole path by commands on a real movie whose camera nobody wrote down: Eos-actin PALM.

Leaves the model, the movies, the tables, the pictures and the page in a folder to look at.
"""

import argparse
import shlex
import subprocess
import sys
from pathlib import Path

from support import SHARED


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder to make")
    parser.add_argument("--minutes", default="2", help="training time")
    parser.add_argument("--context-frames", help="as many as help by default")
    options = parser.parse_args()
    options.folder.mkdir(parents=True)
    movie = SHARED / "real" / "eos_actin_palm_300x96x96.tif"
    camera = ["--pixel-size-nm", "100"]
    budget = ["--minutes", options.minutes]
    if options.context_frames is not None:
        budget += ["--context-frames", options.context_frames]
    guide = ["--denoised", "denoised.tif"]
    commands = [
        ["camera", str(movie)],
        ["train", str(movie), "-o", "model.blinkspot", *camera, *budget],
        ["denoise", str(movie), "-m", "model.blinkspot", "-o", "denoised.tif"],
        ["localize", str(movie), "-o", "noisy.csv", *camera],
        ["localize", str(movie), "-o", "denoised.csv", *camera, *guide],
        ["render", "noisy.csv", "-o", "noisy.png"],
        ["render", "denoised.csv", "-o", "denoised.png"],
        ["compare", str(movie), "denoised.tif", "-o", "comparison", *camera],
    ]
    program = str(Path(sys.executable).with_name("blinkspot"))
    for command in commands:
        print(f"$ blinkspot {shlex.join(command)}", flush=True)
        subprocess.run([program, *command], cwd=options.folder, check=True)


if __name__ == "__main__":
    main()
