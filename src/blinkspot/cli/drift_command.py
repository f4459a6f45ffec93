"""The command that takes the drift off a table, or gives it back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from blinkspot.cli.console import answer, run, say
from blinkspot.cli.idle_options import refuse_idle
from blinkspot.cli.movie_commands import Json
from blinkspot.cli.result_names import check_different
from blinkspot.cli.table_commands import TablePath
from blinkspot.errors import BlinkspotError
from blinkspot.files.whole_files import check_can_write
from blinkspot.localization import read_table, table_paths
from blinkspot.localization.processing.drift import (
    DriftCorrection,
    FiducialCorrection,
    LoadedDrift,
    draw_drift,
    drift_in,
    without_correction,
    write_drift,
)
from blinkspot.localization.processing.drift.files import drift_paths
from blinkspot.localization.processing.drift.picture import check_picture_path
from blinkspot.localization.processing.step import RECORD
from blinkspot.localization.table_files.pixel_size import checked_pixel_size_nm, known_pixel_size_nm

_SEARCH = ("method", "segment_frames", "largest_shift_nm")


def drift(
    context: typer.Context,
    table: TablePath,
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="TABLE.csv|.hdf5", help="Table to make, without the drift."),
    ],
    method: Annotated[
        Literal["overlap", "rcc"],
        typer.Option(help="Redundant cross-correlation alone (rcc), or refined frame by frame."),
    ] = "overlap",
    segment_frames: Annotated[
        int | None, typer.Option(help="Frames that are correlated as one; chosen unless given.")
    ] = None,
    largest_shift_nm: Annotated[
        float, typer.Option(help="Drift between two segments, along an axis, at most, nm.")
    ] = 1000.0,
    fiducials: Annotated[
        list[str] | None,
        typer.Option(metavar="auto|X,Y", help="Use fiducials: found, or at x and y, nm (once for each)."),
    ] = None,
    radius_nm: Annotated[float, typer.Option(help="Reach around a fiducial, nm.")] = 200.0,
    load: Annotated[
        Path | None, typer.Option(metavar="DRIFT.csv|.txt", help="Take off the drift in this file.")
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Give the table its drift back.")] = False,
    save: Annotated[
        Path | None, typer.Option(metavar="DRIFT.csv|.txt", help="Write the drift, too; .txt: as Picasso.")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(metavar="DRIFT.png|.svg", help="Draw the drift, too.")
    ] = None,
    pixel_size_nm: Annotated[
        float | None, typer.Option(help="Pixel of the camera, nm, for a drift in pixels.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Find the drift and take it off a table."""
    if sum((fiducials is not None, load is not None, undo)) > 1:
        raise BlinkspotError("Only one of --fiducials, --load and --undo can be given.")
    if undo or load is not None:
        refuse_idle(context, "with --undo" if undo else "with --load", *_SEARCH, "radius_nm")
    elif fiducials is not None:
        refuse_idle(context, "with --fiducials", *_SEARCH)
    else:
        refuse_idle(context, "without --fiducials", "radius_nm")
    in_pixels = [path for path in (load, save) if path is not None and path.suffix.lower() == ".txt"]
    if not in_pixels:
        refuse_idle(context, "without a drift in pixels (.txt)", "pixel_size_nm")
    made = [*table_paths(output), *(drift_paths(save) if save else ()), *([picture] if picture else ())]
    check_different(*made)
    for path in made:
        check_can_write(path)
    if picture is not None:
        check_picture_path(picture)
    given = read_table(table)
    if pixel_size_nm is None:
        pixel_size_nm = known_pixel_size_nm(given.provenance)
    if save is not None and save.suffix.lower() == ".txt":
        if pixel_size_nm is None:
            raise BlinkspotError(
                f"{save} will be in camera pixels: give the size of one, above 0 nm, with --pixel-size-nm."
            )
        checked_pixel_size_nm(pixel_size_nm)
    if undo:
        result, drifted = without_correction(given), given
    else:
        step: DriftCorrection | FiducialCorrection | LoadedDrift
        if fiducials is not None:
            step = FiducialCorrection(_positions(fiducials), radius_nm)
        elif load is not None:
            step = LoadedDrift(str(load), pixel_size_nm if load in in_pixels else None)
        else:
            step = DriftCorrection(method, segment_frames, largest_shift_nm)
        result = drifted = run(step.apply(given))
    curve = drift_in(drifted)
    assert curve is not None
    found = {} if undo else dict(drifted.provenance[RECORD][-1])
    for warning in found.get("warnings", ()):
        say(warning)
    result.save(output)
    if save is not None:
        write_drift(curve, save, drifted.provenance, pixel_size_nm)
    if picture is not None:
        draw_drift(curve, picture, drifted.provenance)
    answer(
        {
            "table": str(output),
            "localizations": len(result),
            "frames": len(curve),
            "undone": undo,
            "excursion_nm": curve.excursion_nm,
            "uncertainty_nm": found.get("uncertainty_nm"),
            "agreeing_fraction": found.get("agreeing_fraction"),
            "fiducials": len(found["fiducials"]) if "fiducials" in found else None,
            "drift": None if save is None else str(save),
            "picture": None if picture is None else str(picture),
            "warnings": "; ".join(found.get("warnings", ())) or None,
        },
        as_json,
    )


def _positions(words: list[str]) -> tuple[tuple[float, float], ...]:
    """Return the positions that ``--fiducials`` names, none for ``auto``."""
    if words == ["auto"]:
        return ()
    positions = []
    for word in words:
        try:
            x_nm, y_nm = (float(part) for part in word.split(","))
        except ValueError as error:
            raise BlinkspotError(
                f"--fiducials takes 'auto', or x and y in nm as 1200,3400, and not {word!r}."
            ) from error
        positions.append((x_nm, y_nm))
    return tuple(positions)
