"""What "Will it help?" says of simulated movies, beside what noise really takes from them.

Found and placed are shares of the molecules: as judged from an excerpt, and as the truth has them (found:
within 250 nm; placed: of these within 50 nm; at a tenth of a false molecule per frame). F1 is within 50 nm,
maximum likelihood, each at its best threshold: of the noisy movie, of the movie without noise, and with
--minutes of the denoised movie (fitted on its pixels).
"""

import argparse
import dataclasses
import time
from collections.abc import Mapping

import numpy as np
from support import print_table

from blinkspot import Camera, LocalizationTable, Localizer, LocalizerSettings, Stack, as_stack
from blinkspot.evaluation import PRESETS, SimulationSettings, threshold_curve
from blinkspot.evaluation.scoring.matching import pairs_within
from blinkspot.evaluation.simulation import simulate
from blinkspot.localization.outlook import FALSE_PER_FRAME, judge_movie
from blinkspot.progress import finish

NO_EM = Camera(pixel_size_nm=100.0, offset_adu=100.0, electrons_per_adu=1.0)
ON_4 = {"mean_on_frames": 4.0}


def like_low120(photons: float, background: float, **changes: object) -> SimulationSettings:
    """Return settings of molecules within a quarter of some brightness."""
    return dataclasses.replace(
        PRESETS["low120"],
        photons=(0.75 * photons, 1.25 * photons),
        background_photons=background,
        **changes,
    )


CASES: Mapping[str, SimulationSettings] = {
    **{name: PRESETS[name] for name in ("low120", "low-light", "yfp3", "yfp4", "default", "dna-paint")},
    "EM, 90 on 5": like_low120(90.0, 5.0),
    "EM, 300 on 5": like_low120(300.0, 5.0),
    "EM, 2000 on 10": like_low120(2000.0, 10.0),
    "no EM, 90 on 1": like_low120(90.0, 1.0, camera=NO_EM),
    "no EM, 300 on 10": like_low120(300.0, 10.0, camera=NO_EM),
    "no EM, 1000 on 100": like_low120(1000.0, 100.0, camera=NO_EM),
    "EM, 300 on 10, 4 frames": like_low120(300.0, 10.0, **ON_4),
    "EM, 2000 on 10, 4 frames": like_low120(2000.0, 10.0, **ON_4),
    "EM, 40 on 5, 4 frames": like_low120(40.0, 5.0, **ON_4),
}


def simulated(settings: SimulationSettings) -> tuple[Stack, np.ndarray, LocalizationTable]:
    """Return a movie, its mean in ADU, and its truth."""
    frames, means = [], []
    job = simulate(settings)
    while True:
        try:
            chunk = next(job)
        except StopIteration as stop:
            return as_stack(np.concatenate(frames)), settings.camera.adu(np.concatenate(means)), stop.value
        frames.append(chunk.frames)
        means.append(chunk.expectation)


def best_f1(
    movie: Stack | np.ndarray, camera: Camera, truth: LocalizationTable, denoised: np.ndarray | None = None
) -> float:
    settings = LocalizerSettings(threshold=0.5, fit_on="raw" if denoised is None else "denoised")
    curve = threshold_curve(finish(Localizer(camera, settings).localize(movie, denoised)), truth)
    return curve.scores(curve.best_index).f1


def denoised(movie: Stack, camera: Camera, minutes: float) -> np.ndarray:
    from blinkspot import Training, TrainingSettings

    model = finish(Training(movie, camera, TrainingSettings(minutes=minutes)).run())
    return np.concatenate([camera.adu(chunk.frames) for chunk in model.denoise(movie)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--size-px", type=int, default=96)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--minutes", type=float, help="train a model on each movie for so long")
    options = parser.parse_args()
    rows = []
    for name in options.cases:
        settings = dataclasses.replace(
            CASES[name], frames=options.frames, size_px=options.size_px, seed=options.seed
        )
        movie, mean_adu, truth = simulated(settings)
        camera = settings.camera
        started = time.process_time()
        said = finish(judge_movie(movie, camera))
        cost_s = time.process_time() - started
        table = finish(Localizer(camera, LocalizerSettings(false_per_frame=FALSE_PER_FRAME)).localize(movie))
        found = len(pairs_within(table, truth, 250.0).truth)
        placed = len(pairs_within(table, truth, 50.0).truth)
        row = [
            name,
            f"{said.photons:.0f} on {said.background_photons:.1f}",
            said.signal_to_noise,
            said.bound_nm,
            f"{said.found:.2f} / {found / len(truth):.2f}",
            f"{said.placed:.2f} / {placed / max(1, found):.2f}",
            said.lost,
            f"{said.staying:.2f}",
            said.limit,
            best_f1(movie, camera, truth),
            best_f1(mean_adu, camera, truth),
        ]
        if options.minutes is not None:
            row.append(best_f1(movie, camera, truth, denoised(movie, camera, options.minutes)))
        rows.append((*row, cost_s))
        print(*row, flush=True)
    header = ["movie", "typical", "S/N", "bound nm", "found", "placed", "lost", "staying", "limit"]
    header += ["F1 noisy", "F1 noise-free", *([] if options.minutes is None else ["F1 denoised"])]
    print_table((*header, "CPU s"), rows)


if __name__ == "__main__":
    main()
