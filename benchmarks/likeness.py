"""Whether a model says that a movie is unlike what it has learned, and what denoising with it comes to there.

A model is trained on each of some kinds of movies of one camera, and applied to movies of every kind, of
another seed. A row gives the three values that :func:`blinkspot.denoising.likeness_of` measures, whether it
warns, the PSNR against the clean movie, and the best F1 minus that of the noisy movie (fair comparison).
"""

from __future__ import annotations

import argparse
import dataclasses

import numpy as np
from support import print_table
from support.paper.protocols import fair_comparison
from support.trainings import Movie, Trainings, simulated, use_threads

from blinkspot.denoising import Denoiser, likeness_of
from blinkspot.evaluation import PRESETS
from blinkspot.evaluation.scoring.picture_scores import psnr_db
from blinkspot.progress import finish

DIM = dataclasses.replace(PRESETS["low-light"], size_px=128, mean_on_frames=0.0)
KINDS = {
    "60 to 120 photons": DIM,
    "blinking": dataclasses.replace(DIM, mean_on_frames=4.0),
    "120 to 240 photons": dataclasses.replace(DIM, photons=(120.0, 240.0)),
    "wider spots": dataclasses.replace(DIM, fwhm_nm=(350.0, 350.0)),
    "denser": dataclasses.replace(DIM, density_per_um2=3 * DIM.density_per_um2),
    "background 8": dataclasses.replace(DIM, background_photons=8.0),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=300, help="of each movie")
    parser.add_argument("--minutes", type=float, default=3.0, help="of each training, at most")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    use_threads(options.threads)
    trainings = Trainings(options.minutes, options.seed)
    models = {
        kind: trainings.denoised(movie, context_frames=0).model
        for kind, movie in _movies(options.frames, options.seed).items()
    }
    others = _movies(options.frames, options.seed + 1)
    rows = [_row(kind, model, *other) for kind, model in models.items() for other in others.items()]
    header = ("model learned", "movie", "light", "slope", "variance", "warns", "PSNR, dB", "gain of F1")
    print_table(header, rows)


def _movies(frames: int, seed: int) -> dict[str, Movie]:
    return {
        kind: simulated(kind, dataclasses.replace(settings, frames=frames, seed=seed))
        for kind, settings in KINDS.items()
    }


def _row(learned: str, model: Denoiser, kind: str, movie: Movie) -> tuple[str, ...]:
    found = finish(likeness_of(model, movie.stack))
    frames = np.concatenate([chunk.frames for chunk in model.denoise(movie.stack)])
    fair = fair_comparison(movie, frames)
    assert found.slope is not None
    assert found.variance is not None
    return (
        learned,
        kind,
        f"{found.light[0]:.3f}",
        f"{found.slope[0]:.2f}",
        f"{found.variance[0]:.3f}",
        "yes" if found.warning else "no",
        f"{psnr_db(frames, movie.clean):.2f}",
        f"{fair.gain:+.3f} ({fair.low:+.3f} to {fair.high:+.3f})",
    )


if __name__ == "__main__":
    main()
