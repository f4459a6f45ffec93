"""The camera on the command line: from a file, from options, from the movie's file, or estimated."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from blinkspot.camera import NUMBERS, Camera
from blinkspot.camera_from_movie import finding as finding_camera
from blinkspot.camera_from_movie.finding import GivenCamera, given_camera
from blinkspot.cli.console import say
from blinkspot.movies.stack import Stack

_PANEL = "Camera"
CameraFile = Annotated[
    Path | None,
    typer.Option("--camera", metavar="FILE.toml", help="Camera settings.", rich_help_panel=_PANEL),
]
PixelSize = Annotated[float | None, typer.Option(help="Pixel size, nm.", rich_help_panel=_PANEL)]
Offset = Annotated[
    float | None,
    typer.Option(help="Level without light, ADU; with maps their mean.", rich_help_panel=_PANEL),
]
ElectronsPerAdu = Annotated[
    float | None, typer.Option(help="Electrons per ADU, after multiplication.", rich_help_panel=_PANEL)
]
EmGain = Annotated[float | None, typer.Option(help="EM gain; 1 for none.", rich_help_panel=_PANEL)]
ReadNoise = Annotated[
    float | None, typer.Option(help="Read noise, electrons after multiplication.", rich_help_panel=_PANEL)
]
Maps = Annotated[
    Path | None,
    typer.Option(
        "--maps",
        metavar="FILE",
        help="sCMOS: maps of offset, variance and gain; .npy (3, Y, X) or a TIFF of 3 pages.",
        rich_help_panel=_PANEL,
    ),
]
MapsWindow = Annotated[
    tuple[int, int] | None,
    typer.Option(
        "--maps-window",
        metavar="TOP LEFT",
        help="Row and column of the maps (from 0) at which the movie begins.",
        rich_help_panel=_PANEL,
    ),
]
TransposeMaps = Annotated[
    bool,
    typer.Option("--transpose-maps", help="Exchange the maps' rows and columns.", rich_help_panel=_PANEL),
]


@dataclass(frozen=True)
class CameraOptions:
    """The camera's options, as they were typed: of a command that :func:`takes_camera_options`."""

    camera: CameraFile = None
    pixel_size_nm: PixelSize = None
    offset_adu: Offset = None
    electrons_per_adu: ElectronsPerAdu = None
    em_gain: EmGain = None
    read_noise_electrons: ReadNoise = None
    maps: Maps = None
    maps_window: MapsWindow = None
    transpose_maps: TransposeMaps = False

    def given(self) -> GivenCamera:
        """Return what is given on the command line; single options go before the file.

        What the file leaves out is not given: the movie may tell it.

        Raises
        ------
        BlinkspotError
            If a file cannot be used, or options exclude one another.
        """
        numbers = {name: getattr(self, name) for name in NUMBERS}
        return given_camera(
            numbers,
            self.camera,
            self.maps,
            self.maps_window,
            transposed=self.transpose_maps,
            named=_option,
        )


def takes_camera_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command all of the camera's options in the place of its parameter of :class:`CameraOptions`."""
    hints = get_type_hints(command, include_extras=True)
    options = get_type_hints(CameraOptions, include_extras=True)
    (place,) = (name for name, hint in hints.items() if hint is CameraOptions)
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        if name != place:
            parameters.append(parameter.replace(annotation=hints[name]))
            continue
        parameters += [
            inspect.Parameter(each.name, parameter.kind, default=each.default, annotation=options[each.name])
            for each in fields(CameraOptions)
        ]

    @wraps(command)
    def expanded(**given: Any) -> None:
        camera = CameraOptions(**{name: given.pop(name) for name in options})
        command(**given, **{place: camera})

    expanded.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    expanded.__annotations__ = {each.name: each.annotation for each in parameters}
    return expanded


def find_camera(given: GivenCamera, *movies: Stack) -> Camera:
    """Complete what is given; whatever was not given is said on standard error.

    See :func:`blinkspot.camera_from_movie.finding.find_camera`.
    """
    return finding_camera.find_camera(given, *movies, say=say, named=_option).camera


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")
