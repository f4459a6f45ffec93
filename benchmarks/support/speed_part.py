"""The part of the denoising benchmark that measures how long one frame takes."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from blinkspot import Training, TrainingSettings
from blinkspot.evaluation import PRESETS
from blinkspot.progress import finish

from .noise2void import noise2void
from .rows import Row, Run
from .trainings import simulated

LARGE = dataclasses.replace(PRESETS["low120"], frames=12, size_px=512, seed=14)
_TIMED_RUNS = 15
_FRAME = 5
# How well a network is trained does not change how fast it is.
_SHORT_MINUTES = 0.03
_SHORT_CPU_S = 2.0


def speed_rows(run: Run) -> Iterator[Row]:
    """Predict one 512x512 frame, once warm."""
    movie = simulated("512x512", LARGE)
    reach = "<= 60 ms, and below Noise2Void's"
    for context in (0, 1, 2):
        settings = TrainingSettings(minutes=_SHORT_MINUTES, context_frames=context, max_frames=10)
        model = finish(Training(movie.stack, movie.camera, settings).run())
        median, fastest = _milliseconds(partial(model.denoise_frame, movie.stack, _FRAME))
        figures = f"{median:.0f} ms (fastest {fastest:.0f})"
        yield Row("speed", f"blinkspot, {context} frames each side", figures, reach)
    if run.careamics is None:
        yield Row("speed", "CAREamics Noise2Void", "not run")
        return
    peer = noise2void(
        run.careamics, movie.noisy, _SHORT_CPU_S, run.threads, run.trainings.seed, movie.noisy[_FRAME]
    )
    figures = f"{peer.predict_ms:.0f} ms (its network alone {peer.network_ms:.0f})"
    yield Row("speed", f"CAREamics Noise2Void {peer.version}", figures)


def _milliseconds(job: Callable[[], object]) -> tuple[float, float]:
    """Return the median and the shortest time of a job once it is warm, ms."""
    times = []
    for _ in range(_TIMED_RUNS + 2):
        started = time.perf_counter()
        job()
        times.append(1e3 * (time.perf_counter() - started))
    return float(np.median(times[2:])), float(np.min(times[2:]))
