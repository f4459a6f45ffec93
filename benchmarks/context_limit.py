"""What any denoiser can return of a blinking movie: the limit that the photons set, with context frames.

The paper's protocol on blinking versions of its data sets; returned is the part of what noise took from F1.
In the place of a denoised movie stands the mean of movies sampled from the exact posterior (Metropolis
moves; one blink at a time): no estimate has a smaller expected squared error, whatever makes it. And our
oracle knows more than any denoiser can: the number of blinks, the background, the light, where there may be
molecules, the shape of a spot, the camera, how long blinks are on average, and the ranges of brightness and
width. It is given a frame alone, with some frames on each side, or the whole movie. Molecules begin and end
within frames, so how much light each gives to a frame is a part of what is sampled.

Likelihood: "quasi-Poisson" takes photoelectrons over the excess noise factor as Poisson counts, as our
denoiser does; "exact" is the law of the EM register or of rounding (photon_limit.py). Two chains, one from
the truth and one from a scattered start, must agree.
"""

import argparse
import math

import numpy as np
from support import print_table
from support.blink_limit import posterior_mean_movie
from support.limit import LAWS
from support.paper.data_sets import BLINKING_ON_FRAMES, SCORED_NAMES, blinking_movies
from support.paper.protocols import paper_scores, returned

WHOLE = "all"


def context(text: str) -> int | None:
    """Read a number of context frames, or that all frames are known."""
    return None if text == WHOLE else int(text)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=300, help="of each movie")
    parser.add_argument(
        "--on-frames", type=float, nargs="+", default=(BLINKING_ON_FRAMES,), help="mean length"
    )
    parser.add_argument(
        "--context-frames",
        type=context,
        nargs="+",
        default=(1, 2, None),
        help=f"each side; {WHOLE}: the whole movie",
    )
    parser.add_argument("--data-sets", nargs="+", choices=SCORED_NAMES, default=SCORED_NAMES, metavar="NAME")
    parser.add_argument("--law", choices=LAWS, default=LAWS[0])
    parser.add_argument("--sweeps", type=int, default=300, help="length of each chain")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rows = []
    asked = options.data_sets, options.on_frames, options.frames, options.seed
    for data_set, on_frames, movie in blinking_movies(*asked):
        noisy, clean = paper_scores(movie)[0], paper_scores(movie, movie.clean)[0]
        for known in options.context_frames:
            from_truth, scattered = (
                posterior_mean_movie(
                    movie, known, options.law, sweeps=options.sweeps, scattered=start, seed=options.seed
                )
                for start in (False, True)
            )
            apart = [
                returned(noisy.f1, paper_scores(movie, each)[0].f1, clean.f1)
                for each in (from_truth, scattered)
            ]
            pooled = 0.5 * (from_truth + scattered)
            limit = paper_scores(movie, pooled)[0]
            square = float(np.mean((pooled - movie.clean) ** 2))
            rows.append(
                (
                    data_set.name,
                    f"{on_frames:g}",
                    WHOLE if known is None else known,
                    f"{noisy.f1:.3f}",
                    f"{limit.f1:.3f}",
                    f"{clean.f1:.3f}",
                    f"{returned(noisy.f1, limit.f1, clean.f1):.0%}",
                    f"{apart[0]:.0%} {apart[1]:.0%}",
                    limit.false_positives,
                    f"{limit.rmse_nm:.1f}",
                    f"{20.0 * math.log10(np.ptp(movie.clean)) - 10.0 * math.log10(square):.2f}",
                )
            )
            print(*rows[-1], flush=True)
    header = ("data set", "frames on", "context", "noisy F1", "limit F1", "noise-free F1", "returned")
    more = ("from truth, scattered", "false positives", "RMS error nm", "PSNR dB")
    print_table((*header, *more), rows)


if __name__ == "__main__":
    main()
