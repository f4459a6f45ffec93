"""What a graphics card gains, whether it gives what the processor gives, and what happens when it fails.

figures: the same training on the processor and on the card, and twice on the card; then the model of the
processor on both: how far apart their pictures are, as a share of what the picture itself is uncertain by,
and how fast each is. memory: with so little of the card's memory that what is usually computed in one go does
not fit. lost: an error after which the card answers nobody in that process any more, in the middle of a
training and of denoising; both must go on on the processor and say so.

Needs a card that torch can use (CUDA).
"""

from __future__ import annotations

import argparse
import dataclasses
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from support import print_table
from support.trainings import Movie, simulated

from blinkspot import Denoiser, Training, TrainingSettings
from blinkspot.evaluation import PRESETS
from blinkspot.evaluation.scoring.picture_scores import psnr_db

PARTS = ("figures", "memory", "lost")
LARGE_PX = 512
WARM_FRAMES = 8
FRAMES_ON_PROCESSOR = 40
MIB = 2**20

Row = tuple[str, str, str]


def a_movie(frames: int, side: int) -> Movie:
    settings = dataclasses.replace(PRESETS["default"], frames=frames, size_px=(side, side), seed=7)
    return simulated("default", settings)


def followed(training: Training, see: Callable[[float], object]) -> Denoiser:
    """Run a training, tell its epoch at each of its reports, and return the model."""
    run = training.run()
    while True:
        try:
            report = next(run)
        except StopIteration as stop:
            model: Denoiser = stop.value
            return model
        see(getattr(report, "epoch", 0.0))


def trained(movie: Movie, device: str, epochs: int, context_frames: int) -> tuple[Denoiser, float, float]:
    """Return a model, its best validation loss, and the milliseconds of a step, validations included.

    The first tenth of the steps is left out: the card's kernels are loaded in it.
    """
    settings = TrainingSettings(device=device, epochs=epochs, context_frames=context_frames, seed=3)
    training = Training(movie.stack, movie.camera, settings)
    ended_at: dict[float, float] = {}
    model = followed(training, lambda epoch: ended_at.setdefault(epoch, time.perf_counter()))
    times = list(ended_at.values())
    times = times[len(times) // 10 :]
    best = min(each.validation_loss for each in training.history if each.validation_loss is not None)
    return model, best, 1e3 * (times[-1] - times[0]) / (len(times) - 1)


def denoised(model: Denoiser, movie: Movie, stop: int | None = None) -> NDArray[np.float32]:
    return np.concatenate([chunk.frames for chunk in model.denoise(movie.stack, stop=stop)])


def on(model: Denoiser, device: str, folder: Path) -> Denoiser:
    """Return the model on that device."""
    path = folder / "moved.blinkspot"
    path.unlink(missing_ok=True)
    model.save(path)
    return Denoiser.load(path, device)


def frames_per_s(model: Denoiser, movie: Movie) -> float:
    denoised(model, movie, WARM_FRAMES)
    frames = movie.stack.n_frames if model.device.type == "cuda" else FRAMES_ON_PROCESSOR
    began = time.perf_counter()
    denoised(model, movie, frames)
    return frames / (time.perf_counter() - began)


def one_frame_ms(model: Denoiser, movie: Movie) -> float:
    times = []
    for index in range(WARM_FRAMES, WARM_FRAMES + 15):
        began = time.perf_counter()
        model.denoise_frame(movie.stack, index)
        times.append(1e3 * (time.perf_counter() - began))
    return float(np.median(times))


def figures(folder: Path, epochs: int) -> Iterator[Row]:
    movie, large = a_movie(200, 128), a_movie(300, LARGE_PX)
    for context_frames in (0, 1):
        models = {}
        for name, device in (("processor", "cpu"), ("card", "cuda"), ("card again", "cuda")):
            models[name], loss, step_ms = trained(movie, device, epochs, context_frames)
            psnr = psnr_db(denoised(on(models[name], "cpu", folder), movie), movie.clean)
            yield (
                f"train, {context_frames} context frames, {name}",
                f"{step_ms:.1f} ms a step",
                f"validation loss {loss:.5f}, {psnr:.2f} dB",
            )
        made = {device: on(models["processor"], device, folder) for device in ("cpu", "cuda")}
        variances = [c.frames for c in made["cpu"].denoise(movie.stack, estimate="posterior-variance")]
        apart = denoised(made["cuda"], movie) - denoised(made["cpu"], movie)
        apart /= np.sqrt(np.concatenate(variances))
        yield (
            f"denoise, {context_frames} context frames, both",
            f"apart by {np.sqrt((apart**2).mean()):.4f} posterior sd (RMS)",
            f"at most {np.abs(apart).max():.3f}, on average {apart.mean():+.5f}",
        )
        for device, model in made.items():
            yield (
                f"denoise {LARGE_PX} x {LARGE_PX}, {context_frames} context frames, {device}",
                f"{frames_per_s(model, large):.1f} frames/s",
                f"one frame {one_frame_ms(model, large):.1f} ms",
            )


def with_little_memory(work: Callable[[], object], mib: float) -> str:
    """Do something with so much of the card's memory; return how much of it was taken."""
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(mib * MIB / torch.cuda.get_device_properties(0).total_memory)
    torch.cuda.reset_peak_memory_stats()
    try:
        work()
        return f"took {torch.cuda.max_memory_allocated() / MIB:.0f} MiB"
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def memory(folder: Path, epochs: int) -> Iterator[Row]:
    large, small = a_movie(8, LARGE_PX), a_movie(60, 128)
    model = on(trained(small, "cuda", epochs, 1)[0], "cuda", folder)
    pictures: list[NDArray[np.float32]] = []
    usually = with_little_memory(lambda: pictures.append(denoised(model, large)), 4096)
    yield "denoise, all the memory it takes", usually, ""
    took = with_little_memory(lambda: pictures.append(denoised(model, large)), 60)
    apart = float(np.abs(pictures[1] - pictures[0]).max())
    yield "denoise in 60 MiB", took, f"at most {apart:.2g} e- from the usual"
    losses: list[float] = []
    for what, mib in (("train, all the memory it takes", 4096.0), ("train in 24 MiB", 24.0)):
        took = with_little_memory(lambda: losses.append(trained(small, "cuda", epochs, 1)[1]), mib)
        yield what, took, f"validation loss {losses[-1]:.5f}"


def lose_the_card() -> None:
    """Do what makes CUDA give up this process: a kernel asserts, and every later call is told so."""
    try:
        torch.zeros(4, device="cuda")[torch.full((1,), 9, device="cuda")].cpu()
    except RuntimeError as error:
        print(f"provoked: {str(error).splitlines()[0]}", flush=True)


def lost_in_training(folder: Path) -> str:
    movie = a_movie(60, 96)
    settings = TrainingSettings(device="cuda", epochs=30, context_frames=0, seed=3)
    training = Training(movie.stack, movie.camera, settings)
    is_lost = False

    def halfway(epoch: float) -> None:
        nonlocal is_lost
        if not is_lost and epoch > 15.0:
            is_lost = True
            lose_the_card()

    model = followed(training, halfway)
    psnr = psnr_db(denoised(model, movie), movie.clean)
    return f"ended on {training.device}, {psnr:.2f} dB; said: {' '.join(training.warnings)}"


def lost_in_denoising(folder: Path) -> str:
    movie = a_movie(60, 256)
    trained(movie, "cpu", 1, 0)[0].save(folder / "model.blinkspot")
    model = Denoiser.load(folder / "model.blinkspot", "cuda")
    frames: list[NDArray[np.float32]] = []
    for chunk in model.denoise(movie.stack):
        if not frames:
            lose_the_card()
        frames.append(chunk.frames)
    made = np.concatenate(frames)
    apart = np.abs(made - denoised(Denoiser.load(folder / "model.blinkspot"), movie))
    return (
        f"{len(made)} of {movie.stack.n_frames} frames, at most {apart.max():.2g} e- from the processor's; "
        f"said: {' '.join(model.warnings)}"
    )


LOSSES = {"lost-in-training": lost_in_training, "lost-in-denoising": lost_in_denoising}


def lost(folder: Path, epochs: int) -> Iterator[Row]:
    """Lose the card in processes of their own."""
    for name in LOSSES:
        ended = subprocess.run(
            [sys.executable, __file__, "--parts", name], capture_output=True, text=True, check=False
        )
        said = ended.stdout.strip().splitlines() or ["nothing"]
        yield name, f"exit {ended.returncode}", said[-1] if ended.returncode == 0 else ended.stderr[-1500:]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", nargs="+", choices=(*PARTS, *LOSSES), default=PARTS)
    parser.add_argument("--epochs", type=int, default=4, help="of the trainings")
    parser.add_argument("--threads", type=int, default=2, help="threads of the processor")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows: list[Row] = [("card", torch.cuda.get_device_name(), f"torch {torch.__version__}")]
    with tempfile.TemporaryDirectory() as name:
        for part in options.parts:
            if part in LOSSES:
                print(LOSSES[part](Path(name)))
                return
            for row in {"figures": figures, "memory": memory, "lost": lost}[part](Path(name), options.epochs):
                rows.append(row)
                print("  |  ".join(row), flush=True)
    print_table(("what", "figure", "and"), rows)


if __name__ == "__main__":
    main()
