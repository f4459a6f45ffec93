"""The command that checks a movie, and its denoising, by photons held out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from blinkspot.cli.camera_options import CameraOptions, find_camera, takes_camera_options
from blinkspot.cli.console import answer, run, say
from blinkspot.cli.movie_commands import Json, StackPath
from blinkspot.evaluation.held_out import HeldOutSettings, check_held_out, picture_sentence, sentence
from blinkspot.files.whole_files import check_can_write, written_whole
from blinkspot.localization import LocalizerSettings
from blinkspot.movies.recorded import open_recorded
from blinkspot.plain_values import encodable


@takes_camera_options
def check(
    stack: StackPath,
    camera: CameraOptions,
    model: Annotated[
        Path | None,
        typer.Option(
            "-m", "--model", metavar="MODEL", help="Model that denoises it; else the noisy movie alone."
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(help="Train models on the parts of the light, for so long each, instead."),
    ] = None,
    threshold: Annotated[float, typer.Option(help="Detection threshold in units of std(Wave.F1).")] = 1.0,
    tolerance_nm: Annotated[
        float, typer.Option(help="Distance beyond which a localization is misplaced, nm.")
    ] = 50.0,
    seed: Annotated[int, typer.Option(help="Seed of the splits.")] = 1,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="CHECK.json", help="Write all figures, too.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Estimate false molecules and errors without truth, by photons that are held out."""
    settings = HeldOutSettings(
        localizer=LocalizerSettings(threshold=threshold),
        minutes=minutes,
        tolerance_nm=tolerance_nm,
        seed=seed,
    )
    if output is not None:
        check_can_write(output)
    movie = open_recorded(stack)
    used = find_camera(camera.given(), movie)
    denoiser = None
    if model is not None:
        from blinkspot.denoising import Denoiser

        denoiser = Denoiser.load(model)
    found = run(check_held_out(movie, used, denoiser, settings))
    for warning in found.warnings:
        say(f"Warning: {warning}")
    figures = found.as_dict()
    if output is not None:
        with written_whole(output) as temporary:
            text = json.dumps(encodable(figures), indent=1, ensure_ascii=False)
            temporary.write_text(text, encoding="utf-8")
    words: dict[str, object] = {each.name: sentence(each) for each in found.routes}
    words["pictures"] = picture_sentence(found)
    if as_json:
        answer({"words": words, **figures, "file": None if output is None else str(output)}, as_json)
    else:
        answer(words if output is None else {**words, "file": str(output)}, as_json)
