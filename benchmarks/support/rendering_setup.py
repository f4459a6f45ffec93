"""The molecules that both draw, and how a drawing is measured. Runs in Picasso's environment too."""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

PIXEL_NM = 20.0
MOVIE_PIXEL_NM = 100.0


def save_molecules(path: Path, number: int, size_px: int) -> None:
    """Write molecules on 400 straight filaments, a tenth of them anywhere, inside so many pixels."""
    generator = np.random.default_rng(0)
    extent_nm = size_px * PIXEL_NM
    ends = generator.uniform(0.05 * extent_nm, 0.95 * extent_nm, (400, 2, 2))
    filament = generator.integers(0, len(ends), number)
    along = generator.random((number, 1))
    places = ends[filament, 0] * along + ends[filament, 1] * (1.0 - along)
    anywhere = generator.random(number) < 0.1
    places[anywhere] = generator.uniform(0.05 * extent_nm, 0.95 * extent_nm, (anywhere.sum(), 2))
    # A median of 12 nm, and a long tail.
    uncertainty_nm = np.exp(generator.normal(np.log(12.0), 0.4, number))
    places += generator.normal(size=places.shape) * uncertainty_nm[:, None]
    frame = np.sort(generator.integers(0, 20_000, number))
    np.savez(path, y_nm=places[:, 0], x_nm=places[:, 1], uncertainty_nm=uncertainty_nm, frame=frame)


def measured(draw: Callable[[], Any], runs: int) -> tuple[Any, str]:
    """Draw once to compile, and so many times more; return the picture and a report as JSON."""
    before = _peak_mb()
    draw()
    times = []
    for _ in range(runs):
        started = time.process_time()
        drawn = draw()
        times.append(time.process_time() - started)
    return drawn, json.dumps({"cpu_s": min(times), "before_mb": before, "after_mb": _peak_mb()})


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
