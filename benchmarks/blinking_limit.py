"""What the photons of blinking molecules allow context frames to return, were it known what is there.

The paper's protocol on blinking versions of its data sets; returned is the part of what noise took from F1.
Molecules are placed by a fit in the sum of those frames, of their own and the context, in which they shine
(:func:`support.paper.protocols.told_f1`), for several lengths of blinks and numbers of context frames. With
--train, what a model returns that was trained on the movie stands beside it, which takes a while.
"""

import argparse

from support import print_table
from support.paper.data_sets import SCORED_NAMES, blinking_movies
from support.paper.models import denoised
from support.paper.protocols import paper_scores, returned, told_f1
from support.trainings import Movie

from blinkspot import Training, TrainingSettings
from blinkspot.cli.console import run
from blinkspot.cli.movie_commands import training_words


def of_model(movie: Movie, noisy: float, clean: float, settings: TrainingSettings) -> tuple[object, ...]:
    """Train on a movie; return what the model returns of its F1, and what it is like."""
    training = Training(movie.stack, movie.camera, settings)
    model = run(training.run(), training_words)
    scores = paper_scores(movie, denoised(movie.stack, model))[0]
    settled = "" if training.settled else " (not settled)"
    return (
        f"{scores.f1:.3f}",
        f"{returned(noisy, scores.f1, clean):.0%}",
        model.context_frames,
        f"{model.provenance['steps']:,}{settled}",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=300, help="of each movie")
    parser.add_argument("--on-frames", type=float, nargs="+", default=(4.0, 8.0, 16.0), help="mean length")
    parser.add_argument("--context-frames", type=int, nargs="+", default=(0, 1, 2, 4, 6), help="each side")
    parser.add_argument("--data-sets", nargs="+", choices=SCORED_NAMES, default=SCORED_NAMES, metavar="NAME")
    parser.add_argument("--train", action="store_true", help="train and score a model on each movie, too")
    parser.add_argument("--channels", type=int, help="of the models that --train makes")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if options.channels and not options.train:
        parser.error("--channels is of the models that --train makes")
    models = TrainingSettings(seed=options.seed, channels=options.channels)
    rows = []
    asked = options.data_sets, options.on_frames, options.frames, options.seed
    for data_set, on_frames, movie in blinking_movies(*asked):
        noisy, clean = paper_scores(movie)[0].f1, paper_scores(movie, movie.clean)[0].f1
        told = [returned(noisy, told_f1(movie, each), clean) for each in options.context_frames]
        rows.append(
            (
                data_set.name,
                f"{on_frames:g}",
                f"{noisy:.3f}",
                f"{clean:.3f}",
                *(f"{each:.0%}" for each in told),
                *(of_model(movie, noisy, clean, models) if options.train else ()),
            )
        )
        print(*rows[-1], flush=True)
    contexts = (f"{each} context frames" for each in options.context_frames)
    trained = ("denoised F1", "returned", "its context frames", "steps") if options.train else ()
    print_table(("data set", "frames on", "noisy F1", "noise-free F1", *contexts, *trained), rows)


if __name__ == "__main__":
    main()
