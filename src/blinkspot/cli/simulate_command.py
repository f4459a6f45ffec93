"""The command that simulates a movie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from blinkspot.camera import MAPPED, NUMBERS, Camera
from blinkspot.camera_from_movie.finding import GivenCamera
from blinkspot.cli.camera_options import CameraOptions, takes_camera_options
from blinkspot.cli.console import answer, run, say
from blinkspot.cli.idle_options import refuse_idle
from blinkspot.cli.movie_commands import Json
from blinkspot.errors import BlinkspotError
from blinkspot.evaluation import PRESETS, simulate_to_files
from blinkspot.evaluation.simulation import (
    NAMED_STRUCTURES,
    Cell,
    Field,
    GaussianProfile,
    Mask,
    SimulationSettings,
    SmoothField,
    Structure,
    read_mask,
)

_NONE, _GAUSSIAN = "none", "gaussian"
_MOLECULES, _LIGHT, _BLINKING, _MOTION = "Molecules", "Background and illumination", "Blinking", "Motion"


@takes_camera_options
def simulate(
    context: typer.Context,
    out: Annotated[Path, typer.Argument(metavar="OUT.tif", help="Movie to make.")],
    camera: CameraOptions,
    preset: Annotated[str, typer.Option(help=f"Kind of movie: {', '.join(PRESETS)}.")] = "low-light",
    frames: Annotated[int | None, typer.Option(help="Number of frames.")] = None,
    size: Annotated[
        str | None, typer.Option(metavar="PX|YxX", help="Height and width, pixels: 128, or 128x256.")
    ] = None,
    density_per_um2: Annotated[
        float | None,
        typer.Option(help="Molecules that shine at a time, per square um.", rich_help_panel=_MOLECULES),
    ] = None,
    photons: Annotated[
        str | None,
        typer.Option(
            metavar="LOW,HIGH", help="Photons of a molecule in a full frame.", rich_help_panel=_MOLECULES
        ),
    ] = None,
    fwhm_nm: Annotated[
        str | None,
        typer.Option(
            metavar="LOW,HIGH", help="Full width at half maximum of a spot, nm.", rich_help_panel=_MOLECULES
        ),
    ] = None,
    structure: Annotated[
        str | None,
        typer.Option(
            metavar=f"{'|'.join(NAMED_STRUCTURES)}|cell|none|FILE",
            help="What the molecules lie on; a file is a mask: any grey TIFF, PNG or JPEG.",
            rich_help_panel=_MOLECULES,
        ),
    ] = None,
    mean_on_frames: Annotated[
        float | None,
        typer.Option(help="Mean on-time, frames; 0: independent frames.", rich_help_panel=_BLINKING),
    ] = None,
    mean_off_frames: Annotated[
        float | None,
        typer.Option(
            help="Mean time until the same molecule shines again, frames; 0: ever new ones.",
            rich_help_panel=_BLINKING,
        ),
    ] = None,
    blinks: Annotated[
        float | None,
        typer.Option(
            help="Mean number of blinks until a molecule bleaches; 0: it never does.",
            rich_help_panel=_BLINKING,
        ),
    ] = None,
    background_photons: Annotated[
        float | None,
        typer.Option(help="Background, photons per pixel and frame.", rich_help_panel=_LIGHT),
    ] = None,
    background_mask: Annotated[
        str | None,
        typer.Option(
            metavar="smooth|cell|none|FILE",
            help="What the background is multiplied with; a file as for --structure.",
            rich_help_panel=_LIGHT,
        ),
    ] = None,
    fading_frames: Annotated[
        float | None,
        typer.Option(
            help="Time in which the background falls to 1/e, frames; 0: it does not.", rich_help_panel=_LIGHT
        ),
    ] = None,
    illumination: Annotated[
        str | None,
        typer.Option(
            metavar="gaussian|none|FILE",
            help="What all light is multiplied with; a file as for --structure.",
            rich_help_panel=_LIGHT,
        ),
    ] = None,
    illumination_fwhm_um: Annotated[
        float | None,
        typer.Option(
            help="Full width at half maximum of a gaussian, um; by default the field's shorter side.",
            rich_help_panel=_LIGHT,
        ),
    ] = None,
    even_background: Annotated[
        bool,
        typer.Option(
            "--even-background", help="Leave the background as it is by illumination.", rich_help_panel=_LIGHT
        ),
    ] = False,
    drift_nm_per_frame: Annotated[
        str | None,
        typer.Option(
            metavar="X,Y", help="Drift of all molecules from frame to frame, nm.", rich_help_panel=_MOTION
        ),
    ] = None,
    motion_nm_per_sqrt_frame: Annotated[
        float | None,
        typer.Option(
            help="Diffusion of each molecule: standard deviation along an axis in a frame, nm.",
            rich_help_panel=_MOTION,
        ),
    ] = None,
    clock_induced_charge: Annotated[
        float | None,
        typer.Option(
            help="Spurious electrons per pixel and frame, before multiplication.", rich_help_panel="Camera"
        ),
    ] = None,
    clean: Annotated[bool, typer.Option("--clean", help="Write the noise-free movie too.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of the random numbers, and of named shapes.")] = 1,
    as_json: Json = False,
) -> None:
    """Simulate a movie with known truth: OUT.tif, OUT_truth.csv, OUT_camera.toml."""
    if preset not in PRESETS:
        raise BlinkspotError(f"There is no preset {preset!r}: choose one of {', '.join(PRESETS)}.")
    base = PRESETS[preset]
    if illumination != _GAUSSIAN:
        refuse_idle(context, "without --illumination gaussian", "illumination_fwhm_um")
    if illumination == _NONE or (illumination is None and base.illumination is None):
        refuse_idle(context, "without --illumination", "even_background")
    size_px = base.size_px if size is None else _size(size)
    given_camera = camera.given()
    if camera.camera is not None or given_camera.maps is not None:
        _say_em_gain(base.camera, given_camera)
    # The preset's molecules may be too many for such a field, and those that are asked for not.
    seen = replace(
        base, size_px=size_px, camera=_camera(base.camera, given_camera, size_px), density_per_um2=0.0
    )
    given: dict[str, Any] = {
        "frames": frames,
        "density_per_um2": base.density_per_um2 if density_per_um2 is None else density_per_um2,
        "photons": _pair("--photons", photons),
        "fwhm_nm": _pair("--fwhm-nm", fwhm_nm),
        "mean_on_frames": mean_on_frames,
        "mean_off_frames": mean_off_frames,
        "mean_blinks": blinks,
        "background_photons": background_photons,
        "background_fading_frames": fading_frames,
        "illuminates_background": False if even_background else None,
        "drift_nm_per_frame": _pair("--drift-nm-per-frame", drift_nm_per_frame),
        "motion_nm_per_sqrt_frame": motion_nm_per_sqrt_frame,
        "clock_induced_charge_electrons": clock_induced_charge,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    if structure is not None:
        changes["structure"] = _structure(structure, seed)
    if background_mask is not None:
        changes["background_mask"] = _background_mask(background_mask, seed)
    if illumination is not None:
        changes["illumination"] = _illumination(illumination, illumination_fwhm_um, seen.field)
    settings: SimulationSettings = replace(seen, seed=seed, **changes)
    files = run(simulate_to_files(settings, out, keep_clean=clean))
    answer(
        {
            "movie": str(files.movie),
            "truth": str(files.truth),
            "camera": str(files.camera),
            "clean": None if files.clean is None else str(files.clean),
        },
        as_json,
    )


def _structure(word: str, seed: int) -> Structure | None:
    """Return what ``--structure`` names."""
    kinds: dict[str, Callable[..., Structure]] = {**NAMED_STRUCTURES, "cell": Cell}
    if word in kinds:
        return kinds[word](seed=seed)
    return _mask("--structure", word, list(kinds))


def _background_mask(word: str, seed: int) -> Mask | None:
    """Return what ``--background-mask`` names."""
    kinds: dict[str, Callable[..., Mask]] = {"smooth": SmoothField, "cell": Cell}
    if word in kinds:
        return kinds[word](seed=seed)
    return _mask("--background-mask", word, list(kinds))


def _illumination(word: str, fwhm_um: float | None, field: Field) -> Mask | None:
    """Return what ``--illumination`` names."""
    if word == _GAUSSIAN:
        return GaussianProfile(min(field.extent_nm) * 1e-3 if fwhm_um is None else fwhm_um)
    return _mask("--illumination", word, [_GAUSSIAN])


def _mask(option: str, word: str, names: list[str]) -> Mask | None:
    """Return the mask in a file."""
    if word == _NONE:
        return None
    if not Path(word).suffix:
        known = ", ".join([*names, _NONE])
        raise BlinkspotError(f"{option} takes {known}, or the file of a grey picture, and not {word!r}.")
    return read_mask(word)


def _say_em_gain(preset: Camera, given: GivenCamera) -> None:
    """Say that the preset's EM register stays where another camera is given without a word of one."""
    if preset.em_gain > 1 and "em_gain" not in given.settings:
        say(
            f"The camera that is given states no EM gain, so that of the preset stays, {preset.em_gain:g}: "
            "give --em-gain 1 for a camera without EM register."
        )


def _camera(preset: Camera, given: GivenCamera, size_px: int | tuple[int, int]) -> Camera:
    """Return the preset's camera with what is given of another one."""
    settings: dict[str, Any] = {name: getattr(preset, name) for name in NUMBERS} | dict(given.settings)
    if given.maps is None:
        return Camera.from_dict(settings)
    maps = given.maps
    if given.window is not None:
        height, width = size_px if isinstance(size_px, tuple) else (size_px, size_px)
        maps = maps.window(*given.window, height, width)
    if "offset_adu" in given.settings:
        maps = maps.moved_to(given.settings["offset_adu"])
    numbers = {name: value for name, value in settings.items() if name not in MAPPED}
    return Camera.from_dict({**numbers, "maps": maps})


def _size(text: str) -> int | tuple[int, int]:
    """Return the size that a text states."""
    try:
        sides = [int(side) for side in text.lower().split("x")]
    except ValueError:
        sides = []
    if len(sides) == 1:
        return sides[0]
    if len(sides) == 2:
        return sides[0], sides[1]
    raise BlinkspotError(f"--size takes height and width in pixels, as 128 or 128x256, and not {text!r}.")


def _pair(option: str, text: str | None) -> tuple[float, float] | None:
    """Return the two numbers that a text states."""
    if text is None:
        return None
    try:
        first, second = (float(part) for part in text.split(","))
    except ValueError as error:
        raise BlinkspotError(f"{option} takes two numbers, as 1.5,2, and not {text!r}.") from error
    return first, second
