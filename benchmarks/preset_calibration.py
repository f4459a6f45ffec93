"""F1 of the noisy ``paper-`` presets beside the paper's noisy row, by which alone they were set.

ThunderSTORM's weighted least squares at its default threshold, within 50 nm; several movies of each preset,
with seeds of their own. Asked: within 0.01. The last column is the same on the noise-free movie: what is
beyond it, no denoiser can give back.
"""

import argparse

import numpy as np
from support import print_table
from support.paper.data_sets import DATA_SETS, movie_of
from support.paper.protocols import paper_scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=300, help="of each movie")
    parser.add_argument("--movies", type=int, default=4, help="of each preset")
    options = parser.parse_args()
    rows = []
    for data_set in DATA_SETS:
        if data_set.noisy_f1 is None:
            continue
        noisy, clean = [], []
        for seed in range(1, options.movies + 1):
            movie = movie_of(data_set, options.frames, seed)
            noisy.append(paper_scores(movie)[0].f1)
            clean.append(paper_scores(movie, movie.clean)[0].f1)
        error = np.std(noisy, ddof=1) / np.sqrt(options.movies)
        away = float(np.mean(noisy)) - data_set.noisy_f1
        rows.append(
            (
                data_set.preset,
                f"{data_set.noisy_f1:.3f}",
                f"{np.mean(noisy):.4f} +- {error:.4f}",
                f"{away:+.4f}",
                f"{min(noisy):.3f} to {max(noisy):.3f}",
                f"{np.mean(clean):.4f}",
            )
        )
    print_table(("preset", "paper's noisy F1", "ours", "away", "single movies", "noise-free"), rows)


if __name__ == "__main__":
    main()
