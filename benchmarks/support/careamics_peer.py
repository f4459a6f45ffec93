"""CAREamics' Noise2Void on one movie; runs in CAREamics' own environment, started by ``support.noise2void``.

Its own two-dimensional configuration (patches of 64 pixels, all augmentations, Adam, UNet of depth 2 with 32
channels), trained until the process has spent its share of processor time, and asked for the last state, as
CAREamics does by default.
"""

# The environment is not ours: nothing of blinkspot may be imported here.
import argparse
import json
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch

PATCH_PX = 64
BATCH = 16
PREDICTED_AT_ONCE = 10
TIMED_RUNS = 9


def import_careamics() -> Any:
    """Import CAREamics, also beside a torch without CUDA.

    torchvision's wheels on the package index are made for CUDA: beside a torch without it their compiled
    operators do not load, and the import fails where it describes two of them. CAREamics calls none.
    """
    try:
        import_module("torchvision")
    except RuntimeError:
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        for operator in ("nms", "qnms"):
            torch.library.define(
                f"torchvision::{operator}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            )
    return import_module("careamics")


def budget_callback(cpu_s: float) -> Any:
    """Return a callback that measures a training, and ends it when it has spent its processor time."""
    callback = import_module("lightning.pytorch").Callback

    class Budget(callback):  # type: ignore[misc, valid-type]
        cpu_s = wall_s = 0.0
        steps = 0

        def on_train_start(self, *_: Any) -> None:
            self.cpu_start, self.wall_start = time.process_time(), time.perf_counter()

        def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
            self.steps += 1
            self.cpu_s = time.process_time() - self.cpu_start
            self.wall_s = time.perf_counter() - self.wall_start
            if self.cpu_s >= cpu_s:
                trainer.should_stop = True
                trainer.limit_val_batches = 0

    return Budget()


def predicted(careamist: Any, frames: np.ndarray, checkpoint: Path) -> np.ndarray:
    """Denoise frames, (T, Y, X)."""
    pictures, _ = careamist.predict(
        frames, axes="SYX", data_type="array", batch_size=PREDICTED_AT_ONCE, checkpoint=checkpoint
    )
    return np.concatenate([np.asarray(picture) for picture in pictures]).reshape(frames.shape)


def milliseconds(job: Any) -> float:
    """Return the median time of a job once it is warm, ms."""
    times = []
    for _ in range(TIMED_RUNS + 2):
        started = time.perf_counter()
        job()
        times.append(1e3 * (time.perf_counter() - started))
    return float(np.median(times[2:]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("movie", type=Path, help="photoelectrons, (T, Y, X), .npy")
    parser.add_argument("folder", type=Path, help="where to leave denoised.npy and report.json")
    parser.add_argument("--cpu-seconds", type=float, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--timed-frame", type=Path, help="picture (Y, X), .npy: time its prediction")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    careamics = import_careamics()
    movie = np.load(options.movie)
    config = import_module("careamics.config").create_advanced_n2v_config(
        experiment_name="peer",
        data_type="array",
        axes="SYX",
        patch_size=[PATCH_PX, PATCH_PX],
        batch_size=BATCH,
        num_epochs=100_000,  # the budget ends it
        num_workers=0,  # so that this process spends all of the processor time
        trainer_params={"accelerator": "cpu"},
        seed=options.seed + 1,  # above 0
    )
    budget = budget_callback(options.cpu_seconds)
    careamist = careamics.CAREamist(
        config, work_dir=options.folder, callbacks=[budget], enable_progress_bar=False
    )
    careamist.train(train_data=movie)
    checkpoint = options.folder / "peer.ckpt"
    careamist.trainer.save_checkpoint(checkpoint)
    report: dict[str, Any] = {
        "version": careamics.__version__,
        "steps": budget.steps,
        "cpu_s": budget.cpu_s,
        "wall_s": budget.wall_s,
    }
    np.save(options.folder / "denoised.npy", predicted(careamist, movie, checkpoint))
    if options.timed_frame is not None:
        frame = np.load(options.timed_frame)[np.newaxis]
        report["predict_ms"] = milliseconds(lambda: predicted(careamist, frame, checkpoint))
        network = careamist.model.model.eval()
        tensor = torch.from_numpy(frame[np.newaxis])
        with torch.inference_mode():
            report["network_ms"] = milliseconds(lambda: network(tensor))
    (options.folder / "report.json").write_text(json.dumps(report))


if __name__ == "__main__":
    main()
