"""The camera on the command line: from a file, from options, from the movie's file, or estimated."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from blinkspot.camera import MAPPED, Camera, read_settings
from blinkspot.camera_maps import CameraMaps, read_maps
from blinkspot.cli.console import say
from blinkspot.cli.movies import is_denoised
from blinkspot.errors import BlinkspotError
from blinkspot.movie_checks import check_camera
from blinkspot.stack import Stack

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
class GivenCamera:
    """What was said of the camera on the command line.

    Attributes
    ----------
    settings : mapping
        Numbers by name.
    maps : CameraMaps or None
        Maps of the chip, turned as the movie is.
    window : tuple of int, or None
        Row and column of the maps at which the movie begins.
    """

    settings: Mapping[str, float]
    maps: CameraMaps | None = None
    window: tuple[int, int] | None = None

    def camera(self, movie: Stack, settings: Mapping[str, float]) -> Camera:
        """Return the camera of these settings and of the part of the maps that a movie shows.

        Raises
        ------
        BlinkspotError
            If that does not fit the movie.
        """
        if self.maps is None:
            return Camera.from_dict(dict(settings))
        maps = self.maps
        if self.window is not None:
            maps = maps.window(*self.window, movie.height, movie.width)
        if "offset_adu" in settings:
            maps = maps.moved_to(settings["offset_adu"])
        camera = Camera.from_dict({**settings, "maps": maps})
        check_camera(movie, camera)
        return camera


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
        options = {
            "pixel_size_nm": self.pixel_size_nm,
            "offset_adu": self.offset_adu,
            "electrons_per_adu": self.electrons_per_adu,
            "em_gain": self.em_gain,
            "read_noise_electrons": self.read_noise_electrons,
        }
        settings: dict[str, Any] = {} if self.camera is None else read_settings(self.camera)
        # Says what is wrong with it.
        Camera.from_dict(settings, source=f"The camera file {self.camera}")
        held = settings.pop("maps", None)
        chip = held if self.maps is None else read_maps(self.maps)
        if chip is None:
            if self.maps_window is not None or self.transpose_maps:
                raise BlinkspotError(
                    "--maps-window and --transpose-maps need maps: give their file with --maps."
                )
        else:
            # What the file states beside maps is what they amount to.
            settings = {name: value for name, value in settings.items() if name not in MAPPED}
            for name in ("electrons_per_adu", "read_noise_electrons"):
                if options[name] is not None:
                    raise BlinkspotError(f"The maps say it pixel by pixel: leave out {_option(name)}.")
            chip = chip.transposed() if self.transpose_maps else chip
        settings |= {name: value for name, value in options.items() if value is not None}
        return GivenCamera({name: float(value) for name, value in settings.items()}, chip, self.maps_window)


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
    """Complete what is given from the movies' files and, where these are silent, by an estimate.

    Whatever was not given is said on standard error.

    Parameters
    ----------
    given : GivenCamera
        What the command line says.
    *movies : Stack
        The movie, and others of the same camera whose files may tell more.

    Raises
    ------
    BlinkspotError
        If offset or electrons per ADU are neither given, nor in a file, nor to be told from the movie, or
        the maps are not those of the movie.
    """
    hints: dict[str, float] = {}
    for movie in reversed(movies):
        hints |= movie.camera_hints
    # Of what maps take the place of only the offset can be given, to move them.
    not_read = {*given.settings, *(MAPPED if given.maps is not None else ())}
    read = {name: value for name, value in hints.items() if name not in not_read}
    settings = {**read, **given.settings}
    if read:
        say(f"From the movie's file: {_listed(read)}.")
    if given.maps is None and any(_made_with_maps(movie) for movie in movies):
        say("The movie's file was made with maps of an sCMOS camera: give them with --maps to use them here.")
    if given.maps is None:
        settings |= _estimated(settings, movies[0])
    if "pixel_size_nm" not in settings:
        settings["pixel_size_nm"] = Camera().pixel_size_nm
        say(
            f"The pixel size is not known and {settings['pixel_size_nm']:g} nm is taken: "
            "give --pixel-size-nm where positions matter."
        )
    camera = given.camera(movies[0], settings)
    if camera.maps is not None and "offset_adu" not in settings and not is_denoised(movies[0]):
        _check_offset(movies[0], camera)
    return camera


def _estimated(settings: Mapping[str, float], movie: Stack) -> dict[str, float]:
    """Return offset and electrons per ADU by the movie's noise, where they are missing."""
    # Imported here: not every command needs it.
    from blinkspot.camera_estimate import estimate_camera, estimate_slope

    missing = [name for name in ("offset_adu", "electrons_per_adu") if name not in settings]
    if not missing:
        return {}
    if "offset_adu" in settings:
        estimate = estimate_slope(movie, settings["offset_adu"])
    else:
        estimate = estimate_camera(movie)
    if not estimate.identifiable:
        raise BlinkspotError(
            f"The camera is not known: give {' and '.join(map(_option, missing))}, or --camera, "
            f"for the movie does not tell them ({estimate.reason})."
        )
    camera = estimate.camera(settings.get("em_gain", 1.0))
    found = {name: float(getattr(camera, name)) for name in missing}
    say(f"Estimated from the movie's noise, not known: {_listed(found)} ({estimate.description}).")
    return found


def _check_offset(movie: Stack, camera: Camera) -> None:
    """Say where the movie's noise contradicts the offset of the camera's maps."""
    from blinkspot.camera_estimate import estimate_offset

    estimate = estimate_offset(movie, camera)
    if estimate.contradicts(camera.offset_adu):
        say(
            f"The maps have a mean offset of {camera.offset_adu:.5g} ADU, but the movie's noise tells "
            f"{estimate.offset_adu:.5g} ± {estimate.offset_error_adu:.2g}: if the camera's level has "
            f"moved since its calibration, give --offset-adu {estimate.offset_adu:.1f}."
        )


def _made_with_maps(movie: Stack) -> bool:
    """Tell whether a movie's file says that its camera had maps, which it does not hold."""
    camera = movie.metadata.get("provenance", {}).get("camera")
    return isinstance(camera, dict) and "maps" in camera


def _listed(settings: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.5g}" for name, value in settings.items())


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")
