"""`blinkspot train` killed by SIGKILL at random moments, and started again until it has finished.

The same command goes on from the last checkpoint; here one is written every 0.2 s instead of once a minute.
Checked at each end: the model is, weight for weight, that of a run that was left alone, and nothing else is
left behind. Ends with status 1 where not.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))
from killing import Task, check, command, kill_and_go_on, prepare, timed
from support import print_table

from blinkspot.denoising import Denoiser
from blinkspot.denoising.training.checkpoint import read_checkpoint
from blinkspot.denoising.training.kept_training import checkpoint_beside

EVERY_S = 0.2
SETTINGS = {"blinkspot.denoising.training.training._CHECKPOINT_EVERY_S": EVERY_S}


def content(model: Path) -> tuple[Any, ...]:
    """Return what must be the same: the weights, and all that is recorded but the date."""
    denoiser = Denoiser.load(model)
    record = {name: value for name, value in denoiser.provenance.items() if name != "created"}
    return denoiser.digest(), record


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    prepare("blinkspot.denoising", "torch.optim.adamw")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        movie, camera = folder / "movie.tif", folder / "movie_camera.toml"
        command("simulate", movie, "--frames", 100, "--size", 64)
        quick = ("--epochs", options.epochs, "--channels", 4, "--context-frames", 1, "--device", "cpu")
        arguments = ["train", movie, "--camera", camera, *quick, "-o"]
        began = time.perf_counter()
        alone, once_more, target = (folder / name / "model" for name in ("alone", "timed", "killed"))
        for path in (alone, once_more, target):
            path.parent.mkdir()
        command(*arguments, alone)
        start_s, work_s = timed([*arguments, once_more], folder / "words", SETTINGS)
        whole = content(alone)
        check(content(once_more) == whole, "two runs that are left alone differ")
        # Steps kept after each kill, and 0 after each model.
        kept = [0]
        gone_on = 0

        def look(is_early: bool) -> None:
            nonlocal gone_on
            path = checkpoint_beside(target)
            kept.append(read_checkpoint(path)[0]["state"]["step"] if path.exists() else 0)
            check(kept[-1] >= kept[-2], "a checkpoint was lost")
            gone_on += kept[-1] > kept[-2]

        def made() -> tuple[Any, ...]:
            kept.append(0)
            return content(target)

        task = Task([*arguments, target], [target], made, whole, start_s, work_s, look)
        task.settings.update(SETTINGS)
        done = kill_and_go_on(task, options.kills, options.seed)
    header = ("killed at start", "while training", "of these, got further", "models", "s to train one")
    row = (done.early, done.working, gone_on, done.finished, f"{work_s:.1f}")
    print_table((*header, "s in all"), [(*row, f"{time.perf_counter() - began:.0f}")])
    print("All models identical to that of a run that was left alone, nothing left behind.")


if __name__ == "__main__":
    main()
