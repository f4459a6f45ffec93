"""Commands that make or use tables of localizations: localize, convert, render, compare."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import typer
from numpy.typing import NDArray

from blinkspot.camera_from_movie.estimate import noise_contradiction
from blinkspot.cli.camera_options import CameraOptions, find_camera, takes_camera_options
from blinkspot.cli.console import answer, run, say
from blinkspot.cli.going_on import Restart, going_on_later
from blinkspot.cli.idle_options import refuse_idle
from blinkspot.cli.movie_commands import Json, StackPath
from blinkspot.errors import BlinkspotError
from blinkspot.evaluation import (
    ComparisonSettings,
    TooFewMolecules,
    calibrate_uncertainties,
    check_can_calibrate,
    held_out_settings,
    summary,
    write_report,
)
from blinkspot.evaluation import compare as compare_movies
from blinkspot.files.part_folders import claimed
from blinkspot.files.unfinished_files import clear_kept_of_finished
from blinkspot.files.whole_files import check_can_write, check_new_folder
from blinkspot.localization import (
    ColouredPicture,
    Contrast,
    LocalizationTable,
    LocalizedFile,
    Localizer,
    LocalizerSettings,
    RenderSettings,
    TableFormat,
    draw,
    draw_coloured,
    read_table,
    save_picture,
    table_paths,
)
from blinkspot.localization.astigmatism import AstigmatismCalibration
from blinkspot.localization.fitting.molecules import FitMethod
from blinkspot.localization.settings import Preset, Widths
from blinkspot.movies.checks import check_camera, check_denoised, check_movie
from blinkspot.movies.recorded import is_denoised, open_denoised, open_recorded
from blinkspot.movies.stack import Stack, open_stack

if TYPE_CHECKING:
    from blinkspot.denoising import Denoiser

TablePath = Annotated[Path, typer.Argument(metavar="TABLE", help="Table: CSV or Picasso's HDF5.")]
TableOutput = Annotated[
    Path, typer.Option("-o", "--output", metavar="TABLE.csv|.hdf5", help="Table to make.")
]
Fit = Annotated[FitMethod, typer.Option(help="Maximum likelihood, least squares, or weighted least squares.")]
DenoisedBy = Annotated[
    Path | None,
    typer.Option(
        "-m",
        "--model",
        metavar="MODEL",
        help="Model that denoised it: gives fits on the denoised movie true uncertainties.",
    ),
]
Tolerance = Annotated[float, typer.Option(help="Greatest distance within a pair, nm.")]


@takes_camera_options
def localize(
    context: typer.Context,
    stack: StackPath,
    output: TableOutput,
    camera: CameraOptions,
    denoised: Annotated[
        Path | None, typer.Option(help="Denoised movie (ADU), in which candidates are looked for.")
    ] = None,
    fit_on: Annotated[
        Literal["raw", "denoised"], typer.Option(help="Pixels that are fitted, with --denoised.")
    ] = "raw",
    model: DenoisedBy = None,
    fit: Fit = "mle",
    threshold: Annotated[float, typer.Option(help="Detection threshold in units of std(Wave.F1).")] = 1.0,
    false_per_frame: Annotated[
        float | None,
        typer.Option(
            help="Accept by likelihood ratio instead, so that an empty frame gives this many molecules."
        ),
    ] = None,
    widths: Annotated[
        Widths,
        typer.Option(
            help="Widths of the molecules: as learned from the movie, free, all the same, or two for each."
        ),
    ] = "learned",
    initial_sigma_px: Annotated[
        float | None,
        typer.Option(help="Width (standard deviation) that fits start from; learned from the movie else."),
    ] = None,
    fit_window_px: Annotated[int, typer.Option(help="Side of the square that is fitted, odd.")] = 7,
    most_emitters: Annotated[
        int, typer.Option(help="Molecules that one spot may be resolved into, 1 to 5; 1: no joint fits.")
    ] = 1,
    equal_photons: Annotated[
        bool,
        typer.Option("--equal-photons", help="With --most-emitters: those of a group are equally bright."),
    ] = False,
    preset: Annotated[Preset, typer.Option(help="Our own analysis, or ThunderSTORM's.")] = "blinkspot",
    astigmatism: Annotated[
        Path | None,
        typer.Option(metavar="CALIBRATION.toml", help="Fit heights, too, by this astigmatism calibration."),
    ] = None,
    restart: Restart = False,
    as_json: Json = False,
) -> None:
    """Find and fit the molecules of every frame.

    Ended early, in whatever way, it keeps what is found; the same command goes on from there.
    """
    if false_per_frame is not None:
        refuse_idle(context, "with --false-per-frame", "threshold")
    if preset == "thunderstorm" and widths == "learned":  # others are refused with the settings
        refuse_idle(context, "with --preset thunderstorm, whose widths are free", "widths")
    if astigmatism is not None:
        refuse_idle(context, "with --astigmatism", "initial_sigma_px", "fit_window_px")
    if denoised is None and is_denoised(open_stack(stack)):
        say(f"{stack} is a denoised movie: it is fitted as such.")
        denoised, fit_on = stack, "denoised"
    settings = LocalizerSettings(
        threshold=threshold,
        false_per_frame=false_per_frame,
        fit=fit,
        fit_on=fit_on,
        widths=widths,
        initial_sigma_px=initial_sigma_px,
        fit_window_px=fit_window_px,
        most_emitters=most_emitters,
        equal_photons=equal_photons,
        preset=preset,
        astigmatism=None if astigmatism is None else AstigmatismCalibration.load(astigmatism),
    )
    if fit_on == "denoised" and denoised is None:
        raise BlinkspotError("--fit-on denoised needs a denoised movie: give it with --denoised.")
    if model is not None and (fit_on != "denoised" or astigmatism is not None):
        raise BlinkspotError(
            "--model is for the uncertainties of fits on a denoised movie, without heights: leave it out, or "
            "give --fit-on denoised too."
        )
    made = table_paths(output)
    clear_kept_of_finished(output)
    # What is fitted as recorded must be so: fits on denoised pixels have no valid uncertainties.
    movie = open_denoised(stack) if stack == denoised and fit_on == "denoised" else open_recorded(stack)
    guide = None if denoised is None else open_denoised(denoised)
    given = camera.given()
    for path in made:
        check_can_write(path)
    check_movie(movie)
    used = find_camera(given, *(each for each in (movie, guide) if each is not None))
    check_camera(movie, used)
    if guide is not None and fit_on == "denoised":
        check_denoised(guide, movie, used)
    if false_per_frame is not None:
        contradiction = noise_contradiction(movie, used)
        if contradiction is not None:
            say(f"Warning: {contradiction}")
    localizer = Localizer(used, settings)
    denoiser = None if model is None else _loaded(model)
    if denoiser is not None:
        check_can_calibrate(guide, denoiser, localizer)
    file = LocalizedFile(localizer, movie, output, guide, restart=restart)
    with claimed(output), going_on_later(file), file:
        if file.note:
            say(file.note)
        table = run(file.localize())
        if denoiser is not None:
            table = _calibrated(table, guide, denoiser, localizer)
        elif fit_on == "denoised":
            say("Uncertainties are not calibrated: give the model that denoised the movie with --model.")
        file.save(table)
    _say_what_picasso_lacks(table, output)
    uncertainty_nm = table.column("uncertainty_nm")
    answer(
        {
            "table": str(output),
            "localizations": len(table),
            "frames": movie.n_frames,
            "mean_photons": float(table.column("photons").mean()) if len(table) else None,
            "mean_uncertainty_nm": float(uncertainty_nm.mean()) if len(table) else None,
            "uncertainty_is_valid": table.uncertainty_is_valid,
            "psf": table.provenance["learned"].get("psf"),
            "acceptance": table.provenance["learned"].get("acceptance"),
            "camera": used.as_dict(),
        },
        as_json,
    )


def _loaded(model: Path) -> Denoiser:
    from blinkspot.denoising import Denoiser  # importing it takes seconds

    return Denoiser.load(model)


def _calibrated(
    table: LocalizationTable, denoised: Stack | None, model: Denoiser, localizer: Localizer
) -> LocalizationTable:
    """Make the uncertainties of fits on a denoised movie true, or say why that cannot be."""
    try:
        return run(calibrate_uncertainties(table, denoised, model, localizer))
    except TooFewMolecules as error:
        say(f"Warning: {error}")
        return table


def convert(
    table: TablePath,
    output: TableOutput,
    format: Annotated[
        TableFormat | None, typer.Option(help="Format, where the name does not tell it: SMAP's is CSV, too.")
    ] = None,
    pixel_size_nm: Annotated[
        float | None, typer.Option(help="Pixel size of the movie, nm, where the table does not tell it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write a table in another program's format."""
    for path in table_paths(output, format):
        check_can_write(path)
    found = read_table(table, pixel_size_nm=pixel_size_nm)
    found.save(output, format=format)
    _say_what_picasso_lacks(found, output)
    answer({"table": str(output), "localizations": len(found), "columns": list(found.data)}, as_json)


def render(
    context: typer.Context,
    table: TablePath,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="PICTURE.png|.tif", help="Picture to make.")
    ],
    method: Annotated[
        Literal["histogram", "ash", "gaussian"],
        typer.Option(help="Histogram, averaged shifted histogram, or Gaussians of the uncertainties."),
    ] = "ash",
    pixel_size_nm: Annotated[
        float | None, typer.Option(help="Pixel of the picture, nm; 20 unless given.")
    ] = None,
    magnification: Annotated[
        float | None, typer.Option(help="Instead: pixels of the picture along a pixel of the movie.")
    ] = None,
    shifts: Annotated[int, typer.Option(help="Shifts along each axis, of ash.")] = 2,
    colour_by: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Colour by a column: frame, z_nm, photons, ...")
    ] = None,
    colour_range: Annotated[
        tuple[float, float] | None,
        typer.Option(metavar="LOW HIGH", help="Values at the ends of the colours."),
    ] = None,
    saturated_percent: Annotated[
        float, typer.Option(help="Part of the filled pixels shown at full brightness, %.")
    ] = 0.5,
    gamma: Annotated[float, typer.Option(help="Below 1, dim structures are lifted.")] = 1.0,
    scale_bar_nm: Annotated[float | None, typer.Option(help="Length of a scale bar, nm; for .png.")] = None,
    as_json: Json = False,
) -> None:
    """Draw the super-resolved picture of a table."""
    if method != "ash":
        refuse_idle(context, f"with --method {method}", "shifts")
    if colour_by is None and output.suffix.lower() in (".tif", ".tiff"):
        refuse_idle(context, "on the numbers of a .tif", "saturated_percent", "gamma")
    settings = RenderSettings(method, pixel_size_nm, magnification, shifts)
    contrast = Contrast(saturated_percent, gamma)
    if colour_range is not None and colour_by is None:
        raise BlinkspotError("--colour-range needs a column to colour by: give it with --colour-by.")
    check_can_write(output)
    found = read_table(table)
    if not len(found) and found.movie_extent_nm is None:
        raise BlinkspotError(
            f"{table} holds no molecules and does not tell how large its movie is: there is nothing to draw."
        )
    pixel_nm = settings.pixel_nm(found)
    if method == "gaussian" and not found.uncertainty_is_valid:
        say(f"{table} holds uncertainties that are not calibrated: its molecules are drawn too narrow.")
    picture: NDArray[np.float32] | ColouredPicture
    if colour_by is None:
        picture = run(draw(found, settings))
    else:
        picture = run(draw_coloured(found, colour_by, settings, limits=colour_range))
    about = {**found.provenance, "picture_settings": settings.used()}
    save_picture(picture, output, pixel_nm, about, contrast=contrast, scale_bar_nm=scale_bar_nm)
    height, width = picture.shape
    result: dict[str, object] = {"picture": str(output), "height_px": height, "width_px": width}
    if isinstance(picture, ColouredPicture):
        result["colour_range"] = picture.limits
    answer(result, as_json)


@takes_camera_options
def compare(
    context: typer.Context,
    noisy: Annotated[Path, typer.Argument(metavar="NOISY.tif", help="Movie as recorded.")],
    denoised: Annotated[Path, typer.Argument(metavar="DENOISED.tif", help="The same, denoised (ADU).")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FOLDER", help="Folder to make.")],
    camera: CameraOptions,
    truth: Annotated[
        Path | None, typer.Option(metavar="TRUTH.csv", help="Table of the molecules there.")
    ] = None,
    tolerance_nm: Tolerance = 50.0,
    fit: Fit = "mle",
    model: Annotated[
        Path | None,
        typer.Option(
            "-m",
            "--model",
            metavar="MODEL",
            help="Model that denoised it: true uncertainties, its residual, and --held-out.",
        ),
    ] = None,
    held_out: Annotated[
        bool,
        typer.Option(
            "--held-out", help="Judge by photons held out, too: false molecules and errors without the truth."
        ),
    ] = False,
    held_out_minutes: Annotated[
        float | None,
        typer.Option(
            help="With --held-out: train on the parts alone, three times so long, instead of --model."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare what is found in the noisy and in the denoised movie, each at its best; one HTML page."""
    if truth is None:
        refuse_idle(context, "without --truth", "tolerance_nm")
    if not held_out:
        refuse_idle(context, "without --held-out", "held_out_minutes")
    elif model is None and held_out_minutes is None:
        raise BlinkspotError(
            "--held-out needs the model that denoised the movie: give it with --model, or give "
            "--held-out-minutes, in which models are trained on parts of the photons."
        )
    check_new_folder(output)
    movie, restored = open_recorded(noisy), open_denoised(denoised)
    given = camera.given()
    check_movie(movie)
    used = find_camera(given, movie, restored)
    check_camera(movie, used)
    check_denoised(restored, movie, used)
    localizer = LocalizerSettings(fit=fit)
    settings = ComparisonSettings(
        localizer=localizer,
        tolerance_nm=tolerance_nm,
        held_out=held_out_settings(localizer, held_out_minutes, tolerance_nm=tolerance_nm)
        if held_out
        else None,
    )
    known = None if truth is None else read_table(truth)
    denoiser = None if model is None else _loaded(model)
    job = compare_movies(movie, restored, used, known, settings, denoiser)
    contradiction = noise_contradiction(movie, used)
    if contradiction is not None:
        say(f"Warning: {contradiction} Or is {noisy} not the movie as recorded?")
    comparison = run(job)
    page = run(write_report(comparison, output))
    result = summary(comparison) if as_json else {"verdict": summary(comparison)["verdict"]}
    answer({**result, "page": str(page)}, as_json)


def _say_what_picasso_lacks(table: LocalizationTable, output: Path) -> None:
    known = table.uncertainty_is_valid and bool(
        table.features.filter(regex="^uncertainty").notna().any(axis=None)
    )
    if output.suffix.lower() != ".csv" and len(table) and not known:
        say(
            f"Picasso's Render does not open {output}: "
            "it needs uncertainties, and this table has no valid ones."
        )
