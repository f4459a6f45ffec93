"""Crowded movies: single fits beside several emitters per spot, free and equally bright; F1 within 50 nm.

Simulated by ThunderSTORM's law: pixels of 80 nm, 700 to 900 photons, FWHM 200 to 350 nm, background 50, no EM
gain; the seed was used for no choice in the localizer. Then the shared movies, which are sparse, and the real
one, of which the truth is not known. Asked: F1 0.82 at 1 molecule per square micrometre, and no less than
single fits on any shared movie.
"""

import time

import numpy as np
from support import CAMERAS, SHARED, done, print_table, truth_movie

from blinkspot import Camera, LocalizationTable, Localizer, LocalizerSettings, Stack, open_stack, score
from blinkspot.evaluation import SimulationSettings, simulate

# Molecules per square micrometre: frames.
DENSITIES = {0.1: 300, 0.3: 150, 1.0: 100, 2.0: 50}
SEED = 9001
WAYS = {
    "single": {},
    "up to 5": {"most_emitters": 5},
    "equally bright": {"most_emitters": 5, "equal_photons": True},
}
REAL = "eos_actin_palm_300x96x96.tif"
REAL_CAMERA = Camera(offset_adu=1125.0, electrons_per_adu=1.0 / 19.5)


def simulated(density: float, frames: int) -> tuple[np.ndarray, LocalizationTable, Camera]:
    settings = SimulationSettings(
        frames=frames, density_per_um2=density, background_photons=50.0, seed=SEED + round(10 * density)
    )
    parts, job = [], simulate(settings)
    while True:
        try:
            parts.append(next(job).frames)
        except StopIteration as stop:
            return np.concatenate(parts), stop.value, settings.camera


def localized(movie: np.ndarray | Stack, camera: Camera, way: str) -> tuple[LocalizationTable, float]:
    localizer = Localizer(camera, LocalizerSettings(**WAYS[way]))
    started = time.process_time()
    table = done(localizer.localize(movie))
    return table, time.process_time() - started


def main() -> None:
    for way in WAYS:
        localized(*simulated(1.0, 2)[::2], way)  # compiled
    rows: list[tuple[object, ...]] = []
    for density, frames in DENSITIES.items():
        movie, truth, camera = simulated(density, frames)
        for way in WAYS:
            table, seconds = localized(movie, camera, way)
            found = score(table, truth)
            f1 = (found.f1, found.recall, found.precision, found.rmse_nm)
            rows.append((f"{density:g} per um2", way, *f1, 1e3 * seconds / frames))
    for name in CAMERAS:
        shared = truth_movie(name)
        for way in WAYS:
            table, seconds = localized(shared.movie, shared.camera, way)
            found = score(table, shared.truth)
            f1 = (found.f1, found.recall, found.precision, found.rmse_nm)
            rows.append((name, way, *f1, 1e3 * seconds / shared.movie.n_frames))
    header = ("movie", "emitters", "F1", "recall", "precision", "RMSE nm", "CPU ms per frame")
    print_table(header, rows)
    rows = []
    movie = open_stack(SHARED / "real" / REAL)
    for way in WAYS:
        table, seconds = localized(movie, REAL_CAMERA, way)
        sigma = float(np.median(table.column("sigma_nm")))
        rows.append((REAL, way, len(table), sigma, 1e3 * seconds / movie.n_frames))
    print_table(("movie", "emitters", "localizations", "median sigma nm", "CPU ms per frame"), rows)


if __name__ == "__main__":
    main()
