"""Commands on movies: camera, train, denoise."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from blinkspot.camera import Camera
from blinkspot.cli.before_training import remarks_before_training
from blinkspot.cli.camera_options import (
    CameraOptions,
    EmGain,
    Maps,
    MapsWindow,
    Offset,
    TransposeMaps,
    find_camera,
    takes_camera_options,
)
from blinkspot.cli.console import answer, run, say
from blinkspot.cli.going_on import Restart, going_on_later
from blinkspot.cli.interruption import INTERRUPTED, noted_interruption
from blinkspot.errors import BlinkspotError
from blinkspot.files.part_folders import claimed
from blinkspot.files.unfinished_files import clear_kept_of_finished
from blinkspot.files.whole_files import check_can_write, unused_path
from blinkspot.movies.recorded import open_recorded
from blinkspot.movies.writing import check_movie_name
from blinkspot.progress import Progress

if TYPE_CHECKING:
    from blinkspot.denoising import Denoiser, Training

StackPath = Annotated[
    Path, typer.Argument(metavar="STACK", help="Movie: TIFF, folder of TIFFs, or zarr store.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def training_words(progress: Progress) -> str:
    """Return what a training says beside its progress: how well it goes."""
    validation_loss = getattr(progress, "validation_loss", None)
    if validation_loss is None:
        return ""
    return f", epoch {getattr(progress, 'epoch', 0.0):.1f}, validation loss {validation_loss:.4f}"


def camera(
    stack: StackPath,
    offset_adu: Offset = None,
    em_gain: EmGain = None,
    maps: Maps = None,
    maps_window: MapsWindow = None,
    transpose_maps: TransposeMaps = False,
    as_json: Json = False,
) -> None:
    """Tell what the movie says of its camera: offset, ADU per count, noise."""
    from blinkspot.camera_from_movie.estimate import estimate_camera, estimate_offset, estimate_slope

    movie = open_recorded(stack)
    typed = CameraOptions(
        offset_adu=offset_adu,
        em_gain=em_gain,
        maps=maps,
        maps_window=maps_window,
        transpose_maps=transpose_maps,
    )
    given = typed.given()
    gain = Camera.from_dict({**movie.camera_hints, **given.settings}).em_gain
    if given.maps is not None:
        if offset_adu is not None:
            raise BlinkspotError("With maps the offset is what is estimated: leave out --offset-adu.")
        estimate = estimate_offset(movie, given.camera(movie, {"em_gain": gain}))
    else:
        estimate = estimate_camera(movie) if offset_adu is None else estimate_slope(movie, offset_adu)
    estimated = estimate.camera(gain) if estimate.identifiable else None
    answer(
        {
            "stack": str(stack),
            "frames": movie.n_frames,
            "height_px": movie.height,
            "width_px": movie.width,
            "pixel_type": str(movie.dtype),
            "first_axis_is_time": "guessed" if movie.axes_guessed else "stated",
            "in_the_file": movie.camera_hints,
            "background_level_adu": estimate.level_adu,
            "background_noise_adu": estimate.noise_adu,
            "adu_per_count": estimate.adu_per_count,
            "adu_per_count_error": estimate.adu_per_count_error,
            "offset_adu": estimate.offset_adu,
            "offset_error_adu": estimate.offset_error_adu,
            "assumed_em_gain": gain,
            "electrons_per_adu": None if estimated is None else estimated.electrons_per_adu,
            "estimated": estimate.identifiable,
            "description": estimate.description,
        },
        as_json,
    )


@takes_camera_options
def train(
    stack: StackPath,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="MODEL", help="Model file to make.")],
    camera: CameraOptions,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training frames.")] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Time limit instead of epochs, from the first step on.")
    ] = None,
    context_frames: Annotated[
        int | None,
        typer.Option(help="Neighbouring frames seen on each side: 0, 1 or 2; by default as many as help."),
    ] = None,
    network: Annotated[
        Literal["dilated", "laine"] | None, typer.Option(help="Network; dilated by default.")
    ] = None,
    loss: Annotated[
        Literal["gamma-poisson", "gaussian", "squared-error"],
        typer.Option(help="Likelihood, or one of the two to compare it with."),
    ] = "gamma-poisson",
    components: Annotated[
        int | None,
        typer.Option(help="Gamma laws in a pixel's prior, 1 to 3; 2 by default, 1 as in the paper."),
    ] = None,
    blind_spot_radius_px: Annotated[
        int | None,
        typer.Option(
            help="0 to 2: pixels around a pixel that its estimate ignores; by default as the noise asks."
        ),
    ] = None,
    channels: Annotated[
        int | None, typer.Option(help="Feature channels; the network's own by default.")
    ] = None,
    frames: Annotated[
        tuple[int, int] | None,
        typer.Option(metavar="FIRST LAST", help="Frames to learn from, from 0, the last included."),
    ] = None,
    region_px: Annotated[
        tuple[int, int, int, int] | None,
        typer.Option(
            metavar="TOP LEFT HEIGHT WIDTH", help="Part of the frames to learn from: row, column, size."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the random numbers.")] = 0,
    device: Annotated[Literal["auto", "cpu", "cuda", "mps"], typer.Option(help="Where to train.")] = "auto",
    start_from: Annotated[
        Path | None, typer.Option(metavar="MODEL", help="Trained model to go on from, on this movie.")
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            metavar="CHECKPOINT", help="Go on with an interrupted training; give its options again."
        ),
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Remove what is kept of an earlier run, and begin anew.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Train a denoiser on the noisy movie itself.

    Once a minute it is kept in MODEL.checkpoint, from which the same command goes on should it be killed.
    Interrupted (Ctrl-C), it keeps the best model so far, too.
    """
    from blinkspot.denoising import Denoiser, Training, TrainingSettings
    from blinkspot.denoising.training.kept_training import (
        checkpoint_beside,
        discard,
        discard_checkpoint_of_finished,
    )
    from blinkspot.denoising.training.learner import load_optimiser

    options: dict[str, Any] = {
        "network": network,
        "components": components,
        "context_frames": context_frames,
        "blind_spot_radius_px": blind_spot_radius_px,
        "channels": channels,
    }
    asked = {name: value for name, value in options.items() if value is not None}
    first_frame, last_frame = frames or (0, None)
    settings = TrainingSettings(
        loss=loss,
        epochs=epochs,
        minutes=minutes,
        first_frame=first_frame,
        last_frame=last_frame,
        region_px=region_px,
        seed=seed,
        device=device,
        **asked,
    )
    movie = open_recorded(stack)
    given = camera.given()
    discard_checkpoint_of_finished(output)
    check_can_write(output)
    with claimed(output):
        checkpoint = checkpoint_beside(output)
        start = None if start_from is None else Denoiser.load(start_from)
        if start is not None:
            start.check_keeps(asked)
        training = Training(movie, find_camera(given, movie), settings, start)
        check_can_write(output, training.room_bytes)
        resume = _kept(checkpoint, training, resume, restart)
        remarks: list[str] = []
        if resume is None:
            remarks = run(remarks_before_training(movie, training.camera), only_looks=True)
        for remark in remarks:
            say(f"Warning: {remark}")

        load_optimiser()  # here, where it can be interrupted
        started = time.perf_counter()
        try:
            run(training.run(checkpoint, resume), training_words)
        except (KeyboardInterrupt, Exception) as error:
            kept = _say_what_is_kept(training, output, checkpoint)
            if kept and isinstance(error, KeyboardInterrupt):
                sys.exit(INTERRUPTED)  # all is said
            raise
        assert training.best is not None  # run() has ended
        with noted_interruption():  # it takes but a moment, and then all is done
            _keep(training.best, output)
            discard(checkpoint)
        for warning in training.warnings:
            say(f"Warning: {warning}")
        answer(
            {
                "model": str(output),
                "steps": training.best.provenance["steps"],
                "epochs": training.history[-1].epoch,
                "context_frames": training.context_frames,
                "settled": training.settled,
                "validation_loss": training.best.provenance["validation_loss"],
                "seconds": time.perf_counter() - started,
                "camera": training.camera.as_dict(),
                "warnings": [*remarks, *training.warnings],
            },
            as_json,
        )


def _kept(checkpoint: Path, training: Training, resume: Path | None, restart: bool) -> Path | None:
    """Return the checkpoint to go on from; None where the training is to begin anew.

    One that is to be kept in ``checkpoint`` may have been begun from ``resume``, and ended early again.
    """
    from blinkspot.denoising.training.kept_training import discard, steps_kept

    if restart:
        if resume is not None:
            raise BlinkspotError("--restart begins anew, and --resume goes on: give one of them.")
        discard(checkpoint)
        if checkpoint.exists():
            raise BlinkspotError(f"{checkpoint} cannot be removed: move it away, or choose another name.")
        return None
    given = [] if resume is None else [resume]
    there = [path for path in (checkpoint, *given) if path.exists()] or given
    if not there:
        return None
    steps = {path: steps_kept(path, training.identity) for path in there}
    farthest = max(there, key=steps.__getitem__)
    how_else = "" if given else "; --restart begins anew"
    say(f"Going on after step {steps[farthest]}, kept in {farthest}{how_else}.")
    return farthest


def _say_what_is_kept(training: Training, output: Path, checkpoint: Path) -> bool:
    """Keep what a training that ended early has come to, and say so; return whether there is anything."""
    if training.best is not None:
        _keep(training.best, output)
        for warning in training.warnings:
            say(f"Warning: {warning}")
        say(f"Stopped: the best model so far is {output}.")
    if checkpoint.exists():
        how = "." if training.best is None else f", --resume {checkpoint}, and a name that is free."
        say(f"To go on, give the same options{how}")
    return training.best is not None or checkpoint.exists()


def _keep(model: Denoiser, path: Path) -> None:
    """Save a model; where that fails after all, save it where temporary files go: it took long to make."""
    try:
        model.save(path)
    except BlinkspotError as error:
        rescue = unused_path(Path(tempfile.gettempdir()) / path.name)
        model.save(rescue)
        raise BlinkspotError(f"The model was saved as {rescue} instead, because {error}") from error


def denoise(
    stack: StackPath,
    model: Annotated[Path, typer.Option("-m", "--model", metavar="MODEL", help="Trained model.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT.tif|.zarr", help="Movie to make.")],
    estimate: Annotated[
        Literal["posterior-mean", "map", "blind", "posterior-variance"],
        typer.Option(help="What stands for a pixel."),
    ] = "posterior-mean",
    units: Annotated[Literal["adu", "photons"], typer.Option(help="Units of the output.")] = "adu",
    frames: Annotated[
        tuple[int, int] | None,
        typer.Option(metavar="FIRST LAST", help="Frames to denoise, from 0, the last included."),
    ] = None,
    device: Annotated[Literal["auto", "cpu", "cuda", "mps"], typer.Option(help="Where to denoise.")] = "auto",
    restart: Restart = False,
    as_json: Json = False,
) -> None:
    """Denoise every frame, or some; float32, by default in the input's ADU.

    Ended early, in whatever way, it keeps what is done; the same command goes on from there.
    """
    from blinkspot.denoising import DenoisedFile, Denoiser, likeness_of
    from blinkspot.denoising.devices import pick_device

    check_movie_name(output)
    clear_kept_of_finished(output)
    check_can_write(output)
    where = pick_device(device)
    movie = open_recorded(stack)
    denoiser = Denoiser.load(model, str(where))
    denoiser.check_matches(movie)
    started = time.perf_counter()
    first, last = frames or (0, movie.n_frames - 1)
    file = DenoisedFile(denoiser, movie, output, estimate, units, start=first, stop=last + 1, restart=restart)
    with going_on_later(file), file:
        if file.note:
            say(file.note)
        unlike = run(likeness_of(denoiser, movie, first, last + 1)).warning
        if unlike is not None:
            say(f"Warning: {unlike}")
        run(file.denoise())
    for warning in denoiser.warnings:
        say(f"Warning: {warning}")
    answer(
        {
            "denoised": str(output),
            "frames": last + 1 - first,
            "estimate": estimate,
            "units": units,
            "warnings": [*([] if unlike is None else [unlike]), *denoiser.warnings],
            "seconds": time.perf_counter() - started,
        },
        as_json,
    )
