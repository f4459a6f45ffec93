"""Commands that compare with the truth: score a table, picture-score a denoised movie."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Annotated

import typer

from blinkspot.cli.console import answer, run, say
from blinkspot.cli.idle_options import refuse_idle
from blinkspot.cli.movie_commands import Json
from blinkspot.cli.table_commands import TablePath, Tolerance
from blinkspot.errors import BlinkspotError
from blinkspot.evaluation import (
    draw_calibration,
    molecule_bias,
    movie_signal_to_background,
    picture_scores,
    uncertainty_calibration,
)
from blinkspot.evaluation import score as score_tables
from blinkspot.evaluation.report.calibration_figures import check_calibration_path
from blinkspot.evaluation.scoring.matching import Matching
from blinkspot.evaluation.scoring.uncertainty_calibration import CALIBRATION_TOLERANCE_NM
from blinkspot.localization import LocalizationTable, read_table
from blinkspot.movies.recorded import check_holds_light, in_photons, is_denoised
from blinkspot.movies.stack import Stack, open_stack
from blinkspot.provenance import provenance


def score(
    context: typer.Context,
    table: TablePath,
    truth: Annotated[Path, typer.Argument(metavar="TRUTH.csv", help="Table of the molecules there.")],
    tolerance_nm: Tolerance = 50.0,
    matching: Annotated[
        Matching, typer.Option(help="Nearest pairs first (ThunderSTORM), or the optimal assignment.")
    ] = "nearest",
    border_nm: Annotated[
        float, typer.Option(help="Molecules nearer to the edge of the field do not count, nm.")
    ] = 0.0,
    field_nm: Annotated[
        tuple[float, float] | None,
        typer.Option(metavar="HEIGHT WIDTH", help="Size of the movie, nm, where no table tells it."),
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(metavar="OUT.png|.svg", help="Also tell, and draw, whether the uncertainties are true."),
    ] = None,
    calibration_tolerance_nm: Annotated[
        float, typer.Option(help="Greatest distance within a pair for --calibration, nm.")
    ] = CALIBRATION_TOLERANCE_NM,
    as_json: Json = False,
) -> None:
    """Score a table against the truth."""
    if not border_nm:
        refuse_idle(context, "without --border-nm", "field_nm")
    if calibration is None:
        refuse_idle(context, "without --calibration", "calibration_tolerance_nm")
    else:
        check_calibration_path(calibration)
    found, there = read_table(table), read_table(truth)
    if _is_simulated(found) and not _is_simulated(there):
        raise BlinkspotError(
            f"{table} is the truth of a simulation, and {truth} is not: give the table first, then the truth."
        )
    scores = score_tables(
        found, there, tolerance_nm, matching=matching, border_nm=border_nm, field_nm=field_nm
    )
    bias = molecule_bias(
        found, there, tolerance_nm, matching=matching, border_nm=border_nm, field_nm=field_nm
    ).as_dict()
    del bias["pairs"]
    result: dict[str, object] = {**scores.as_dict(), **bias}
    if calibration is not None:
        calibrated = uncertainty_calibration(
            found,
            there,
            calibration_tolerance_nm,
            matching=matching,
            border_nm=border_nm,
            field_nm=field_nm,
        )
        if not found.uncertainty_is_valid:
            say(f"{table} itself says that its uncertainties are not calibrated.")
        told = calibrated.as_dict()
        made_by = provenance(
            "calibration",
            camera=None,
            settings={
                "tolerance_nm": calibration_tolerance_nm,
                "matching": matching,
                "border_nm": border_nm,
                "field_nm": field_nm,
            },
            table=str(table),
            truth=str(truth),
            result=told,
        )
        draw_calibration(calibrated, calibration, made_by)
        result["calibration"] = {"picture": str(calibration), **told}
        if not as_json:
            result["calibration"] = {
                "picture": str(calibration),
                "reported over true": calibrated.ratio,
                "+-": calibrated.ratio_error,
                "chance pairs": calibrated.chance,
            }
            for each in calibrated.coverage:
                name = f"errors within {each.uncertainties:g} uncertainties"
                result[name] = {"share": each.share, "were they true": each.expected}
    elif as_json:
        result["calibration"] = None
    answer(result, as_json)


def _is_simulated(table: LocalizationTable) -> bool:
    return table.provenance.get("step") == "simulate"


def picture_score(
    denoised: Annotated[Path, typer.Argument(metavar="DENOISED.tif", help="Denoised movie.")],
    clean: Annotated[Path, typer.Argument(metavar="CLEAN.tif", help="The same movie without noise.")],
    offset_adu: Annotated[
        float | None, typer.Option(help="Mean of a pixel without light, where the clean movie does not tell.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Score a denoised movie against the clean one, pixel by pixel."""
    restored, target = open_stack(denoised), open_stack(clean)
    check_holds_light(restored, denoised)
    if is_denoised(target) and not is_denoised(restored):
        raise BlinkspotError(
            f"{clean} is denoised, and {denoised} is not: give the denoised movie first, then the clean one."
        )
    if in_photons(restored) != in_photons(target):
        photons, adu = (denoised, clean) if in_photons(restored) else (clean, denoised)
        raise BlinkspotError(
            f"{photons} is in photons and {adu} is not: denoise with --units adu, so that both are alike."
        )
    offset = _offset(target, offset_adu)
    scores = run(picture_scores(restored, target, offset=offset or 0.0))
    ratios = {}
    for name, movie in (("denoised", restored), ("clean", target)):
        ratio = math.nan if offset is None else run(movie_signal_to_background(movie, offset)).mean
        ratios[f"signal_to_background_{name}"] = ratio
    if offset is None:
        say(
            f"{clean} does not tell its camera's offset, without which ssim, light and signal to background "
            "are not known: give it with --offset-adu."
        )
        scores = dataclasses.replace(scores, light=math.nan, ssim=math.nan)
    answer({**scores.as_dict(), **ratios}, as_json)


def _offset(movie: Stack, given: float | None) -> float | None:
    """Return the value of a pixel without light, in the movie's unit; None where it is not known."""
    if in_photons(movie):
        if given is not None:
            raise BlinkspotError(f"{movie.name} is in photons, so it has no offset: leave --offset-adu out.")
        return 0.0
    if given is not None and not math.isfinite(given):
        raise BlinkspotError(f"--offset-adu must be a number, not {given}.")
    return movie.camera_hints.get("offset_adu") if given is None else given
