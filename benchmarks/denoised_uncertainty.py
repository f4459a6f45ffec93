"""Reported uncertainty over true error of fits on denoised movies, with and without context frames.

Each movie has molecules of six brightnesses, 50 to 5,000 photons a frame, 100 frames of each. Without context
frames every frame has its own molecules; with two on each side a molecule shines for 4 frames on average. A
model is trained on the movie, the movie denoised, localized on the denoised frames, and the uncertainties
calibrated. Scored are molecules that stand alone and shine through the whole frame. Asked: 0.93 to 1.07.
"""

import argparse
import dataclasses

import numpy as np
from scipy.spatial import cKDTree
from support import print_table
from support.trainings import Movie, Trainings, simulated, use_threads

from blinkspot import Camera, Localizer, LocalizerSettings, as_stack
from blinkspot.evaluation import SimulationSettings, calibrate_uncertainties
from blinkspot.localization import LocalizationTable
from blinkspot.progress import finish

PHOTONS = (50, 100, 200, 500, 1000, 5000)
BACKGROUNDS = (1.0, 10.0, 100.0)
FRAMES_EACH = 100
SIGMA_NM = 120.0
ALONE_NM = 6.0 * SIGMA_NM
REACH_NM = 1.5 * SIGMA_NM
FULL_FRAME = 0.99
CAMERAS = {
    "no EM": Camera(pixel_size_nm=100.0, offset_adu=100.0, electrons_per_adu=0.5),
    "EM": Camera(pixel_size_nm=100.0, offset_adu=100.0, electrons_per_adu=12.0, em_gain=150.0),
}


def movie_of(camera: str, background: float, on_frames: float) -> Movie:
    """Simulate all brightnesses, one after the other, as one movie."""
    parts = []
    for index, photons in enumerate(PHOTONS):
        settings = SimulationSettings(
            frames=FRAMES_EACH,
            camera=CAMERAS[camera],
            density_per_um2=0.06,
            fwhm_nm=(2.355 * 0.95 * SIGMA_NM, 2.355 * 1.05 * SIGMA_NM),
            photons=(photons, photons),
            background_photons=background,
            mean_on_frames=on_frames,
            seed=10 + index,
        )
        parts.append(simulated("", settings))
    truth = [
        part.truth.data.assign(frame=part.truth.data["frame"] + index * FRAMES_EACH)
        for index, part in enumerate(parts)
    ]
    rows = {name: np.concatenate([each[name] for each in truth]) for name in truth[0]}
    return dataclasses.replace(
        parts[0],
        name=f"{camera} {background} {on_frames}",
        stack=as_stack(np.concatenate([part.stack.frames(0, FRAMES_EACH) for part in parts])),
        truth=LocalizationTable.from_columns(rows),
        clean=np.concatenate([part.clean for part in parts]),
    )


def places(table: LocalizationTable) -> np.ndarray:
    return np.column_stack([table.column("x_nm"), table.column("y_nm"), 1e6 * table.column("frame")])


def scored(
    before: LocalizationTable, after: LocalizationTable, truth: LocalizationTable, photons: int
) -> tuple[str, ...]:
    """Return the part found, and reported over true, before and after the calibration."""
    there, found = places(truth), places(after)
    apart, _ = cKDTree(there).query(there, k=2)
    asked = (apart[:, 1] > ALONE_NM) & (truth.column("photons") >= FULL_FRAME * photons)
    asked &= truth.column("frame") // FRAMES_EACH == PHOTONS.index(photons)
    distance, nearest = cKDTree(found).query(there[asked])
    seen = distance < REACH_NM
    rows = nearest[seen]
    if seen.mean() < 0.05:
        return f"{seen.mean():.2f}", "", "", ""
    true = np.mean(distance[seen] ** 2) / 2.0
    ratios = [np.sqrt(np.mean(each.column("uncertainty_nm")[rows] ** 2) / true) for each in (before, after)]
    return f"{seen.mean():.2f}", f"{np.sqrt(true):.1f}", *(f"{ratio:.2f}" for ratio in ratios)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=1.0, help="training, each")
    parser.add_argument("--limit", type=int, default=12, help="movies, at most")
    arguments = parser.parse_args()
    use_threads(2)
    trainings = Trainings(arguments.minutes, seed=1)
    kinds = [(c, b, context) for context in (0, 2) for c in CAMERAS for b in BACKGROUNDS]
    rows = []
    for camera, background, context in kinds[: arguments.limit]:
        movie = movie_of(camera, background, 4.0 if context else 0.0)
        denoised = trainings.denoised(movie, context_frames=context)
        adu = movie.camera.adu(denoised.frames)
        localizer = Localizer(movie.camera, LocalizerSettings(fit_on="denoised"))
        before = finish(localizer.localize(movie.stack, adu))
        after = finish(calibrate_uncertainties(before, adu, denoised.model, localizer))
        for photons in PHOTONS:
            score = scored(before, after, movie.truth, photons)
            rows.append((camera, background, context, photons, *score))
            print(*rows[-1], flush=True)
    header = ("camera", "background", "context frames", "photons", "found", "true error, nm")
    print_table((*header, "as fitted: reported / true", "calibrated"), rows)


if __name__ == "__main__":
    main()
