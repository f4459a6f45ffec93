"""The command that calibrates an astigmatic microscope by a bead stack."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from blinkspot.cli.camera_options import CameraOptions, find_camera, takes_camera_options
from blinkspot.cli.console import answer, run
from blinkspot.cli.movie_commands import Json
from blinkspot.cli.result_names import check_different
from blinkspot.files.whole_files import check_can_write
from blinkspot.localization.astigmatism import CalibrationSettings, calibrate, draw_calibration
from blinkspot.localization.astigmatism.picture import check_picture_path
from blinkspot.movies.checks import check_camera, check_movie
from blinkspot.movies.recorded import open_recorded


@takes_camera_options
def calibrate_astigmatism(
    beads: Annotated[
        Path, typer.Argument(metavar="BEADS", help="Bead stack, one frame a step: TIFF, folder, or zarr.")
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="CALIBRATION.toml", help="Calibration to make.")
    ],
    z_step_nm: Annotated[
        float,
        typer.Option(
            help="How far the focal plane moves into the sample per frame, nm; below 0 towards the coverslip."
        ),
    ],
    camera: CameraOptions,
    range_nm: Annotated[
        float, typer.Option(help="Heights above and below the focus to calibrate, nm.")
    ] = 600.0,
    window_nm: Annotated[float, typer.Option(help="Side of the square that is fitted, nm.")] = 1500.0,
    molecule_photons: Annotated[
        float | None, typer.Option(help="Photons of a typical molecule: fit beads as if they were as dim.")
    ] = None,
    molecule_background_photons: Annotated[
        float | None, typer.Option(help="Photons per pixel under a typical molecule.")
    ] = None,
    refractive_index_factor: Annotated[
        float, typer.Option(help="True distance in the sample over that of the stage.")
    ] = 1.0,
    picture: Annotated[
        Path | None, typer.Option(metavar="CURVES.png|.svg", help="Draw the curves over the beads, too.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Calibrate heights by astigmatism, from a stack of beads."""
    settings = CalibrationSettings(
        z_step_nm,
        range_nm,
        window_nm,
        molecule_photons,
        molecule_background_photons,
        refractive_index_factor,
    )
    movie = open_recorded(beads)
    given = camera.given()
    check_different(output, picture)
    check_can_write(output)
    if picture is not None:
        check_picture_path(picture)
    check_movie(movie)
    used = find_camera(given, movie)
    check_camera(movie, used)
    calibration = run(calibrate(movie, used, settings))
    calibration.save(output)
    if picture is not None:
        draw_calibration(calibration, picture)
    low_nm, high_nm = calibration.z_range_nm
    answer(
        {
            "calibration": str(output),
            **calibration.findings,
            "lowest_nm": low_nm,
            "highest_nm": high_nm,
            "picture": None if picture is None else str(picture),
            "camera": used.as_dict(),
        },
        as_json,
    )
