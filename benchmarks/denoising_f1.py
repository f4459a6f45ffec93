"""What denoising does to the molecules found in a simulated movie, by the paper's protocol and by a fair one.

Paper's protocol: weighted least squares at the default threshold, on the noisy and on the denoised movie.
Fair: each at its own best threshold. A space-time Gaussian filter is the simple peer.
"""

import argparse

import numpy as np
from scipy.ndimage import gaussian_filter
from support import CAMERAS, TruthMovie, done, print_table, truth_movie

from blinkspot import Localizer, LocalizerSettings, Training, TrainingSettings, as_stack, score
from blinkspot.cli.console import run
from blinkspot.cli.movie_commands import training_words
from blinkspot.evaluation import threshold_curve

Row = tuple[str, str, str, float, float, float, float]


def rows_of(name: str, shared: TruthMovie, denoised_adu: np.ndarray | None) -> list[Row]:
    """Score one movie, in the ways in which it can be localized."""
    rows = []
    ways = ("raw",) if denoised_adu is None else ("raw", "denoised")
    for fit in ("wlsq", "mle"):
        for fit_on in ways:
            settings = LocalizerSettings(threshold=0.5, fit=fit, fit_on=fit_on)
            guide = None if denoised_adu is None else as_stack(denoised_adu)
            table = done(Localizer(shared.camera, settings).localize(shared.movie, guide))
            curve = threshold_curve(table, shared.truth)
            best = curve.scores(curve.best_index)
            default = score(table.above(1.0), shared.truth)
            rows.append((name, fit, fit_on, default.f1, best.f1, float(curve.best), best.rmse_nm))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("movie", choices=CAMERAS)
    parser.add_argument("--minutes", type=float, default=5.0, help="training time of each model")
    parser.add_argument("--context-frames", type=int, nargs="+", default=[0, 1], choices=(0, 1, 2))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    shared = truth_movie(options.movie)
    noisy = shared.movie.frames(0, shared.movie.n_frames).astype(np.float32)
    rows = rows_of("noisy", shared, None)
    for sigma in ((0.0, 1.0, 1.0), (0.9, 1.0, 1.0)):
        rows += rows_of(
            f"Gaussian filter {sigma[0]} fr, {sigma[1]} px", shared, gaussian_filter(noisy, sigma)
        )
    for context in options.context_frames:
        settings = TrainingSettings(minutes=options.minutes, context_frames=context, seed=options.seed)
        model = run(Training(shared.movie, shared.camera, settings).run(), training_words)
        frames = np.concatenate([shared.camera.adu(chunk.frames) for chunk in model.denoise(shared.movie)])
        bias = float(
            np.mean(shared.camera.photoelectrons(frames)) / np.mean(shared.camera.photoelectrons(noisy)) - 1
        )
        print(f"context {context}: {model.provenance['steps']} steps kept, mean photons {100 * bias:+.2f} %")
        rows += rows_of(f"blinkspot, {context} frames each side", shared, frames)
    print_table(("movie", "fit", "on", "F1 default", "F1 best", "at threshold", "RMSE nm"), rows)


if __name__ == "__main__":
    main()
