"""Speed of the localizer on one processor core: fits alone, whole movies, one frame of 512 x 512 pixels.

Processor seconds, best of five. Asked: 150,000 maximum likelihood fits of 7 x 7 pixels and 5 parameters a
second, 60,000 localizations a second from movie to table, a frame of 512 x 512 pixels in less than 50 ms.

    python benchmarks/localizer_speed.py --picasso PICASSO_ENVIRONMENT/bin/python

Picasso reads the same movies on one thread and makes tables of about as many molecules by its maximum
likelihood fits in boxes of 7 pixels, of one width and of two; what it compiles is not counted either.
"""

import argparse
import dataclasses
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import tifffile
from support import CAMERAS, print_table, truth_movie
from support.trainings import simulated

from blinkspot import Camera, Localizer, LocalizerSettings, Stack, as_stack
from blinkspot.evaluation import PRESETS
from blinkspot.localization.detection import find_candidates
from blinkspot.localization.fitting.molecules import fit_molecules
from blinkspot.progress import finish

REPEATS = 5
TIMES = 5
LONG = 1000
PEER = Path(__file__).with_name("support") / "picasso_speed_peer.py"
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


def picassos(
    movies: dict[str, tuple[Stack, Camera, int]], interpreter: Path
) -> Iterator[tuple[str, str, str]]:
    """Yield a row for each movie, given with how many molecules to find in it, and each of Picasso's fits."""
    with tempfile.TemporaryDirectory() as folder:
        asked = []
        for number, (name, (stack, camera, molecules)) in enumerate(movies.items()):
            path = Path(folder, f"{number}.tif")
            tifffile.imwrite(path, stack.frames(0, stack.n_frames), photometric="minisblack")
            theirs = {
                "Baseline": camera.offset_adu,
                "Sensitivity": camera.electrons_per_adu,
                "Gain": camera.em_gain,
                "Pixelsize": camera.pixel_size_nm,
            }
            asked.append({"name": name, "path": str(path), "camera": theirs, "molecules": molecules})
        source, target = Path(folder, "movies.json"), Path(folder, "times.json")
        source.write_text(json.dumps({"movies": asked, "repeats": REPEATS}))
        one_thread = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
        command = [str(word) for word in (interpreter, PEER, source, target)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **one_thread})
        said = json.loads(target.read_text())
    for each in said["results"]:
        what = f"{each['name']}: Picasso {said['version']} {each['method']}, {each['n']}"
        column = "" if each["method"].endswith("spherical") else "two widths, "
        yield what, f"{column}{each['n'] / each['seconds']:,.0f}", ""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--picasso", type=Path, help="Python of an environment with Picasso")
    picasso = parser.parse_args().picasso
    rows = []
    for name in CAMERAS:
        shared = truth_movie(name)
        width = finish(Localizer(shared.camera).learn_width(shared.movie))
        picture, row, column = tiled_windows(name)
        for fit in ("mle", "lsq", "wlsq"):
            start = partial(fit_molecules, picture, row, column, method=fit, initial_sigma_px=width.sigma_px)
            taken = [seconds(partial(start, sigma_std_px=known)) for known in (np.inf, width.std_px)]
            rows.append((f"{name}: {len(row)} {fit} fits", *(f"{len(row) / each:,.0f}" for each in taken)))
    whole: dict[str, tuple[Stack, Camera, int]] = {}
    movies = {name: (truth_movie(name).movie, camera) for name, camera in CAMERAS.items()}
    # What is learned from some frames beforehand costs longer movies no more.
    for name, (stack, camera) in list(movies.items()):
        longer = np.concatenate([stack.frames(0, stack.n_frames)] * TIMES)
        movies[f"{name} {TIMES} times over"] = (as_stack(longer), camera)
    crowded = simulated("yfp4, 512 x 512", CROWDED)
    movies[crowded.name] = (crowded.stack, crowded.camera)
    for name, (stack, camera) in movies.items():
        localizer = Localizer(camera)
        n = len(finish(localizer.localize(stack)))
        taken_s = seconds(lambda localizer=localizer, stack=stack: finish(localizer.localize(stack)))
        rows.append((f"{name}: {stack.n_frames} frames to table, {n}", "", f"{n / taken_s:,.0f}"))
        if stack.n_frames > LONG or name == crowded.name:
            whole[name] = stack, camera, n
    if picasso is not None:
        rows += picassos(whole, picasso)
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
