"""The command ``blinkspot demo``: the whole path on a simulated movie, without a window."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from blinkspot.cli.console import answer, run, say
from blinkspot.cli.movie_commands import Json, training_words
from blinkspot.evaluation import PRESETS, compare, simulate_to_files, summary, write_report
from blinkspot.files.unfinished_files import remove_unfinished
from blinkspot.files.whole_files import check_new_folder, unused_path
from blinkspot.localization import read_table
from blinkspot.movies.stack import open_stack

_DEFAULT_FOLDER = "blinkspot-demo"
_TRAINING_MINUTES = 2.5
_SEED = 20


def demo(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="[FOLDER]", help=f"Folder to make; {_DEFAULT_FOLDER} by default."),
    ] = None,
    minutes: Annotated[float, typer.Option(help="Time for training.")] = _TRAINING_MINUTES,
    as_json: Json = False,
) -> None:
    """Simulate a dim blinking movie, train, denoise, localize, score; ends with a page to read."""
    from blinkspot.denoising import Denoiser, Training, TrainingSettings, denoise_to_file

    started = time.perf_counter()
    target = check_new_folder(unused_path(_DEFAULT_FOLDER) if folder is None else folder)
    settings = TrainingSettings(minutes=minutes, seed=_SEED)
    target.mkdir(exist_ok=True)

    say(f"1/4 A dim blinking movie with known molecules -> {target / 'noisy.tif'}")
    files = run(simulate_to_files(replace(PRESETS["low-light"], seed=_SEED), target / "noisy.tif"))
    movie, camera = open_stack(files.movie), PRESETS["low-light"].camera

    say(f"2/4 Training on that movie alone, {minutes:g} minutes -> {target / 'model.blinkspot'}")
    training = Training(movie, camera, settings)
    model: Denoiser = run(training.run(), training_words)
    for warning in training.warnings:
        say(f"Warning: {warning}")
    model.save(target / "model.blinkspot")

    say(f"3/4 Denoising -> {target / 'denoised.tif'}")
    denoised = target / "denoised.tif"
    try:
        run(denoise_to_file(model, movie, denoised))
    except BaseException:
        # A demo does not go on: the next one has a folder of its own.
        remove_unfinished(denoised)
        raise

    say(f"4/4 Localizing both and comparing -> {target / 'comparison'}")
    comparison = run(compare(movie, open_stack(denoised), camera, read_table(files.truth), model=model))
    page = run(write_report(comparison, target / "comparison"))

    seconds = time.perf_counter() - started
    answer({"verdict": summary(comparison)["verdict"], "page": str(page), "seconds": seconds}, as_json)
