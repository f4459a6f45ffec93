"""The command that measures the resolution of a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from blinkspot.cli.console import answer, run, say
from blinkspot.cli.idle_options import refuse_idle
from blinkspot.cli.movie_commands import Json
from blinkspot.cli.table_commands import TablePath
from blinkspot.figure_writing import check_figure_path, save_figure
from blinkspot.localization import read_table


def resolution(
    context: typer.Context,
    table: TablePath,
    split: Annotated[
        Literal["blocks", "odd-even", "localizations"],
        typer.Option(help="What goes to one half or the other: blocks of frames, or single localizations."),
    ] = "blocks",
    frames_per_block: Annotated[
        int | None, typer.Option(help="Frames in a block; 50 blocks, or fewer of 10 frames, unless given.")
    ] = None,
    splits: Annotated[int, typer.Option(help="Random splits that are averaged.")] = 5,
    pixel_size_nm: Annotated[
        float | None, typer.Option(help="Pixel that is correlated; half the precision unless given.")
    ] = None,
    largest_distance_nm: Annotated[
        float | None, typer.Option(help="Reach of NeNA; a camera pixel, or 100 nm, unless given.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the random numbers.")] = 1,
    picture: Annotated[
        Path | None, typer.Option(metavar="RESOLUTION.png|.svg", help="Draw the curve and the fit, too.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure the resolution of a table: Fourier ring correlation, and precision by NeNA."""
    from blinkspot.evaluation.resolution import ResolutionSettings, measure_resolution

    if split == "odd-even":
        refuse_idle(context, "with --split odd-even", "splits", "seed")
    if split == "localizations":
        refuse_idle(context, "with --split localizations", "frames_per_block")
    settings = ResolutionSettings(split, frames_per_block, splits, pixel_size_nm, largest_distance_nm, seed)
    target = None if picture is None else check_figure_path(picture, "A resolution")
    found = run(measure_resolution(read_table(table), settings))
    rings, neighbours = found.ring_correlation, found.nena
    for sentence in (*found.warnings, rings.reason, neighbours.reason):
        if sentence is not None:
            say(sentence)
    if target is not None:
        from blinkspot.evaluation.report.resolution_figures import resolution_figure
        from blinkspot.evaluation.report.theme import LIGHT

        save_figure(resolution_figure(found, LIGHT), target, found.provenance)
    result: dict[str, object] = {"table": str(table), **found.as_dict()}
    if not as_json:
        result = {
            "table": str(table),
            "localizations": found.localizations,
            "frc_resolution_nm": rings.resolution_nm,
            "frc_error_nm": rings.error_nm,
            "nena_precision_nm": neighbours.precision_nm,
            "nena_error_nm": neighbours.error_nm,
        }
    answer({**result, "picture": None if target is None else str(target)}, as_json)
