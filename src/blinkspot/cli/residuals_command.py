"""The command that checks what a denoiser leaves over."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Annotated, Literal

import typer

from blinkspot.cli.camera_options import CameraOptions, find_camera, takes_camera_options
from blinkspot.cli.console import answer, run
from blinkspot.cli.idle_options import refuse_idle
from blinkspot.cli.movie_commands import Json, StackPath
from blinkspot.cli.result_names import check_different
from blinkspot.errors import BlinkspotError
from blinkspot.figure_writing import check_figure_path, save_figure
from blinkspot.movies.recorded import open_denoised, open_recorded


@takes_camera_options
def residuals(
    context: typer.Context,
    stack: StackPath,
    camera: CameraOptions,
    model: Annotated[
        Path | None,
        typer.Option("-m", "--model", metavar="MODEL", help="Trained model, which knows its camera."),
    ] = None,
    denoised: Annotated[
        Path | None, typer.Option(help="Instead: denoised movie (ADU), of whatever program.")
    ] = None,
    false_per_megapixel: Annotated[
        float, typer.Option(help="Spots that a million pixels of white noise may have.")
    ] = 5.0,
    seed: Annotated[int, typer.Option(help="Seed of the random numbers.")] = 1,
    device: Annotated[
        Literal["auto", "cpu", "cuda", "mps"], typer.Option(help="Where the model runs.")
    ] = "auto",
    maps_picture: Annotated[
        Path | None, typer.Option(metavar="MAPS.png|.svg", help="Draw the residual over the field, too.")
    ] = None,
    spectrum_picture: Annotated[
        Path | None, typer.Option(metavar="SPECTRUM.png|.svg", help="Draw its spectrum, too.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check whether what a denoiser leaves over is white noise, and count the molecules that it lost."""
    from blinkspot.evaluation.residuals import ResidualSettings, check_residuals

    if (model is None) == (denoised is None):
        raise BlinkspotError("Give either the model with --model, or the denoised movie with --denoised.")
    if model is not None:
        refuse_idle(
            context, "with --model, which knows its camera", *(each.name for each in fields(CameraOptions))
        )
    else:
        refuse_idle(context, "with --denoised", "device")
    settings = ResidualSettings(false_per_megapixel=false_per_megapixel, seed=seed)
    check_different(maps_picture, spectrum_picture)
    pictures = {
        name: None if path is None else check_figure_path(path, "A residual")
        for name, path in (("maps_picture", maps_picture), ("spectrum_picture", spectrum_picture))
    }
    movie = open_recorded(stack)
    if model is not None:
        from blinkspot.denoising import Denoiser
        from blinkspot.denoising.devices import pick_device

        denoiser = Denoiser.load(model, str(pick_device(device)))
        found = run(check_residuals(movie, denoiser.camera, denoiser, settings))
    else:
        assert denoised is not None
        restored = open_denoised(denoised)
        used = find_camera(camera.given(), movie, restored)
        found = run(check_residuals(movie, used, restored, settings))
    if any(pictures.values()):
        from blinkspot.evaluation.report.residual_figures import residual_maps, residual_spectrum
        from blinkspot.evaluation.report.theme import LIGHT

        for name, draw in (("maps_picture", residual_maps), ("spectrum_picture", residual_spectrum)):
            target = pictures[name]
            if target is not None:
                save_figure(draw(found, LIGHT), target, found.provenance)
    written = {name: None if path is None else str(path) for name, path in pictures.items()}
    result = found.as_dict()
    if not as_json:
        named = ("verdict", "variance", "variance_error", "structure", "lost", "invented")
        result = {name: result[name] for name in named}
    answer({**result, **written}, as_json)
