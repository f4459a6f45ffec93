"""The camera on the command line: from a file, from options, from the movie's file, or estimated."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from blinkspot.camera import Camera
from blinkspot.cli.console import say
from blinkspot.errors import BlinkspotError
from blinkspot.stack import Stack

_PANEL = "Camera"
CameraFile = Annotated[
    Path | None,
    typer.Option("--camera", metavar="FILE.toml", help="Camera settings.", rich_help_panel=_PANEL),
]
PixelSize = Annotated[float | None, typer.Option(help="Pixel size, nm.", rich_help_panel=_PANEL)]
Offset = Annotated[float | None, typer.Option(help="Level without light, ADU.", rich_help_panel=_PANEL)]
ElectronsPerAdu = Annotated[
    float | None, typer.Option(help="Electrons per ADU, after multiplication.", rich_help_panel=_PANEL)
]
EmGain = Annotated[float | None, typer.Option(help="EM gain; 1 for none.", rich_help_panel=_PANEL)]
ReadNoise = Annotated[
    float | None, typer.Option(help="Read noise, electrons after multiplication.", rich_help_panel=_PANEL)
]


def given_camera(
    file: Path | None,
    pixel_size_nm: float | None,
    offset_adu: float | None,
    electrons_per_adu: float | None,
    em_gain: float | None,
    read_noise_electrons: float | None,
) -> dict[str, float]:
    """Return the settings given on the command line, by name; single options go before the file.

    What the file leaves out is not given: the movie may tell it.
    """
    options = {
        "pixel_size_nm": pixel_size_nm,
        "offset_adu": offset_adu,
        "electrons_per_adu": electrons_per_adu,
        "em_gain": em_gain,
        "read_noise_electrons": read_noise_electrons,
    }
    settings = {} if file is None else _stated(file)
    return settings | {name: value for name, value in options.items() if value is not None}


def _stated(file: Path) -> dict[str, float]:
    """Return the settings that a camera file states."""
    settings = Camera.load(file).as_dict()  # which says what is wrong with a file
    content = tomllib.loads(file.read_text(encoding="utf-8"))
    return {name: settings[name] for name in content.get("camera", content)}


def find_camera(given: Mapping[str, float], *movies: Stack) -> Camera:
    """Complete the given settings from the movies' files and, where these are silent, by an estimate.

    Whatever was not given is said on standard error.

    Parameters
    ----------
    given : mapping
        Settings from the command line.
    *movies : Stack
        The movie, and others of the same camera whose files may tell more.

    Raises
    ------
    BlinkspotError
        If offset or electrons per ADU are neither given, nor in a file, nor to be told from the movie.
    """
    # Imported here: not every command needs it.
    from blinkspot.camera_estimate import estimate_camera, estimate_slope

    hints: dict[str, float] = {}
    for movie in reversed(movies):
        hints |= movie.camera_hints
    read = {name: value for name, value in hints.items() if name not in given}
    settings = {**read, **given}
    if read:
        say(f"From the movie's file: {_listed(read)}.")
    missing = [name for name in ("offset_adu", "electrons_per_adu") if name not in settings]
    if missing:
        if "offset_adu" in settings:
            estimate = estimate_slope(movies[0], settings["offset_adu"])
        else:
            estimate = estimate_camera(movies[0])
        if not estimate.identifiable:
            raise BlinkspotError(
                f"The camera is not known: give {' and '.join(map(_option, missing))}, or --camera, "
                f"for the movie does not tell them ({estimate.reason})."
            )
        estimated = estimate.camera(settings.get("em_gain", 1.0)).as_dict()
        found = {name: estimated[name] for name in missing}
        settings |= found
        say(f"Estimated from the movie's noise, not known: {_listed(found)} ({estimate.description}).")
    if "pixel_size_nm" not in settings:
        settings["pixel_size_nm"] = Camera().pixel_size_nm
        say(
            f"The pixel size is not known and {settings['pixel_size_nm']:g} nm is taken: "
            "give --pixel-size-nm where positions matter."
        )
    return Camera.from_dict(settings)


def _listed(settings: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.5g}" for name, value in settings.items())


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")
