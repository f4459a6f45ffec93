"""The command that does with many movies what a recipe says."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

from blinkspot.cli.console import answer, run, say, show
from blinkspot.cli.interruption import INTERRUPTED
from blinkspot.cli.movie_commands import Json, training_words
from blinkspot.progress import Progress

SOME_FAILED = 1
"""Exit status where a movie failed."""


def batch(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE.toml", help="What is done with every movie.")],
    movies: Annotated[
        list[Path], typer.Argument(metavar="MOVIES...", help="Movies: TIFF, folders of TIFFs, zarr stores.")
    ],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="FOLDER", help="Folder of the results, new or old."),
    ],
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Have the workers of this dask scheduler do it (tcp://...)."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Do with many movies what a recipe says; what is done is skipped, what fails stops nothing else."""
    from blinkspot.batch import read_recipe, run_batch
    from blinkspot.batch.recipe import Recipe

    made: Recipe = read_recipe(recipe)
    if scheduler is None:
        job = run_batch(made, movies, output)
    else:
        from blinkspot.batch.cluster import run_on_cluster

        # A scheduler that is lost is told of in a sentence; dask's log repeats it in its own words.
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        job = run_on_cluster(made, movies, output, scheduler)
    try:
        summary = run(job, _words)
    except KeyboardInterrupt:
        say("Stopped: nothing half-done bears a final name, and the same command goes on from here.")
        sys.exit(INTERRUPTED)
    if as_json:
        answer({"summary": str(summary.path), "failed": summary.failed, "movies": summary.as_list()}, True)
    else:
        show(summary.text())
        say(f"The same table, with all warnings: {summary.path}")
    if summary.failed:
        sys.exit(SOME_FAILED)


def _words(progress: Progress) -> str:
    note = getattr(progress, "note", "")
    if note:
        say(f"\r{note}")
    about = getattr(progress, "about", "")
    inner = getattr(progress, "inner", None)
    return (f", {about}" if about else "") + ("" if inner is None else training_words(inner))
