"""A movie's camera, and where each of its values came from."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from blinkspot import camera_estimate
from blinkspot.camera import NUMBERS, Camera
from blinkspot.camera_estimate import CameraEstimate
from blinkspot.errors import BlinkspotError
from blinkspot.stack import Stack

ESSENTIAL = ("offset_adu", "electrons_per_adu")
"""The values that the noise depends on, and that a movie may tell."""


class Origin(enum.Enum):
    """Where a value came from, as the docks say it."""

    DEFAULT = "default: please check"
    FILE = "from the file"
    ESTIMATED = "estimated from the movie"
    TYPED = "typed"
    LOADED = "from a camera file"


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
    """

    camera: Camera = field(default_factory=Camera)
    sources: Mapping[str, Source] = field(default_factory=dict)
    remark: str = ""

    def source(self, name: str) -> Source:
        """Return where the value called ``name`` came from."""
        return self.sources.get(name, Source(Origin.DEFAULT))

    @property
    def unknown(self) -> tuple[str, ...]:
        """Names of the values that nobody gave: they stand at their defaults."""
        names = NUMBERS
        return tuple(name for name in names if self.source(name).origin is Origin.DEFAULT)

    @property
    def essentials(self) -> tuple[tuple[float, Source], ...]:
        """The values that the noise depends on, and where they came from."""
        return tuple((getattr(self.camera, name), self.source(name)) for name in ESSENTIAL)

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

        Raises
        ------
        BlinkspotError
            If a value is out of its range.
        """
        changes: dict[str, Any] = dict(values)
        camera = dataclasses.replace(self.camera, **changes)
        sources = {**self.sources, **dict.fromkeys(values, source)}
        record = CameraRecord(camera, sources, self.remark)
        return record if record.lacks else dataclasses.replace(record, remark="")

    def typed(self, name: str, value: float) -> CameraRecord:
        """Return the record with one value as the user typed it.

        The noise of a movie tells em_gain * excess noise factor / electrons_per_adu and no more. So when the
        user says what the EM gain is, an estimated electrons_per_adu changes with it.

        Raises
        ------
        BlinkspotError
            If the value is out of its range.
        """
        record = self.with_values({name: value}, Source(Origin.TYPED))
        estimated = self.source("electrons_per_adu")
        if name != "em_gain" or estimated.origin is not Origin.ESTIMATED:
            return record
        factor = _gain_and_excess(record.camera) / _gain_and_excess(self.camera)
        error = None if estimated.error is None else estimated.error * factor
        return record.with_values(
            {"electrons_per_adu": self.camera.electrons_per_adu * factor},
            dataclasses.replace(estimated, error=error),
        )

    def with_estimate(self, estimate: CameraEstimate) -> CameraRecord:
        """Return the record with what the movie's noise tells; the rest stays as it is."""
        slope, slope_error = estimate.adu_per_count, estimate.adu_per_count_error
        if slope is None or slope_error is None or estimate.offset_adu is None:
            remark = (
                f"The movie does not tell its camera: {estimate.reason}. Please type offset and conversion."
            )
            return dataclasses.replace(self, remark=remark)
        conversion = _gain_and_excess(self.camera) / slope
        note = f"Measured: {estimate.description}."
        record = self.with_values(
            {"electrons_per_adu": conversion},
            Source(Origin.ESTIMATED, conversion * slope_error / slope, note),
        )
        if not estimate.offset_error_adu:
            return record
        record = record.with_values(
            {"offset_adu": estimate.offset_adu}, Source(Origin.ESTIMATED, estimate.offset_error_adu, note)
        )
        return record.with_values(
            {"read_noise_electrons": 0.0},
            Source(Origin.ESTIMATED, note="Read noise is part of the estimated offset, so it is 0 here."),
        )


def _gain_and_excess(camera: Camera) -> float:
    return camera.em_gain * camera.excess_noise_factor


def measure_camera(movie: Stack, offset_adu: float | None, keep_offset: bool) -> CameraEstimate:
    """Estimate the camera of a movie from its noise.

    Parameters
    ----------
    offset_adu : float or None
        The offset, where it is known.
    keep_offset : bool
        Whether a known offset is to be believed; else it is used only where the movie does not tell it.
    """
    if offset_adu is not None and keep_offset:
        return camera_estimate.estimate_slope(movie, offset_adu)
    estimate = camera_estimate.estimate_camera(movie)
    if offset_adu is not None and not estimate.identifiable:
        return camera_estimate.estimate_slope(movie, offset_adu)
    return estimate
