"""ThunderSTORM's analysis as reproduced here, beside ThunderSTORM's own result files.

All frames of the five simulated movies, with both fits that there are files of. A localization is matched
where one of the other table lies within 2 nm in the same frame; differences are between the matched. Speed is
of processor time, of the fits alone and of the whole analysis; ThunderSTORM did 540 fits per second of wall
time on two threads. The second table: what is left, and why. The third: what a fit that goes to the optimum
of the same likelihood would match.
"""

import time
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree
from support import CAMERAS, TruthMovie, print_table, truth_movie

from blinkspot.localization.fitting.molecules import fit_molecules
from blinkspot.localization.thunderstorm import (
    ThunderstormFit,
    ThunderstormSettings,
    base_level_removed,
    find_candidates,
    fit_candidates,
    localize_frame,
)

FITS: tuple[ThunderstormFit, ...] = ("mle", "wlsq")
TOLERANCE_NM = 2.0
COMPARED = ("uncertainty_nm", "photons", "sigma_nm", "background_photons")
# All the light of a Gaussian narrower than this is in one pixel, wherever in the pixel it lies.
ONE_PIXEL_SIGMA_PX = 0.2


@dataclass(frozen=True)
class Run:
    """What was found in a movie, column by column, and the processor time that it took."""

    columns: dict[str, np.ndarray]
    fit_s: float
    whole_s: float

    def __len__(self) -> int:
        return len(self.columns["frame"])


def localized(shared: TruthMovie, fit: ThunderstormFit) -> Run:
    settings = ThunderstormSettings(fit=fit)
    frames = shared.movie.frames(0, shared.movie.n_frames)
    localize_frame(frames[0], shared.camera, settings)  # compiles
    found, fit_s, whole_s = [], 0.0, 0.0
    for index, frame in enumerate(frames):
        started = time.process_time()
        pixels = base_level_removed(frame, shared.camera)
        candidates = find_candidates(pixels)
        fits_started = time.process_time()
        columns = fit_candidates(pixels, candidates, shared.camera, settings)
        ended = time.process_time()
        fit_s += ended - fits_started
        whole_s += ended - started
        found.append({"frame": np.full(len(columns["x_nm"]), float(index)), **columns})
    return Run({name: np.concatenate([part[name] for part in found]) for name in found[0]}, fit_s, whole_s)


def matched_at_the_optimum(shared: TruthMovie) -> tuple[str, str]:
    """Fit ThunderSTORM's candidates by our own maximum likelihood, of photons taken for counts as there."""
    pixel, found = shared.camera.pixel_size_nm, []
    for index, frame in enumerate(shared.movie.frames(0, shared.movie.n_frames)):
        pixels = base_level_removed(frame, shared.camera)
        candidates = find_candidates(pixels)
        photons = pixels * np.float32(shared.camera.photoelectrons_per_adu)
        fits = fit_molecules(photons, candidates.rows, candidates.columns)
        at = {"frame": np.full(len(fits), float(index)), "x_nm": (fits.x + 0.5) * pixel}
        found.append(places({**at, "y_nm": (fits.y + 0.5) * pixel}))
    ours = np.concatenate(found)
    theirs = places({title: values.to_numpy() for title, values in shared.thunderstorm["mle"].data.items()})
    near = [(cKDTree(a).query(b)[0] <= TOLERANCE_NM).mean() for a, b in ((ours, theirs), (theirs, ours))]
    return f"{100 * near[0]:.2f} %", f"{100 * near[1]:.2f} %"


def places(columns: dict[str, np.ndarray]) -> np.ndarray:
    """Return points that are near each other only in the same frame."""
    return np.column_stack([columns["frame"] * 1e9, columns["x_nm"], columns["y_nm"]])


def main() -> None:
    rows, causes = [], []
    for name in CAMERAS:
        shared = truth_movie(name)
        for fit in FITS:
            ours = localized(shared, fit)
            theirs = {title: values.to_numpy() for title, values in shared.thunderstorm[fit].data.items()}
            distance, nearest = cKDTree(places(ours.columns)).query(places(theirs))
            distance_back, _ = cKDTree(places(theirs)).query(places(ours.columns))
            same = distance <= TOLERANCE_NM
            cells: list[object] = [name, fit, len(distance), len(ours)]
            cells += [f"{100 * same.mean():.2f} %", f"{100 * (distance_back <= TOLERANCE_NM).mean():.2f} %"]
            cells.append(" / ".join(f"{np.quantile(distance, q):.0e}" for q in (0.5, 0.98)))
            for column in COMPARED:
                mine, other = ours.columns[column][nearest[same]], theirs[column][same]
                # The background may be 0; the files have five decimals.
                relative = np.abs(mine - other) / np.maximum(np.abs(other), 1e-3)
                within = 100 * (relative <= 0.02).mean()
                cells.append(
                    f"{np.median(relative):.0e} / {np.quantile(relative, 0.98):.0e} / {within:.2f} %"
                )
            cells += [round(len(ours) / ours.fit_s), round(len(ours) / ours.whole_s)]
            rows.append(cells)
            narrow = theirs["sigma_nm"] < ONE_PIXEL_SIGMA_PX * shared.camera.pixel_size_nm
            causes.append(
                (name, fit, int((~same).sum()), int((~same & narrow).sum()), int((~same & ~narrow).sum()))
            )
    print_table(
        (
            *("movie", "fit", "theirs", "ours", "matched of theirs", "of ours", "distance nm, median / 98 %"),
            *(f"{name.removesuffix('_nm')}, median / 98 % / within 2 %" for name in COMPARED),
            *("fits per CPU s", "whole"),
        ),
        rows,
    )
    print()
    print_table(("movie", "fit", "not matched", "of them: all light in one pixel", "others"), causes)
    print()
    optima = [(name, *matched_at_the_optimum(truth_movie(name))) for name in CAMERAS]
    print_table(("movie", "mle at the optimum: matched of theirs", "of ours"), optima)


if __name__ == "__main__":
    main()
