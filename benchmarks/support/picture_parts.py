"""Parts of the denoising benchmark that compare pictures with the clean ones."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

from blinkspot import Camera, Denoiser, Training, TrainingSettings, as_stack
from blinkspot.camera import FloatArray
from blinkspot.denoising import LOSSES, TrainingProgress
from blinkspot.evaluation import PRESETS
from blinkspot.evaluation.scoring.picture_scores import psnr_db
from blinkspot.progress import Progress, finish

from . import truth_movie
from .clean_frames import clean_frames, settings_of
from .limit import photon_limit
from .noise2void import noise2void
from .rows import Row, Run
from .trainings import Cost, Movie, measured, simulated

PSNR_REACH = {"low120": 46.0, "yfp4_bg100": 50.0}
# What photon_limit.py --sweeps 2000 gave, exact law, all frames.
PHOTON_LIMIT_DB = {"low120": 45.64, "yfp4_bg100": 49.30}
DIM_BACKGROUND = dataclasses.replace(
    PRESETS["low120"],
    camera=Camera(pixel_size_nm=100.0, offset_adu=100.0, electrons_per_adu=1.0),
    photons=(60.0, 120.0),
    background_photons=0.5,
    seed=11,
)
LONG_MOVIE = dataclasses.replace(PRESETS["low120"], frames=1000, size_px=256, seed=12)
_SAMPLE_FRAMES = 20
_SETTLED_DB = 0.2


@cache
def shared_movie(name: str) -> Movie:
    """Open one of the shared simulated movies, with its clean frames."""
    shared = truth_movie(name)
    settings = settings_of(name)
    clean = clean_frames(shared.truth, settings, shared.movie.n_frames)
    return Movie(name, shared.movie, settings, shared.truth, clean)


def psnr_rows(run: Run) -> Iterator[Row]:
    """PSNR on the shared movies: ours, the comparators' losses, Noise2Void, and the photon limit."""
    for name, reach in PSNR_REACH.items():
        movie = shared_movie(name)
        yield Row("psnr", f"{name}: noisy", _figures(movie, movie.noisy))
        ours = run.trainings.denoised(movie, context_frames=0)
        figures = f"{_figures(movie, ours.frames)}, {ours.steps} steps"
        yield Row("psnr", f"{name}: blinkspot", figures, f">= {reach:g} dB", ours.cost)
        if name == "low120":
            yield from _loss_rows(run, "psnr", movie, reach="")
        yield _noise2void_row(run, movie, psnr_db(ours.frames, movie.clean), ours.cost.cpu_s)
        yield _limit_row(run, "psnr", movie)


def gaussian_rows(run: Run) -> Iterator[Row]:
    """Compare the losses on a background of half an electron, where a Gaussian is far from the truth."""
    movie = simulated("background 0.5", DIM_BACKGROUND)
    yield Row("gaussian", f"{movie.name}: noisy", _figures(movie, movie.noisy))
    ours = run.trainings.denoised(movie, context_frames=0)
    figures = f"{_figures(movie, ours.frames)}, {ours.steps} steps"
    yield Row("gaussian", f"{movie.name}: blinkspot", figures, "", ours.cost)
    yield from _loss_rows(run, "gaussian", movie, reach=">= 1 dB ahead of gaussian")
    if run.measure_limit:
        yield _limit_row(run, "gaussian", movie)


def network_rows(run: Run) -> Iterator[Row]:
    """Train the paper's network, small and at full size, for the time that ours is given."""
    movie = shared_movie("low120")
    others: tuple[dict[str, Any], ...] = ({}, *({"network": "laine", "channels": size} for size in (16, 48)))
    for settings in others:
        made = run.trainings.denoised(movie, context_frames=0, **settings)
        with measured() as cost:
            _frames(made.model, movie.stack.frames(0, _SAMPLE_FRAMES))
        nanoseconds = 1e9 * cost.wall_s / (_SAMPLE_FRAMES * math.prod(movie.stack.shape[1:]))
        name = "laine, {channels} channels".format(**settings) if settings else "blinkspot's own"
        figures = (
            f"{_figures(movie, made.frames)}, {made.steps} steps, predicts in {nanoseconds:.0f} ns a pixel"
        )
        yield Row("networks", f"{movie.name}: {name}", figures, "", made.cost)


def convergence_rows(run: Run) -> Iterator[Row]:
    """Follow a training on a long movie until its PSNR is within 0.2 dB of its last."""
    movie = simulated("1,000 x 256 x 256", LONG_MOVIE)
    chosen = np.linspace(0, movie.stack.n_frames - 1, _SAMPLE_FRAMES).astype(int)
    sample = as_stack(movie.stack.selected(chosen))
    clean = movie.clean[chosen]
    settings = TrainingSettings(minutes=run.trainings.minutes, context_frames=0, seed=run.trainings.seed)
    # The models are kept and looked at afterwards, so that looking costs the training nothing.
    kept: list[tuple[float, Denoiser]] = []
    training = Training(movie.stack, movie.camera, settings)
    with measured() as cost:
        finish(training.run(), lambda progress: _keep_best(kept, training, progress))
    minutes = np.array([elapsed_s / 60.0 for elapsed_s, _ in kept])
    decibels = np.array([psnr_db(_frames(model, sample), clean) for _, model in kept])
    for index in np.unique(np.linspace(0, len(kept) - 1, 12).astype(int)):
        what = f"{movie.name}: after {minutes[index]:.2f} min"
        yield Row("convergence", what, f"{decibels[index]:.2f} dB")
    below = np.flatnonzero(decibels < decibels[-1] - _SETTLED_DB)
    settled = minutes[below[-1] + 1] if len(below) else minutes[0]
    yield Row(
        "convergence",
        f"{movie.name}: within {_SETTLED_DB:g} dB of its end",
        f"after {settled:.2f} min, {decibels[-1]:.2f} dB",
        "<= 10 min on 2 cores, <= 1 min on a GPU",
        cost,
    )


def _keep_best(kept: list[tuple[float, Denoiser]], training: Training, progress: Progress) -> None:
    if isinstance(progress, TrainingProgress) and progress.improved and training.best is not None:
        kept.append((progress.elapsed_s, training.best))


def _loss_rows(run: Run, part: str, movie: Movie, reach: str) -> Iterator[Row]:
    """Train the same network for the same time with the comparators' losses."""
    ours_db = psnr_db(run.trainings.denoised(movie, context_frames=0).frames, movie.clean)
    for loss in LOSSES[1:]:
        other = run.trainings.denoised(movie, context_frames=0, loss=loss)
        ahead = ours_db - psnr_db(other.frames, movie.clean)
        figures = f"{_figures(movie, other.frames)}, {other.steps} steps; blinkspot {ahead:+.2f} dB ahead"
        yield Row(
            part, f"{movie.name}: {loss} loss", figures, reach if loss == "gaussian" else "", other.cost
        )


def _noise2void_row(run: Run, movie: Movie, ours_db: float, cpu_s: float) -> Row:
    what = f"{movie.name}: CAREamics Noise2Void"
    if run.careamics is None:
        return Row("psnr", what, "not run", ">= 8 dB behind")
    peer = noise2void(run.careamics, movie.noisy, cpu_s, run.threads, run.trainings.seed)
    ahead = ours_db - psnr_db(peer.frames, movie.clean)
    figures = f"{_figures(movie, peer.frames)}, {peer.steps} steps; blinkspot {ahead:+.2f} dB ahead"
    return Row("psnr", f"{what} {peer.version}", figures, ">= 8 dB behind", Cost(peer.cpu_s, peer.wall_s))


def _limit_row(run: Run, part: str, movie: Movie) -> Row:
    what = f"{movie.name}: photon limit"
    if not run.measure_limit:
        return Row(part, what, f"PSNR {PHOTON_LIMIT_DB[movie.name]:.2f} dB (as photon_limit.py gave it)")
    with measured() as cost:
        limit = photon_limit(movie.stack, movie.truth, movie.settings, "exact")
    return Row(part, what, f"PSNR {limit.psnr_db:.2f} +- {limit.error_db:.2f} dB", "", cost)


def _figures(movie: Movie, frames: FloatArray) -> str:
    """Return the PSNR, and by how much the photons of the whole movie are off."""
    bias = np.sum(frames, dtype=np.float64) / np.sum(movie.noisy, dtype=np.float64) - 1.0
    return f"PSNR {psnr_db(frames, movie.clean):.2f} dB, photons {100.0 * bias:+.2f} %"


def _frames(model: Denoiser, stack: object) -> FloatArray:
    return np.concatenate([chunk.frames for chunk in model.denoise(as_stack(stack))])
