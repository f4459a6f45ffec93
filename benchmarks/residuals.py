"""The residual test where it is known what is wrong: molecules deleted or added, a blur, short trainings.

    python benchmarks/residuals.py [--minutes 0.2 2]

Each movie is simulated and known without noise. 'Exact' is that; from 'deleted' every tenth molecule is
missing, and 'added' has as many that are not there; 'blurred' is the noisy movie through a Gaussian filter.
Models are trained for so many minutes on the noisy movie. Their lost molecules are those, by the truth, of
whose light they expect less than half from the other pixels.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from support import done, print_table
from support.trainings import Movie, simulated

from blinkspot import Training, TrainingSettings
from blinkspot.evaluation import PRESETS
from blinkspot.evaluation.forward_model import spots_image
from blinkspot.evaluation.residuals import Residuals, check_residuals

PRESET_NAMES = ("default", "low120", "low-light")
EVERY = 10
BLUR_PX = 1.0


def light(movie: Movie, which: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the light of some molecules, (T, Y, X) photoelectrons."""
    table = movie.truth.chosen(which)
    frames = np.zeros(movie.stack.shape, np.float32)
    order = np.searchsorted(table.column("frame"), np.arange(len(frames) + 1))
    columns = [table.column(name) for name in ("x_nm", "y_nm", "sigma_nm", "photons")]
    for frame, (first, last) in enumerate(pairwise(order)):
        some = [column[first:last] for column in columns]
        frames[frame] = spots_image(*some, frames.shape[1:], movie.camera.pixel_size_nm)
    return frames


def known(movie: Movie) -> Iterator[tuple[str, NDArray[np.float32], float, float]]:
    """Yield denoised movies, photoelectrons, with the molecules lost and invented in a frame."""
    random = np.random.default_rng(1)
    chosen = random.random(len(movie.truth)) < 1.0 / EVERY
    per_frame = float(chosen.sum()) / movie.stack.n_frames
    clean = movie.clean.astype(np.float32)
    yield "exact", clean, 0.0, 0.0
    yield "deleted", clean - light(movie, chosen), per_frame, 0.0
    elsewhere = np.roll(light(movie, chosen), 40, axis=2)
    yield "added", clean + elsewhere, 0.0, per_frame
    yield "blurred", gaussian_filter(movie.noisy, (0, BLUR_PX, BLUR_PX)), np.nan, np.nan


def lost_by(movie: Movie, blind: NDArray[np.float32]) -> float:
    """Return the molecules in a frame of whose light less than half is expected."""
    lost = 0
    table = movie.truth
    names = ("x_nm", "y_nm", "sigma_nm", "photons")
    frame, (x, y, sigma, photons) = table.column("frame"), [table.column(name) for name in names]
    lacking = movie.clean - blind
    pixel_nm = movie.camera.pixel_size_nm
    for i in range(len(table)):
        rows, columns = (int(value / pixel_nm) for value in (y[i], x[i]))
        window = np.s_[max(rows - 3, 0) : rows + 4, max(columns - 3, 0) : columns + 4]
        spot = spots_image(
            x[i : i + 1], y[i : i + 1], sigma[i : i + 1], photons[i : i + 1], movie.stack.shape[1:], pixel_nm
        )[window]
        lost += float(np.sum(spot * lacking[frame[i]][window])) > 0.5 * float(np.sum(spot**2))
    return lost / movie.stack.n_frames


def row(movie: str, what: str, lost: float, invented: float, found: Residuals) -> tuple[object, ...]:
    """Return what is printed of one residual."""

    def both(excess: float, error: float) -> str:
        return f"{excess:.2f} ± {error:.2f}"

    frames = found.frames
    return (
        movie,
        what,
        f"{found.variance:.3f}",
        f"{found.spatial[0]:+.3f}",
        f"{lost:.2f}",
        both(found.lost.per_frame, found.lost.error / frames),
        f"{invented:.2f}",
        both(found.invented.per_frame, found.invented.error / frames),
        "white" if found.as_dict()["is_white"] else "not white",
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, nargs="*", default=[], help="training times")
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--presets", nargs="+", default=PRESET_NAMES)
    options = parser.parse_args()
    rows = []
    for name in options.presets:
        movie = simulated(name, replace(PRESETS[name], frames=options.frames, seed=31))
        for what, photons, lost, invented in known(movie):
            found = done(check_residuals(movie.stack, movie.camera, movie.camera.adu(photons)))
            rows.append(row(name, what, lost, invented, found))
        for minutes in options.minutes:
            model = done(Training(movie.stack, movie.camera, TrainingSettings(minutes=minutes)).run())
            blind = np.concatenate([chunk.frames for chunk in model.denoise(movie.stack, estimate="blind")])
            found = done(check_residuals(movie.stack, movie.camera, model))
            what = f"model, {model.provenance['steps']} steps"
            rows.append(row(name, what, lost_by(movie, blind), np.nan, found))
    header = (
        "movie",
        "denoised",
        "variance",
        "neighbours",
        "lost",
        "found lost",
        "invented",
        "found invented",
        "",
    )
    print_table(header, rows)


if __name__ == "__main__":
    main()
