"""A movie's camera: what is given, completed from the movie's file or, where that is silent, an estimate."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blinkspot.camera import MAPPED, Camera, read_settings
from blinkspot.camera.maps import CameraMaps, read_maps
from blinkspot.camera_from_movie.estimate import estimate_camera, estimate_offset, estimate_slope
from blinkspot.errors import BlinkspotError
from blinkspot.movies.checks import check_camera
from blinkspot.movies.recorded import is_denoised
from blinkspot.movies.stack import Stack

Say = Callable[[str], object]
Named = Callable[[str], str]


@dataclass(frozen=True)
class GivenCamera:
    """What was said of the camera.

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

    def camera_alone(self) -> Camera:
        """Return the camera of these settings where no movie is at hand: its numbers are checked.

        Raises
        ------
        BlinkspotError
            If one is out of its range.
        """
        return Camera.from_dict({**self.settings, **({} if self.maps is None else {"maps": self.maps})})


@dataclass(frozen=True)
class FoundCamera:
    """A movie's camera, and how much of it is known.

    Attributes
    ----------
    camera : Camera
    not_stated : tuple of str
        Names of the settings that neither was given nor stood in a file.
    """

    camera: Camera
    not_stated: tuple[str, ...] = ()


def given_camera(
    numbers: Mapping[str, float | None],
    file: Path | None = None,
    maps: Path | None = None,
    window: tuple[int, int] | None = None,
    *,
    transposed: bool = False,
    named: Named,
) -> GivenCamera:
    """Return what is given; single numbers go before the file.

    What the file leaves out is not given: the movie may tell it.

    Parameters
    ----------
    numbers : mapping
        By the names of :class:`~blinkspot.camera.Camera`'s settings; None where one is not given.
    file, maps : Path, optional
        Camera file, and file of the maps.
    window : tuple of int, optional
        Row and column of the maps at which the movie begins.
    transposed : bool
        Exchange the maps' rows and columns.
    named : callable
        What a setting is called where it is given.

    Raises
    ------
    BlinkspotError
        If a file cannot be used, or settings exclude one another.
    """
    settings: dict[str, Any] = {} if file is None else read_settings(file)
    # Says what is wrong with it.
    Camera.from_dict(settings, source=f"The camera file {file}")
    held = settings.pop("maps", None)
    chip = held if maps is None else read_maps(maps)
    if chip is None:
        if window is not None or transposed:
            raise BlinkspotError(
                f"{named('maps_window')} and {named('transpose_maps')} need maps: give their file with "
                f"{named('maps')}."
            )
    else:
        # What the file states beside maps is what they amount to.
        settings = {name: value for name, value in settings.items() if name not in MAPPED}
        for name in ("electrons_per_adu", "read_noise_electrons"):
            if numbers[name] is not None:
                raise BlinkspotError(f"The maps say it pixel by pixel: leave out {named(name)}.")
        chip = chip.transposed() if transposed else chip
    settings |= {name: value for name, value in numbers.items() if value is not None}
    return GivenCamera({name: float(value) for name, value in settings.items()}, chip, window)


def find_camera(
    given: GivenCamera, *movies: Stack, say: Say, named: Named, like: Camera | None = None
) -> FoundCamera:
    """Complete what is given from the movies' files and, where these are silent, by an estimate.

    Parameters
    ----------
    given : GivenCamera
        What is given.
    *movies : Stack
        The movie, and others of the same camera whose files may tell more.
    say : callable
        Called with a sentence on whatever was not given.
    named : callable
        What a setting is called where it can be given.
    like : Camera, optional
        Camera that takes the place of the estimate.

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
    has_maps = given.maps is not None or (like is not None and like.maps is not None)
    if not has_maps and any(_made_with_maps(movie) for movie in movies):
        say(
            "The movie's file was made with maps of an sCMOS camera: "
            f"give them with {named('maps')} to use them here."
        )
    if like is not None:
        return _like(like, given, movies[0], settings)
    not_stated: list[str] = []
    if given.maps is None:
        estimated = _estimated(settings, movies[0], say, named)
        settings |= estimated
        not_stated += estimated
    if "pixel_size_nm" not in settings:
        settings["pixel_size_nm"] = Camera().pixel_size_nm
        not_stated.append("pixel_size_nm")
        say(
            f"The pixel size is not known and {settings['pixel_size_nm']:g} nm is taken: "
            f"give {named('pixel_size_nm')} where positions matter."
        )
    camera = given.camera(movies[0], settings)
    if camera.maps is not None and "offset_adu" not in settings and not is_denoised(movies[0]):
        _check_offset(movies[0], camera, say, named)
    return FoundCamera(camera, tuple(not_stated))


def _like(like: Camera, given: GivenCamera, movie: Stack, settings: dict[str, float]) -> FoundCamera:
    """Take what is not stated from another camera; its maps where nothing that is stated contradicts them."""
    if like.maps is not None and given.maps is None and _may_be_of_maps(settings, like):
        stated = {name: value for name, value in settings.items() if name not in MAPPED}
        given = GivenCamera(given.settings, like.maps)
    else:
        stated = settings
    from_other = {
        name: value
        for name, value in like.as_dict().items()
        if name not in stated and name != "maps" and (given.maps is None or name not in MAPPED)
    }
    return FoundCamera(given.camera(movie, {**stated, **from_other}), tuple(from_other))


def _may_be_of_maps(settings: Mapping[str, float], like: Camera) -> bool:
    """Tell whether what is stated of a camera is what the maps of another one amount to."""
    amounts = dataclasses.replace(like, maps=None)
    stated = {name: value for name, value in settings.items() if name in MAPPED}
    return not amounts.differences(Camera.from_dict({**amounts.as_dict(), **stated}))


def _estimated(settings: Mapping[str, float], movie: Stack, say: Say, named: Named) -> dict[str, float]:
    """Return offset and electrons per ADU by the movie's noise, where they are missing."""
    missing = [name for name in ("offset_adu", "electrons_per_adu") if name not in settings]
    if not missing:
        return {}
    if "offset_adu" in settings:
        estimate = estimate_slope(movie, settings["offset_adu"])
    else:
        estimate = estimate_camera(movie)
    if not estimate.identifiable:
        raise BlinkspotError(
            f"The camera is not known: give {' and '.join(map(named, missing))}, or {named('camera')}, "
            f"for the movie does not tell them ({estimate.reason})."
        )
    read_noise = settings.get("read_noise_electrons", 0.0)
    camera = estimate.camera(
        settings.get("em_gain", 1.0),
        read_noise_electrons=read_noise,
        electrons_per_adu=settings.get("electrons_per_adu"),
    )
    found = {name: float(getattr(camera, name)) for name in missing}
    measured = f"{estimate.description}; of all noise, {read_noise:g} electrons are read noise"
    said = measured if read_noise else estimate.description
    say(f"Estimated from the movie's noise, not known: {_listed(found)} ({said}).")
    return found


def _check_offset(movie: Stack, camera: Camera, say: Say, named: Named) -> None:
    """Say where the movie's noise contradicts the offset of the camera's maps."""
    estimate = estimate_offset(movie, camera)
    if estimate.contradicts(camera.offset_adu):
        say(
            f"The maps have a mean offset of {camera.offset_adu:.5g} ADU, but the movie's noise tells "
            f"{estimate.offset_adu:.5g} ± {estimate.offset_error_adu:.2g}: if the camera's level has "
            f"moved since its calibration, give {named('offset_adu')} {estimate.offset_adu:.1f}."
        )


def _made_with_maps(movie: Stack) -> bool:
    """Tell whether a movie's file says that its camera had maps, which it does not hold."""
    camera = movie.metadata.get("provenance", {}).get("camera")
    return isinstance(camera, dict) and "maps" in camera


def _listed(settings: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.5g}" for name, value in settings.items())
