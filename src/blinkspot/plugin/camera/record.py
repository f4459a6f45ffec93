"""A movie's camera, and where each of its values came from."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from blinkspot.camera import MAPPED, NUMBERS, Camera
from blinkspot.camera_from_movie import estimate as camera_from_movie
from blinkspot.camera_from_movie.estimate import CameraEstimate
from blinkspot.errors import BlinkspotError
from blinkspot.movies.checks import check_maps
from blinkspot.movies.stack import Stack
from blinkspot.plugin.camera.maps_choice import ChosenMaps

ESSENTIAL = ("offset_adu", "electrons_per_adu")
"""The values that the noise depends on, and that a movie may tell."""
OF_ANY_CAMERA = ("pixel_size_nm", "offset_adu", "em_gain")
"""The values that can be given where there are maps."""
_DEFAULTS = Camera().as_dict()
_LARGEST_MOVE_ADU = 1e5


class Origin(enum.Enum):
    """Where a value came from, as the docks say it."""

    DEFAULT = "default: please check"
    FILE = "from the file"
    ESTIMATED = "estimated from the movie"
    TYPED = "typed"
    LOADED = "from a camera file"
    REMEMBERED = "remembered"
    MAPS = "mean of the maps"


@dataclass(frozen=True)
class Source:
    """Where one value came from.

    Attributes
    ----------
    origin : Origin
        The kind of source.
    error : float or None
        Standard error of an estimate, in the value's unit.
    note : str
        More about it, for a tooltip.
    """

    origin: Origin
    error: float | None = None
    note: str = ""


@dataclass(frozen=True)
class CameraRecord:
    """A camera whose values each remember their source.

    Attributes
    ----------
    camera : Camera
        The values.
    sources : mapping
        Source by name of the value; what is missing is a default.
    remark : str
        What the user should know about the whole, a sentence; may be empty.
    chosen : ChosenMaps or None
        Where the camera's maps come from.
    """

    camera: Camera = field(default_factory=Camera)
    sources: Mapping[str, Source] = field(default_factory=dict)
    remark: str = ""
    chosen: ChosenMaps | None = None

    def source(self, name: str) -> Source:
        """Return where the value called ``name`` came from."""
        return self.sources.get(name, Source(Origin.DEFAULT))

    @property
    def unknown(self) -> tuple[str, ...]:
        """Names of the values that nobody gave: they stand at their defaults."""
        names = NUMBERS
        return tuple(name for name in names if self.source(name).origin is Origin.DEFAULT)

    @property
    def essentials(self) -> tuple[object, ...]:
        """The values that the noise depends on, and where they came from."""
        return self.chosen, *((getattr(self.camera, name), self.source(name)) for name in ESSENTIAL)

    @property
    def lacks(self) -> tuple[str, ...]:
        """Names of the values that the noise depends on and nobody gave."""
        return tuple(name for name in ESSENTIAL if name in self.unknown)

    def check_complete(self) -> None:
        """Check that what the noise depends on is known, be it by an estimate.

        Raises
        ------
        BlinkspotError
            If it is not.
        """
        if self.lacks:
            raise BlinkspotError(
                "The camera's offset and conversion are needed, and neither file nor movie tells them: type "
                "them, load a camera file, or confirm what is shown by Enter."
            )

    @property
    def is_certain(self) -> bool:
        """Whether somebody has said every value: none is a default or an estimate."""
        names = NUMBERS
        return all(self.source(name).origin not in (Origin.DEFAULT, Origin.ESTIMATED) for name in names)

    def with_values(self, values: Mapping[str, float], source: Source) -> CameraRecord:
        """Return the record with some values from one source.

        Where there are maps, an offset moves them, and conversion and read noise stay theirs.

        Raises
        ------
        BlinkspotError
            If a value is out of its range.
        """
        changes: dict[str, Any] = dict(values)
        maps = self.camera.maps
        if maps is not None:
            changes = {name: value for name, value in values.items() if name in OF_ANY_CAMERA}
            if "offset_adu" in changes:
                changes["maps"] = maps.moved_to(changes["offset_adu"])
        camera = dataclasses.replace(self.camera, **changes)
        sources = {**self.sources, **{name: source for name in values if name in changes}}
        record = dataclasses.replace(self, camera=camera, sources=sources)
        return record if record.lacks else dataclasses.replace(record, remark="")

    def with_maps(self, chosen: ChosenMaps, height: int, width: int) -> CameraRecord:
        """Return the record with the maps of a movie's frames.

        An offset that somebody has moved these maps to is kept when only another part of them is chosen.

        Raises
        ------
        BlinkspotError
            If the maps do not reach so far.
        """
        camera = dataclasses.replace(self.camera, maps=chosen.of_frames(height, width))
        source = Source(Origin.MAPS, note=chosen.chip.source or "")
        record = CameraRecord(camera, {**self.sources, **dict.fromkeys(MAPPED, source)}, chosen=chosen)
        before = self.source("offset_adu")
        if self.chosen is None or self.chosen.chip != chosen.chip or before.origin is Origin.MAPS:
            return record
        return record.with_values({"offset_adu": self.camera.offset_adu}, before)

    def without_maps(self) -> CameraRecord:
        """Return the record without maps; what they said of the camera is not known then."""
        camera = dataclasses.replace(self.camera, maps=None, **{name: _DEFAULTS[name] for name in MAPPED})
        sources = {name: source for name, source in self.sources.items() if name not in MAPPED}
        return CameraRecord(camera, sources)

    def loaded(self, camera: Camera, source: Source, height: int, width: int) -> CameraRecord:
        """Return the record of a camera that was read from a file, for frames of this size.

        Raises
        ------
        BlinkspotError
            If its maps do not reach so far.
        """
        numbers = {name: getattr(camera, name) for name in NUMBERS}
        record = CameraRecord().with_values(numbers, source)
        if camera.maps is None:
            return record
        return record.with_maps(ChosenMaps.for_frames(camera.maps, height, width), height, width)

    def typed(self, name: str, value: float) -> CameraRecord:
        """Return the record with one value as the user typed it.

        The noise of a movie tells em_gain * excess noise factor / electrons_per_adu and no more. So when the
        user says what the EM gain is, an estimated electrons_per_adu changes with it. And read noise is part
        of an estimated offset: what the user says of it is taken out of that.

        Raises
        ------
        BlinkspotError
            If the value is out of its range.
        """
        record = self.with_values({name: value}, Source(Origin.TYPED))
        estimated = self.source("electrons_per_adu")
        if name == "em_gain" and estimated.origin is Origin.ESTIMATED:
            factor = _gain_and_excess(record.camera) / _gain_and_excess(self.camera)
            error = None if estimated.error is None else estimated.error * factor
            record = record.with_values(
                {"electrons_per_adu": self.camera.electrons_per_adu * factor},
                dataclasses.replace(estimated, error=error),
            )
        offset = record.source("offset_adu")
        if offset.origin is not Origin.ESTIMATED or self.camera.maps is not None:
            return record
        moved = _offset_of_read_noise(record.camera) - _offset_of_read_noise(self.camera)
        return record.with_values({"offset_adu": self.camera.offset_adu + moved}, offset)

    def with_estimate(self, estimate: CameraEstimate, keep_offset: bool = False) -> CameraRecord:
        """Return the record with what the movie's noise tells; the rest stays as it is.

        Parameters
        ----------
        keep_offset : bool
            Whether the offset of maps stays and the estimate is only remarked on, where it contradicts.
        """
        if self.camera.maps is not None and estimate.offset_adu is not None:
            return self._with_offset_of_maps(estimate, estimate.offset_adu, keep_offset)
        slope, slope_error = estimate.adu_per_count, estimate.adu_per_count_error
        if slope is None or slope_error is None or estimate.offset_adu is None:
            remark = (
                f"The movie does not tell its camera: {estimate.reason}. Please type offset and conversion."
            )
            return dataclasses.replace(self, remark=remark)
        # Read noise is part of an estimated offset, not of the conversion beside it.
        read_noise = 0.0 if estimate.offset_error_adu else self.camera.read_noise_electrons
        conversion = estimate.camera(self.camera.em_gain, read_noise_electrons=read_noise).electrons_per_adu
        note = f"Measured: {estimate.description}."
        record = self.with_values(
            {"electrons_per_adu": conversion},
            Source(Origin.ESTIMATED, conversion * slope_error / slope, note),
        )
        if not estimate.offset_error_adu:
            return record
        # Somebody may have said what the read noise is.
        is_given = self.source("read_noise_electrons").origin not in (Origin.DEFAULT, Origin.ESTIMATED)
        moved = _offset_of_read_noise(record.camera) if is_given else 0.0
        record = record.with_values(
            {"offset_adu": estimate.offset_adu + moved},
            Source(Origin.ESTIMATED, estimate.offset_error_adu, note),
        )
        if is_given:
            return record
        return record.with_values(
            {"read_noise_electrons": 0.0},
            Source(Origin.ESTIMATED, note="Read noise is part of the estimated offset, so it is 0 here."),
        )

    def _with_offset_of_maps(
        self, estimate: CameraEstimate, offset_adu: float, keep_offset: bool
    ) -> CameraRecord:
        if not keep_offset:
            note = f"Measured: {estimate.description}."
            source = Source(Origin.ESTIMATED, estimate.offset_error_adu, note)
            return self.with_values({"offset_adu": offset_adu}, source)
        if not estimate.contradicts(self.camera.offset_adu):
            return self
        remark = (
            f"The movie's noise tells an offset of {offset_adu:.5g} ± {estimate.offset_error_adu:.2g} ADU: "
            "if the camera's level has moved since the maps were measured, press Estimate."
        )
        return dataclasses.replace(self, remark=remark)


def _gain_and_excess(camera: Camera) -> float:
    return camera.em_gain * camera.excess_noise_factor


def _offset_of_read_noise(camera: Camera) -> float:
    """Return how far below the camera's own offset read noise makes the noise vanish, ADU.

    Where the EM gain is yet to be typed, that may be absurdly far: the offset keeps within its range.
    """
    far = camera.read_noise_electrons**2 / (camera.electrons_per_adu * _gain_and_excess(camera))
    return min(far, _LARGEST_MOVE_ADU)


def measure_camera(
    movie: Stack, camera: Camera, offset_adu: float | None, keep_offset: bool
) -> CameraEstimate:
    """Estimate the camera of a movie from its noise.

    Parameters
    ----------
    camera : Camera
        What is supposed so far: where it has maps, only their offset is estimated.
    offset_adu : float or None
        The offset, where it is known.
    keep_offset : bool
        Whether a known offset is to be believed; else it is used only where the movie does not tell it.

    Raises
    ------
    BlinkspotError
        If the movie cannot be used, or is not of the camera's maps.
    """
    if camera.maps is not None:
        check_maps(movie, camera.maps)
        return camera_from_movie.estimate_offset(movie, camera)
    if offset_adu is not None and keep_offset:
        return camera_from_movie.estimate_slope(movie, offset_adu)
    estimate = camera_from_movie.estimate_camera(movie)
    if offset_adu is not None and not estimate.identifiable:
        return camera_from_movie.estimate_slope(movie, offset_adu)
    return estimate
