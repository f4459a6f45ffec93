"""Speed of the localizer on one processor core: fits alone, whole movies, one frame of 512 x 512 pixels.

Processor seconds, best of five. Asked: 150,000 maximum likelihood fits of 7 x 7 pixels and 5 parameters a
second, 60,000 localizations a second from movie to table, a frame of 512 x 512 pixels in less than 50 ms.
"""

import dataclasses
import time
from collections.abc import Callable
from functools import partial

import numpy as np
from support import CAMERAS, print_table, truth_movie
from support.trainings import simulated

from blinkspot import Localizer, LocalizerSettings
from blinkspot.evaluation import PRESETS
from blinkspot.localization.detection import find_candidates
from blinkspot.localization.fitting import fit_molecules
from blinkspot.progress import finish

REPEATS = 5
LARGE = dataclasses.replace(PRESETS["yfp3"], frames=4, size_px=512)
CROWDED = dataclasses.replace(PRESETS["yfp4"], frames=40, size_px=512, seed=5)


def seconds(work: Callable[[], object]) -> float:
    """Return the least processor time of some runs; the first, which compiles, does not count."""
    work()
    taken = []
    for _ in range(REPEATS):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return min(taken)


def tiled_windows(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the frames of a movie as one picture, and its candidates: so that nothing but fits is timed."""
    shared = truth_movie(name)
    frames = shared.camera.counts(shared.movie.frames(0, shared.movie.n_frames))
    height = frames.shape[1]
    places = [find_candidates(frame, 1.0) for frame in frames]
    rows = np.concatenate([each.rows + index * height for index, each in enumerate(places)])
    return frames.reshape(-1, frames.shape[2]), rows, np.concatenate([each.columns for each in places])


def main() -> None:
    rows = []
    for name in CAMERAS:
        shared = truth_movie(name)
        width = finish(Localizer(shared.camera).learn_width(shared.movie))
        picture, row, column = tiled_windows(name)
        for fit in ("mle", "lsq", "wlsq"):
            start = partial(fit_molecules, picture, row, column, method=fit, initial_sigma_px=width.sigma_px)
            taken = [seconds(partial(start, sigma_std_px=known)) for known in (np.inf, width.std_px)]
            rows.append((f"{name}: {len(row)} {fit} fits", *(f"{len(row) / each:,.0f}" for each in taken)))
    for name in CAMERAS:
        shared = truth_movie(name)
        localizer = Localizer(shared.camera)
        table = finish(localizer.localize(shared.movie))
        taken_s = seconds(lambda localizer=localizer, movie=shared.movie: finish(localizer.localize(movie)))
        rows.append((f"{name}: movie to table, {len(table)}", "", f"{len(table) / taken_s:,.0f}"))
    crowded = simulated("yfp4, 512 x 512", CROWDED)
    localizer = Localizer(crowded.camera)
    table = finish(localizer.localize(crowded.stack))
    taken_s = seconds(lambda: finish(localizer.localize(crowded.stack)))
    rows.append((f"{crowded.name}: movie to table, {len(table)}", "", f"{len(table) / taken_s:,.0f}"))
    large = simulated("yfp3, 512 x 512", LARGE)
    width = finish(Localizer(large.camera).learn_width(large.stack))
    frame = large.stack.frame(0)
    for threshold in (1.0, 0.5):
        one = Localizer(large.camera, LocalizerSettings(threshold=threshold))
        n = len(one.localize_frame(frame, width=width))
        taken_s = seconds(lambda one=one: one.localize_frame(frame, width=width))
        rows.append((f"{large.name}: a frame, {n} found", "", f"{1e3 * taken_s:.1f} ms"))
    print_table(("what", "per CPU second, free widths", "known widths"), rows)


if __name__ == "__main__":
    main()
